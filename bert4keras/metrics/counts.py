"""Precision, recall and F1 of entities, triples and labels, counted over whole items."""

from collections import Counter
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bert4keras.checks import check_integer, check_number, describe
from bert4keras.metrics.inputs import Scores, check_lengths, compute_ratios

_NUM_DRAWS = 1000
_Reader = Callable[[Any, str], tuple[Hashable, Hashable]]


def score_entities(
    true_entities: Sequence[Iterable[Any]],
    predictions: Sequence[Iterable[Any]],
    by_label: bool = False,
    level: float | None = None,
) -> Scores:
    """Compute precision, recall and F1 of entities; one counts if place and type are right.

    Args:
        true_entities: for each text its entities ``(start, end, type)``.
        predictions: for each text those that were predicted. One that comes twice counts once.
        by_label: True adds the scores of each type as ``"labels"``.
        level: probability of a bootstrap interval of F1, such as 0.95, added as ``"interval"``:
            1,000 draws of texts with replacement. None for no interval.

    Returns:
        ``{"f1", "precision", "recall"}``, micro averages over all texts; ``"macro_f1"`` and so on,
        means over types; the numbers ``"true"``, ``"predicted"`` and ``"correct"``.

    Example:
        >>> from bert4keras.metrics import score_entities
        >>> scores = score_entities([[(0, 2, "PER"), (4, 6, "LOC")]], [[(0, 2, "PER")]])
        >>> scores["precision"], scores["recall"]
        (1.0, 0.5)
    """
    return _score_items((true_entities, predictions), _check_entity, by_label, level)


def score_triples(
    true_triples: Sequence[Iterable[Any]],
    predictions: Sequence[Iterable[Any]],
    by_label: bool = False,
    normalize: Callable[[str], Hashable] | None = None,
    level: float | None = None,
) -> Scores:
    """Compute precision, recall and F1 of triples; one counts if all three parts are right.

    Args:
        true_triples: for each text its triples ``(subject, predicate, object)``.
        predictions: for each text those that were predicted. One that comes twice counts once.
        by_label: True adds the scores of each predicate as ``"labels"``.
        normalize: function of subject and object; names count as equal if its results are.
        level: as in ``score_entities``.

    Returns:
        As ``score_entities``.

    Example:
        >>> from bert4keras.metrics import score_triples
        >>> triples = [("春山", "作者", "李明")]
        >>> score_triples([triples], [[*triples, ("春山", "导演", "李明")]])["precision"]
        0.5
    """

    def read(triple: Any, name: str) -> tuple[Hashable, Hashable]:
        subject, predicate, object = _check_length(triple, 3, name, "(subject, predicate, object)")
        if normalize is not None:
            subject, object = normalize(subject), normalize(object)
        return predicate, (subject, object)

    return _score_items((true_triples, predictions), read, by_label, level)


def score_spans(
    true_spans: Sequence[Iterable[Any]],
    predictions: Sequence[Iterable[Any]],
    level: float | None = None,
) -> Scores:
    """Compute precision, recall and F1 of spans without a type, such as words of a segmentation.

    Args:
        true_spans: for each text its spans ``(start, end)``.
        predictions: for each text those that were predicted. One that comes twice counts once.
        level: as in ``score_entities``.

    Returns:
        As ``score_entities``.

    Example:
        >>> from bert4keras.metrics import score_spans
        >>> score_spans([[(0, 2), (2, 3)]], [[(0, 2)]])["recall"]
        0.5
    """

    def read(span: Any, name: str) -> tuple[Hashable, Hashable]:
        start, end = _check_length(span, 2, name, "(start, end)")
        return "", _check_place(start, end, name)

    return _score_items((true_spans, predictions), read, False, level)


def score_labels(
    true_labels: Sequence[Any], predictions: Sequence[Any], by_label: bool = False
) -> Scores:
    """Compute accuracy, and micro and macro averages of precision, recall and F1 of labels.

    Args:
        true_labels: the label of each text, or a list of labels.
        predictions: likewise.
        by_label: True adds the scores of each label as ``"labels"``.

    Returns:
        ``{"accuracy", "f1", "precision", "recall", "macro_f1", ...}``. The accuracy is the share of
        texts whose labels are all right.

    Example:
        >>> from bert4keras.metrics import score_labels
        >>> score_labels(["good", "bad", "bad"], ["good", "good", "bad"])["accuracy"]
        0.6666666666666666
    """
    check_lengths(true_labels, predictions)
    rows = [_as_set(x) for x in true_labels], [_as_set(x) for x in predictions]
    scores = _score_items(rows, lambda label, name: (label, None), by_label)
    hits = [true == prediction for true, prediction in zip(*rows)]
    return {"accuracy": sum(hits) / max(len(hits), 1), **scores}


