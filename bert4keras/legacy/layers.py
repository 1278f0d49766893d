"""What layers, tensors and functional models had in Keras 2.

Functions whose first argument is ``old`` go around what was there; see ``patches``.
"""

import inspect
from types import SimpleNamespace

import keras
from keras import ops
from keras.src.ops.function import Function

from bert4keras import backend
from bert4keras.legacy import running
from bert4keras.legacy.report import by_a_script, met

# Layers


def add_weight(old, self, *args, **kwargs):
    """The name first, by position; an initializer that takes a shape alone."""
    if args and isinstance(args[0], str):
        met("add_weight")
        name, *rest = args
        kwargs.update(zip(("shape", "dtype", "initializer"), rest), name=name)
        args = ()
    initializer = kwargs.get("initializer")
    if inspect.isfunction(initializer) and "dtype" not in inspect.signature(initializer).parameters:
        kwargs["initializer"] = lambda shape, dtype=None: ops.cast(initializer(shape), dtype)
    return old(self, *args, **kwargs)


def get_output_at(self, index):
    """The output of the layer's call number ``index``."""
    met("get_output_at")
    return backend.output_at(self, index)


def get_input_at(self, index):
    """The input of the layer's call number ``index``."""
    met("get_output_at")
    inputs = self._inbound_nodes[index].input_tensors
    return inputs[0] if len(inputs) == 1 else inputs


def output_shape(self):
    """Shape of what the layer gives."""
    return keras.tree.map_structure(lambda x: tuple(x.shape), self.output)


def input_shape(self):
    """Shape of what the layer takes."""
    return keras.tree.map_structure(lambda x: tuple(x.shape), self.input)


def add_loss(old, self, losses, inputs=None):
    """Of any shape; of symbolic tensors, on a model."""
    losses = losses if isinstance(losses, list | tuple) else [losses]
    symbolic = [x for x in losses if keras.backend.is_keras_tensor(x)]
    if symbolic:
        met("add_loss")
        _extras(self)["losses"] += symbolic
    for loss in losses:
        if not keras.backend.is_keras_tensor(loss):
            old(self, ops.mean(loss))


def add_loss_of_model(self, losses, inputs=None):
    """add_loss of a model of tensors, where Keras 3 has an error."""
    keras.layers.Layer.add_loss(self, losses, inputs)


def add_metric(self, value, aggregation="mean", name=None):
    """A value that is shown with the loss: of a call of the layer, or a model's symbolic tensor."""
    met("add_metric")
    if isinstance(aggregation, str) and aggregation != "mean":
        aggregation, name = "mean", name or aggregation  # the name came second
    name = name or f"{self.name}_metric"
    if keras.backend.is_keras_tensor(value) and isinstance(self, keras.Model):
        _extras(self)["metrics"][name] = value
        _metric(self, name)
        return
    running.notes(self).setdefault("values", {})[name] = _metric(self, name), value


def _metric(layer, name):
    found = next((x for x in layer._metrics if x.name == name), None)
    if found is None:
        found = keras.metrics.Mean(name=name)
        layer._metrics.append(found)
    return found


def loss_call(old, self, inputs, mask=None):
    """A loss layer: of floats alone, as all inputs were; and no loss while decoding."""
    if running.decoders:
        return self._chosen(inputs)
    return old(self, keras.tree.map_structure(_as_float, inputs), mask)


def loss_called(old, self, inputs, *args, **kwargs):
    """While a loss layer meets symbolic tensors, layers are searched from there."""
    symbolic = [x for x in keras.tree.flatten(inputs) if keras.backend.is_keras_tensor(x)]
    if not symbolic:
        return old(self, inputs, *args, **kwargs)
    with running.within(running.models, SimpleNamespace(outputs=symbolic)):
        return old(self, inputs, *args, **kwargs)


def _as_float(x):
    return ops.cast(x, "float32") if "int" in str(backend.dtype(x)) else x


