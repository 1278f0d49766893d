"""Convolution over a sequence with padding."""

from typing import Any

import keras
from keras import ops

from bert4keras.backend.types import Tensor
from bert4keras.layers.base import register


@register
class MaskedConv1D(keras.layers.Conv1D):
    """Convolution that reads zeros in place of padding, so padding never affects results.

    Args:
        filters: size of the output.
        kernel_size: width of the window.
        **kwargs: as for ``keras.layers.Conv1D``; the output is as long as the input.

    Call arguments:
        inputs: (B, L, D).

    Returns:
        (B, L, filters), with the mask of the input.
    """

    def __init__(self, filters: int, kernel_size: int, **kwargs: Any):
        kwargs = {**kwargs, "padding": "same", "data_format": "channels_last"}
        super().__init__(filters, kernel_size, **kwargs)
        self.supports_masking = True

    def call(self, inputs: Tensor, mask: Tensor | None = None) -> Tensor:
        if mask is not None:
            inputs = ops.where(ops.expand_dims(mask, -1), inputs, ops.zeros_like(inputs))
        return super().call(inputs)
