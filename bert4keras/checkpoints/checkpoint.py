"""What every reader shows: a mapping from names to tensors, each read when it is asked for."""

from abc import abstractmethod
from collections.abc import Iterable, Iterator, Mapping

import numpy as np


class CheckpointError(ValueError):
    """A file that is missing, damaged, of another format, or not safe to open."""


class Checkpoint(Mapping):
    """Tensors of a checkpoint by name; `checkpoint[name]` reads that one tensor now.

    Iteration, `len` and `in` look at names alone. Use it in a `with` block, or call `close`.

    Args:
        path: the file, as messages should name it.
        names: names of the tensors it holds.
    """

    def __init__(self, path: object, names: Iterable[str]):
        self.path = str(path)
        self._names = dict.fromkeys(names)

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)

    def __contains__(self, name: object) -> bool:
        return name in self._names

    def __getitem__(self, name: str) -> np.ndarray:
        if name not in self:
            raise KeyError(f"No tensor `{name}` in {self.path}.")
        return self._read(name)

    def __enter__(self) -> "Checkpoint":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.path!r}, {len(self)} tensors)"

    @abstractmethod
    def _read(self, name: str) -> np.ndarray:
        """The tensor of a name that is there."""

    def close(self) -> None:
        """Let go of the files."""


class Held(Checkpoint):
    """A dict of arrays seen as a checkpoint."""

    def __init__(self, arrays: Mapping[str, np.ndarray]):
        super().__init__("the given dict", arrays)
        self._arrays = arrays

    def _read(self, name: str) -> np.ndarray:
        return np.asarray(self._arrays[name])


Tensors = Mapping[str, np.ndarray] | Iterable[tuple[str, np.ndarray]]


def named(tensors: Tensors) -> Iterator[tuple[str, np.ndarray]]:
    """Pairs (name, array), one at a time, of a mapping or of an iterable of such pairs."""
    return iter(tensors.items() if isinstance(tensors, Mapping) else tensors)
