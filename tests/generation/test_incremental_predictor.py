"""The predictor of last tokens: cached rows equal whole ones, also after training."""

from concurrent.futures import ThreadPoolExecutor

import keras
import numpy as np
import pytest
from generation.cached_rows import Comparison, build, extend, rows, with_segments
from keras import ops
from support import assert_close

from bert4keras.generation import IncrementalPredictor, TextGenerator


def predict_whole(model, ids):
    return ops.convert_to_numpy(model(ops.convert_to_tensor(ids)))[:, -1]


def change_one_row(model):
    table = model.get_layer("Embedding-Token").embeddings
    table.assign(ops.convert_to_numpy(table) + np.eye(*table.shape)[::-1])


def fit(model):
    model.compile(keras.optimizers.SGD(0.1), "sparse_categorical_crossentropy")
    model.fit(rows(4, 6), rows(4, 6), verbose=0)


def apply_gradients(model):
    optimizer = keras.optimizers.Adam(0.01)
    weights = model.trainable_variables
    optimizer.apply_gradients([(ops.ones_like(ops.convert_to_tensor(w)), w) for w in weights])


CHANGES = {
    "set_weights": lambda model: model.set_weights([w[::-1] for w in model.get_weights()]),
    "one row": change_one_row,
    "fit": fit,
    "optimizer": apply_gradients,
}


