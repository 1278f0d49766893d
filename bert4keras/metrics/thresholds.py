"""The best threshold of a score, and confidence intervals."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bert4keras.checks import check_integer, check_number, describe
from bert4keras.metrics.inputs import Scores, check_lengths, compute_ratios, to_numbers


def find_best_threshold(
    scores: Sequence[float], is_correct: Sequence[bool], num_true: int
) -> Scores:
    """Find the threshold of the best F1: predictions whose score reaches it are kept.

    Args:
        scores: the score of each prediction.
        is_correct: True for each prediction that is right.
        num_true: number of true items, predicted or not.

    Returns:
        ``{"threshold", "f1", "precision", "recall"}``. The threshold lies between two scores. Among
        equal F1 the highest threshold counts.

    Example:
        >>> from bert4keras.metrics import find_best_threshold
        >>> find_best_threshold([0.9, 0.4, 0.2], [True, True, False], num_true=2)["f1"]
        1.0
    """
    check_lengths(scores, is_correct)
    flags = np.asarray(is_correct)
    if flags.size and flags.dtype.kind != "b":
        raise TypeError(f"Expected is_correct to be True or False for each, got {describe(flags)}.")
    check_integer("num_true", num_true, int(flags.sum()), remedy="It counts all true items.")
    values = to_numbers("scores", scores)
    order = np.argsort(-values, kind="stable")
    values, hits = values[order], np.cumsum(flags[order])
    best = {"threshold": _find_limit(values, 0), **compute_ratios(0, 0, num_true)}
    for count in range(1, len(values) + 1):
        if count < len(values) and values[count] == values[count - 1]:
            continue  # equal scores are kept together
        row = compute_ratios(int(hits[count - 1]), count, num_true)
        if row["f1"] > best["f1"]:
            best = {"threshold": _find_limit(values, count), **row}
    return {key: best[key] for key in ("threshold", "f1", "precision", "recall")}


def _find_limit(values: NDArray[Any], count: int) -> float:
    """Return a threshold that keeps ``count`` of the values, which are sorted, the best first."""
    if not len(values):
        return 1.0
    if count == 0:
        return float(max(values[0] + 1, np.nextafter(values[0], np.inf)))
    if count == len(values):
        return float(min(values[-1] - 1e-6, np.nextafter(values[-1], -np.inf)))
    limit = values[count - 1] / 2 + values[count] / 2
    return float(limit if limit > values[count] else values[count - 1])


def bootstrap(
    score: Callable[..., float],
    *columns: Sequence[Any],
    level: float = 0.95,
    num_draws: int = 1000,
    seed: int = 0,
) -> tuple[float, float]:
    """Compute a bootstrap confidence interval of a score, over samples drawn with replacement.

    Args:
        score: function of the columns. ``score_entities`` and ``score_triples`` compute their own
            interval much more quickly, with ``level``.
        *columns: sequences with one item for each sample.
        level: probability of the interval.
        num_draws: number of draws.
        seed: seed of the draws.

    Returns:
        Lower and upper limit.

    Example:
        >>> from bert4keras.metrics import accuracy, bootstrap
        >>> low, high = bootstrap(accuracy, ["a"] * 20, ["a"] * 15 + ["b"] * 5)
        >>> low < 0.75 < high
        True
    """
    check_lengths(*columns)
    if not columns or not len(columns[0]):
        raise ValueError("Expected columns with at least one sample, got none. Pass samples.")
    check_number("level", level, above=0, below=1)
    check_integer("num_draws", num_draws, 1)
    check_integer("seed", seed, 0)
    rng, count = np.random.default_rng(seed), len(columns[0])
    values = []
    for _ in range(num_draws):
        numbers = rng.integers(0, count, count)
        values.append(score(*([column[i] for i in numbers] for column in columns)))
    low, high = np.quantile(values, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)
