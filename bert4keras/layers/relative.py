"""Relative position embeddings: vectors for the distance between two tokens."""

from typing import Any

import keras
import numpy as np
from keras import ops

from bert4keras.backend.types import Initializer, Shape, Tensor
from bert4keras.checks import check_arguments, check_boolean, check_size
from bert4keras.layers.base import Layer, register
from bert4keras.layers.position import get_initializer


class RelativeEmbeddingTable(Layer):
    """Table of learnt vectors for distances, or buckets of distances: base of the layers here.

    Args:
        input_dim: number of vectors.
        output_dim: size of a vector.
        embeddings_initializer: "zeros" by default.
    """

    def __init__(
        self,
        input_dim: int,
        output_dim: int,
        embeddings_initializer: Initializer = "zeros",
        **kwargs: Any,
    ):
        super().__init__(**kwargs)
        self.input_dim = input_dim
        self.output_dim = output_dim
        self.embeddings_initializer: Any = get_initializer(embeddings_initializer)
        self.autocast = False  # the inputs may be ids
        check_arguments(self, check_size, "input_dim", "output_dim")

    def build(self, input_shape: Shape) -> None:
        self.embeddings: Any = self.add_weight(
            shape=(self.input_dim, self.output_dim),
            initializer=self.embeddings_initializer,
            name="embeddings",
        )

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "input_dim": self.input_dim,
            "output_dim": self.output_dim,
            "embeddings_initializer": keras.initializers.serialize(self.embeddings_initializer),
        }


@register
class RelativePositionEmbedding(RelativeEmbeddingTable):
    """Relative position embedding: a vector for each distance (Shaw et al., arXiv:1803.02155).

    The distance from query i to key j is j - i, clipped to (input_dim - 1) // 2 on either side.

    Args:
        input_dim: number of vectors, odd, for as many distances on either side.
        output_dim: size of a vector.
        embeddings_initializer: "zeros" by default.

    Call arguments:
        inputs: ``[query, key]``, (B, Lq, ...) and (B, Lk, ...); only their lengths count.

    Returns:
        (Lq, Lk, output_dim), as ``p_bias="typical_relative"`` of ``MultiHeadAttention`` takes it.
        The mask of the query passes.

    Example:
        >>> import numpy as np
        >>> from bert4keras.layers import RelativePositionEmbedding
        >>> x = np.ones((2, 5, 8), "float32")
        >>> tuple(RelativePositionEmbedding(7, 4)([x, x]).shape)
        (5, 5, 4)
    """

    def call(self, inputs: list[Tensor]) -> Tensor:
        q, k = (ops.arange(ops.shape(x)[1], dtype="int32") for x in inputs)
        table = ops.cast(self.embeddings, self.compute_dtype)
        return ops.take(table, self._table_rows(k[None, :] - q[:, None]), axis=0)

    def step(self, context: Any, inputs: list[Tensor]) -> Tensor:
        """Return vectors (B, K, output_dim) of distances from a new token to the KV cache."""
        length = ops.shape(inputs[1])[1] if context.is_cross_attention else None
        table = ops.cast(self.embeddings, self.compute_dtype)
        return ops.take(table, self._table_rows(context.relative_positions(length)), axis=0)

    def _table_rows(self, distances):
        """Return rows of the table for distances (Lq, Lk)."""
        farthest = (self.input_dim - 1) // 2
        return ops.clip(distances, -farthest, farthest) + farthest

    def compute_output_spec(self, inputs: list[Tensor]) -> keras.KerasTensor:
        q, k = inputs
        shape = (q.shape[1], k.shape[1], self.output_dim)
        return keras.KerasTensor(shape, dtype=self.compute_dtype)

    def compute_mask(self, inputs: list[Tensor], mask: Any = None) -> Any:
        return mask[0] if mask else None


@register
class RelativePositionEmbeddingT5(RelativePositionEmbedding):
    """Relative position bias of T5: a number for each bucket of distances (arXiv:1910.10683).

    The nearer half of the buckets hold one distance each. The others grow by a constant factor up
    to ``max_distance``; the last holds all greater distances.

    Args:
        input_dim: number of buckets n.
        output_dim: number of heads H.
        max_distance: where the last bucket ends.
        bidirectional: n/2 buckets for earlier keys (and the token itself), n/2 for later ones;
            otherwise all n for earlier keys.
        embeddings_initializer: "zeros" by default.

    Call arguments:
        inputs: ``[query, key]``, (B, Lq, ...) and (B, Lk, ...); only their lengths count.

    Returns:
        (Lq, Lk, H), as ``p_bias="t5_relative"`` of ``MultiHeadAttention`` takes it.
        The mask of the query passes.

    Raises:
        ValueError: too few buckets, or none left for the far half.
    """

    def __init__(
        self,
        input_dim: int,
        output_dim: int,
        max_distance: int = 128,
        bidirectional: bool = True,
        embeddings_initializer: Initializer = "zeros",
        **kwargs: Any,
    ):
        super().__init__(input_dim, output_dim, embeddings_initializer, **kwargs)
        self.max_distance = max_distance
        self.bidirectional = bidirectional
        check_arguments(self, check_size, "max_distance")
        check_arguments(self, check_boolean, "bidirectional")
        self._side = input_dim // 2 if bidirectional else input_dim
        if not 0 < self._side // 2 < max_distance:
            raise ValueError(
                "Expected from 1 to max_distance - 1 buckets that hold one distance each, half of "
                f"those of a side; got {self._side // 2}, as input_dim={input_dim} with "
                f"bidirectional={bidirectional}, and max_distance={max_distance}. Change either."
            )

    def _buckets(self):
        """Return the bucket of each distance from 0 to max_distance."""
        exact = self._side // 2
        n = np.arange(self.max_distance + 1)
        octaves = np.log(np.maximum(n, exact) / exact) / np.log(self.max_distance / exact)
        # an exact power must not fall below its bucket by rounding
        far = exact + np.floor(octaves * (self._side - exact) + 1e-6).astype("int32")
        return np.where(n < exact, n, np.minimum(far, self._side - 1)).astype("int32")

    def _table_rows(self, distances):
        buckets = ops.convert_to_tensor(self._buckets())
        before = ops.take(buckets, ops.clip(-distances, 0, self.max_distance), axis=0)
        if not self.bidirectional:
            return before
        after = ops.take(buckets, ops.clip(distances, 0, self.max_distance), axis=0)
        return ops.where(distances > 0, after + self._side, before)

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "max_distance": self.max_distance,
            "bidirectional": self.bidirectional,
        }
