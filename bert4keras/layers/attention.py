"""Attention: over a whole sequence at once, or of a new token to the KV cache.

Letters in formulas: ``b`` batch, ``q`` and ``k`` positions of queries and keys, ``h`` heads, ``d``
features of one head. The padding mask (from the values) and the causal mask (a boolean attention
bias) meet in ``DotProductAttention.attention_weights``.
"""

from collections.abc import Sequence
from typing import Any

import keras
from keras import ops

from bert4keras import backend
from bert4keras.backend.attention import NORMALIZATIONS, attend
from bert4keras.backend.masking import is_boolean, join_masks
from bert4keras.backend.types import Initializer, Shape, Tensor
from bert4keras.checks import (
    check_arguments,
    check_boolean,
    check_choice,
    check_rank,
    check_rate,
    check_size,
)
from bert4keras.layers.base import Layer, inner_dense, register
from bert4keras.layers.position_bias import POSITION_BIASES, PositionBias


def _attention_scores(q, k):
    """Multiply queries (B, Lq, H, d) and keys (B, Lk, G, d) to (B, H, Lq, Lk).

    With H > G (grouped-query attention) each head of keys serves H / G heads of queries.
    """
    if q.shape[2] == k.shape[2]:
        return ops.einsum("bqhd,bkhd->bhqk", q, k)
    (b, q_length, h, d), (_, k_length, g, _) = ops.shape(q), ops.shape(k)
    q = ops.reshape(q, (b, q_length, g, h // g, d))
    return ops.reshape(ops.einsum("bqgrd,bkgd->bgrqk", q, k), (b, h, q_length, k_length))


def _weighted_values(weights, v):
    """Sum values (B, Lk, G, d) by weights (B, H, Lq, Lk) to (B, Lq, H, d)."""
    if weights.shape[1] == v.shape[2]:
        return ops.einsum("bhqk,bkhd->bqhd", weights, v)
    (b, h, q_length, k_length), (_, _, g, d) = ops.shape(weights), ops.shape(v)
    weights = ops.reshape(weights, (b, g, h // g, q_length, k_length))
    return ops.reshape(ops.einsum("bgrqk,bkgd->bqgrd", weights, v), (b, q_length, h, d))


class DotProductAttention(Layer):
    """Base of dot-product attentions: arguments, scores to weights, attention to the KV cache."""

    def __init__(
        self,
        key_size: int,
        use_bias: bool,
        normalization: str,
        attention_scale: bool,
        attention_dropout: float | None,
        kernel_initializer: Initializer,
        uses_padding_mask: bool = True,
        **kwargs: Any,
    ):
        super().__init__(**kwargs)
        self.uses_padding_mask = uses_padding_mask
        self.key_size = key_size
        self.use_bias = use_bias
        self.normalization = normalization
        self.attention_scale = attention_scale
        self.attention_dropout = attention_dropout
        self.kernel_initializer: Any = keras.initializers.get(kernel_initializer)
        check_arguments(self, check_size, "key_size")
        check_arguments(self, check_boolean, "use_bias", "attention_scale")
        check_arguments(self, check_rate, "attention_dropout")
        check_arguments(self, check_choice, "normalization", choices=NORMALIZATIONS)

    def build_dropout(self) -> None:
        """Build the dropout of the weights, if there is any."""
        if self.attention_dropout:
            self.dropout: Any = keras.layers.Dropout(
                self.attention_dropout, dtype=self.dtype_policy
            )

    def scale(self, scores: Tensor) -> Tensor:
        """Divide scores by sqrt(key_size), unless ``attention_scale`` is false."""
        return scores / self.key_size**0.5 if self.attention_scale else scores

    def attention_weights(
        self, scores: Tensor, mask: list[Any] | None = None, bias: Tensor | None = None
    ) -> Tensor:
        """Return weights of scaled scores; ``sequence_masking`` joins padding and causal mask.

        Args:
            scores: (B, ..., Lq, Lk).
            mask: None, or padding masks (B, L) of queries, keys and values; the last hides keys.
            bias: None, or broadcast to scores: a boolean one hides, such as the causal mask; a
                floating one is added.
        """
        padding_mask = mask[2] if mask and self.uses_padding_mask else None
        weights = backend.attention_normalize(scores, padding_mask, -1, self.normalization, bias)
        weights = ops.cast(weights, self.compute_dtype)
        return self.dropout(weights) if self.attention_dropout else weights

    def attend_to_cache(
        self,
        q: Tensor,
        context: Any,
        bias: Tensor | None = None,
        position: Tensor | None = None,
        p_bias: PositionBias = POSITION_BIASES[None],
    ) -> tuple[Tensor, Tensor]:
        """Attend from new tokens to the KV cache: to their prompt and to their own row.

        Each of B prompts of P tokens has N rows that continue it. Its keys and values are stored
        once (the prompt cache); each row R = B N has a cache of C generated tokens. There are
        K = P + C keys, or K = P in attention to another sequence.

        Args:
            q: queries (R, 1, H, key_size).
            context: a ``generation.StepContext``.
            bias: None, or floating (B, H, N, K).
            position: (B, K, ...), as ``p_bias`` takes it.
            p_bias: the position bias.

        Returns:
            Output (R, 1, H, head_size) and scaled scores (B, H, N, K).
        """
        shape = ops.shape(q)
        q = ops.reshape(q, (-1, context.rows_per_prompt, *shape[2:]))  # (B, N, H, d)
        scores = self._scores_of_cache(q, context)
        scores = self.scale(p_bias.add_to_step_scores(scores, q, position))
        visible = ops.expand_dims(context.attention_mask, 1)
        bias = visible if bias is None else ops.where(visible, bias, float("-inf"))
        weights = self.attention_weights(scores, None, bias)
        o = self._values_of_cache(weights, context)
        o = p_bias.add_to_step_output(o, weights, position)
        return ops.reshape(o, (*shape[:3], -1)), scores

    def _scores_of_cache(self, q, context):
        """Multiply queries (B, N, H, d) and the keys of the KV cache to (B, H, N, K)."""
        k = ops.swapaxes(context.prompt_cache["k"], 2, 3)  # (B, G, d, P)
        (b, n, h, _), (_, g, d, length) = ops.shape(q), ops.shape(k)
        queries = ops.reshape(ops.swapaxes(q, 1, 2), (b, g, -1, d))
        scores = ops.reshape(ops.matmul(queries, k), (b, h, n, length))
        if context.is_cross_attention:
            return scores
        k = ops.swapaxes(context.generated_cache["k"], 2, 3)  # (R, G, d, C)
        row_scores = ops.matmul(ops.reshape(q, (b * n, g, -1, d)), k)
        row_scores = ops.swapaxes(ops.reshape(row_scores, (b, n, h, -1)), 1, 2)
        return ops.concatenate([scores, row_scores], axis=-1)

    def _values_of_cache(self, weights, context):
        """Sum the values of the KV cache by weights (B, H, N, K) to (B, N, H, d)."""
        (b, h, n, _), (_, g, length, d) = ops.shape(weights), ops.shape(context.prompt_cache["v"])
        prompt_weights = ops.reshape(weights[..., :length], (b, g, -1, length))
        o = ops.reshape(ops.matmul(prompt_weights, context.prompt_cache["v"]), (b, h, n, d))
        o = ops.swapaxes(o, 1, 2)
        if context.is_cross_attention:
            return o
        row_weights = ops.swapaxes(weights[..., length:], 1, 2)  # (B, N, H, C)
        row_weights = ops.reshape(row_weights, (b * n, g, h // g, -1))
        row_values = ops.matmul(row_weights, context.generated_cache["v"])
        return o + ops.reshape(row_values, (b, n, h, d))

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            **({} if self.uses_padding_mask else {"uses_padding_mask": False}),
            "key_size": self.key_size,
            "use_bias": self.use_bias,
            "normalization": self.normalization,
            "attention_scale": self.attention_scale,
            "attention_dropout": self.attention_dropout,
            "kernel_initializer": keras.initializers.serialize(self.kernel_initializer),
        }


def split_biases(
    biases: Sequence[Tensor], a_bias: bool | None, p_bias: str | None
) -> tuple[Tensor | None, Tensor | None]:
    """Split the inputs after the values: the attention bias and the position bias, or None."""
    inputs = list(biases)
    return inputs.pop(0) if a_bias else None, inputs.pop(0) if p_bias else None


def check_sequences(name: str, sequences: dict[str, Tensor]) -> None:
    """Refuse sequences (B, L, D) of another rank, batch, or length of keys and values.

    Args:
        name: the layer.
        sequences: ``{"query": ..., "key": ..., "value": ...}``.
    """
    for role, x in sequences.items():
        check_rank(f"{role} of {name}", x, 3, "(B, L, D)")
    shapes = {role: tuple(x.shape) for role, x in sequences.items()}
    batches = {shape[0] for shape in shapes.values()} - {None}
    lengths = {shapes[role][1] for role in ("key", "value")} - {None}
    if len(batches) > 1 or len(lengths) > 1:
        raise ValueError(
            f"Expected query, key and value of {name} with one batch size, and key and value with "
            f"one length, got the shapes {shapes}."
        )


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
        uses_padding_mask: False with a causal mask and padding on the right, which no token of a
            text sees: then the last token may be the padding id.

    Call arguments:
        inputs: ``[query, key, value, ...]``, each (B, L, D); further ones as the next two say.
        mask: list of padding masks (B, L) for the inputs; the third, of the values, hides keys.
        a_bias: if true the next input is an attention bias, (B, Lq, Lk) or (B, H, Lq, Lk):
            boolean hides (a causal mask), floating is added to the scaled scores.
        p_bias: None, or what the next input is: "typical_relative" (Lq, Lk, key_size)
            (arXiv:1803.02155), "t5_relative" (Lq, Lk, H) (arXiv:1910.10683), "rotary"
            (1 or B, L, key_size) (arXiv:2104.09864), "rotary_value" the same for values too.

    Returns:
        (B, Lq, out_dim), with the query's mask; with scores, also (B, H, Lq, Lk).
        A query that sees no key gets zeros.

    Raises:
        ValueError: ``heads`` is no multiple of ``key_value_heads``; "typical_relative" or
            "rotary_value" with a ``key_size`` other than ``head_size``; another ``p_bias``.

    Example:
        >>> import numpy as np
        >>> from bert4keras.layers import MultiHeadAttention
        >>> x = np.ones((2, 5, 8), "float32")
        >>> tuple(MultiHeadAttention(heads=2, head_size=4)([x, x, x]).shape)
        (2, 5, 8)
    """

    def __init__(
        self,
        heads: int,
        head_size: int,
        out_dim: int | None = None,
        key_size: int | None = None,
        use_bias: bool = True,
        normalization: str = "softmax",
        attention_scale: bool = True,
        attention_dropout: float | None = None,
        return_attention_scores: bool = False,
        kernel_initializer: Initializer = "glorot_uniform",
        key_value_heads: int | None = None,
        output_bias: bool | None = None,
        **kwargs: Any,
    ):
        for name, size in (("heads", heads), ("head_size", head_size)):
            check_size(f"{name} of {type(self).__name__}", size)
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
        self.out_dim: int = out_dim or heads * head_size
        self.return_attention_scores = return_attention_scores
        self.key_value_heads: int = key_value_heads or heads
        self.output_bias: bool = use_bias if output_bias is None else output_bias
        check_arguments(self, check_size, "heads", "head_size", "out_dim", "key_value_heads")
        check_arguments(self, check_boolean, "return_attention_scores", "output_bias")
        if heads % self.key_value_heads:
            raise ValueError(
                "Expected heads to be a multiple of key_value_heads, which they share, got "
                f"{heads} and {key_value_heads}."
            )

    def build(self, input_shape: Shape) -> None:
        self._check_count(input_shape)
        q_shape, k_shape, v_shape = input_shape[:3]
        o_shape = (*q_shape[:-1], self.heads * self.head_size)
        groups = self.key_value_heads
        self.q_dense: Any = inner_dense(self, "q_dense", self.heads * self.key_size, q_shape)
        self.k_dense: Any = inner_dense(self, "k_dense", groups * self.key_size, k_shape)
        self.v_dense: Any = inner_dense(self, "v_dense", groups * self.head_size, v_shape)
        self.o_dense: Any = inner_dense(self, "o_dense", self.out_dim, o_shape, self.output_bias)
        self.build_dropout()

    def _check_count(self, inputs, count=3):
        """Refuse fewer tensors or shapes than the layer takes, such as one tensor."""
        is_list = isinstance(inputs, list | tuple) and not isinstance(inputs[0], int | None)
        if not is_list or len(inputs) < count:
            names = ["query", "key", "value", "bias", "position"][:count]
            raise ValueError(
                f"Expected inputs of {self.name} to be a list [{', '.join(names)}], got "
                f"{f'{len(inputs)} tensors' if is_list else 'one tensor'}. "
                "Write attention([x, x, x]) for self-attention."
            )

    def _check_inputs(self, inputs, a_bias, p_bias):
        self._check_count(inputs, 3 + bool(a_bias) + bool(p_bias))
        check_sequences(self.name, dict(zip(("query", "key", "value"), inputs)))

    def position_bias(self, p_bias: str | None) -> PositionBias:
        """Return the position bias that ``p_bias`` names."""
        if (p_bias or None) not in POSITION_BIASES:
            raise ValueError(
                f"Expected p_bias of {self.name} to be one of {list(POSITION_BIASES)}, got "
                f"{p_bias!r}."
            )
        return POSITION_BIASES[p_bias or None]

    @backend.recompute_grad
    def call(
        self,
        inputs: list[Tensor],
        mask: list[Any] | None = None,
        a_bias: bool | None = None,
        p_bias: str | None = None,
    ) -> Any:
        return self._attend(inputs, mask, a_bias, p_bias)[0]

    def prefill(
        self,
        inputs: list[Tensor],
        mask: list[Any] | None = None,
        a_bias: bool | None = None,
        p_bias: str | None = None,
    ) -> tuple[Any, dict[str, Tensor]]:
        """Return the outputs for whole prompts, and the KV cache of them, (B, G, P, d)."""
        outputs, k, v = self._attend(inputs, mask, a_bias, p_bias)
        position = split_biases(inputs[3:], a_bias, p_bias)[1]
        return outputs, self._cache_entry(k, v, position, p_bias)

    def _attend(self, inputs, mask, a_bias, p_bias):
        """Return the outputs, and the keys and values before positions rotate them."""
        self._check_inputs(inputs, a_bias, p_bias)
        q, k, v, *biases = inputs
        q = self._split_heads(self.q_dense(q), self.key_size)
        k, v = self._keys_and_values(k, v)
        if self._is_plain(biases, a_bias, p_bias):
            o = self._attend_plainly([q, k, v, *biases], mask, a_bias, p_bias)
            return self._project_output(o, None), k, v
        o, scores = self.pay_attention_to([q, k, v, *biases], mask, a_bias=a_bias, p_bias=p_bias)
        return self._project_output(o, scores), k, v

    def _is_plain(self, biases, a_bias, p_bias):
        """True if the attention is a softmax over masked products, and no subclass changes it."""
        bias, _ = split_biases(biases, a_bias, p_bias)
        position_bias = type(self.position_bias(p_bias))
        hooks = ("pay_attention_to", "attention_weights", "scale")
        return (
            self.normalization == "softmax"
            and not self.return_attention_scores
            and self.key_value_heads == self.heads
            and (bias is None or is_boolean(bias))
            and position_bias.add_to_scores is PositionBias.add_to_scores
            and position_bias.add_to_output is PositionBias.add_to_output
            and all(getattr(type(self), x) is getattr(MultiHeadAttention, x) for x in hooks)
        )

    def _attend_plainly(self, inputs, mask, a_bias, p_bias):
        """Return what ``pay_attention_to`` returns first, in less time."""
        q, k, v, *biases = inputs
        bias, position = split_biases(biases, a_bias, p_bias)
        position_bias = self.position_bias(p_bias)
        position_bias.check_sizes(self.key_size, self.head_size)
        q, k = position_bias.rotate(position, q, k)
        if bias is not None and len(bias.shape) == 3:
            bias = ops.expand_dims(bias, 1)
        padding_mask = mask[2] if mask and self.uses_padding_mask else None
        visible = join_masks(4, padding_mask, [3], bias)
        dropout = self.dropout if self.attention_dropout else None
        v = position_bias.rotate_values(position, v)
        return attend(self.scale(q), k, v, visible, dropout)

    def step(
        self,
        context: Any,
        inputs: list[Tensor],
        a_bias: bool | None = None,
        p_bias: str | None = None,
    ) -> Any:
        """Return the outputs (R, 1, ...) for a new token of each row; see ``attend_to_cache``."""
        q, k, v, *biases = inputs
        bias, position = split_biases(biases, a_bias, p_bias)
        position_bias = self.position_bias(p_bias)
        (q,) = position_bias.rotate(position, self._split_heads(self.q_dense(q), self.key_size))
        if not context.is_cross_attention:
            k, v = self._keys_and_values(k, v)
            context.update_cache(self._cache_entry(k, v, position, p_bias))
        o, scores = self.attend_to_cache(q, context, bias, position, position_bias)
        return self._project_output(o, scores)

    def _keys_and_values(self, k, v):
        k = self._split_heads(self.k_dense(k), self.key_size)
        return k, self._split_heads(self.v_dense(v), self.head_size)

    def _cache_entry(self, k, v, position, p_bias):
        """Return keys and values as the KV cache stores them, (B, G, L, d), rotated."""
        position_bias = self.position_bias(p_bias)
        (k,) = position_bias.rotate(position, k)
        v = position_bias.rotate_values(position, v)
        return {"k": ops.swapaxes(k, 1, 2), "v": ops.swapaxes(v, 1, 2)}

    @property
    def can_step(self) -> bool:
        """True if a step gives the numbers of ``call``: no subclass attends in another way."""
        hooks = (type(self).pay_attention_to, type(self).position_bias)
        return hooks == (MultiHeadAttention.pay_attention_to, MultiHeadAttention.position_bias)

    @property
    def cache_shapes(self) -> dict[str, tuple[int, int]]:
        """Shapes (G, d) of a token's entries in the KV cache."""
        return {
            "k": (self.key_value_heads, self.key_size),
            "v": (self.key_value_heads, self.head_size),
        }

    def _project_output(self, o, scores):
        o = self.o_dense(ops.reshape(o, (*ops.shape(o)[:2], self.heads * self.head_size)))
        return [o, scores] if self.return_attention_scores else o

    def _split_heads(self, x, size):
        return ops.reshape(x, (*ops.shape(x)[:2], x.shape[-1] // size, size))

    def pay_attention_to(
        self,
        inputs: list[Tensor],
        mask: list[Any] | None = None,
        a_bias: bool | None = None,
        p_bias: str | None = None,
    ) -> tuple[Tensor, Tensor]:
        """Compute the attention itself; subclasses may replace it.

        Args:
            inputs: ``[q, k, v, ...]`` split into heads, (B, L, H, d), keys and values into
                ``key_value_heads``; then the biases.
            mask: as the layer takes it.
            a_bias: as the layer takes it.
            p_bias: as the layer takes it.

        Returns:
            Output (B, Lq, H, head_size) and scores (B, H, Lq, Lk).
        """
        q, k, v, *biases = inputs
        bias, position = split_biases(biases, a_bias, p_bias)
        position_bias = self.position_bias(p_bias)
        position_bias.check_sizes(self.key_size, self.head_size)
        q, k = position_bias.rotate(position, q, k)
        scores = position_bias.add_to_scores(_attention_scores(q, k), q, k, position)
        scores = self.scale(scores)
        if bias is not None and len(bias.shape) == 3:
            bias = ops.expand_dims(bias, 1)
        weights = self.attention_weights(scores, mask, bias)
        o = _weighted_values(weights, position_bias.rotate_values(position, v))
        return position_bias.add_to_output(o, weights, position), scores

    def compute_output_spec(
        self,
        inputs: list[Tensor],
        mask: list[Any] | None = None,
        a_bias: bool | None = None,
        p_bias: str | None = None,
    ) -> Any:
        self._check_inputs(inputs, a_bias, p_bias)
        q, k = inputs[:2]
        o = keras.KerasTensor((*q.shape[:-1], self.out_dim), dtype=self.compute_dtype)
        if not self.return_attention_scores:
            return o
        shape = (q.shape[0], self.heads, q.shape[1], k.shape[1])
        return [o, keras.KerasTensor(shape, dtype=self.compute_dtype)]

    def compute_mask(self, inputs: list[Tensor], mask: list[Any] | None = None) -> Any:
        q_mask = mask[0] if mask else None
        return [q_mask, None] if self.return_attention_scores else q_mask

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "heads": self.heads,
            "head_size": self.head_size,
            "out_dim": self.out_dim,
            "return_attention_scores": self.return_attention_scores,
            "key_value_heads": self.key_value_heads,
            "output_bias": self.output_bias,
        }
