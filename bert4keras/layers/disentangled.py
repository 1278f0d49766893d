"""Attention that keeps content and position apart, as DeBERTa does."""

import keras
import numpy as np
from keras import ops

from bert4keras.layers.attention import MultiHeadAttention
from bert4keras.layers.base import inner_dense, register
from bert4keras.layers.relative import DistanceTable

TERMS = ("c2p", "p2c")


@register
class DistanceEmbedding(DistanceTable):
    """A learnt vector for each bucket of distances, handed on as a whole table.

    Args:
        input_dim: number of vectors n.
        output_dim: size D of a vector.
        embeddings_initializer: "zeros" by default.

    Call arguments:
        inputs: any tensor of the model; it only says which graph the table belongs to.

    Returns:
        (1, n, D), without a mask.
    """

    def call(self, inputs):
        return ops.expand_dims(ops.cast(self.embeddings, self.compute_dtype), 0)

    def compute_output_spec(self, inputs):
        return keras.KerasTensor((1, self.input_dim, self.output_dim), dtype=self.compute_dtype)

    def compute_mask(self, inputs, mask=None):
        return None


@register
class DisentangledAttention(MultiHeadAttention):
    """Multi-head attention whose scores also compare content with distances (arXiv:2006.03654).

    With vectors of content Q, K and of distances Q', K', and the distance d from query to key, the
    score is Q[q] K[k] + Q[q] K'[d] + K[k] Q'[d], over sqrt(3 key_size). Distances fall in buckets:
    the nearer half of them hold one distance each, the others grow by a constant factor
    (arXiv:2111.09543).

    Args:
        heads, head_size, *args, **kwargs: as for ``MultiHeadAttention``, but for heads in groups.
        position_buckets: number n of buckets on either side, even; 0 or less for one bucket for
            each distance, so that n is ``max_distance``.
        max_distance: from this distance on all are in the last bucket.
        terms: which of "c2p", content to position, and "p2c", position to content, there are.
        share_projections: distances are projected by the kernels of queries and keys; otherwise by
            kernels of their own, which come last among the weights.

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
        heads,
        head_size,
        *args,
        position_buckets=256,
        max_distance=512,
        terms=TERMS,
        share_projections=True,
        **kwargs,
    ):
        super().__init__(heads, head_size, *args, **kwargs)
        self.position_buckets = position_buckets
        self.max_distance = max_distance
        self.terms = tuple(terms)
        self.share_projections = share_projections
        self._check()

    def _check(self):
        unknown = [term for term in self.terms if term not in TERMS]
        if unknown:
            raise ValueError(f"terms must be of {', '.join(TERMS)}, got {', '.join(unknown)}")
        if self.position_buckets > 0 and (
            self.position_buckets % 2 or self.position_buckets // 2 >= self.max_distance - 1
        ):
            raise ValueError(
                "position_buckets must be even, and half of them fewer than max_distance - 1, got "
                f"{self.position_buckets} and max_distance={self.max_distance}. Give 0 for a "
                "bucket for each distance."
            )

    @property
    def span(self):
        """Number n of buckets on either side."""
        return self.position_buckets if self.position_buckets > 0 else self.max_distance

    def build(self, input_shape):
        super().build(input_shape)
        if self.share_projections:
            return
        units, shape = self.heads * self.key_size, input_shape[-1]
        if "c2p" in self.terms:
            self.position_k_dense = inner_dense(self, "position_k_dense", units, shape)
        if "p2c" in self.terms:
            self.position_q_dense = inner_dense(self, "position_q_dense", units, shape)

    def score(self, q, k, position=None, p_bias=None):
        """Scores (B, H, Lq, Lk), not yet scaled: content to content, and the terms."""
        if p_bias != "disentangled":
            raise ValueError(
                f"{self.name} needs the vectors of distances: give them as the last input, and "
                f"p_bias='disentangled'; got p_bias={p_bias!r}"
            )
        scores = super().score(q, k)
        q_ids, k_ids = (ops.arange(ops.shape(x)[1], dtype="int32") for x in (q, k))
        q_ids, k_ids = ops.expand_dims(q_ids, 1), ops.expand_dims(k_ids, 0)
        rows = self._rows(q_ids - k_ids)  # (Lq, Lk)
        if "c2p" in self.terms:
            keys = self._project(position, "k_dense")
            scores = scores + self._compare(q, keys, q_ids, rows)
        if "p2c" in self.terms:
            queries = self._project(position, "q_dense")
            scores = scores + self._compare(k, queries, k_ids, rows)
        return scores

    def _project(self, position, dense):
        """Vectors of distances (2n, H, key_size)."""
        dense = getattr(self, dense if self.share_projections else f"position_{dense}")
        return self._split_heads(dense(position), self.key_size)[0]

    def _compare(self, x, distances, ids, rows):
        """Products (B, H, Lq, Lk) of x at ``ids`` (1, Lk) or (Lq, 1) with distances at ``rows``."""
        products = ops.einsum("blhd,nhd->lnbh", x, distances)
        length, n, *others = ops.shape(products)
        products = ops.reshape(products, (length * n, *others))
        chosen = ops.take(products, ids * n + rows, axis=0)  # (Lq, Lk, B, H)
        return ops.transpose(chosen, (2, 3, 0, 1))

    def _rows(self, distances):
        """Rows of the table for distances, negative ones in its first half."""
        buckets = ops.convert_to_tensor(self._buckets())
        buckets = ops.take(buckets, ops.minimum(ops.abs(distances), self.max_distance), axis=0)
        return ops.clip(self.span + ops.sign(distances) * buckets, 0, 2 * self.span - 1)

    def _buckets(self):
        """The bucket of each distance from 0 to max_distance; the last holds all beyond."""
        n, exact = np.arange(self.max_distance + 1), self.position_buckets // 2
        if self.position_buckets <= 0:
            return n.astype("int32")
        octaves = np.log(np.maximum(n, exact) / exact) / np.log((self.max_distance - 1) / exact)
        # an exact power must not rise above its bucket by rounding
        far = exact + np.ceil(octaves * (exact - 1) - 1e-6)
        return np.where(n <= exact, n, far).astype("int32")

    def scale(self, scores):
        """Scores on the scale of one product, whatever the number of terms."""
        return super().scale(scores) / (1 + len(self.terms)) ** 0.5

    def get_config(self):
        return {
            **super().get_config(),
            "position_buckets": self.position_buckets,
            "max_distance": self.max_distance,
            "terms": self.terms,
            "share_projections": self.share_projections,
        }
