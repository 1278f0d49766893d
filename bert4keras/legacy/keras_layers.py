"""Layers: arguments, weights, losses, masks and attributes of Keras 2."""

import contextlib
import functools
import inspect
from functools import partial
from types import SimpleNamespace

import keras
import numpy as np
from keras import ops
from keras.layers import Layer
from keras.src.backend.common import global_state
from keras.src.backend.common.masking import get_keras_mask
from keras.src.layers.convolutional.base_conv import BaseConv
from keras.src.layers.merging.base_merge import Merge
from keras.src.ops.node import Node
from keras.src.ops.numpy import Multiply

from bert4keras import backend, layers
from bert4keras.legacy import patches
from bert4keras.legacy.patches import add, add_names, push, replace, state_of
from bert4keras.legacy.report import (
    is_called_by_script,
    is_library_file,
    record_use,
    unsupported_error,
)
from bert4keras.legacy.script_functions import run, wrap_methods

# Arguments of constructors

_DENSE = {
    "init": "kernel_initializer",
    "W_regularizer": "kernel_regularizer",
    "b_regularizer": "bias_regularizer",
    "W_constraint": "kernel_constraint",
    "b_constraint": "bias_constraint",
    "bias": "use_bias",
}
_RECURRENT = {
    **_DENSE,
    "output_dim": "units",
    "inner_init": "recurrent_initializer",
    "inner_activation": "recurrent_activation",
    "dropout_W": "dropout",
    "dropout_U": "recurrent_dropout",
    "consume_less": None,
    "implementation": None,
}
_CONVOLUTION = {
    **_DENSE,
    "nb_filter": "filters",
    "filter_length": "kernel_size",
    "border_mode": "padding",
    "subsample_length": "strides",
    "atrous_rate": "dilation_rate",
}
_POOLING = {"pool_length": "pool_size", "stride": "strides", "border_mode": "padding"}
_ARGUMENTS = {  # layer: {argument of Keras 1: new name; None to drop it}
    "Dense": {**_DENSE, "output_dim": "units"},
    "Embedding": {"init": "embeddings_initializer", "W_regularizer": "embeddings_regularizer"},
    "LSTM": _RECURRENT,
    "GRU": _RECURRENT,
    "SimpleRNN": _RECURRENT,
    "Conv1D": _CONVOLUTION,
    "MaxPooling1D": _POOLING,
    "AveragePooling1D": _POOLING,
    "Dropout": {"p": "rate"},
    "SpatialDropout1D": {"p": "rate"},
    "GaussianNoise": {"sigma": "stddev"},
    "LeakyReLU": {"alpha": "negative_slope"},
    "Concatenate": {"concat_axis": "axis"},
}


@replace(Layer, "__init__")
def _init(original, self, *args, **kwargs):
    """Accept ``batch_input_shape``, ``input_length``, ``input_dtype`` and ``dynamic``."""
    shape = kwargs.pop("batch_input_shape", None)
    kwargs.pop("input_dtype", None)
    kwargs.pop("dynamic", None)
    length = kwargs.pop("input_length", None)
    if shape is not None and "input_shape" not in kwargs:
        kwargs["input_shape"] = tuple(shape[1:])
    elif length is not None and "input_dim" in kwargs:
        kwargs["input_shape"] = (length, kwargs.pop("input_dim"))
    original(self, *args, **kwargs)
    if isinstance(self, keras.Model) and backend.backend_name != "jax":
        # Layers get the training mode even if ``call`` of the model does not take it
        self._call_has_training_arg = True


def _init_with(table):
    def init(original, self, *args, **kwargs):
        for name in [name for name in kwargs if name in table]:
            record_use("keras 1 argument")
            value = kwargs.pop(name)
            if table[name] is not None:
                kwargs[table[name]] = value
        return original(self, *args, **kwargs)

    return init


for _name, _table in _ARGUMENTS.items():
    replace(getattr(keras.layers, _name), "__init__")(_init_with(_table))


@replace(layers.LayerNormalization, "__init__")
def _init_normalization(original, self, *args, **kwargs):
    """Accept ``center`` and ``scale`` of releases before 0.11.3; each set two arguments."""
    if "center" in kwargs:
        record_use("old name")
        kwargs["zero_mean"] = kwargs["offset"] = kwargs.pop("center")
        kwargs["unit_variance"] = kwargs.setdefault("scale", True)
    original(self, *args, **kwargs)


