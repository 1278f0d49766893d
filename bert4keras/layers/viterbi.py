"""Viterbi decoding: the best label paths (IEEE Trans. Inf. Theory 13(2), 1967).

The recursion over positions also serves the CRF, which sums where Viterbi maximises.
"""

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np
from keras import ops

from bert4keras.backend.types import ArrayLike, NDArray, Tensor
from bert4keras.checks import check_rank

NOT_STARTED = -1e30  # score of every label before the first visible position
_FORBIDDEN = -1e12  # finite, for finite gradients; far above NOT_STARTED however often added


def visible_scores(scores: Tensor) -> tuple[Tensor, Tensor]:
    """Return label scores in float32, finite, 0 where hidden; and the padding mask (B, L).

    A position is padding if the scores (B, L, n) of all its labels are -inf.
    """
    scores = ops.cast(scores, "float32")
    visible = ops.any(ops.not_equal(scores, -np.inf), axis=-1)
    return ops.where(visible[..., None], ops.maximum(scores, _FORBIDDEN), 0.0), visible


def append_mask(scores: Tensor, visible: Tensor) -> Tensor:
    """Append the padding mask to scores (B, L, n) as a last column: 1 where visible, else 0."""
    column = ops.expand_dims(ops.cast(visible, scores.dtype), -1)
    return ops.concatenate([scores, column], axis=-1)


def has_started(state: Tensor) -> Tensor:
    """Return (B, 1) from a state (B, n): true after the first visible position."""
    return ops.max(state, axis=-1, keepdims=True) > NOT_STARTED / 2


def extend_paths(
    state: Tensor, position: Tensor, trans: Tensor, combine: Callable[..., Any], start: Any = 0.0
) -> Tensor:
    """Extend the paths by one position.

    Args:
        state: (B, n), the combined score of the paths to each label; ``NOT_STARTED`` at first.
        position: (B, n + 1), the scores of the labels, with the mask appended; where hidden, the
            state stays.
        trans: (n, n), the score of label j after label i.
        combine: ``ops.logsumexp`` for the sum over paths, ``ops.max`` for the best of them.
        start: added to the scores of the first visible position.

    Returns:
        The next state, (B, n).
    """
    arrival = combine(ops.expand_dims(state, 2) + trans, axis=1)
    scores = position[:, :-1] + ops.where(has_started(state), arrival, start)
    return ops.where(position[:, -1:] > 0, scores, state)


def scan_positions(
    step: Callable[..., Any], init: Tensor, sequence: Tensor, reverse: bool = False
) -> tuple[Tensor, Tensor]:
    """Loop ``step(carry, position) -> carry`` over axis 1 of one tensor.

    Returns:
        The last carry (B, ...) and all of them (B, L, ...), in the order of the positions.
    """

    def body(carry, position):
        carry = step(carry, position)
        return carry, carry

    last, carries = ops.scan(body, init, ops.swapaxes(sequence, 0, 1), reverse=reverse)
    return last, ops.swapaxes(carries, 0, 1)


def init_paths(scores: Tensor) -> Tensor:
    """Return the state (B, n) before the first position of scores (B, L, n)."""
    return ops.full((ops.shape(scores)[0], scores.shape[-1]), NOT_STARTED, dtype="float32")


def viterbi_decode(
    nodes: Tensor,
    trans: Tensor,
    mask: Tensor | None = None,
    starts: Iterable[int] | None = None,
    ends: Iterable[int] | None = None,
) -> Tensor:
    """Return the best label path of each row, on tensors of the backend, compiled or not.

    Outside compiled code ``ViterbiDecoder.decode_batch`` is faster: JAX would compile this function
    at each call.

    Args:
        nodes: (B, L, n), L > 0, scores of labels.
        trans: (n, n), the score of label j after label i.
        mask: padding mask (B, L), true where visible; by default the positions with a score above
            -inf.
        starts: labels that a path may start with; None for all.
        ends: labels that a path may end with; None for all.

    Returns:
        (B, L) int32 labels. Hidden positions are skipped, and get 0.

    Raises:
        ValueError: a label in ``starts`` or ``ends`` that is not below n.

    Example:
        >>> import numpy as np
        >>> from keras import ops
        >>> from bert4keras.layers import viterbi_decode
        >>> nodes = np.array([[[2.0, 0.0], [0.0, 1.0], [-np.inf, -np.inf]]], "float32")
        >>> trans = np.array([[0.0, -5.0], [0.0, 0.0]], "float32")
        >>> ops.convert_to_numpy(viterbi_decode(nodes, trans)).tolist()
        [[0, 0, 0]]
        >>> ops.convert_to_numpy(viterbi_decode(nodes, trans, ends=[1])).tolist()
        [[1, 1, 0]]
    """
    nodes = check_rank("nodes", ops.convert_to_tensor(nodes), 3, "(B, L, n)")
    _check_transitions(ops.convert_to_tensor(trans).shape, nodes.shape[-1])
    scores, visible = visible_scores(nodes)
    visible = visible if mask is None else ops.cast(mask, "bool")
    trans = ops.maximum(ops.cast(trans, "float32"), _FORBIDDEN)
    start, end = (
        ops.convert_to_tensor(_allowance(labels, scores.shape[-1], _FORBIDDEN), "float32")
        for labels in (starts, ends)
    )

    def forward(state, position):
        return extend_paths(state, position, trans, ops.max, start)

    def backward(following, position):
        onward = ops.take(ops.transpose(trans), ops.maximum(following, 0), axis=0)
        onward = ops.where(ops.expand_dims(following, 1) < 0, end, onward)
        best = ops.cast(ops.argmax(position[:, :-1] + onward, axis=1), "int32")
        return ops.where(position[:, -1] > 0, best, following)

    _, states = scan_positions(forward, init_paths(scores), append_mask(scores, visible))
    nothing = ops.full((ops.shape(scores)[0],), -1, dtype="int32")
    _, labels = scan_positions(backward, nothing, append_mask(states, visible), reverse=True)
    return ops.where(visible, labels, 0)


