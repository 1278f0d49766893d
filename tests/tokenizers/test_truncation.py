"""Truncation equals the removal of one token after another, and takes linear time."""

from itertools import product

import pytest

from bert4keras.tokenizers.truncation import truncate


def truncate_step_by_step(token_lists, maxlen, index):
    """Remove one token after another, each at ``index`` of the first longest list; None: none."""
    token_lists = [list(tokens) for tokens in token_lists]
    while sum(map(len, token_lists)) > maxlen:
        longest = max(token_lists, key=len)
        if not -len(longest) <= index < len(longest):
            return None
        longest.pop(index)
    return token_lists


@pytest.mark.parametrize("index", range(-4, 4))
def test_truncate_equals_the_removal_of_one_token_after_another(index):
    for lengths in product(range(5), repeat=3):
        token_lists = [[f"{i}{j}" for j in range(n)] for i, n in enumerate(lengths)]
        for maxlen in range(9):
            expected = truncate_step_by_step(token_lists, maxlen, index)
            try:
                result = truncate(token_lists, maxlen, index)
            except ValueError as error:
                assert f"remove at index {index}" in str(error)
                result = None
            assert result == expected, (lengths, maxlen)


def test_truncate_makes_new_lists():
    tokens = ["a", "b"]
    (result,) = truncate([tokens], 5, -1)
    assert result == tokens and result is not tokens
