"""Global pointers: scores of all spans of a text, for entities and other labelled spans."""

from typing import Any

import keras
import numpy as np
from keras import ops

from bert4keras import backend
from bert4keras.backend.types import Initializer, Shape, Tensor
from bert4keras.checks import check_arguments, check_boolean, check_size
from bert4keras.layers.base import Layer, inner_dense, register


@register
class GlobalPointer(Layer):
    """Global pointer: a score for every span and every type of entity (https://kexue.fm/archives/8373).

    A span from m to n scores q_m · k_n / sqrt(head_size), with queries, keys and rotary embedding
    of its type. Train with ``multilabel_categorical_crossentropy`` over the spans of each type;
    a span is predicted where its score is above 0.

    Args:
        heads: number of types H.
        head_size: features of a query and of a key, even with ``RoPE``.
        RoPE: rotary embedding (arXiv:2104.09864); without it scores ignore distances.
        use_bias: biases on the dense layers.
        tril_mask: hide spans that end before they start.
        kernel_initializer: initializer of the kernels.

    Call arguments:
        inputs: (B, L, D).
        mask: padding mask (B, L), true where visible.

    Returns:
        Scores (B, H, L, L) of starts and ends, -inf where hidden; without a mask.

    Raises:
        ValueError: an odd ``head_size`` with ``RoPE``.

    Example:
        >>> import numpy as np
        >>> from bert4keras.layers import GlobalPointer
        >>> tuple(GlobalPointer(heads=3, head_size=4)(np.ones((2, 5, 8), "float32")).shape)
        (2, 3, 5, 5)
    """

    def __init__(
        self,
        heads: int,
        head_size: int,
        RoPE: bool = True,
        use_bias: bool = True,
        tril_mask: bool = True,
        kernel_initializer: Initializer = "lecun_normal",
        **kwargs: Any,
    ):
        super().__init__(**kwargs)
        self.heads = heads
        self.head_size = head_size
        self.RoPE = RoPE
        self.use_bias = use_bias
        self.tril_mask = tril_mask
        self.kernel_initializer: Any = keras.initializers.get(kernel_initializer)
        check_arguments(self, check_size, "heads", "head_size")
        check_arguments(self, check_boolean, "RoPE", "use_bias", "tril_mask")
        if RoPE and head_size % 2:
            raise ValueError(
                f"Expected an even head_size, as RoPE rotates pairs of features, got {head_size}. "
                "Choose an even one, or RoPE=False."
            )

    def build(self, input_shape: Shape) -> None:
        self.dense: Any = inner_dense(self, "dense", 2 * self.heads * self.head_size, input_shape)

    @backend.recompute_grad
    def call(self, inputs: Tensor, mask: Tensor | None = None) -> Tensor:
        positions = ops.arange(ops.shape(inputs)[1], dtype="int32")
        forward = positions[:, None] <= positions[None, :] if self.tril_mask else None
        scores = self._scores(inputs, positions)
        return backend.sequence_masking(scores, mask, -np.inf, [2, 3], forward)

    def _scores(self, inputs, positions):
        """Return scores (B, H, L, L) before masks, for positions (L,)."""
        x = self.dense(inputs)
        x = ops.reshape(x, (*ops.shape(x)[:2], self.heads, 2 * self.head_size))
        q, k = self._rotate(positions, x[..., : self.head_size], x[..., self.head_size :])
        return ops.einsum("bqhd,bkhd->bhqk", q, k) / self.head_size**0.5

    def _rotate(self, positions, q, k):
        if not self.RoPE:
            return q, k
        table = backend.sinusoidal_embeddings(positions[None], self.head_size)
        return backend.apply_rotary_position_embeddings(table, q, k)

    def compute_output_spec(self, inputs: Tensor, mask: Tensor | None = None) -> keras.KerasTensor:
        batch, length = inputs.shape[:2]
        return keras.KerasTensor((batch, self.heads, length, length), dtype=self.compute_dtype)

    def compute_mask(self, inputs: Tensor, mask: Any = None) -> None:
        return None

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "heads": self.heads,
            "head_size": self.head_size,
            "RoPE": self.RoPE,
            "use_bias": self.use_bias,
            "tril_mask": self.tril_mask,
            "kernel_initializer": keras.initializers.serialize(self.kernel_initializer),
        }


@register
class EfficientGlobalPointer(GlobalPointer):
    """Global pointer whose types share queries and keys (https://kexue.fm/archives/8877).

    The shared score finds entities; each type adds a score of the start and one of the end, linear
    in their queries and keys. Arguments, inputs and outputs are those of
    ``GlobalPointer``.
    """

    def build(self, input_shape: Shape) -> None:
        self.p_dense: Any = inner_dense(self, "p_dense", 2 * self.head_size, input_shape)
        shape = (*input_shape[:-1], 2 * self.head_size)
        self.q_dense: Any = inner_dense(self, "q_dense", 2 * self.heads, shape)

    def _scores(self, inputs, positions):
        x = self.p_dense(inputs)
        q, k = self._rotate(positions, x[..., ::2], x[..., 1::2])
        spans = ops.einsum("bqd,bkd->bqk", q, k) / self.head_size**0.5
        types = ops.transpose(self.q_dense(x), (0, 2, 1)) / 2  # (B, 2H, L)
        starts, ends = types[:, 1::2, :, None], types[:, ::2, None, :]
        return spans[:, None] + starts + ends
