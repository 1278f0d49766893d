"""Inputs of tokenizers: checks of texts, tokens, pairs and ids, which name the wrong row."""

import os
from collections.abc import Iterable, Mapping, Set
from typing import Any

import numpy as np

from bert4keras.checks import check_strings, describe

_TEXT = "Pass a str, or a list of tokens; replace missing values (None, NaN) by ''."


def check_tokens(name: str, value: Any) -> str | list[str]:
    """Return a text as it is, and tokens as a new list; raise TypeError for anything else."""
    if isinstance(value, str):
        return value
    if not _is_row(value) or isinstance(value, tuple):
        raise TypeError(
            f"Expected {name} to be a text (str) or a list of tokens, got "
            f"{describe(value)}. {_TEXT}"
        )
    return check_strings(name, value, "Pass tokens, not ids or other values.")


def _is_row(value: Any) -> bool:
    """True for a list, a generator, or an array of one axis; False for bytes, dicts and sets."""
    if not isinstance(value, Iterable) or isinstance(value, bytes | bytearray | Mapping | Set):
        return False
    return len(getattr(value, "shape", (0,))) == 1


def split_pair(name: str, first: Any, second_name: str, second: Any) -> tuple[Any, Any]:
    """Return a first and a second text; a tuple in place of the first is a pair of both."""
    if not isinstance(first, tuple):
        return first, second
    if len(first) != 2 or second is not None:
        raise TypeError(
            f"Expected {name} to be a text, a list of tokens, or a pair of texts (tuple of 2) "
            f"without {second_name}, got {describe(first)}. Pass tokens as a list."
        )
    return first


def list_texts(name: str, texts: Any) -> list[Any]:
    """Return the texts of a batch as a list; raise for one text, a dict or anything else."""
    if isinstance(texts, str) or not _is_row(texts):
        raise TypeError(
            f"Expected {name} to be a list of at least one text, got {describe(texts)}. "
            "Use encode for one text, and pass pairs as texts and second_texts."
        )
    return list(texts)


def pair_texts(texts: Any, second_texts: Any) -> list[tuple[Any, Any]]:
    """Pair first texts with second texts or None; name the row of a value that is no text."""
    texts = list_texts("texts", texts)
    if not texts:
        raise ValueError(
            "Expected texts to be a list of at least one text, got []. Skip empty batches."
        )
    second_texts = [None] * len(texts) if second_texts is None else second_texts
    second_texts = list_texts("second_texts", second_texts)
    if len(second_texts) != len(texts):
        raise ValueError(
            f"Expected one second text for each text, got {len(texts)} texts and "
            f"{len(second_texts)} second_texts. Pass lists of the same length."
        )
    pairs = []
    for row, pair in enumerate(zip(texts, second_texts, strict=True)):
        first_name, second_name = f"texts[{row}]", f"second_texts[{row}]"
        first, second = split_pair(first_name, pair[0], second_name, pair[1])
        second = None if second is None else check_tokens(second_name, second)
        pairs.append((check_tokens(first_name, first), second))
    return pairs


def list_ids(ids: Any) -> list[Any]:
    """Return one row of ids as a list; raise for a batch of rows, a text or a number."""
    if hasattr(ids, "shape"):
        ids = np.asarray(ids)
        if ids.ndim != 1:
            raise ValueError(
                f"Expected ids to be one row of ids (L,), got {describe(ids)}. Decode each row "
                "alone: [tokenizer.decode(row) for row in ids]."
            )
        return ids.tolist()
    if isinstance(ids, str | bytes | Mapping) or not isinstance(ids, Iterable):
        raise TypeError(
            f"Expected ids to be a list of token ids, got {describe(ids)}. Use encode for a text, "
            "and put one id in a list."
        )
    return list(ids)


def check_id(i: Any) -> int:
    """Return an id as an int; raise for what is no whole number."""
    try:
        is_whole = not isinstance(i, str | bytes) and np.ndim(i) == 0 and int(i) == i
    except (TypeError, ValueError, OverflowError):  # None, NaN, infinity, a list of lists
        is_whole = False
    if not is_whole:
        raise TypeError(
            f"Expected a token id (whole number), got {describe(i)}. Pass a row of ids."
        )
    return int(i)


def check_path(name: str, path: Any) -> str:
    """Return a path as a str; raise TypeError for what is none."""
    if not isinstance(path, str | os.PathLike):
        raise TypeError(
            f"Expected {name} to be a path, got {describe(path)}. Pass the file's path."
        )
    return os.fspath(path)  # type: ignore[return-value]
