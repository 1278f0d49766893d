"""Checkpoints in other people's names and layouts, seen through Google's names."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import reduce
from typing import NamedTuple

import numpy as np

from bert4keras.checkpoints.checkpoint import Checkpoint, Tensors, named

Rules = tuple[tuple[str, str], ...]

# how Hugging Face writes what Google writes as a/b/layer_3/x/kernel, .../gamma, .../word_embeddings
HUGGING_FACE: Rules = (
    (r"_0*(\d+)(?=/)", r"/\1"),
    (r"/kernel$", "/weight^T"),
    (r"/(gamma|scale)$", "/weight"),
    (r"/beta$", "/bias"),
    (r"(embeddings?)$", r"\1/weight"),
    (r"/", "."),
)
OLD_NORM_NAMES = {"gamma": "weight", "beta": "bias"}


class Foreign(NamedTuple):
    """Where a variable of Google's stands in a foreign checkpoint.

    `name` is its tensor there; `transposed` says that it lies there transposed; `part` `(k, n)`
    says that, once turned, it is the k-th of n equal parts of the last axis.
    """

    name: str
    transposed: bool = False
    part: tuple[int, int] = (0, 1)


@dataclass(frozen=True)
class Dialect:
    """A table of rules that rewrites Google's names into foreign ones.

    Args:
        rules: pairs `(pattern, replacement)` for `re.sub`, applied one after another to Google's
            name. What comes out is a tensor's name, or says how to make the variable of tensors:
            `name^T` is its transpose, `name[0 of 3]` the first of three parts of its last axis,
            `one @ other` a product of matrices.
        prefix: what foreign names may begin with or leave out, such as `bert.`, which a bare
            `BertModel` does not write. Default: none.

    Example:
        >>> hugging_face(prefix="bert.").foreign("bert/encoder/layer_3/intermediate/dense/kernel")
        Foreign(name='bert.encoder.layer.3.intermediate.dense.weight', transposed=True, part=(0, 1))
    """

    rules: Rules
    prefix: str = ""

    def spell(self, name: str) -> str:
        """Google's name rewritten by the rules."""
        for pattern, replacement in self.rules:
            name = re.sub(pattern, replacement, name)
        return name

    def foreign(self, name: str) -> Foreign:
        """Where the variable of this name stands.

        Raises:
            ValueError: it is a product of several tensors and stands nowhere.
        """
        return _parsed(self.spell(name))

    def candidates(self, name: str) -> list[str]:
        """Spellings to look for, the usual one first: without the prefix, with old norm names."""
        usual = self.spell(name)
        spellings = [usual]
        last = name.rpartition("/")[2]
        if last in OLD_NORM_NAMES and usual.endswith("." + OLD_NORM_NAMES[last]):
            spellings.append(usual.removesuffix(OLD_NORM_NAMES[last]) + last)
        return spellings + [spelling.removeprefix(self.prefix) for spelling in spellings]


def hugging_face(*rules: tuple[str, str], prefix: str = "") -> Dialect:
    """The dialect of Hugging Face: the rules of a family, then what all families share.

    Kernels lie transposed; `layer_3/` becomes `layer.3.`; `gamma` and `scale` become `weight`,
    `beta` becomes `bias`; tables whose names end in `embedding(s)` get `.weight`; `/` becomes `.`.

    Args:
        *rules: pairs `(pattern, replacement)` on Google's names, see `Dialect`.
        prefix: what a bare model leaves out, such as `bert.`.

    Example:
        >>> dialect = hugging_face(("predictions/output_bias$", "predictions/bias"))
        >>> dialect.foreign("cls/predictions/output_bias").name
        'cls.predictions.bias'
    """
    return Dialect((*rules, *HUGGING_FACE), prefix)


def _parsed(spelling: str) -> Foreign:
    match = re.fullmatch(r"([^\s^\[@]+)(\^T)?(?:\[(\d+) of (\d+)\])?", spelling)
    if match is None:
        raise ValueError(
            f"`{spelling}` is made of several tensors or misspelt: it cannot be written."
        )
    name, turned, k, n = match.groups()
    return Foreign(name, bool(turned), (int(k), int(n)) if n else (0, 1))


class InDialect(Checkpoint):
    """A foreign checkpoint that answers to Google's names too; iteration gives names as stored."""

    def __init__(self, checkpoint: Checkpoint, dialect: Dialect):
        super().__init__(checkpoint.path, checkpoint)
        self._checkpoint, self._dialect = checkpoint, dialect

    def __contains__(self, name: object) -> bool:
        return name in self._checkpoint or self._spelling(str(name)) is not None

    def _spelling(self, name: str) -> str | None:
        for spelling in self._dialect.candidates(name):
            if all(_parsed(factor).name in self._checkpoint for factor in spelling.split(" @ ")):
                return spelling
        return None

    def _read(self, name: str) -> np.ndarray:
        spelling = self._spelling(name)
        if spelling is None:
            return self._checkpoint[name]
        return reduce(np.matmul, [self._factor(_parsed(one)) for one in spelling.split(" @ ")])

    def _factor(self, foreign: Foreign) -> np.ndarray:
        array = self._checkpoint[foreign.name]
        k, n = foreign.part
        return np.split(array.T if foreign.transposed else array, n, axis=-1)[k]

    def close(self) -> None:
        self._checkpoint.close()


def to_google_names(checkpoint: Checkpoint, dialect: Dialect) -> Checkpoint:
    """A foreign checkpoint whose tensors are found, turned and cut under Google's names.

    Args:
        checkpoint: what `open_checkpoint` gives.
        dialect: how its writers spell Google's names.

    Example:
        >>> from bert4keras.checkpoints import open_checkpoint
        >>> stored = open_checkpoint({"pooler.dense.weight": np.zeros((2, 3))})
        >>> checkpoint = to_google_names(stored, hugging_face(prefix="bert."))
        >>> checkpoint["bert/pooler/dense/kernel"].shape
        (3, 2)
    """
    return InDialect(checkpoint, dialect)


def to_foreign_names(tensors: Tensors, dialect: Dialect) -> Iterator[tuple[str, np.ndarray]]:
    """Tensors under Google's names as they are to be written in a dialect, parts joined.

    Raises:
        ValueError: a variable has no place of its own in this dialect, or parts of one are lacking.

    Example:
        >>> tensors = {"bert/pooler/dense/kernel": np.zeros((3, 2))}
        >>> [(name, array.shape) for name, array in to_foreign_names(tensors, hugging_face())]
        [('bert.pooler.dense.weight', (2, 3))]
    """
    waiting: dict[str, dict[int, np.ndarray]] = {}
    for name, array in named(tensors):
        foreign = dialect.foreign(name)
        k, n = foreign.part
        parts = waiting.setdefault(foreign.name, {})
        parts[k] = array
        if len(parts) == n:
            whole = array if n == 1 else np.concatenate([parts[k] for k in range(n)], axis=-1)
            del waiting[foreign.name]
            yield foreign.name, whole.T if foreign.transposed else whole
    if waiting:
        raise ValueError(
            f"Parts of {', '.join(f'`{name}`' for name in waiting)} are lacking. "
            "Give every variable that makes these tensors."
        )
