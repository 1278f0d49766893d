"""Merging of windows: which window of a long text has the last word on a token or a span."""

from collections.abc import Iterator, Sequence
from math import inf
from typing import Any

from bert4keras.tokenizers import Encoding


class WindowPlaces:
    """Places of the windows of a text, as ``cut_windows`` made them.

    The window in which a token or a span is the farthest from an edge has read most around it. An
    edge of the text itself does not count.

    Args:
        encodings: the windows of a text, or its only row.
        overlap: tokens that two neighbours have in common, as for ``cut_windows``.

    Example:
        >>> from bert4keras.pipelines.merging import WindowPlaces
        >>> from bert4keras.tokenizers import Encoding
        >>> rows = [Encoding([], [], [None, (0, 1), (1, 2), (2, 3), None]),
        ...         Encoding([], [], [None, (1, 2), (2, 3), (3, 4), None])]
        >>> places = WindowPlaces(rows, overlap=2)
        >>> list(places.list_parts())
        [slice(0, 3, None), slice(2, 5, None)]
        >>> places.is_owner(0, 1, 2), places.is_owner(1, 2, 3)
        (True, True)
    """

    def __init__(self, encodings: Sequence[Encoding], overlap: int) -> None:
        assert encodings[0].offsets is not None
        offsets = encodings[0].offsets
        self._begin = next((i for i, x in enumerate(offsets) if x is not None), len(offsets))
        num_special = offsets.count(None)
        self._sizes = [len(row.offsets or ()) - num_special for row in encodings]
        step = max(1, self._sizes[0] - overlap)
        self._starts = [number * step for number in range(len(encodings))]
        self._lengths = [len(row.offsets or ()) for row in encodings]

    def list_parts(self) -> Iterator[slice]:
        """Yield the part of each window that counts, so that each token of the text comes once."""
        ends = [start + size for start, size in zip(self._starts, self._sizes)]
        cuts = [(end + start) // 2 for end, start in zip(ends, self._starts[1:])]
        for i, start in enumerate(self._starts):
            shift = self._begin - start
            begin = cuts[i - 1] + shift if i else 0
            yield slice(begin, cuts[i] + shift if i < len(cuts) else self._lengths[i])

    def is_owner(self, window: int, first: int, last: int) -> bool:
        """True if no other window has a span farther from its edges.

        Args:
            window: number of a window.
            first: first token of the span, in the row of this window.
            last: last token of the span.
        """
        shift = self._starts[window] - self._begin
        first, last = first + shift, last + shift
        margins = [self._find_margin(i, first, last) for i in range(len(self._starts))]
        return margins.index(max(margins)) == window

    def _find_margin(self, window: int, first: int, last: int) -> float:
        """Return the distance of a span of the text from the edges of a window; below 0 outside."""
        start, size = self._starts[window], self._sizes[window]
        before, behind = first - start, start + size - 1 - last
        if min(before, behind) < 0:
            return -1
        is_last = window == len(self._starts) - 1
        return min(inf if window == 0 else before, inf if is_last else behind)


def join_encodings(encodings: Sequence[Encoding], parts: Sequence[slice]) -> Encoding:
    """Join the parts of windows that count to the row of the whole text."""
    fields: list[Any] = [
        [x for row, part in zip(rows, parts) for x in row[part]] for rows in zip(*encodings)
    ]
    return Encoding(*fields)