def _check_transitions(shape, n):
    """Refuse transitions that are not (n, n)."""
    if len(shape) != 2 or len({*shape, n} - {None}) > 1:
        raise ValueError(
            f"Expected trans to be (n, n), for the n = {n} scores of each position in nodes, got "
            f"the shape {tuple(shape)}."
        )


def _allowance(labels, n, forbidden):
    """Return (n,) to add to scores, which forbids all labels but ``labels``; None forbids none."""
    if labels is None:
        return np.zeros(n)
    labels = np.array(list(labels), "int64")
    if not np.isin(labels, np.arange(n)).all():
        raise ValueError(
            f"Expected labels from 0 to {n - 1} in starts and ends, as the transitions have {n}, "
            f"got {labels.tolist()}. Give None to allow every label."
        )
    return np.where(np.isin(np.arange(n), labels), 0.0, forbidden)


class ViterbiDecoder:
    """Viterbi decoder on NumPy arrays, in float64.

    Args:
        trans: (n, n), the score of label j after label i, as ``K.eval(crf.trans)`` gives it; the
            attribute ``trans`` may be set again after more training.
        starts: labels that a path may start with; None for all.
        ends: labels that a path may end with; None for all.

    Raises:
        ValueError: when decoding, a label in ``starts`` or ``ends`` that is not below n.

    Example:
        >>> from bert4keras.snippets import ViterbiDecoder
        >>> decoder = ViterbiDecoder([[0, -5], [0, 0]], ends=[1])
        >>> decoder.decode([[2, 0], [0, 1], [0, 1]]).tolist()
        [1, 1, 1]
        >>> decoder.decode_batch([[[2, 0], [0, 1], [0, 1]], [[0, 9], [0, 0], [0, 0]]], [3, 1])
        array([[1, 1, 1],
               [1, 0, 0]])
    """

    def __init__(
        self,
        trans: ArrayLike,
        starts: Iterable[int] | None = None,
        ends: Iterable[int] | None = None,
    ):
        self.trans = trans
        self.starts = starts
        self.ends = ends

    def decode(self, nodes: ArrayLike) -> NDArray[Any]:
        """Return the best path (L,) through ``nodes`` (L, n); positions of -inf alone give 0."""
        return self.decode_batch(ops.convert_to_numpy(nodes)[None])[0]

    def decode_batch(self, nodes: ArrayLike, lengths: Sequence[int] | None = None) -> NDArray[Any]:
        """Return the best path of every row.

        Args:
            nodes: (B, L, n), scores of labels.
            lengths: (B,), number of tokens of each row; by default the positions above -inf.

        Returns:
            (B, L) labels, 0 for padding.
        """
        scores: Any = ops.convert_to_numpy(nodes).astype("float64")
        trans = ops.convert_to_numpy(self.trans).astype("float64")
        check_rank("nodes", scores, 3, "(B, L, n)", "decode takes one row (L, n).")
        _check_transitions(trans.shape, scores.shape[-1])
        for name, values in (("nodes", scores), ("trans", trans)):
            if np.isnan(values).any():
                raise ValueError(
                    f"Expected {name} to be numbers, got NaN. Look for the NaN in the model's "
                    "weights and inputs."
                )
        start, end = (_allowance(x, len(trans), -np.inf) for x in (self.starts, self.ends))
        visible = (scores > -np.inf).any(-1)
        if lengths is not None:
            visible = np.arange(scores.shape[1]) < np.reshape(lengths, (-1, 1))
        states = _best_scores(scores, visible, trans, start)
        return _best_labels(states, visible, trans, end)


def _best_scores(nodes, visible, trans, start):
    """Return the score of the best path to each label at each position: (B, L, n)."""
    state = np.zeros((len(nodes), len(trans)))
    is_started, states = np.zeros((len(nodes), 1), bool), np.zeros_like(nodes)
    for i in range(nodes.shape[1]):
        is_visible = visible[:, i, None]
        arrival = np.where(is_started, (state[:, :, None] + trans).max(1), start)
        state = np.where(is_visible, nodes[:, i] + arrival, state)
        states[:, i], is_started = state, is_started | is_visible
    return states


def _best_labels(states, visible, trans, end):
    """Return labels (B, L), walking back from the best last one."""
    following, labels = np.full(len(states), -1), np.zeros(visible.shape, "int64")
    for i in reversed(range(states.shape[1])):
        onward = np.where(following[:, None] < 0, end, trans.T[following])
        best = (states[:, i] + onward).argmax(1)
        following = np.where(visible[:, i], best, following)
        labels[:, i] = np.where(visible[:, i], best, 0)
    return labels
