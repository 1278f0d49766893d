"""Atomic writes: a temporary file, flushed to disk, then renamed; a failure keeps the old file."""

import os
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import IO, Any

__all__ = ["atomic_write", "replace_file", "replace_files"]

StrPath = str | os.PathLike[str]


@contextmanager
def atomic_write(path: StrPath, mode: str = "w", encoding: str = "utf-8") -> Iterator[IO[Any]]:
    """Open a file for writing that takes the place of ``path`` only when all went well.

    Args:
        path: the file to create or replace; missing folders are created.
        mode: "w" for text, "wb" for bytes.
        encoding: encoding of text; line ends are written as given.

    Returns:
        A context manager that gives the open file. After an error the old file is unchanged.

    Example:
        >>> import os
        >>> import tempfile
        >>> from bert4keras.files import atomic_write
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = os.path.join(folder, "notes.txt")
        ...     with atomic_write(path) as file:
        ...         _ = file.write("ready")
        ...     os.listdir(folder)
        ['notes.txt']
    """
    text: dict[str, Any] = {} if "b" in mode else {"encoding": encoding, "newline": ""}
    with replace_file(path) as temporary, open(temporary, mode, **text) as file:
        yield file


@contextmanager
def replace_file(path: StrPath, suffix: str = "") -> Iterator[Path]:
    """Give a temporary path whose file takes the place of ``path`` only when all went well.

    Args:
        path: the file to create or replace; missing folders are created.
        suffix: ending of the temporary name, for writers that ask for one.

    Returns:
        A context manager that gives the path to write to, in the folder of ``path``.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{uuid.uuid4().hex[:8]}.part{suffix}")
    try:
        yield temporary
        _rename(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


@contextmanager
def replace_files(folder: StrPath) -> Iterator[Path]:
    """Give a temporary folder whose files move to the same places in ``folder`` when all went well.

    Args:
        folder: the folder to create or add to. Files of the same names are replaced, each
            atomically; others stay.

    Returns:
        A context manager that gives the temporary folder, inside ``folder``.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(dir=folder, prefix=".writing-") as name:
        temporary = Path(name)
        yield temporary
        for path in sorted(path for path in temporary.rglob("*") if path.is_file()):
            target = folder / path.relative_to(temporary)
            target.parent.mkdir(exist_ok=True)
            _rename(path, target)


def _rename(temporary: Path, path: Path) -> None:
    """Flush a file to disk, then rename it: after a power cut the name has old or new contents."""
    with open(temporary, "rb+") as file:
        os.fsync(file.fileno())
    os.replace(temporary, path)