@replace(layers.MultiHeadAttention, "__init__")
def _init_attention(original, self, *args, **kwargs):
    """Accept ``scaled_dot_product`` of releases before 0.9."""
    if "scaled_dot_product" in kwargs:
        record_use("old name")
        kwargs["attention_scale"] = kwargs.pop("scaled_dot_product")
    original(self, *args, **kwargs)


# Weights, losses, metrics


@replace(Layer, "add_weight")
def _add_weight(original, self, *args, **kwargs):
    """Accept the name first, and an initializer that takes a shape alone."""
    if args and isinstance(args[0], str):
        record_use("add_weight")
        name, *values = args
        kwargs.update(zip(("shape", "dtype", "initializer"), values), name=name)
        args = ()
    initializer = kwargs.get("initializer")
    if inspect.isfunction(initializer) and "dtype" not in inspect.signature(initializer).parameters:
        kwargs["initializer"] = lambda shape, dtype=None: ops.cast(initializer(shape), dtype)
    return original(self, *args, **kwargs)


@replace(Layer, "add_loss")
def _add_loss(original, self, losses, inputs=None):
    """Accept losses of any shape, and symbolic tensors on a model."""
    losses = losses if isinstance(losses, list | tuple) else [losses]
    symbolic = [x for x in losses if keras.backend.is_keras_tensor(x)]
    if symbolic:
        record_use("add_loss")
        _symbolic_extras(self)["losses"] += symbolic
    for loss in losses:
        if not keras.backend.is_keras_tensor(loss):
            original(self, ops.mean(loss))


def _symbolic_extras(model):
    """Return the symbolic losses and metrics of a functional model, to be changed."""
    state_of(model).pop("graph", None)
    return state_of(model).setdefault("extras", {"losses": [], "metrics": {}})


@add(Layer, "add_metric")
def _add_metric(self, value, aggregation="mean", name=None):
    """Show a value with the loss: in a layer's call, or a symbolic tensor of a model."""
    record_use("add_metric")
    if isinstance(aggregation, str) and aggregation != "mean":
        aggregation, name = "mean", name or aggregation  # the name was the second argument
    name = name or f"{self.name}_metric"
    if keras.backend.is_keras_tensor(value) and isinstance(self, keras.Model):
        _symbolic_extras(self)["metrics"][name] = value
        _get_metric(self, name)
        return
    state_of(self).setdefault("metric_values", {})[name] = _get_metric(self, name), value


def _get_metric(layer, name):
    metric = next((x for x in layer._metrics if x.name == name), None)
    if metric is None:
        metric = keras.metrics.Mean(name=name)
        layer._metrics.append(metric)
    return metric


@replace(layers.Loss, "call")
def _call_loss(original, self, inputs, mask=None):
    """Cast inputs to floats, and compute no loss while decoding."""
    if patches.running_decoders:
        return self._select_outputs(inputs)
    return original(self, keras.tree.map_structure(_as_float, inputs), mask)


@replace(Multiply, "compute_output_spec")
def _multiply_output_spec(original, self, x1, x2):
    """Return a dense product for a number, which Keras 3 takes for a sparse tensor."""
    product = original(self, x1, x2)
    is_sparse = any(getattr(x, "sparse", False) for x in (x1, x2))
    return keras.KerasTensor(product.shape, product.dtype, sparse=is_sparse)


def _as_float(x):
    return ops.cast(x, "float32") if "int" in str(backend.dtype(x)) else x


# Masks


@replace(Merge, "compute_mask")
def _compute_merge_mask(original, self, inputs, mask=None):
    """Combine masks with AND, as merging layers of Keras 2 do."""
    masks = [m for m in mask or () if m is not None]
    return functools.reduce(ops.logical_and, masks) if masks else None


def _get_masks(tensors):
    record_use("output_mask")
    return keras.tree.map_structure(get_keras_mask, tensors)


