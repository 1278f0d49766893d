"""Names of variables: tables for the layers of a model, and dialects of other libraries.

A table is a dict: layer name -> names of variables, in Google's names and in the order of the
layer's weights. ``{i}`` in either stands for the number of the block. The tables themselves are in
the files of the model families. A dialect rewrites Google's names into those of another library.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import reduce
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from bert4keras.checkpoints.checkpoint import WEIGHT_TYPES, Checkpoint, Tensors, pairs

Table = Mapping[str, Sequence[str]]
_Rules = tuple[tuple[str, str], ...]


def dense(prefix: str) -> list[str]:
    """Return the names of a dense layer: kernel, then bias.

    Example:
        >>> dense("bert/pooler/dense")
        ['bert/pooler/dense/kernel', 'bert/pooler/dense/bias']
    """
    return [f"{prefix}/kernel", f"{prefix}/bias"]


def norm(prefix: str) -> list[str]:
    """Return the names of a normalization: beta, then gamma (not the other way round).

    Example:
        >>> norm("bert/embeddings/LayerNorm")
        ['bert/embeddings/LayerNorm/beta', 'bert/embeddings/LayerNorm/gamma']
    """
    return [f"{prefix}/beta", f"{prefix}/gamma"]


def attention(projections: str, output: str) -> list[str]:
    """Return the names of an attention layer: query, key, value, output, each kernel then bias.

    Args:
        projections: the name before ``/query``, ``/key`` and ``/value``.
        output: the dense layer after the heads.

    Example:
        >>> attention("layer_{i}/attention/self", "layer_{i}/attention/output/dense")[-3:]
        ['layer_{i}/attention/self/value/bias', 'layer_{i}/attention/output/dense/kernel',
         'layer_{i}/attention/output/dense/bias']
    """
    parts = [f"{projections}/{part}" for part in ("query", "key", "value")]
    return [name for part in [*parts, output] for name in dense(part)]


def expand_blocks(table: Table, depth: int) -> dict[str, list[str]]:
    """Expand a table: a row for every block in place of each row with ``{i}``.

    Rows keep their order; the rows of block 0 come before the rows of block 1. A row whose layer
    has no ``{i}`` stays one row. A format may follow the letter: ``{i:03d}``.

    Args:
        table: layer name -> variable names.
        depth: number of blocks.

    Example:
        >>> expand_blocks({"Embedding": ["table"], "Block-{i}": ["block_{i:02d}/kernel"]}, 2)
        {'Embedding': ['table'], 'Block-0': ['block_00/kernel'], 'Block-1': ['block_01/kernel']}
    """
    single = {layer: list(names) for layer, names in table.items() if "{i" not in layer}
    blocks = {
        layer.format(i=i): [name.format(i=i) for name in names]
        for i in range(depth)
        for layer, names in table.items()
        if "{i" in layer
    }
    return single | blocks


def rename_variables(table: Table, *replacements: tuple[str, str]) -> dict[str, list[str]]:
    """Replace parts of the variables' names in a table; layers keep their names.

    Args:
        table: layer name -> variable names.
        *replacements: ``(old, new)``, applied one after another.

    Example:
        >>> table = {"Embedding-Norm": norm("bert/embeddings/LayerNorm")}
        >>> rename_variables(table, ("bert/", "electra/"))
        {'Embedding-Norm': ['electra/embeddings/LayerNorm/beta',
                            'electra/embeddings/LayerNorm/gamma']}
    """
    return {
        layer: [_replace(name, replacements) for name in names] for layer, names in table.items()
    }


def _replace(name: str, replacements: tuple[tuple[str, str], ...]) -> str:
    for old, new in replacements:
        name = name.replace(old, new)
    return name


# Hugging Face's names for Google's a/b/layer_3/x/kernel, .../gamma, .../word_embeddings
_HUGGING_FACE: _Rules = (
    (r"_0*(\d+)(?=/)", r"/\1"),
    (r"/kernel$", "/weight^T"),
    (r"/(gamma|scale)$", "/weight"),
    (r"/beta$", "/bias"),
    (r"(embeddings?)$", r"\1/weight"),
    (r"/", "."),
)
_OLD_NORM_NAMES = {"gamma": "weight", "beta": "bias"}


class ForeignTensor(NamedTuple):
    """Position of a variable of Google's in a foreign checkpoint.

    Attributes:
        name: its tensor there.
        is_transposed: True if the tensor is the transpose.
        part: ``(k, n)``: after the transpose, it is the k-th of n equal parts of the last axis.
    """

    name: str
    is_transposed: bool = False
    part: tuple[int, int] = (0, 1)


@dataclass(frozen=True)
class Dialect:
    """Dialect of another library: rules that rewrite Google's names into foreign ones.

    Args:
        rules: pairs ``(pattern, replacement)`` for ``re.sub``, applied one after another to
            Google's name. The result is a tensor's name, or a recipe for the variable: ``name^T``
            is its transpose, ``name[0 of 3]`` the first of three parts of its last axis,
            ``a @ b`` a product of matrices.
        prefix: beginning that foreign names may have or not, such as ``bert.``, which a bare
            ``BertModel`` does not write. Default: none.

    Example:
        >>> dialect = hugging_face(prefix="bert.")
        >>> dialect.foreign_tensor("bert/encoder/layer_3/intermediate/dense/kernel")
        ForeignTensor(name='bert.encoder.layer.3.intermediate.dense.weight', is_transposed=True,
                      part=(0, 1))
    """

    rules: _Rules
    prefix: str = ""

    def rewrite(self, name: str) -> str:
        """Rewrite Google's name by the rules."""
        for pattern, replacement in self.rules:
            name = re.sub(pattern, replacement, name)
        return name

    def foreign_tensor(self, name: str) -> ForeignTensor:
        """Return the tensor that holds the variable of this name.

        Raises:
            ValueError: the variable is a product of several tensors; none holds it.
        """
        return _parse(self.rewrite(name))

    def candidates(self, name: str) -> list[str]:
        """List the names to look for, the usual one first; with old norm names, without prefix."""
        usual = self.rewrite(name)
        candidates = [usual]
        last = name.rpartition("/")[2]
        if last in _OLD_NORM_NAMES and usual.endswith("." + _OLD_NORM_NAMES[last]):
            candidates.append(usual.removesuffix(_OLD_NORM_NAMES[last]) + last)
        return candidates + [candidate.removeprefix(self.prefix) for candidate in candidates]


