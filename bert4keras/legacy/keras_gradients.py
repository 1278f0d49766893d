"""K.gradients, K.function, and the training functions that adversarial scripts replace.

Keras 2 built a graph first and fed it later. Scripts compute with ``model.total_loss`` or
``model.targets`` before a batch exists; ``Lazy`` values stand for them until a batch comes.

K.gradients works on TensorFlow wherever a graph is traced: in losses, in layers, for the total
loss, for symbolic tensors. JAX and PyTorch support the gradient of the total loss alone.
"""

import contextlib
import functools
import operator
from typing import Any

import numpy as np
from keras import ops

from bert4keras import backend
from bert4keras.backend import K, backend_name, keras
from bert4keras.legacy.patches import add, add_names, get_original, state_of
from bert4keras.legacy.report import record_use, unsupported_error

# Lazy values


class Lazy:
    """Value that is computed when a batch comes; arithmetic and functions of K accept it.

    Args:
        compute: function (feed) -> tensor, where ``feed`` is a ``Feed``.
    """

    __array_priority__ = 1000  # before NumPy's arrays

    def __init__(self, compute: Any) -> None:
        self.compute = compute

    @property
    def values(self) -> Any:
        """The gradient itself: a sparse gradient of Keras 2 kept its rows here; ours is dense."""
        return self

    def __getitem__(self, index: Any) -> Any:
        return Lazy(lambda feed: self.compute(feed)[index])

    def __float__(self) -> float:
        raise unsupported_error("total_loss", "it has no value before a batch comes")

    def __bool__(self) -> bool:
        raise unsupported_error("total_loss", "it has no value before a batch comes")

    __int__ = __bool__

    def __neg__(self) -> Any:
        return Lazy(lambda feed: -self.compute(feed))


def _binary_operators(function):
    def forward(self, operand):
        return Lazy(lambda feed: function(evaluate(self, feed), evaluate(operand, feed)))

    def backward(self, operand):
        return Lazy(lambda feed: function(evaluate(operand, feed), evaluate(self, feed)))

    return forward, backward


for _name in ("add", "sub", "mul", "truediv", "pow"):
    _forward, _backward = _binary_operators(getattr(operator, _name))
    setattr(Lazy, f"__{_name}__", _forward)
    setattr(Lazy, f"__r{_name}__", _backward)


class Feed:
    """Batch for lazy values: tensors for inputs and targets, and the training mode.

    Args:
        tensors: dict from the id() of a symbolic input or target to its tensor.
        training: True in training.
    """

    def __init__(self, tensors: Any, training: Any = False) -> None:
        self.tensors = tensors
        self.training: bool = training

    def __getitem__(self, symbol: Any) -> Any:
        return self.tensors[id(symbol)]


def evaluate(value: Any, feed: Any) -> Any:
    """Return the value of a lazy value or symbolic input for a batch; other values as they are."""
    if isinstance(value, Lazy):
        return value.compute(feed)
    return feed[value] if keras.backend.is_keras_tensor(value) else value


def lazy_function(function: Any) -> Any:
    """Return a function of K that accepts lazy values too."""

    @functools.wraps(function)
    def call(*args, **kwargs):
        if not any(isinstance(x, Lazy) for x in keras.tree.flatten((args, kwargs))):
            return function(*args, **kwargs)

        def compute(feed):
            arguments = keras.tree.map_structure(lambda x: evaluate(x, feed), (args, kwargs))
            return function(*arguments[0], **arguments[1])

        return Lazy(compute)

    return call


# Gradients


def gradients(loss: Any, variables: Any) -> Any:
    """Return K.gradients: of a total loss, a symbolic tensor, or a tensor of a graph."""
    record_use("K.gradients")
    is_list = isinstance(variables, list | tuple)
    return [_gradient(loss, x) for x in (variables if is_list else [variables])]


def _gradient(loss, variable):
    if isinstance(loss, _TotalLoss):
        return Lazy(lambda feed: loss.gradient(feed, variable))
    if backend_name != "tensorflow":
        raise unsupported_error("K.gradients", "only TensorFlow has a graph to differentiate")
    if isinstance(loss, Lazy):
        return Lazy(lambda feed: _graph_gradient(loss.compute(feed), evaluate(variable, feed)))
    if keras.backend.is_keras_tensor(loss):
        return _symbolic_gradient(loss, variable)
    return _graph_gradient(loss, variable)


