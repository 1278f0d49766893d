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
    subwords: list[bool] = []
    end = -1  # of the last character that a token has; tokens of bytes may share one
    for token, span in zip(tokens, encoding.offsets or []):
        subwords.append(span is not None and span[0] <= end and not token.startswith(_SPACES))
        if span is not None and span[0] < span[1]:
            end = span[1]
    return subwords
