"""Line files: random access to lines by number, and JSON lines."""

import builtins
import io
import json
import os
from collections.abc import Iterator
from itertools import pairwise
from typing import Any, overload

from bert4keras.backend.types import StrPath
from bert4keras.checks import check_integer
from bert4keras.data.text_files import explain_encoding, find_encoding, read_lines
from bert4keras.files import atomic_write


class open:
    """File like that of Python's ``open``, UTF-8 by default, with random access to its lines.

    Args:
        name: path of the file.
        mode: as for Python's ``open``.
        encoding: encoding of text; with ``indexable``, one that writes a line feed as one byte.
            A byte order mark of UTF-8 is no part of a text that is read.
        errors: error handling of the encoding, as for Python's ``open``.
        indexable: True finds the offsets of all lines, so ``f[i]``, ``f[i:j]`` and ``len(f)`` work
            without reading the file again. A path also stores the offsets there, as JSON, for the
            next time. They are found again if size or time of the file has changed since.

    Raises:
        ValueError: the stored offsets do not fit this file, it is not read as text, or its bytes
            do not have the encoding. A line that is read is compared with the offsets as well.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = os.path.join(folder, "poems.txt")
        ...     with open(path, "w") as file:
        ...         _ = file.write("床前明月光\\n疑是地上霜\\n")
        ...     with open(path, indexable=True) as file:
        ...         len(file), file[-1]
        (2, '疑是地上霜\\n')
    """

    def __init__(
        self,
        name: StrPath,
        mode: str = "r",
        encoding: str | None = None,
        errors: str = "strict",
        indexable: bool | StrPath = False,
    ) -> None:
        self.name = name
        is_binary = "b" in mode
        encoding = encoding or "utf-8"
        self._encoding = find_encoding(encoding) if mode in ("r", "rt") else encoding
        self._text: dict[str, Any] = {"encoding": self._encoding, "errors": errors}
        if indexable:
            _check_indexable_arguments(mode, encoding)
        self.file: Any = builtins.open(name, mode, **({} if is_binary else self._text))
        self._lines: Any = builtins.open(name, "rb") if indexable else None
        if indexable:
            try:
                path = None if isinstance(indexable, bool) else indexable
                self.offsets: list[int] = self._load_offsets(path)
            except BaseException:
                self.close()
                raise

    def _load_offsets(self, path: StrPath | None) -> list[int]:
        """Return the offset of each line: those stored at ``path``, or new ones, stored there."""
        status = os.fstat(self._lines.fileno())
        self._size: int = status.st_size
        version = {"file_size": status.st_size, "file_mtime_ns": status.st_mtime_ns}
        if path and os.path.exists(path):
            record = _read_stored_offsets(path)
            if not version.keys() & record.keys() or version.items() <= record.items():
                return self._check_offsets(record["offsets"], path)
        offsets, position = [], 0
        for line in self._lines:
            offsets.append(position)
            position += len(line)
        self._size = position
        if path:
            with atomic_write(path) as file:
                json.dump({**version, "offsets": offsets}, file)
        return offsets

    def _check_offsets(self, offsets: list[int], path: StrPath) -> list[int]:
        """Raise unless offsets begin at 0, rise, and end at the last line of the file."""
        self.offsets = offsets
        starts_at_zero = offsets[:1] == [0][: self._size]
        is_rising = all(before < after for before, after in pairwise(offsets))
        if not starts_at_zero or not is_rising or (offsets and not self._fits(len(offsets) - 1)):
            raise ValueError(
                f"Expected line offsets of {self.name} ({self._size} bytes) in {path}, got others. "
                "Delete it: it is written again."
            )
        return offsets

    def _fits(self, number: int) -> bool:
        return self._read_bytes(number) is not None

    def _read_bytes(self, number: int) -> bytes | None:
        """Read a line; None if it does not begin and end where the offsets say."""
        begin = self.offsets[number]
        end = self.offsets[number + 1] if number + 1 < len(self.offsets) else self._size
        self._lines.seek(max(0, begin - 1))
        before = self._lines.read(min(1, begin))
        line = self._lines.readline(end - begin + 1)
        is_whole = len(line) == end - begin and (line.endswith(b"\n") or end == self._size)
        return line if is_whole and before in (b"", b"\n") else None

    def _check_indexable(self) -> None:
        if self._lines is None:
            raise TypeError(
                f"Expected indexable=True to index lines of {self.name}, got False. Use "
                "open(..., indexable=True)."
            )

    @overload
    def __getitem__(self, index: int) -> str: ...

    @overload
    def __getitem__(self, index: slice) -> list[str]: ...

    def __getitem__(self, index: int | slice) -> str | list[str]:
        self._check_indexable()
        numbers = range(len(self.offsets))
        if isinstance(index, slice):
            return [self._read_line(number) for number in numbers[index]]
        index = check_integer("the index of a line", index)
        if not -len(numbers) <= index < len(numbers):
            raise IndexError(
                f"Expected the index of one of the {len(numbers)} lines of {self.name}, got "
                f"{index}."
            )
        return self._read_line(numbers[index])

    def _read_line(self, number: int) -> str:
        line = self._read_bytes(number)
        if line is None:
            raise ValueError(
                f"Expected line {number + 1} of {self.name} where its offset says, got other "
                "bytes: the file has changed, or the stored offsets are damaged. Delete those, "
                "and open the file again."
            )
        text = self._text if number == 0 else {**self._text, "encoding": self._plain_encoding}
        with explain_encoding(self.name, self._encoding):
            return io.TextIOWrapper(io.BytesIO(line), **text).read()

    @property
    def _plain_encoding(self) -> str:
        """The encoding of lines after the first: a byte order mark there is a character."""
        return self._encoding.removesuffix("-sig")

    def __len__(self) -> int:
        self._check_indexable()
        return len(self.offsets)

    def __bool__(self) -> bool:
        return True

    def __iter__(self) -> Iterator[Any]:
        with explain_encoding(self.name, self._encoding):
            yield from self.file

    def __next__(self) -> Any:
        with explain_encoding(self.name, self._encoding):
            return next(self.file)

    next = __next__

    def __getattr__(self, name: str) -> Any:  # read, write, seek and so on
        return getattr(self.file, name)

    def close(self) -> None:
        self.file.close()
        if self._lines is not None:
            self._lines.close()

    def __enter__(self) -> "open":
        return self

    def __exit__(self, *_: Any) -> None:
        self.close()


