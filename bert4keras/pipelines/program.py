"""Programs: a compiled forward pass from arrays to arrays, and facts about a model's graph."""

from collections.abc import Iterator
from typing import Any

import keras
import numpy as np
from keras import ops

from bert4keras.backend import compile_function, sync_weights
from bert4keras.backend.types import NDArray
from bert4keras.checks import describe


class KerasProgram:
    """The forward pass of a functional Keras model, compiled, without dropout.

    Args:
        model: a functional Keras model.
    """

    def __init__(self, model: Any) -> None:
        self.model = model
        self._compile()

    def _compile(self) -> None:
        """Compile the model as it is: LoRA adds variables that the program must read."""
        self._num_variables = len(self.model.variables)
        self._specs = [_make_spec(x) for x in self.model.inputs]
        self._run = compile_function(self._call_model, self.model.variables, self._specs)

    def _call_model(self, *inputs: Any) -> list[Any]:
        arguments: Any = list(inputs) if len(self._specs) > 1 else inputs[0]
        outputs = self.model(arguments, training=False)
        return list(outputs) if isinstance(outputs, list | tuple) else [outputs]

    def __call__(self, *inputs: NDArray[Any]) -> list[NDArray[Any]]:
        """Compute the outputs for arrays, one for each input of the model.

        Returns:
            The outputs as arrays in float32.

        Raises:
            ValueError: an output has NaN.
        """
        sync_weights(self.model)
        if len(self.model.variables) != self._num_variables:
            self._compile()
        pairs = zip(inputs, self._specs, strict=True)
        outputs = self._run(*(ops.convert_to_tensor(x, spec.dtype) for x, spec in pairs))
        arrays = [ops.convert_to_numpy(ops.cast(x, "float32")) for x in outputs]
        if any(np.isnan(array).any() for array in arrays):
            raise ValueError(
                "Expected the model to give numbers, got NaN. Look for the NaN in its weights."
            )
        return arrays


def _make_spec(x: Any) -> keras.KerasTensor:
    """Return shape and dtype of an input; those with two axes are ids, which stay exact."""
    return keras.KerasTensor(x.shape, "int32" if len(x.shape) == 2 else x.dtype)


def check_model(name: str, model: Any) -> Any:
    """Return a functional Keras model, or that of a ``Transformer``; raise for anything else."""
    model = getattr(model, "model", model)
    if not isinstance(model, keras.Model) or not hasattr(model, "_operations"):
        raise TypeError(
            f"Expected {name} to be a functional Keras model, got {describe(model)}. Build it as "
            "keras.Model(inputs, outputs)."
        )
    return model


def check_inputs(name: str, model: Any) -> Any:
    """Return a model that takes token ids, or token and segment ids; raise for another one."""
    shapes = [tuple(x.shape) for x in model.inputs]
    if not 1 <= len(shapes) <= 2 or any(len(shape) != 2 for shape in shapes):
        raise ValueError(
            f"Expected {name} to have the inputs token ids (B, L), or token ids and segment ids, "
            f"got {[f'{x.name} {shape}' for x, shape in zip(model.inputs, shapes)]}. Build a model "
            "of these inputs."
        )
    return model


def check_outputs(name: str, model: Any, *shapes: tuple[int | None, ...]) -> Any:
    """Return a model whose outputs have given shapes; raise for another one.

    Args:
        name: the argument, for the message.
        model: a functional Keras model.
        *shapes: the shape of each output; None for any size.
    """
    output_shapes = [tuple(x.shape) for x in model.outputs]
    is_right = len(output_shapes) == len(shapes)
    if not is_right or not all(map(_fits, output_shapes, shapes)):
        raise ValueError(
            f"Expected {name} to have outputs of the shapes {[*shapes]}, got {output_shapes}. "
            "Build a model with these outputs."
        )
    return model


def _fits(shape: tuple[int | None, ...], pattern: tuple[int | None, ...]) -> bool:
    """True if the sizes of a shape are those of a pattern, wherever both are known."""
    return len(shape) == len(pattern) and all(
        size == wanted_size or None in (size, wanted_size)
        for size, wanted_size in zip(shape, pattern)
    )


def list_layers(model: Any) -> Iterator[Any]:
    """Yield all layers of a model, those of models inside it too."""
    for layer in model.layers:
        yield from list_layers(layer) if isinstance(layer, keras.Model) else [layer]


def find_pad_id(model: Any) -> int | None:
    """Return the token id that a model masks as padding; None if it masks none."""
    for layer in list_layers(model):
        if getattr(layer, "mask_zero", False):
            return getattr(layer, "pad_id", 0)
    return None


def find_max_positions(model: Any) -> int | None:
    """Return the number of tokens that a model has positions for; None for any number."""
    layers = list(list_layers(model))
    sizes = [getattr(layer, "max_positions", None) for layer in layers]
    offsets = [getattr(layer, "first_position", 0) for layer in layers]
    limits = [size - max(offsets) for size in sizes if size]
    return min(limits, default=None)


def find_activation(model: Any) -> str | None:
    """Return the last activation of a model: "softmax", "sigmoid" or "linear".

    None if another operation comes last.
    """
    operation = model.outputs[0]._keras_history[0]
    if isinstance(operation, keras.layers.Softmax):
        return "softmax"
    name = getattr(getattr(operation, "activation", None), "__name__", None)
    return name if name in ("softmax", "sigmoid", "linear") else None
