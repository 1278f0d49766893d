"""NEZHA: differences from BERT."""

import numpy as np
import pytest
from keras import ops
from support import GOLDEN, load_record

from bert4keras.checkpoints import open_checkpoint, to_foreign_names, write_safetensors
from bert4keras.models import NEZHA, build_transformer_model

BASE = GOLDEN / "models" / "nezha"
CONFIG = load_record("models/nezha/config.json")


def build(config=CONFIG, checkpoint=None, **options):
    return build_transformer_model(config, checkpoint, model="nezha", **options)


def test_the_config_says_beyond_which_distance_all_are_one():
    model = build({**CONFIG, "max_relative_position": 2}, BASE / "bert_model.ckpt")
    layer = model.get_layer("Embedding-Relative-Position")
    x = np.zeros((1, 6, 32), "float32")
    vectors = ops.convert_to_numpy(layer([x, x]))
    assert layer.embeddings.shape == (5, 8)
    np.testing.assert_array_equal(vectors[0, 2], vectors[0, 5])
    assert np.abs(vectors[0, 1] - vectors[0, 2]).max() > 0.1


def test_vectors_of_distances_are_not_trained():
    paths = [weight.path for weight in build().trainable_weights]
    assert paths and not any("Relative" in path for path in paths)


def test_names_of_transformers_are_read(tmp_path):
    bert = build(BASE, with_nsp=True, with_mlm=True, return_keras_model=False)
    with open_checkpoint(BASE / "bert_model.ckpt") as checkpoint:
        names = {name for row in bert.variable_mapping().values() for name in row} & {*checkpoint}
        (dialect,) = NEZHA.checkpoint_spec.dialects
        foreign = dict(to_foreign_names({name: checkpoint[name] for name in names}, dialect))
    assert foreign["nezha.encoder.layer.0.attention.self.query.weight"].shape == (32, 32)
    assert foreign["cls.predictions.bias"].shape == (105,)
    assert foreign["cls.seq_relationship.weight"].shape == (2, 32)
    write_safetensors(tmp_path / "model.safetensors", foreign)
    config = {**CONFIG, "model_type": "nezha"}
    copy = build_transformer_model(config, tmp_path, with_nsp=True, with_mlm=True)
    for got, want in zip(copy.weights, bert.model.weights, strict=True):
        np.testing.assert_array_equal(ops.convert_to_numpy(got), ops.convert_to_numpy(want))


def test_absolute_positions_are_refused():
    for name in ("custom_position_ids", "hierarchical_position"):
        with pytest.raises(ValueError, match=f"NEZHA has no {name}, got True. It can be built"):
            build(**{name: True})
    with pytest.raises(
        ValueError, match="use_relative_position=True alone, the configuration says"
    ):
        build({**CONFIG, "use_relative_position": False})


def test_keys_of_another_size_than_values_are_refused():
    with pytest.raises(ValueError, match="attention_key_size must equal .*, got 4 and 8"):
        build(attention_key_size=4)
