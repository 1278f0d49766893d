"""Loss layers: losses from any tensors of a model, not from targets and outputs alone."""

from typing import Any

from keras import ops

from bert4keras import backend
from bert4keras.backend.types import Tensor
from bert4keras.checks import check_integer
from bert4keras.layers.base import Layer, register


@register
class Loss(Layer):
    """Base of layers that compute a loss from any tensors of the model and add it by ``add_loss``.

    A subclass defines ``compute_loss(self, inputs, mask=None)``, which returns the loss as a scalar
    (or a tensor, whose mean counts). All floating inputs arrive in float32. Compile the model
    without a loss.

    Args:
        output_axis: which inputs the layer returns: None for all, an int for one, a list of ints
            for a list.

    Example:
        >>> from bert4keras.backend import K
        >>> from bert4keras.layers import Loss
        >>> class CrossEntropy(Loss):
        ...     def compute_loss(self, inputs, mask=None):
        ...         y_true, y_pred = inputs
        ...         return K.mean(K.sparse_categorical_crossentropy(y_true, y_pred))
        >>> output = CrossEntropy(1)([K.constant([[1]]), K.constant([[[0.5, 0.5]]])])
        >>> output.shape[-1]
        2
    """

    def __init__(self, output_axis: int | list[int] | None = None, **kwargs: Any):
        super().__init__(**kwargs)
        self.output_axis = output_axis
        for axis in output_axis if isinstance(output_axis, list | tuple) else [output_axis]:
            if axis is not None:
                check_integer(f"output_axis of {type(self).__name__}", axis)
        self.autocast = False

    def call(self, inputs: Any, mask: Any = None) -> Any:
        self.add_loss(ops.mean(self.compute_loss(_as_float32(inputs), mask)))
        return self._select_outputs(inputs)

    def step(self, context: Any, inputs: Any) -> Any:
        """Return the outputs for a new token of each row, without a loss."""
        return self._select_outputs(inputs)

    def compute_loss(self, inputs: Any, mask: Any = None) -> Tensor:
        """Return the loss, from the inputs of the layer and their masks."""
        raise NotImplementedError(f"{type(self).__name__} must define compute_loss(inputs, mask)")

    def _select_outputs(self, values):
        if self.output_axis is None or values is None:
            return values
        if isinstance(self.output_axis, list | tuple):
            return [values[i] for i in self.output_axis]
        return values[self.output_axis]

    def compute_mask(self, inputs: Any, mask: Any = None) -> Any:
        return self._select_outputs(mask)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "output_axis": self.output_axis}


def _as_float32(inputs):
    if isinstance(inputs, list | tuple):
        return [_as_float32(x) for x in inputs]
    is_float = "float" in str(backend.dtype(inputs))
    return ops.cast(inputs, "float32") if is_float else inputs
