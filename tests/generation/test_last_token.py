"""Rows that go on from earlier ones are answered from the cache, all others whole: equally."""

import keras
import numpy as np
import pytest
from keras import ops
from support import assert_close, stirred

from bert4keras.generation import Graph, IncrementalDecodingError, IncrementalPredictor
from bert4keras.layers import CausalMask, LayerNormalization, Loss, MultiHeadAttention
from bert4keras.models import build_transformer_model

CONFIG = {
    "vocab_size": 30,
    "hidden_size": 16,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 24,
    "hidden_act": "gelu",
    "max_position_embeddings": 60,
}


def made(**options):
    return stirred(build_transformer_model(CONFIG, **options))


def rows(count, length, seed=0):
    return np.random.default_rng(seed).integers(1, 30, (count, length))


def more(ids, parents, seed=1):
    """Rows that go on from others by a token."""
    new = np.random.default_rng(seed).integers(1, 30, (len(parents), 1))
    return np.concatenate([ids[list(parents)], new], axis=1)


class Asked:
    """An ``IncrementalPredictor``, compared with the whole pass, whose steps are counted."""

    def __init__(self, model, inputs=lambda ids: [ids]):
        self.model, self.inputs = model, inputs
        self.last, self.steps = IncrementalPredictor(model), 0
        if self.last.graph is not None:
            step = self.last.step
            self.last.step = lambda *args: self._counted(step, args)

    def _counted(self, step, args):
        self.steps += 1
        return step(*args)

    def __call__(self, ids, compare=True):
        given = self.inputs(ids)
        got = self.last.predict(given)
        if compare:
            tensors = list(map(ops.convert_to_tensor, given))
            whole = self.model(keras.tree.pack_sequence_as(self.model.input, tensors))
            assert_close(got, ops.convert_to_numpy(whole)[:, -1], 1e-5)


def with_source(ids, source=5):
    """Ids and segments of a UniLM: the first are the source."""
    return [ids, np.broadcast_to(np.arange(ids.shape[1]) >= source, ids.shape).astype(int)]


def test_beams_that_move_end_and_spread_are_steps():
    asked = Asked(made(model="gpt2"))
    first = rows(1, 5)
    asked(first)
    second = more(first, [0, 0, 0])
    asked(second)
    third = more(second, [2, 2, 0])
    asked(third)
    asked(more(third, [1, 0]))
    assert asked.steps == 3


def test_rows_of_several_prompts_may_change_places():
    asked = Asked(made(application="unilm"), with_source)
    first = rows(3, 7)
    first[1, 3] = 0  # padding inside
    asked(first)
    second = more(first, [0, 1, 2])
    asked(second)
    asked(more(second, [2, 0, 1]))
    third = more(second, [1, 1, 1, 0, 0])
    asked(more(more(second, [2, 0, 1]), [0]))
    assert asked.steps == 3
    asked(third)  # goes on from rows before the last ones
    assert asked.steps == 3


def test_ids_that_are_padding_stay_hidden():
    asked = Asked(made(application="lm", segment_vocab_size=0))
    ids = rows(2, 4)
    asked(ids)
    for token in (0, 3, 0, 5):
        ids = np.concatenate([ids, np.full((2, 1), token)], axis=1)
        asked(ids)
    assert asked.steps == 4


def test_room_grows_with_the_rows():
    asked = Asked(made(model="gpt2"))
    ids = rows(2, 3)
    for step in range(36):
        asked(ids, compare=step in (31, 32, 33, 35))
        ids = more(ids, [1, 0], step)
    assert asked.steps == 35


def test_anything_else_is_computed_whole():
    asked = Asked(made(application="unilm"), with_source)
    ids = rows(2, 7)
    asked(ids)
    asked(more(ids, [0, 1])[:, :-1])  # the same again
    asked(rows(2, 8, seed=5))  # other rows
    asked(more(more(rows(2, 8, seed=5), [0, 1]), [0, 1]))  # two tokens more
    assert asked.steps == 0
    asked.inputs = lambda ids: [ids, np.zeros_like(ids)]
    asked(rows(1, 4))
    asked(more(rows(1, 4), [0]))  # the source grows: what came before sees the new token
    assert asked.steps == 0


def test_floats_and_a_single_array_do_as_well():
    model = made(model="gpt2")
    last, ids = IncrementalPredictor(model), rows(1, 4).astype("float32")
    assert_close(last.predict(ids, verbose=0), ops.convert_to_numpy(model(ids))[:, -1], 1e-5)


def test_arrays_may_be_changed_after_they_were_asked_about():
    asked = Asked(made(model="gpt2"))
    first = rows(1, 5)
    asked(first)
    second = more(first, [0])
    first[0, 2] = (first[0, 2] + 1) % 30
    asked(second)
    assert asked.steps == 1


