"""Windows of a long text: rows that overlap, each with the special tokens around it."""

from typing import Any

from bert4keras.tokenizers import Encoding


def cut_windows(encoding: Encoding, maxlen: int, overlap: int) -> list[Encoding]:
    """Cut the last text of an encoding into windows; the tokens before it are in each of them.

    Args:
        encoding: the row of a whole text or pair, with offsets.
        maxlen: tokens of a window, special tokens included.
        overlap: tokens that two neighbours have in common.

    Returns:
        One row for each window. The last one ends with the text.

    Raises:
        ValueError: the tokens before the last text leave no room for it.

    Example:
        >>> from bert4keras.pipelines.windows import cut_windows
        >>> from bert4keras.tokenizers import Encoding
        >>> offsets = [None, *((i, i + 1) for i in range(5)), None]
        >>> row = Encoding([2, 5, 6, 7, 8, 9, 3], [0] * 7, offsets, [None, 0, 0, 0, 0, 0, None])
        >>> [window.token_ids for window in cut_windows(row, maxlen=5, overlap=1)]
        [[2, 5, 6, 7, 3], [2, 7, 8, 9, 3]]
    """
    indices = encoding.text_index
    assert indices is not None
    last = max((index for index in indices if index is not None), default=0)
    places = [i for i, index in enumerate(indices) if index == last]
    begin, end = places[0], places[-1] + 1
    room = maxlen - begin - (len(indices) - end)
    if room < 1:
        raise ValueError(
            f"Expected maxlen to leave room for the text after {begin} other tokens, got {maxlen}. "
            "Shorten the first text, or pass a larger maxlen."
        )
    step = max(1, room - overlap)
    starts = range(begin, max(begin + 1, end - room + step), step)
    return [_cut(encoding, begin, end, start, min(start + room, end)) for start in starts]


def _cut(encoding: Encoding, begin: int, end: int, start: int, stop: int) -> Encoding:
    """Return a row without the tokens of a text that are outside ``start:stop``."""
    parts: Any = [x and x[:begin] + x[start:stop] + x[end:] for x in encoding]
    return Encoding(*parts)
