"""Saved models of Keras 2: whole models in HDF5, built again from their description."""

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from graphlib import TopologicalSorter
from typing import Any

import keras

from bert4keras import backend
from bert4keras.backend.types import StrPath
from bert4keras.checkpoints import load_keras2_weights, open_keras2
from bert4keras.models.saved_layers import (
    CALL_ARGUMENTS,
    MODELS,
    describe_refusal,
    find_descriptions,
    make_layer,
    make_value,
)
from bert4keras.models.skip_initialization import defer_initialization

_SLACK = 1 << 16  # numbers that a model may have beyond those of its file
_WEIGHTS = "bert4keras.checkpoints.load_keras2_weights(model, path)"


def load_keras2_model(
    path: StrPath, custom_objects: Mapping[str, Any] | None = None
) -> keras.Model:
    """Load a whole model from an HDF5 file that Keras 2 wrote by ``model.save``, not compiled.

    Its layers are made again from their names and arguments, and get the weights of the file.
    Nothing stored is ever executed: a Lambda of the file's author needs the same function from your
    script. Those that bert4keras 0.x made are known.

    Args:
        path: the file, under any name.
        custom_objects: functions and classes of your script by name: a class of layers by its
            name, the function of a Lambda by the layer's name or by the function's, if it had one.

    Returns:
        A functional or sequential Keras model.

    Raises:
        CheckpointError: the file is not one of Keras 2, or not safe to open.
        ValueError: it holds weights alone, or layers that are not known; all are named at once.
    """
    objects = custom_objects or {}
    with open_keras2(path) as file:
        description = file.config()
        count = sum(math.prod(file.shape(name)) for name in file)
    if description is None:
        raise ValueError(
            f"{path} holds weights and no model. Build the model, then load them with {_WEIGHTS}."
        )
    with _explain_damage(path):
        refusal = _refuse_layers(path, description, objects)
    if refusal:
        raise ValueError(refusal)
    with (
        _explain_damage(path),
        keras.saving.custom_object_scope({**backend.custom_objects, **objects}),
        defer_initialization(lambda variables: _check_sizes(variables, count)),
    ):
        model = _make_model(description, objects)
    load_keras2_weights(model, path)
    return model


def _refuse_layers(path: StrPath, description: Any, objects: Mapping[str, Any]) -> str | None:
    """Return a text that names every layer which cannot be made again; None if all can."""
    refusals = [describe_refusal(layer, objects) for layer in find_descriptions(description)]
    refusals = list(dict.fromkeys(refusal for refusal in refusals if refusal))
    if not refusals:
        return None
    faults = "\n  ".join(fault for fault, _ in refusals)
    remedies = ", ".join(dict.fromkeys(remedy for _, remedy in refusals))
    return (
        f"{path} cannot be built again without your script ({len(refusals)} layers):\n"
        f"  {faults}\nPass custom_objects={{{remedies}}} with the definitions of your script, "
        f"or build the model there and load the weights of this file with {_WEIGHTS}."
    )


def _check_sizes(variables: Sequence[Any], count: int) -> None:
    """Raise a ValueError if the variables hold far more numbers than the file."""
    sizes = {math.prod(variable.shape): variable for variable in variables}
    total = sum(math.prod(variable.shape) for variable in variables)
    if total > count + _SLACK:
        largest = sizes[max(sizes)]
        raise ValueError(
            f"it needs {total} numbers, of which {largest.path} of shape {tuple(largest.shape)} "
            f"has the most, but the file holds {count}"
        )


def _make_model(description: Mapping[str, Any], objects: Mapping[str, Any]) -> keras.Model:
    """Make the model of ``{"class_name": ..., "config": ...}``, nested ones included."""
    kind, config = description["class_name"], description["config"]
    if kind not in MODELS:
        raise TypeError(f"a model of the class {kind} has no graph to follow")
    if kind == "Sequential":
        return _make_sequential(config, objects)
    return _Graph(config, objects).make_model()


def _make_layer(
    description: Mapping[str, Any], objects: Mapping[str, Any], inputs: Any = None
) -> Any:
    if description["class_name"] in MODELS:
        return _make_model(description, objects)
    return make_layer(description, objects, inputs)


