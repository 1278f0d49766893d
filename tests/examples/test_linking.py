"""Triples as pairs of positions and back."""

import numpy as np
import pytest

from bert4keras.tokenizers import Tokenizer
from examples.data.linking import KINDS, linked, triples_of
from examples.data.triples import PREDICATES, as_triples, make_triples

LENGTH = 64


@pytest.fixture(scope="module")
def items():
    return make_triples(200, "dev")


@pytest.fixture(scope="module")
def tokenizer(items):
    signs = sorted({sign for item in items for sign in item["text"]})
    tokens = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", *signs, *(f"##{digit}" for digit in range(10))]
    return Tokenizer({token: number for number, token in enumerate(tokens)})


def scores_of(pairs):
    """Scores that are above 0 for pairs alone, the one that fills up included."""
    scores = np.full((KINDS, LENGTH * LENGTH), -1.0)
    np.put_along_axis(scores, pairs, 1.0, axis=1)
    return scores.reshape(KINDS, LENGTH, LENGTH)


def test_triples_come_back_from_their_pairs(items, tokenizer):
    for item in items:
        ids, pairs = linked(item, tokenizer, LENGTH)
        assert len(ids) == len(tokenizer.tokenize(item["text"], LENGTH))
        triples = triples_of(item["text"], scores_of(pairs), tokenizer, LENGTH)
        assert triples == set(as_triples(item))


def test_names_that_were_cut_off_have_no_pairs(items, tokenizer):
    item = next(item for item in items if item["spo_list"])
    ids, pairs = linked(item, tokenizer, 3)
    assert len(ids) == 3 and not pairs.any()


def test_the_ends_of_a_row_are_no_names(items, tokenizer):
    sign = items[0]["text"][0]
    triples = triples_of(sign, np.ones((KINDS, 3, 3)), tokenizer, 3)
    assert triples == {(sign, predicate, sign) for predicate in PREDICATES}
