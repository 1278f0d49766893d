"""Thin recorded numbers and pack them: ``python pack.py FOLDER ...``, run in this folder.

Of models, rows that were run alone and padded positions go; of the vectors and scores of each token
every third feature stays, and of the records of their layers the names and shapes of weights. Of
layers, every third feature of outputs and of gradients of inputs stays. The whole was compared
once, when it was recorded. The loose ``.npz`` of a folder move into its ``arrays.npz.xz``, in which
an array is named ``<path of its file>/<its name>``; ``support.arrays`` finds it there.
"""

import io
import json
import lzma
import sys
from pathlib import Path

import numpy as np

EVERY = 3
COMPARED = ("out.", "expected.", "grad.in.")  # arrays of a layer


def thinned_model(arrays):
    """The arrays of a model's case without what is not compared."""
    kept = {}
    for key, value in arrays.items():
        label, batch, *rest = key.split(".")
        if rest[:1] == ["out"] and value.ndim == 3:
            decoding = f"{label}.{batch}.dec_valid"
            valid = arrays[decoding if decoding in arrays else f"{label}.{batch}.valid"]
            value = value[valid][..., ::EVERY]
        if not (rest and rest[0].startswith("row")):
            kept[key] = value
    return kept


def thinned_layer(arrays):
    """The arrays of a layer's case with every third feature of what is compared."""
    return {
        key: x[..., ::EVERY] if key.startswith(COMPARED) and x.ndim > 2 else x
        for key, x in arrays.items()
    }


def pack(folder, files, thinned):
    """Move loose files into the archive of a folder."""
    archive, packed = folder / "arrays.npz.xz", {}
    if archive.exists():
        packed = dict(np.load(io.BytesIO(lzma.decompress(archive.read_bytes()))))
    for file in files:
        with np.load(file) as arrays:
            name = file.relative_to(folder).as_posix()
            packed |= {f"{name}/{key}": x for key, x in thinned(dict(arrays)).items()}
        file.unlink()
    buffer = io.BytesIO()
    np.savez(buffer, **dict(sorted(packed.items())))
    archive.write_bytes(lzma.compress(buffer.getvalue(), preset=9))


def slim(file):
    """Names of layers and shapes of their weights are all that is compared."""
    models = json.loads(file.read_text())
    kept = {
        label: [{key: layer[key] for key in ("name", "weights")} for layer in layers]
        for label, layers in models.items()
    }
    file.write_text(json.dumps(kept) + "\n")


THINNED = {"layers": thinned_layer, "models/*": thinned_model}
for given in sys.argv[1:]:  # folders as seen from here
    folder = Path(given)
    files = sorted(folder.glob("*.npz")) or sorted(folder.glob("*/*.npz"))
    kind = "models/*" if folder.parent.name == "models" else folder.as_posix()
    pack(folder, files, THINNED.get(kind, dict))
    for file in folder.glob("*/layers.json"):
        slim(file)