def _make_sequential(config: Any, objects: Mapping[str, Any]) -> keras.Model:
    config = {"layers": config} if isinstance(config, list) else config
    first = config["layers"][0]["config"]
    layers = [_make_layer(layer, objects) for layer in config["layers"]]
    shape = first.get("batch_input_shape")
    if shape and not isinstance(layers[0], keras.layers.InputLayer):
        layers.insert(0, keras.Input(batch_shape=shape, dtype=first.get("dtype")))
    return keras.Sequential(layers, name=config.get("name"))


class _Graph:
    """Graph of a functional model: the calls of its layers, one after the other.

    A reference is ``[layer, number of its call, number of its output, ...]``.

    Args:
        config: description of the model.
        objects: functions and classes of the script, by name.
    """

    def __init__(self, config: Mapping[str, Any], objects: Mapping[str, Any]) -> None:
        self.config, self.objects = config, objects
        self.descriptions = {layer["name"]: layer for layer in config["layers"]}
        self.layers: dict[str, Any] = {}
        self.outputs: dict[tuple[str, int], Any] = {}  # (layer, number of its call) -> result

    def make_model(self) -> keras.Model:
        """Make the layers, call them in the order of the graph, and return the model."""
        calls = {
            (name, number): node
            for name, layer in self.descriptions.items()
            for number, node in enumerate(layer["inbound_nodes"] or [None])
        }
        order = TopologicalSorter({call: set(self._inputs(node)) for call, node in calls.items()})
        for name, number in order.static_order():
            self._call(name, number, calls[name, number])
        ends = [self._ends(self.config[key]) for key in ("input_layers", "output_layers")]
        model = keras.Model(*ends, name=self.config["name"].replace("/", "-"))
        if not self.config.get("trainable", True):  # True would thaw the layers that are frozen
            model.trainable = False
        return model

    def _call(self, name: str, number: int, node: Any) -> None:
        if node is None:  # an input
            self.outputs[name, 0] = self._layer(name).output
            return
        entries = self._entries(node)
        inputs = [self._tensor(entry) for entry in entries]
        arguments = {
            CALL_ARGUMENTS.get(key, key): self._argument(value)
            for key, value in _call_arguments(entries[0]).items()
        }
        layer = self._layer(name, inputs[0])
        if isinstance(layer, keras.layers.RNN | keras.layers.Bidirectional) and len(inputs) > 1:
            arguments["initial_state"] = inputs[1:]
            inputs = inputs[:1]
        self.outputs[name, number] = layer(inputs if len(inputs) > 1 else inputs[0], **arguments)

    def _layer(self, name: str, inputs: Any = None) -> Any:
        if name not in self.layers:
            self.layers[name] = _make_layer(self.descriptions[name], self.objects, inputs)
        return self.layers[name]

    @staticmethod
    def _entries(node: Any) -> Sequence[Any]:
        """Return the references of a call, each with the arguments of the call at its end."""
        return [node] if isinstance(node[0], str) else node

    def _inputs(self, node: Any) -> Iterator[tuple[str, int]]:
        """Iterate over the calls that a call needs."""
        for entry in self._entries(node) if node else ():
            values: Iterable[Any] = (entry, *_call_arguments(entry).values())
            yield from ((x[0], x[1]) for x in values if self._is_reference(x))

    def _is_reference(self, value: Any) -> bool:
        return isinstance(value, list) and len(value) > 2 and value[0] in self.descriptions

    def _tensor(self, reference: Any) -> Any:
        name, number, place = reference[:3]
        if name == "_CONSTANT_VALUE":
            return place
        output = self.outputs[name, number]
        return output[place] if isinstance(output, list | tuple) else output

    def _argument(self, value: Any) -> Any:
        if self._is_reference(value):
            return self._tensor(value)
        return make_value(value, self.objects)

    def _ends(self, references: Any) -> Any:
        """Return inputs or outputs of the model: the tensor without a list if there is one."""
        tensors = [self._tensor(reference) for reference in self._entries(references)]
        return tensors if len(tensors) > 1 else tensors[0]


def _call_arguments(entry: Sequence[Any]) -> Mapping[str, Any]:
    return entry[3] if len(entry) > 3 else {}


@contextmanager
def _explain_damage(path: StrPath) -> Iterator[None]:
    """Turn an error into a ValueError that names the file and the remedy."""
    try:
        yield
    except Exception as error:  # whatever class or value the file names may raise any error
        text = str(error) if isinstance(error, ValueError) else repr(error)
        raise ValueError(
            f"{path} describes a model that cannot be built again: {text}. Build it in your "
            f"script, and load the weights of this file with {_WEIGHTS}."
        ) from error
