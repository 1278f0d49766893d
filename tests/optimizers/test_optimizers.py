"""Adam, Lion, Tiger and AdaFactor: each takes the steps of its paper's formula."""

from functools import partial

import keras
import numpy as np
import pytest
from keras import ops
from optimizers import toy

from bert4keras.optimizers import AdaFactor, Adam, Lion, Tiger

FactoredAdaFactor = partial(AdaFactor, min_dim_size_to_factor=3)
CASES = {
    "adam": (Adam, toy.adam, 1e-3),
    "adam-other": (
        partial(Adam, 0.1, 0.8, 0.95, 1e-2),
        partial(toy.adam, beta_1=0.8, beta_2=0.95, epsilon=1e-2),
        0.1,
    ),
    "adam-uncorrected": (
        partial(Adam, 0.01, bias_correction=False),
        partial(toy.adam, bias_correction=False),
        0.01,
    ),
    "lion": (Lion, toy.lion, 3e-4),
    "lion-other": (partial(Lion, 0.1, 0.5, 0.9), partial(toy.lion, beta_1=0.5, beta_2=0.9), 0.1),
    "tiger": (partial(Tiger, 0.1), toy.tiger, 0.1),
    "adafactor": (AdaFactor, partial(toy.adafactor, is_factored=False), 1e-3),
    "adafactor-factored": (partial(FactoredAdaFactor, 0.1), toy.adafactor, 0.1),
    "adafactor-momentum": (
        partial(FactoredAdaFactor, 0.1, 0.9, 0.99, clipping_threshold=0.5),
        partial(toy.adafactor, beta1=0.9, beta2=0.99, clip=0.5),
        0.1,
    ),
    "adafactor-relative": (partial(FactoredAdaFactor, None), toy.adafactor, 0.01),
    "adafactor-unscaled": (
        partial(
            FactoredAdaFactor, None, multiply_by_parameter_scale=False, clipping_threshold=None
        ),
        partial(toy.adafactor, is_scaled=False, clip=np.inf),
        0.01 * 0.05,
    ),
}


class TestOptimizers:
    @pytest.mark.parametrize("case", CASES)
    def test_steps_match_the_formula(self, case):
        make, direction, rate = CASES[case]
        toy.assert_same_steps(
            toy.run_steps(make(), jit=False), toy.run_numpy_steps(direction, rate)
        )

    @toy.needs_jit
    @pytest.mark.parametrize(
        "case",
        ["adam", "adam-uncorrected", "lion", "tiger", "adafactor-momentum", "adafactor-relative"],
    )
    def test_compiled_steps_match_the_formula(self, case):
        make, direction, rate = CASES[case]
        toy.assert_same_steps(toy.run_steps(make(), jit=True), toy.run_numpy_steps(direction, rate))

    @pytest.mark.parametrize("case", CASES)
    def test_the_config_recreates_the_optimizer(self, case):
        optimizer = CASES[case][0]()
        copy = toy.recreate(optimizer)
        assert type(copy) is type(optimizer)
        assert toy.settings(copy) == toy.settings(optimizer)


class TestAdaFactor:
    def test_the_relative_step_decreases_after_ten_thousand_updates(self):
        optimizer = AdaFactor(None)
        assert float(optimizer.learning_rate) == pytest.approx(0.01)
        optimizer._iterations.assign(40_000 - 1)
        assert float(optimizer.learning_rate) == pytest.approx(1 / 200)

    def test_steps_of_excluded_parameters_are_not_scaled(self):
        optimizer = FactoredAdaFactor(0.1, exclude_from_parameter_scale=["gamma$"])
        got, scaled_steps, plain_steps = (
            walk[-1]
            for walk in (
                toy.run_steps(optimizer),
                toy.run_numpy_steps(toy.adafactor, 0.1),
                toy.run_numpy_steps(partial(toy.adafactor, is_scaled=False), 0.1),
            )
        )
        np.testing.assert_allclose(got[toy.GAMMA], plain_steps[toy.GAMMA], atol=1e-6)
        np.testing.assert_allclose(got[toy.KERNEL], scaled_steps[toy.KERNEL], atol=1e-6)

    def test_a_factored_moment_is_two_vectors(self):
        optimizer = AdaFactor(min_dim_size_to_factor=128)
        optimizer.build([keras.Variable(np.zeros((128, 200), "float32"), name="kernel")])
        assert sum(np.prod(v.shape) for v in optimizer.variables) == 2 + 128 + 200

    def test_zero_weights_are_scaled_by_epsilon2(self):
        zeros = np.zeros((4, 4), "float32")
        for gradient, want in ((zeros, 0.0), (zeros + 5.0, -0.1 * 1e-3)):
            kernel = keras.Variable(zeros, name="kernel")
            FactoredAdaFactor(0.1).apply([gradient], [kernel])
            np.testing.assert_allclose(np.array(kernel), zeros + want, rtol=1e-5)


