"""Writing that cannot lose what was there."""

import contextlib
import os
from pathlib import Path


@contextlib.contextmanager
def atomic_write(path, mode="w", encoding="utf-8"):
    """Write beside `path`, and take its place only when all went well.

    Args:
        path: Path of the file to make or to replace.
        mode: "w" for text, "wb" for bytes.
        encoding: Encoding of text; line ends are written as given.

    Returns:
        A context manager that gives the open file. After an error the old file is as it was.

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
    path = Path(path)
    beside = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        text = {} if "b" in mode else {"encoding": encoding, "newline": ""}
        with open(beside, mode, **text) as file:
            yield file
        os.replace(beside, path)
    except BaseException:
        beside.unlink(missing_ok=True)
        raise