def accuracy(true_labels: Sequence[Any], predictions: Sequence[Any]) -> float:
    """Compute the share of labels that are equal.

    Example:
        >>> from bert4keras.metrics import accuracy
        >>> accuracy(["a", "b"], ["a", "a"])
        0.5
    """
    check_lengths(true_labels, predictions)
    pairs = list(zip(true_labels, predictions))
    return sum(true == prediction for true, prediction in pairs) / max(len(pairs), 1)


def _score_items(
    columns: tuple[Any, Any], read: _Reader, by_label: bool, level: float | None = None
) -> Scores:
    """Compare sets of items, which ``read`` makes pairs of a label and anything else."""
    check_lengths(*columns)
    by_text = [_count_text(rows, read, number) for number, rows in enumerate(zip(*columns))]
    totals = [sum((counts[i] for counts in by_text), Counter()) for i in range(3)]
    labels = sorted({*totals[0], *totals[1]}, key=str)
    label_scores = {label: _summarize(*(total[label] for total in totals)) for label in labels}
    scores = _summarize(*(total.total() for total in totals))
    for key in ("f1", "precision", "recall"):
        values = [row[key] for row in label_scores.values()]
        scores[f"macro_{key}"] = float(np.mean(values)) if values else 0.0
    if by_label:
        scores["labels"] = label_scores
    if level is not None:
        counts = [[counter.total() for counter in counters] for counters in by_text]
        scores["interval"] = _draw_interval(np.array(counts).reshape(-1, 3), level)
    return scores


def _count_text(rows: tuple[Any, Any], read: _Reader, number: int) -> list[Counter]:
    """Count the true, the predicted and the right items of a text by label."""
    names = "true items", "predictions"
    true_items, predicted_items = (
        {read(item, f"{name}[{number}]") for item in row} for name, row in zip(names, rows)
    )
    sets = true_items, predicted_items, true_items & predicted_items
    return [Counter(label for label, _ in items) for items in sets]


def _draw_interval(counts: NDArray[Any], level: float) -> tuple[float, float]:
    """Return a bootstrap interval of F1 from the counts (texts, 3): true, predicted, right."""
    check_number("level", level, above=0, below=1)
    if not len(counts):
        return 0.0, 0.0
    rng = np.random.default_rng(0)
    weights = rng.multinomial(len(counts), np.full(len(counts), 1 / len(counts)), _NUM_DRAWS)
    num_true, num_predicted, num_correct = (weights @ counts).T
    values = 2 * num_correct / np.maximum(num_true + num_predicted, 1)
    low, high = np.quantile(values, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


def _summarize(num_true: int, num_predicted: int, num_correct: int) -> Scores:
    ratios = compute_ratios(num_correct, num_predicted, num_true)
    return {**ratios, "true": num_true, "predicted": num_predicted, "correct": num_correct}


def _check_entity(entity: Any, name: str) -> tuple[Hashable, Hashable]:
    start, end, label = _check_length(entity, 3, name, "(start, end, type)")
    return label, _check_place(start, end, name)


def _check_place(start: Any, end: Any, name: str) -> tuple[int, int]:
    start = check_integer(f"the start of an item of {name}", start, 0)
    return start, check_integer(f"the end of an item of {name}", end, start + 1)


def _check_length(item: Any, size: int, name: str, form: str) -> tuple[Any, ...]:
    if not isinstance(item, tuple | list) or len(item) != size:
        raise TypeError(f"Expected {name} to have items {form}, got {describe(item)}.")
    return tuple(item)


def _as_set(labels: Any) -> set[Any]:
    if isinstance(labels, Mapping):
        raise TypeError(f"Expected a label or a list of labels, got {describe(labels)}.")
    is_one = isinstance(labels, str) or not isinstance(labels, Iterable)
    return {labels} if is_one else set(labels)
