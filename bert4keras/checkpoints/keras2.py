"""Weights that Keras 2 saved in HDF5, by `save_weights` or with a whole model by `save`."""

import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from bert4keras.checkpoints import load
from bert4keras.checkpoints.checkpoint import CheckpointError
from bert4keras.checkpoints.hdf5 import HDF5Checkpoint, explained
from bert4keras.checkpoints.matching import matched

REMEDY = (
    "Build the model as it was when the file was saved: the same layers, configuration and "
    "vocabulary. Or pass by_name=True to load only layers whose names agree, or "
    "skip_mismatch=True to leave these as initialised."
)
MOST = 1 << 32  # bytes that the texts of one attribute may take


class Keras2Checkpoint(HDF5Checkpoint):
    """The data sets of an HDF5 file of Keras 2, and which layer each belongs to.

    Attributes:
        layers: layer name -> names of its data sets, in the order of its weights; only layers that
            have weights, in the order of the file. A nested model counts as one layer.

    Raises:
        CheckpointError: as `HDF5Checkpoint`; or the file is not one of Keras 2.
    """

    def __init__(self, path: str | Path):
        _check_there(Path(path))
        super().__init__(path)
        stored = sum(self._file[name].id.get_storage_size() for name in self)
        self._beside = Path(path).stat().st_size - stored  # bytes that can hold texts
        try:
            with explained(path):
                top = weights_group(self._file)
                self.layers = {} if top is None else self._layers(top)
            if top is None:
                raise CheckpointError(
                    f"{path} is HDF5, but not of Keras 2: it lacks the attribute `layer_names`. "
                    "What Keras 3 saved, *.weights.h5, loads with model.load_weights."
                )
        except CheckpointError:
            self.close()
            raise

    def _layers(self, top: h5py.Group) -> dict[str, list[str]]:
        names = self._texts(top, "layer_names")
        if len(set(names)) < len(names):
            raise ValueError("it names a layer twice")
        prefix = top.name.strip("/") and f"{top.name.strip('/')}/"
        found = {
            name: [f"{prefix}{name}/{weight}" for weight in self._texts(top[name], "weight_names")]
            for name in names
        }
        lacking = [name for layer in found.values() for name in layer if name not in self]
        if lacking:
            raise ValueError(f"it names the weight `{lacking[0]}`, which is not there")
        return {name: weights for name, weights in found.items() if weights}

    @property
    def flat(self) -> dict[str, list[str]]:
        """The same, with the layers of nested models in place of these."""
        flat = {}
        for name, data_sets in self.layers.items():
            inner = self.inside(name)
            flat |= inner if len(inner) > 1 else {name: data_sets}
        return flat

    def inside(self, layer: str) -> dict[str, list[str]]:
        """Data sets of a layer by the first part of their names: in a nested model, its layers."""
        groups: dict[str, list[str]] = {}
        for name in self.layers[layer]:
            inner = name.split(f"{layer}/", 1)[1].split("/")[0]
            groups.setdefault(inner, []).append(name)
        return groups

    def config(self) -> dict | None:
        """What a whole model says of its layers, or None where the file holds weights alone."""
        with explained(self.path):
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
        """A list of texts kept as an attribute; Keras 2 cuts a long one into `name0`, `name1`."""
        names = [name]
        if name not in group.attrs and f"{name}0" in group.attrs:
            numbers = range(len(group.attrs))
            names = [f"{name}{i}" for i in numbers if f"{name}{i}" in group.attrs]
        return [text for one in names for text in self._attribute(group, one)]

    def _attribute(self, group: h5py.Group, name: str) -> list[str]:
        """An attribute that holds texts, once it is sure that this file can hold them all."""
        attribute = group.attrs.get_id(name)
        kind, count = h5py.check_string_dtype(attribute.dtype), math.prod(attribute.shape or ())
        if not count:
            return []
        if kind is None or attribute.shape is None:
            raise ValueError(f"the attribute `{name}` of `{group.name}` is not a text")
        shared = count * self._beside if kind.length is None else 0
        if attribute.get_storage_size() > self._beside or shared > MOST:
            raise ValueError(f"the attribute `{name}` of `{group.name}` claims too much")
        texts = np.atleast_1d(np.asarray(group.attrs[name], dtype=object)).reshape(-1)
        return [text.decode() if isinstance(text, bytes) else str(text) for text in texts]


