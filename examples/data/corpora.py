"""Texts to pretrain on: made up, or lines of files without the marks of words.

The made-up corpus mixes what the other examples learn from: poems, abstracts of papers, reviews.
All three have a form that can be learnt, and hardly a text comes twice.
"""

import random
import re

from .poems import make_poems
from .reviews import make_reviews
from .titles import make_titles

TAG = re.compile(r"\[?(\S+?)/[A-Za-z]{1,3}(?:\][A-Za-z]{1,3})?(?=\s|$)\s*")


def make_corpus(number, seed=0):
    """Compose texts, a third of each kind, in a mixed order.

    Args:
        number: how many.
        seed: the same seed gives the same texts.

    Returns: a list of texts.

    Example:
        >>> len(make_corpus(7))
        7
    """
    third = -(-number // 3)
    texts = [
        *make_poems(third, seed=seed),
        *(text for text, _ in make_titles(third, seed=seed)),
        *(text for text, _ in make_reviews(third, seed=seed)),
    ]
    random.Random(f"corpus {seed}").shuffle(texts)
    return texts[:number]


def plain(text):
    """A text without marks of its words, `迈向/v  充满/v`, as in the People's Daily of 1998.

    Example:
        >>> plain("[中国/ns  政府/n]nt  顺利/ad"), plain("3/4 是 and/or")
        ('中国政府顺利', '3/4 是 and/or')
    """
    bare, marks = TAG.subn(r"\1", text + " ")
    return bare.strip() if marks and marks == len(text.split()) else text