def hugging_face(*rules: tuple[str, str], prefix: str = "") -> Dialect:
    """Return the dialect of Hugging Face: the rules of a family, then those of all families.

    Kernels are transposed; ``layer_3/`` becomes ``layer.3.``; ``gamma`` and ``scale`` become
    ``weight``, ``beta`` becomes ``bias``; tables whose names end in ``embedding(s)`` get
    ``.weight``; ``/`` becomes ``.``.

    Args:
        *rules: pairs ``(pattern, replacement)`` on Google's names, see ``Dialect``.
        prefix: beginning that a bare model leaves out, such as ``bert.``.

    Example:
        >>> dialect = hugging_face(("predictions/output_bias$", "predictions/bias"))
        >>> dialect.foreign_tensor("cls/predictions/output_bias").name
        'cls.predictions.bias'
    """
    return Dialect((*rules, *_HUGGING_FACE), prefix)


def _parse(text: str) -> ForeignTensor:
    match = re.fullmatch(r"([^\s^\[@]+)(\^T)?(?:\[(\d+) of (\d+)\])?", text)
    if match is None:
        raise ValueError(f"`{text}` is made of several tensors or misspelt: it cannot be written.")
    name, transpose, k, n = match.groups()
    return ForeignTensor(name, bool(transpose), (int(k), int(n)) if n else (0, 1))


