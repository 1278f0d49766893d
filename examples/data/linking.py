"""Triples as GPLinker marks them, pairs of positions of several kinds, and triples from its scores.

The first kind is spans of subjects, the second spans of objects; then come, for each predicate, the
first tokens of subject and object, and their last tokens.
"""

import numpy as np
from .triples import PREDICATES, as_triples, find

KINDS = 2 + 2 * len(PREDICATES)


def linked(item, tokenizer, length, most=8):
    """The tokens of an item, and its pairs.

    Args:
        item: {"text", "spo_list"}.
        tokenizer: whose tokens are numbered.
        length: tokens of a row: the pair (i, j) is the number i * length + j.
        most: pairs of a kind; what is beyond is left out.

    Returns: a list of ids, and an array (KINDS, most) of numbers; 0, [CLS] with itself, fills up.
    """
    ids, pairs = tokenizer.encode(item["text"], maxlen=length)[0], [set() for _ in range(KINDS)]
    for s, p, o in as_triples(item):
        s, o = (find(tokenizer.encode(name)[0][1:-1], ids) for name in (s, o))
        if s and o:
            first = 2 + 2 * PREDICATES.index(p)
            for kind, (i, j) in (0, s), (1, o), (first, (s[0], o[0])), (first + 1, (s[1], o[1])):
                pairs[kind].add(i * length + j)
    rows = [sorted(kind)[:most] for kind in pairs]
    return ids, np.array([row + [0] * (most - len(row)) for row in rows])


def triples_of(text, scores, tokenizer, maxlen):
    """The triples that scores tell.

    Args:
        text: what was read.
        scores: (KINDS, L, L), above 0 where a pair is of a kind.
        tokenizer, maxlen: that its tokens were made with.

    Returns: a set of (subject, predicate, object), cut out of the text.
    """
    tokens = tokenizer.tokenize(text, maxlen)
    places, inner = tokenizer.rematch(text, tokens), slice(1, len(tokens) - 1)  # no [CLS], [SEP]
    names = [
        [
            (i + 1, j + 1, text[places[i + 1][0] : places[j + 1][-1] + 1])
            for i, j in np.argwhere(np.triu(spans[inner, inner] > 0))
        ]
        for spans in scores[:2]
    ]
    found = set()
    for i, j, s in names[0]:
        for m, n, o in names[1]:
            both = np.minimum(scores[2::2, i, m], scores[3::2, j, n])
            found.update((s, PREDICATES[p], o) for p in np.flatnonzero(both > 0))
    return found
