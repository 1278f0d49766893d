"""Which old idioms a script uses, on which line, and what to write today."""

import os
import sys
from pathlib import Path

from bert4keras.legacy.idioms import IDIOMS

LIBRARIES = tuple(
    os.sep + name + os.sep
    for name in ("bert4keras", "keras", "tensorflow", "jax", "torch", "numpy", "importlib")
)
OWN = str(Path(__file__).parents[1]) + os.sep


class LegacyError(RuntimeError):
    """What an old script asks for cannot be given; the message has line, reason and remedy."""


class Met:
    """The idioms that have been met: {(file, line, key): None}, in order."""

    def __init__(self):
        self.places = {}

    def clear(self):
        """Forget them."""
        self.places.clear()

    def lines(self):
        """A line for each: where, what, and what to write today."""
        return [
            f"{os.path.relpath(file)}:{line}: {IDIOMS[key][0]}. Today: {IDIOMS[key][1]}"
            for file, line, key in sorted(self.places)
        ]


met_so_far = Met()


def met(key, read_by_script=False):
    """Note that the script uses an idiom, on the line that runs now.

    Args:
        key: of ``IDIOMS``.
        read_by_script: for an attribute: only where the script reads it, for Keras reads them all
            when it saves or loads a model.
    """
    file, line = place()
    if read_by_script and sys._getframe(2).f_code.co_filename != file:
        return
    if file is not None:
        met_so_far.places[file, line, key] = None


def refused(key, why=""):
    """The error for an idiom that cannot be given: line, idiom, reason and today's way."""
    file, line = place()
    what, today = IDIOMS[key]
    where = "" if file is None else f"{os.path.relpath(file)}:{line}: "
    reason = f" ({why})" if why else ""
    return LegacyError(f"{where}{what} cannot be given{reason}. Today: {today}")


class LegacyImportError(LegacyError, ImportError):
    """The same of an import, which a script may try and do without."""


def refused_import(key, why):
    """The error for an import that cannot be given."""
    return LegacyImportError(str(refused(key, why)))


def by_a_script():
    """Whether the function that asks was called by a script, and by no library."""
    return not is_of_a_library(sys._getframe(2).f_code.co_filename)


def place():
    """File and line of the innermost frame that is a script's, or (None, None)."""
    frame = sys._getframe(1)
    while frame is not None:
        file = frame.f_code.co_filename
        if not is_of_a_library(file):
            return file, frame.f_lineno
        frame = frame.f_back
    return None, None


def is_of_a_library(file):
    """Whether a file of code belongs to a library, and is no script."""
    if file.startswith((OWN, "<")):
        return True
    return (
        "site-packages" in file
        and any(name in file for name in LIBRARIES)
        or (file.startswith(os.path.dirname(os.__file__)) and "site-packages" not in file)
    )
