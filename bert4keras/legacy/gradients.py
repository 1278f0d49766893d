"""K.gradients and K.function, and the training functions that adversarial scripts replace.

On TensorFlow gradients are given their meaning wherever a graph is: in losses, in layers, of a
model's total loss, of a symbolic tensor. Elsewhere only the gradient of a total loss is there.
"""

import numpy as np
from keras import ops

from bert4keras import backend
from bert4keras.backend import keras
from bert4keras.legacy import running
from bert4keras.legacy.deferred import Deferred, Feed, known
from bert4keras.legacy.report import met, refused

ON_TENSORFLOW = backend.backend_name == "tensorflow"


def gradients(loss, variables):
    """K.gradients: of a total loss, a symbolic tensor, or a tensor of a graph."""
    met("K.gradients")
    several = isinstance(variables, list | tuple)
    found = [_gradient(loss, x) for x in (variables if several else [variables])]
    return found


def _gradient(loss, variable):
    if isinstance(loss, TotalLoss):
        return Deferred(lambda feed: loss.gradient(feed, variable))
    if not ON_TENSORFLOW:
        raise refused("K.gradients", "only TensorFlow has a graph to differentiate")
    if isinstance(loss, Deferred):
        return Deferred(lambda feed: _in_graph(loss.value(feed), known(variable, feed)))
    if keras.backend.is_keras_tensor(loss):
        return _symbolic(loss, variable)
    return _in_graph(loss, variable)


def _in_graph(loss, variable):
    """The gradient of a tensor of TensorFlow's graph, dense, with itself as its ``values``."""
    tf = backend.tf
    if tf.executing_eagerly():
        raise refused("K.gradients", "a tensor that is computed already has no graph")
    at = getattr(variable, "value", variable)
    handle = getattr(at, "handle", None)
    if handle is not None:
        at = tf.compat.v1.get_default_graph().capture(handle)
    gradient = tf.gradients(loss, [at], unconnected_gradients="zero")[0]
    gradient = tf.convert_to_tensor(gradient)
    if handle is not None:
        gradient = tf.ensure_shape(gradient, variable.shape)
    gradient.values = gradient  # as of IndexedSlices
    return gradient


class Gradient(keras.Operation):
    """The gradient of one symbolic tensor by another, or by a variable, as a step of a model.

    Args:
        variable: that one; None where a tensor is given beside the loss.
    """

    def __init__(self, variable=None):
        super().__init__()
        self.variable = variable

    def call(self, loss, at=None):
        """The gradient, in a graph of TensorFlow."""
        return _in_graph(loss, self.variable if at is None else at)

    def compute_output_spec(self, loss, at=None):
        """Shape and type are those of what it is taken by."""
        by = self.variable if at is None else at
        return keras.KerasTensor(by.shape, by.dtype)


def _symbolic(loss, by):
    symbols = [by] if keras.backend.is_keras_tensor(by) else []
    gradient = Gradient(None if symbols else by)(loss, *symbols)
    gradient.values = gradient  # as of IndexedSlices
    return gradient


class Target(Deferred):
    """Stands for the targets of one output of a model."""

    def __init__(self):
        super().__init__(lambda feed: feed[self])


class TotalLoss(Deferred):
    """The loss of a compiled model, whatever it is made of."""

    def __init__(self, model):
        self.model = model
        super().__init__(lambda feed: self._loss(feed))

    def _loss(self, feed):
        x = keras.tree.pack_sequence_as(self.model._inputs_struct, [feed[i] for i in inputs(self)])
        y = [feed[target] for target in targets(self.model)]
        y_pred = self.model(x, training=True)
        return self.model._compute_loss(
            x, (y[0] if len(y) == 1 else y) if y else None, y_pred, None
        )

    def gradient(self, feed, variable):
        """Its gradient by a variable of the model."""
        place = next(v for v in self.model.trainable_variables if v is variable)

        def loss(values):
            with keras.StatelessScope([(place, values[0])], collect_losses=True):
                return self._loss(feed), None

        value = ops.convert_to_tensor(place.value)
        _, (gradient,) = backend.value_and_grad(loss, [value])
        return ops.zeros_like(value) + gradient  # dense