class _SequenceMask:
    """Layer Sequence-Mask of releases up to 0.5: 1 for tokens, 0 for padding.

    Args:
        model: its first inputs are token ids.
    """

    name = "Sequence-Mask"

    def __init__(self, model):
        self.output = ops.cast(ops.greater(model.inputs[0], 0), "float32")
        self.output_mask = self.output


@replace(keras.Model, "get_layer")
def _get_layer(original, self, name=None, index=None):
    names = {layer.name for layer in self.layers}
    if name == _SequenceMask.name and name not in names:
        record_use("output_mask")
        return _SequenceMask(self)
    return original(self, name, index)


# Attributes that scripts read


def _get_output_at(self, index):
    record_use("get_output_at")
    return backend.output_at(self, index)


def _get_input_at(self, index):
    record_use("get_output_at")
    inputs = self._inbound_nodes[index].input_tensors
    return inputs[0] if len(inputs) == 1 else inputs


def _shapes(tensors):
    return keras.tree.map_structure(lambda x: tuple(x.shape), tensors)


def _inbound_layers(node):
    record_use("inbound_layers")
    operations = [x._keras_history.operation for x in node.input_tensors]
    return operations[0] if len(operations) == 1 else operations


add_names(
    Layer,
    {
        "get_output_at": _get_output_at,
        "get_input_at": _get_input_at,
        "output_shape": property(lambda layer: _shapes(layer.output)),
        "input_shape": property(lambda layer: _shapes(layer.input)),
        "output_mask": property(lambda layer: _get_masks(layer.output)),
        "input_mask": property(lambda layer: _get_masks(layer.input)),
        "get_output_mask_at": lambda self, index: _get_masks(_get_output_at(self, index)),
        "inbound_nodes": property(lambda layer: layer._inbound_nodes),
        "_initial_weights": None,
    },
)
add_names(Node, {"inbound_layers": property(_inbound_layers)})
add_names(
    keras.layers,
    {
        "AtrousConvolution1D": keras.layers.Conv1D,
        "CuDNNGRU": keras.layers.GRU,
        "CuDNNLSTM": keras.layers.LSTM,
    },
)


class _Size(int):
    """Size of an axis, with ``value`` as in TensorFlow 1."""

    value = property(int)


class _Shape(tuple):
    """Shape whose sizes have a ``value``."""

    def __new__(cls, sizes):
        return super().__new__(cls, (x if x is None else _Size(x) for x in sizes))

    def as_list(self):
        return list(self)


@replace(keras.KerasTensor, "shape")
def _shape(original, tensor):
    return _Shape(original(tensor)) if is_called_by_script() else original(tensor)


@add(keras.KerasTensor, "get_shape")
def _get_shape(tensor):
    record_use("_keras_shape")
    return _Shape(tensor.shape)


def _keras_shape(tensor):
    record_use("_keras_shape")
    return tuple(tensor.shape)


add_names(
    keras.KerasTensor,
    {
        "_keras_shape": property(_keras_shape),
        "op": property(lambda tensor: tensor._keras_history.operation),
    },
)
add_names(keras.Variable, {"__hash__": object.__hash__})


# Attributes that a script's layer sets in ``call``. Keras 2 had one graph, so code such as
# ``self.embeddings = f(self.embeddings)`` was harmless. Keras 3 traces several graphs, and a
# tensor of one graph must not stay on the layer.


@functools.cache
def _is_script_class(layer_class):
    code = getattr(layer_class.call, "__code__", None)
    return code is not None and not is_library_file(code.co_filename)


@replace(Layer, "__call__")
def _call(original, self, *args, **kwargs):
    """Call a layer, then remove the traced tensors that it has set on itself."""
    scales = state_of(self).get("scales", {})
    if not scales and not _is_script_class(type(self)):
        return original(self, *args, **kwargs)
    before = dict(vars(self))
    if self._inbound_nodes:
        node = self._inbound_nodes[0].arguments
        _copy_history((args, kwargs), (node.args, node.kwargs))
    for name, scale in scales.items():
        vars(self)[name] = before[name] * scale
    wrap_methods(self, "call")
    try:
        return original(self, *args, **kwargs)
    finally:
        if "call" not in before:  # a copy of the layer must not keep a method of this one
            vars(self).pop("call", None)
        vars(self).update((name, before[name]) for name in scales)
        _restore_attributes(vars(self), before)


