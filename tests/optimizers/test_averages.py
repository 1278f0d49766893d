"""Weights kept beside those of the model: lookahead's, and moving averages."""

import keras
import numpy as np
import pytest
from optimizers import toy
from optimizers.test_extensions import extended, twice

NEAR = {"atol": 1e-6, "rtol": 1e-6}


def averages(walk, momentum):
    """Closed form of the average after all steps, {path: array}, and its sum of shares."""
    shares = (1 - momentum) * momentum ** np.arange(len(walk))[::-1]
    return {path: sum(share * step[path] for share, step in zip(shares, walk)) for path in walk[0]}


def stored(optimizer):
    return dict(zip(toy.SHAPES, (np.array(w) for w in optimizer._trainable_variables)))


@pytest.mark.parametrize("bias_correction", [True, False])
@pytest.mark.parametrize("words", ["average", "accumulate average", "average accumulate"])
def test_averages_are_those_of_the_closed_form(words, bias_correction):
    optimizer = extended(words)(0.01, ema_momentum=0.9)
    accumulates = "accumulate" in words
    walk = toy.walk(optimizer, twice(toy.GRADIENTS[:3]) if accumulates else toy.GRADIENTS)
    walk = walk[1::2] if accumulates else walk
    want = averages(walk, 0.9)
    total = 1 - 0.9 ** len(walk) if bias_correction else 1.0
    optimizer.apply_ema_weights(bias_correction)
    for path, got in stored(optimizer).items():
        np.testing.assert_allclose(got, want[path] / total, **NEAR)
        assert not np.allclose(got, walk[-1][path], atol=1e-3)


def test_old_weights_come_back_and_training_goes_on_with_them():
    optimizer, plain = (extended("average")(0.01, ema_momentum=0.9) for _ in range(2))
    want = toy.walk(plain)
    got = toy.walk(optimizer, toy.GRADIENTS[:3])
    count = len(optimizer.variables)
    optimizer.apply_ema_weights()
    optimizer.reset_old_weights()
    np.testing.assert_array_equal(stored(optimizer)[toy.KERNEL], got[-1][toy.KERNEL])
    weights = optimizer._trainable_variables
    for gradient in toy.GRADIENTS[3:]:
        optimizer.apply([g.astype("float32") for g in gradient.values()], weights)
    np.testing.assert_allclose(stored(optimizer)[toy.KERNEL], want[-1][toy.KERNEL], **NEAR)
    assert len(optimizer.variables) == count  # none of the model's are taken for its own


def test_before_the_first_update_the_weights_are_their_own_average():
    for built in (False, True):
        optimizer = extended("average")()
        if built:
            weights = toy.variables()
            optimizer.build(weights)
        optimizer.apply_ema_weights(bias_correction=False)
        if built:
            np.testing.assert_allclose(stored(optimizer)[toy.KERNEL], toy.START[toy.KERNEL], **NEAR)
        optimizer.reset_old_weights()


def test_a_variable_without_gradients_keeps_its_weights():
    optimizer, weights = extended("average")(ema_momentum=0.9), toy.variables()
    optimizer.build(weights)
    with pytest.warns(UserWarning, match="Gradients do not exist"):
        optimizer.apply([None, *(g.astype("float32") for g in list(toy.START.values())[1:])])
    optimizer.apply_ema_weights()
    np.testing.assert_allclose(np.array(weights[0]), list(toy.START.values())[0], **NEAR)


def test_a_scale_that_its_gradient_replaces_has_no_average():
    optimizer, weights = extended("lookahead average")(), toy.variables()
    weights[0].overwrite_with_gradient = True
    optimizer.apply([g.astype("float32") for g in toy.GRADIENTS[0].values()], weights)
    optimizer.apply_ema_weights()
    want = list(toy.GRADIENTS[0].values())[0]
    np.testing.assert_allclose(np.array(weights[0]), want, **NEAR)


class Swap(keras.callbacks.Callback):
    """Keeps the weights and the averages of each epoch."""

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


def test_averages_can_be_evaluated_in_every_epoch_of_fit():
    """On JAX, fit gives the memory of variables away."""
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(1, use_bias=False)])
    model.compile(extended("average")(0.1, ema_momentum=0.5), "mse")
    swap = Swap(bias_correction=False)
    model.fit(*DATA, epochs=3, callbacks=[swap], verbose=0)
    w = swap.weights
    np.testing.assert_allclose(swap.averages[2], w[0] / 8 + w[1] / 4 + w[2] / 2, **NEAR)
    np.testing.assert_array_equal(model.get_weights()[0], w[2])
    model.optimizer.apply_ema_weights(bias_correction=False)
    model.fit(*DATA, verbose=0)  # with averages and weights both given to the program


@pytest.mark.parametrize("words", ["lookahead", "lookahead accumulate", "accumulate lookahead"])
def test_lookahead_goes_a_share_of_the_way(words):
    optimizer = extended(words, keras.optimizers.SGD)(
        0.01, steps_per_slow_update=2, slow_step_size=0.3
    )
    accumulates = "accumulate" in words
    got = toy.walk(optimizer, twice(toy.GRADIENTS) if accumulates else toy.GRADIENTS)
    want, slow = dict(toy.START), dict(toy.START)
    for t, gradient in enumerate(toy.GRADIENTS, 1):
        for path in want:
            want[path] = want[path] - 0.01 * gradient[path]
            if t % 2 == 0:
                want[path] = slow[path] = slow[path] + 0.3 * (want[path] - slow[path])
    for path in want:
        np.testing.assert_allclose(got[-1][path], want[path], **NEAR)


def test_lookahead_starts_from_weights_that_are_loaded_later():
    optimizer, weights = extended("lookahead", keras.optimizers.SGD)(0.0), toy.variables()
    optimizer.build(weights)
    weights[0].assign(weights[0] + 1.0)
    loaded = np.array(weights[0])
    for _ in range(5):
        optimizer.apply([np.zeros(w.shape, "float32") for w in weights])
    np.testing.assert_allclose(np.array(weights[0]), loaded, **NEAR)


def test_lookahead_builds_itself_on_its_first_call():
    optimizer, weights = (
        extended("lookahead", keras.optimizers.SGD)(1.0, slow_step_size=0),
        [keras.Variable(np.ones(3, "float32"), name="kernel")],
    )
    for _ in range(5):
        optimizer.apply([np.ones(3, "float32")], weights)
    np.testing.assert_allclose(np.array(weights[0]), 1.0)


def test_averages_around_lookahead_take_what_it_leaves():
    options = dict(steps_per_slow_update=1, slow_step_size=0.0, ema_momentum=0.5)
    for words, moved in (("lookahead average", False), ("average lookahead", True)):
        optimizer = extended(words)(0.1, **options)
        toy.walk(optimizer, toy.GRADIENTS[:2])
        optimizer.apply_ema_weights()
        still = np.allclose(stored(optimizer)[toy.KERNEL], toy.START[toy.KERNEL], atol=1e-6)
        assert still != moved
