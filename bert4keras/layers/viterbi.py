"""Best label paths by dynamic programming (Viterbi, IEEE Trans. Inf. Theory 13(2), 1967).

The recursion of a path over positions also serves the CRF, which sums where Viterbi maximises.
"""

import numpy as np
from keras import ops

UNBEGUN = -1e30  # score of every label before the first visible position
FORBIDDEN = -1e12  # finite, so that gradients stay so; far above UNBEGUN however often added


def visible_positions(scores):
    """Which positions of label scores (B, L, n) count: not those where every label is -inf."""
    return ops.any(ops.not_equal(scores, -np.inf), axis=-1)


def visible_scores(scores):
    """The scores in float32, finite and 0 where hidden, and which positions (B, L) are visible."""
    scores = ops.cast(scores, "float32")
    visible = visible_positions(scores)
    shown = ops.expand_dims(visible, -1)
    return ops.where(shown, ops.maximum(scores, FORBIDDEN), 0.0), visible


def marked(scores, visible):
    """Scores (B, L, n) with a last column (B, L, n + 1) that is 1 where visible, else 0."""
    column = ops.expand_dims(ops.cast(visible, scores.dtype), -1)
    return ops.concatenate([scores, column], axis=-1)


def begun(state):
    """Whether a visible position came before: (B, n) to (B, 1)."""
    return ops.max(state, axis=-1, keepdims=True) > UNBEGUN / 2


def extend_paths(state, position, trans, combine, start=0.0):
    """Lead the paths on by one position.

    Args:
        state: (B, n), the combined score of all paths that end in each label; ``UNBEGUN`` at first.
        position: (B, n + 1), the scores of the labels, marked; where hidden, the state stays.
        trans: (n, n), the score of label j after label i.
        combine: ``ops.logsumexp`` for the sum over paths, ``ops.max`` for the best of them.
        start: added to the scores of the first visible position.

    Returns:
        The next state, (B, n).
    """
    arrival = combine(ops.expand_dims(state, 2) + trans, axis=1)
    scores = position[:, :-1] + ops.where(begun(state), arrival, start)
    return ops.where(position[:, -1:] > 0, scores, state)


def scan_positions(step, begin, sequence, reverse=False):
    """Loop ``step(carry, position) -> carry`` over axis 1 of one tensor.

    Returns:
        The last carry (B, ...) and all of them (B, L, ...), in the order of the positions.
    """

    def one(carry, position):
        carry = step(carry, position)
        return carry, carry

    last, carries = ops.scan(one, begin, ops.swapaxes(sequence, 0, 1), reverse=reverse)
    return last, ops.swapaxes(carries, 0, 1)


def no_paths(scores):
    """The state before the first position of scores (B, L, n)."""
    return ops.full((ops.shape(scores)[0], scores.shape[-1]), UNBEGUN, dtype="float32")


def viterbi_decode(nodes, trans, mask=None, starts=None, ends=None):
    """The best label path of each row, on tensors of the running backend, compiled or not.

    Outside compiled code ``ViterbiDecoder.decode_batch`` is the faster one: JAX would compile this
    anew at each call.

    Args:
        nodes: (B, L, n), L > 0, scores of labels.
        trans: (n, n), the score of label j after label i.
        mask: (B, L), true where visible; by default the positions with a score above -inf.
        starts: labels that a path may begin with; None for all.
        ends: labels that a path may end with; None for all.

    Returns:
        (B, L) int32 labels. Hidden positions are passed over as if they were not there, and get 0.

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
    scores, visible = visible_scores(ops.convert_to_tensor(nodes))
    visible = visible if mask is None else ops.cast(mask, "bool")
    trans = ops.maximum(ops.cast(trans, "float32"), FORBIDDEN)
    start, end = (
        ops.convert_to_tensor(_allowance(labels, scores.shape[-1], FORBIDDEN), "float32")
        for labels in (starts, ends)
    )

    def forward(state, position):
        return extend_paths(state, position, trans, ops.max, start)

    def backward(following, position):
        onward = ops.take(ops.transpose(trans), ops.maximum(following, 0), axis=0)
        onward = ops.where(ops.expand_dims(following, 1) < 0, end, onward)
        best = ops.cast(ops.argmax(position[:, :-1] + onward, axis=1), "int32")
        return ops.where(position[:, -1] > 0, best, following)

    _, states = scan_positions(forward, no_paths(scores), marked(scores, visible))
    nothing = ops.full((ops.shape(scores)[0],), -1, dtype="int32")
    _, labels = scan_positions(backward, nothing, marked(states, visible), reverse=True)
    return ops.where(visible, labels, 0)


def _allowance(labels, n, forbidden):
    """What is added to the scores of n labels so that only ``labels`` remain; None allows all."""
    if labels is None:
        return np.zeros(n)
    labels = np.array(list(labels), "int64")
    if not np.isin(labels, np.arange(n)).all():
        raise ValueError(
            f"starts and ends hold labels from 0 to {n - 1}, as there are {n} in the transitions; "
            f"got {labels.tolist()}. Give None to allow every label"
        )
    return np.where(np.isin(np.arange(n), labels), 0.0, forbidden)


class ViterbiDecoder:
    """The best label path, on NumPy arrays in float64.

    Args:
        trans: (n, n), the score of label j after label i, as ``K.eval(crf.trans)`` gives it; the
            attribute ``trans`` may be set anew after more training.
        starts: labels that a path may begin with; None for all.
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

    def __init__(self, trans, starts=None, ends=None):
        self.trans = trans
        self.starts = starts
        self.ends = ends

    def decode(self, nodes):
        """The best path (L,) through ``nodes`` (L, n); positions of -inf alone give 0."""
        return self.decode_batch(ops.convert_to_numpy(nodes)[None])[0]

    def decode_batch(self, nodes, lengths=None):
        """The best path of every row.

        Args:
            nodes: (B, L, n), scores of labels.
            lengths: (B,), how many positions of a row count; by default those above -inf.

        Returns:
            (B, L) labels, 0 where a position does not count.
        """
        nodes = ops.convert_to_numpy(nodes).astype("float64")
        trans = ops.convert_to_numpy(self.trans).astype("float64")
        start, end = (_allowance(x, len(trans), -np.inf) for x in (self.starts, self.ends))
        visible = (nodes > -np.inf).any(-1)
        if lengths is not None:
            visible = np.arange(nodes.shape[1]) < np.reshape(lengths, (-1, 1))
        states = _best_scores(nodes, visible, trans, start)
        return _best_labels(states, visible, trans, end)


def _best_scores(nodes, visible, trans, start):
    """The score of the best path to each label at each position: (B, L, n)."""
    state = np.zeros((len(nodes), len(trans)))
    begun, states = np.zeros((len(nodes), 1), bool), np.zeros_like(nodes)
    for i in range(nodes.shape[1]):
        shown = visible[:, i, None]
        arrival = np.where(begun, (state[:, :, None] + trans).max(1), start)
        state = np.where(shown, nodes[:, i] + arrival, state)
        states[:, i], begun = state, begun | shown
    return states


def _best_labels(states, visible, trans, end):
    """Walk back from the best last label: (B, L)."""
    following, labels = np.full(len(states), -1), np.zeros(visible.shape, "int64")
    for i in reversed(range(states.shape[1])):
        onward = np.where(following[:, None] < 0, end, trans.T[following])
        best = (states[:, i] + onward).argmax(1)
        following = np.where(visible[:, i], best, following)
        labels[:, i] = np.where(visible[:, i], best, 0)
    return labels
