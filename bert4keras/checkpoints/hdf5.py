"""HDF5 checkpoints: named data sets at any depth, and the weights files of Keras 3."""

from abc import abstractmethod
from collections.abc import Collection, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any

import h5py
import ml_dtypes
import numpy as np
from numpy.typing import NDArray

from bert4keras.checkpoints.checkpoint import Checkpoint, CheckpointError, StrPath
from bert4keras.checkpoints.hdf5_heap import check_heap
from bert4keras.checkpoints.open_file import check_unchanged, file_state

# what h5py raises on damaged files
_DAMAGE = (
    ArithmeticError,
    AttributeError,
    LookupError,
    MemoryError,
    OSError,
    RuntimeError,  # and RecursionError
    TypeError,
    ValueError,  # and UnicodeError
)


class HDF5Checkpoint(Checkpoint):
    """Checkpoint of an HDF5 file; a name is the path of a data set, without the first ``/``.

    Args:
        path: the file, as messages should name it.
        file: the open file, which this checkpoint closes.
        names: its data sets, as ``open_file`` returns them.
    """

    def __init__(self, path: StrPath, file: h5py.File, names: Sequence[str]) -> None:
        super().__init__(path, names)
        self._file = file
        self._state = file_state(_descriptor(file))

    def _read(self, name: str) -> NDArray[Any]:
        with explain_damage(self.path):
            array = np.asarray(self._data_set(name)[()])
            check_unchanged(self.path, _descriptor(self._file), self._state)
        return array.view(ml_dtypes.bfloat16) if array.dtype.kind == "V" else array

    def _shape(self, name: str) -> tuple[int, ...]:
        with explain_damage(self.path):
            return self._data_set(name).shape

    def _dtype(self, name: str) -> str:
        with explain_damage(self.path):
            dtype = self._data_set(name).dtype
        return "bfloat16" if dtype.kind == "V" else dtype.name

    def _data_set(self, name: str) -> h5py.Dataset:
        if not self._file:
            raise CheckpointError(f"{self.path} is closed. Open it again with open_checkpoint.")
        return self._file[name]

    def close(self) -> None:
        self._file.close()


class LayerCheckpoint(HDF5Checkpoint):
    """Checkpoint that Keras wrote: it knows the layer of each data set."""

    @property
    @abstractmethod
    def layer_names(self) -> Collection[str]:
        """Names of the layers that have weights in the file."""

    @abstractmethod
    def layer_tensors(self, layer: str, places: Sequence[str]) -> list[str]:
        """Return the data sets of a layer in the order of its weights.

        Args:
            layer: name of the layer.
            places: place of each weight in the layer, see ``Keras3Checkpoint``. A weight that the
                file does not have gets the name ``layer/place``.
        """


class Keras3Checkpoint(LayerCheckpoint):
    """Checkpoint of a Keras 3 ``*.weights.h5``.

    Keras names a data set after the class of its layer, ``layers/dense_1/vars/0``, and writes the
    name of the layer as an attribute of ``vars``. Weights have numbers, in the order of creation.

    Attributes:
        layers: layer name -> {place in the layer: name of the data set}, where a place is the
            number of a weight, after the attribute that holds the sub-layer: ``0``, ``q_dense/1``.
    """

    def __init__(self, path: StrPath, file: h5py.File, names: Sequence[str]) -> None:
        super().__init__(path, file, names)
        self.layers: dict[str, dict[str, str]] = {}
        with explain_damage(path):
            for name in self:
                root, _, inside = name.partition("/")
                top, *parts = inside.split("/")
                layer = _layer_name(file, top) if root == "layers" and "vars" in parts else None
                if layer is not None:
                    parts.remove("vars")
                    self.layers.setdefault(layer, {})["/".join(parts)] = name

    @property
    def layer_names(self) -> Collection[str]:
        return self.layers

    def layer_tensors(self, layer: str, places: Sequence[str]) -> list[str]:
        tensors = self.layers.get(layer, {})
        return [tensors.get(place, f"{layer}/{place}") for place in places]


def _layer_name(file: h5py.File, group: str) -> str | None:
    """Read the name of a layer, one text, from the attribute that Keras 3 writes."""
    attributes = file.get(f"layers/{group}/vars", file).attrs
    is_text = "name" in attributes and attributes.get_id("name").shape == ()
    return str(attributes["name"]) if is_text else None


