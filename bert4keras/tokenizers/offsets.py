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

    def find_tokens(self, start: int, end: int, text_index: int = 0) -> Span | None:
        """Find the tokens of the characters ``text[start:end]``, such as those of an entity.

        Args:
            start: first character.
            end: the character behind the last one.
            text_index: 1 for a place in the second text of a pair.

        Returns:
            First token and last token; None if these are cut off, or if one of them also stands for
            characters outside.

        Raises:
            ValueError: the encoding has no offsets.

        Example:
            >>> from bert4keras.tokenizers import Encoding
            >>> offsets = [None, (0, 1), (1, 3), None]
            >>> encoding = Encoding([2, 5, 6, 3], [0] * 4, offsets, [None, 0, 0, None])
            >>> encoding.find_tokens(1, 3), encoding.find_tokens(0, 2)
            ((2, 2), None)
        """
        if self.offsets is None or self.text_index is None:
            raise ValueError(
                "Expected an encoding with offsets, got one without. Make it by encode_with_offsets"
            )
        places = [
            (number, span)
            for number, (span, index) in enumerate(zip(self.offsets, self.text_index))
            if span is not None and span[0] < span[1] and index == text_index
        ]
        first = next((number for number, span in places if span[0] == start), None)
        last = next((number for number, span in reversed(places) if span[1] == end), None)
        if first is None or last is None or last < first:
            return None
        return first, last


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
