"""Build the API pages from the docstrings: ``python docs/build.py`` writes docs/api."""

from pathlib import Path

import pdoc
import pdoc.render

from bert4keras import layers, models


def is_from_this_library(value):
    """True if this library defines the value. Rooms also re-export names of Keras."""
    return getattr(value, "__module__", "").startswith("bert4keras")


for room in layers, models:
    public = {name: getattr(room, name) for name in room.__all__}
    room.__all__ = [name for name, value in public.items() if is_from_this_library(value)]
models.__all__ = [name for name in models.__all__ if name not in layers.__all__]
pdoc.render.configure(docformat="google")
pdoc.pdoc("bert4keras", "!bert4keras.legacy", output_directory=Path(__file__).parent / "api")
