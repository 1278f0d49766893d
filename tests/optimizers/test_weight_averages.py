"""Lookahead, and exponential moving averages (EMA) of the weights."""

import keras
import numpy as np
import pytest
from optimizers import toy

NEAR = {"atol": 1e-6, "rtol": 1e-6}


def weights_by_path(optimizer):
    return dict(zip(toy.SHAPES, (np.array(w) for w in optimizer._trainable_variables)))


class TestLookahead:
    @pytest.mark.parametrize("words", ["lookahead", "lookahead accumulate", "accumulate lookahead"])
    def test_steps_match_the_formula(self, words):
        optimizer = toy.extend(words, keras.optimizers.SGD)(
            0.01, steps_per_slow_update=2, slow_step_size=0.3
        )
        accumulates = "accumulate" in words
        got = toy.run_steps(
            optimizer, toy.split_in_two(toy.GRADIENTS) if accumulates else toy.GRADIENTS
        )
        want, slow = dict(toy.START), dict(toy.START)
        for t, gradient in enumerate(toy.GRADIENTS, 1):
            for path in want:
                want[path] = want[path] - 0.01 * gradient[path]
                if t % 2 == 0:
                    want[path] = slow[path] = slow[path] + 0.3 * (want[path] - slow[path])
        for path in want:
            np.testing.assert_allclose(got[-1][path], want[path], **NEAR)

    def test_it_starts_from_weights_loaded_after_build(self):
        optimizer, weights = (
            toy.extend("lookahead", keras.optimizers.SGD)(0.0),
            toy.make_variables(),
        )
        optimizer.build(weights)
        weights[0].assign(weights[0] + 1.0)
        loaded_weights = np.array(weights[0])
        for _ in range(5):
            optimizer.apply([np.zeros(w.shape, "float32") for w in weights])
        np.testing.assert_allclose(np.array(weights[0]), loaded_weights, **NEAR)

    def test_the_first_apply_builds_it(self):
        optimizer, weights = (
            toy.extend("lookahead", keras.optimizers.SGD)(1.0, slow_step_size=0),
            [keras.Variable(np.ones(3, "float32"), name="kernel")],
        )
        for _ in range(5):
            optimizer.apply([np.ones(3, "float32")], weights)
        np.testing.assert_allclose(np.array(weights[0]), 1.0)

    @pytest.mark.parametrize("steps", [0, 2.5])
    def test_steps_per_slow_update_is_a_positive_whole_number(self, steps):
        error = rf"steps_per_slow_update to be.*got {steps}"
        with pytest.raises((TypeError, ValueError), match=error):
            toy.extend("lookahead")(steps_per_slow_update=steps)


def expected_averages(walk, momentum):
    """Return the average after all steps by its closed form, {path: array}."""
    shares = (1 - momentum) * momentum ** np.arange(len(walk))[::-1]
    return {path: sum(share * step[path] for share, step in zip(shares, walk)) for path in walk[0]}


class AverageRecorder(keras.callbacks.Callback):
    """Records the weights and the averages of each epoch."""

    def __init__(self, bias_correction):
        super().__init__()
        self.bias_correction, self.weights, self.averages = bias_correction, [], []

    def on_epoch_end(self, epoch, logs=None):
        model = self.model
        self.weights.append(model.get_weights()[0])
        model.optimizer.apply_ema_weights(self.bias_correction)
        self.averages.append(model.get_weights()[0])
        model.evaluate(*DATA, verbose=0)
        model.optimizer.reset_old_weights()


RANDOM = np.random.default_rng(0)
DATA = RANDOM.normal(size=(4, 3)).astype("float32"), RANDOM.normal(size=(4, 1)).astype("float32")


