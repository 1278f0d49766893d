"""Tags of tokens: what "B-PER" says, which tags may follow each other, and the spans they name."""

import re
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from bert4keras.backend.types import NDArray
from bert4keras.checks import check_choice

OUTSIDE = "O"
SCHEMES = {"BIO": "BI", "BIOES": "BIES", "BMES": "BMES", "BILOU": "BILU", "IO": ""}
_TAG = re.compile(r"([BIMESLU])-(.+)", re.DOTALL)
_CONTINUING = frozenset("IMEL")
_REMEDY = "Pass the labels that the model was trained with, or scheme='IO' if each is a type."


class TagScheme:
    """Meaning of the labels of tokens.

    Args:
        labels: names of the labels: "O" outside of all spans, and tags such as "B-PER".
        scheme: "BIO": a span begins with B and goes on with I. "BIOES": it also ends with E, or has
            one token, S. "BMES": M in place of I. "BILOU": L in place of E, U in place of S. "IO":
            each label is a type, and equal neighbours are one span. None: the first of them, but
            "IO", that has the prefixes of the labels.

    Raises:
        ValueError: a label is no tag of the scheme.

    Example:
        >>> from bert4keras.data.tag_scheme import TagScheme
        >>> scheme = TagScheme(["O", "B-PER", "I-PER", "B-LOC"])
        >>> scheme.name, scheme.list_spans([1, 2, 0, 2, 3])
        ('BIO', [(0, 1, 'PER'), (3, 3, 'PER'), (4, 4, 'LOC')])
    """

    def __init__(self, labels: Sequence[str], scheme: str | None = None) -> None:
        self.labels: list[str] = list(labels)
        self.name: str = _find_scheme(labels) if scheme is None else scheme
        prefixes = SCHEMES[check_choice("scheme", self.name, tuple(SCHEMES))]
        if self.name != "IO":
            _check_tags(labels, prefixes, self.name)
        self._parts: list[tuple[str, str]] = [self._split(label) for label in labels]

    def _split(self, label: str) -> tuple[str, str]:
        """Return prefix and type of a label; those of "O" are empty."""
        if label == OUTSIDE:
            return "", ""
        return ("I", label) if self.name == "IO" else (label[0], label[2:])

    @property
    def outside(self) -> int | None:
        """Number of the label "O"; None if there is none."""
        return self.labels.index(OUTSIDE) if OUTSIDE in self.labels else None

    def list_spans(self, labels: Sequence[int]) -> list[tuple[int, int, str]]:
        """Find the spans of a row of labels, also where labels break the rules of the scheme.

        A label that cannot go on with the span before it begins a new one.

        Args:
            labels: numbers of labels.

        Returns:
            First place, last place and type of each span.
        """
        spans: list[tuple[int, int, str]] = []
        is_open, open_type = False, ""
        for place, label in enumerate(labels):
            prefix, kind = self._parts[label]
            if is_open and prefix in _CONTINUING and kind == open_type:
                spans[-1] = (spans[-1][0], place, kind)
            elif prefix:
                spans.append((place, place, kind))
            is_open, open_type = prefix in ("B", "I", "M"), kind
        return spans

    def list_tags(self, spans: Iterable[tuple[int, int, str]], length: int) -> list[str]:
        """Return the tags of a row that has the given spans: the reverse of ``list_spans``.

        Args:
            spans: first place, last place and type of each span.
            length: number of tokens.

        Raises:
            ValueError: spans overlap, or are not inside the row.

        Example:
            >>> from bert4keras.data import TagScheme
            >>> TagScheme(["O", "B-PER", "I-PER"]).list_tags([(0, 1, "PER")], 3)
            ['B-PER', 'I-PER', 'O']
        """
        tags = [OUTSIDE] * length
        for first, last, kind in spans:
            if not 0 <= first <= last < length or any(x != OUTSIDE for x in tags[first : last + 1]):
                raise ValueError(
                    f"Expected spans inside {length} tokens that do not overlap, got "
                    f"{(first, last, kind)}. Leave out nested ones."
                )
            for place in range(first, last + 1):
                tags[place] = self._tag(kind, place == first, place == last)
        return tags

    def _tag(self, kind: str, is_first: bool, is_last: bool) -> str:
        """Return the tag of one place of a span."""
        if self.name == "IO":
            return kind
        begin, inside, *ends = SCHEMES[self.name]
        end, single = ends or (inside, begin)
        if is_first:
            return f"{single if is_last else begin}-{kind}"
        return f"{end if is_last else inside}-{kind}"

    def list_boundaries(self) -> tuple[list[int], list[int]]:
        """List the labels that a text may begin with, and those that it may end with."""
        starts = [i for i in range(len(self.labels)) if self.name == "IO" or not self._goes_on(i)]
        return starts, [i for i in range(len(self.labels)) if not self._must_go_on(i)]

    def find_allowed_transitions(self) -> NDArray[Any]:
        """Return (n, n) booleans: True where label j may follow label i."""
        size = range(len(self.labels))
        return np.array([[self._can_follow(i, j) for j in size] for i in size])

    def _can_follow(self, label: int, next_label: int) -> bool:
        if self.name == "IO":
            return True
        prefix, kind = self._parts[label]
        if self._goes_on(next_label):
            return prefix in ("B", "I", "M") and kind == self._parts[next_label][1]
        return not self._must_go_on(label)

    def _goes_on(self, label: int) -> bool:
        return self._parts[label][0] in _CONTINUING

    def _must_go_on(self, label: int) -> bool:
        """True in the middle of a span, where the scheme marks the ends."""
        has_ends = not {*SCHEMES[self.name]}.isdisjoint("EL")
        return has_ends and self._parts[label][0] in ("B", "I", "M")


def _find_scheme(labels: Sequence[str]) -> str:
    """Return the scheme whose prefixes the labels have."""
    matches = [_TAG.fullmatch(label) for label in labels if label != OUTSIDE]
    if not matches or not all(matches):
        _refuse_tags(labels, "tags such as 'B-PER', and 'O',")
    prefixes = {match[1] for match in matches if match}
    for name, letters in SCHEMES.items():
        if prefixes <= {*letters}:
            return name
    return _refuse_tags(labels, f"tags of one scheme, {', '.join(SCHEMES)},")


def _check_tags(labels: Sequence[str], prefixes: str, name: str) -> None:
    for label in labels:
        match = _TAG.fullmatch(label)
        if label != OUTSIDE and not (match and match[1] in prefixes):
            _refuse_tags(labels, f"'O' or tags {'- '.join(prefixes)}- of {name}")


def _refuse_tags(labels: Sequence[str], rule: str) -> Any:
    raise ValueError(
        f"Expected labels to be {rule} for a model of tokens, got {list(labels)[:8]}. {_REMEDY}"
    )


def check_types(labels: Sequence[str]) -> None:
    """Raise if the labels of pointers are tags."""
    are_tags = len(labels) > 1 and all(map(_TAG.fullmatch, labels))
    if OUTSIDE in labels or are_tags:
        raise ValueError(
            "Expected labels to be types such as 'PER' for a model of pointers, got the tags "
            f"{list(labels)[:8]}. Pass each type once, in the order of the model's heads."
        )
