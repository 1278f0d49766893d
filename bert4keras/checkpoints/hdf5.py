"""Checkpoints in HDF5: named data sets at any depth, and the weights files of Keras."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import h5py
import ml_dtypes
import numpy as np

from bert4keras.checkpoints.checkpoint import Checkpoint, CheckpointError

# what h5py raises on damaged files
FAULTS = (OSError, RuntimeError, KeyError, TypeError, ValueError)


class HDF5Checkpoint(Checkpoint):
    """Data sets of one HDF5 file; a name is the path inside the file, without the first `/`.

    Raises:
        CheckpointError: the file is damaged or incomplete, or is not made of plain arrays of its
            own, see `check_hdf5`.
    """

    def __init__(self, path: str | Path):
        with explained(path), ExitStack() as stack:
            self._file = stack.enter_context(h5py.File(path, "r"))
            super().__init__(path, _data_sets(self._file, Path(path).stat().st_size))
            stack.pop_all()  # all is well: the file stays open

    def _read(self, name: str) -> np.ndarray:
        with explained(self.path):
            array = np.asarray(self._file[name][()])
        return array.view(ml_dtypes.bfloat16) if array.dtype.kind == "V" else array

    def close(self) -> None:
        self._file.close()


@contextmanager
def explained(path: str | Path) -> Iterator[None]:
    """Say of which file it was, and what to do, when one turns out to be damaged."""
    try:
        yield
    except FAULTS as error:
        raise CheckpointError(
            f"{path} is not a whole HDF5 file of plain arrays: {error}. "
            "Download it again, or have its author write it anew."
        ) from error


def check_hdf5(path: str | Path) -> None:
    """Refuse an HDF5 file that is not made of plain arrays of its own.

    Every data set must hold numbers, lie in this file, be neither filtered nor virtual, and have as
    many bytes there as its shape says, so that reading costs no more than the file's size. Every
    link must be a hard link, and every group must hang in one place.

    Args:
        path: any HDF5 file, such as a `*.weights.h5` that Keras is to load.

    Raises:
        CheckpointError: the file is not of this kind; the message names the data set or the link.
    """
    HDF5Checkpoint(path).close()


def keras_layers(path: str | Path) -> dict[str, dict[str, str]]:
    """Which data sets of a Keras 3 `*.weights.h5` belong to which layer.

    Keras calls a data set after the class of its layer, `layers/dense_1/vars/0`, and notes the
    name of the layer as an attribute beside it. Weights have numbers, in the order they were made.

    Args:
        path: a file written by `model.save_weights`.

    Returns:
        Layer name -> {place in the layer: name of the data set}, where a place is the number of a
        weight, behind the attribute that holds the sub-layer: `0`, or `q_dense/1`. Empty if the
        file is not such a file.

    Raises:
        CheckpointError: as `check_hdf5`.
    """
    with HDF5Checkpoint(path) as checkpoint:
        layers: dict[str, dict[str, str]] = {}
        for name in checkpoint:
            top, *rest = name.removeprefix("layers/").split("/")
            attributes = checkpoint._file.get(f"layers/{top}/vars", checkpoint._file).attrs
            if name.startswith("layers/") and "vars" in rest and "name" in attributes:
                rest.remove("vars")
                layers.setdefault(attributes["name"], {})["/".join(rest)] = name
    return layers


def _data_sets(file: h5py.File, size: int) -> list[str]:
    """Paths of all data sets, each found to be safe in a file of this size."""
    names, seen, waiting = [], set(), [("", file)]
    while waiting:
        path, group = waiting.pop()
        address = h5py.h5o.get_info(group.id).addr
        if address in seen:
            raise ValueError(f"the group `{path}` hangs in several places")
        seen.add(address)
        for name, thing in _members(group, path):
            if isinstance(thing, h5py.Group):
                waiting.append((name, thing))
            elif fault := _fault(thing, size):
                raise ValueError(f"`{name}` is {fault}")
            else:
                names.append(name)
    return sorted(names)


def _members(group: h5py.Group, path: str) -> Iterator[tuple[str, object]]:
    """What hangs in a group by hard links; any other link is refused before it is followed."""
    for name in group:
        inside = f"{path}/{name}" if path else name
        link = group.id.links.get_info(name.encode("utf-8", "surrogateescape"))
        if link.type != h5py.h5l.TYPE_HARD:
            raise ValueError(f"`{inside}` is a link to another place")
        yield inside, group[name]


def _fault(data: h5py.Dataset, size: int) -> str | None:
    """Why a data set is not a plain array of its own, if it is not."""
    if not isinstance(data, h5py.Dataset):
        return "no data set"
    plan = data.id.get_create_plist()
    if plan.get_layout() == h5py.h5d.VIRTUAL or plan.get_external_count():
        return "kept in other files"
    if plan.get_nfilters():
        return "compressed or filtered"
    if data.dtype.kind not in "fiub" and not _is_bfloat16(data):
        return f"of the type {data.dtype}, not numbers"
    claimed = data.size and data.size * data.dtype.itemsize
    if claimed is None or claimed > min(size, data.id.get_storage_size()):
        return f"of shape {data.shape}, more than the file holds"
    return None


def _is_bfloat16(data: h5py.Dataset) -> bool:
    """HDF5 has no such type: Keras keeps two opaque bytes and says so in an attribute."""
    marked = data.dtype == np.dtype("V2") and data.dtype.fields is None
    return marked and str(data.attrs.get("dtype")) == "bfloat16"
