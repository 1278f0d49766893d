"""The gated attention unit: attention and feed-forward in one layer."""

from collections.abc import Callable
from typing import Any

import keras
from keras import ops

from bert4keras import backend
from bert4keras.backend.types import Activation, Initializer, Shape, Tensor
from bert4keras.checks import check_arguments, check_boolean, check_size
from bert4keras.layers.attention import DotProductAttention, check_sequences, split_biases
from bert4keras.layers.base import inner_dense, register
from bert4keras.layers.norm import ScaleOffset
from bert4keras.layers.position_bias import POSITION_BIASES, PositionBias


@register
class GatedAttentionUnit(DotProductAttention):
    """One head of attention whose output gates a projection (FLASH, arXiv:2202.10447).

    The output is ``dense(u * (A v))`` with attention weights A from one head. In self-attention
    a single activated projection is cut into u, v and the base of queries and keys, which differ
    by a scale and an offset only (https://kexue.fm/archives/8934).

    Args:
        units: features E of u and v.
        key_size: features S of queries and keys.
        activation: activation of the projections.
        use_bias: biases on the dense layers, and offsets of queries and keys.
        normalization: "squared_relu", "softmax" or "softmax_plus" (``attention_normalize``).
        self_attention: False for inputs ``[query, key, value]`` instead of x.
        attention_scale: divide scores by sqrt(key_size).
        attention_dropout: dropout rate on the weights.
        kernel_initializer: initializer of all kernels.

    Call arguments:
        inputs: x (B, L, D), or ``[x, ...]``; or ``[query, key, value, ...]``, each (B, L, D).
        mask: padding mask (B, L) or list of them, for the inputs; that of x, or of the values,
            hides keys.
        a_bias: if true the next input is an attention bias, (B, Lq, Lk) or (B, 1, Lq, Lk):
            boolean hides (a causal mask), floating is added to the scaled scores.
        p_bias: None, or "rotary": the next input is (1 or B, L, key_size) (arXiv:2104.09864).

    Returns:
        (B, Lq, D), with the mask of x or of the query. A query that sees no key gets the bias of
        the last dense layer.

    Raises:
        ValueError: another ``p_bias``.

    Example:
        >>> import numpy as np
        >>> from bert4keras.layers import GatedAttentionUnit
        >>> tuple(GatedAttentionUnit(units=16, key_size=4)(np.ones((2, 5, 8), "float32")).shape)
        (2, 5, 8)
    """

    def __init__(
        self,
        units: int,
        key_size: int,
        activation: Activation = "swish",
        use_bias: bool = True,
        normalization: str = "squared_relu",
        self_attention: bool = True,
        attention_scale: bool = True,
        attention_dropout: float | None = None,
        kernel_initializer: Initializer = "glorot_uniform",
        **kwargs: Any,
    ):
        super().__init__(
            key_size,
            use_bias,
            normalization,
            attention_scale,
            attention_dropout,
            kernel_initializer,
            **kwargs,
        )
        self.units = units
        self.activation: Callable[..., Any] = backend.get_activation(activation)
        self.self_attention = self_attention
        check_arguments(self, check_size, "units")
        check_arguments(self, check_boolean, "self_attention")

    def build(self, input_shape: Shape) -> None:
        shapes = [input_shape] if isinstance(input_shape[0], int | None) else input_shape
        if not self.self_attention and len(shapes) < 3:
            raise ValueError(
                f"Expected inputs of {self.name} to be a list [query, key, value], got "
                f"{len(shapes)} tensors. Pass all three, or self_attention=True."
            )
        q_shape, units, size = shapes[0], self.units, self.key_size
        if self.self_attention:
            self.i_dense: Any = inner_dense(self, "i_dense", 2 * units + size, q_shape)
            self.q_scaleoffset: ScaleOffset = self._scale_offset("q_scaleoffset", q_shape)
            self.k_scaleoffset: ScaleOffset = self._scale_offset("k_scaleoffset", q_shape)
        else:
            self.uq_dense: Any = inner_dense(self, "uq_dense", units + size, q_shape)
            self.k_dense: Any = inner_dense(self, "k_dense", size, shapes[1])
            self.v_dense: Any = inner_dense(self, "v_dense", units, shapes[2])
        self.o_dense: Any = inner_dense(self, "o_dense", q_shape[-1], (*q_shape[:-1], units))
        self.build_dropout()

    def _scale_offset(self, name, shape):
        layer = ScaleOffset(offset=self.use_bias, name=name, dtype=self.dtype_policy)
        layer.build((*shape[:-1], self.key_size))
        return layer

    def position_bias(self, p_bias: str | None) -> PositionBias:
        """Return the position bias that ``p_bias`` names."""
        if p_bias and p_bias != "rotary":
            raise ValueError(
                f"Expected p_bias of a gated attention unit to be None or 'rotary', got {p_bias!r}."
                " Give other position biases as an attention bias, with a_bias=True."
            )
        return POSITION_BIASES[p_bias or None]

    @backend.recompute_grad
    def call(
        self, inputs: Any, mask: Any = None, a_bias: bool | None = None, p_bias: str | None = None
    ) -> Tensor:
        return self._attend(inputs, mask, a_bias, p_bias)[0]

    def prefill(
        self, inputs: Any, mask: Any = None, a_bias: bool | None = None, p_bias: str | None = None
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """Return the outputs for whole prompts, and the KV cache of them, (B, 1, P, d)."""
        outputs, k, v, biases = self._attend(inputs, mask, a_bias, p_bias)
        position = split_biases(biases, a_bias, p_bias)[1]
        return outputs, self._cache_entry(k, v, position, p_bias)

    def _attend(self, inputs, mask, a_bias, p_bias):
        """Return the outputs; keys and values before positions rotate them; and the biases."""
        if not isinstance(inputs, list | tuple):
            inputs, mask = [inputs], None if mask is None else [mask]
        roles = ("query",) if self.self_attention else ("query", "key", "value")
        check_sequences(
            self.name, dict(zip(("query", "key", "value"), [*inputs[: len(roles)]] * 3))
        )
        (u, q, k, v), biases = self._project(inputs)
        if mask and self.self_attention:
            mask = [mask[0]] * 3 + list(mask[1:])
        o, _ = self.pay_attention_to([q, k, v, *biases], mask, a_bias=a_bias, p_bias=p_bias)
        return self.o_dense(u * o), k, v, biases

    def step(
        self, context: Any, inputs: Any, a_bias: bool | None = None, p_bias: str | None = None
    ) -> Tensor:
        """Return the outputs (R, 1, D) for a new token of each row; see ``attend_to_cache``."""
        inputs = inputs if isinstance(inputs, list | tuple) else [inputs]
        (u, q, k, v), biases = self._project(inputs)
        bias, position = split_biases(biases, a_bias, p_bias)
        (q,) = self.position_bias(p_bias).rotate(position, q)
        context.update_cache(self._cache_entry(k, v, position, p_bias))
        o, _ = self.attend_to_cache(ops.expand_dims(q, 2), context, bias)
        return self.o_dense(u * ops.squeeze(o, 2))

    def _cache_entry(self, k, v, position, p_bias):
        """Return keys and values as the KV cache stores them, (B, 1, L, d), keys rotated."""
        (k,) = self.position_bias(p_bias).rotate(position, k)
        return {"k": ops.expand_dims(k, 1), "v": ops.expand_dims(v, 1)}

    @property
    def can_step(self) -> bool:
        """True in self-attention, where a step gives the numbers of ``call``."""
        return self.self_attention

    @property
    def cache_shapes(self) -> dict[str, tuple[int, int]]:
        """Shapes (1, d) of a token's entries in the KV cache."""
        return {"k": (1, self.key_size), "v": (1, self.units)}

    def _project(self, inputs):
        """Project to u, q, k, v, each (B, L, features); return them and the inputs after them."""
        units = self.units
        if self.self_attention:
            x = self.activation(self.i_dense(inputs[0]))  # (B, L, 2E + S)
            u, v, qk = x[..., :units], x[..., units : 2 * units], x[..., 2 * units :]
            return (u, self.q_scaleoffset(qk), self.k_scaleoffset(qk), v), inputs[1:]
        q, k, v, *biases = inputs
        uq = self.activation(self.uq_dense(q))  # (B, Lq, E + S)
        k, v = self.activation(self.k_dense(k)), self.activation(self.v_dense(v))
        return (uq[..., :units], uq[..., units:], k, v), biases

    def pay_attention_to(
        self, inputs: Any, mask: Any = None, a_bias: bool | None = None, p_bias: str | None = None
    ) -> tuple[Tensor, Tensor]:
        """Compute the attention itself; subclasses may replace it.

        Args:
            inputs: ``[q, k, v, ...]``, (B, Lq, S), (B, Lk, S), (B, Lk, E), then the biases.
            mask: None, or the list of the padding masks of these.
            a_bias: as the layer takes it.
            p_bias: as the layer takes it.

        Returns:
            Output (B, Lq, E) and scores (B, Lq, Lk).
        """
        q, k, v, *biases = inputs
        bias, position = split_biases(biases, a_bias, p_bias)
        q, k = self.position_bias(p_bias).rotate(position, q, k)
        scores = self.scale(ops.einsum("bqd,bkd->bqk", q, k))
        if bias is not None and len(bias.shape) == 4:
            bias = ops.squeeze(bias, 1)
        weights = self.attention_weights(scores, mask, bias)
        return ops.einsum("bqk,bkd->bqd", weights, v), scores

    def compute_output_spec(
        self, inputs: Any, mask: Any = None, a_bias: bool | None = None, p_bias: str | None = None
    ) -> keras.KerasTensor:
        x = inputs[0] if isinstance(inputs, list | tuple) else inputs
        return keras.KerasTensor(x.shape, dtype=self.compute_dtype)

    def compute_mask(self, inputs: Any, mask: Any = None) -> Any:
        return mask[0] if isinstance(mask, list | tuple) else mask

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "units": self.units,
            "activation": backend.activation_config(self.activation),
            "self_attention": self.self_attention,
        }
