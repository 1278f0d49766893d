"""Checks of what metrics compare, and the ratios that they share."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from bert4keras.checks import describe

Scores = dict[str, Any]


def compute_ratios(num_correct: int, num_predicted: int, num_true: int) -> Scores:
    """Return F1, precision and recall; each is 0 where it would be 0 / 0."""
    return {
        "f1": 2 * num_correct / max(num_predicted + num_true, 1),
        "precision": num_correct / max(num_predicted, 1),
        "recall": num_correct / max(num_true, 1),
    }


def check_lengths(*columns: Sequence[Any]) -> None:
    """Raise unless columns are lists with one item for each sample."""
    for column in columns:
        if isinstance(column, str | bytes | Mapping) or not hasattr(column, "__len__"):
            raise TypeError(
                f"Expected a list with one item for each sample, got {describe(column)}. Pass "
                "[item] for one sample."
            )
    lengths = [len(column) for column in columns]
    if len(set(lengths)) > 1:
        raise ValueError(
            f"Expected as many predictions as true items, got {lengths}. Pass one for each sample."
        )


def to_numbers(name: str, values: ArrayLike) -> NDArray[Any]:
    """Return a list of finite numbers as an array; raise for anything else."""
    array = np.asarray(values, "float64")
    if array.ndim != 1 or not np.isfinite(array).all():
        raise ValueError(
            f"Expected {name} to be finite numbers, got {describe(values)}. Remove missing values."
        )
    return array
