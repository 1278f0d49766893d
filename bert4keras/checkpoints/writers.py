"""Writers of TensorFlow, safetensors and HDF5 checkpoints; a failure leaves the old file whole."""

import json
import shutil
from collections.abc import Iterator
from contextlib import ExitStack
from io import FileIO
from pathlib import Path
from tempfile import TemporaryFile
from typing import Any

import h5py
import ml_dtypes
import numpy as np
from numpy.typing import NDArray

from bert4keras.checkpoints.checkpoint import StrPath, Tensors, pairs
from bert4keras.checkpoints.safetensors import TYPES
from bert4keras.checkpoints.tf1 import move_checkpoint
from bert4keras.files import replace_file, replace_files

_TYPE_NAMES = {dtype.name: name for name, dtype in TYPES.items()}

_Row = tuple[str, str, tuple[int, ...], int]  # name, type, shape, bytes


def write_tf1(prefix: StrPath, tensors: Tensors, dtype: str | None = None) -> None:
    """Write a TensorFlow checkpoint (format V2), as ``tf.train.Saver`` would. Needs TensorFlow.

    All tensors are held in memory at once, for TensorFlow writes them in one go.

    Args:
        prefix: the path without ``.index`` and ``.data-00000-of-00001``.
        tensors: mapping or pairs, name -> array.
        dtype: type that floating-point tensors are written in. Default: their own.
    """
    import tensorflow as tf

    prefix = Path(prefix)
    names, arrays = zip(*_cast(tensors, dtype))
    with replace_files(prefix.parent) as temporary:
        new = temporary / prefix.name
        try:
            tf.raw_ops.SaveV2(
                prefix=str(new),
                tensor_names=names,
                shape_and_slices=[""] * len(names),
                tensors=arrays,
            )
        except tf.errors.OpError as error:  # no error of Python, and it names temporary files
            reason = error.message.split(";")[-1].partition(" [Op:")[0].strip()
            raise OSError(f"TensorFlow cannot write {prefix}: {reason}") from error
        move_checkpoint(new, prefix)


def write_safetensors(
    path: StrPath,
    tensors: Tensors,
    metadata: dict[str, str] | None = None,
    dtype: str | None = None,
) -> None:
    """Write a ``*.safetensors`` file, one tensor in memory at a time.

    Args:
        path: the file.
        tensors: mapping or pairs, name -> array.
        metadata: strings for the header. Default: ``{"format": "pt"}``, which Hugging Face expects.
        dtype: type that floating-point tensors are written in. Default: their own.
    """
    rows: dict[int, list[_Row]] = {8: [], 4: [], 2: [], 1: []}  # wide types first keeps all aligned
    with replace_file(path) as temporary, ExitStack() as stack:
        bodies = {size: stack.enter_context(TemporaryFile(dir=temporary.parent)) for size in rows}
        for name, array in _cast(tensors, dtype):
            kind = _TYPE_NAMES[array.dtype.name]
            rows[array.itemsize].append((name, kind, array.shape, array.nbytes))
            bodies[array.itemsize].write(np.ascontiguousarray(array).reshape(-1).view("uint8").data)
        header = _header([row for group in rows.values() for row in group], metadata)
        with temporary.open("wb") as file:
            file.write(len(header).to_bytes(8, "little") + header)
            for body in bodies.values():
                body.seek(0)
                shutil.copyfileobj(body, file)


def _header(rows: list[_Row], metadata: dict[str, str] | None) -> bytes:
    entries: dict[str, object] = {"__metadata__": metadata or {"format": "pt"}}
    end = 0
    for name, kind, shape, length in rows:
        entries[name] = {"dtype": kind, "shape": shape, "data_offsets": [end, end + length]}
        end += length
    text = json.dumps(entries).encode()
    return text.ljust(-(-len(text) // 8) * 8)


def write_h5(path: StrPath, tensors: Tensors, dtype: str | None = None) -> None:
    """Write an HDF5 file with one data set per tensor, one in memory at a time.

    Args:
        path: the file. A name ``a/b`` makes a data set ``b`` in a group ``a``.
        tensors: mapping or pairs, name -> array.
        dtype: type that floating-point tensors are written in. Default: their own.
    """
    with replace_file(path) as temporary, _PatientFile(temporary, "w+b") as raw:
        with h5py.File(raw, "w") as file:
            for name, array in _cast(tensors, dtype):
                data = file.create_dataset(name, data=array)
                if array.dtype == ml_dtypes.bfloat16:  # no type of HDF5: marked as Keras marks it
                    data.attrs["dtype"] = "bfloat16"
                raw.raise_error()
        raw.raise_error()


class _PatientFile(FileIO):
    """File that tells of a failed write later: HDF5 ends the process if it cannot end its file."""

    error: OSError | None = None

    def write(self, data: Any) -> int:
        """Write all bytes; after an error, none."""
        view = memoryview(data).cast("B")
        count = 0
        try:
            while self.error is None and count < len(view):
                count += super().write(view[count:]) or 0
        except OSError as error:
            self.error = error
        return len(view)

    def truncate(self, size: int | None = None) -> int:
        """Change the length; after an error, do nothing."""
        try:
            return super().truncate(size) if self.error is None else size or 0
        except OSError as error:
            self.error = error
            return size or 0

    def raise_error(self) -> None:
        """Raise the error of the write that failed first."""
        if self.error is not None:
            raise self.error


def _cast(tensors: Tensors, dtype: str | None) -> Iterator[tuple[str, NDArray[Any]]]:
    names = set()
    for name, array in pairs(tensors):
        if name in names:
            raise ValueError(f"The tensor `{name}` comes twice. Give every name once.")
        names.add(name)
        array = np.asarray(array)
        floating = array.dtype.kind == "f" or array.dtype == ml_dtypes.bfloat16
        yield name, array.astype(dtype) if dtype and floating else array