@contextmanager
def explain_damage(path: StrPath) -> Iterator[None]:
    """Turn an error of h5py into a ``CheckpointError`` that names the file and the remedy."""
    try:
        yield
    except CheckpointError:
        raise
    except _DAMAGE as error:
        raise CheckpointError(
            f"{path} is not a whole HDF5 file of plain arrays: {error}. "
            "Download it again, or ask its author to write it again."
        ) from error


@contextmanager
def open_file(path: StrPath) -> Iterator[tuple[h5py.File, list[str]]]:
    """Open an HDF5 file and list its data sets, all found safe.

    The file stays open after the ``with`` block, unless an error ends the block.

    Raises:
        CheckpointError: the file is damaged or incomplete, or not made of plain arrays of its own,
            see ``check_hdf5``.
    """
    with ExitStack() as stack:
        with explain_damage(path):
            file = stack.enter_context(h5py.File(path, "r"))
            with open(_descriptor(file), "rb", closefd=False) as raw:
                size = raw.seek(0, 2)
                check_heap(raw, size)
            names = _data_sets(file, size)
        yield file, names
        stack.pop_all()


def check_hdf5(path: StrPath) -> None:
    """Refuse an HDF5 file that is not made of plain arrays of its own.

    Every data set must hold numbers, lie in this file, be neither filtered nor virtual, and have as
    many bytes there as its shape says, so that reading costs no more than the file's size. Every
    link must be a hard link, and every group must have one link only. The heap of texts must be
    whole.

    Args:
        path: any HDF5 file, such as a ``*.weights.h5`` that Keras is to load.

    Raises:
        CheckpointError: the file is not of this kind; the message names the data set or the link.
    """
    with open_file(path) as (file, _):
        file.close()


def _descriptor(file: h5py.File) -> int:
    """Return the descriptor of the open file on disk."""
    return file.id.get_vfd_handle()


def _data_sets(file: h5py.File, size: int) -> list[str]:
    """List the paths of all data sets, each found safe in a file of this size."""
    names: list[str] = []
    addresses, groups = set(), [("", file)]
    while groups:
        path, group = groups.pop()
        address = h5py.h5o.get_info(group.id).addr
        if address in addresses:
            raise ValueError(f"the group `{path}` is hard-linked more than once")
        addresses.add(address)
        for name, member in _members(group, path):
            if isinstance(member, h5py.Group):
                groups.append((name, member))
            elif fault := _fault(member, size):
                raise ValueError(f"`{name}` is {fault}")
            else:
                names.append(name)
    return sorted(names)


def _members(group: h5py.Group, path: str) -> Iterator[tuple[str, object]]:
    """Iterate over the members of a group; refuse any link but a hard one before following it."""
    for name in group:
        inside = f"{path}/{name}" if path else name
        if not isinstance(name, str):  # h5py returns bytes that are no UTF-8 as they are
            raise ValueError(f"the name {name!r} is not UTF-8")
        link = group.id.links.get_info(name.encode("utf-8", "surrogateescape"))
        if link.type != h5py.h5l.TYPE_HARD:
            raise ValueError(f"`{inside}` is a link to another place")
        yield inside, group[name]


def _fault(data: Any, size: int) -> str | None:
    """Describe the first property of a data set that a plain array does not have."""
    if not isinstance(data, h5py.Dataset):
        return "no data set"
    properties = data.id.get_create_plist()
    if properties.get_layout() == h5py.h5d.VIRTUAL or properties.get_external_count():
        return "stored in other files"
    if properties.get_nfilters():
        return "compressed or filtered"
    if data.dtype.kind not in "fiub" and not _is_bfloat16(data):
        return f"of the type {data.dtype}, not numbers"
    byte_count = data.size and data.size * data.dtype.itemsize
    if byte_count is None or byte_count > min(size, data.id.get_storage_size()):
        return f"of shape {data.shape}, more than the file holds"
    return None


def _is_bfloat16(data: h5py.Dataset) -> bool:
    """True for two opaque bytes with the attribute that Keras writes: HDF5 has no bfloat16."""
    is_opaque = data.dtype == np.dtype("V2") and data.dtype.fields is None
    return is_opaque and str(data.attrs.get("dtype")) == "bfloat16"
