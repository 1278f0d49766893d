"""Truncation of token lists to a total length, from any index; takes linear time."""

from collections.abc import Sequence
from typing import TypeVar

_Token = TypeVar("_Token")


def truncate(token_lists: Sequence[list[_Token]], maxlen: int, index: int) -> list[list[_Token]]:
    """Truncate copies of token lists to ``maxlen`` tokens in all.

    The result is that of removing one token after another, each at ``index`` of the longest list,
    the first of several.

    Args:
        token_lists: lists of tokens; they stay as they are.
        maxlen: maximum number of tokens in all lists together.
        index: where to remove tokens, negative from the end.

    Raises:
        ValueError: a list has no token at ``index`` before ``maxlen`` is reached.

    Example:
        >>> truncate([list("abcde"), list("xy")], 5, -2)
        [['a', 'b', 'e'], ['x', 'y']]
    """
    lengths = [len(tokens) for tokens in token_lists]
    counts = _count_removals(lengths, sum(lengths) - maxlen)
    return [
        _remove(tokens, count, index, maxlen)
        for tokens, count in zip(token_lists, counts, strict=True)
    ]


def _count_removals(lengths, excess):
    """Return the number of tokens to remove from each list, in all ``excess``."""
    remaining = list(lengths)
    while excess > 0:
        longest = max(remaining)
        indices = [i for i, length in enumerate(remaining) if length == longest]
        shorter = max((length for length in remaining if length < longest), default=0)
        step = min(longest - shorter, excess // len(indices))
        if step == 0:  # fewer tokens to remove than lists: one from each of the first
            indices, step = indices[:excess], 1
        for i in indices:
            remaining[i] -= step
        excess -= step * len(indices)
    return [length - size for length, size in zip(lengths, remaining, strict=True)]


def _remove(tokens, count, index, maxlen):
    """Remove ``count`` tokens, each at ``index`` of what remains."""
    start = index if index >= 0 else len(tokens) + index - count + 1
    if count and not 0 <= start <= len(tokens) - count:
        length = min(len(tokens), index if index >= 0 else -index - 1)
        raise ValueError(
            f"Expected a token to remove at index {index}, got {length} tokens while truncating to "
            f"maxlen={maxlen}. Pass a larger maxlen or another truncate_from."
        )
    return tokens[:start] + tokens[start + count :] if count else list(tokens)
