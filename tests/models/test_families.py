"""What every family keeps, row by row of ``FAMILIES``."""

import keras
import numpy as np
import pytest
from keras import ops
from support import assert_close

from bert4keras.models import FAMILIES, build_transformer_model

CONFIG = {
    "vocab_size": 600,
    "hidden_size": 16,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 24,
    "hidden_act": "gelu",
    "max_position_embeddings": 20,
    "embedding_size": 8,
    "hidden_dropout_prob": 0.1,
    "attention_probs_dropout_prob": 0.1,
}
HEADS = {"with_nsp": True, "with_mlm": "linear"}
IDS = np.array([[2, 257, 599, 258, 3], [2, 511, 3, 0, 0]])
SEGMENTS = np.array([[0, 0, 0, 1, 1], [0, 0, 0, 0, 0]])
CLASSES = {family: name for name, family in reversed(FAMILIES.items())}  # one row of each class
every_family = pytest.mark.parametrize("family", CLASSES.values())


def build(family, **options):
    """A small model with weights far from symmetric, so that what is lost is missed."""
    built = build_transformer_model(
        CONFIG, model=family, **{"return_keras_model": False, **options}
    )
    numbers = np.random.default_rng(0)
    for weight in getattr(built, "model", built).weights:
        weight.assign(numbers.normal(0, 0.3, weight.shape))
    return built


def listed(outputs):
    outputs = outputs if isinstance(outputs, list | tuple) else [outputs]
    return [ops.convert_to_numpy(ops.cast(x, "float32")) for x in outputs]


def predict(model, ids=IDS, segments=SEGMENTS):
    return listed(model.predict([ids, segments], verbose=0))


def values(model):
    return {w.path: ops.convert_to_numpy(w) for w in model.weights}


@every_family
def test_every_weight_has_a_name_in_the_checkpoint(family):
    bert = build(family, **HEADS)
    mapping = bert.variable_mapping()
    for name, layer in bert.layers.items():
        if weights := getattr(layer, "weights", []):
            assert len(mapping[name]) == len(weights), name


@every_family
@pytest.mark.parametrize("filename", ["model.ckpt", "model.safetensors", "model.h5"])
def test_written_and_read_back_it_is_the_same_to_the_bit(family, filename, tmp_path):
    bert = build(family, **HEADS)
    bert.save_weights_as_checkpoint(str(tmp_path / filename))
    again = build_transformer_model(CONFIG, str(tmp_path / filename), model=family, **HEADS)
    for got, want in zip(again.weights, bert.model.weights, strict=True):
        np.testing.assert_array_equal(ops.convert_to_numpy(got), ops.convert_to_numpy(want))


@every_family
def test_weights_saved_by_keras_are_read_as_a_checkpoint(family, tmp_path):
    bert = build(family, **HEADS)
    bert.model.save_weights(tmp_path / "best.weights.h5")
    again = build_transformer_model(CONFIG, tmp_path / "best.weights.h5", model=family, **HEADS)
    for got, want in zip(again.weights, bert.model.weights, strict=True):
        np.testing.assert_array_equal(ops.convert_to_numpy(got), ops.convert_to_numpy(want))


@every_family
def test_keras_saves_and_loads_it_without_custom_objects(family, tmp_path):
    model = build(family, **HEADS, return_keras_model=True)
    model.save(tmp_path / "model.keras")
    again = keras.models.load_model(tmp_path / "model.keras")
    for got, want in zip(predict(again), predict(model), strict=True):
        np.testing.assert_array_equal(got, want)


@every_family
@pytest.mark.parametrize("application", ["encoder", "lm", "unilm"])
def test_padding_changes_nothing(family, application):
    model = build(family, with_mlm="linear", application=application, return_keras_model=True)
    (together,) = predict(model)
    (alone,) = predict(model, IDS[1:, :3], SEGMENTS[1:, :3])
    assert_close(together[1, :3], alone[0], 1e-5)


@every_family
def test_a_language_model_cannot_see_the_future(family):
    model = build(family, application="lm", with_mlm="linear", return_keras_model=True)
    changed = IDS.copy()
    changed[0, 3:] = 7
    np.testing.assert_allclose(predict(model)[0][0, :3], predict(model, changed)[0][0, :3], 1e-5)
    assert np.abs(predict(model)[0][0, 3] - predict(model, changed)[0][0, 3]).max() > 1e-3


