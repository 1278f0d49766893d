"""The best threshold of a score, and confidence intervals."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from bert4keras.checks import check_integer, check_number
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
    check_integer("num_true", num_true, 0)
    order = np.argsort(-to_numbers("scores", scores), kind="stable")
    values = np.asarray(scores, "float64")[order]
    hits = np.cumsum(np.asarray(is_correct, bool)[order])
    best = {
        "threshold": 1.0 if not len(values) else float(values[0]) + 1,
        **compute_ratios(0, 0, num_true),
    }
    for i in range(len(values)):
        if i + 1 < len(values) and values[i + 1] == values[i]:
            continue
        row = compute_ratios(int(hits[i]), i + 1, num_true)
        if row["f1"] > best["f1"]:
            next_value = values[i + 1] if i + 1 < len(values) else values[i] - 1e-6
            best = {"threshold": float((values[i] + next_value) / 2), **row}
    return {key: best[key] for key in ("threshold", "f1", "precision", "recall")}


def bootstrap(
    score: Callable[..., float],
    *columns: Sequence[Any],
    level: float = 0.95,
    num_draws: int = 1000,
    seed: int = 0,
) -> tuple[float, float]:
    """Compute a bootstrap confidence interval of a score, over samples drawn with replacement.

    Args:
        score: function of the columns, such as ``lambda x, y: score_entities(x, y)["f1"]``.
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
    check_number("level", level, above=0, below=1)
    check_integer("num_draws", num_draws, 1)
    rng, count = np.random.default_rng(seed), len(columns[0])
    values = []
    for _ in range(num_draws):
        numbers = rng.integers(0, count, count) if count else []
        values.append(score(*([column[i] for i in numbers] for column in columns)))
    low, high = np.quantile(values, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)
