"""DeBERTa: its two token heads, its pooler, and what it refuses."""

import keras
import numpy as np
import pytest
from support import GOLDEN, assert_close, load_record

from bert4keras.checkpoints import open_checkpoint
from bert4keras.models import build_transformer_model

FOLDER = GOLDEN / "hf" / "deberta_v2"
CONFIG = load_record("hf/deberta_v2/config.json")
IDS = np.array([[2, 7, 9, 11, 5, 8, 21, 3], [2, 8, 3, 0, 0, 0, 0, 0]])
HEAD = {
    "dense.weight": (32, 32),
    "dense.bias": (32,),
    "LayerNorm.weight": (32,),
    "LayerNorm.bias": (32,),
}


def checkpoint(head, last):
    """The golden encoder with a random token head under the names of either version."""
    numbers = np.random.default_rng(0)
    with open_checkpoint(FOLDER) as checkpoint:
        tensors = {f"deberta.{name}": checkpoint[name] for name in checkpoint}
    head_tensors = {head + name: numbers.normal(size=shape) for name, shape in HEAD.items()}
    return tensors | head_tensors | {last: numbers.normal(size=99)}


def test_the_third_version_has_a_token_head_of_its_own_names():
    third = checkpoint("lm_predictions.lm_head.", "lm_predictions.lm_head.bias")
    second = checkpoint("cls.predictions.transform.", "cls.predictions.bias")
    got, want = (
        build_transformer_model(CONFIG, tensors, with_mlm="linear").predict(IDS, verbose=0)
        for tensors in (third, second)
    )
    np.testing.assert_array_equal(got, want)


def test_the_third_version_of_transformers_gives_the_same(tmp_path):
    transformers = pytest.importorskip("transformers", reason="needs the bench extra")
    torch = pytest.importorskip("torch")
    config = transformers.DebertaV2Config.from_pretrained(FOLDER, legacy=False)
    hf_model = transformers.DebertaV2ForMaskedLM(config).eval()
    for weight in hf_model.parameters():
        torch.nn.init.normal_(
            weight, 0, 0.3, generator=torch.Generator().manual_seed(weight.numel())
        )
    hf_model.save_pretrained(tmp_path)
    with torch.no_grad():
        want = hf_model(torch.tensor(IDS), torch.tensor(IDS != 0).long()).logits.numpy()
    got = build_transformer_model(tmp_path, with_mlm="linear").predict(IDS, verbose=0)
    assert_close(got[IDS != 0], want[IDS != 0], 1e-4)


def test_a_pooler_is_that_of_the_classifiers(tmp_path):
    transformers = pytest.importorskip("transformers", reason="needs the bench extra")
    torch = pytest.importorskip("torch")
    bert = build_transformer_model(CONFIG, with_pool=True, return_keras_model=False)
    bert.save_pretrained(tmp_path)
    hf_model = transformers.DebertaV2ForSequenceClassification.from_pretrained(tmp_path).eval()
    with torch.no_grad():
        vectors = hf_model.deberta(torch.tensor(IDS), torch.tensor(IDS != 0).long())[0]
        want = hf_model.pooler(vectors).numpy()
    assert_close(bert.model.predict(IDS, verbose=0), want, 1e-4)
    copy = build_transformer_model(tmp_path, with_pool=True)
    assert_close(copy.predict(IDS, verbose=0), want, 1e-4)


def test_terms_may_be_written_in_one_string():
    built = build_transformer_model({**CONFIG, "pos_att_type": "p2c|c2p"}, return_keras_model=False)
    assert built.pos_att_type == ["p2c", "c2p"]


def test_a_condition_leaves_the_distances_alone():
    condition = keras.Input((3,))
    model = build_transformer_model(
        CONFIG, layer_norm_cond=condition, additional_input_layers=condition
    )
    assert not model.get_layer("Embedding-Relative-Position-Norm").conditional


@pytest.mark.parametrize(
    "settings, message",
    [
        ({"relative_attention": False}, "relative_attention=True alone, .* says False"),
        ({"conv_groups": 2}, "conv_groups=1 alone"),
        ({"pos_att_type": ["p2p"]}, "Expected terms of c2p, p2c, got p2p"),
        ({"position_buckets": 7}, "even number of position_buckets"),
        ({"num_attention_heads": 5}, "multiple of num_attention_heads, got 32 and 5"),
    ],
)
def test_a_setting_that_cannot_be_computed_is_named(settings, message):
    with pytest.raises(ValueError, match=message):
        build_transformer_model({**CONFIG, **settings})


def test_plain_attention_is_not_taken_for_disentangled():
    lacking = {key: value for key, value in CONFIG.items() if key != "relative_attention"}
    with pytest.raises(ValueError, match="relative_attention=True alone, .* says False"):
        build_transformer_model(lacking)


@pytest.mark.parametrize(
    "options, message",
    [
        (
            {"with_nsp": True},
            "has no with_nsp, got True. It can be built with: with_pool, with_mlm",
        ),
        ({"custom_position_ids": True}, "has no custom_position_ids"),
        ({"application": "lm"}, "cannot be used as application='lm'. It can be: encoder"),
        (
            {"autoresize_weights": True, "share_att_key": False},
            "autoresize_weights needs share_att",
        ),
    ],
)
def test_what_it_does_not_have_is_refused(options, message):
    with pytest.raises(ValueError, match=message):
        build_transformer_model(CONFIG, **options)