def test_scores_that_are_added_from_block_to_block_are_kept():
    options = {"segment_vocab_size": 0, "residual_attention_scores": True}
    asked = Asked(made(application="lm", **options))
    ids = rows(2, 4)
    asked(ids)
    asked(more(ids, [1, 0]))
    assert asked.steps == 1


def test_further_ids_of_each_token_grow_with_them():
    model = made(model="ernie", application="lm", use_task_id=True, task_id=None)
    asked = Asked(model, lambda ids: [ids, ids * 0, ids % 3])
    ids = rows(2, 4)
    asked(ids)
    asked(more(ids, [1, 0]))
    assert asked.steps == 1


def test_a_further_sequence_of_its_own_length_is_left_to_the_whole_pass():
    model, weights = made(model="gpt2"), keras.Input((None,), name="Weights")
    output = model.output * keras.ops.sum(weights, axis=1)[:, None, None]
    asked = Asked(keras.Model([*model.inputs, weights], output))
    asked.inputs = lambda ids: [ids, np.ones((len(ids), 3), "float32")]
    asked(rows(1, 4))
    asked(more(rows(1, 4), [0]))
    assert asked.steps == 0


def test_tokens_that_are_first_read_whole_are_read_whole_again():
    reader = made(segment_vocab_size=0)
    mask = CausalMask()(reader.inputs[0])
    x = MultiHeadAttention(2, 8)([*[reader.output] * 3, mask], a_bias=True)
    asked = Asked(keras.Model(reader.inputs, x))
    assert asked.last.graph is None
    asked(rows(1, 4))
    asked(more(rows(1, 4), [0]))


class CrossEntropy(Loss):
    """The loss that training scripts put on a model, whose output they decode from."""

    def compute_loss(self, inputs, mask=None):
        return ops.mean(inputs[1])


def test_a_model_with_a_loss_and_a_model_in_a_model_are_opened():
    model = made(application="unilm")
    output = CrossEntropy(1)([model.inputs[0], model.outputs[0]])
    trained = keras.Model(model.inputs, output)
    outer = [keras.Input((None,), dtype="int32", name=x.name) for x in model.inputs]
    for one in (trained, keras.Model(outer, model(outer))):
        asked = Asked(one, with_source)
        ids = rows(1, 7)
        asked(ids)
        asked(more(ids, [0, 0]))
        assert asked.steps == 1


def test_a_condition_stays_and_is_compared():
    condition = keras.Input((3,), name="Input-Condition")
    model = made(
        application="lm",
        segment_vocab_size=0,
        layer_norm_cond=condition,
        additional_input_layers=condition,
    )
    given = np.random.default_rng(3).normal(size=(2, 3)).astype("float32")
    asked = Asked(model, lambda ids: [ids, given[: len(ids)]])
    ids = rows(2, 4)
    asked(ids)
    asked(more(ids, [0, 1]))
    assert asked.steps == 1
    asked.inputs = lambda ids: [ids, given[: len(ids)] + 1]
    asked(more(more(ids, [0, 1]), [0, 1]))
    assert asked.steps == 1


@pytest.mark.filterwarnings("ignore:Layer 'conv1d")  # it destroys the mask
@pytest.mark.parametrize(
    "layer",
    [keras.layers.Conv1D(30, 3, padding="same"), keras.layers.LSTM(30, return_sequences=True)],
)
def test_a_layer_that_is_not_known_leaves_it_to_the_whole_pass(layer):
    model = made(model="gpt2")
    asked = Asked(keras.Model(model.inputs, layer(model.output)))
    ids = rows(1, 4)
    asked(ids)
    asked(more(ids, [0]))
    assert asked.last.graph is None


class Smoothed(LayerNormalization):
    """A script's own layer, whose tokens see each other, over one whose tokens do not."""

    def call(self, inputs):
        return super().call(inputs) + ops.mean(inputs, axis=1, keepdims=True)


def test_a_subclass_is_not_taken_for_what_it_inherits():
    model = made(model="gpt2")
    asked = Asked(keras.Model(model.inputs, Smoothed()(model.output)))
    assert asked.last.graph is None
    ids = rows(1, 4)
    asked(ids)
    asked(more(ids, [0]))


def test_a_model_of_several_outputs_says_which_to_choose():
    with pytest.raises(IncrementalDecodingError, match="must have one output, .* got 2"):
        Graph(made(application="unilm", with_pool=True))


def test_more_tokens_than_positions_are_refused_as_ever():
    last, ids = IncrementalPredictor(made(model="gpt2")), rows(1, 60)
    last.predict([ids])
    with pytest.raises(Exception, match="60 positions, the text is longer"):
        last.predict([more(ids, [0])])
