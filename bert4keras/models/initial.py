"""First values of weights, spared where a checkpoint is about to give them."""

from contextlib import contextmanager
from contextvars import ContextVar

import keras
from keras import ops

_spared = ContextVar("spared", default=False)


class _Random:
    """Random numbers; zeros where ``spared`` says so.

    To draw the weights of a large model takes longer than to load them.
    """

    def __call__(self, shape, dtype=None):
        if _spared.get():
            return ops.zeros(shape, dtype or keras.config.floatx())
        return super().__call__(shape, dtype)


@keras.saving.register_keras_serializable("bert4keras")
class Initial(_Random, keras.initializers.TruncatedNormal):
    """Random numbers of a truncated normal distribution."""


@keras.saving.register_keras_serializable("bert4keras")
class ScaledInitial(_Random, keras.initializers.VarianceScaling):
    """Random numbers whose variance falls with the number of features."""


@contextmanager
def spared(wanted):
    """Weights made inside are not drawn at random, if wanted: something else will fill them."""
    token = _spared.set(wanted)
    try:
        yield
    finally:
        _spared.reset(token)
