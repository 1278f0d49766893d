"""Run file of BackupAndResume (``*.npz``): a JSON record, and the values of all variables."""

import json
import math
import os
import zipfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Self

import numpy as np

from bert4keras.backend.types import NDArray, StrPath
from bert4keras.checkpoints import CheckpointError
from bert4keras.files import atomic_write

# Names inside the file, which must stay readable: "record" and "variable_0", "variable_1" and so
# on; in the record "history", "about" (the metadata) and "shapes".
_VARIABLE = "variable_{}"


def write_run(path: StrPath, record: dict[str, Any], arrays: Sequence[NDArray[Any]]) -> None:
    """Write a run file, which takes the place of the old one when it is complete."""
    entries: dict[str, Any] = {_VARIABLE.format(i): array for i, array in enumerate(arrays)}
    with atomic_write(path, "wb") as file:
        np.savez(file, record=json.dumps(record), **entries)


class RunFile:
    """Open run file. No pickle is read, and no size is trusted that the file does not have.

    Args:
        path: the file, as messages should name it.

    Attributes:
        record: what ``write_run`` got: "history", "about" and "shapes".

    Raises:
        CheckpointError: the file is damaged, or something else.
    """

    def __init__(self, path: StrPath) -> None:
        self.path: StrPath = path
        with self._explain_damage():
            self._archive = zipfile.ZipFile(path)
        try:
            with self._explain_damage():
                text = self._read_array("record")
                if text.dtype.kind != "U" or text.shape:
                    raise ValueError("a record that is no text")
                self.record: dict[str, Any] = json.loads(text.item())
                _check_record(self.record)
        except CheckpointError:
            self._archive.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._archive.close()

    def read_variables(self, kinds: Sequence[str]) -> list[NDArray[Any]]:
        """Read the values of all variables.

        Args:
            kinds: one of "b", "i" and "f" for each variable: bool, integer or float.
        """
        with self._explain_damage():
            pairs = enumerate(zip(self.record["shapes"], kinds, strict=True))
            return [self._read_variable(number, *pair) for number, pair in pairs]

    def _read_variable(self, number, shape, kind):
        name = _VARIABLE.format(number)
        array = self._read_array(name)
        if [*array.shape] != shape or _kind_of(array.dtype) != kind:
            raise ValueError(f"{name} of shape {array.shape} and {array.dtype}")
        return array

    def _read_array(self, name):
        info = self._archive.getinfo(f"{name}.npy")
        if info.compress_type != zipfile.ZIP_STORED or info.file_size > os.path.getsize(self.path):
            raise ValueError(f"{name} is compressed, or larger than the file")
        with self._archive.open(info) as file:
            if np.lib.format.read_magic(file) != (1, 0):
                raise ValueError(f"{name} has another version of the format")
            shape, is_fortran, dtype = np.lib.format.read_array_header_1_0(file)
            data = file.read()  # its end compares the checksum
        if dtype.kind not in "biufU" or dtype.itemsize * math.prod(shape) != len(data):
            raise ValueError(f"{name} holds {len(data)} bytes, not {dtype} of shape {shape}")
        return np.frombuffer(data, dtype).reshape(shape, order="F" if is_fortran else "C")

    @contextmanager
    def _explain_damage(self) -> Iterator[None]:
        try:
            yield
        except Exception as error:  # zipfile, NumPy and json raise errors of many classes
            if isinstance(error, OSError) and error.filename is not None:
                raise  # it cannot be opened, and the error says why
            reason = str(error) or type(error).__name__
            raise CheckpointError(
                f"Expected a file of BackupAndResume in {self.path}, got: {reason}. Delete it to "
                "begin anew, or name another file."
            ) from None


def _kind_of(dtype: np.dtype[Any]) -> str:
    """Return "i" for any integer, "f" for any float, else the kind of the dtype."""
    return {"u": "i"}.get(dtype.kind, dtype.kind)


def _check_record(record):
    """Raise a ValueError unless a record has the structure that BackupAndResume gives it."""
    keys = {"history", "about", "shapes"}
    if not isinstance(record, dict) or not keys <= record.keys():
        raise ValueError(f"a record without {', '.join(sorted(keys))}")
    is_history = isinstance(record["history"], list) and all(
        isinstance(logs, dict) and all(isinstance(x, int | float) for x in logs.values())
        for logs in record["history"]
    )
    is_shapes = isinstance(record["shapes"], list) and all(
        isinstance(shape, list) and all(type(size) is int and size >= 0 for size in shape)
        for shape in record["shapes"]
    )
    if not is_history or not is_shapes:
        raise ValueError("a record whose history or shapes are damaged")
