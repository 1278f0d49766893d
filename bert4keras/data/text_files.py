"""Text files line by line: encodings, byte order marks, gzip; errors that name file and line."""

import builtins
import codecs
import gzip
import io
import os
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO, Any

from bert4keras.backend.types import StrPath
from bert4keras.checks import check_string

MAX_LINE = 2**26  # characters; so a small gzip of one endless line cannot fill the memory


def find_encoding(encoding: Any) -> str:
    """Return the encoding to read with: UTF-8 also without the byte order mark of Windows.

    Raises:
        TypeError: the encoding is no str.
        LookupError: Python does not know it.
    """
    try:
        name = codecs.lookup(check_string("encoding", encoding)).name
    except LookupError:
        raise LookupError(
            f"Expected encoding to be one that Python knows, got {encoding!r}. Pass one such as "
            "'utf-8' or 'gb18030'."
        ) from None
    return "utf-8-sig" if name == "utf-8" else encoding


def read_lines(path: StrPath, encoding: str, newline: str | None = None) -> Iterator[str]:
    """Yield the lines of a text file, or of a ``.gz`` of one, with their line ends.

    Args:
        path: the file.
        encoding: encoding of the file; a byte order mark is no part of the text.
        newline: as for Python's ``open``.

    Raises:
        ValueError: the file is not of the encoding, is a damaged gzip, or has an endless line.
    """
    encoding = find_encoding(encoding)
    opener: Any = gzip.open if os.fspath(path).endswith(".gz") else builtins.open
    with _explain_gzip(path), explain_encoding(path, encoding, opener), opener(path, "rb") as raw:
        with io.TextIOWrapper(raw, encoding, newline=newline) as file:
            number = 0
            while line := file.readline(MAX_LINE):
                number += 1
                if len(line) == MAX_LINE and not line.endswith("\n"):
                    raise ValueError(
                        f"Expected lines of at most {MAX_LINE} characters in {path}, got a longer "
                        f"one in line {number}. Write one text on each line."
                    )
                yield line


@contextmanager
def explain_encoding(path: StrPath, encoding: str, opener: Any = builtins.open) -> Iterator[None]:
    """Raise a ValueError with file, line and remedy for bytes that do not have the encoding.

    Args:
        path: the file.
        encoding: its encoding, as ``find_encoding`` returns it.
        opener: function that opens the file again, to find the line.
    """
    try:
        yield
    except UnicodeDecodeError as error:
        with opener(path, "rb") as file:
            place, line_error, line = _find_wrong_line(file, encoding, error)
            file.seek(0)
            remedy = _suggest_encoding(file.read(2), line)
        raise ValueError(
            f"Expected {encoding.removesuffix('-sig')} in {path}{place}, got {line_error.reason} "
            f"at byte {line_error.start}: {line[:30]!r}. {remedy}"
        ) from None


def _find_wrong_line(file: IO[bytes], encoding: str, error: UnicodeDecodeError) -> Any:
    """Return the place, the error and the bytes of the first line that cannot be decoded."""
    encoding = encoding.removesuffix("-sig")
    for number, line in enumerate(iter(lambda: file.readline(MAX_LINE), b""), 1):
        try:
            line.decode(encoding)
        except UnicodeDecodeError as line_error:
            return f", line {number}", line_error, line
    return "", error, error.object  # an encoding whose lines do not stand alone, such as UTF-16


def _suggest_encoding(start: bytes, line: bytes) -> str:
    """Return the remedy for a file that begins with ``start`` and has ``line`` in it."""
    if start in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE):
        return "Pass the encoding 'utf-16', or save the file as UTF-8."
    try:
        line.decode("gb18030")
    except UnicodeDecodeError:
        return "Pass the right encoding, such as 'gb18030', or save the file as UTF-8."
    return "It can be read as GBK: pass the encoding 'gb18030', or save the file as UTF-8."


@contextmanager
def _explain_gzip(path: StrPath) -> Iterator[None]:
    try:
        yield
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise ValueError(
            f"Expected a whole gzip file in {path}, got: {error}. Compress it again, or rename it "
            "if it is plain text."
        ) from None
