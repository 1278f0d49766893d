"""Properties of all families: each row of ``FAMILIES`` is tested once on each property.

``pytest -m slow`` runs the further combinations: other formats, applications, precisions, and most
properties of families that are built like another.
"""

from functools import cache

import keras
import numpy as np
import pytest
from keras import ops
from support import assert_close, compute_outputs, randomize_weights

from bert4keras.generation import CachedModel
from bert4keras.models import FAMILIES, build_transformer_model
from bert4keras.models.config import parameters
from bert4keras.models.hugging_face import CAUSAL_MASK

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
FAMILY_SETTINGS = {  # family -> settings added to these or instead of them
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
CONTEXT = np.random.default_rng(1).normal(size=(600, 16))  # an encoder's vector of each id
CLASSES = {family: name for name, family in reversed(FAMILIES.items())}  # a name of each class
FAMILY_NAMES = [*CLASSES.values(), "t5.1.1"]  # and one whose version makes it another model
FREQUENT = ("bert", "t5")  # the default run has all cases of these
SIMILAR = (  # built of the hooks of another family: most properties are theirs by `pytest -m slow`
    "roberta distilbert electra ernie albert_unshared gpt2_ml mistral qwen2 t5.1.1"
).split()

every_family = pytest.mark.parametrize("family", FAMILY_NAMES)
every_dissimilar_family = pytest.mark.parametrize(
    "family",
    [pytest.param(x, marks=pytest.mark.slow if x in SIMILAR else ()) for x in FAMILY_NAMES],
)


def cases(argument, values_of, seldom=()):
    """Parametrize by family and a second argument.

    The default run has the first value for every family, and all values for ``FREQUENT`` ones.

    Args:
        argument: its name.
        values_of: returns the values for a family.
        seldom: families that the default run leaves out.
    """

    def is_slow(family, number):
        return family in seldom or (number > 0 and family not in FREQUENT)

    rows = [
        pytest.param(family, value, marks=pytest.mark.slow if is_slow(family, number) else ())
        for family in FAMILY_NAMES
        for number, value in enumerate(values_of(family))
    ]
    return pytest.mark.parametrize(f"family, {argument}", rows)


def every_family_with(argument, *values, seldom=()):
    """Parametrize by family, each with all values."""
    return cases(argument, lambda family: values, seldom)


def every_family_as(*applications, option=None, seldom=()):
    """Parametrize by family and those of the applications that it can be built with.

    Args:
        option: leave out families that do not support this argument.
        seldom: families that the default run leaves out.
    """

    def values_of(family):
        spec = FAMILIES[family].config_spec
        supported = option not in spec.unsupported_args
        return [x for x in applications if supported and x in spec.applications]

    return cases("application", values_of, seldom)


def config(family):
    return {**CONFIG, **FAMILY_SETTINGS.get(family, {})}


def supported_options(family, options):
    """Drop the heads that a family does not have from options."""
    spec = FAMILIES[family].config_spec
    useless = (*spec.unsupported_args, *spec.ignored_args)
    names = [x for x in parameters(FAMILIES[family], "__init__") if x not in useless]
    heads = {*HEADS, "with_pool", "with_lm"}
    return {name: x for name, x in options.items() if name in names or name not in heads}


def make(family, checkpoint=None, **options):
    """Build a small model of a family, with those of the heads that it has."""
    options = supported_options(family, {"return_keras_model": False, **options})
    return build_transformer_model(config(family), checkpoint, model=family, **options)


def build(family, **options):
    """Build a small model with weights far from symmetric: an exchanged weight shows."""
    return randomize_weights(make(family, **options))


def reference(family, **options):
    """Build such a model once, for tests that do not change it."""
    if options.get("application") == "encoder":  # the default
        del options["application"]
    return build_once(family, **options)


build_once = cache(build)


def inputs_of(model, ids=IDS, segments=SEGMENTS, *extra_inputs):
    """Return inputs of a model by their names: tokens, segments if it has them, and extra ones."""
    extra = iter(extra_inputs)
    kinds = [x.name.rpartition("-")[2] for x in model.inputs]
    arrays = {"Token": ids, "Segment": segments, "Mask": (ids != 0).astype("int32")}
    arrays["Context"] = CONTEXT[ids.astype("int32")]
    return [arrays[kind] if kind in arrays else next(extra) for kind in kinds]


def predict(model, ids=IDS, segments=SEGMENTS, *extra_inputs):
    return compute_outputs(model, inputs_of(model, ids, segments, *extra_inputs))


def trainable_values(model):
    return {w.path: ops.convert_to_numpy(w) for w in model.trainable_weights}


def assert_equal_weights(got, want):
    """Assert that weights of two models are equal to the bit."""
    for a, b in zip(got.weights, want.weights, strict=True):
        np.testing.assert_array_equal(ops.convert_to_numpy(a), ops.convert_to_numpy(b))


class TestVariableMapping:
    @every_family
    def test_every_weight_has_a_name_in_the_checkpoint(self, family):
        bert = reference(family, **HEADS)
        mapping = bert.variable_mapping()
        for name, layer in bert.layers.items():
            if weights := getattr(layer, "trainable_weights", []):
                assert len(mapping[name]) == len(weights), name


class TestCheckpoints:
    @every_family_with("filename", "model.h5", "model.ckpt", "model.safetensors")
    def test_weights_written_and_read_are_equal_to_the_bit(self, family, filename, tmp_path):
        bert = reference(family, **HEADS)
        bert.save_weights_as_checkpoint(str(tmp_path / filename))
        assert_equal_weights(make(family, str(tmp_path / filename), **HEADS).model, bert.model)

    @every_dissimilar_family
    def test_weights_saved_by_keras_are_read_as_a_checkpoint(self, family, tmp_path):
        bert = reference(family, **HEADS)
        bert.model.save_weights(tmp_path / "best.weights.h5")
        assert_equal_weights(make(family, tmp_path / "best.weights.h5", **HEADS).model, bert.model)

    @every_dissimilar_family
    def test_keras_saves_and_loads_it_without_custom_objects(self, family, tmp_path):
        model = reference(family, **HEADS).model
        model.save(tmp_path / "model.keras")
        copy = keras.models.load_model(tmp_path / "model.keras")
        for got, want in zip(predict(copy), predict(model), strict=True):
            np.testing.assert_array_equal(got, want)

    @every_family
    def test_a_saved_folder_opens_in_one_argument(self, family, tmp_path):
        bert = reference(family, **TOKENS)
        bert.save_pretrained(tmp_path)
        copy = build_transformer_model(tmp_path, **supported_options(family, TOKENS))
        for got, want in zip(predict(copy), predict(bert.model), strict=True):
            assert_close(got, want, 1e-5)

    @every_family_as("lm", seldom=SIMILAR)
    def test_a_saved_language_model_opens_as_a_language_model(self, family, application, tmp_path):
        bert = reference(family, application=application, **TOKENS)
        if CAUSAL_MASK in bert.config_spec.hf_unsupported and bert.checkpoint_spec.hugging_face:
            with pytest.raises(ValueError, match="a causal mask"):
                bert.save_pretrained(tmp_path)
            return
        bert.save_pretrained(tmp_path)
        # a folder of our own does not name a class of transformers, which implies the application
        is_own = bert.checkpoint_spec.hugging_face is None
        options = {"application": application} if is_own else {}
        options |= supported_options(family, TOKENS)
        copy = build_transformer_model(tmp_path, **options)
        assert_close(predict(copy)[0], predict(bert.model)[0], 1e-5)


class TestMasks:
    @every_family_as("encoder", "lm", "unilm")
    def test_padding_changes_nothing(self, family, application):
        model = reference(family, **TOKENS, application=application).model
        (batch,) = predict(model)
        (row,) = predict(model, IDS[1:, :3], SEGMENTS[1:, :3])
        assert_close(batch[1, :3], row[0], 1e-5)

    @every_family_as("lm")
    def test_a_language_model_cannot_see_the_future(self, family, application):
        model = reference(family, **TOKENS, application=application).model
        new_ids = IDS.copy()
        new_ids[0, 3:] = 7
        before, after = predict(model)[0][0], predict(model, new_ids)[0][0]
        np.testing.assert_allclose(before[:3], after[:3], 1e-5)
        assert np.abs(before[3] - after[3]).max() > 1e-3

    @every_family_as("unilm")
    def test_a_unilm_sees_its_source_whole_and_not_its_target_ahead(self, family, application):
        model = reference(family, **TOKENS, application=application).model
        target, source = IDS.copy(), IDS.copy()
        target[0, 4], source[0, 2] = 7, 7
        before = predict(model)[0]
        (new_target,), (new_source,) = predict(model, target), predict(model, source)
        assert_close(new_target[0, :4], before[0, :4], 1e-5)
        assert (np.abs(new_source[0] - before[0]).max(axis=-1) > 1e-4).all()

    @every_family_as("lm", "unilm", option="residual_attention_scores", seldom=SIMILAR)
    def test_residual_scores_work_with_every_mask(self, family, application):
        options = {"application": application, "residual_attention_scores": True}
        model = build(family, **TOKENS, **options).model
        (batch,) = predict(model)
        (row,) = predict(model, IDS[1:, :3], SEGMENTS[1:, :3])
        assert_close(batch[1, :3], row[0], 1e-5)
        assert np.isfinite(batch).all()


class TestCachedDecoding:
    @every_family_as("lm", "unilm", seldom=SIMILAR)
    def test_a_cached_step_equals_the_full_pass(self, family, application):
        model = reference(family, **TOKENS, application=application).model
        ids = np.random.default_rng(1).integers(1, 600, (2, 8))
        ids[0, 1] = 0
        is_unilm = application == "unilm"
        check_steps(model, lambda ids, segments: inputs_of(model, ids, segments * is_unilm), ids)

    @pytest.mark.parametrize("family", ["t5", "t5.1.1", "t5_decoder"])
    def test_a_cached_step_of_a_decoder_equals_the_full_pass(self, family):
        model = reference(family, **TOKENS).model
        ids = np.random.default_rng(1).integers(1, 600, (2, 7))
        is_decoder = family == "t5_decoder"
        source, *mask = [CONTEXT[IDS], (IDS != 0).astype("int32")] if is_decoder else [IDS]
        check_steps(model, lambda ids, segments: [source, ids, *mask], ids, prompt=1)


def check_steps(model, inputs, ids, prompt=4):
    """Prefill with the first tokens, decode the next ones, and compare with the full pass.

    Args:
        inputs: a function that returns the model's inputs for ids and segments.
        prompt: length of the longest prompt.
    """
    cached_model, tensor = CachedModel(model), ops.convert_to_tensor
    lengths = np.array([prompt, max(prompt - 1, 1)], "int32")
    prompts = np.where(np.arange(prompt) < lengths[:, None], ids[:, :prompt], 0)
    got, prompt_cache = cached_model.prefill(
        list(map(tensor, inputs(prompts, prompts * 0))), tensor(lengths)
    )
    generated_cache = cached_model.init_cache(2, 8)
    for step in range(3):
        for row, length in enumerate(lengths):
            row_ids = ids[row : row + 1, : length + step]
            segments = (np.arange(length + step) >= length)[None].astype(int)
            arrays = [x[row : row + 1] if len(x) == 2 else x for x in inputs(row_ids, segments)]
            want = compute_outputs(model, list(map(tensor, arrays)))[0][0, -1]
            assert_close(ops.convert_to_numpy(got)[row], want, 2e-5)
        tokens = tensor(ids[np.arange(2), lengths + step].astype("int32"))
        cache_index = tensor(np.int32(step))
        got, generated_cache = cached_model.step(tokens, cache_index, prompt_cache, generated_cache)


class TestTraining:
    @every_family_with("run_eagerly", True, False, seldom=SIMILAR)
    def test_one_training_step_moves_every_weight(self, family, run_eagerly):
        model = build(family, **HEADS, attention_dropout_rate=0, dropout_rate=0).model
        before = trainable_values(model)
        model.compile("sgd", "mse", run_eagerly=run_eagerly)
        targets = [np.ones(x.shape) for x in predict(model)]
        inputs = inputs_of(model)
        model.fit(inputs if len(inputs) > 1 else inputs[0], targets, verbose=0)
        after = trainable_values(model)
        constant = [path for path in after if not (after[path] != before[path]).any()]
        # a bias of keys shifts all scores of a query alike, so it has no gradient but rounding
        assert [path for path in constant if "k_dense/bias" not in path] == []


class TestInputs:
    @every_dissimilar_family
    def test_dtypes_of_ids_change_nothing(self, family):
        model = reference(family, **HEADS).model
        expected = predict(model)
        for dtype in ("int64", "float32", "float64"):
            outputs = predict(model, IDS.astype(dtype), SEGMENTS.astype(dtype))
            for got, want in zip(outputs, expected, strict=True):
                np.testing.assert_array_equal(got, want)

    @every_family_with("is_compiled", False, True, seldom=SIMILAR)
    def test_several_lengths_work_on_one_model(self, family, is_compiled):
        model = reference(family, **HEADS).model
        for length in (1, 3, 20):
            ids = np.ones((2, length))
            got = predict(model, ids, ids * 0)[-1]
            assert got.shape[:2] == (2, length)
            if is_compiled:
                inputs = inputs_of(model, ids, ids * 0)
                want = model.predict(inputs if len(inputs) > 1 else inputs[0], verbose=0)
                assert_close(got, want[-1] if isinstance(want, list | tuple) else want, 1e-4)


class TestPrecision:
    @every_family_with("policy", "mixed_bfloat16", "mixed_float16", seldom=SIMILAR)
    def test_half_precision_keeps_ids_exact_and_numbers_finite(self, family, policy):
        want = predict(reference(family, **PROBABILITIES).model)[0]
        keras.config.set_dtype_policy(policy)
        model = build(family, **PROBABILITIES).model
        if model.output.shape[-1] == CONFIG["vocab_size"]:
            assert model.output.dtype == "float32"  # probabilities
        (got,) = predict(model, IDS.astype("float32"))
        assert np.isfinite(got).all()
        assert_close(got, want, 0.02, 0.2)
        table = model.get_layer("Embedding-Token")
        vectors = table(np.array([[511.0, 512.0, 513.0]]))
        rows = ops.convert_to_numpy(table.embeddings)[511:514]
        got_rows = ops.convert_to_numpy(ops.cast(vectors, "float32"))[0]
        np.testing.assert_allclose(got_rows, rows, rtol=1e-2)


class TestLayers:
    @every_dissimilar_family
    def test_layers_can_be_shared_between_models(self, family):
        encoder = reference(family, **TOKENS)
        copy = make(family, layers=dict(encoder.layers), **TOKENS)
        names = [name for name, x in encoder.layers.items() if getattr(x, "weights", None)]
        assert copy.layers[names[-1]] is encoder.layers[names[-1]]
        assert copy.model.get_layer(names[-1]) is encoder.model.get_layer(names[-1])


class TestConditionalNormalization:
    @every_family_as("encoder", option="layer_norm_cond", seldom=SIMILAR)
    def test_a_conditional_model_begins_as_the_plain_one(self, family, application, tmp_path):
        bert = reference(family, **TOKENS)
        bert.save_weights_as_checkpoint(tmp_path / "model.h5")
        condition = keras.Input((3,))
        options = {"layer_norm_cond": condition, "additional_input_layers": condition}
        model = make(family, tmp_path / "model.h5", **TOKENS, **options).model
        got = predict(model, IDS, SEGMENTS, np.ones((2, 3)))[0]
        assert_close(got, predict(bert.model)[0], 1e-5)
