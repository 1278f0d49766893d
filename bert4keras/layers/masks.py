"""Masks and biases that attention takes."""

import keras
from keras import ops

from bert4keras import backend
from bert4keras.layers.base import Layer, register


@register
class CausalMask(Layer):
    """From ids (B, L) the mask (1, L, L) that lets a position see itself and what came before."""

    is_causal_mask = True

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.autocast = False

    def call(self, inputs):
        positions = ops.arange(ops.shape(inputs)[1])
        return ops.expand_dims(positions[None, :] <= positions[:, None], 0)

    def step(self, context, inputs):
        return None  # a new token sees all that came before

    def compute_output_spec(self, inputs):
        return keras.KerasTensor((1, inputs.shape[1], inputs.shape[1]), dtype="bool")

    def compute_mask(self, inputs, mask=None):
        return None


@register
class UniLMMask(Layer):
    """From segment ids (B, L) the sequence-to-sequence mask (B, L, L) of UniLM (arXiv:1905.03197).

    The source (segment 0) sees itself whole, the target (segment 1) the source and what came
    before: key k is visible to query q when the running sum of segments at k is at most that at q.
    """

    is_causal_mask = True

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.autocast = False

    def call(self, inputs):
        sums = ops.cumsum(ops.cast(inputs, "int32"), axis=1)
        return sums[:, None, :] <= sums[:, :, None]

    def step(self, context, inputs):
        return None  # a new token of segment 1 sees all that came before

    def compute_output_spec(self, inputs):
        length = inputs.shape[1]
        return keras.KerasTensor((inputs.shape[0], length, length), dtype="bool")

    def compute_mask(self, inputs, mask=None):
        return None


@register
class AttentionBias(Layer):
    """One bias from several: boolean masks hide with -inf, floating biases are summed.

    Call arguments:
        inputs: list of biases, (B, Lq, Lk) or (B, H, Lq, Lk).

    Returns:
        A floating tensor (B, H, Lq, Lk).
    """

    def call(self, inputs):
        biases = [x if len(x.shape) == 4 else ops.expand_dims(x, 1) for x in inputs]
        masks = [x for x in biases if backend.dtype(x) == "bool"]
        total = sum(x for x in biases if backend.dtype(x) != "bool")
        for mask in masks:
            total = ops.where(mask, total, float("-inf"))
        return total

    def step(self, context, inputs):
        return sum(x for x in inputs if x is not None)

    def compute_mask(self, inputs, mask=None):
        return None
