"""What every family keeps, row by row of ``FAMILIES``."""

import keras
import numpy as np
import pytest
from keras import ops
from support import assert_close, outputs_of, stirred

from bert4keras.generation import Graph
from bert4keras.models import FAMILIES, build_transformer_model
from bert4keras.models.config import parameters

CONFIG = {
    "vocab_size": 600,
    "hidden_size": 16,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 24,
    "hidden_act": "gelu",
    "max_position_embeddings": 20,
    "hidden_dropout_prob": 0.1,
    "attention_probs_dropout_prob": 0.1,
}
OWN = {  # settings of a family beside or instead of these
    "electra": {"embedding_size": 8},
    "ernie": {"use_task_id": True},
    "xlm_roberta": {"pad_token_id": 0, "max_position_embeddings": 21},
    "deberta_v2": {
        "embedding_size": 8,
        "type_vocab_size": 2,
        "position_buckets": 6,
        "share_att_key": False,
        "position_biased_input": True,
        "conv_kernel_size": 3,
    },
    "modernbert": {"local_attention": 4, "global_attn_every_n_layers": 2},
    "albert": {"embedding_size": 8},
    "albert_unshared": {"embedding_size": 8},
    "roformer": {"embedding_size": 8},
    "roformer_v2": {"embedding_size": 8},
    "gau_alpha": {"embedding_size": 8},
    "gpt": {
        "hidden_act": "gelu_tanh",
        "intermediate_size": 64,
        "shared_segment_embeddings": True,
    },
    "llama": {"key_value_heads": 1, "projection_bias": True, "mlp_bias": True},
    "mistral": {"attention_head_size": 4, "tie_word_embeddings": True},
    "qwen2": {"num_attention_heads": 4, "key_value_heads": 2},
    "t5": {"cross_position_bias": False},
    "t5.1.1": {
        "cross_position_bias": False,
        "scale_decoder_outputs": False,
        "hidden_act": ["gelu", "linear"],
        "num_decoder_layers": 1,
    },
    "t5_decoder": {"context_mask": True, "embedding_size": 8},
}
TOKENS = {  # scores of tokens
    "with_mlm": "linear",
    "with_generator": "linear",
    "final_activation": "linear",
    "with_lm": "linear",
}
HEADS = {"with_nsp": True, "with_discriminator": True, **TOKENS}  # all that a family can have
PROBABILITIES = {"with_mlm": True, "with_generator": True, "with_lm": True}
IDS = np.array([[2, 257, 599, 258, 3], [2, 511, 3, 0, 0]])
SEGMENTS = np.array([[0, 0, 0, 1, 1], [0, 0, 0, 0, 0]])
CONTEXT = np.random.default_rng(1).normal(size=(600, 16))  # what an encoder might make of an id
CLASSES = {family: name for name, family in reversed(FAMILIES.items())}  # one row of each class
ROWS = [*CLASSES.values(), "t5.1.1"]  # and one that its version makes quite another model
USUAL = ("bert", "albert", "albert_unshared", "roformer", "llama", "t5")


def row(name, *more):
    """A row of a table of tests; those that are not ``USUAL`` are left to ``pytest -m slow``."""
    return pytest.param(name, *more, marks=() if name in USUAL else pytest.mark.slow)


every_family = pytest.mark.parametrize("family", [row(name) for name in ROWS])


def families_for(*applications, takes=None):
    """Each application with each family that can be it, and takes an argument."""
    return pytest.mark.parametrize(
        "family, application",
        [
            row(name, application)
            for name in ROWS
            for application in applications
            if application in FAMILIES[name].config_spec.applications
            and takes not in FAMILIES[name].config_spec.unsupported_args
        ],
    )


def config(family):
    return {**CONFIG, **OWN.get(family, {})}


def taken(family, options):
    """Those of the options that a family takes."""
    spec = FAMILIES[family].config_spec
    useless = (*spec.unsupported_args, *spec.ignored_args)
    known = [x for x in parameters(FAMILIES[family], "__init__") if x not in useless]
    heads = {*HEADS, "with_pool", "with_lm"}
    return {name: x for name, x in options.items() if name in known or name not in heads}


def make(family, checkpoint=None, **options):
    """What ``build_transformer_model`` gives for the small config, heads as far as it has them."""
    options = taken(family, {"return_keras_model": False, **options})
    return build_transformer_model(config(family), checkpoint, model=family, **options)


def build(family, **options):
    """A small model with weights far from symmetric, so that what is lost is missed."""
    return stirred(make(family, **options))


def given(model, ids=IDS, segments=SEGMENTS, *more):
    """The inputs of a model by their names: tokens, segments if it takes them, and others."""
    others = iter(more)
    kinds = [x.name.rpartition("-")[2] for x in model.inputs]
    known = {"Token": ids, "Segment": segments, "Mask": (ids != 0).astype("int32")}
    known["Context"] = CONTEXT[ids.astype("int32")]
    values = [known.get(kind) for kind in kinds]
    values = [next(others) if value is None else value for value in values]
    return values


