"""Optimizers of one's own, which say their updates by ``get_updates``, as in Keras 2.

``get_updates`` runs once for each step, or each graph of a step. The variables that it makes are
kept from the first time on, and what it updates is written when all of it is known.
"""

import keras
from keras import ops

from bert4keras import backend
from bert4keras.backend import K
from bert4keras.legacy import running
from bert4keras.legacy.report import met, refused

Optimizer = keras.optimizers.Optimizer
K_update, K_variable, K_zeros = K.update, K.variable, K.zeros


class Updates:
    """What one run of ``get_updates`` makes and updates.

    Args:
        made: variables of earlier runs, to which those of a first one are added.
    """

    def __init__(self, made):
        self.made, self.used = made, 0
        self.written = []  # (variable, value)

    def variable(self, make):
        """The next variable, of an earlier run if there was one."""
        if self.used == len(self.made):
            self.made.append(make())
        self.used += 1
        return self.made[self.used - 1]


def zeros(shape, dtype=None, name=None):
    """K.zeros; a variable where an optimizer asks."""
    if not running.updates:
        return K_zeros(shape, dtype, name)
    return variable(ops.zeros(shape, dtype or K.floatx()), dtype, name)


def variable(value, dtype=None, name=None):
    """K.variable."""
    if not running.updates:
        return K_variable(value, dtype, name)
    return running.updates[-1].variable(lambda: K_variable(value, dtype, name))


def update(x, new_x):
    """K.update."""
    if not running.updates:
        return K_update(x, new_x)
    running.updates[-1].written.append((x, new_x))
    return x


def subclassed(cls, **kwargs):
    """A class of the script: where it has get_updates, what Keras 3 calls is made of it."""
    super(Optimizer, cls).__init_subclass__(**kwargs)
    if (
        "get_updates" not in vars(cls)
        or "update_step" in vars(cls)
        or backend.backend_name != "tensorflow"
    ):
        return
    for name in ("iterations", "lr", "weights"):  # properties of Keras 3, which scripts set
        if name not in vars(cls):
            setattr(cls, name, None)
    cls.learning_rate = property(lambda self: self.lr, lambda self, value: self.lr.assign(value))
    cls.get_gradients = lambda self, loss, params: self._given
    cls.build, cls.apply = build, apply


def build(self, variables):
    """Make the variables of the optimizer."""
    Optimizer.build(self, variables)
    running.notes(self)["made"] = []
    _run(self, [ops.zeros_like(x) for x in variables], variables)


def apply(self, grads, trainable_variables=None):
    """Update the variables of a model."""
    if not self.built:
        self.build(list(trainable_variables))
    variables = self._trainable_variables if trainable_variables is None else trainable_variables
    for x, value in _run(self, self._clip_gradients(list(grads)), list(variables)):
        x.assign(value)


def _run(self, grads, variables):
    met("own optimizer")
    self._given = grads
    with running.within(running.updates, Updates(running.notes(self)["made"])):
        try:
            self.get_updates(None, variables)
        except AttributeError as error:
            raise refused("own optimizer", str(error)) from error
        return running.updates[-1].written