def _graph_gradient(loss, variable):
    """Return the dense gradient of a tensor in TensorFlow's graph."""
    tf = backend.tf
    if tf.executing_eagerly():
        raise unsupported_error("K.gradients", "an eager tensor has no graph")
    source = getattr(variable, "value", variable)
    handle = getattr(source, "handle", None)
    if handle is not None:
        source = tf.compat.v1.get_default_graph().capture(handle)
    gradient = tf.gradients(loss, [source], unconnected_gradients="zero")[0]
    gradient = tf.convert_to_tensor(gradient)
    if handle is not None:
        gradient = tf.ensure_shape(gradient, variable.shape)
    gradient.values = gradient  # scripts expect IndexedSlices
    return gradient


class Gradient(keras.Operation):
    """Step of a functional model: the gradient of a symbolic tensor.

    Args:
        variable: variable to differentiate by; None if ``call`` gets a tensor instead.
    """

    def __init__(self, variable: Any = None) -> None:
        super().__init__()
        self.variable: Any = variable

    def call(self, loss: Any, tensor: Any = None) -> Any:
        return _graph_gradient(loss, self.variable if tensor is None else tensor)

    def compute_output_spec(self, loss: Any, tensor: Any = None) -> Any:
        source = self.variable if tensor is None else tensor
        return keras.KerasTensor(source.shape, source.dtype)


def _symbolic_gradient(loss, source):
    symbols = [source] if keras.backend.is_keras_tensor(source) else []
    gradient = Gradient(None if symbols else source)(loss, *symbols)
    gradient.values = gradient  # scripts expect IndexedSlices
    return gradient


# The total loss of a compiled model


class _Target(Lazy):
    """Placeholder for the targets of one output of a model."""

    def __init__(self) -> None:
        super().__init__(lambda feed: feed[self])


class _TotalLoss(Lazy):
    """Loss of a compiled model, including add_loss and regularizers."""

    def __init__(self, model: Any) -> None:
        self.model = model
        super().__init__(lambda feed: self._loss(feed))

    def _loss(self, feed):
        model = self.model
        x = keras.tree.pack_sequence_as(model._inputs_struct, [feed[i] for i in model.inputs])
        y = [feed[target] for target in _get_targets(model)]
        y_pred = model(x, training=True)
        return model._compute_loss(x, (y[0] if len(y) == 1 else y) if y else None, y_pred, None)

    def gradient(self, feed, variable):
        """Return the dense gradient by a variable of the model."""
        variable = next(v for v in self.model.trainable_variables if v is variable)

        def loss(values):
            with keras.StatelessScope([(variable, values[0])], collect_losses=True):
                return self._loss(feed), None

        value = ops.convert_to_tensor(variable.value)
        _, (gradient,) = backend.value_and_grad(loss, [value])
        return ops.zeros_like(value) + gradient


def _get_total_loss(model):
    record_use("total_loss", read_by_script=True)
    return _TotalLoss(model)


def _get_targets(model):
    if getattr(model, "_compile_loss", None) is None:
        return []
    return list(state_of(model).setdefault("targets", [_Target() for _ in model.outputs]))


add_names(
    keras.Model,
    {
        "total_loss": property(_get_total_loss),
        "_feed_inputs": property(lambda model: list(model.inputs)),
        "_feed_targets": property(_get_targets),
        "_feed_sample_weights": property(lambda model: []),
        "targets": property(_get_targets),
        "sample_weights": property(lambda model: []),
        "uses_learning_phase": property(lambda model: False),
        "_make_test_function": lambda model: model.make_test_function(),
        "_make_predict_function": lambda model: model.make_predict_function(),
    },
)


# K.function


class LearningPhase(Lazy):
    """K.learning_phase() outside of layers: 1 in training, else 0."""

    def __init__(self) -> None:
        super().__init__(lambda feed: int(feed.training))