def predict(model, ids=IDS, segments=SEGMENTS, *more):
    return outputs_of(model, given(model, ids, segments, *more))


def values(model):
    return {w.path: ops.convert_to_numpy(w) for w in model.trainable_weights}


@every_family
def test_every_weight_has_a_name_in_the_checkpoint(family):
    bert = build(family, **HEADS)
    mapping = bert.variable_mapping()
    for name, layer in bert.layers.items():
        if weights := getattr(layer, "trainable_weights", []):
            assert len(mapping[name]) == len(weights), name


@every_family
@pytest.mark.parametrize("filename", ["model.ckpt", "model.safetensors", "model.h5"])
def test_written_and_read_back_it_is_the_same_to_the_bit(family, filename, tmp_path):
    bert = build(family, **HEADS)
    bert.save_weights_as_checkpoint(str(tmp_path / filename))
    again = make(family, str(tmp_path / filename), **HEADS).model
    for got, want in zip(again.weights, bert.model.weights, strict=True):
        np.testing.assert_array_equal(ops.convert_to_numpy(got), ops.convert_to_numpy(want))


@every_family
def test_weights_saved_by_keras_are_read_as_a_checkpoint(family, tmp_path):
    bert = build(family, **HEADS)
    bert.model.save_weights(tmp_path / "best.weights.h5")
    again = make(family, tmp_path / "best.weights.h5", **HEADS).model
    for got, want in zip(again.weights, bert.model.weights, strict=True):
        np.testing.assert_array_equal(ops.convert_to_numpy(got), ops.convert_to_numpy(want))


@every_family
def test_keras_saves_and_loads_it_without_custom_objects(family, tmp_path):
    model = build(family, **HEADS, return_keras_model=True)
    model.save(tmp_path / "model.keras")
    again = keras.models.load_model(tmp_path / "model.keras")
    for got, want in zip(predict(again), predict(model), strict=True):
        np.testing.assert_array_equal(got, want)


@families_for("encoder", "lm", "unilm")
def test_padding_changes_nothing(family, application):
    model = build(family, **TOKENS, application=application, return_keras_model=True)
    (together,) = predict(model)
    (alone,) = predict(model, IDS[1:, :3], SEGMENTS[1:, :3])
    assert_close(together[1, :3], alone[0], 1e-5)


@families_for("lm")
def test_a_saved_language_model_opens_as_one(family, application, tmp_path):
    bert = build(family, application=application, **TOKENS)
    try:
        bert.save_pretrained(tmp_path)
    except ValueError as error:
        assert "a causal mask" in str(error)
        return
    native = (
        {} if bert.checkpoint_spec.hugging_face else {"application": application}
    )  # our own say no class
    again = build_transformer_model(tmp_path, **native, **taken(family, TOKENS))
    assert_close(predict(again)[0], predict(bert.model)[0], 1e-5)


@families_for("lm")
def test_a_language_model_cannot_see_the_future(family, application):
    model = build(family, application=application, **TOKENS, return_keras_model=True)
    changed = IDS.copy()
    changed[0, 3:] = 7
    np.testing.assert_allclose(predict(model)[0][0, :3], predict(model, changed)[0][0, :3], 1e-5)
    assert np.abs(predict(model)[0][0, 3] - predict(model, changed)[0][0, 3]).max() > 1e-3


@families_for("unilm")
def test_a_unilm_sees_its_source_whole_and_not_its_target_ahead(family, application):
    model = build(family, application=application, **TOKENS, return_keras_model=True)
    target, source = IDS.copy(), IDS.copy()
    target[0, 4], source[0, 2] = 7, 7
    before, (after,), (moved,) = predict(model)[0], predict(model, target), predict(model, source)
    assert_close(after[0, :4], before[0, :4], 1e-5)
    assert (np.abs(moved[0] - before[0]).max(axis=-1) > 1e-4).all()


@families_for("lm", "unilm")
def test_the_cached_step_equals_the_full_pass(family, application):
    model = build(family, application=application, **TOKENS, return_keras_model=True)
    given_ids = np.random.default_rng(1).integers(1, 600, (2, 8))
    given_ids[0, 1] = 0
    check_steps(
        model, lambda ids, own: given(model, ids, own * (application == "unilm")), given_ids
    )


@pytest.mark.parametrize("family", ["t5", "t5.1.1", row("t5_decoder")])
def test_the_cached_step_of_a_decoder_equals_the_full_pass(family):
    built = build(family, **TOKENS)
    ids = np.random.default_rng(1).integers(1, 600, (2, 7))
    source = [CONTEXT[IDS], (IDS != 0).astype("int32")] if family == "t5_decoder" else [IDS]
    check_steps(built.model, lambda ids, own: [source[0], ids, *source[1:]], ids, prompt=1)


