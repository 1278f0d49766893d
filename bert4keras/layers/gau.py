"""The gated attention unit: attention and feed-forward in one layer."""

import keras
from keras import ops

from bert4keras import backend
from bert4keras.layers.attention import DotProductAttention, take_biases
from bert4keras.layers.base import inner_dense, register
from bert4keras.layers.norm import ScaleOffset


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
        mask: mask or list of masks (B, L) for the inputs; that of x, or of the values, hides keys.
        a_bias: when true the next input is an attention bias, (B, Lq, Lk) or (B, 1, Lq, Lk):
            boolean hides, floating is added to the scaled scores.
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
        units,
        key_size,
        activation="swish",
        use_bias=True,
        normalization="squared_relu",
        self_attention=True,
        attention_scale=True,
        attention_dropout=None,
        kernel_initializer="glorot_uniform",
        **kwargs,
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
        self.activation = backend.get_activation(activation)
        self.self_attention = self_attention

    def build(self, input_shape):
        shapes = [input_shape] if isinstance(input_shape[0], int | None) else input_shape
        q_shape, units, size = shapes[0], self.units, self.key_size
        if self.self_attention:
            self.i_dense = inner_dense(self, "i_dense", 2 * units + size, q_shape)
            self.q_scaleoffset = self._scale_offset("q_scaleoffset", q_shape)
            self.k_scaleoffset = self._scale_offset("k_scaleoffset", q_shape)
        else:
            self.uq_dense = inner_dense(self, "uq_dense", units + size, q_shape)
            self.k_dense = inner_dense(self, "k_dense", size, shapes[1])
            self.v_dense = inner_dense(self, "v_dense", units, shapes[2])
        self.o_dense = inner_dense(self, "o_dense", q_shape[-1], (*q_shape[:-1], units))
        self.build_dropout()

    def _scale_offset(self, name, shape):
        layer = ScaleOffset(offset=self.use_bias, name=name, dtype=self.dtype_policy)
        layer.build((*shape[:-1], self.key_size))
        return layer

    @backend.recompute_grad
    def call(self, inputs, mask=None, a_bias=None, p_bias=None):
        return self.prefill(inputs, mask, a_bias, p_bias)[0]

    def prefill(self, inputs, mask=None, a_bias=None, p_bias=None):
        """What the layer returns, and what decoding keeps of keys and values."""
        if not isinstance(inputs, list | tuple):
            inputs, mask = [inputs], None if mask is None else [mask]
        (u, q, k, v), biases = self._project(inputs)
        if mask and self.self_attention:
            mask = [mask[0]] * 3 + list(mask[1:])
        o, _ = self.pay_attention_to([q, k, v, *biases], mask, a_bias=a_bias, p_bias=p_bias)
        position = take_biases(biases, a_bias, p_bias)[1]
        return self.o_dense(u * o), self._kept(k, v, position, p_bias)

    def step(self, context, inputs, a_bias=None, p_bias=None):
        """The same for a new token of each row, (R, 1, ...); see ``DotProductAttention.recall``."""
        inputs = inputs if isinstance(inputs, list | tuple) else [inputs]
        (u, q, k, v), biases = self._project(inputs)
        bias, position = take_biases(biases, a_bias, p_bias)
        if p_bias == "rotary":
            q = backend.apply_rotary_position_embeddings(position, q)
        context.update_cache(self._kept(k, v, position, p_bias))
        o, _ = self.recall(ops.expand_dims(q, 2), context, bias)
        return self.o_dense(u * ops.squeeze(o, 2))

    def _kept(self, k, v, position, p_bias):
        if p_bias == "rotary":
            k = backend.apply_rotary_position_embeddings(position, k)
        return {"k": ops.expand_dims(k, 1), "v": ops.expand_dims(v, 1)}

    @property
    def can_step(self):
        """Whether decoding can keep what it computes."""
        return self.self_attention

    @property
    def cache_shapes(self):
        """What decoding keeps of a token."""
        return {"k": (1, self.key_size), "v": (1, self.units)}

    def _project(self, inputs):
        """u, q, k, v, each (B, L, features), and the inputs that are biases."""
        units = self.units
        if self.self_attention:
            x = self.activation(self.i_dense(inputs[0]))  # (B, L, 2E + S)
            u, v, qk = x[..., :units], x[..., units : 2 * units], x[..., 2 * units :]
            return (u, self.q_scaleoffset(qk), self.k_scaleoffset(qk), v), inputs[1:]
        q, k, v, *biases = inputs
        uq = self.activation(self.uq_dense(q))  # (B, Lq, E + S)
        k, v = self.activation(self.k_dense(k)), self.activation(self.v_dense(v))
        return (uq[..., :units], uq[..., units:], k, v), biases

    def pay_attention_to(self, inputs, mask=None, a_bias=None, p_bias=None):
        """The attention itself, for subclasses to replace.

        Args:
            inputs: ``[q, k, v, ...]``, (B, Lq, S), (B, Lk, S), (B, Lk, E), then the biases.
            mask: None, or the list of the masks of these.
            a_bias, p_bias: as given to the layer.

        Returns:
            Output (B, Lq, E) and scores (B, Lq, Lk).
        """
        q, k, v, *biases = inputs
        bias, position = take_biases(biases, a_bias, p_bias)
        if p_bias == "rotary":
            q, k = backend.apply_rotary_position_embeddings(position, q, k)
        elif p_bias:
            raise ValueError(
                f"p_bias of a gated attention unit must be None or 'rotary', got {p_bias!r}. "
                "Give other position biases as an attention bias, with a_bias=True"
            )
        scores = self.scale(ops.einsum("bqd,bkd->bqk", q, k))
        if bias is not None and len(bias.shape) == 4:
            bias = ops.squeeze(bias, 1)
        weights = self.weigh(scores, mask, bias)
        return ops.einsum("bqk,bkd->bqd", weights, v), scores

    def compute_output_spec(self, inputs, mask=None, a_bias=None, p_bias=None):
        x = inputs[0] if isinstance(inputs, list | tuple) else inputs
        return keras.KerasTensor(x.shape, dtype=self.compute_dtype)

    def compute_mask(self, inputs, mask=None):
        return mask[0] if isinstance(mask, list | tuple) else mask

    def get_config(self):
        return {
            **super().get_config(),
            "units": self.units,
            "activation": backend.activation_config(self.activation),
            "self_attention": self.self_attention,
        }
