"""Keras 2 weights in HDF5, which ``save_weights`` wrote, or ``save`` with a whole model."""

import json
import math
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from bert4keras.checkpoints.checkpoint import CheckpointError, StrPath
from bert4keras.checkpoints.hdf5 import (
    HDF5Checkpoint,
    Keras3Checkpoint,
    LayerCheckpoint,
    explain_damage,
    open_file,
)
from bert4keras.checkpoints.match_layers import match_layers
from bert4keras.checkpoints.plan import LayerWeights, LoadPlan

_REMEDY = (
    "Build the model as it was when the file was saved: the same layers, configuration and "
    "vocabulary. Or pass by_name=True to load only layers whose names agree, or "
    "skip_mismatch=True to leave these as initialised."
)
_MAX_ATTRIBUTE_BYTES = 1 << 32  # that the texts of one attribute may take


class Keras2Checkpoint(LayerCheckpoint):
    """Checkpoint of an HDF5 file of Keras 2.

    Attributes:
        layers: layer name -> names of its data sets, in the order of its weights; only layers that
            have weights, in the order of the file. A nested model counts as one layer.

    Raises:
        CheckpointError: a list of names in it is damaged.
    """

    def __init__(self, path: StrPath, file: h5py.File, names: Sequence[str]) -> None:
        super().__init__(path, file, names)
        array_bytes = sum(file[name].id.get_storage_size() for name in self)
        self._text_bytes = file.id.get_filesize() - array_bytes  # that can hold texts
        with explain_damage(path):
            self.layers: dict[str, list[str]] = self._read_layers(_weights_group(file))

    def _read_layers(self, group: h5py.Group) -> dict[str, list[str]]:
        names = self._texts(group, "layer_names")
        if len(set(names)) < len(names):
            raise ValueError("it names a layer twice")
        prefix = group.name.strip("/") and f"{group.name.strip('/')}/"
        layers = {
            name: [
                f"{prefix}{name}/{weight}" for weight in self._texts(group[name], "weight_names")
            ]
            for name in names
        }
        missing = [name for tensors in layers.values() for name in tensors if name not in self]
        if missing:
            raise ValueError(f"it names the weight `{missing[0]}`, which is not there")
        return {name: tensors for name, tensors in layers.items() if tensors}

    @property
    def flat_layers(self) -> dict[str, list[str]]:
        """The same as ``layers``, with the layers of nested models in place of these."""
        flat: dict[str, list[str]] = {}
        for name, tensors in self.layers.items():
            inner_layers = self.inner_layers(name)
            flat |= inner_layers if len(inner_layers) > 1 else {name: tensors}
        return flat

    def inner_layers(self, layer: str) -> dict[str, list[str]]:
        """Group the data sets of a layer by the first part of their names: the inner layers."""
        groups: dict[str, list[str]] = {}
        for name in self.layers[layer]:
            inner = name.split(f"{layer}/", 1)[1].split("/")[0]
            groups.setdefault(inner, []).append(name)
        return groups

    @property
    def layer_names(self) -> Collection[str]:
        return self.flat_layers

    def layer_tensors(self, layer: str, places: Sequence[str]) -> list[str]:
        return self.flat_layers.get(layer, [f"{layer}/{place}" for place in places])

    def config(self) -> dict[str, Any] | None:
        """Return the description of the layers of a whole model; None if only weights are here."""
        with explain_damage(self.path):
            if "model_config" not in self._file.attrs:
                return None
            try:
                config = json.loads("".join(self._texts(self._file, "model_config")))
            except RecursionError as error:
                raise ValueError("its model_config is nested too deep") from error
            if not isinstance(config, dict):
                raise ValueError("its model_config is no description of a model")
            return config

    def _texts(self, group: h5py.Group, name: str) -> list[str]:
        """Read an attribute that is a list of texts, or its parts ``name0``, ``name1``, ..."""
        names = [name]
        if name not in group.attrs and f"{name}0" in group.attrs:
            numbers = range(len(group.attrs))
            names = [f"{name}{i}" for i in numbers if f"{name}{i}" in group.attrs]
        return [text for part in names for text in self._attribute(group, part)]

    def _attribute(self, group: h5py.Group, name: str) -> list[str]:
        """Read an attribute of texts after checking that this file can hold them all."""
        attribute = group.attrs.get_id(name)
        kind, count = h5py.check_string_dtype(attribute.dtype), math.prod(attribute.shape or ())
        if not count:
            return []
        if kind is None or attribute.shape is None:
            raise ValueError(f"the attribute `{name}` of `{group.name}` is not a text")
        # texts of any length may all point to the same bytes of the file
        expansion = count * self._text_bytes if kind.length is None else 0
        if attribute.get_storage_size() > self._text_bytes or expansion > _MAX_ATTRIBUTE_BYTES:
            raise ValueError(f"the attribute `{name}` of `{group.name}` claims too much")
        texts = np.atleast_1d(np.asarray(group.attrs[name], dtype=object)).reshape(-1)
        return [text.decode() if isinstance(text, bytes) else str(text) for text in texts]


def is_keras2(path: StrPath) -> bool:
    """True if a file holds weights that Keras 2 saved in HDF5, alone or with a whole model."""
    if not Path(path).is_file() or not h5py.is_hdf5(path):
        return False
    with open_hdf5(path) as checkpoint:
        return isinstance(checkpoint, Keras2Checkpoint)


