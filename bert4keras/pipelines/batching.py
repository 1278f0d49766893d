"""Batches of rows: sorted by length, packed by a budget of tokens, padded to few shapes.

Also their progress bar.
"""

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import Any, NamedTuple, TypeVar

import numpy as np
from tqdm import tqdm

from bert4keras.backend import compiles_each_shape
from bert4keras.backend.types import NDArray
from bert4keras.checks import check_integer, describe
from bert4keras.data import sequence_padding
from bert4keras.tokenizers import Encoding

_Item = TypeVar("_Item")
_SHORTEST = 16  # tokens of a padded row, where each length needs a program of its own


class Batch(NamedTuple):
    """Rows that a model computes together.

    Args:
        encodings: the B rows, without padding.
        token_ids: (B or more, L) int32, padded on the right. Further rows are padding only.
        segment_ids: of the same shape.
    """

    encodings: list[Encoding]
    token_ids: NDArray[Any]
    segment_ids: NDArray[Any]


def check_stream(texts: Any, **sizes: Any) -> None:
    """Raise unless ``texts`` can be iterated, and each size is a whole number above 0.

    Args:
        texts: the texts of a stream; one text is none.
        **sizes: sizes of batches and buffers, by the name of their argument.
    """
    for name, size in sizes.items():
        check_integer(name, size, 1)
    if isinstance(texts, str | bytes) or not isinstance(texts, Iterable):
        raise TypeError(
            f"Expected texts to be an iterable of texts, got {describe(texts)}. Pass a list."
        )


def split_chunks(items: Iterable[_Item], size: int) -> Iterator[list[_Item]]:
    """Split an iterable into lists of ``size`` items; the last one may be shorter."""
    iterator = iter(items)
    while chunk := list(islice(iterator, size)):
        yield chunk


def pack_rows(
    lengths: Sequence[int], batch_tokens: int, needs_equal_lengths: bool = False
) -> Iterator[list[int]]:
    """Group rows of similar length, the longest first.

    Args:
        lengths: number of tokens of each row.
        batch_tokens: a group has at most so many tokens with its padding, or one row.
        needs_equal_lengths: True groups rows of one length only, for models without padding.

    Returns:
        Iterator over lists of indices into ``lengths``.
    """
    group: list[int] = []
    longest = 0
    for index in sorted(range(len(lengths)), key=lengths.__getitem__, reverse=True):
        has_another_length = needs_equal_lengths and lengths[index] != longest
        if group and (has_another_length or (len(group) + 1) * longest > batch_tokens):
            yield group
            group = []
        if not group:
            longest = lengths[index]
        group.append(index)
    if group:
        yield group


def make_batch(encodings: list[Encoding], pad_id: int, maxlen: int | None) -> Batch:
    """Pad rows to one batch.

    Where a backend compiles each shape, few lengths and numbers of rows occur.

    Args:
        encodings: the rows.
        pad_id: token id of padding.
        maxlen: the longest row that the model takes; None for any.
    """
    count, length = len(encodings), max(len(row.token_ids) for row in encodings)
    if compiles_each_shape:
        count, length = 1 << (count - 1).bit_length(), round_length(length, maxlen)
    token_ids = _pad((row.token_ids for row in encodings), count, length, pad_id)
    segment_ids = _pad((row.segment_ids for row in encodings), count, length, 0)
    return Batch(encodings, token_ids, segment_ids)


def round_length(length: int, maxlen: int | None = None) -> int:
    """Round a length up to 16, 24, 32, 48, 64 and so on: a third of a longer row may be padding.

    Example:
        >>> from bert4keras.pipelines.batching import round_length
        >>> [round_length(n) for n in (3, 17, 40, 130)]
        [16, 24, 48, 192]
    """
    power = max(_SHORTEST, 1 << (length - 1).bit_length())
    new_length = power * 3 // 4 if power > _SHORTEST and length <= power * 3 // 4 else power
    return new_length if maxlen is None else max(length, min(new_length, maxlen))


def _pad(rows: Iterable[Sequence[int]], count: int, length: int, value: int) -> NDArray[Any]:
    array = sequence_padding(rows, length, value).astype("int32")
    return np.pad(array, ((0, count - len(array)), (0, 0)), constant_values=value)


def make_bar(progress: bool | None, total: int | None) -> Any:
    """Return a progress bar that counts texts.

    Args:
        progress: True shows it, False does not; None shows it on a terminal after three seconds.
        total: number of texts; None if it is unknown.
    """
    is_off = None if progress is None else not progress  # None: unless it is a terminal
    delay = 3 if progress is None else 0
    return tqdm(total=total, unit="text", leave=bool(progress), disable=is_off, delay=delay)
