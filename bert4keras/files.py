"""Atomic writes: a temporary file, flushed to disk, then renamed; a failure keeps the old file.

Temporary files lie in a folder of their own, ``.part-...``, next to the file that they replace.
``tempfile`` makes it, for this user alone, so no link that somebody planted is followed. It is
locked while its process lives. The next write in the same place removes those of dead processes.
"""

import errno
import os
import re
import shutil
import time
import uuid
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from functools import cache
from hashlib import sha256
from pathlib import Path
from platform import node
from tempfile import mkdtemp
from typing import IO, Any

try:
    import fcntl
except ImportError:  # Windows: nothing is locked there, and no part of a dead process is removed
    fcntl = None

__all__ = [
    "atomic_write",
    "check_free_space",
    "lock_folder",
    "remove_dead_parts",
    "replace_file",
    "replace_files",
]

StrPath = str | os.PathLike[str]

_PART = re.compile(r"\.part-([0-9a-f]{8})-([0-9a-f]{8})-\w+")  # host, boot, random
_LOCK_SECONDS = 60  # that a writer waits for another one to rename its files
_FREE_BYTES = 1 << 20  # that a file may take beyond its numbers
_DISK_ERRORS = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO, errno.EROFS}


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
        A context manager that gives the path to write to, in a temporary folder next to ``path``.
    """
    path = Path(path)
    name = path.name if path.name.endswith(suffix) else f"{path.name}{suffix}"
    with _name_in_errors(path), _part(path.parent) as part:
        yield part / name
        move_files([(part / name, path)])


@contextmanager
def replace_files(folder: StrPath) -> Iterator[Path]:
    """Give a temporary folder whose files move to the same places in ``folder`` when all went well.

    Args:
        folder: the folder to create or add to. Files of the same names are replaced, each
            atomically, after all are on disk; others stay.

    Returns:
        A context manager that gives the temporary folder, inside ``folder``.
    """
    folder = Path(folder)
    with _name_in_errors(folder), _part(folder) as part:
        yield part
        files = sorted(path for path in part.rglob("*") if path.is_file())
        move_files([(path, folder / path.relative_to(part)) for path in files])


def check_free_space(path: StrPath, byte_count: int) -> None:
    """Raise an error if the disk has no place for a file, for writers that cannot bear a full one.

    Args:
        path: the file; its folder exists.
        byte_count: its length.

    Raises:
        OSError: fewer bytes are free.
    """
    if shutil.disk_usage(Path(path).parent).free < byte_count + _FREE_BYTES:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))


def move_files(moves: Iterable[tuple[Path, Path]]) -> None:
    """Flush all files to disk, then rename them in this order: after a power cut a name is whole.

    Args:
        moves: pairs of the temporary path and the path to replace, on one file system.
    """
    moves = list(moves)
    for temporary, _ in moves:
        with open(temporary, "rb+") as file:
            os.fsync(file.fileno())
    for temporary, path in moves:
        _make_folder(path.parent)
        os.replace(temporary, path)
    for folder in dict.fromkeys(path.parent for _, path in moves):
        sync_folder(folder)


def sync_folder(folder: Path) -> None:
    """Flush the names in a folder to disk, where the system can."""
    with suppress(OSError):  # Windows cannot open a folder; some file systems cannot flush one
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


@contextmanager
def lock_folder(folder: StrPath) -> Iterator[None]:
    """Keep other writers of this library out while several files of a folder are replaced.

    Raises:
        TimeoutError: another process holds the lock for a minute.
    """
    descriptor = os.open(folder, os.O_RDONLY) if fcntl else None
    try:
        end = time.monotonic() + _LOCK_SECONDS
        while descriptor is not None and not _lock(descriptor):
            if time.monotonic() > end:
                raise TimeoutError(
                    f"Expected to write into {folder}, but another process holds its lock. "
                    "End that process, or write into another folder."
                )
            time.sleep(0.01)
        yield
    finally:
        if descriptor is not None:
            os.close(descriptor)


def remove_dead_parts(folder: StrPath) -> None:
    """Remove what killed processes of this user and this machine left of their writes.

    Args:
        folder: the folder that they wrote into. Parts of living processes and of other machines
            stay.
    """
    if fcntl is None:
        return
    with suppress(OSError):
        for name in os.listdir(folder):
            match = _PART.fullmatch(name)
            if match and set(match.groups()) & set(_machine()):
                _remove_dead(Path(folder, name))


def _remove_dead(part: Path) -> None:
    """Remove one part if nobody holds its lock."""
    with suppress(OSError):
        descriptor = _open_folder(part)
        try:
            if os.fstat(descriptor).st_uid == os.getuid() and _lock(descriptor, default=False):
                shutil.rmtree(part, ignore_errors=True)
        finally:
            os.close(descriptor)


@contextmanager
def _part(folder: Path) -> Iterator[Path]:
    """Make a locked temporary folder, and remove it at the end."""
    _make_folder(folder)
    remove_dead_parts(folder)
    part, descriptor = _make_part(folder)
    try:
        yield part
    finally:
        shutil.rmtree(part, ignore_errors=True)
        if descriptor is not None:
            os.close(descriptor)


def _make_part(folder: Path) -> tuple[Path, int | None]:
    """Make a temporary folder and lock it; again if another process took it for dead before."""
    while True:
        part = Path(mkdtemp(prefix=f".part-{'-'.join(_machine())}-", dir=folder))
        if fcntl is None:
            return part, None
        with suppress(FileNotFoundError):
            descriptor = _open_folder(part)
            if _lock(descriptor) and part.exists():
                return part, descriptor
            os.close(descriptor)


def _open_folder(folder: Path) -> int:
    return os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)


def _lock(descriptor: int, default: bool = True) -> bool:
    """Lock an open folder; return False if it is locked, ``default`` if it cannot be."""
    if fcntl is None:
        return default
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:  # a file system without locks
        return default
    return True


@cache
def _machine() -> tuple[str, str]:
    """Return what tells this machine from others: its name, and the boot of its kernel.

    A container after a restart has another name, a machine after a restart another boot.
    """
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text()
    except OSError:
        boot = str(uuid.getnode())
    host, boot = (sha256(text.encode()).hexdigest()[:8] for text in (node(), boot))
    return host, boot


def _make_folder(folder: Path) -> None:
    missing = [path for path in (folder, *folder.parents) if not path.exists()]
    folder.mkdir(parents=True, exist_ok=True)
    for path in missing:
        sync_folder(path.parent)


@contextmanager
def _name_in_errors(path: Path) -> Iterator[None]:
    """Name the file in errors of the disk, which name nothing or the temporary file."""
    try:
        yield
    except (OSError, RuntimeError) as error:
        number, text = _disk_error(error)
        if number is not None:
            raise OSError(number, text, str(path)) from error
        raise


def _disk_error(error: OSError | RuntimeError) -> tuple[int | None, str]:
    """Return number and text of an error of the disk that names no file, or a temporary one."""
    if isinstance(error, OSError) and ".part-" in str(error.filename):
        return error.errno, str(error.strerror)
    match = re.search(r"errno = (\d+)", str(error))  # of HDF5, whose own text is long
    number = int(match[1]) if match else getattr(error, "errno", None)
    if number in _DISK_ERRORS and getattr(error, "filename", None) is None:
        return number, os.strerror(number)
    return None, ""