def open_hdf5(path: StrPath) -> HDF5Checkpoint:
    """Open an HDF5 file as the checkpoint of its kind: of Keras 2, of Keras 3, or of plain names.

    Raises:
        CheckpointError: the file is damaged or incomplete, or not safe to open, see ``check_hdf5``.
    """
    with open_file(path) as (file, names):
        with explain_damage(path):
            is_of_keras2 = _weights_group(file) is not None
        if is_of_keras2:
            return Keras2Checkpoint(path, file, names)
        keras3 = Keras3Checkpoint(path, file, names)
        return keras3 if keras3.layers else HDF5Checkpoint(path, file, names)


def open_keras2(path: StrPath) -> Keras2Checkpoint:
    """Open an HDF5 file of Keras 2.

    Raises:
        CheckpointError: as ``open_hdf5``; or the file is not of Keras 2.
    """
    path = Path(path)
    if path.with_name(f"{path.name}.index").is_file() and not path.is_file():
        raise CheckpointError(
            f"{path} was saved in TensorFlow's format, as tf.keras does when the name does not "
            "end in .h5. Load it where it was saved, and save it again under such a name."
        )
    if not path.is_file():
        raise CheckpointError(f"No file of weights at {path}. Check the path.")
    checkpoint = open_hdf5(path)
    if isinstance(checkpoint, Keras2Checkpoint):
        return checkpoint
    checkpoint.close()
    raise CheckpointError(
        f"{path} is HDF5, but not of Keras 2: it has no attribute `layer_names`. "
        "Load a *.weights.h5 of Keras 3 with model.load_weights."
    )


def _weights_group(file: h5py.File) -> h5py.Group | None:
    """Find the group of a file of Keras 2 with the layers; None in any other file."""
    for group in (file, file.get("model_weights")):
        if isinstance(group, h5py.Group) and {"layer_names", "layer_names0"} & set(group.attrs):
            return group
    return None


def load_keras2_weights(
    model: Any, path: StrPath, by_name: bool = False, skip_mismatch: bool = False
) -> None:
    """Fill a model from a file of Keras 2, or report every mismatch and change nothing.

    Layers are paired by name, those that Keras numbered in the order of their numbers, and all
    others in order; see ``match_layers``. A nested model is one layer, whose inner layers are
    paired in the same way. Nothing in the file is executed.

    Args:
        model: a Keras model, built.
        path: what Keras 2 wrote by ``save_weights`` in HDF5 under any name, or by ``save``.
        by_name: load the layers whose names agree, and leave the others as they are.
        skip_mismatch: leave weights that the file does not have, or has in another shape, as they
            are, and warn once. Default: False.

    Raises:
        CheckpointError: the file is not one of Keras 2, or not safe to open.
        MismatchError: it does not fit. No weight has been changed.
    """
    layers = {layer.name: layer for layer in model.layers if layer.weights}
    with open_keras2(path) as checkpoint:
        if checkpoint.layers and not layers:
            raise ValueError(
                f"The model {model.name} has no weights yet to load {path} into. Call it on a "
                "batch first."
            )
        file_names = {_without_slashes(name): name for name in checkpoint.layers}
        names, mismatches = {name: name for name in layers if name in file_names}, []
        if not by_name:
            names, mismatches = match_layers(list(file_names), list(layers))
        elif not names:
            mismatches = [f"no layer of {path} has the name of one of the model"]
        layer_weights = [
            item
            for name, file_name in names.items()
            for item in _inner_weights(layers[name], checkpoint.inner_layers(file_names[file_name]))
        ]
        LoadPlan(checkpoint, lambda: layer_weights).apply(skip_mismatch, mismatches, _REMEDY)


def _without_slashes(name: str) -> str:
    return name.replace("/", "-")  # Keras 3 allows no `/` in names of layers


def _inner_weights(layer: Any, groups: dict[str, list[str]]) -> list[LayerWeights]:
    """Pair a layer, or each layer of a nested model, with its weights and their data sets.

    Args:
        groups: data sets of the layer by the first part of their names.
    """
    leaves = {leaf.name: leaf for leaf in _leaves(layer)}
    names, mismatches = match_layers(list(groups), list(leaves))
    if len(leaves) < 2 or len(groups) < 2 or mismatches:
        tensors = [name for group in groups.values() for name in group]
        return [(layer, *_order_weights(layer, tensors))]
    return [(leaf, *_order_weights(leaf, groups[names[name]])) for name, leaf in leaves.items()]


def _leaves(layer: Any) -> list[Any]:
    """List the layers with weights inside a nested model, or the layer itself."""
    if not hasattr(layer, "layers"):
        return [layer] if layer.weights else []
    return [leaf for inner in layer.layers for leaf in _leaves(inner)]


def _order_weights(layer: Any, tensors: Sequence[str]) -> tuple[list[Any], list[str]]:
    """Pair weights of a layer with data sets: by their names if these are unique, or in order."""
    weights = [*layer.trainable_weights, *layer.non_trainable_weights]
    names = [weight.name for weight in weights]
    by_name = {name.rsplit("/", 1)[-1].partition(":")[0]: name for name in tensors}
    if len(by_name) == len(tensors) and set(names) == set(by_name):
        return weights, [by_name[name] for name in names]
    return weights, list(tensors)
