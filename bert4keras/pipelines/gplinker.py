"""GPLinker: triples from GlobalPointers at subjects, objects, and their first and last tokens."""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from bert4keras.backend.types import NDArray
from bert4keras.pipelines.batching import Batch
from bert4keras.pipelines.half_pointers import Span, TokenTriple


class GPLinker:
    """Finds triples by GPLinker (https://kexue.fm/archives/8888).

    Args:
        run: function of a batch, which gives scores of subjects and objects (B, 2, L, L), of pairs
            of their first tokens (B, P, L, L), and of pairs of their last tokens (B, P, L, L).
    """

    def __init__(self, run: Any) -> None:
        self._run = run

    def find_triples(self, batch: Batch, threshold: float | None) -> list[list[TokenTriple]]:
        """Find the triples of each row.

        Args:
            batch: rows of ids.
            threshold: smallest probability of a triple, the sigmoid of its smallest score; 0.5 by
                default, for the score 0.
        """
        threshold = 0.5 if threshold is None else threshold
        with np.errstate(divide="ignore"):
            limit = np.log(threshold) - np.log1p(-threshold)
        spans, heads, tails = self._run(batch)
        rows = zip(batch.encodings, spans, heads, tails)
        return [list(_list_triples(row.offsets, *scores, limit=limit)) for row, *scores in rows]


def _list_triples(
    offsets: Sequence[Any] | None,
    spans: NDArray[Any],
    heads: NDArray[Any],
    tails: NDArray[Any],
    limit: float,
) -> Iterator[TokenTriple]:
    """Yield the triples of a row whose smallest score is above a limit."""
    subjects, objects = (_find_spans(scores, offsets, limit) for scores in spans)
    if not len(subjects) or not len(objects):
        return
    span_scores = np.minimum.outer(spans[0][tuple(subjects.T)], spans[1][tuple(objects.T)])
    links = np.minimum(
        heads[:, subjects[:, 0][:, None], objects[:, 0]],
        tails[:, subjects[:, 1][:, None], objects[:, 1]],
    )
    scores = np.minimum(links, span_scores)  # (P, subjects, objects)
    for predicate, i, j in np.argwhere(scores > limit):
        spans_of_triple = _to_span(subjects[i]), _to_span(objects[j])
        proba = 1 / (1 + np.exp(-float(scores[predicate, i, j])))
        yield TokenTriple(spans_of_triple[0], int(predicate), spans_of_triple[1], proba)


def _to_span(places: NDArray[Any]) -> Span:
    first, last = places
    return int(first), int(last)


def _find_spans(scores: NDArray[Any], offsets: Sequence[Any] | None, limit: float) -> NDArray[Any]:
    """Return first and last token of each span above a limit, without special tokens: (N, 2)."""
    assert offsets is not None
    length = len(offsets)
    is_text = np.array([offset is not None for offset in offsets])
    is_span = np.triu(scores[:length, :length] > limit) & is_text & is_text[:, None]
    return np.argwhere(is_span)
