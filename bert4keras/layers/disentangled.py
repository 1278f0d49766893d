"""Disentangled attention of DeBERTa: content and position have vectors of their own."""

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
from keras import ops

from bert4keras.backend.types import Shape, Tensor
from bert4keras.checks import (
    check_arguments,
    check_boolean,
    check_integer,
    check_size,
    check_strings,
)
from bert4keras.layers.attention import MultiHeadAttention
from bert4keras.layers.base import inner_dense, register
from bert4keras.layers.position_bias import PositionBias
from bert4keras.layers.relative import RelativeEmbeddingTable

_TERMS = ("c2p", "p2c")


@register
class DistanceEmbedding(RelativeEmbeddingTable):
    """Distance embedding, as a whole table: a learnt vector for each bucket of distances.

    Args:
        input_dim: number of vectors n.
        output_dim: size D of a vector.
        embeddings_initializer: "zeros" by default.

    Call arguments:
        inputs: any tensor of the model, which puts the table into its graph.

    Returns:
        (1, n, D), without a mask.
    """

    def call(self, inputs: Tensor) -> Tensor:
        return ops.expand_dims(ops.cast(self.embeddings, self.compute_dtype), 0)

    def compute_output_spec(self, inputs: Tensor) -> keras.KerasTensor:
        return keras.KerasTensor((1, self.input_dim, self.output_dim), dtype=self.compute_dtype)

    def compute_mask(self, inputs: Tensor, mask: Any = None) -> None:
        return None


class Disentangled(PositionBias):
    """Position bias of DeBERTa: content to position and position to content (arXiv:2006.03654).

    Args:
        layer: the ``DisentangledAttention`` whose projections and buckets it uses.
    """

    def __init__(self, layer: Any):
        self.layer = layer

    def add_to_scores(self, scores: Tensor, q: Tensor, k: Tensor, position: Tensor) -> Tensor:
        """Add the terms to scores (B, H, Lq, Lk); ``position`` is the table (1, 2n, D)."""
        q_ids, k_ids = (ops.arange(ops.shape(x)[1], dtype="int32") for x in (q, k))
        q_ids, k_ids = ops.expand_dims(q_ids, 1), ops.expand_dims(k_ids, 0)
        rows = self._table_rows(q_ids - k_ids)  # (Lq, Lk)
        if "c2p" in self.layer.terms:
            keys = self.layer.project_distances(position, "k_dense")
            scores = scores + self._compare(q, keys, q_ids, rows)
        if "p2c" in self.layer.terms:
            queries = self.layer.project_distances(position, "q_dense")
            scores = scores + self._compare(k, queries, k_ids, rows)
        return scores

    def _compare(self, x, distances, ids, rows):
        """Multiply x at ``ids`` (1, Lk) or (Lq, 1) and distances at ``rows``: (B, H, Lq, Lk)."""
        products = ops.einsum("blhd,nhd->lnbh", x, distances)
        length, n, b, h = ops.shape(products)
        products = ops.reshape(products, (length * n, b, h))
        # one gather of whole (B, H) entries; take_along_axis would need an index for each of them
        pairs = ops.take(products, ids * n + rows, axis=0)  # (Lq, Lk, B, H)
        return ops.transpose(pairs, (2, 3, 0, 1))

    def _table_rows(self, distances):
        """Return rows of the table for distances, negative ones in its first half."""
        layer = self.layer
        buckets = ops.convert_to_tensor(self._buckets())
        buckets = ops.take(buckets, ops.minimum(ops.abs(distances), layer.max_distance), axis=0)
        return ops.clip(layer.span + ops.sign(distances) * buckets, 0, 2 * layer.span - 1)

    def _buckets(self):
        """Return the bucket of each distance from 0 to max_distance; the last holds the others."""
        limit, count = self.layer.max_distance, self.layer.position_buckets
        n, exact = np.arange(limit + 1), count // 2
        if count <= 0:
            return n.astype("int32")
        octaves = np.log(np.maximum(n, exact) / exact) / np.log((limit - 1) / exact)
        # an exact power must not rise above its bucket by rounding
        far = exact + np.ceil(octaves * (exact - 1) - 1e-6)
        return np.where(n <= exact, n, far).astype("int32")


