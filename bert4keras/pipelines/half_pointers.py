"""Half pointers (CasRel): triples from pointers at subjects, then at each subject's objects."""

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np

from bert4keras.backend import compiles_each_shape
from bert4keras.backend.types import NDArray
from bert4keras.pipelines.batching import Batch

Span = tuple[int, int]  # first and last token
START_THRESHOLD = 0.6  # of the article; an end needs 0.5
END_THRESHOLD = 0.5


class TokenTriple(NamedTuple):
    """A triple in numbers of tokens.

    Args:
        subject: first and last token of the subject.
        predicate: number of the predicate.
        object: first and last token of the object.
        score: a probability.
    """

    subject: Span
    predicate: int
    object: Span
    score: float


class HalfPointers:
    """Finds triples by half pointers (https://kexue.fm/archives/7161).

    Args:
        run: function of a batch, which gives pointers at subjects (B, L, 2) and vectors (B, L, D).
        run_objects: function of vectors (N, L, D) and subjects (N, 2), which gives pointers at
            objects (N, L, P, 2).
    """

    def __init__(self, run: Any, run_objects: Any) -> None:
        self._run = run
        self._run_objects = run_objects

    def find_triples(self, batch: Batch, threshold: float | None) -> list[list[TokenTriple]]:
        """Find the triples of each row.

        Args:
            batch: rows of ids.
            threshold: smallest probability of a start and of an end; 0.6 and 0.5 by default.
        """
        pointers, vectors = self._run(batch)
        check_pointers(pointers)
        triples: list[list[TokenTriple]] = [[] for _ in batch.encodings]
        subjects = [
            (row, *span)
            for row, encoding in enumerate(batch.encodings)
            for span in find_spans(pointers[row], encoding.offsets, threshold)
        ]
        for begin in range(0, len(subjects), len(pointers)):
            group = subjects[begin : begin + len(pointers)]
            for (row, *subject, score), objects in zip(group, self._point(vectors, group)):
                offsets = batch.encodings[row].offsets
                triples[row] += _list_triples(subject, score, objects, offsets, threshold)
        return triples

    def _point(self, vectors: NDArray[Any], subjects: list[Any]) -> NDArray[Any]:
        """Compute the pointers at the objects of some subjects: (row, first, last, score)."""
        count = len(subjects)
        size = len(vectors) if compiles_each_shape else count
        numbers = np.array([subject[:3] for subject in subjects], "int32")
        numbers = np.pad(numbers, ((0, size - count), (0, 0)))
        (pointers,) = self._run_objects(vectors[numbers[:, 0]], numbers[:, 1:])
        return check_pointers(pointers[:count])


def find_spans(
    pointers: NDArray[Any], offsets: Sequence[Any] | None, threshold: float | None = None
) -> Iterator[tuple[int, int, float]]:
    """Find each start with its nearest end.

    Args:
        pointers: (L, 2) probabilities that a token is a start, and an end.
        offsets: offsets of the tokens; those with None are special tokens, never in a span.
        threshold: smallest probability of both; 0.6 of a start, 0.5 of an end by default.

    Returns:
        Iterator over first token, last token, and the smaller probability.

    Example:
        >>> import numpy as np
        >>> from bert4keras.pipelines.half_pointers import find_spans
        >>> pointers = np.array([[0.9, 0.9], [0.8, 0.1], [0.2, 0.7], [0.9, 0.9]])
        >>> list(find_spans(pointers, [None, (0, 1), (1, 2), None]))
        [(1, 2, 0.7)]
    """
    assert offsets is not None
    is_text = np.array([offset is not None for offset in offsets])
    limits = (START_THRESHOLD, END_THRESHOLD) if threshold is None else (threshold, threshold)
    starts, ends = (
        np.flatnonzero(is_text & (pointers[: len(offsets), i] > limit))
        for i, limit in enumerate(limits)
    )
    for start in starts:
        if len(behind := ends[ends >= start]):
            score = min(pointers[start, 0], pointers[behind[0], 1])
            yield int(start), int(behind[0]), float(score)


def _list_triples(subject, score, pointers, offsets, threshold) -> Iterator[TokenTriple]:
    """Yield the triples of a subject from the pointers at its objects (L, P, 2)."""
    for predicate in np.flatnonzero((pointers > 0.01).any(axis=(0, 2))):
        for first, last, proba in find_spans(pointers[:, predicate], offsets, threshold):
            span = tuple(subject), (first, last)
            yield TokenTriple(span[0], int(predicate), span[1], min(score, proba))


def check_pointers(pointers: NDArray[Any]) -> NDArray[Any]:
    """Return pointers; raise unless they are probabilities."""
    if not np.all((pointers >= 0) & (pointers <= 1)):
        raise ValueError(
            "Expected the pointers of the model to be probabilities, got "
            f"{pointers.min()} to {pointers.max()}. End the model with a sigmoid."
        )
    return pointers
