"""Offsets of tokens: the characters of a text that each token stands for."""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

__all__ = ["Encoding", "Span"]

Span = tuple[int, int]


class Encoding(NamedTuple):
    """Token ids of a text or of a pair of texts, with the place of each token in its text.

    All lists have one item for each token.

    Args:
        token_ids: ids of the tokens.
        segment_ids: 0 for the first text, 1 for the second.
        offsets: ``(start, end)``, so that ``text[start:end]`` are the characters of a token; None
            for a special token that the tokenizer adds. ``start == end`` for a token of no
            character, such as the space that SentencePiece puts before a text. None in place of
            the list where nobody asked for offsets.
        text_index: 0 or 1 for the text that a token comes from; None for an added special token.
            None in place of the list likewise.

    Example:
        >>> from bert4keras.tokenizers import Encoding
        >>> Encoding([2, 5, 3], [0, 0, 0], [None, (0, 1), None], [None, 0, None]).offsets[1]
        (0, 1)
    """

    token_ids: list[int]
    segment_ids: list[int]
    offsets: list[Span | None] | None = None
    text_index: list[int | None] | None = None


def match_tokens(
    text: str, tokens: Sequence[str], located_tokens: Sequence[tuple[str, Span | None]]
) -> list[Span | None]:
    """Find tokens, all or a part of those of a text in their order, and return their spans.

    Args:
        text: the text, for the error.
        tokens: the tokens to find.
        located_tokens: all tokens of the text, with their spans.

    Raises:
        ValueError: a token is not among the rest of those of the text.
    """
    spans = []
    remaining_pairs = iter(located_tokens)
    for token in tokens:
        match = next((pair for pair in remaining_pairs if pair[0] == token), None)
        if match is None:
            raise ValueError(
                f"Expected tokens of the text {text[:20]!r} in their order, got {token!r}. Pass "
                "the text and the tokens that tokenize made of it."
            )
        spans.append(match[1])
    return spans


def cover(spans: Iterable[Span]) -> Span:
    """Return the span from the first to the last character of spans."""
    starts, ends = zip(*spans)
    return min(starts), max(ends)


def find_words(text: str, words: Iterable[str]) -> list[Span]:
    """Return the place of each word of a text; the words are in order.

    Raises:
        ValueError: a word is not in the rest of the text.
    """
    spans = []
    end = 0
    for word in words:
        start = text.find(word, end)
        if start < 0:
            raise ValueError(
                f"Expected pre_tokenize to return words of the text, got {word!r}, which is not in "
                f"the rest {text[end:][:20]!r}. Return parts of the text as they are."
            )
        end = start + len(word)
        spans.append((start, end))
    return spans