@register
class DisentangledAttention(MultiHeadAttention):
    """Multi-head attention whose scores also compare content with distances (arXiv:2006.03654).

    With vectors of content Q, K and of distances Q', K', and the distance d from query to key, the
    score is Q[q] K[k] + Q[q] K'[d] + K[k] Q'[d], over sqrt(3 key_size). Distances fall in buckets:
    the nearer half of them hold one distance each, the others grow by a constant factor
    (arXiv:2111.09543).

    Args:
        heads: number of heads.
        head_size: features of a head's values.
        *args: as for ``MultiHeadAttention``.
        **kwargs: as for ``MultiHeadAttention``, without ``key_value_heads``.
        position_buckets: number n of buckets on either side, even; 0 or less for one bucket for
            each distance, so that n is ``max_distance``.
        max_distance: from this distance on all are in the last bucket.
        terms: which of "c2p", content to position, and "p2c", position to content, to add.
        share_projections: project distances by the kernels of queries and keys; otherwise by
            separate kernels, the last of the weights.

    Call arguments:
        inputs: ``[query, key, value, bias if any, distances]``, the last (1, 2n, D).
        mask, a_bias: as for ``MultiHeadAttention``.
        p_bias: "disentangled".

    Returns:
        (B, Lq, out_dim), with the query's mask. A query that sees no key gets zeros.

    Raises:
        ValueError: unknown terms, buckets that cannot grow, no distances.

    Example:
        >>> import numpy as np
        >>> from bert4keras.layers import DisentangledAttention
        >>> x, distances = np.ones((2, 5, 8), "float32"), np.ones((1, 8, 8), "float32")
        >>> layer = DisentangledAttention(heads=2, head_size=4, position_buckets=4, max_distance=9)
        >>> tuple(layer([x, x, x, distances], p_bias="disentangled").shape)
        (2, 5, 8)
    """

    def __init__(
        self,
        heads: int,
        head_size: int,
        *args: Any,
        position_buckets: int = 256,
        max_distance: int = 512,
        terms: Sequence[str] = _TERMS,
        share_projections: bool = True,
        **kwargs: Any,
    ):
        super().__init__(heads, head_size, *args, **kwargs)
        self.position_buckets = position_buckets
        self.max_distance = max_distance
        self.terms: tuple[str, ...] = tuple(check_strings(f"terms of {type(self).__name__}", terms))
        self.share_projections = share_projections
        check_arguments(self, check_integer, "position_buckets")
        check_arguments(self, check_size, "max_distance")
        check_arguments(self, check_boolean, "share_projections")
        self._check_buckets()

    def _check_buckets(self):
        unknown = [term for term in self.terms if term not in _TERMS]
        if unknown:
            raise ValueError(f"Expected terms of {', '.join(_TERMS)}, got {', '.join(unknown)}.")
        if self.position_buckets > 0 and (
            self.position_buckets % 2 or self.position_buckets // 2 >= self.max_distance - 1
        ):
            raise ValueError(
                "Expected an even number of position_buckets, half of it below max_distance - 1, "
                f"got {self.position_buckets} and max_distance={self.max_distance}. Give 0 for a "
                "bucket for each distance."
            )

    @property
    def span(self) -> int:
        """Number n of buckets on either side."""
        return self.position_buckets if self.position_buckets > 0 else self.max_distance

    def build(self, input_shape: Shape) -> None:
        super().build(input_shape)
        if self.share_projections:
            return
        units, shape = self.heads * self.key_size, input_shape[-1]
        if "c2p" in self.terms:
            self.position_k_dense: Any = inner_dense(self, "position_k_dense", units, shape)
        if "p2c" in self.terms:
            self.position_q_dense: Any = inner_dense(self, "position_q_dense", units, shape)

    def position_bias(self, p_bias: str | None) -> PositionBias:
        if p_bias != "disentangled":
            raise ValueError(
                f"Expected p_bias='disentangled', and the vectors of distances as the last input "
                f"of {self.name}; got p_bias={p_bias!r}."
            )
        return Disentangled(self)

    def project_distances(self, position: Tensor, dense: str) -> Tensor:
        """Project vectors of distances (1, 2n, D) to (2n, H, key_size) by a dense layer."""
        layer = getattr(self, dense if self.share_projections else f"position_{dense}")
        return self._split_heads(layer(position), self.key_size)[0]

    def scale(self, scores: Tensor) -> Tensor:
        """Divide the sum of the terms, so that scores have the scale of one product."""
        return super().scale(scores) / (1 + len(self.terms)) ** 0.5

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "position_buckets": self.position_buckets,
            "max_distance": self.max_distance,
            "terms": self.terms,
            "share_projections": self.share_projections,
        }
