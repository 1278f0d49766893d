"""Attention: to the whole of a sequence at once, or of a new token to what is kept of it.

Letters in formulas: ``b`` batch, ``q`` and ``k`` positions of queries and keys, ``h`` heads, ``d``
features of one head.
"""

import keras
from keras import ops

from bert4keras import backend
from bert4keras.layers.base import Layer, inner_dense, register

ROTARY = ("rotary", "rotary_value")


def products(q, k):
    """Queries (B, Lq, H, d) times keys (B, Lk, G, d): (B, H, Lq, Lk).

    Each of ``g`` heads of keys meets ``r`` of queries.
    """
    if q.shape[2] == k.shape[2]:
        return ops.einsum("bqhd,bkhd->bhqk", q, k)
    (b, q_length, h, d), (_, k_length, g, _) = ops.shape(q), ops.shape(k)
    q = ops.reshape(q, (b, q_length, g, h // g, d))
    return ops.reshape(ops.einsum("bqgrd,bkgd->bgrqk", q, k), (b, h, q_length, k_length))


def sums(weights, v):
    """Values (B, Lk, G, d) summed by weights (B, H, Lq, Lk): (B, Lq, H, d)."""
    if weights.shape[1] == v.shape[2]:
        return ops.einsum("bhqk,bkhd->bqhd", weights, v)
    (b, h, q_length, k_length), (_, _, g, d) = ops.shape(weights), ops.shape(v)
    weights = ops.reshape(weights, (b, g, h // g, q_length, k_length))
    return ops.reshape(ops.einsum("bgrqk,bkgd->bqgrd", weights, v), (b, q_length, h, d))


class DotProductAttention(Layer):
    """What dot-product attentions share: the arguments, and the way from scores to weights."""

    def __init__(
        self,
        key_size,
        use_bias,
        normalization,
        attention_scale,
        attention_dropout,
        kernel_initializer,
        **kwargs,
    ):
        super().__init__(**kwargs)
        self.key_size = key_size
        self.use_bias = use_bias
        self.normalization = normalization
        self.attention_scale = attention_scale
        self.attention_dropout = attention_dropout
        self.kernel_initializer = keras.initializers.get(kernel_initializer)

    def build_dropout(self):
        if self.attention_dropout:
            self.dropout = keras.layers.Dropout(self.attention_dropout, dtype=self.dtype_policy)

    def scale(self, scores):
        return scores / self.key_size**0.5 if self.attention_scale else scores

    def weigh(self, scores, mask=None, bias=None):
        """Weights from scaled scores (B, ..., Lq, Lk), masks (B, L) of q, k, v and a bias."""
        weights = backend.attention_normalize(
            scores, mask[2] if mask else None, -1, self.normalization, bias
        )
        weights = ops.cast(weights, self.compute_dtype)
        return self.dropout(weights) if self.attention_dropout else weights

    def recall(self, q, context, bias=None, position=None, p_bias=None):
        """Attention of new tokens to what is kept: of their prompt, and of each row itself.

        Of a prompt's P tokens keys and values are kept once, for all its N rows; of the generated
        ones each row has its own, with room for C. K = P + C, or P where another sequence is asked.

        Args:
            q: queries (R, 1, H, key_size), R = B N.
            context: a ``generation.StepContext``.
            bias: None, or floating (B, H, N, K).
            position: with "typical_relative" (B, K, key_size), with "t5_relative" (B, K, H).
            p_bias: as given to the layer.

        Returns:
            Output (R, 1, H, head_size) and scores (B, H, N, K).
        """
        shape = ops.shape(q)
        q = ops.reshape(q, (-1, context.rows_per_prompt, *shape[2:]))  # (B, N, H, d)
        scores = self._products_with_kept(q, context)
        if p_bias == "typical_relative":
            scores = scores + ops.einsum("bqhd,bkd->bhqk", q, position)
        elif p_bias == "t5_relative":
            scores = scores + ops.transpose(position, (0, 2, 1))[:, :, None]
        scores = self.scale(scores)
        visible = ops.expand_dims(context.attention_mask, 1)
        bias = visible if bias is None else ops.where(visible, bias, float("-inf"))
        weights = self.weigh(scores, None, bias)
        o = self._sums_of_kept(weights, context)
        if p_bias == "typical_relative":
            o = o + ops.einsum("bhqk,bkd->bqhd", weights, position)
        return ops.reshape(o, (*shape[:3], -1)), scores

    def _products_with_kept(self, q, context):
        """Scores (B, H, N, K) of queries (B, N, H, key_size)."""
        k = ops.swapaxes(context.prompt_cache["k"], 2, 3)  # (B, G, d, P)
        (b, n, h, _), (_, g, d, length) = ops.shape(q), ops.shape(k)
        queries = ops.reshape(ops.swapaxes(q, 1, 2), (b, g, -1, d))
        scores = ops.reshape(ops.matmul(queries, k), (b, h, n, length))
        if context.is_cross_attention:
            return scores
        k = ops.swapaxes(context.generated_cache["k"], 2, 3)  # (R, G, d, C)
        own = ops.matmul(ops.reshape(q, (b * n, g, -1, d)), k)
        own = ops.swapaxes(ops.reshape(own, (b, n, h, -1)), 1, 2)
        return ops.concatenate([scores, own], axis=-1)

    def _sums_of_kept(self, weights, context):
        """Values (B, N, H, head_size) summed by weights (B, H, N, K)."""
        (b, h, n, _), (_, g, length, d) = ops.shape(weights), ops.shape(context.prompt_cache["v"])
        shared = ops.reshape(weights[..., :length], (b, g, -1, length))
        o = ops.reshape(ops.matmul(shared, context.prompt_cache["v"]), (b, h, n, d))
        o = ops.swapaxes(o, 1, 2)
        if context.is_cross_attention:
            return o
        own = ops.swapaxes(weights[..., length:], 1, 2)  # (B, N, H, C)
        own = ops.reshape(own, (b * n, g, h // g, -1))
        return o + ops.reshape(ops.matmul(own, context.generated_cache["v"]), (b, n, h, d))

    def get_config(self):
        return {
            **super().get_config(),
            "key_size": self.key_size,
            "use_bias": self.use_bias,
            "normalization": self.normalization,
            "attention_scale": self.attention_scale,
            "attention_dropout": self.attention_dropout,
            "kernel_initializer": keras.initializers.serialize(self.kernel_initializer),
        }


def take_biases(biases, a_bias, p_bias):
    """The attention bias and the position bias among further inputs; None for what is not there."""
    rest = list(biases)
    return rest.pop(0) if a_bias else None, rest.pop(0) if p_bias else None


@register
class MultiHeadAttention(DotProductAttention):
    """Multi-head attention (Vaswani et al., arXiv:1706.03762) with biases as further inputs.

    Args:
        heads: number of heads H.
        head_size: features of a head's values.
        out_dim: size of the output; H * head_size by default.
        key_size: features of a head's queries and keys; ``head_size`` by default.
        use_bias: biases on the four dense layers.
        normalization: "softmax", "squared_relu" or "softmax_plus" (``attention_normalize``).
        attention_scale: divide scores by sqrt(key_size).
        attention_dropout: dropout rate on the weights.
        return_attention_scores: also return the scores, scaled and before bias and masks.
        kernel_initializer: initializer of the four kernels.
        key_value_heads: heads of keys and values, each shared by as many heads of queries
            (grouped-query attention, arXiv:2305.13245); ``heads`` by default.
        output_bias: a bias on the last dense layer; as ``use_bias`` by default.

    Call arguments:
        inputs: ``[query, key, value, ...]``, each (B, L, D); further ones as the next two say.
        mask: list of masks (B, L) for the inputs; the third, of the values, hides keys.
        a_bias: when true the next input is an attention bias, (B, Lq, Lk) or (B, H, Lq, Lk):
            boolean hides, floating is added to the scaled scores.
        p_bias: None, or what the next input is: "typical_relative" (Lq, Lk, key_size)
            (arXiv:1803.02155), "t5_relative" (Lq, Lk, H) (arXiv:1910.10683), "rotary"
            (1 or B, L, key_size) (arXiv:2104.09864), "rotary_value" the same for values too.

    Returns:
        (B, Lq, out_dim), with the query's mask; with scores, also (B, H, Lq, Lk).
        A query that sees no key gets zeros.

    Raises:
        ValueError: ``heads`` is no multiple of ``key_value_heads``; "typical_relative" or
            "rotary_value" with a ``key_size`` other than ``head_size``.

    Example:
        >>> import numpy as np
        >>> from bert4keras.layers import MultiHeadAttention
        >>> x = np.ones((2, 5, 8), "float32")
        >>> tuple(MultiHeadAttention(heads=2, head_size=4)([x, x, x]).shape)
        (2, 5, 8)
    """

    def __init__(
        self,
        heads,
        head_size,
        out_dim=None,
        key_size=None,
        use_bias=True,
        normalization="softmax",
        attention_scale=True,
        attention_dropout=None,
        return_attention_scores=False,
        kernel_initializer="glorot_uniform",
        key_value_heads=None,
        output_bias=None,
        **kwargs,
    ):
        super().__init__(
            key_size or head_size,
            use_bias,
            normalization,
            attention_scale,
            attention_dropout,
            kernel_initializer,
            **kwargs,
        )
        self.heads = heads
        self.head_size = head_size
        self.out_dim = out_dim or heads * head_size
        self.return_attention_scores = return_attention_scores
        self.key_value_heads = key_value_heads or heads
        self.output_bias = use_bias if output_bias is None else output_bias
        if heads % self.key_value_heads:
            raise ValueError(
                "heads must be a multiple of key_value_heads, which they share, got "
                f"{heads} and {key_value_heads}"
            )

    def build(self, input_shape):
        q_shape, k_shape, v_shape = input_shape[:3]
        o_shape = (*q_shape[:-1], self.heads * self.head_size)
        groups = self.key_value_heads
        self.q_dense = inner_dense(self, "q_dense", self.heads * self.key_size, q_shape)
        self.k_dense = inner_dense(self, "k_dense", groups * self.key_size, k_shape)
        self.v_dense = inner_dense(self, "v_dense", groups * self.head_size, v_shape)
        self.o_dense = inner_dense(self, "o_dense", self.out_dim, o_shape, self.output_bias)
        self.build_dropout()

    @backend.recompute_grad
    def call(self, inputs, mask=None, a_bias=None, p_bias=None):
        return self.prefill(inputs, mask, a_bias, p_bias)[0]

    def prefill(self, inputs, mask=None, a_bias=None, p_bias=None):
        """What the layer returns, and what decoding keeps of keys and values."""
        q, k, v, *biases = inputs
        q = self._split_heads(self.q_dense(q), self.key_size)
        k, v = self._keys_and_values(k, v)
        o, scores = self.pay_attention_to([q, k, v, *biases], mask, a_bias=a_bias, p_bias=p_bias)
        position = take_biases(biases, a_bias, p_bias)[1]
        return self._returned(o, scores), self._kept(k, v, position, p_bias)

    def step(self, context, inputs, a_bias=None, p_bias=None):
        """The same for a new token of each row, (R, 1, ...); see ``DotProductAttention.recall``."""
        q, k, v, *biases = inputs
        bias, position = take_biases(biases, a_bias, p_bias)
        q = self._split_heads(self.q_dense(q), self.key_size)
        if p_bias in ROTARY:
            q = backend.apply_rotary_position_embeddings(position, q)
        if not context.is_cross_attention:
            context.update_cache(self._kept(*self._keys_and_values(k, v), position, p_bias))
        o, scores = self.recall(q, context, bias, position, p_bias)
        return self._returned(o, scores)

    def _keys_and_values(self, k, v):
        k = self._split_heads(self.k_dense(k), self.key_size)
        return k, self._split_heads(self.v_dense(v), self.head_size)

    def _kept(self, k, v, position, p_bias):
        if p_bias in ROTARY:
            k = backend.apply_rotary_position_embeddings(position, k)
        if p_bias == "rotary_value":
            v = backend.apply_rotary_position_embeddings(position, v)
        return {"k": ops.swapaxes(k, 1, 2), "v": ops.swapaxes(v, 1, 2)}

    @property
    def can_step(self):
        """Whether decoding can keep what it computes: a subclass may attend in another way."""
        own = (type(self).pay_attention_to, type(self).score)
        return own == (MultiHeadAttention.pay_attention_to, MultiHeadAttention.score)

    @property
    def cache_shapes(self):
        """What decoding keeps of a token."""
        return {
            "k": (self.key_value_heads, self.key_size),
            "v": (self.key_value_heads, self.head_size),
        }

    def _returned(self, o, scores):
        o = self.o_dense(ops.reshape(o, (*ops.shape(o)[:2], self.heads * self.head_size)))
        return [o, scores] if self.return_attention_scores else o

    def _split_heads(self, x, size):
        return ops.reshape(x, (*ops.shape(x)[:2], x.shape[-1] // size, size))

    def pay_attention_to(self, inputs, mask=None, a_bias=None, p_bias=None):
        """The attention itself, for subclasses to replace.

        Args:
            inputs: ``[q, k, v, ...]`` split into heads, (B, L, H, d), keys and values into
                ``key_value_heads``; then the biases.
            mask, a_bias, p_bias: as given to the layer.

        Returns:
            Output (B, Lq, H, head_size) and scores (B, H, Lq, Lk).
        """
        q, k, v, *biases = inputs
        bias, position = take_biases(biases, a_bias, p_bias)
        if p_bias in ("typical_relative", "rotary_value") and self.key_size != self.head_size:
            raise ValueError(
                f"p_bias={p_bias!r} adds to or turns keys and values alike, so key_size must "
                f"equal head_size, got {self.key_size} and {self.head_size}"
            )
        scores = self.scale(self.score(q, k, position, p_bias))
        if bias is not None and len(bias.shape) == 3:
            bias = ops.expand_dims(bias, 1)
        weights = self.weigh(scores, mask, bias)
        if p_bias == "rotary_value":
            v = backend.apply_rotary_position_embeddings(position, v)
        o = sums(weights, v)
        if p_bias == "typical_relative":
            o = o + ops.einsum("bhqk,qkd->bqhd", weights, position)
        return o, scores

    def score(self, q, k, position=None, p_bias=None):
        """Scores (B, H, Lq, Lk), not yet scaled, of q and k (B, L, H, key_size)."""
        if p_bias in ROTARY:
            if q.shape[1] != k.shape[1]:
                raise ValueError(
                    "rotary positions are those of one sequence, so queries and keys must be of "
                    f"equal length, got {q.shape[1]} and {k.shape[1]}"
                )
            q, k = (backend.apply_rotary_position_embeddings(position, x) for x in (q, k))
        scores = products(q, k)
        if p_bias == "typical_relative":
            scores = scores + ops.einsum("bqhd,qkd->bhqk", q, position)
        elif p_bias == "t5_relative":
            scores = scores + ops.expand_dims(ops.transpose(position, (2, 0, 1)), 0)
        return scores

    def compute_output_spec(self, inputs, mask=None, a_bias=None, p_bias=None):
        q, k = inputs[:2]
        o = keras.KerasTensor((*q.shape[:-1], self.out_dim), dtype=self.compute_dtype)
        if not self.return_attention_scores:
            return o
        shape = (q.shape[0], self.heads, q.shape[1], k.shape[1])
        return [o, keras.KerasTensor(shape, dtype=self.compute_dtype)]

    def compute_mask(self, inputs, mask=None):
        mask = mask[0] if mask else None
        return [mask, None] if self.return_attention_scores else mask

    def get_config(self):
        return {
            **super().get_config(),
            "heads": self.heads,
            "head_size": self.head_size,
            "out_dim": self.out_dim,
            "return_attention_scores": self.return_attention_scores,
            "key_value_heads": self.key_value_heads,
            "output_bias": self.output_bias,
        }