def _check_there(path: Path) -> None:
    if path.is_file():
        return
    if path.with_name(f"{path.name}.index").is_file():
        raise CheckpointError(
            f"{path} was saved in TensorFlow's format, as tf.keras does where the name does not "
            "end in .h5. Load it where it was saved, and save it again under such a name."
        )
    raise CheckpointError(f"No file of weights at {path}. Check the path.")


def weights_group(file: h5py.File) -> h5py.Group | None:
    """The group of a file of Keras 2 that has the layers in it, or None in any other file."""
    for group in (file, file.get("model_weights")):
        if isinstance(group, h5py.Group) and {"layer_names", "layer_names0"} & set(group.attrs):
            return group
    return None


def is_keras2(path: str | Path) -> bool:
    """Whether a file holds weights that Keras 2 saved in HDF5, alone or with a whole model."""
    if not Path(path).is_file() or not h5py.is_hdf5(path):
        return False
    with open_hdf5(path) as checkpoint:
        return isinstance(checkpoint, Keras2Checkpoint)


def open_hdf5(path: str | Path) -> HDF5Checkpoint:
    """The tensors of an HDF5 file; in one of Keras 2 it is known whose weights they are."""
    with HDF5Checkpoint(path) as checkpoint:
        old = weights_group(checkpoint._file) is not None
    return Keras2Checkpoint(path) if old else HDF5Checkpoint(path)


def load_weights(
    model: Any, path: str | Path, by_name: bool = False, skip_mismatch: bool = False
) -> None:
    """Fill a model from a file of Keras 2, or change nothing and say all that does not fit.

    Layers are paired by name, those that Keras numbered in the order of their numbers, and the rest
    in order; see `matching.matched`. A nested model is one layer, whose own layers are paired
    alike. Nothing in the file is executed.

    Args:
        model: a Keras model, built.
        path: what Keras 2 wrote by `save_weights` in HDF5 under any name, or by `save`.
        by_name: load the layers whose names agree, and leave the others as they are.
        skip_mismatch: leave weights that the file lacks or has in another shape as they are, and
            warn once. Default: False.

    Raises:
        CheckpointError: the file is not one of Keras 2, or not safe to open.
        ValueError: it does not fit. No weight has been changed.
    """
    layers = {layer.name: layer for layer in model.layers if layer.weights}
    with Keras2Checkpoint(path) as checkpoint:
        if checkpoint.layers and not layers:
            raise ValueError(
                f"The model {model.name} has no weights yet to load into. Call it on a batch first."
            )
        old = {_usable(name): name for name in checkpoint.layers}
        names, faults = {name: name for name in layers if name in old}, []
        if not by_name:
            names, faults = matched(list(old), list(layers))
        elif not names:
            faults = [f"no layer of {path} has the name of one of the model"]
        pairs = [
            pair
            for new, name in names.items()
            for pair in _pairs(layers[new], checkpoint.inside(old[name]))
        ]
        load.load_weights(
            pairs, checkpoint.__getitem__, None, skip_mismatch, faults=faults, remedy=REMEDY
        )


def _usable(name: str) -> str:
    return name.replace("/", "-")  # Keras 3 has no `/` in names of layers


def _pairs(layer: Any, groups: dict[str, list[str]]) -> list[load.Pair]:
    """A layer, its weights and their data sets; or the same of each layer of a nested model.

    Args:
        groups: data sets of the layer by the first part of their names.
    """
    leaves = {leaf.name: leaf for leaf in _leaves(layer)}
    names, faults = matched(list(groups), list(leaves))
    together = [name for group in groups.values() for name in group]
    if len(leaves) < 2 or len(groups) < 2 or faults:
        return [(layer, *_in_order(layer, together))]
    return [(leaf, *_in_order(leaf, groups[names[name]])) for name, leaf in leaves.items()]


def _leaves(layer: Any) -> list[Any]:
    """The layers with weights that a nested model has inside, or the layer itself."""
    if not hasattr(layer, "layers"):
        return [layer] if layer.weights else []
    return [leaf for inner in layer.layers for leaf in _leaves(inner)]


def _in_order(layer: Any, data_sets: Sequence[str]) -> tuple[list[Any], list[str]]:
    """Weights of a layer and their data sets: by the names of both if these tell, or in order."""
    weights = [*layer.trainable_weights, *layer.non_trainable_weights]
    named = {name.rsplit("/", 1)[-1].partition(":")[0]: name for name in data_sets}
    names = [weight.name for weight in weights]
    if len(named) == len(data_sets) and set(names) == set(named):
        return weights, [named[name] for name in names]
    return weights, list(data_sets)
