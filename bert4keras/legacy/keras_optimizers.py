"""Optimizers: arguments and attributes of Keras 2, and custom optimizers with ``get_updates``.

``get_updates`` runs once for each step, or for each graph of a step. Variables that it makes are
kept from the first run. Updates are written when all of them are computed.
"""

import weakref
from typing import Any

import keras
from keras import ops

from bert4keras import backend
from bert4keras.backend import K, backend_name
from bert4keras.legacy import patches
from bert4keras.legacy.patches import add, add_names, push, replace, state_of
from bert4keras.legacy.report import record_use, unsupported_error

_Optimizer = keras.optimizers.Optimizer
_K_update, _K_variable, _K_zeros = K.update, K.variable, K.zeros


@replace(_Optimizer, "__init__")
def _init(original, self, learning_rate=0.001, *args, **kwargs):
    """Accept ``lr`` and ``decay``."""
    if "lr" in kwargs:
        record_use("lr")
        learning_rate = kwargs.pop("lr")
    decay = kwargs.pop("decay", 0)
    if decay:
        record_use("decay")
        learning_rate = keras.optimizers.schedules.InverseTimeDecay(learning_rate, 1, decay)
    has_get_updates = callable(getattr(type(self), "get_updates", None))
    if has_get_updates and backend_name != "tensorflow":
        raise unsupported_error("own optimizer", "the backend is not TensorFlow")
    if isinstance(learning_rate, int):
        learning_rate = float(learning_rate)
    original(self, learning_rate, *args, **kwargs)
    if has_get_updates:
        self.lr, self.iterations, self.initial_decay = self._learning_rate, self._iterations, 0


@replace(keras.optimizers.Adam, "__init__")
@replace(keras.optimizers.Adadelta, "__init__")
@replace(keras.optimizers.Adagrad, "__init__")
@replace(keras.optimizers.RMSprop, "__init__")
def _init_with_epsilon(original, self, *args, **kwargs):
    """Read ``epsilon=None`` as keras.config.epsilon()."""
    if kwargs.get("epsilon", 0) is None:
        kwargs["epsilon"] = keras.config.epsilon()
    original(self, *args, **kwargs)


def assign_optimizer(optimizer: Any, model: Any) -> None:
    """Reset an optimizer that ``compile`` gets for a second time.

    The model that used it before continues with a copy. Both count the same steps.
    """
    if not isinstance(optimizer, _Optimizer):
        return
    state = state_of(optimizer)
    last_model = state.get("model", lambda: None)()
    state["model"] = weakref.ref(model)
    if last_model is None or not _needs_reset(optimizer, last_model, model):
        return
    record_use("one optimizer")
    steps = optimizer._iterations
    if last_model is not model:
        last_model.optimizer = object.__new__(type(optimizer))
        vars(last_model.optimizer).update(vars(optimizer))
    fresh = type(optimizer).from_config(optimizer.get_config())
    vars(optimizer).clear()
    vars(optimizer).update(vars(fresh))
    state_of(optimizer)["model"] = weakref.ref(model)
    _share_step_counter(optimizer, steps)


def _needs_reset(optimizer, last_model, model):
    variables = [id(x) for x in getattr(optimizer, "_trainable_variables", ())]
    is_same = variables == [id(x) for x in model.trainable_variables]
    return last_model is not model or (optimizer.built and not is_same)


def _share_step_counter(optimizer, steps):
    index = next(i for i, x in enumerate(optimizer._variables) if x is optimizer._iterations)
    optimizer._iterations = optimizer._variables[index] = steps


@add(_Optimizer, "minimize")
def _minimize(self, loss, var_list, grad_loss=None, name=None, tape=None):
    """Run optimizer.minimize(loss, variables, tape=tape) of a train_step, on TensorFlow."""
    record_use("minimize")
    if backend_name != "tensorflow":
        raise unsupported_error("minimize", "the backend is not TensorFlow")
    if tape is None:
        with backend.tf.GradientTape() as tape:
            loss = loss()
    variables = list(var_list)
    self.apply_gradients(zip(tape.gradient(loss, variables), variables))


