"""Texts to pretrain on: poems, abstracts of papers and reviews.

All three have a form that can be learnt, and hardly a text comes twice.
"""

import random

from .files import write_files
from .poems import make_poems
from .reviews import make_reviews
from .titles import make_titles


def make_files(number=6000):
    """Write corpus.txt, a text on each line, and return its path."""
    (path,) = write_files("corpora", corpus=("txt", make_corpus, number))
    return path


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
