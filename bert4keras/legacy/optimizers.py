"""Optimizers: old names of their arguments and attributes."""

import weakref

import keras

from bert4keras import backend
from bert4keras.legacy import running
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
    if own and backend.backend_name != "tensorflow":
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


def handed_over(optimizer, model):
    """An optimizer that ``compile`` is given again begins anew; the model that had it goes on with
    a copy. All of them count the same steps.
    """
    if not isinstance(optimizer, keras.optimizers.Optimizer):
        return
    noted = running.notes(optimizer)
    last = noted.get("model", lambda: None)()
    noted["model"] = weakref.ref(model)
    if last is None or not _begins_anew(optimizer, last, model):
        return
    met("one optimizer")
    steps, noted["model"] = optimizer._iterations, weakref.ref(model)
    if last is not model:
        last.optimizer = object.__new__(type(optimizer))
        vars(last.optimizer).update(vars(optimizer))
    fresh = type(optimizer).from_config(optimizer.get_config())
    vars(optimizer).clear()
    vars(optimizer).update(vars(fresh))
    running.notes(optimizer)["model"] = weakref.ref(model)
    _count(optimizer, steps)


def _begins_anew(optimizer, last, model):
    known = [id(x) for x in getattr(optimizer, "_trainable_variables", ())]
    same = known == [id(x) for x in model.trainable_variables]
    return last is not model or (optimizer.built and not same)


def _count(optimizer, steps):
    """Steps are counted by a variable of another optimizer."""
    place = next(i for i, x in enumerate(optimizer._variables) if x is optimizer._iterations)
    optimizer._iterations = optimizer._variables[place] = steps


def minimize(self, loss, var_list, grad_loss=None, name=None, tape=None):
    """optimizer.minimize(loss, variables, tape=tape) of a train_step, on TensorFlow."""
    met("minimize")
    if backend.backend_name != "tensorflow":
        raise refused("minimize", "the backend is not TensorFlow")
    if tape is None:
        with backend.tf.GradientTape() as tape:
            loss = loss()
    variables = list(var_list)
    self.apply_gradients(zip(tape.gradient(loss, variables), variables))


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