def inputs(loss):
    """What stands for the inputs of its model."""
    return loss.model.inputs


def total_loss(model):
    """model.total_loss: a value that gradients can be taken of."""
    met("total_loss", read_by_script=True)
    return TotalLoss(model)


def targets(model):
    """model._feed_targets: what stands for the targets of a model with a loss."""
    if getattr(model, "_compile_loss", None) is None:
        return []
    return list(running.notes(model).setdefault("targets", [Target() for _ in model.outputs]))


class LearningPhase(Deferred):
    """K.learning_phase(): whether the model trains, 1 or 0."""

    def __init__(self):
        super().__init__(lambda feed: int(feed.training))


class Function:
    """K.function(inputs, outputs): a list of arrays in, a list of arrays out."""

    def __init__(self, inputs, outputs, updates=None, name=None):
        met("K.function")
        self.inputs = list(inputs) if isinstance(inputs, list | tuple) else [inputs]
        self.several = isinstance(outputs, list | tuple)
        self.outputs = list(outputs) if self.several else [outputs]
        self.updates = updates or []
        self.symbols = [x for x in self.inputs if keras.backend.is_keras_tensor(x)]
        self.needs = [x for x in self.outputs if keras.backend.is_keras_tensor(x)]
        self.graph = keras.Model(self.symbols, self.needs) if self.needs else None
        steps = self.graph.operations if self.needs else []
        symbolic = any(isinstance(x, Gradient) for x in steps)
        self.run = backend.tf.function(self._run, autograph=False) if symbolic else self._run

    def __call__(self, values):
        training, fed = False, []
        for key, value in zip(self.inputs, values):
            if isinstance(key, LearningPhase):
                training = bool(value)
            else:
                fed.append((id(key), ops.convert_to_tensor(np.asarray(value))))
        keys = [key for key, _ in fed]
        found = self.run([value for _, value in fed], keys, training)
        found = [ops.convert_to_numpy(x) for x in found]
        return found if self.several else found[0]

    def _run(self, values, keys, training):
        feed = Feed(dict(zip(keys, values)), training)
        if self.graph is not None:
            given = [feed[x] for x in self.symbols]
            found = keras.tree.flatten(self.graph(given, training=training))
            feed.values.update({id(x): value for x, value in zip(self.needs, found)})
        return [known(x, feed) for x in self.outputs]


class TrainFunction:
    """model.train_function of Keras 2: arrays of inputs and targets in, loss and metrics out."""

    def __init__(self, model):
        self.model = model
        self.real = None

    def __call__(self, values):
        count = len(self.model.inputs)
        x = keras.tree.pack_sequence_as(self.model._inputs_struct, list(values[:count]))
        y, weights = values[count:], None
        if len(y) > len(self.model.outputs):
            y, weights = y[: len(self.model.outputs)], y[len(self.model.outputs)]
        with running.function(self.model, self.real):
            logs = running.original(keras.Model, "train_on_batch")(
                self.model,
                x,
                (y[0] if len(y) == 1 else list(y)) if len(y) else None,
                sample_weight=weights,
                return_dict=True,
            )
            self.real = self.model.train_function
        return list(logs.values())


def make_train_function(model):
    """model._make_train_function(): what a script takes, wraps and puts back."""
    met("_make_train_function")
    if backend.backend_name == "jax":
        raise refused("_make_train_function", "JAX hands state through its training function")
    model.train_function = TrainFunction(model)
    running.notes(model)["scripted"] = True


def stepping(model, script):
    """What ``fit`` of Keras 3 calls, from a script's training function."""

    def step(data):
        batch = next(iter(data))
        x, y, weights = keras.utils.unpack_x_y_sample_weight(batch)
        flat = keras.tree.flatten(x) + [v for v in keras.tree.flatten(y) if v is not None]
        flat += [v for v in keras.tree.flatten(weights) if v is not None]
        outputs = script([ops.convert_to_numpy(v) for v in flat])
        outputs = outputs if isinstance(outputs, list | tuple) else [outputs]
        return dict(zip(model.get_metrics_result(), outputs))

    return step