def check_steps(model, inputs, ids, prompt=4):
    """Prefill with the first tokens, go on with the others, and compare with the full pass."""
    graph, tensor = Graph(model), ops.convert_to_tensor
    lengths = np.array([prompt, max(prompt - 1, 1)], "int32")
    short = np.where(np.arange(prompt) < lengths[:, None], ids[:, :prompt], 0)
    got, shared = graph.prefill(list(map(tensor, inputs(short, short * 0))), tensor(lengths))
    own = graph.empty(2, 8)
    for slot in range(4):
        for row, length in enumerate(lengths):
            alone = ids[row : row + 1, : length + slot]
            segments = (np.arange(length + slot) >= length)[None].astype(int)
            whole = [x[row : row + 1] if len(x) == 2 else x for x in inputs(alone, segments)]
            want = outputs_of(model, list(map(tensor, whole)))[0][0, -1]
            assert_close(ops.convert_to_numpy(got)[row], want, 2e-5)
        tokens = ids[np.arange(2), lengths + slot].astype("int32")
        got, own = graph.step(tensor(tokens), tensor(np.int32(slot)), shared, own)


@every_family
def test_one_training_step_moves_every_weight(family):
    model = build(
        family, **HEADS, attention_dropout_rate=0, dropout_rate=0, return_keras_model=True
    )
    before = values(model)
    model.compile("sgd", "mse")
    targets = [np.ones(x.shape) for x in predict(model)]
    inputs = given(model)
    model.fit(inputs if len(inputs) > 1 else inputs[0], targets, verbose=0)
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
        inputs = given(model, ids, ids * 0)
        got = model.predict(inputs if len(inputs) > 1 else inputs[0], verbose=0)  # compiled
        got = got[-1] if isinstance(got, list | tuple) else got
        assert got.shape[:2] == (2, length)
        assert_close(got, predict(model, ids, ids * 0)[-1], 1e-4)


@every_family
@pytest.mark.parametrize("policy", ["mixed_bfloat16", "mixed_float16"])
def test_half_precision_keeps_ids_exact_and_numbers_finite(family, policy):
    want = predict(build(family, **PROBABILITIES, return_keras_model=True))[0]
    keras.config.set_dtype_policy(policy)
    model = build(family, **PROBABILITIES, return_keras_model=True)
    if model.output.shape[-1] == CONFIG["vocab_size"]:
        assert model.output.dtype == "float32"  # probabilities
    (got,) = predict(model, IDS.astype("float32"))
    assert np.isfinite(got).all()
    assert_close(got, want, 0.02, 0.2)
    table = model.get_layer("Embedding-Token")
    vectors = ops.convert_to_numpy(ops.cast(table(np.array([[511.0, 512.0, 513.0]])), "float32"))
    rows = ops.convert_to_numpy(table.embeddings)[511:514]
    np.testing.assert_allclose(vectors[0], rows, rtol=1e-2)


@every_family
def test_layers_can_be_shared_between_models(family):
    encoder = build(family)
    shared = make(family, layers=encoder.layers)
    name = [name for name, layer in encoder.layers.items() if getattr(layer, "weights", None)][-1]
    assert shared.layers[name] is encoder.layers[name]
    assert shared.model.get_layer(name) is encoder.model.get_layer(name)


@families_for("encoder", takes="layer_norm_cond")
def test_a_conditional_model_begins_as_the_plain_one(family, application, tmp_path):
    bert = build(family, **TOKENS)
    bert.save_weights_as_checkpoint(tmp_path / "model.h5")
    condition = keras.Input((3,))
    model = make(
        family,
        tmp_path / "model.h5",
        **TOKENS,
        layer_norm_cond=condition,
        additional_input_layers=condition,
    ).model
    assert_close(predict(model, IDS, SEGMENTS, np.ones((2, 3)))[0], predict(bert.model)[0], 1e-5)


@families_for("lm", "unilm", takes="residual_attention_scores")
def test_residual_scores_go_with_every_mask(family, application):
    model = build(
        family,
        application=application,
        **TOKENS,
        residual_attention_scores=True,
        return_keras_model=True,
    )
    (together,) = predict(model)
    (alone,) = predict(model, IDS[1:, :3], SEGMENTS[1:, :3])
    assert_close(together[1, :3], alone[0], 1e-5)
    assert np.isfinite(together).all()


@every_family
def test_a_saved_folder_opens_in_one_argument(family, tmp_path):
    bert = build(family, **TOKENS)
    bert.save_pretrained(tmp_path)
    again = build_transformer_model(tmp_path, **taken(family, TOKENS))
    for got, want in zip(predict(again), predict(bert.model), strict=True):
        assert_close(got, want, 1e-5)
