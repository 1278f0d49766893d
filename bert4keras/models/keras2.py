"""Whole models that Keras 2 saved, built again from their description.

It stands here, above both rooms, because it makes layers and reads a file.
"""

from contextlib import contextmanager
from graphlib import CycleError, TopologicalSorter

import keras

from bert4keras import backend
from bert4keras.checkpoints import Keras2Checkpoint, keras2
from bert4keras.models.keras2_layers import CALLED, layer_from, nested, refusal, value_of

FAULTS = (AttributeError, CycleError, IndexError, KeyError, RecursionError, TypeError)
WEIGHTS = "bert4keras.checkpoints.keras2.load_weights(model, path)"


def load_model(path, custom_objects=None):
    """A whole model from an HDF5 file that Keras 2 wrote by ``model.save``, not compiled.

    Its layers are made again from their names and arguments, and filled with the weights of the
    file. Nothing stored is ever executed: a Lambda of the file's author needs the same function
    from your script. Those that bert4keras 0.x made itself are known.

    Args:
        path: the file, under any name.
        custom_objects: functions and classes of your script by name: a class of layers by its own
            name, the function of a Lambda by the layer's name or, if it had one, its own.

    Returns:
        A functional or sequential Keras model.

    Raises:
        CheckpointError: the file is not one of Keras 2, or not safe to open.
        ValueError: it holds weights alone, or layers that are not known; all are named at once.
    """
    objects = custom_objects or {}
    with Keras2Checkpoint(path) as file:
        description = file.config()
    if description is None:
        raise ValueError(
            f"{path} holds weights and no model. Build the model, then load them with {WEIGHTS}."
        )
    with _explained(path), keras.saving.custom_object_scope({**backend.custom_objects, **objects}):
        check_known(path, description, objects)
        model = model_from(description, objects)
    keras2.load_weights(model, path)
    return model


def check_known(path, description, objects):
    """Raise a ValueError that names every layer which cannot be made again."""
    refused = [refusal(one, objects) for one in nested(description)]
    refused = list(dict.fromkeys(filter(None, refused)))
    if refused:
        faults = "\n  ".join(fault for fault, _ in refused)
        needed = ", ".join(dict.fromkeys(remedy for _, remedy in refused))
        raise ValueError(
            f"{path} cannot be built again without your script ({len(refused)} layers):\n"
            f"  {faults}\nPass custom_objects={{{needed}}} with what your script defines, or build "
            f"the model there and load the weights of this file with {WEIGHTS}."
        )


def model_from(description, objects):
    """The model of ``{"class_name": ..., "config": ...}``, nested ones included."""
    kind, config = description["class_name"], description["config"]
    if kind not in ("Functional", "Model", "Sequential"):
        raise TypeError(f"a model of the class {kind} has no graph to follow")
    if kind == "Sequential":
        return _sequential(config, objects)
    return _Graph(config, objects).model()


def _made(description, objects, inputs=None):
    """A layer or a nested model."""
    if description["class_name"] in ("Functional", "Model", "Sequential"):
        return model_from(description, objects)
    return layer_from(description, objects, inputs)


def _sequential(config, objects):
    config = {"layers": config} if isinstance(config, list) else config
    first = config["layers"][0]["config"]
    made = [_made(layer, objects) for layer in config["layers"]]
    shape = first.get("batch_input_shape")
    if shape and not isinstance(made[0], keras.layers.InputLayer):
        made.insert(0, keras.Input(batch_shape=shape, dtype=first.get("dtype")))
    return keras.Sequential(made, name=config.get("name"))


class _Graph:
    """The calls of a functional model, one after the other.

    A reference is ``[layer, number of its call, number of its output, ...]``.
    """

    def __init__(self, config, objects):
        self.config, self.objects = config, objects
        self.described = {layer["name"]: layer for layer in config["layers"]}
        self.layers = {}
        self.outputs = {}  # (layer, number of its call) -> what it returned

    def model(self):
        calls = {
            (name, number): node
            for name, layer in self.described.items()
            for number, node in enumerate(layer["inbound_nodes"] or [None])
        }
        order = TopologicalSorter({call: set(self._needed(node)) for call, node in calls.items()})
        for name, number in order.static_order():
            self._call(name, number, calls[name, number])
        ends = [self._ends(self.config[key]) for key in ("input_layers", "output_layers")]
        name = self.config["name"].replace("/", "-")
        model = keras.Model(*ends, name=name)
        if not self.config.get("trainable", True):  # True would thaw the layers that are frozen
            model.trainable = False
        return model

    def _call(self, name, number, node):
        if node is None:  # an input
            self.outputs[name, 0] = self._layer(name).output
            return
        entries = self._entries(node)
        inputs = [self._tensor(entry) for entry in entries]
        named = {CALLED.get(key, key): self._argument(x) for key, x in _named(entries[0]).items()}
        layer = self._layer(name, inputs[0])
        if isinstance(layer, keras.layers.RNN | keras.layers.Bidirectional) and len(inputs) > 1:
            named["initial_state"] = inputs[1:]
            inputs = inputs[:1]
        self.outputs[name, number] = layer(inputs if len(inputs) > 1 else inputs[0], **named)

    def _layer(self, name, inputs=None):
        if name not in self.layers:
            self.layers[name] = _made(self.described[name], self.objects, inputs)
        return self.layers[name]

    @staticmethod
    def _entries(node):
        """References of a call, with the arguments of the call behind each."""
        return [node] if isinstance(node[0], str) else node

    def _needed(self, node):
        """The calls that a call waits for."""
        for entry in self._entries(node) if node else ():
            yield from ((x[0], x[1]) for x in (entry, *_named(entry).values()) if self._refers(x))

    def _refers(self, value):
        return isinstance(value, list) and len(value) > 2 and value[0] in self.described

    def _tensor(self, reference):
        name, number, place = reference[:3]
        if name == "_CONSTANT_VALUE":
            return place
        returned = self.outputs[name, number]
        return returned[place] if isinstance(returned, list | tuple) else returned

    def _argument(self, value):
        return self._tensor(value) if self._refers(value) else value_of(value, self.objects)

    def _ends(self, references):
        """Inputs or outputs of the model: the bare tensor where there is one."""
        tensors = [self._tensor(reference) for reference in self._entries(references)]
        return tensors if len(tensors) > 1 else tensors[0]


def _named(entry):
    return entry[3] if len(entry) > 3 else {}


@contextmanager
def _explained(path):
    try:
        yield
    except FAULTS as error:
        raise ValueError(
            f"{path} describes a model that cannot be built again: {error!r}. Build it in your "
            f"script, and load the weights of this file with {WEIGHTS}."
        ) from error
