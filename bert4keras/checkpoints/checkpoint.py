"""Checkpoint: the mapping from names to tensors that every reader is."""

from abc import abstractmethod
from collections.abc import Iterable, Iterator, Mapping
from copy import copy
from os import PathLike
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

StrPath = str | PathLike[str]

DICT_PATH = "the given dict"  # path of a checkpoint without a file
WEIGHT_TYPES = ("float16", "bfloat16", "float32", "float64", "longdouble", "float128")


class CheckpointError(ValueError):
    """Error for a file that is missing, damaged, of another format, or not safe to open."""


class MismatchError(ValueError):
    """Error for a checkpoint that does not fit the model."""


class Checkpoint(Mapping[str, NDArray[Any]]):
    """Tensors of a checkpoint by name; ``checkpoint[name]`` reads that one tensor now.

    Iteration, ``len``, ``in`` and ``shape`` read no tensor. Use it in a ``with`` block, or call
    ``close``.

    Args:
        path: the file, as messages should name it.
        names: names of the tensors in it.

    Attributes:
        has_checksums: True if reading a tensor can find damage that opening does not find.
    """

    has_checksums: bool = False
    _is_borrowed = False

    def __init__(self, path: object, names: Iterable[str]) -> None:
        self.path: str = str(path)
        self._names = dict.fromkeys(names)

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)

    def __contains__(self, name: object) -> bool:
        return name in self._names

    def __getitem__(self, name: str) -> NDArray[Any]:
        self._check_name(name)
        return self._read(name)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if not self._is_borrowed:
            self.close()

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.path!r}, {len(self)} tensors)"

    def shape(self, name: str) -> tuple[int, ...]:
        """Return the shape of a tensor without reading it.

        Raises:
            KeyError: there is no such tensor.
        """
        self._check_name(name)
        return tuple(self._shape(name))

    def dtype(self, name: str) -> str:
        """Return the type of a tensor's numbers without reading it: NumPy's name, or the file's.

        Raises:
            KeyError: there is no such tensor.
        """
        self._check_name(name)
        return self._dtype(name)

    def possible_names(self, name: str) -> list[str]:
        """List the names under which the file may hold a variable."""
        return [name]

    def borrow(self) -> Self:
        """Return the same open checkpoint, which the end of a ``with`` block leaves open."""
        borrower = copy(self)
        borrower._is_borrowed = True
        return borrower

    def close(self) -> None:
        """Close the files."""

    def _check_name(self, name: str) -> None:
        if name not in self:
            raise KeyError(f"No tensor `{name}` in {self.path}.")

    @abstractmethod
    def _read(self, name: str) -> NDArray[Any]:
        """Return the tensor of an existing name."""

    def _shape(self, name: str) -> tuple[int, ...]:
        """Return the shape of an existing name; readers that can do so without reading override."""
        return self._read(name).shape

    def _dtype(self, name: str) -> str:
        """Return the type of an existing name; readers that can do so without reading override."""
        return self._read(name).dtype.name


class DictCheckpoint(Checkpoint):
    """Checkpoint of a dict of arrays.

    Args:
        arrays: name -> array.
    """

    def __init__(self, arrays: Mapping[str, ArrayLike]) -> None:
        super().__init__(DICT_PATH, arrays)
        self._arrays = arrays

    def _read(self, name: str) -> NDArray[Any]:
        return np.asarray(self._arrays[name])

    def _shape(self, name: str) -> tuple[int, ...]:
        return np.shape(self._arrays[name])


class ShapeCheckpoint(Checkpoint):
    """Checkpoint of shapes: zeros in place of each tensor, which take no time and no memory.

    What is made of them has the shape of what will be made of the tensors themselves.

    Args:
        checkpoint: the checkpoint whose shapes these are.
    """

    def __init__(self, checkpoint: Checkpoint) -> None:
        super().__init__(checkpoint.path, checkpoint)
        self._checkpoint = checkpoint

    def __contains__(self, name: object) -> bool:
        return name in self._checkpoint

    def _read(self, name: str) -> NDArray[Any]:
        return np.broadcast_to(np.float32(0), self._checkpoint.shape(name))

    def _shape(self, name: str) -> tuple[int, ...]:
        return self._checkpoint.shape(name)

    def _dtype(self, name: str) -> str:
        return self._checkpoint.dtype(name)


Tensors = Mapping[str, ArrayLike] | Iterable[tuple[str, ArrayLike]]


def pairs(tensors: Tensors) -> Iterator[tuple[str, Any]]:
    """Iterate over pairs (name, array) of a mapping, or of an iterable of such pairs."""
    items: Any = tensors.items() if isinstance(tensors, Mapping) else tensors
    return iter(items)