def load_json_lines(path: StrPath, encoding: str = "utf-8") -> list[Any]:
    """Read a JSON Lines file, one JSON value per line.

    Args:
        path: path of the file, or of its ``.gz``; empty lines are skipped.
        encoding: encoding of the file. A byte order mark is no part of the first line.

    Returns:
        List of the values.

    Raises:
        ValueError: a line is not JSON, or not of the encoding; the message names file and line.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = os.path.join(folder, "samples.json")
        ...     with atomic_write(path) as file:
        ...         _ = file.write('{"text": "你好"}\\n{"text": "再见"}\\n')
        ...     load_json_lines(path)
        [{'text': '你好'}, {'text': '再见'}]
    """
    lines = enumerate(read_lines(path, encoding), 1)
    return [_parse_line(line, path, number) for number, line in lines if line.strip()]


def _parse_line(line: str, path: StrPath, number: int) -> Any:
    try:
        return json.loads(line)
    except json.JSONDecodeError as error:
        reason = f"{error.msg} at column {error.colno}"
    except (ValueError, RecursionError) as error:  # a number of too many digits; too many brackets
        reason = str(error)
    raise ValueError(
        f"Expected one JSON value in {path}, line {number}, got {reason}: {line.strip()[:60]!r}. "
        "Use json.load for a file that is a single JSON value."
    )


def _check_indexable_arguments(mode, encoding):
    if mode not in ("r", "rt"):
        raise ValueError(
            f'Expected mode "r" for an indexable file, got {mode!r}. Open it as text to read.'
        )
    if not "\n\n".encode(encoding).endswith(b"\n\n"):
        raise ValueError(
            f"Expected an encoding that writes a line feed as one byte, got {encoding!r}. Save the "
            "file as UTF-8, or read it without indexable."
        )


def _read_stored_offsets(path: StrPath) -> dict[str, Any]:
    """Read stored offsets, also those of earlier versions, which are a list without the version."""
    try:
        with builtins.open(path, "rb") as file:
            record = json.loads(file.read())
        record = {"offsets": record} if isinstance(record, list) else record
        if all(type(offset) is int and offset >= 0 for offset in record["offsets"]):
            return record
    except (ValueError, RecursionError, KeyError, TypeError):
        pass
    raise ValueError(
        f"Expected line offsets in {path}, got others. Delete it: it is written again."
    )