class RateRecorder(keras.callbacks.Callback):
    """Stores the rate after each epoch."""

    def __init__(self):
        super().__init__()
        self.rates = []

    def on_epoch_end(self, epoch, logs=None):
        self.rates.append(float(ops.convert_to_numpy(self.model.optimizer.learning_rate)))


class Halving(keras.callbacks.Callback):
    """Multiplies the rate after each epoch, as scripts do."""

    def on_epoch_end(self, epoch, logs=None):
        self.model.optimizer.learning_rate *= 0.5


def fit_dense(optimizer, *callbacks, epochs=3):
    keras.utils.set_random_seed(0)
    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(1)])
    model.compile(optimizer, "mse")
    recorder = RateRecorder()
    x, y = np.ones((8, 4), "float32"), np.ones((8, 1), "float32")
    model.fit(x, y, epochs=epochs, verbose=0, callbacks=[*callbacks, recorder])
    return model, recorder.rates


class TestAssignedRate:
    """With ``learning_rate=None``, a rate that is assigned is the rate."""

    plateau = partial(
        keras.callbacks.ReduceLROnPlateau,
        monitor="loss",
        factor=0.5,
        patience=0,
        min_delta=1e9,
        min_lr=0,
    )

    def test_a_plateau_halves_the_relative_step(self):
        rates = fit_dense(AdaFactor(None), self.plateau())[1]
        np.testing.assert_allclose(rates, [0.01, 0.005, 0.0025], rtol=1e-6)

    @pytest.mark.parametrize("is_scaled, first", [(True, 0.01), (False, 0.0005)])
    def test_a_script_halves_the_rate(self, is_scaled, first):
        optimizer = AdaFactor(None, multiply_by_parameter_scale=is_scaled)
        rates = fit_dense(optimizer, Halving())[1]
        np.testing.assert_allclose(rates, [first / 2, first / 4, first / 8], rtol=1e-6)

    def test_a_scheduler_sets_the_rate_of_the_steps(self):
        scheduler = keras.callbacks.LearningRateScheduler(lambda epoch, rate: 0.003)
        model, rates = fit_dense(AdaFactor(None), scheduler)
        np.testing.assert_allclose(rates, [0.003] * 3, rtol=1e-6)
        expected, _ = fit_dense(AdaFactor(0.003))
        for got, want in zip(model.get_weights(), expected.get_weights()):
            np.testing.assert_allclose(got, want, rtol=1e-6)

    def test_a_rate_that_is_assigned_survives_saving(self, tmp_path):
        model, _ = fit_dense(AdaFactor(None), self.plateau())
        model.save(tmp_path / "a.keras")
        loaded_model = keras.saving.load_model(tmp_path / "a.keras")
        for optimizer in (
            loaded_model.optimizer,
            AdaFactor.from_config(model.optimizer.get_config()),
        ):
            assert float(optimizer.learning_rate) == pytest.approx(0.0025)
        assert AdaFactor(None).get_config()["learning_rate"] is None
        assert "assigned_learning_rate" not in AdaFactor(None).get_config()

    def test_zero_stops_the_steps(self):
        optimizer = AdaFactor(None)
        optimizer.learning_rate = 0
        assert float(optimizer.learning_rate) == 0

    def test_a_schedule_may_be_assigned(self):
        optimizer = AdaFactor(None)
        optimizer.learning_rate = keras.optimizers.schedules.CosineDecay(0.1, 10)
        assert float(optimizer.learning_rate) == pytest.approx(0.1)

    @pytest.mark.parametrize("rate, error", [(-0.1, ValueError), (float("nan"), ValueError)])
    def test_a_rate_is_a_positive_number(self, rate, error):
        optimizer = AdaFactor(None)
        with pytest.raises(error, match="Expected learning_rate to be a finite number of 0 or m"):
            optimizer.learning_rate = rate
        assert float(optimizer.learning_rate) == pytest.approx(0.01)


class TestDenseGradients:
    def test_the_gradients_of_a_repeated_token_are_summed(self):
        """A sparse gradient of TensorFlow has one row for each occurrence."""
        ids = np.array([[1, 1, 2, 3], [1, 2, 2, 2]], "int32")
        start = np.arange(12.0).reshape(4, 3) / 10
        layer = keras.layers.Embedding(4, 3)
        model = keras.Sequential([keras.Input((4,), dtype="int32"), layer])
        layer.set_weights([start])
        model.compile(Adam(0.01), lambda y_true, y_pred: ops.sum(y_pred**2, axis=-1))
        model.fit(ids, ids, epochs=3, verbose=0)
        counts, state, want = np.bincount(ids.ravel())[:, None], {}, start
        for t in range(1, 4):
            want = want - 0.01 * toy.adam(want, 2 * want * counts / ids.size, t, state)
        np.testing.assert_allclose(layer.get_weights()[0], want, atol=1e-6)