class DialectCheckpoint(Checkpoint):
    """Checkpoint that also finds Google's names; iteration gives names as stored."""

    def __init__(self, checkpoint: Checkpoint, dialect: Dialect) -> None:
        super().__init__(checkpoint.path, checkpoint)
        self._checkpoint, self._dialect = checkpoint, dialect
        self.has_checksums: bool = checkpoint.has_checksums

    def __contains__(self, name: object) -> bool:
        return name in self._checkpoint or bool(self._factors(str(name)))

    def _factors(self, name: str) -> list[ForeignTensor]:
        """Find the tensors whose product is a variable, most often one; none if it is not here."""
        for candidate in self._dialect.candidates(name):
            factors = [_parse(factor) for factor in candidate.split(" @ ")]
            if all(factor.name in self._checkpoint for factor in factors):
                return factors
        return []

    def possible_names(self, name: str) -> list[str]:
        """List the names under which the file may hold a variable, Google's and foreign ones."""
        candidates = self._dialect.candidates(name)
        foreign = [_parse(part).name for x in candidates for part in x.split(" @ ")]
        return list(dict.fromkeys([*self._checkpoint.possible_names(name), *foreign]))

    def _read(self, name: str) -> NDArray[Any]:
        factors = self._factors(name)
        if not factors:
            return self._checkpoint[name]
        return reduce(np.matmul, [self._read_factor(factor) for factor in factors])

    def _read_factor(self, tensor: ForeignTensor) -> NDArray[Any]:
        array = self._checkpoint[tensor.name]
        k, n = tensor.part
        return np.split(array.T if tensor.is_transposed else array, n, axis=-1)[k]

    def _shape(self, name: str) -> tuple[int, ...]:
        factors = self._factors(name)
        if len(factors) > 1:  # a product costs time, even of zeros
            shapes = [self._factor_shape(factor) for factor in factors]
            return (*shapes[0][:-1], *shapes[-1][-1:])
        return self._factor_shape(factors[0]) if factors else self._checkpoint.shape(name)

    def _factor_shape(self, tensor: ForeignTensor) -> tuple[int, ...]:
        shape, n = self._checkpoint.shape(tensor.name), tensor.part[1]
        shape = shape[::-1] if tensor.is_transposed else shape
        if n > 1 and shape[-1] % n:
            raise ValueError(f"an axis of size {shape[-1]} cannot be cut into {n} equal parts")
        return (*shape[:-1], shape[-1] // n) if n > 1 else shape

    def _dtype(self, name: str) -> str:
        names = [factor.name for factor in self._factors(name)] or [name]
        types = [self._checkpoint.dtype(name) for name in names]
        return next((x for x in types if x not in WEIGHT_TYPES), types[0])

    def close(self) -> None:
        self._checkpoint.close()


def to_google_names(checkpoint: Checkpoint, dialect: Dialect) -> Checkpoint:
    """Find the tensors of a foreign checkpoint under Google's names, transposed and cut.

    Args:
        checkpoint: an open checkpoint.
        dialect: the dialect of its names.

    Example:
        >>> from bert4keras.checkpoints import open_checkpoint
        >>> checkpoint = open_checkpoint({"pooler.dense.weight": np.zeros((2, 3))})
        >>> checkpoint = to_google_names(checkpoint, hugging_face(prefix="bert."))
        >>> checkpoint["bert/pooler/dense/kernel"].shape
        (3, 2)
    """
    return DialectCheckpoint(checkpoint, dialect)


def to_foreign_names(tensors: Tensors, dialect: Dialect) -> Iterator[tuple[str, NDArray[Any]]]:
    """Rewrite tensors under Google's names for a dialect, their parts joined.

    Raises:
        ValueError: a variable has no tensor in this dialect, or parts of a tensor are missing.

    Example:
        >>> tensors = {"bert/pooler/dense/kernel": np.zeros((3, 2))}
        >>> [(name, array.shape) for name, array in to_foreign_names(tensors, hugging_face())]
        [('bert.pooler.dense.weight', (2, 3))]
    """
    incomplete: dict[str, dict[int, NDArray[Any]]] = {}
    for name, array in pairs(tensors):
        tensor = dialect.foreign_tensor(name)
        k, n = tensor.part
        parts = incomplete.setdefault(tensor.name, {})
        parts[k] = array
        if len(parts) == n:
            array = array if n == 1 else np.concatenate([parts[k] for k in range(n)], axis=-1)
            del incomplete[tensor.name]
            yield tensor.name, array.T if tensor.is_transposed else array
    if incomplete:
        raise ValueError(
            f"Parts of {', '.join(f'`{name}`' for name in incomplete)} are missing. "
            "Pass every variable that makes these tensors."
        )
