"""Pooling over the visible part of a sequence."""

from collections.abc import Callable, Sequence
from typing import Any

import keras
import numpy as np
from keras import ops

from bert4keras import backend
from bert4keras.backend.types import Tensor
from bert4keras.checks import check_choice, describe
from bert4keras.layers.base import Layer, register


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


def _take_first(x, visible):
    return ops.take_along_axis(x, ops.argmax(visible, axis=1)[:, None, None], axis=1)[:, 0]


def _take_last(x, visible):
    places = ops.cast(ops.arange(ops.shape(x)[1]), "float32") * visible
    return ops.take_along_axis(x, ops.argmax(places, axis=1)[:, None, None], axis=1)[:, 0]


def _take_max(x, visible):
    peak = ops.max(ops.where(visible[:, :, None] > 0, x, -np.inf), axis=1)
    return ops.where(ops.equal(peak, -np.inf), ops.zeros_like(peak), peak)


def _average(x, weights, power=1.0):
    total = ops.sum(weights, axis=1, keepdims=True)
    return ops.sum(x * weights[:, :, None], axis=1) / ops.maximum(total, 1.0) ** power


def _average_by_position(x, visible):
    return _average(x, visible * (1 + ops.cast(ops.arange(ops.shape(x)[1]), "float32")))


@register
class SentencePooling(Layer):
    """Pooling of vectors of tokens to a vector of their text: (B, L, D) to (B, M * D).

    Args:
        modes: M names of ``SentencePooling.MODES``; their results are concatenated. "cls" takes
            the first token, "last" the last one, "mean" and "max" all of them. "mean_sqrt_len"
            divides the sum by the square root of their number, "weighted_mean" weighs a token by
            its position, which counts from 1.
        **kwargs: those of ``keras.layers.Layer``.

    Raises:
        ValueError: there is no such mode.
    """

    MODES: dict[str, Callable[..., Tensor]] = {
        "cls": _take_first,
        "max": _take_max,
        "mean": _average,
        "mean_sqrt_len": lambda x, visible: _average(x, visible, 0.5),
        "weighted_mean": _average_by_position,
        "last": _take_last,
    }

    def __init__(self, modes: Sequence[str], **kwargs: Any):
        super().__init__(**kwargs)
        if isinstance(modes, str) or not modes:
            raise ValueError(f"Expected modes to be a list of names, got {describe(modes)}.")
        self.modes: list[str] = [check_choice("modes", mode, self.MODES) for mode in modes]

    def call(self, inputs: Any, mask: Any = None) -> Tensor:
        """Pool the visible tokens.

        Args:
            inputs: x (B, L, D), or [x, number of first tokens of a row that do not count (B, 1)].
            mask: (B, L), True at tokens; for a list of inputs [mask, None].
        """
        x, *lengths = inputs if isinstance(inputs, list | tuple) else [inputs]
        mask = mask[0] if isinstance(mask, list | tuple) else mask
        shape = ops.shape(x)[:2]
        visible = ops.ones(shape, "float32") if mask is None else ops.cast(mask, "float32")
        for length in lengths:
            is_after = ops.arange(shape[1])[None] >= ops.cast(length, "int32")
            visible = visible * ops.cast(is_after, "float32")
        x = ops.cast(x, "float32")
        vectors = [self.MODES[mode](x, visible) for mode in self.modes]
        return ops.cast(ops.concatenate(vectors, axis=-1), self.compute_dtype)

    def compute_mask(self, inputs: Any, mask: Any = None) -> None:
        return None

    def compute_output_shape(self, input_shape: Any) -> tuple[Any, ...]:
        shape = input_shape[0] if isinstance(input_shape[0], list | tuple) else input_shape
        return (shape[0], len(self.modes) * shape[-1])

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "modes": self.modes}
