"""Marginal probabilities of a linear chain: sums over all paths, forward and backward."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from bert4keras.backend.types import NDArray

_SMALLEST_SUM = 1e-200  # terms below 1e-308 vanish


class PathProbabilities:
    """Probabilities of parts of paths, where a path has the probability e^score / sum.

    The score of a path is the sum of its label scores and transitions, as in a CRF (Lafferty et al.
    2001). All sums are exact, in float64.

    Args:
        nodes: (B, L, n) scores of labels, finite.
        trans: (n, n), the score of label j after label i, finite.
        lengths: (B,), number of tokens of each row, 1 or more.

    Example:
        >>> import numpy as np
        >>> from bert4keras.pipelines.marginals import PathProbabilities
        >>> probabilities = PathProbabilities(np.zeros((1, 3, 2)), np.zeros((2, 2)), [3])
        >>> round(probabilities.compute(0, first=1, labels=[0, 1]), 6)
        0.25
    """

    def __init__(self, nodes: NDArray[Any], trans: NDArray[Any], lengths: Sequence[int]) -> None:
        self._nodes = nodes
        self._trans = trans
        is_visible = np.arange(nodes.shape[1]) < np.reshape(lengths, (-1, 1))
        self._before = self._sum_before()
        self._behind = self._sum_behind(is_visible)
        last = np.asarray(lengths) - 1
        self._total = _sum_logs(self._before[np.arange(len(nodes)), last], 1)

    def _sum_before(self) -> NDArray[Any]:
        """Return the log of the sum over paths that end with each label: (B, L, n)."""
        sums = np.array(self._nodes)
        for i in range(1, sums.shape[1]):
            sums[:, i] += _extend_sums(sums[:, i - 1], self._trans)
        return sums

    def _sum_behind(self, is_visible: NDArray[Any]) -> NDArray[Any]:
        """Return the log of the sum over what may follow each label: (B, L, n)."""
        sums = np.zeros_like(self._nodes)
        for i in reversed(range(sums.shape[1] - 1)):
            following = _extend_sums(self._nodes[:, i + 1] + sums[:, i + 1], self._trans.T)
            sums[:, i] = np.where(is_visible[:, i + 1, None], following, 0.0)
        return sums

    def compute(self, row: int, first: int, labels: Sequence[int]) -> float:
        """Return the probability that a row has these labels from the token ``first`` on."""
        last = first + len(labels) - 1
        score = self._before[row, first, labels[0]] + self._behind[row, last, labels[-1]]
        for place, (label, next_label) in enumerate(zip(labels, labels[1:]), first + 1):
            score += self._trans[label, next_label] + self._nodes[row, place, next_label]
        return float(np.exp(min(score - self._total[row], 0.0)))


def _extend_sums(logs: NDArray[Any], trans: NDArray[Any]) -> NDArray[Any]:
    """Return the log of the sum over paths one label longer: (B, n) from (B, n).

    A product of matrices, unless a sum is so small that its terms may have no digits.
    """
    largest, largest_trans = logs.max(1, keepdims=True), trans.max()
    sums = np.exp(logs - largest) @ np.exp(trans - largest_trans)
    if sums.min() > _SMALLEST_SUM:
        return np.log(sums) + largest + largest_trans
    return _sum_logs(logs[:, :, None] + trans, 1)


def _sum_logs(logs: NDArray[Any], axis: int) -> NDArray[Any]:
    """Return the log of the sum of what these are the logs of."""
    largest = logs.max(axis, keepdims=True)
    return np.squeeze(largest, axis) + np.log(np.exp(logs - largest).sum(axis))
