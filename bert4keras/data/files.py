"""Files of samples: lines by number, and JSON lines."""

import builtins
import io
import json
import os

from bert4keras.files import atomic_write


class open:
    """A file as Python's `open` gives it, UTF-8 unless told otherwise, whose lines have numbers.

    Args:
        name: Path of the file.
        mode: As for Python's `open`.
        encoding: Encoding of text; with `indexable`, one that writes a line feed as one byte.
        errors: What to do about bytes that are not in the encoding, as for Python's `open`.
        indexable: True finds where each line begins, so that `f[i]`, `f[i:j]` and `len(f)` work
            without reading the file again; a path also keeps the places there, as JSON, for the
            next time.

    Raises:
        ValueError: when the places kept are not those of this file, or it is not read as text.

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

    def __init__(self, name, mode="r", encoding=None, errors="strict", indexable=False):
        self.name = name
        self._text = {} if "b" in mode else {"encoding": encoding or "utf-8", "errors": errors}
        if indexable and mode not in ("r", "rt"):
            raise ValueError(f'an indexable file is read as text, mode "r"; got mode {mode!r}')
        self.file = builtins.open(name, mode, **self._text)
        self._lines = builtins.open(name, "rb") if indexable else None
        if indexable:
            self.offsets = self._offsets(None if indexable is True else indexable)

    def _offsets(self, path):
        """Where each line begins, from the file at `path` if it is there, else written to it."""
        if path and os.path.exists(path):
            return self._checked(_read_json(path), path)
        offsets, position = [], 0
        for line in self._lines:
            offsets.append(position)
            position += len(line)
        if path:
            with atomic_write(path) as file:
                json.dump(offsets, file)
        return offsets

    def _checked(self, offsets, path):
        size = os.path.getsize(self.name)
        if not isinstance(offsets, list) or not all(
            isinstance(offset, int) and 0 <= offset < size for offset in offsets
        ):
            self.close()
            raise ValueError(
                f"{path} does not hold the places of the lines of {self.name} ({size} bytes); "
                "delete it, and it will be made anew"
            )
        return offsets

    def __getitem__(self, index):
        if self._lines is None:
            raise TypeError(f"{self.name} was opened without numbers: open(..., indexable=True)")
        if isinstance(index, slice):
            return [self._line(offset) for offset in self.offsets[index]]
        return self._line(self.offsets[index])

    def _line(self, offset):
        self._lines.seek(offset)
        return io.TextIOWrapper(io.BytesIO(self._lines.readline()), **self._text).read()

    def __len__(self):
        if self._lines is None:
            raise TypeError(f"{self.name} was opened without numbers: open(..., indexable=True)")
        return len(self.offsets)

    def __bool__(self):
        return True

    def __iter__(self):
        return iter(self.file)

    def __next__(self):
        return next(self.file)

    next = __next__

    def __getattr__(self, name):  # read, write, seek and all else a file can do
        return getattr(self.file, name)

    def close(self):
        self.file.close()
        if self._lines is not None:
            self._lines.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


def load_json_lines(path, encoding="utf-8"):
    """Read a file of one JSON value a line.

    Args:
        path: Path of the file; empty lines are passed over.
        encoding: Encoding of the file.

    Returns:
        List of the values.

    Raises:
        ValueError: naming file and line, when a line is not JSON.

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
        return [_value(line, path, number) for number, line in enumerate(file, 1) if line.strip()]


def _value(line, path, number):
    try:
        return json.loads(line)
    except json.JSONDecodeError as error:
        raise ValueError(
            f"{path}, line {number}: every line must be one JSON value, but {error.msg} at "
            f"column {error.colno}: {line.strip()[:60]!r}; a file that is one JSON value as a "
            "whole is read by json.load"
        ) from None


def _read_json(path):
    with builtins.open(path, encoding="utf-8") as file:
        try:
            return json.load(file)
        except json.JSONDecodeError:
            return None