class TestExponentialMovingAverage:
    @pytest.mark.parametrize("bias_correction", [True, False])
    @pytest.mark.parametrize("words", ["average", "accumulate average", "average accumulate"])
    def test_averages_match_the_closed_form(self, words, bias_correction):
        optimizer = toy.extend(words)(0.01, ema_momentum=0.9)
        accumulates = "accumulate" in words
        walk = toy.run_steps(
            optimizer, toy.split_in_two(toy.GRADIENTS[:3]) if accumulates else toy.GRADIENTS
        )
        walk = walk[1::2] if accumulates else walk
        want = expected_averages(walk, 0.9)
        total = 1 - 0.9 ** len(walk) if bias_correction else 1.0
        optimizer.apply_ema_weights(bias_correction)
        for path, got in weights_by_path(optimizer).items():
            np.testing.assert_allclose(got, want[path] / total, **NEAR)
            assert not np.allclose(got, walk[-1][path], atol=1e-3)

    def test_reset_old_weights_restores_them_for_training(self):
        optimizer, plain = (toy.extend("average")(0.01, ema_momentum=0.9) for _ in range(2))
        want = toy.run_steps(plain)
        got = toy.run_steps(optimizer, toy.GRADIENTS[:3])
        count = len(optimizer.variables)
        optimizer.apply_ema_weights()
        optimizer.reset_old_weights()
        np.testing.assert_array_equal(weights_by_path(optimizer)[toy.KERNEL], got[-1][toy.KERNEL])
        weights = optimizer._trainable_variables
        for gradient in toy.GRADIENTS[3:]:
            optimizer.apply([g.astype("float32") for g in gradient.values()], weights)
        np.testing.assert_allclose(
            weights_by_path(optimizer)[toy.KERNEL], want[-1][toy.KERNEL], **NEAR
        )
        assert (
            len(optimizer.variables) == count
        )  # no weight of the model became a variable of the optimizer

    def test_apply_ema_weights_before_an_update_changes_nothing(self):
        for built in (False, True):
            optimizer = toy.extend("average")()
            if built:
                weights = toy.make_variables()
                optimizer.build(weights)
            optimizer.apply_ema_weights(bias_correction=False)
            if built:
                np.testing.assert_allclose(
                    weights_by_path(optimizer)[toy.KERNEL], toy.START[toy.KERNEL], **NEAR
                )
            optimizer.reset_old_weights()

    def test_a_variable_without_gradients_keeps_its_weights(self):
        optimizer, weights = toy.extend("average")(ema_momentum=0.9), toy.make_variables()
        optimizer.build(weights)
        with pytest.warns(UserWarning, match="Gradients do not exist"):
            optimizer.apply([None, *(g.astype("float32") for g in list(toy.START.values())[1:])])
        optimizer.apply_ema_weights()
        np.testing.assert_allclose(np.array(weights[0]), list(toy.START.values())[0], **NEAR)

    def test_a_scale_that_its_gradient_replaces_has_no_average(self):
        optimizer, weights = toy.extend("lookahead average")(), toy.make_variables()
        weights[0].overwrite_with_gradient = True
        optimizer.apply([g.astype("float32") for g in toy.GRADIENTS[0].values()], weights)
        optimizer.apply_ema_weights()
        want = list(toy.GRADIENTS[0].values())[0]
        np.testing.assert_allclose(np.array(weights[0]), want, **NEAR)

    def test_averages_can_be_evaluated_in_every_epoch_of_fit(self):
        """On JAX, fit donates the buffers of variables."""
        model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(1, use_bias=False)])
        model.compile(toy.extend("average")(0.1, ema_momentum=0.5), "mse")
        recorder = AverageRecorder(bias_correction=False)
        model.fit(*DATA, epochs=3, callbacks=[recorder], verbose=0)
        w = recorder.weights
        np.testing.assert_allclose(recorder.averages[2], w[0] / 8 + w[1] / 4 + w[2] / 2, **NEAR)
        np.testing.assert_array_equal(model.get_weights()[0], w[2])
        model.optimizer.apply_ema_weights(bias_correction=False)
        model.fit(*DATA, verbose=0)  # donates the buffers of averages and weights

    def test_the_order_with_lookahead_matters(self):
        options = dict(steps_per_slow_update=1, slow_step_size=0.0, ema_momentum=0.5)
        for words, has_moved in (("lookahead average", False), ("average lookahead", True)):
            optimizer = toy.extend(words)(0.1, **options)
            toy.run_steps(optimizer, toy.GRADIENTS[:2])
            optimizer.apply_ema_weights()
            is_unchanged = np.allclose(
                weights_by_path(optimizer)[toy.KERNEL], toy.START[toy.KERNEL], atol=1e-6
            )
            assert is_unchanged != has_moved

    @pytest.mark.parametrize("momentum", [0.0, 1.0, 1000])
    def test_ema_momentum_is_between_0_and_1(self, momentum):
        with pytest.raises(ValueError, match=rf"ema_momentum to be .* above 0.*got {momentum}"):
            toy.extend("average")(ema_momentum=momentum)

    def test_weights_are_replaced_once_and_then_restored(self):
        optimizer = toy.extend("average")()
        with pytest.raises(
            RuntimeError, match=r"saved weights to restore.*Call apply_ema_weights\(\)"
        ):
            optimizer.reset_old_weights()
        optimizer.apply_ema_weights()
        with pytest.raises(RuntimeError, match=r"in the model already.*Call reset_old_weights\(\)"):
            optimizer.apply_ema_weights()
