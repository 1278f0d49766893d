"""Layers that look no farther than a window around each token."""

import keras
from keras import ops

from bert4keras.layers.base import Layer, register


@register
class WindowMask(Layer):
    """From ids (B, L) the mask (1, L, L) of a sliding window (Longformer, arXiv:2004.05150).

    Args:
        reach: how far a position sees on either side.

    Call arguments:
        inputs: (B, L, ...); only its length counts.

    Returns:
        A boolean tensor (1, L, L), as ``MultiHeadAttention`` takes it with ``a_bias``.

    Example:
        >>> import numpy as np
        >>> from bert4keras.layers import WindowMask
        >>> np.asarray(WindowMask(reach=1)(np.ones((2, 3), "int32")))[0].astype(int).tolist()
        [[1, 1, 0], [1, 1, 1], [0, 1, 1]]
    """

    def __init__(self, reach, **kwargs):
        super().__init__(**kwargs)
        self.reach = reach
        self.autocast = False

    def call(self, inputs):
        positions = ops.arange(ops.shape(inputs)[1])
        distances = ops.abs(positions[None, :] - positions[:, None])
        return ops.expand_dims(distances <= self.reach, 0)

    def compute_output_spec(self, inputs):
        return keras.KerasTensor((1, inputs.shape[1], inputs.shape[1]), dtype="bool")

    def compute_mask(self, inputs, mask=None):
        return None

    def get_config(self):
        return {**super().get_config(), "reach": self.reach}


@register
class MaskedConv1D(keras.layers.Conv1D):
    """A convolution that sees zeros in place of padding, so that padding changes nothing.

    Args:
        filters, kernel_size, **kwargs: as for ``keras.layers.Conv1D``; the output is as long as
            the input.

    Call arguments:
        inputs: (B, L, D).

    Returns:
        (B, L, filters), with the mask of the input.
    """

    def __init__(self, filters, kernel_size, **kwargs):
        kwargs = {**kwargs, "padding": "same", "data_format": "channels_last"}
        super().__init__(filters, kernel_size, **kwargs)
        self.supports_masking = True

    def call(self, inputs, mask=None):
        if mask is not None:
            inputs = ops.where(ops.expand_dims(mask, -1), inputs, ops.zeros_like(inputs))
        return super().call(inputs)