@every_family
def test_a_unilm_sees_its_source_whole_and_not_its_target_ahead(family):
    model = build(family, application="unilm", with_mlm="linear", return_keras_model=True)
    target, source = IDS.copy(), IDS.copy()
    target[0, 4], source[0, 2] = 7, 7
    before, (after,), (moved,) = predict(model)[0], predict(model, target), predict(model, source)
    assert_close(after[0, :4], before[0, :4], 1e-5)
    assert (np.abs(moved[0] - before[0]).max(axis=-1) > 1e-4).all()


@every_family
def test_one_training_step_moves_every_weight(family):
    model = build(
        family, **HEADS, attention_dropout_rate=0, dropout_rate=0, return_keras_model=True
    )
    before = values(model)
    model.compile("sgd", "mse")
    targets = [np.ones(x.shape) for x in predict(model)]
    model.fit([IDS, SEGMENTS], targets, verbose=0)
    still = []
    for path, weight in values(model).items():
        moved = np.abs(weight - before[path]) > 0
        if not moved.any():
            still.append(path)
    # a bias of keys shifts all scores of a query alike, so it has no gradient but rounding
    assert [path for path in still if "k_dense/bias" not in path] == []


@every_family
def test_several_lengths_and_dtypes_work_on_one_model(family):
    model = build(family, **HEADS, return_keras_model=True)
    want = predict(model)
    for dtype in ("int64", "float32", "float64"):
        for got, expected in zip(predict(model, IDS.astype(dtype), SEGMENTS.astype(dtype)), want):
            np.testing.assert_array_equal(got, expected)
    for length in (1, 3, 20):
        ids = np.ones((2, length))
        assert predict(model, ids, ids * 0)[1].shape == (2, length, 600)


@every_family
@pytest.mark.parametrize("policy", ["mixed_bfloat16", "mixed_float16"])
def test_half_precision_keeps_ids_exact_and_numbers_finite(family, policy):
    want = predict(build(family, with_mlm=True, return_keras_model=True))[0]
    keras.config.set_dtype_policy(policy)
    model = build(family, with_mlm=True, return_keras_model=True)
    got = model([IDS.astype("float32"), SEGMENTS])
    assert keras.backend.standardize_dtype(got.dtype) == "float32"  # probabilities
    (got,) = listed(got)
    assert np.isfinite(got).all()
    assert_close(got, want, 0.02, 0.2)
    table = model.get_layer("Embedding-Token")
    vectors = ops.convert_to_numpy(ops.cast(table(np.array([[511.0, 512.0, 513.0]])), "float32"))
    rows = ops.convert_to_numpy(table.embeddings)[511:514]
    np.testing.assert_allclose(vectors[0], rows, rtol=1e-2)


@every_family
def test_layers_can_be_shared_between_models(family):
    encoder = build(family)
    shared = build_transformer_model(
        CONFIG, model=family, application="lm", layers=encoder.layers, return_keras_model=False
    )
    name = f"{encoder.block(1)}-FeedForward"
    assert shared.layers[name] is encoder.layers[name]
    assert shared.model.get_layer(name) is encoder.model.get_layer(name)


@every_family
def test_a_conditional_model_begins_as_the_plain_one(family, tmp_path):
    bert = build(family, with_mlm="linear")
    bert.save_weights_as_checkpoint(tmp_path / "model.h5")
    condition = keras.Input((3,))
    model = build_transformer_model(
        CONFIG,
        tmp_path / "model.h5",
        model=family,
        with_mlm="linear",
        layer_norm_cond=condition,
        additional_input_layers=condition,
    )
    got = model.predict([IDS, SEGMENTS, np.ones((2, 3))], verbose=0)
    assert_close(got, predict(bert.model)[0], 1e-5)


@every_family
@pytest.mark.parametrize("application", ["lm", "unilm"])
def test_residual_scores_go_with_every_mask(family, application):
    model = build(
        family,
        application=application,
        with_mlm="linear",
        residual_attention_scores=True,
        return_keras_model=True,
    )
    (together,) = predict(model)
    (alone,) = predict(model, IDS[1:, :3], SEGMENTS[1:, :3])
    assert_close(together[1, :3], alone[0], 1e-5)
    assert np.isfinite(together).all()
