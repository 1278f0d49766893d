"""Scores of rankings and of similarities: MRR, nDCG, correlations."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bert4keras.checks import check_integer
from bert4keras.metrics.inputs import check_lengths, to_numbers


def mean_reciprocal_rank(
    relevance: Sequence[Sequence[float]], scores: Sequence[Sequence[float]]
) -> float:
    """Compute the mean of 1 / rank of the first relevant text (MRR).

    Args:
        relevance: for each query the relevance of each text; above 0 is relevant.
        scores: for each query the score of each text. Among equal scores the order given counts.

    Example:
        >>> from bert4keras.metrics import mean_reciprocal_rank
        >>> mean_reciprocal_rank([[0, 1, 0]], [[0.9, 0.5, 0.1]])
        0.5
    """
    ranks = [np.flatnonzero(_rank(gains, row) > 0) for gains, row in _rows(relevance, scores)]
    return float(np.mean([1 / (x[0] + 1) if len(x) else 0 for x in ranks])) if ranks else 0.0


def ndcg(
    relevance: Sequence[Sequence[float]], scores: Sequence[Sequence[float]], k: int | None = None
) -> float:
    """Compute the normalized discounted cumulative gain (nDCG), averaged over queries.

    Args:
        relevance: for each query the relevance of each text, 0 or more.
        scores: for each query the score of each text. Equal scores share their mean gain.
        k: number of best texts that count; all by default.

    Example:
        >>> from bert4keras.metrics import ndcg
        >>> ndcg([[1, 0]], [[0.9, 0.1]])
        1.0
    """
    if k is not None:
        check_integer("k", k, 1)
    values = []
    for gains, row in _rows(relevance, scores):
        if np.any(gains < 0):
            raise ValueError(f"Expected relevance of 0 or more, got {gains.min()}. Correct it.")
        discounts = 1 / np.log2(np.arange(len(row)) + 2)
        discounts[k or len(row) :] = 0
        ideal = float(np.sort(gains)[::-1] @ discounts)
        values.append(_tied_gain(gains, row, discounts) / ideal if ideal else 0.0)
    return float(np.mean(values)) if values else 0.0


def spearman(true_values: Sequence[float], scores: Sequence[float]) -> float:
    """Compute Spearman's rank correlation; equal numbers share their mean rank.

    Returns:
        A number from -1 to 1; 0 if one side has one value only.

    Example:
        >>> from bert4keras.metrics import spearman
        >>> spearman([1, 2, 3], [0.1, 0.5, 0.9])
        1.0
    """
    check_lengths(true_values, scores)
    ranks = _average_ranks("true_values", true_values), _average_ranks("scores", scores)
    return _correlate(*ranks)


def pearson(true_values: Sequence[float], scores: Sequence[float]) -> float:
    """Compute Pearson's correlation.

    Returns:
        A number from -1 to 1; 0 if one side has one value only.

    Example:
        >>> from bert4keras.metrics import pearson
        >>> round(pearson([1, 2, 3], [2, 4, 6]), 6)
        1.0
    """
    check_lengths(true_values, scores)
    return _correlate(to_numbers("true_values", true_values), to_numbers("scores", scores))


def _correlate(*columns: NDArray[Any]) -> float:
    if any(not len(column) or column.min() == column.max() for column in columns):
        return 0.0
    x, y = (column / np.abs(column).max() for column in columns)  # no square overflows
    x, y = x - x.mean(), y - y.mean()
    return float(np.clip(x @ y / np.sqrt((x @ x) * (y @ y)), -1, 1))


def _rows(relevance, scores):
    """Yield the relevance and the scores of each query as arrays."""
    check_lengths(relevance, scores)
    for gains, row in zip(relevance, scores):
        check_lengths(gains, row)
        yield to_numbers("relevance", gains), to_numbers("scores", row)


def _rank(gains: NDArray[Any], scores: NDArray[Any]) -> NDArray[Any]:
    """Return relevance in the order of the scores, the best first."""
    return gains[np.argsort(-scores, kind="stable")]


def _tied_gain(gains: NDArray[Any], scores: NDArray[Any], discounts: NDArray[Any]) -> float:
    """Return the discounted gain, where equal scores share their mean gain."""
    _, groups, sizes = np.unique(-scores, return_inverse=True, return_counts=True)
    means = np.bincount(groups, gains) / sizes
    ends = np.cumsum(sizes)
    sums = np.append(0, np.cumsum(discounts))
    return float(means @ (sums[ends] - sums[ends - sizes]))


def _average_ranks(name: str, values: Sequence[float]) -> NDArray[Any]:
    numbers = to_numbers(name, values)
    _, groups, sizes = np.unique(numbers, return_inverse=True, return_counts=True)
    ends = np.cumsum(sizes)
    return (ends - (sizes - 1) / 2)[groups]
