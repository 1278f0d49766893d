"""Steps with a KV cache equal the whole pass, or the model is refused by name."""

import keras
import pytest
from generation.cached_rows import CONFIG, Comparison, build, extend, rows, with_segments
from keras import ops

from bert4keras.generation import CachedModel, IncrementalDecodingError
from bert4keras.layers import CausalMask, Embedding, LayerNormalization, Loss, MultiHeadAttention
from bert4keras.models import build_transformer_model


class CrossEntropy(Loss):
    """The loss that training scripts put on a model, whose output they decode from."""

    def compute_loss(self, inputs, mask=None):
        return ops.mean(inputs[1])


class Smoothed(LayerNormalization):
    """A script's own layer, whose tokens see each other, over one whose tokens do not."""

    def call(self, inputs):
        return super().call(inputs) + ops.mean(inputs, axis=1, keepdims=True)


def with_new_names(model):
    """The same model with inputs whose names say nothing."""
    names = [f"x{i}" for i in range(len(model.inputs))]
    inputs = [keras.Input(x.shape[1:], dtype=x.dtype, name=n) for x, n in zip(model.inputs, names)]
    return keras.Model(inputs, model(inputs))


def save_and_load(model, folder):
    """The same model from a file."""
    model.save(folder / "model.keras")
    return keras.models.load_model(folder / "model.keras")


TOKENS, SEGMENTS, POSITIONS = "token_ids", "segment_ids", "position_ids"
ROLES = [
    (dict(model="gpt2"), [TOKENS]),
    (dict(application="lm"), [TOKENS, SEGMENTS]),
    (dict(application="unilm", custom_position_ids=True), [TOKENS, SEGMENTS, POSITIONS]),
    (
        dict(model="roformer", application="lm", custom_position_ids=True),
        [TOKENS, SEGMENTS, POSITIONS],
    ),
    (
        dict(model="ernie", application="lm", use_task_id=True, task_id=None),
        [TOKENS, SEGMENTS, None],
    ),
    (
        dict(model="gau_alpha", application="unilm", custom_position_ids=True),
        [TOKENS, SEGMENTS, POSITIONS],
    ),
    (dict(model="gpt", segment_vocab_size=2, shared_segment_embeddings=True), [TOKENS, None]),
]


class TestCachedModel:
    def test_residual_attention_scores_are_cached(self, eager_tensorflow):
        options = {"segment_vocab_size": 0, "residual_attention_scores": True}
        predict = Comparison(build(application="lm", **options))
        ids = rows(2, 4)
        predict(ids)
        predict(extend(ids, [1, 0]))
        assert predict.steps == 1

    def test_further_ids_of_each_token_are_inputs_of_a_step(self, eager_tensorflow):
        model = build(model="ernie", application="lm", use_task_id=True, task_id=None)
        predict = Comparison(model, lambda ids: [ids, ids * 0, ids % 3])
        ids = rows(2, 4)
        predict(ids)
        predict(extend(ids, [1, 0]))
        assert predict.steps == 1

    def test_tokens_that_an_encoder_reads_first_have_no_cache(self, eager_tensorflow):
        reader = build(segment_vocab_size=0)
        mask = CausalMask()(reader.inputs[0])
        x = MultiHeadAttention(2, 8)([*[reader.output] * 3, mask], a_bias=True)
        predict = Comparison(keras.Model(reader.inputs, x))
        assert not predict.has_cache
        predict(rows(1, 4))
        predict(extend(rows(1, 4), [0]))

    def test_a_model_with_a_loss_and_a_nested_model_are_traced(self, eager_tensorflow):
        model = build(application="unilm")
        output = CrossEntropy(1)([model.inputs[0], model.outputs[0]])
        training_model = keras.Model(model.inputs, output)
        outer = [keras.Input((None,), dtype="int32", name=x.name) for x in model.inputs]
        for variant in (training_model, keras.Model(outer, model(outer))):
            predict = Comparison(variant, with_segments)
            ids = rows(1, 7)
            predict(ids)
            predict(extend(ids, [0, 0]))
            assert predict.steps == 1

    @pytest.mark.filterwarnings("ignore:Layer 'conv1d")  # it destroys the mask
    @pytest.mark.parametrize(
        "layer",
        [keras.layers.Conv1D(30, 3, padding="same"), keras.layers.LSTM(30, return_sequences=True)],
    )
    def test_an_unknown_layer_has_no_cache(self, eager_tensorflow, layer):
        model = build(model="gpt2")
        predict = Comparison(keras.Model(model.inputs, layer(model.output)))
        ids = rows(1, 4)
        predict(ids)
        predict(extend(ids, [0]))
        assert not predict.has_cache

    def test_an_inherited_attribute_is_ignored_if_call_is_overridden(self, eager_tensorflow):
        model = build(model="gpt2")
        predict = Comparison(keras.Model(model.inputs, Smoothed()(model.output)))
        assert not predict.has_cache
        ids = rows(1, 4)
        predict(ids)
        predict(extend(ids, [0]))

    def test_a_model_of_several_outputs_says_which_to_choose(self):
        with pytest.raises(IncrementalDecodingError, match="must have one output, .* got 2"):
            CachedModel(build(application="unilm", with_pool=True))


