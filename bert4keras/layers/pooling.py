"""Pooling over the visible part of a sequence."""

from typing import Any

import keras
import numpy as np
from keras import ops

from bert4keras import backend
from bert4keras.backend.types import Tensor
from bert4keras.layers.base import register


class _MaskedPooling:
    """Base of both poolings: align the padding mask with the sequence; pass no mask on."""

    data_format: str

    def _align(self, inputs, mask):
        axis = 2 if self.data_format == "channels_first" else 1
        visible = ops.ones(ops.shape(inputs)[:1] + (ops.shape(inputs)[axis],), "bool")
        mask = visible if mask is None else ops.cast(mask, "bool")
        return axis, backend.align(mask, [0, axis], 3)

    def compute_mask(self, inputs: Tensor, mask: Any = None) -> None:
        return None


@register
class GlobalAveragePooling1D(_MaskedPooling, keras.layers.GlobalAveragePooling1D):
    """Mean over the visible positions: (B, L, D) to (B, D), L free; zeros where none is visible."""

    def call(self, inputs: Tensor, mask: Tensor | None = None) -> Tensor:
        axis, visible = self._align(inputs, mask)
        weights = ops.cast(visible, "float32")
        total = ops.sum(ops.cast(inputs, "float32") * weights, axis, keepdims=self.keepdims)
        count = ops.sum(weights, axis, keepdims=self.keepdims)
        return ops.cast(total / ops.maximum(count, 1.0), self.compute_dtype)


@register
class GlobalMaxPooling1D(_MaskedPooling, keras.layers.GlobalMaxPooling1D):
    """Maximum over the visible positions: (B, L, D) to (B, D); zeros where none is visible."""

    def __init__(self, **kwargs: Any):
        super().__init__(**kwargs)
        self.supports_masking = True

    def call(self, inputs: Tensor, mask: Tensor | None = None) -> Tensor:
        axis, visible = self._align(inputs, mask)
        low = ops.cast(-np.inf, backend.dtype(inputs))
        peak = ops.max(ops.where(visible, inputs, low), axis, keepdims=self.keepdims)
        return ops.where(ops.equal(peak, low), ops.zeros_like(peak), peak)
