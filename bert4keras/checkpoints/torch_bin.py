"""PyTorch checkpoints, as ``torch.save`` writes them; reading needs no torch and executes nothing.

Both layouts are read: the zip of torch 1.6 and later, and the older sequence of pickles.
"""

import math
import mmap
from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from struct import unpack
from typing import Any, BinaryIO, NamedTuple
from zipfile import ZIP_STORED, BadZipFile, ZipFile, ZipInfo

import numpy as np
from numpy.typing import NDArray

from bert4keras.checkpoints.checkpoint import Checkpoint, CheckpointError, StrPath
from bert4keras.checkpoints.torch_pickle import Forbidden, Machine, Quantized, Tensor

_LEGACY_MAGIC = 0x1950A86A20F9469CFC6C
_LEGACY_PROTOCOL = 1001
_DAMAGE = (ValueError, LookupError, TypeError, AttributeError, EOFError, BadZipFile, MemoryError)


class _Place(NamedTuple):
    """Position of the bytes of a storage in the file."""

    start: int
    length: int


class TorchCheckpoint(Checkpoint):
    """Checkpoint of a ``pytorch_model.bin``; each tensor is read from its own place in the file.

    Raises:
        CheckpointError: the file asks for anything but tensors, claims more than it holds, is
            damaged or is not a dict of tensors.
    """

    def __init__(self, path: StrPath) -> None:
        self.path: str = str(path)
        with self._explain_damage(), open(path, "rb") as file:
            read = _from_zip if file.read(2) == b"PK" else _from_pickles
            value, self._places = read(file)
            self._tensors = _tensors(value)
            for name, tensor in self._tensors.items():
                _check(name, tensor, self._places)
        super().__init__(path, self._tensors)

    @contextmanager
    def _explain_damage(self) -> Iterator[None]:
        """Turn an error into a ``CheckpointError`` that names the file and the remedy."""
        try:
            yield
        except Forbidden as error:
            raise CheckpointError(
                f"{self.path} asks for {error}, which no file of tensors needs; nothing of it was "
                "executed. Get the weights as safetensors, or save model.state_dict() alone."
            ) from error
        except Quantized as error:
            raise CheckpointError(
                f"Expected plain tensors in {self.path}, got quantized ones ({error}). Save the "
                "model in float32, float16 or bfloat16 where it was made."
            ) from error
        except _DAMAGE as error:
            raise CheckpointError(
                f"{self.path} is not a whole file of torch tensors: {error}. "
                "It is damaged, incomplete or of another kind; download it again."
            ) from error

    def _shape(self, name: str) -> tuple[int, ...]:
        return self._tensors[name].shape

    def _dtype(self, name: str) -> str:
        return self._tensors[name].storage.dtype.name

    def _read(self, name: str) -> NDArray[Any]:
        storage, offset, shape, strides = self._tensors[name]
        size = storage.dtype.itemsize
        numbers = np.empty(_span(shape, strides), storage.dtype)
        with self._explain_damage(), open(self.path, "rb") as file:
            file.seek(self._places[storage.key].start + offset * size)
            if file.readinto(numbers.view("uint8").data) != numbers.nbytes:
                raise EOFError("it became shorter")
        steps = [stride * size for stride in strides]
        view = np.ndarray(shape, storage.dtype, numbers.view("uint8"), strides=steps)
        return np.asarray(view, order="C")


def _tensors(value: object) -> dict[str, Tensor]:
    items = value.items() if type(value) is dict else ()
    tensors = {str(name): item for name, item in items if isinstance(item, Tensor)}
    if not tensors:
        raise ValueError("at its top is no dict from names to tensors, as model.state_dict() gives")
    return tensors


def _span(shape: tuple[int, ...], strides: tuple[int, ...]) -> int:
    """Count the numbers between the first and the last of a tensor, both included."""
    if 0 in shape:
        return 0
    return 1 + sum((length - 1) * stride for length, stride in zip(shape, strides, strict=True))


def _check(name: str, tensor: Tensor, places: dict[str, _Place]) -> None:
    """Raise a ValueError unless a tensor lies in its storage, and the storage in the file."""
    storage, offset, shape, strides = tensor
    if len(shape) != len(strides) or len(shape) > 32:
        raise ValueError(f"`{name}` has {len(shape)} axes, but {len(strides)} strides")
    for number in (storage.size, offset, *shape, *strides):
        if type(number) is not int or number < 0:
            raise ValueError(f"`{name}` has {number!r} in place of a size")
    inside = offset + _span(shape, strides) <= storage.size and math.prod(shape) <= storage.size
    if not inside or storage.size * storage.dtype.itemsize > places[storage.key].length:
        raise ValueError(f"`{name}` of shape {shape} claims more than the file holds")


def _from_zip(file: BinaryIO) -> tuple[object, dict[str, _Place]]:
    entries = {info.filename: info for info in ZipFile(file).infolist()}
    pickles = [name for name in entries if name.endswith("/data.pkl")]
    if len(pickles) != 1:
        raise ValueError(f"a zip with {len(pickles)} entries `data.pkl`, not one")
    folder = pickles[0].removesuffix("data.pkl")
    places = {name.removeprefix(folder): _place(file, info) for name, info in entries.items()}
    if "byteorder" in places and _bytes(file, places["byteorder"]) != b"little":
        raise ValueError("written on a big-endian machine")
    value = Machine().run(BytesIO(_bytes(file, places["data.pkl"])))
    return value, {name.removeprefix("data/"): place for name, place in places.items()}


def _place(file: BinaryIO, info: ZipInfo) -> _Place:
    """Find the bytes of an entry: after 30 bytes, its name and its extra field."""
    file.seek(info.header_offset + 26)
    start = info.header_offset + 30 + sum(unpack("<HH", file.read(4).ljust(4, b"\0")))
    if info.compress_type != ZIP_STORED or start + info.file_size > _length(file):
        raise ValueError(f"the entry {info.filename} is compressed, or longer than the file")
    return _Place(start, info.file_size)


def _bytes(file: BinaryIO, place: _Place) -> bytes:
    file.seek(place.start)
    return file.read(place.length)


def _length(file: BinaryIO) -> int:
    return file.seek(0, 2)


def _from_pickles(file: BinaryIO) -> tuple[object, dict[str, _Place]]:
    """Read magic number, protocol, machine, value and keys, then each storage after its length."""
    with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as memory:
        if Machine().run(memory) != _LEGACY_MAGIC or Machine().run(memory) != _LEGACY_PROTOCOL:
            raise ValueError("a pickle, but not one of torch")
        if Machine().run(memory)["little_endian"] is not True:
            raise ValueError("written on a big-endian machine")
        machine = Machine()
        value, keys = machine.run(memory), Machine().run(memory)
        places = {}
        for key in keys:
            (count,) = unpack("<q", memory.read(8).ljust(8, b"\0"))
            storage = machine.storages[key]
            places[key] = _Place(memory.tell(), count * storage.dtype.itemsize)
            if count != storage.size or sum(places[key]) > len(memory):
                raise ValueError(f"the storage {key} claims more than the file holds")
            memory.seek(sum(places[key]))
    return value, places