class TestInputRoles:
    @pytest.mark.parametrize("options, roles", ROLES, ids=lambda x: str(x)[:40])
    def test_layers_say_the_roles_whatever_the_names(self, options, roles, tmp_path):
        model = build(**options)
        for variant in (model, with_new_names(model), save_and_load(model, tmp_path)):
            cached_model = CachedModel(variant)
            assert cached_model.input_roles == roles
            assert cached_model.sequence_inputs == list(range(len(roles)))
            assert not cached_model.has_encoder

    def test_an_encoder_has_the_source(self):
        t5 = build_transformer_model(CONFIG, model="t5.1.1")
        for model in (t5, with_new_names(t5)):
            cached_model = CachedModel(model)
            assert cached_model.input_roles == [TOKENS, TOKENS] and cached_model.has_encoder
            assert cached_model.sequence_inputs == [1]
        decoder = build_transformer_model(CONFIG, model="t5.1.1", return_keras_model=False).decoder
        cached_model = CachedModel(decoder)
        assert cached_model.input_roles == [None, TOKENS] and not cached_model.has_encoder

    def test_a_condition_has_no_role(self):
        label = keras.Input((1,), dtype="int32", name="Input-Token")
        condition = keras.layers.Flatten()(Embedding(3, 5)(label))
        options = {"layer_norm_cond": condition, "additional_input_layers": label}
        tokens = {"segment_vocab_size": 0, "prefix": "lm-"}
        model = build_transformer_model(CONFIG, application="lm", **options, **tokens)
        model = keras.Model(model.inputs[::-1], model.output)
        cached_model = CachedModel(model)
        assert cached_model.input_roles == [None, TOKENS] and cached_model.sequence_inputs == [1]

    def test_a_cast_of_ids_passes_the_role_on(self):
        model, ids = build(model="gpt2"), keras.Input((None,), name="floats")
        assert CachedModel(keras.Model(ids, model(ops.cast(ids, "int32")))).input_roles == [TOKENS]

    def test_given_roles_go_before(self):
        model = build(model="gpt", segment_vocab_size=2, shared_segment_embeddings=True)
        roles = {"Input-Segment": SEGMENTS}
        assert CachedModel(model, input_roles=roles).input_roles == [TOKENS, SEGMENTS]
        assert CachedModel(model, sequence_inputs=[1, 0]).input_roles == [None, TOKENS]

    def test_unknown_roles_and_inputs_are_named(self):
        model = build(model="gpt2")
        with pytest.raises(ValueError, match="inputs of .*, Input-Token, got Input-Tokens"):
            CachedModel(model, input_roles={"Input-Tokens": TOKENS})
        with pytest.raises(
            ValueError, match="among token_ids, segment_ids, position_ids, got 'tok"
        ):
            CachedModel(model, input_roles={"Input-Token": "tokens"})
        images = keras.Input((4, 4), name="image")
        with pytest.raises(IncrementalDecodingError, match="known to hold token ids, among image"):
            CachedModel(keras.Model(images, keras.layers.Dense(9)(images)))
