"""Losses written as layers."""

from keras import ops

from bert4keras import backend
from bert4keras.layers.base import Layer, register


@register
class Loss(Layer):
    """Base of layers that compute a loss from any tensors of the model and add it by ``add_loss``.

    A subclass defines ``compute_loss(self, inputs, mask=None)``, which returns the loss as a scalar
    (or a tensor, whose mean is taken). It is given all floating inputs in float32. Compile the
    model without a loss.

    Args:
        output_axis: what the layer returns: None all inputs, an int that input, a list of ints a
            list of them.

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

    def __init__(self, output_axis=None, **kwargs):
        super().__init__(**kwargs)
        self.output_axis = output_axis
        self.autocast = False

    def call(self, inputs, mask=None):
        self.add_loss(ops.mean(self.compute_loss(_as_float32(inputs), mask)))
        return self._chosen(inputs)

    def step(self, context, inputs):
        """For a new token of each row: what the layer returns, and no loss."""
        return self._chosen(inputs)

    def compute_loss(self, inputs, mask=None):
        """The loss, from the layer's inputs and their masks."""
        raise NotImplementedError(f"{type(self).__name__} must define compute_loss(inputs, mask)")

    def _chosen(self, values):
        if self.output_axis is None or values is None:
            return values
        if isinstance(self.output_axis, list | tuple):
            return [values[i] for i in self.output_axis]
        return values[self.output_axis]

    def compute_mask(self, inputs, mask=None):
        return self._chosen(mask)

    def get_config(self):
        return {**super().get_config(), "output_axis": self.output_axis}


def _as_float32(inputs):
    if isinstance(inputs, list | tuple):
        return [_as_float32(x) for x in inputs]
    is_float = "float" in backend.dtype(inputs)
    return ops.cast(inputs, "float32") if is_float else inputs
