"""Line files: random access to lines by number, and JSON lines."""

import builtins
import io
import json
import os
from collections.abc import Iterator
from typing import Any, overload

from bert4keras.backend.types import StrPath
from bert4keras.files import atomic_write


class open:
    """File like that of Python's ``open``, UTF-8 by default, with random access to its lines.

    Args:
        name: path of the file.
        mode: as for Python's ``open``.
        encoding: encoding of text; with ``indexable``, one that writes a line feed as one byte.
        errors: error handling of the encoding, as for Python's ``open``.
        indexable: True finds the offsets of all lines, so ``f[i]``, ``f[i:j]`` and ``len(f)`` work
            without reading the file again. A path also stores the offsets there, as JSON, for the
            next time.

    Raises:
        ValueError: the stored offsets do not fit this file, or it is not read as text.

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
        self._text: dict[str, Any] = {"encoding": encoding or "utf-8", "errors": errors}
        if indexable and mode not in ("r", "rt"):
            raise ValueError(
                f'Expected mode "r" for an indexable file, got {mode!r}. Open it as text to read.'
            )
        self.file: Any = builtins.open(name, mode, **({} if is_binary else self._text))
        self._lines: Any = builtins.open(name, "rb") if indexable else None
        if indexable:
            self.offsets: list[int] = self._load_offsets(
                None if isinstance(indexable, bool) else indexable
            )

    def _load_offsets(self, path: StrPath | None) -> list[int]:
        """Return the offset of each line, from the file at ``path`` if it exists, else stored."""
        if path and os.path.exists(path):
            return self._check_offsets(_read_json(path), path)
        offsets, position = [], 0
        for line in self._lines:
            offsets.append(position)
            position += len(line)
        if path:
            with atomic_write(path) as file:
                json.dump(offsets, file)
        return offsets

    def _check_offsets(self, offsets: Any, path: StrPath) -> list[int]:
        size = os.path.getsize(self.name)
        if not isinstance(offsets, list) or not all(
            isinstance(offset, int) and 0 <= offset < size for offset in offsets
        ):
            self.close()
            raise ValueError(
                f"Expected line offsets of {self.name} ({size} bytes) in {path}, got others. "
                "Delete it: it is written again."
            )
        return offsets

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
        if isinstance(index, slice):
            return [self._read_line(offset) for offset in self.offsets[index]]
        return self._read_line(self.offsets[index])

    def _read_line(self, offset: int) -> str:
        self._lines.seek(offset)
        return io.TextIOWrapper(io.BytesIO(self._lines.readline()), **self._text).read()

    def __len__(self) -> int:
        self._check_indexable()
        return len(self.offsets)

    def __bool__(self) -> bool:
        return True

    def __iter__(self) -> Iterator[Any]:
        return iter(self.file)

    def __next__(self) -> Any:
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
        path: path of the file; empty lines are skipped.
        encoding: encoding of the file.

    Returns:
        List of the values.

    Raises:
        ValueError: a line is not JSON; the message names file and line.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = os.path.join(folder, "samples.json")
        ...     with atomic_write(path) as file:
        ...         _ = file.write('{"text": "你好"}\\n{"text": "再见"}\\n')
        ...     load_json_lines(path)
        [{'text': '你好'}, {'text': '再见'}]
    """
    with builtins.open(path, encoding=encoding) as file:
        return [
            _parse_line(line, path, number) for number, line in enumerate(file, 1) if line.strip()
        ]


def _parse_line(line: str, path: StrPath, number: int) -> Any:
    try:
        return json.loads(line)
    except json.JSONDecodeError as error:
        raise ValueError(
            f"Expected one JSON value in {path}, line {number}, got {error.msg} at column "
            f"{error.colno}: {line.strip()[:60]!r}. Use json.load for a file that is a single "
            "JSON value."
        ) from None


def _read_json(path: StrPath) -> Any:
    with builtins.open(path, encoding="utf-8") as file:
        try:
            return json.load(file)
        except json.JSONDecodeError:
            return None