class Function:
    """K.function(inputs, outputs): takes a list of arrays and returns a list of arrays."""

    def __init__(
        self, inputs: Any, outputs: Any, updates: Any = None, name: Any = None, **_session: Any
    ) -> None:
        record_use("K.function")
        self.inputs: Any = list(inputs) if isinstance(inputs, list | tuple) else [inputs]
        self.returns_list: bool = isinstance(outputs, list | tuple)
        self.outputs: Any = list(outputs) if self.returns_list else [outputs]
        self.updates: Any = updates or []
        self._symbolic_inputs = [x for x in self.inputs if keras.backend.is_keras_tensor(x)]
        self._symbolic_outputs = [x for x in self.outputs if keras.backend.is_keras_tensor(x)]
        self._model, operations = None, []
        if self._symbolic_outputs:
            self._model = keras.Model(self._symbolic_inputs, self._symbolic_outputs)
            operations = self._model.operations
        needs_graph = any(isinstance(x, Gradient) for x in operations)
        self._run = backend.tf.function(self._eval, autograph=False) if needs_graph else self._eval

    def __call__(self, arrays: Any) -> Any:
        training, keys, tensors = False, [], []
        for symbol, array in zip(self.inputs, arrays):
            if isinstance(symbol, LearningPhase):
                training = bool(array)
            else:
                keys.append(id(symbol))
                tensors.append(ops.convert_to_tensor(np.asarray(array)))
        outputs = [ops.convert_to_numpy(x) for x in self._run(tensors, keys, training)]
        return outputs if self.returns_list else outputs[0]

    def _eval(self, tensors, keys, training):
        feed = Feed(dict(zip(keys, tensors)), training)
        if self._model is not None:
            inputs = [feed[x] for x in self._symbolic_inputs]
            outputs = keras.tree.flatten(self._model(inputs, training=training))
            feed.tensors.update({id(x): y for x, y in zip(self._symbolic_outputs, outputs)})
        return [evaluate(x, feed) for x in self.outputs]


# Training functions that scripts take, wrap and put back


class _TrainFunction:
    """model.train_function of Keras 2: takes inputs and targets, returns loss and metrics."""

    def __init__(self, model: Any) -> None:
        self.model = model
        self.compiled_function = None

    def __call__(self, arrays: Any) -> Any:
        model = self.model
        count = len(model.inputs)
        x = keras.tree.pack_sequence_as(model._inputs_struct, list(arrays[:count]))
        y, sample_weight = arrays[count:], None
        if len(y) > len(model.outputs):
            y, sample_weight = y[: len(model.outputs)], y[len(model.outputs)]
        with temporary_train_function(model, self.compiled_function):
            logs = get_original(keras.Model, "train_on_batch")(
                model,
                x,
                (y[0] if len(y) == 1 else list(y)) if len(y) else None,
                sample_weight=sample_weight,
                return_dict=True,
            )
            self.compiled_function = model.train_function
        return list(logs.values())


@contextlib.contextmanager
def temporary_train_function(model, train_function):
    """Give a model another training function while the block runs."""
    before = model.train_function
    model.train_function = train_function
    try:
        yield
    finally:
        model.train_function = before


@add(keras.Model, "_make_train_function")
def _make_train_function(model):
    record_use("_make_train_function")
    if backend_name == "jax":
        raise unsupported_error(
            "_make_train_function", "JAX passes state through its training function"
        )
    model.train_function = _TrainFunction(model)
    state_of(model)["has_script_train_function"] = True


def keras3_train_function(model: Any, train_function: Any) -> Any:
    """Return what ``fit`` of Keras 3 calls, from a script's training function."""

    def run_step(iterator):
        x, y, sample_weight = keras.utils.unpack_x_y_sample_weight(next(iter(iterator)))
        parts = keras.tree.flatten(x)
        parts += [v for part in (y, sample_weight) for v in keras.tree.flatten(part)]
        outputs = train_function([ops.convert_to_numpy(v) for v in parts if v is not None])
        outputs = outputs if isinstance(outputs, list | tuple) else [outputs]
        return dict(zip(model.get_metrics_result(), outputs))

    return run_step


LAZY_FUNCTIONS: dict[str, Any] = {
    name: lazy_function(getattr(K, name))
    for name in (
        "abs cast clip exp expand_dims l2_normalize log max maximum mean min minimum sign sqrt "
        "square squeeze stop_gradient sum transpose"
    ).split()
}
