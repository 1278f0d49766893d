"""The graph of a functional model: find its layers and the outputs of their calls."""

from typing import Any

import keras

from bert4keras.backend.types import Tensor


def search_layer(
    inputs: Any, name: str, exclude_from: set[Any] | None = None
) -> keras.layers.Layer | None:
    """Find the layer called ``name`` among those that lead to ``inputs``, nested models included.

    Args:
        inputs: a symbolic tensor, or a layer of a functional model.
        name: a layer's name.
        exclude_from: layers to skip; the set grows by the others.

    Returns:
        The layer, or None if there is none of that name.
    """
    layers = set() if exclude_from is None else exclude_from
    stack = [inputs]
    while stack:
        item = stack.pop()
        layer = item._keras_history[0] if hasattr(item, "_keras_history") else item
        if layer in layers:
            continue
        layers.add(layer)
        if layer.name == name:
            return layer
        for inner in layer.layers if isinstance(layer, keras.Model) else ():
            if inner.name == name:
                return inner
        for node in layer._inbound_nodes:
            stack.extend(node.arguments.keras_tensors)
    return None


def output_at(layer: keras.layers.Layer, index: int) -> Tensor:
    """Return the output of a layer's call number ``index``: ``get_output_at`` of Keras 2.

    A layer that is called several times, such as a block of ALBERT, has an output for each call.

    Args:
        layer: a layer of a functional model.
        index: number of the call, in order; negative ones count from the last.

    Raises:
        IndexError: the layer has fewer calls.

    Example:
        >>> from bert4keras.backend import keras, output_at
        >>> dense = keras.layers.Dense(3)
        >>> first, second = dense(keras.Input((3,))), dense(keras.Input((3,)))
        >>> output_at(dense, -1) is second
        True
    """
    outputs = layer._inbound_nodes[index].output_tensors
    return outputs[0] if len(outputs) == 1 else outputs
