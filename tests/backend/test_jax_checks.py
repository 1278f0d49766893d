"""Checks inside programs of JAX: a wrong id is named, and never costs the weights."""

from functools import partial

import keras
import numpy as np
import pytest
from keras import ops

from bert4keras import backend
from bert4keras.generation import CachedModel
from bert4keras.layers import ConditionalRandomField
from bert4keras.models import build_transformer_model
from bert4keras.training import RaiseOnNaN

pytestmark = pytest.mark.skipif(backend.backend_name != "jax", reason="JAX takes the weights")

CONFIG = dict(
    vocab_size=13,
    hidden_size=8,
    num_hidden_layers=1,
    num_attention_heads=2,
    intermediate_size=8,
    hidden_act="gelu",
    max_position=8,
)
RIGHT = [np.array([[2, 5, 3]]), np.zeros((1, 3), int)]
WRONG = [np.array([[2, 99, 3]]), np.zeros((1, 3), int)]
LONG = [np.ones((1, 9), int), np.zeros((1, 9), int)]
LABELS = np.zeros((1, 3, 8), "float32")


@pytest.fixture(scope="module", params=[False, True], ids=["plain", "recompute"])
def model(request):
    model = build_transformer_model(CONFIG, recompute=request.param)
    model.compile("adam", "mse")
    model.fit(RIGHT, LABELS, verbose=0)
    return model


def raise_error():
    raise OSError("disk")
    yield


class Failure(keras.callbacks.Callback):
    """Raises after a batch."""

    def on_predict_batch_end(self, batch, logs=None):
        raise KeyError("stop")

    on_train_batch_end = on_test_batch_end = on_predict_batch_end


CALLS = {
    "predict": lambda model, x: model.predict(x, verbose=0),
    "evaluate": lambda model, x: model.evaluate(x, LABELS, verbose=0),
    "fit": lambda model, x: model.fit(x, LABELS, verbose=0),
    "predict_on_batch": lambda model, x: model.predict_on_batch(x),
    "test_on_batch": lambda model, x: model.test_on_batch(x, LABELS),
    "train_on_batch": lambda model, x: model.train_on_batch(x, LABELS),
    "call": lambda model, x: model(x),
}


def assert_state_survives(model, call, error, match):
    """Check that an error leaves all numbers as they were."""
    variables = [*model.variables, *model.optimizer.variables]
    metrics = {id(variable) for variable in model.metrics_variables}
    variables = [variable for variable in variables if id(variable) not in metrics]
    before = [ops.convert_to_numpy(variable) for variable in variables]
    output = model.predict(RIGHT, verbose=0)
    with pytest.raises(error, match=match):
        call()
    np.testing.assert_array_equal(model.predict(RIGHT, verbose=0), output)
    for variable, value in zip(variables, before):
        np.testing.assert_array_equal(ops.convert_to_numpy(variable), value)


