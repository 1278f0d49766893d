"""Pages of the API, made from the docstrings: `python docs/build.py` writes docs/api."""

from pathlib import Path

import pdoc
import pdoc.render

from bert4keras import layers, models


def is_own(value):
    """Whether a name stands for something of this library, not for what Keras has anyway."""
    return getattr(value, "__module__", "").startswith("bert4keras")


for face in layers, models:
    face.__all__ = [name for name in face.__all__ if is_own(getattr(face, name))]
models.__all__ = [name for name in models.__all__ if name not in layers.__all__]
pdoc.render.configure(docformat="google")
pdoc.pdoc("bert4keras", "!bert4keras.legacy", output_directory=Path(__file__).parent / "api")
