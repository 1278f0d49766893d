"""Entities from scores of tags: each token alone, or the best path of a CRF or an MEMM."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from bert4keras.backend.types import NDArray
from bert4keras.data.tag_scheme import OUTSIDE, TagScheme
from bert4keras.layers import ViterbiDecoder
from bert4keras.pipelines.marginals import PathProbabilities
from bert4keras.pipelines.merging import WindowPlaces, join_encodings
from bert4keras.tokenizers import Encoding

AGGREGATIONS = ("none", "simple", "first", "average", "max")
FORBIDDEN = -1e12  # finite, so that sums of it are no NaN


class Entity(NamedTuple):
    """An entity by its tokens.

    Args:
        first: its first token.
        last: its last token.
        type: its type, or the tag of one token.
        score: its score.
    """

    first: int
    last: int
    type: str
    score: float


class TagResult(NamedTuple):
    """Scores of a row, with their entities: those of windows are decoded once more.

    Args:
        scores: (L, C) scores of the tags.
        entities: the entities of the row by itself.
    """

    scores: NDArray[Any]
    entities: list[Entity]


class TagDecoder:
    """Base of the decoders of tags: a subclass has ``find_entities``."""

    def decode(
        self, scores: NDArray[Any], encodings: Sequence[Encoding], options: Mapping[str, Any]
    ) -> list[TagResult]:
        """Return the result of each row of a batch, from scores (B or more, L, C)."""
        scores = scores[: len(encodings)]
        entities = self.find_entities(scores, encodings, options)
        return [
            TagResult(row[: len(encoding.token_ids)], spans)
            for row, encoding, spans in zip(scores, encodings, entities)
        ]

    def find_entities(
        self, scores: NDArray[Any], encodings: Sequence[Encoding], options: Mapping[str, Any]
    ) -> list[list[Entity]]:
        """Return the entities of each row."""
        raise NotImplementedError

    def merge(
        self,
        encodings: Sequence[Encoding],
        results: Sequence[TagResult],
        overlap: int,
        options: Mapping[str, Any],
    ) -> list[tuple[Encoding, list[Entity]]]:
        """Return rows with their entities: of windows, one row with the best scores of each token.

        Tags are decoded on the row of the whole text, so that no entity is cut at an edge.
        """
        if len(results) == 1:
            return [(encodings[0], results[0].entities)]
        parts = list(WindowPlaces(encodings, overlap).list_parts())
        encoding = join_encodings(encodings, parts)
        scores = np.concatenate([x.scores[part] for x, part in zip(results, parts)])
        (entities,) = self.find_entities(scores[None], [encoding], options)
        return [(encoding, entities)]


class ArgmaxDecoder(TagDecoder):
    """The best tag of each token, or of each word, alone.

    Neighbours make entities as ``aggregation_strategy`` of ``transformers`` says.

    Args:
        scheme: the meaning of the labels.
        is_subword: function of a row that tells of each token if it goes on with a word.
    """

    def __init__(self, scheme: TagScheme, is_subword: Callable[[Encoding], list[bool]]) -> None:
        self._scheme = scheme
        self._is_subword = is_subword

    def find_entities(
        self, scores: NDArray[Any], encodings: Sequence[Encoding], options: Mapping[str, Any]
    ) -> list[list[Entity]]:
        aggregation = options["aggregation"]
        return [self._find(*row, aggregation) for row in zip(scores, encodings)]

    def _find(self, scores: NDArray[Any], encoding: Encoding, aggregation: str) -> list[Entity]:
        words = [[place] for place in list_places(encoding)]
        if aggregation not in ("none", "simple"):
            words = _join_words(words, self._is_subword(encoding))
        combine = _COMBINATIONS.get(aggregation, _take_first)
        rows = [combine(scores[word]) for word in words]
        labels = [int(row.argmax()) for row in rows]
        numbers = [float(row[label]) for row, label in zip(rows, labels)]
        spans = self._scheme.list_spans(labels)
        if aggregation == "none":
            names = enumerate(self._scheme.labels[label] for label in labels)
            spans = [(place, place, name) for place, name in names if name != OUTSIDE]
        return [
            Entity(
                words[first][0], words[last][-1], kind, float(np.mean(numbers[first : last + 1]))
            )
            for first, last, kind in spans
        ]


def _take_first(scores: NDArray[Any]) -> NDArray[Any]:
    return scores[0]


def _take_surest(scores: NDArray[Any]) -> NDArray[Any]:
    return scores[scores.max(-1).argmax()]


def _average(scores: NDArray[Any]) -> NDArray[Any]:
    return scores.mean(0)


_COMBINATIONS = {"first": _take_first, "max": _take_surest, "average": _average}


def _join_words(tokens: Sequence[list[int]], is_subword: Sequence[bool]) -> list[list[int]]:
    """Join tokens to words."""
    words: list[list[int]] = []
    for token in tokens:
        if words and is_subword[token[0]]:
            words[-1] += token
        else:
            words.append([*token])
    return words


class PathDecoder(TagDecoder):
    """The best path of tags, by Viterbi.

    The score of an entity is the probability of its tags at its tokens, in the distribution over
    paths whose logarithm is the score that Viterbi maximises, up to a constant: a marginal
    probability, by forward and backward sums. Special tokens have the tag "O", if there is one.

    Args:
        scheme: the meaning of the labels.
        read_transitions: function that returns the transitions (n, n) of the layer.
        is_constrained: True allows only paths that keep the rules of the scheme.
    """

    def __init__(
        self,
        scheme: TagScheme,
        read_transitions: Callable[[], NDArray[Any]],
        is_constrained: bool = False,
    ) -> None:
        self._scheme = scheme
        self._read_transitions = read_transitions
        size = len(scheme.labels)
        self._bias, self._boundaries = np.zeros((size, size)), np.zeros((2, size))
        if is_constrained:
            self._bias = np.where(scheme.find_allowed_transitions(), 0.0, FORBIDDEN)
            for row, allowed_labels in zip(self._boundaries, scheme.list_boundaries()):
                row[np.setdiff1d(np.arange(size), allowed_labels)] = FORBIDDEN

    def find_entities(
        self, scores: NDArray[Any], encodings: Sequence[Encoding], options: Mapping[str, Any]
    ) -> list[list[Entity]]:
        trans = np.maximum(self._read_transitions().astype("float64"), FORBIDDEN) + self._bias
        lengths = [len(encoding.token_ids) for encoding in encodings]
        nodes = self._constrain(scores, encodings, lengths)
        labels = ViterbiDecoder(trans).decode_batch(nodes, lengths)
        spans = [self._list_spans(*row) for row in zip(labels, encodings)]
        if not any(spans):
            return [[] for _ in spans]
        probabilities = PathProbabilities(nodes, trans, lengths)
        return [
            [
                Entity(
                    first,
                    last,
                    kind,
                    probabilities.compute(i, first, labels[i, first : last + 1].tolist()),
                )
                for first, last, kind in row
            ]
            for i, row in enumerate(spans)
        ]

    def _constrain(self, scores, encodings, lengths) -> NDArray[Any]:
        """Return finite scores that forbid what cannot be: tags of special tokens, at the ends."""
        nodes = np.maximum(scores.astype("float64"), FORBIDDEN)
        nodes[:, 0] += self._boundaries[0]
        nodes[np.arange(len(nodes)), np.array(lengths) - 1] += self._boundaries[1]
        outside = self._scheme.outside
        if outside is not None:
            is_tag = np.arange(nodes.shape[-1]) != outside
            for row, encoding in zip(nodes, encodings):
                special = [i for i, span in enumerate(encoding.offsets or ()) if span is None]
                row[np.ix_(special, is_tag)] = FORBIDDEN
        return nodes

    def _list_spans(self, labels, encoding) -> list[tuple[int, int, str]]:
        places = list_places(encoding)
        spans = self._scheme.list_spans(labels[places].tolist())
        return [(places[first], places[last], kind) for first, last, kind in spans]


def list_places(encoding: Encoding) -> list[int]:
    """List the tokens of a row that are no special tokens."""
    return [i for i, span in enumerate(encoding.offsets or ()) if span is not None]
