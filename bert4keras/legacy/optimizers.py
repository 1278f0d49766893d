"""Optimizers: old names of their arguments and attributes."""

import keras

from bert4keras import backend
from bert4keras.legacy.report import met, refused


def initialised(old, self, learning_rate=0.001, *args, **kwargs):
    """lr and decay."""
    if "lr" in kwargs:
        met("lr")
        learning_rate = kwargs.pop("lr")
    decay = kwargs.pop("decay", 0)
    if decay:
        met("decay")
        learning_rate = keras.optimizers.schedules.InverseTimeDecay(learning_rate, 1, decay)
    own = callable(getattr(type(self), "get_updates", None))
    if own and backend.supports_jit:
        raise refused("own optimizer", "the backend is not TensorFlow")
    if isinstance(learning_rate, int):
        learning_rate = float(learning_rate)
    old(self, learning_rate, *args, **kwargs)
    if own:
        self.lr, self.iterations, self.initial_decay = self._learning_rate, self._iterations, 0


def default_epsilon(old, self, *args, **kwargs):
    """epsilon=None is that of Keras."""
    if kwargs.get("epsilon", 0) is None:
        kwargs["epsilon"] = keras.config.epsilon()
    old(self, *args, **kwargs)


def _variable(optimizer):
    rate = optimizer._learning_rate
    return rate if isinstance(rate, keras.Variable) else optimizer.learning_rate


def get_lr(self):
    """optimizer.lr: the variable, so that K.set_value can write it."""
    met("optimizer.lr")
    return _variable(self)


def set_lr(self, value):
    """optimizer.lr = value."""
    met("optimizer.lr")
    self.learning_rate = value


def weights(self):
    """optimizer.weights."""
    return self.variables