@replace(layers.Loss, "__call__")
def _call_on_symbols(original, self, inputs, *args, **kwargs):
    """Make ``search_layer`` start from symbolic inputs of a loss layer."""
    symbolic = [x for x in keras.tree.flatten(inputs) if keras.backend.is_keras_tensor(x)]
    if not symbolic:
        return original(self, inputs, *args, **kwargs)
    with push(patches.running_models, SimpleNamespace(outputs=symbolic)):
        return original(self, inputs, *args, **kwargs)


def _copy_history(tensors, symbols):
    """Let scripts search the layers before a tensor inside of ``call``."""
    for tensor, symbol in zip(keras.tree.flatten(tensors), keras.tree.flatten(symbols)):
        if backend.is_traced(tensor) and hasattr(symbol, "_keras_history"):
            with contextlib.suppress(AttributeError, TypeError):  # tensors without attributes
                tensor._keras_history = symbol._keras_history


def _restore_attributes(attributes, before):
    for name, value in list(attributes.items()):
        if before.get(name) is value or not backend.is_traced(value):
            continue
        if name in before:
            attributes[name] = before[name]
        else:
            del attributes[name]


@replace(Layer, "compute_output_spec")
@replace(keras.layers.Embedding, "compute_output_spec")
def _compute_output_spec(original, self, *args, **kwargs):
    """Trace ``call`` of a script's layer; use its ``compute_output_shape`` for unknown sizes."""
    if not _is_script_class(type(self)):
        return original(self, *args, **kwargs)

    def call(*call_args, **call_kwargs):  # PyTorch calls it with two sizes
        _copy_history((call_args, call_kwargs), (args, kwargs))
        return _call(partial(run, type(self).call), self, *call_args, **call_kwargs)

    try:
        spec = keras.src.backend.compute_output_spec(call, *args, **kwargs)
    except Exception as error:  # ``call`` may not accept symbols
        try:
            return original(self, *args, **kwargs)
        except Exception:
            raise error from None
    if type(self).compute_output_shape is Layer.compute_output_shape:
        return spec
    try:
        stated_spec = original(self, *args, **kwargs)
        return keras.tree.map_structure(_merge_specs, spec, stated_spec)
    except Exception:  # ``compute_output_shape`` of a script may be wrong
        return spec


def _merge_specs(spec, stated_spec):
    if len(spec.shape) != len(stated_spec.shape):
        return spec
    sizes = [a if a is not None else b for a, b in zip(spec.shape, stated_spec.shape)]
    return keras.KerasTensor(sizes, dtype=spec.dtype)


@replace(Layer, "__setattr__")
def _setattr(original, self, name, value):
    """Keep a weight that a script replaces by a multiple of itself, and scale it in each call.

    ``layer.kernel = layer.kernel * 20`` makes the kernel train faster.
    """
    before = vars(self).get(name)
    is_replaced = isinstance(before, keras.Variable) and ops.is_tensor(value)
    in_call = global_state.get_global_attribute("current_call_ctx") is not None
    if not is_replaced or isinstance(value, keras.Variable) or in_call:
        return original(self, name, value)
    record_use("scaled weight")
    scales = state_of(self).setdefault("scales", {})
    scales[name] = _get_scale(before, value, next(iter(scales.values()), None))


def _get_scale(variable, value, default):
    """Return the factor of a variable; zeros have the default, from the layer's other weights."""
    weights, values = ops.convert_to_numpy(variable), ops.convert_to_numpy(value)
    factors = values[weights != 0] / weights[weights != 0]
    if factors.size and np.allclose(factors, factors[0], rtol=1e-3):
        return float(np.median(factors))
    if factors.size or default is None or values.any():
        raise unsupported_error("scaled weight", "the new value is not a multiple of the old one")
    return default


def _add_setter(layer_class, name):
    """Make a weight settable that Keras 3 has as a property without setter."""
    weight = getattr(layer_class, name)
    add_names(
        layer_class,
        {name: weight.setter(lambda self, value: setattr(self, f"_{name}", value))},
    )


_add_setter(keras.layers.Embedding, "embeddings")
_add_setter(keras.layers.Dense, "kernel")
_add_setter(BaseConv, "kernel")
