"""Small files laid out as Keras 2 laid them out."""

import json

import h5py
import numpy as np


def write_keras2(path, layers, config=None, kind="S"):
    """Write a file of Keras 2: {layer: {weight: array}}, and the description of a whole model.

    Args:
        kind: "S" for names of fixed length, "O" for those of any length, as Keras 2.12 had them.
    """
    with h5py.File(path, "w") as file:
        top = file if config is None else file.create_group("model_weights")
        if config is not None:
            file.attrs["model_config"] = json.dumps(config)
        top.attrs["layer_names"] = texts(layers, kind)
        for name, weights in layers.items():
            group = top.create_group(name)
            group.attrs["weight_names"] = texts(weights, kind)
            for weight, array in weights.items():
                group.create_dataset(weight, data=np.asarray(array, "float32"))
    return path


def texts(names, kind="S"):
    names = list(names)
    if kind == "O":
        return np.array(names, dtype=h5py.string_dtype())
    return [name.encode() for name in names]
