"""Subwords: tokens that go on with the word of the token before them."""

from typing import Any

from bert4keras.tokenizers import Encoding

_SPACES = ("▁", "Ġ", " ")  # how a token shows a space before it


def list_subwords(tokenizer: Any, encoding: Encoding) -> list[bool]:
    """Tell of each token if it goes on with the word of the token before it.

    Args:
        tokenizer: the tokenizer of the row.
        encoding: the row, with offsets.
    """
    tokens = tokenizer.ids_to_tokens(encoding.token_ids)
    prefix = tokenizer.subword_prefix
    if prefix:
        return [token.startswith(prefix) for token in tokens]
    offsets = encoding.offsets or []
    ends = [None if span is None else span[1] for span in [None, *offsets]]
    return [
        span is not None and span[0] == end and not token.startswith(_SPACES)
        for token, span, end in zip(tokens, offsets, ends)
    ]