def _get_lr(self):
    """Return the variable itself, for K.set_value."""
    record_use("optimizer.lr")
    rate = self._learning_rate
    return rate if isinstance(rate, keras.Variable) else self.learning_rate


def _set_lr(self, value):
    record_use("optimizer.lr")
    self.learning_rate = value


def _unsupported_optimizer(*args, **kwargs):
    raise unsupported_error("tf1 optimizer", "it belongs to a graph, and models run eagerly")


add_names(
    _Optimizer,
    {"lr": property(_get_lr, _set_lr), "weights": property(lambda self: self.variables)},
)
add_names(
    keras.optimizers,
    {
        **{
            name.lower(): getattr(keras.optimizers, name)
            for name in "Adam Adadelta Adagrad Adamax Nadam RMSprop SGD".split()
        },
        "TFOptimizer": _unsupported_optimizer,
    },
)


# Custom optimizers


class _Updates:
    """Variables and updates of one run of ``get_updates``.

    Args:
        variables: variables of earlier runs; a first run fills this list.
    """

    def __init__(self, variables):
        self.variables, self.count = variables, 0
        self.updates = []  # (variable, value)

    def next_variable(self, make):
        """Return the next variable of an earlier run, or make it."""
        if self.count == len(self.variables):
            self.variables.append(make())
        self.count += 1
        return self.variables[self.count - 1]


def k_zeros(shape: Any, dtype: Any = None, name: Any = None) -> Any:
    """Return K.zeros; a variable inside ``get_updates``."""
    if not patches.running_updates:
        return _K_zeros(shape, dtype, name)
    return k_variable(ops.zeros(shape, dtype or K.floatx()), dtype, name)


def k_variable(value: Any, dtype: Any = None, name: Any = None, constraint: Any = None) -> Any:
    """Return K.variable; inside ``get_updates`` the variable of the first run."""
    if not patches.running_updates:
        return _K_variable(value, dtype, name, constraint)
    return patches.running_updates[-1].next_variable(
        lambda: _K_variable(value, dtype, name, constraint)
    )


def k_update(x: Any, new_x: Any) -> Any:
    """Assign as K.update does; inside ``get_updates`` only collect the update."""
    if not patches.running_updates:
        return _K_update(x, new_x)
    patches.running_updates[-1].updates.append((x, new_x))
    return x


@add(_Optimizer, "__init_subclass__")
@classmethod
def _init_subclass(cls, **kwargs):
    """Build on ``get_updates`` what Keras 3 calls."""
    super(_Optimizer, cls).__init_subclass__(**kwargs)
    if "get_updates" not in vars(cls) or "update_step" in vars(cls) or backend_name != "tensorflow":
        return
    for name in ("iterations", "lr", "weights"):  # scripts set what Keras 3 has as properties
        if name not in vars(cls):
            setattr(cls, name, None)
    cls.learning_rate = property(lambda self: self.lr, lambda self, value: self.lr.assign(value))
    cls.get_gradients = lambda self, loss, params: self._gradients
    cls.build, cls.apply = _build, _apply


def _build(self, variables):
    """Make the variables of the optimizer."""
    _Optimizer.build(self, variables)
    state_of(self)["variables"] = []
    _get_updates(self, [ops.zeros_like(x) for x in variables], variables)


def _apply(self, grads, trainable_variables=None):
    """Update the variables of a model."""
    if not self.built:
        self.build(list(trainable_variables))
    variables = self._trainable_variables if trainable_variables is None else trainable_variables
    for x, value in _get_updates(self, self._clip_gradients(list(grads)), list(variables)):
        x.assign(value)


def _get_updates(self, gradients, variables):
    record_use("own optimizer")
    self._gradients = gradients
    with push(patches.running_updates, _Updates(state_of(self)["variables"])):
        try:
            self.get_updates(None, variables)
        except AttributeError as error:
            raise unsupported_error("own optimizer", str(error)) from error
        return patches.running_updates[-1].updates