class TestIncrementalPredictor:
    def test_beams_may_change_places_end_and_multiply(self, eager_tensorflow):
        predict = Comparison(build(model="gpt2"))
        first = rows(1, 5)
        predict(first)
        second = extend(first, [0, 0, 0])
        predict(second)
        third = extend(second, [2, 2, 0])
        predict(third)
        predict(extend(third, [1, 0]))
        assert predict.steps == 3

    def test_rows_of_several_prompts_may_change_places(self):
        predict = Comparison(build(application="unilm"), with_segments)
        first = rows(3, 7)
        first[1, 3] = 0  # padding inside
        predict(first)
        second = extend(first, [0, 1, 2])
        predict(second)
        predict(extend(second, [2, 0, 1]))
        third = extend(second, [1, 1, 1, 0, 0])
        predict(extend(extend(second, [2, 0, 1]), [0]))
        assert predict.steps == 3
        predict(third)  # goes on from rows before the last ones
        assert predict.steps == 3

    def test_generated_padding_is_masked(self, eager_tensorflow):
        predict = Comparison(build(application="lm", segment_vocab_size=0))
        ids = rows(2, 4)
        predict(ids)
        for token in (0, 3, 0, 5):
            ids = np.concatenate([ids, np.full((2, 1), token)], axis=1)
            predict(ids)
        assert predict.steps == 4

    def test_the_capacity_grows_with_the_rows(self):
        predict = Comparison(build(model="gpt2"))
        ids = rows(2, 3)
        for step in range(36):
            predict(ids, compare=step in (31, 32, 33, 35))
            ids = extend(ids, [1, 0], step)
        assert predict.steps == 35

    def test_other_rows_are_computed_whole(self, eager_tensorflow):
        predict = Comparison(build(application="unilm"), with_segments)
        ids = rows(2, 7)
        predict(ids)
        predict(extend(ids, [0, 1])[:, :-1])  # the same again
        predict(rows(2, 8, seed=5))  # other rows
        predict(extend(extend(rows(2, 8, seed=5), [0, 1]), [0, 1]))  # two tokens more
        assert predict.steps == 0
        predict.inputs = lambda ids: [ids, np.zeros_like(ids)]
        predict(rows(1, 4))
        predict(extend(rows(1, 4), [0]))  # the source grows: what came before sees the new token
        assert predict.steps == 0

    def test_floats_and_a_single_array_are_accepted(self, eager_tensorflow):
        model = build(model="gpt2")
        predictor, ids = IncrementalPredictor(model), rows(1, 4).astype("float32")
        assert_close(
            predictor.predict(ids, verbose=0), ops.convert_to_numpy(model(ids))[:, -1], 1e-5
        )

    def test_arrays_may_change_after_a_call(self, eager_tensorflow):
        predict = Comparison(build(model="gpt2"))
        first = rows(1, 5)
        predict(first)
        second = extend(first, [0])
        first[0, 2] = (first[0, 2] + 1) % 30
        predict(second)
        assert predict.steps == 1

    def test_a_further_sequence_of_another_length_takes_no_steps(self, eager_tensorflow):
        model, weights = build(model="gpt2"), keras.Input((None,), name="Weights")
        output = model.output * keras.ops.sum(weights, axis=1)[:, None, None]
        predict = Comparison(keras.Model([*model.inputs, weights], output))
        predict.inputs = lambda ids: [ids, np.ones((len(ids), 3), "float32")]
        predict(rows(1, 4))
        predict(extend(rows(1, 4), [0]))
        assert predict.steps == 0

    def test_a_condition_is_part_of_a_row(self, eager_tensorflow):
        condition = keras.Input((3,), name="Input-Condition")
        model = build(
            application="lm",
            segment_vocab_size=0,
            layer_norm_cond=condition,
            additional_input_layers=condition,
        )
        conditions = np.random.default_rng(3).normal(size=(2, 3)).astype("float32")
        predict = Comparison(model, lambda ids: [ids, conditions[: len(ids)]])
        ids = rows(2, 4)
        predict(ids)
        predict(extend(ids, [0, 1]))
        assert predict.steps == 1
        predict.inputs = lambda ids: [ids, conditions[: len(ids)] + 1]
        predict(extend(extend(ids, [0, 1]), [0, 1]))
        assert predict.steps == 1

    def test_more_tokens_than_positions_are_refused(self):
        predictor, ids = IncrementalPredictor(build(model="gpt2")), rows(1, 60)
        predictor.predict([ids])
        with pytest.raises(Exception, match="60 positions, the text is longer"):
            predictor.predict([extend(ids, [0])])

    @pytest.mark.parametrize("change", CHANGES)
    def test_keys_of_older_weights_are_not_gone_on_from(self, change):
        model, ids = build(model="gpt2"), rows(2, 5)
        predictor = IncrementalPredictor(model)
        predictor.predict(ids[:, :4])
        before = predict_whole(model, ids)
        CHANGES[change](model)
        got = predictor.predict(ids)
        assert abs(got - before).max() > 1e-4
        assert_close(got, predict_whole(model, ids), 1e-5)

    def test_new_weights_of_a_file_are_used(self, tmp_path):
        model, ids = build(model="gpt2"), rows(1, 5)
        model.save_weights(tmp_path / "new.weights.h5")
        want = predict_whole(model, ids)
        model.set_weights([w + 0.1 for w in model.get_weights()])
        predictor = IncrementalPredictor(model)
        predictor.predict(ids[:, :4])
        model.load_weights(tmp_path / "new.weights.h5")
        assert_close(predictor.predict(ids), want, 1e-5)

    def test_a_callback_of_fit_sees_the_weights_of_the_moment(self):
        model, ids, got = build(model="gpt2"), rows(1, 5), []
        predictor = IncrementalPredictor(model)

        def ask(batch, logs):
            predictor.predict(ids[:, :4])
            got.append(abs(predictor.predict(ids) - predict_whole(model, ids)).max())

        model.compile(keras.optimizers.SGD(0.1), "sparse_categorical_crossentropy")
        callback = keras.callbacks.LambdaCallback(on_train_batch_end=ask)
        model.fit(rows(4, 6), rows(4, 6), batch_size=2, verbose=0, callbacks=[callback])
        assert len(got) == 2 and max(got) < 1e-5

    def test_lora_that_is_enabled_later_is_used(self, eager_tensorflow):
        model, ids = build(model="gpt2"), rows(1, 5)
        predictor, write = IncrementalPredictor(model), TextGenerator(model)
        predictor.predict(ids[:, :4])
        write.generate(ids, max_new_tokens=3)
        layer = model.get_layer("Transformer-0-MultiHeadSelfAttention")
        layer.o_dense.enable_lora(2)
        for weight in layer.o_dense.trainable_weights:
            weight.assign(np.random.default_rng(0).normal(size=weight.shape))
        assert_close(predictor.predict(ids), predict_whole(model, ids), 1e-5)
        want = TextGenerator(model).generate(ids, max_new_tokens=3)
        got = write.generate(ids, max_new_tokens=3)
        assert got.tokens == want.tokens and got.scores[0] == pytest.approx(want.scores[0], 1e-4)

    def test_threads_may_share_it(self):
        model = build(model="gpt2")
        predictor, questions = IncrementalPredictor(model), [rows(1, 5, seed) for seed in range(6)]
        ask = lambda ids: [predictor.predict(ids[:, :n]) for n in (3, 4, 5)][-1]  # noqa: E731
        with ThreadPoolExecutor(6) as pool:
            answers = list(pool.map(ask, questions * 3))
        for ids, answer in zip(questions * 3, answers):
            assert_close(answer, predict_whole(model, ids), 1e-5)

    def test_a_model_with_several_outputs_gives_the_last_row_of_each(self):
        model = build(model="gpt2")
        two = keras.Model(model.inputs, [model.output, 2 * model.output])
        last_rows = IncrementalPredictor(two).predict([rows(2, 5)])
        assert isinstance(last_rows, list) and len(last_rows) == 2
        assert_close(last_rows[1], 2 * predict_whole(model, rows(2, 5)), 1e-5)

    def test_rows_may_be_lists(self):
        model = build(model="gpt2")
        got = IncrementalPredictor(model).predict([[5, 6, 7], [8, 9, 1]])
        assert_close(got, predict_whole(model, np.array([[5, 6, 7], [8, 9, 1]])), 1e-5)
