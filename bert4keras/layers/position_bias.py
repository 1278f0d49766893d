"""Position biases of attention: relative positions and rotary embedding, by the name ``p_bias``.

``MultiHeadAttention`` asks one of these objects wherever positions touch its computation: rotate
queries, keys and values, add to the scores, add to the output. Letters as in ``attention``.
"""

from keras import ops

from bert4keras.backend import apply_rotary_position_embeddings
from bert4keras.backend.types import Tensor


class PositionBias:
    """Position bias of attention that changes nothing: base of the others, and ``p_bias=None``.

    The argument ``position`` is the input that ``p_bias`` announces. For whole sequences it is
    (Lq, Lk, ...); in a decoding step it is (B, K, ...), of a new token to the K keys of the cache.
    """

    def check_sizes(self, key_size: int, head_size: int) -> None:
        """Raise a ValueError if heads of these sizes cannot have the bias."""

    def rotate(self, position: Tensor, *tensors: Tensor) -> list[Tensor]:
        """Rotate queries or keys (B, L, H, d)."""
        return list(tensors)

    def rotate_values(self, position: Tensor, v: Tensor) -> Tensor:
        """Rotate values (B, L, H, d)."""
        return v

    def add_to_scores(self, scores: Tensor, q: Tensor, k: Tensor, position: Tensor) -> Tensor:
        """Add to scores (B, H, Lq, Lk), not yet scaled."""
        return scores

    def add_to_output(self, o: Tensor, weights: Tensor, position: Tensor) -> Tensor:
        """Add to the output (B, Lq, H, d), by weights (B, H, Lq, Lk)."""
        return o

    def add_to_step_scores(self, scores: Tensor, q: Tensor, position: Tensor) -> Tensor:
        """Add to the scores (B, H, N, K) of new tokens, by their queries (B, N, H, d)."""
        return scores

    def add_to_step_output(self, o: Tensor, weights: Tensor, position: Tensor) -> Tensor:
        """Add to the output (B, N, H, d) of new tokens, by weights (B, H, N, K)."""
        return o


class TypicalRelative(PositionBias):
    """Relative positions on keys and values (Shaw et al., arXiv:1803.02155): (Lq, Lk, d)."""

    def check_sizes(self, key_size: int, head_size: int) -> None:
        _check_equal_sizes("typical_relative", key_size, head_size)

    def add_to_scores(self, scores: Tensor, q: Tensor, k: Tensor, position: Tensor) -> Tensor:
        return scores + ops.einsum("bqhd,qkd->bhqk", q, position)

    def add_to_output(self, o: Tensor, weights: Tensor, position: Tensor) -> Tensor:
        return o + ops.einsum("bhqk,qkd->bqhd", weights, position)

    def add_to_step_scores(self, scores: Tensor, q: Tensor, position: Tensor) -> Tensor:
        return scores + ops.einsum("bqhd,bkd->bhqk", q, position)

    def add_to_step_output(self, o: Tensor, weights: Tensor, position: Tensor) -> Tensor:
        return o + ops.einsum("bhqk,bkd->bqhd", weights, position)


class T5Relative(PositionBias):
    """Relative positions as one number for each head (T5, arXiv:1910.10683): (Lq, Lk, H)."""

    def add_to_scores(self, scores: Tensor, q: Tensor, k: Tensor, position: Tensor) -> Tensor:
        return scores + ops.expand_dims(ops.transpose(position, (2, 0, 1)), 0)

    def add_to_step_scores(self, scores: Tensor, q: Tensor, position: Tensor) -> Tensor:
        return scores + ops.transpose(position, (0, 2, 1))[:, :, None]


class Rotary(PositionBias):
    """Rotary embedding of queries and keys (arXiv:2104.09864): (1 or B, L, d).

    Keys are rotated before they enter the KV cache, so a step rotates only the new token.
    """

    def rotate(self, position: Tensor, *tensors: Tensor) -> list[Tensor]:
        lengths = [x.shape[1] for x in tensors]
        if len(set(lengths)) > 1:
            raise ValueError(
                "Expected queries and keys of one length, as rotary positions are those of one "
                f"sequence, got {lengths}. Use another p_bias between two sequences."
            )
        return [apply_rotary_position_embeddings(position, x) for x in tensors]


class RotaryValue(Rotary):
    """Rotary embedding of queries, keys and values."""

    def check_sizes(self, key_size: int, head_size: int) -> None:
        _check_equal_sizes("rotary_value", key_size, head_size)

    def rotate_values(self, position: Tensor, v: Tensor) -> Tensor:
        return self.rotate(position, v)[0]


def _check_equal_sizes(p_bias, key_size, head_size):
    if key_size != head_size:
        raise ValueError(
            f"Expected key_size equal to head_size, as p_bias={p_bias!r} changes keys and values "
            f"alike, got {key_size} and {head_size}."
        )


POSITION_BIASES: dict[str | None, PositionBias] = {
    None: PositionBias(),
    "typical_relative": TypicalRelative(),
    "t5_relative": T5Relative(),
    "rotary": Rotary(),
    "rotary_value": RotaryValue(),
}
