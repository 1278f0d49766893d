"""Attention masks: the causal mask, UniLM's, a sliding window; and a bias from several.

Attention masks are boolean tensors (1 or B, Lq, Lk), true where a query may see a key. Attention
layers take them with ``a_bias=True``. The padding mask (B, L) is another thing: ``Embedding`` makes
it and Keras carries it. Both meet in ``DotProductAttention.attention_weights``.
"""

from typing import Any

import keras
from keras import ops

from bert4keras import backend
from bert4keras.backend.types import Tensor
from bert4keras.checks import check_arguments, check_integer
from bert4keras.layers.base import Layer, register


@register
class CausalMask(Layer):
    """Causal mask (1, L, L) from ids (B, L): a position sees itself and earlier ones."""

    is_causal_mask = True

    def __init__(self, **kwargs: Any):
        super().__init__(**kwargs)
        self.autocast = False

    def call(self, inputs: Tensor) -> Tensor:
        positions = ops.arange(ops.shape(inputs)[1])
        return ops.expand_dims(positions[None, :] <= positions[:, None], 0)

    def step(self, context: Any, inputs: Tensor) -> None:
        return None  # a new token sees all earlier tokens

    def compute_output_spec(self, inputs: Tensor) -> keras.KerasTensor:
        return keras.KerasTensor((1, inputs.shape[1], inputs.shape[1]), dtype="bool")

    def compute_mask(self, inputs: Any, mask: Any = None) -> None:
        return None


@register
class UniLMMask(Layer):
    """UniLM's sequence-to-sequence mask (B, L, L) from segment ids (B, L) (arXiv:1905.03197).

    The source (segment 0) sees all of itself; the target (segment 1) sees the source and earlier
    target tokens: key k is visible to query q if the running sum of segment ids at k is at most
    that at q.
    """

    is_causal_mask = True
    generated_segment_id = 1
    input_roles: tuple[str, ...] = ("segment_ids",)

    def __init__(self, **kwargs: Any):
        super().__init__(**kwargs)
        self.autocast = False

    def call(self, inputs: Tensor) -> Tensor:
        sums = ops.cumsum(ops.cast(inputs, "int32"), axis=1)
        return sums[:, None, :] <= sums[:, :, None]

    def step(self, context: Any, inputs: Tensor) -> None:
        return None  # a new token of segment 1 sees all earlier tokens

    def compute_output_spec(self, inputs: Tensor) -> keras.KerasTensor:
        length = inputs.shape[1]
        return keras.KerasTensor((inputs.shape[0], length, length), dtype="bool")

    def compute_mask(self, inputs: Any, mask: Any = None) -> None:
        return None


@register
class WindowMask(Layer):
    """Sliding-window mask (1, L, L) from ids (B, L) (Longformer, arXiv:2004.05150).

    Args:
        reach: number of positions that a query sees on either side.

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

    def __init__(self, reach: int, **kwargs: Any):
        super().__init__(**kwargs)
        self.reach = reach
        check_arguments(self, check_integer, "reach", minimum=0)
        self.autocast = False

    def call(self, inputs: Tensor) -> Tensor:
        positions = ops.arange(ops.shape(inputs)[1])
        distances = ops.abs(positions[None, :] - positions[:, None])
        return ops.expand_dims(distances <= self.reach, 0)

    def compute_output_spec(self, inputs: Tensor) -> keras.KerasTensor:
        return keras.KerasTensor((1, inputs.shape[1], inputs.shape[1]), dtype="bool")

    def compute_mask(self, inputs: Any, mask: Any = None) -> None:
        return None

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "reach": self.reach}


@register
class AttentionBias(Layer):
    """One attention bias from several: boolean masks hide with -inf, floating biases are summed.

    Call arguments:
        inputs: list of biases, (B, Lq, Lk) or (B, H, Lq, Lk).

    Returns:
        A floating tensor (B, H, Lq, Lk).
    """

    def call(self, inputs: list[Tensor]) -> Tensor:
        biases = [x if len(x.shape) == 4 else ops.expand_dims(x, 1) for x in inputs]
        masks = [x for x in biases if backend.dtype(x) == "bool"]
        total = sum(x for x in biases if backend.dtype(x) != "bool")
        for mask in masks:
            total = ops.where(mask, total, float("-inf"))
        return total

    def step(self, context: Any, inputs: list[Tensor]) -> Tensor:
        return sum(x for x in inputs if x is not None)

    def compute_mask(self, inputs: Any, mask: Any = None) -> None:
        return None
