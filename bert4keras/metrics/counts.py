"""Precision, recall and F1 of entities, triples and labels, counted over whole items."""

from collections import Counter
from collections.abc import Callable, Hashable, Iterable, Sequence
from typing import Any

import numpy as np

from bert4keras.checks import check_integer, describe
from bert4keras.metrics.inputs import Scores, check_lengths, compute_ratios


def score_entities(
    true_entities: Sequence[Iterable[Any]],
    predictions: Sequence[Iterable[Any]],
    by_label: bool = False,
) -> Scores:
    """Compute precision, recall and F1 of entities; one counts if place and type are right.

    Args:
        true_entities: for each text its entities ``(start, end, type)``.
        predictions: for each text those that were predicted. One that comes twice counts once.
        by_label: True adds the scores of each type as ``"labels"``.

    Returns:
        ``{"f1", "precision", "recall", "true", "predicted", "correct"}``: micro
        averages, and counts over all texts.

    Example:
        >>> from bert4keras.metrics import score_entities
        >>> scores = score_entities([[(0, 2, "PER"), (4, 6, "LOC")]], [[(0, 2, "PER")]])
        >>> scores["precision"], scores["recall"]
        (1.0, 0.5)
    """
    return _score_items(true_entities, predictions, _check_entity, by_label)


def score_triples(
    true_triples: Sequence[Iterable[Any]],
    predictions: Sequence[Iterable[Any]],
    by_label: bool = False,
    normalize: Callable[[str], Hashable] | None = None,
) -> Scores:
    """Compute precision, recall and F1 of triples; one counts if all three parts are right.

    Args:
        true_triples: for each text its triples ``(subject, predicate, object)``.
        predictions: for each text those that were predicted. One that comes twice counts once.
        by_label: True adds the scores of each predicate as ``"labels"``.
        normalize: function of subject and object; names count as equal if its results are.

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

    return _score_items(true_triples, predictions, read, by_label)


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
    rows = [[_as_set(x) for x in labels] for labels in (true_labels, predictions)]
    scores = _score_items(*rows, lambda label, name: (label, None), by_label=True)
    hits = [true == prediction for true, prediction in zip(*rows)]
    labels = scores["labels"]
    for key in ("f1", "precision", "recall"):
        values = [row[key] for row in labels.values()]
        scores[f"macro_{key}"] = float(np.mean(values)) if values else 0.0
    if not by_label:
        del scores["labels"]
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


def _score_items(true_rows, predicted_rows, read, by_label) -> Scores:
    """Compare sets of items, which ``read`` makes pairs of a label and anything else."""
    check_lengths(true_rows, predicted_rows)
    counts: dict[str, Counter] = {"true": Counter(), "predicted": Counter(), "correct": Counter()}
    for number, rows in enumerate(zip(true_rows, predicted_rows)):
        true_items, predicted_items = (
            {read(item, f"{name}[{number}]") for item in row}
            for name, row in zip(("true", "predictions"), rows)
        )
        counts["true"].update(label for label, _ in true_items)
        counts["predicted"].update(label for label, _ in predicted_items)
        counts["correct"].update(label for label, _ in true_items & predicted_items)
    scores = _summarize(*(sum(counter.values()) for counter in counts.values()))
    if by_label:
        labels = sorted({*counts["true"], *counts["predicted"]}, key=str)
        scores["labels"] = {
            label: _summarize(*(counter[label] for counter in counts.values())) for label in labels
        }
    return scores


def _summarize(num_true: int, num_predicted: int, num_correct: int) -> Scores:
    ratios = compute_ratios(num_correct, num_predicted, num_true)
    return {**ratios, "true": num_true, "predicted": num_predicted, "correct": num_correct}


def _check_entity(entity: Any, name: str) -> tuple[Hashable, Hashable]:
    start, end, label = _check_length(entity, 3, name, "(start, end, type)")
    check_integer(f"the end of an entity of {name}", end, check_integer(f"start in {name}", start))
    return label, (int(start), int(end))


def _check_length(item: Any, size: int, name: str, form: str) -> tuple[Any, ...]:
    if not isinstance(item, tuple | list) or len(item) != size:
        raise TypeError(f"Expected {name} to have items {form}, got {describe(item)}.")
    return tuple(item)


def _as_set(labels: Any) -> set[Any]:
    is_one = isinstance(labels, str) or not isinstance(labels, Iterable)
    return {labels} if is_one else set(labels)
