"""Base of all layers, and the protocol by which a model of them decodes token by token."""

from collections.abc import Callable
from functools import wraps
from typing import Any, TypeVar

import keras

from bert4keras import backend
from bert4keras.backend.types import Shape
from bert4keras.checks import check_arguments, check_boolean

_Class = TypeVar("_Class", bound=type)


def register(layer_class: _Class) -> _Class:
    """Register a class for saving by its name."""
    return keras.saving.register_keras_serializable("bert4keras")(layer_class)


class Layer(keras.layers.Layer):
    """A Keras layer that passes padding masks on, and can say how it decodes.

    ``generation.CachedModel`` runs a functional model over whole prompts, and then over one new
    token of each row. It reads these names from the class that defines ``call``, or from one of its
    subclasses; a name that an overridden ``call`` inherits does not count.

    ``is_positionwise``
        True if each position of the output depends only on the same position of the inputs. Such a
        layer is called as usual.
    ``step(context, inputs, ...)``
        The output for new tokens (R, 1, ...), one for each row. ``context`` is a
        ``generation.StepContext``: position, attention mask, KV cache. None stands for a mask
        that hides nothing.
    ``prefill(inputs, mask, ...)``
        For a layer with a KV cache: the output for whole prompts, and ``{name: (B, G, P, d)}``,
        the entries of their P tokens; one of them is "k".
    ``cache_shapes``
        For a layer with a KV cache: ``{name: (G, d)}``, the shape of one token's entry.
    ``can_step``
        False if ``step`` would not give the numbers of ``call``, such as where a subclass replaced
        a part of it. True by default.
    ``is_causal_mask``
        True if the layer returns an attention mask that hides all later tokens.
    ``max_positions``
        Number of positions that the layer has; None for any number.

    Args:
        recompute: gradient checkpointing of this layer; see ``backend.recompute_grad``.
        **kwargs: those of ``keras.layers.Layer``.
    """

    is_positionwise: bool = False

    def __init__(self, recompute: bool = False, **kwargs: Any):
        super().__init__(**kwargs)
        self.supports_masking = True
        self.supports_jit: bool = (
            backend.backend_name != "tensorflow"
        )  # XLA compiles each length anew
        self.recompute = recompute
        check_arguments(self, check_boolean, "recompute")

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), **({"recompute": True} if self.recompute else {})}


def integerize_shape(build: Callable[..., Any]) -> Callable[..., Any]:
    """Decorate ``build`` of old subclasses: Keras 3 shapes hold integers and None already."""

    @wraps(build)
    def wrapper(self, input_shape):
        return build(self, input_shape)

    return wrapper


def inner_dense(
    layer: Any, name: str, units: int, input_shape: Shape, use_bias: bool | None = None
) -> keras.layers.Dense:
    """Build a dense layer inside ``layer``, in its dtype, with its biases and its initializer."""
    initializer = layer.kernel_initializer
    if isinstance(initializer, keras.Initializer):
        initializer = initializer.clone()  # one instance gives the same numbers each time
    dense = keras.layers.Dense(
        units,
        use_bias=layer.use_bias if use_bias is None else use_bias,
        kernel_initializer=initializer,
        name=name,
        dtype=layer.dtype_policy,
    )
    dense.build(input_shape)
    return dense