def product(old, self, x1, x2):
    """The product of a symbolic tensor and a number, which Keras 3 takes for a sparse tensor."""
    found = old(self, x1, x2)
    sparse = any(getattr(x, "sparse", False) for x in (x1, x2))
    return keras.KerasTensor(found.shape, found.dtype, sparse=sparse)


def merged_mask(old, self, inputs, mask=None):
    """Keras 2's rule of merging layers: what all masks show that there are."""
    masks = [m for m in mask or () if m is not None]
    if not masks:
        return None
    visible = masks[0]
    for other in masks[1:]:
        visible = ops.logical_and(visible, other)
    return visible


# Functional models


def _extras(model):
    """Losses and metrics that a model has as symbolic tensors."""
    running.notes(model).pop("graph", None)
    return running.notes(model).setdefault("extras", {"losses": [], "metrics": {}})


def call(old, self, inputs, training=None, mask=None, **kwargs):
    """The graph, with the losses and metrics beside its outputs."""
    with running.within(running.models, self):
        extras = running.notes(self).get("extras")
        if extras is None:
            return old(self, inputs, training=training, mask=mask, **kwargs)
        inputs = self._standardize_inputs(inputs)
        outputs, losses, metrics = _graph(self)._run_through_graph(
            inputs, operation_fn=lambda op: _with_phase(op, training)
        )
        for loss in losses:
            self.add_loss(loss)
        for name, value in metrics.items():
            self.add_metric(value, name=name)
        single = isinstance(outputs, list | tuple) and len(outputs) == 1
        return outputs[0] if single else outputs


def _graph(model):
    notes = running.notes(model)
    if "graph" not in notes:
        extras = notes["extras"]
        everything = [model._outputs_struct, extras["losses"], extras["metrics"]]
        graph = Function(model._inputs_struct, everything)
        notes["graph"] = graph
        for layer in graph.operations:
            if isinstance(layer, keras.layers.Layer) and layer not in model._layers:
                model._layers.append(layer)
    return notes["graph"]


def _with_phase(operation, training):
    takes = getattr(operation, "_call_has_training_arg", False)
    if not takes or training is None:
        return operation
    return lambda *args, **kwargs: operation(*args, **{"training": training, **kwargs})


def functional(old, self, inputs=None, outputs=None, name=None, **kwargs):
    """input=, output=; lists of one."""
    inputs, outputs = _renamed(inputs, outputs, kwargs)
    if isinstance(outputs, list | tuple) and len(outputs) == 1:
        met("single output")
        (outputs,) = outputs
    if isinstance(inputs, list | tuple) and len(inputs) == 1:
        (inputs,) = inputs
    return old(self, inputs, outputs, name=name, **kwargs)


def _renamed(inputs, outputs, kwargs):
    for word in ("input", "output"):
        if word in kwargs:
            met("keras 1 argument")
    return kwargs.pop("input", inputs), kwargs.pop("output", outputs)


def is_functional(old, args, kwargs):
    """Whether a model is made of tensors, under the old names of arguments too."""
    return old(args, kwargs) or ("input" in kwargs and "output" in kwargs)


# What was only looked at


def keras_shape(tensor):
    """tensor._keras_shape."""
    met("_keras_shape")
    return tuple(tensor.shape)


class Size(int):
    """A size of a shape, with its ``value``, as TensorFlow 1 had it."""

    value = property(int)


class Shape(tuple):
    """A shape whose sizes have a ``value``."""

    def __new__(cls, sizes):
        return super().__new__(cls, (x if x is None else Size(x) for x in sizes))

    def as_list(self):
        """The sizes as a list."""
        return list(self)


def shape(old, tensor):
    """tensor.shape, where a script reads it."""
    return Shape(old(tensor)) if by_a_script() else old(tensor)


def get_shape(tensor):
    """tensor.get_shape()."""
    met("_keras_shape")
    return Shape(tensor.shape)


def inbound_layers(node):
    """node.inbound_layers."""
    met("inbound_layers")
    layers = [x._keras_history.operation for x in node.input_tensors]
    return layers[0] if len(layers) == 1 else layers
