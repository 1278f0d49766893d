"""Entities from the scores of all spans: GlobalPointer and its efficient form."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from bert4keras.backend.types import NDArray
from bert4keras.pipelines.merging import WindowPlaces
from bert4keras.pipelines.tag_decoders import Entity, list_places
from bert4keras.tokenizers import Encoding


class PointerDecoder:
    """All spans whose score is above the threshold (https://kexue.fm/archives/8373).

    Spans may stand in another. Of windows, a span counts where it is the farthest from an edge.

    Args:
        types: names of the H types.
    """

    def __init__(self, types: Sequence[str]) -> None:
        self._types = types

    def decode(
        self, scores: NDArray[Any], encodings: Sequence[Encoding], options: Mapping[str, Any]
    ) -> list[list[Entity]]:
        """Return the entities of each row of a batch, from scores (B or more, H, L, L)."""
        return [self._find(*row, options["threshold"]) for row in zip(scores, encodings)]

    def _find(self, scores: NDArray[Any], encoding: Encoding, threshold: float) -> list[Entity]:
        places = list_places(encoding)
        text_scores = scores[np.ix_(range(len(scores)), places, places)]
        return [
            Entity(places[x], places[y], self._types[int(number)], float(text_scores[number, x, y]))
            for number, x, y in np.argwhere(text_scores > threshold)
            if x <= y
        ]

    def merge(
        self,
        encodings: Sequence[Encoding],
        results: Sequence[list[Entity]],
        overlap: int,
        options: Mapping[str, Any],
    ) -> list[tuple[Encoding, list[Entity]]]:
        """Return the rows with those of their entities that count."""
        places = WindowPlaces(encodings, overlap)
        return [
            (row, [x for x in entities if places.is_owner(i, x.first, x.last)])
            for i, (row, entities) in enumerate(zip(encodings, results))
        ]


def drop_overlaps(records: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Drop each record that overlaps one of a better score; keep the order.

    Args:
        records: the entities of a text, with ``start``, ``end`` and ``score``.

    Example:
        >>> from bert4keras.pipelines.pointer_decoder import drop_overlaps
        >>> spans = [(0, 4, 1.0), (0, 2, 3.0), (2, 4, 2.0)]
        >>> records = [dict(zip(("start", "end", "score"), span)) for span in spans]
        >>> [record["score"] for record in drop_overlaps(records)]
        [3.0, 2.0]
    """
    is_free = np.ones(max((record["end"] for record in records), default=0), bool)
    numbers = []
    for number in sorted(range(len(records)), key=lambda i: -records[i]["score"]):
        place = slice(records[number]["start"], records[number]["end"])
        if is_free[place].all():
            is_free[place] = False
            numbers.append(number)
    return [records[number] for number in sorted(numbers)]
