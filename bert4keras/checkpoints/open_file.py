"""One open file for the life of a checkpoint: all tensors come from the same contents."""

import os
from threading import Lock
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bert4keras.checkpoints.checkpoint import CheckpointError, StrPath

_SMALL = 1 << 16  # bytes that may be allocated whether the file has them or not


class OpenFile:
    """File that stays open, so that another file under its name changes nothing.

    It reads like a binary file from a position of its own, and never allocates more than the file
    holds.

    Args:
        path: the file.

    Attributes:
        size: its length in bytes.

    Raises:
        OSError: the file cannot be opened.
    """

    def __init__(self, path: StrPath) -> None:
        self.path = str(path)
        self._file = open(path, "rb")
        self._lock = Lock()
        self._state = file_state(self._file.fileno())
        self.size: int = os.fstat(self._file.fileno()).st_size

    def read_array(self, start: int, count: int, dtype: np.dtype[Any]) -> NDArray[Any]:
        """Read numbers from a place of the file, as an array of one axis.

        Raises:
            EOFError: the file ends before.
            CheckpointError: the file is closed, or somebody wrote into it since it was opened.
        """
        if start + count * dtype.itemsize > self.size:
            raise EOFError("it ends too early")
        self._check_open()
        numbers = np.empty(count, dtype)
        with self._lock:
            self._file.seek(start)
            read = self._file.readinto(numbers.view("uint8").data)
        self.check_unchanged()
        if read != numbers.nbytes:
            raise EOFError("it ends too early")
        return numbers

    def read_bytes(self, start: int, length: int) -> bytes:
        """Read bytes from a place of the file, as ``read_array`` does."""
        return self.read_array(start, length, np.dtype("uint8")).tobytes()

    def read(self, length: int = -1) -> bytes:
        """Read bytes from the position on, fewer if the file ends before."""
        if 0 <= length <= _SMALL:
            return self._file.read(length)
        length_left = max(self.size - self._file.tell(), 0)
        return self._file.read(length_left if length < 0 else min(length, length_left))

    def readline(self) -> bytes:
        """Read bytes up to the next line feed."""
        return self._file.readline()

    def seek(self, offset: int, whence: int = 0) -> int:
        """Set the position, and return it."""
        return self._file.seek(offset, whence)

    def tell(self) -> int:
        """Return the position."""
        return self._file.tell()

    def seekable(self) -> bool:
        """True: the position can be set."""
        return True

    def check_unchanged(self) -> None:
        """Raise a CheckpointError if somebody wrote into the file since it was opened."""
        check_unchanged(self.path, self._file.fileno(), self._state)

    def _check_open(self) -> None:
        if self._file.closed:
            raise CheckpointError(f"{self.path} is closed. Open it again with open_checkpoint.")

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def __del__(self) -> None:  # without the warning of Python: a checkpoint need not be closed
        if hasattr(self, "_file"):
            self._file.close()


def file_state(file: int | StrPath) -> tuple[int, ...]:
    """Return numbers that change when a file is replaced or written into.

    Args:
        file: descriptor or path.
    """
    state = os.stat(file)
    return state.st_dev, state.st_ino, state.st_size, state.st_mtime_ns


def check_unchanged(path: str, descriptor: int, state: tuple[int, ...]) -> None:
    """Raise a CheckpointError if an open file is not as ``file_state`` returned it before."""
    if file_state(descriptor) != state:
        raise CheckpointError(
            f"{path} was written into while it was read, so its tensors may be of two files. "
            "Load it again when the writer is done."
        )