class TestTrainer:
    @pytest.mark.parametrize("name", CALLS)
    def test_a_wrong_id_is_named_and_changes_nothing(self, model, name):
        match = r"Expected ids from 0 to 12 in Embedding-Token.*\(0, 99\)"
        assert_state_survives(model, lambda: CALLS[name](model, WRONG), ValueError, match)

    @pytest.mark.parametrize("name", ["predict", "call"])
    def test_a_text_that_is_too_long_changes_nothing(self, model, name):
        match = "Expected at most 8 positions"
        assert_state_survives(model, lambda: CALLS[name](model, LONG), ValueError, match)

    @pytest.mark.parametrize("method", ["fit", "evaluate", "predict"])
    def test_an_error_of_data_or_of_a_callback_changes_nothing(self, model, method):
        run = getattr(model, method)
        options = {"shuffle": False} if method == "fit" else {}
        data = raise_error()
        assert_state_survives(model, lambda: run(data, verbose=0, **options), OSError, "disk")
        if method != "fit":  # a step of it has ended
            data = (RIGHT,) if method == "predict" else (RIGHT, LABELS)
            options = {"verbose": 0, "callbacks": [Failure()]}
            assert_state_survives(model, lambda: run(*data, **options), KeyError, "stop")

    def test_weights_can_be_saved_after_an_error(self, model, tmp_path):
        with pytest.raises(ValueError, match="Expected ids"):
            model.fit(WRONG, LABELS, verbose=0)
        model.save_weights(tmp_path / "a.weights.h5")
        assert all(np.isfinite(weight).all() for weight in model.get_weights())

    def test_only_batches_before_the_wrong_one_are_learnt(self):
        models = []
        for _ in range(2):
            keras.utils.set_random_seed(0)
            models.append(build_transformer_model(CONFIG))
            models[-1].compile("sgd", "mse")
        ids = np.array([[2, 5, 3], [2, 99, 3], [2, 5, 4]])
        options = {"batch_size": 1, "shuffle": False, "verbose": 0}
        labels = np.repeat(LABELS, 3, axis=0)
        models[0].fit([ids[:1], ids[:1] * 0], labels[:1], **options)
        with pytest.raises(ValueError, match="Expected ids"):
            models[1].fit([ids[:2], ids[:2] * 0], labels[:2], **options)
        for got, want in zip(models[1].get_weights(), models[0].get_weights()):
            np.testing.assert_array_equal(got, want)

    @pytest.mark.parametrize("options", [{"run_eagerly": True}, {"steps_per_execution": 2}])
    def test_it_holds_for_other_ways_to_run(self, options):
        model = build_transformer_model(CONFIG)
        model.compile("sgd", "mse", **options)
        model.fit(RIGHT, LABELS, verbose=0)
        for call in CALLS["predict"], CALLS["fit"]:
            assert_state_survives(model, partial(call, model, WRONG), ValueError, "Expected")

    def test_the_wrong_id_is_told_and_not_the_nan_that_follows(self, model):
        callbacks = [RaiseOnNaN()]
        with pytest.raises(ValueError, match="Expected ids from 0 to 12"):
            model.fit(WRONG, LABELS, verbose=0, callbacks=callbacks)

    def test_labels_of_a_crf_are_checked_too(self):
        inputs = keras.Input((3, 4))
        crf = ConditionalRandomField()
        model = keras.Model(inputs, crf(inputs))
        model.compile("sgd", crf.sparse_loss)
        x = np.ones((2, 3, 4), "float32")
        model.fit(x, np.zeros((2, 3), int), verbose=0)
        before = model.get_weights()
        with pytest.raises(ValueError, match="Expected labels from 0 to 3"):
            model.fit(x, np.full((2, 3), 9), verbose=0)
        np.testing.assert_array_equal(model.get_weights()[0], before[0])

    def test_a_model_without_checks_trains_as_before(self):
        model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
        model.compile("sgd", "mse")
        x = np.ones((4, 2), "float32")
        history = model.fit(x, x[:, :1], epochs=3, verbose=0).history["loss"]
        assert history[2] < history[0]


class TestPrograms:
    def test_a_compiled_function_raises_the_message(self):
        def double(x):
            return 2 * backend.assert_that(ops.all(x < 3), "Expected {less}:", x[0], passthrough=x)

        run = backend.compile_function(double)
        assert ops.convert_to_numpy(run(ops.array([1, 2]))).tolist() == [2, 4]
        with pytest.raises(ValueError, match=r"Expected \{less\}: \(5\)"):
            run(ops.array([5, 2]))

    def test_decoding_names_a_wrong_id_and_goes_on(self):
        model = build_transformer_model(CONFIG, model="gpt2")
        cached_model = CachedModel(model)
        prefill = backend.compile_function(
            lambda ids: cached_model.prefill([ids], ops.array([3]))[0], model.variables
        )
        right, wrong = (ops.array([[5, x, 7]]) for x in (6, 99))
        before = prefill(right)
        with pytest.raises(ValueError, match="Expected ids from 0 to 12 in Embedding-Token"):
            prefill(wrong)
        np.testing.assert_array_equal(*map(ops.convert_to_numpy, (before, prefill(right))))

    def test_a_program_without_errors_gives_nan_for_a_wrong_id(self):
        import jax

        table = build_transformer_model(CONFIG).get_layer("Embedding-Token")
        vectors = jax.jit(table)(np.array([[2, 99], [-1, 3]]))
        assert np.isnan(ops.convert_to_numpy(vectors)).all()


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of jax2tf, which Keras calls
class TestExport:
    @pytest.mark.parametrize("length", [None, 4])
    def test_a_model_of_one_input_is_exported(self, tmp_path, length):
        tf = pytest.importorskip("tensorflow")
        model = build_transformer_model(CONFIG, model="gpt2", sequence_length=length)
        model.export(tmp_path, verbose=False)
        saved_model = tf.saved_model.load(tmp_path)
        for ids in [[5, 6, 7, 8]] * 3, [[5, 6], [7, 8]]:
            ids = np.array(ids, "int32")
            if length in (None, ids.shape[1]):
                got = saved_model.serve(tf.constant(ids))
                np.testing.assert_allclose(got, model.predict(ids, verbose=0), atol=1e-5)

    def test_two_inputs_need_a_fixed_length(self, tmp_path):
        with pytest.raises(ValueError, match="a and b.*sequence_length=..., or save it as .keras"):
            build_transformer_model(CONFIG).export(tmp_path / "x", verbose=False)
        build_transformer_model(CONFIG, sequence_length=4).export(tmp_path / "y", verbose=False)
