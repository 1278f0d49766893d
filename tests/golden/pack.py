"""Thin recorded numbers and pack them: ``python pack.py FOLDER ...``, run in this folder.

Of models, rows that were run alone and padded positions go; of the vectors and scores of each token
every third feature stays, and of the records of their layers the names and shapes of weights. Of
layers, every third feature of outputs and of gradients of inputs stays. The whole was compared
once, when it was recorded. The loose ``.npz`` of a folder move into its ``arrays.npz.xz``, in which
an array is named ``<path of its file>/<its name>``; ``support.load_arrays`` finds it there.
"""

import io
import json
import lzma
import sys
from pathlib import Path

import numpy as np

EVERY = 3
COMPARED = ("out.", "expected.", "grad.in.")  # arrays of a layer


def thin_model(arrays):
    """Return the arrays of a model's case that are compared."""
    result = {}
    for key, value in arrays.items():
        label, batch, *parts = key.split(".")
        if parts[:1] == ["out"] and value.ndim == 3:
            decoding = f"{label}.{batch}.dec_valid"
            valid = arrays[decoding if decoding in arrays else f"{label}.{batch}.valid"]
            value = value[valid][..., ::EVERY]
        if not (parts and parts[0].startswith("row")):
            result[key] = value
    return result


def thin_layer(arrays):
    """Return the arrays of a layer's case with every third feature of those compared."""
    return {
        key: x[..., ::EVERY] if key.startswith(COMPARED) and x.ndim > 2 else x
        for key, x in arrays.items()
    }


def pack(folder, files, thin):
    """Move loose files into the archive of a folder."""
    archive, contents = folder / "arrays.npz.xz", {}
    if archive.exists():
        contents = dict(np.load(io.BytesIO(lzma.decompress(archive.read_bytes()))))
    for file in files:
        with np.load(file) as arrays:
            name = file.relative_to(folder).as_posix()
            contents |= {f"{name}/{key}": x for key, x in thin(dict(arrays)).items()}
        file.unlink()
    buffer = io.BytesIO()
    np.savez(buffer, **dict(sorted(contents.items())))
    archive.write_bytes(lzma.compress(buffer.getvalue(), preset=9))


def reduce_layers(file):
    """Reduce a file to the names of layers and the shapes of their weights."""
    models = json.loads(file.read_text())
    layers_by_label = {
        label: [{key: layer[key] for key in ("name", "weights")} for layer in layers]
        for label, layers in models.items()
    }
    file.write_text(json.dumps(layers_by_label) + "\n")


THIN = {"layers": thin_layer, "models/*": thin_model}
for argument in sys.argv[1:]:  # folders as seen from here
    folder = Path(argument)
    files = sorted(folder.glob("*.npz")) or sorted(folder.glob("*/*.npz"))
    kind = "models/*" if folder.parent.name == "models" else folder.as_posix()
    pack(folder, files, THIN.get(kind, dict))
    for file in folder.glob("*/layers.json"):
        reduce_layers(file)
