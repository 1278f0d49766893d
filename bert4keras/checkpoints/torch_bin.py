"""PyTorch checkpoints, as ``torch.save`` writes them; reading needs no torch and executes nothing.

Both layouts are read: the zip of torch 1.6 and later, and the older sequence of pickles.
"""

import math
from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from struct import error as StructError
from struct import unpack
from typing import Any, NamedTuple
from zipfile import ZIP_STORED, BadZipFile, ZipFile, ZipInfo
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

from bert4keras.checkpoints.checkpoint import Checkpoint, CheckpointError, StrPath
from bert4keras.checkpoints.open_file import OpenFile
from bert4keras.checkpoints.torch_pickle import Forbidden, Machine, Quantized, Tensor

_LEGACY_MAGIC = 0x1950A86A20F9469CFC6C
_LEGACY_PROTOCOL = 1001
_ENCRYPTED = 1  # flag of an entry
_CHUNK = 1 << 22  # bytes that a checksum is computed of at once
_DAMAGE = (
    ArithmeticError,
    AttributeError,
    BadZipFile,
    EOFError,
    LookupError,
    MemoryError,
    NotImplementedError,
    OSError,
    RecursionError,
    StructError,
    TypeError,
    ValueError,
)


class _Place(NamedTuple):
    """Position of the bytes of a storage in the file, and their CRC-32 if the file has one."""

    start: int
    length: int
    checksum: int | None = None


class TorchCheckpoint(Checkpoint):
    """Checkpoint of a ``pytorch_model.bin``; each tensor is read from its own place in the file.

    The file stays open, so all tensors come from the same one. The first tensor of a storage
    compares the storage with its checksum.

    Raises:
        CheckpointError: the file asks for anything but tensors, claims more than it holds, is
            damaged or is not a dict of tensors.
    """

    def __init__(self, path: StrPath) -> None:
        self.path: str = str(path)
        self._file: OpenFile | None = None
        self._sound: set[str] = set()  # storages whose checksum is right
        try:
            with self._explain_damage():
                file = self._file = OpenFile(path)
                read = _from_zip if file.read_bytes(0, 2) == b"PK" else _from_pickles
                value, self._places = read(file)
                self._tensors = _tensors(value)
                for name, tensor in self._tensors.items():
                    _check(name, tensor, self._places)
        except CheckpointError:
            self.close()
            raise
        self.has_checksums: bool = any(x.checksum is not None for x in self._places.values())
        super().__init__(path, self._tensors)

    @contextmanager
    def _explain_damage(self) -> Iterator[None]:
        """Turn an error into a ``CheckpointError`` that names the file and the remedy."""
        try:
            yield
        except CheckpointError:
            raise
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
            text = repr(error) if isinstance(error, LookupError) else error
            raise CheckpointError(
                f"{self.path} is not a whole file of torch tensors: {text}. "
                "It is damaged, incomplete or of another kind; download it again."
            ) from error

    def _shape(self, name: str) -> tuple[int, ...]:
        return self._tensors[name].shape

    def _dtype(self, name: str) -> str:
        return self._tensors[name].storage.dtype.name

    def _read(self, name: str) -> NDArray[Any]:
        assert self._file is not None
        storage, offset, shape, strides = self._tensors[name]
        size, place = storage.dtype.itemsize, self._places[storage.key]
        with self._explain_damage():
            if storage.key not in self._sound:
                _check_bytes(self._file, f"data/{storage.key}", place)
                self._sound.add(storage.key)
            start, count = place.start + offset * size, _span(shape, strides)
            numbers = self._file.read_array(start, count, storage.dtype)
        lengths = zip(shape, strides, strict=True)
        steps = [stride * size if length > 1 else 0 for length, stride in lengths]
        view = np.ndarray(shape, storage.dtype, numbers.view("uint8"), strides=steps)
        return np.asarray(view, order="C")

    def close(self) -> None:
        if self._file is not None:
            self._file.close()


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


def _from_zip(file: OpenFile) -> tuple[object, dict[str, _Place]]:
    infos = ZipFile(file).infolist()  # pyright: ignore[reportArgumentType]
    entries = {info.filename: info for info in infos}
    pickles = [name for name in entries if name.endswith("/data.pkl")]
    if len(pickles) != 1 or len(entries) != len(infos):
        raise ValueError(f"a zip with {len(pickles)} entries `data.pkl`, not one, or a name twice")
    folder = pickles[0].removesuffix("data.pkl")
    has_checksums = any(info.CRC for info in infos)  # torch.save can be told to write none
    places = {
        name.removeprefix(folder): _place(file, info, has_checksums)
        for name, info in entries.items()
    }
    if "byteorder" in places and _bytes(file, places, "byteorder") != b"little":
        raise ValueError("written on a big-endian machine")
    value = Machine().run(BytesIO(_bytes(file, places, "data.pkl")))
    return value, {name.removeprefix("data/"): place for name, place in places.items()}


def _place(file: OpenFile, info: ZipInfo, has_checksum: bool) -> _Place:
    """Find the bytes of an entry: after a header of 30 bytes, its name and its extra field."""
    header = file.read_bytes(info.header_offset, 30)
    signature, flags, method, name_length, extra_length = unpack("<4s2xHH16xHH", header)
    name = file.read_bytes(info.header_offset + 30, name_length)
    start = info.header_offset + 30 + name_length + extra_length
    if signature != b"PK\x03\x04" or name not in _names_in_bytes(info):
        raise ValueError(f"the header before the entry {info.filename} is not its own")
    if {method, info.compress_type} != {ZIP_STORED} or (flags | info.flag_bits) & _ENCRYPTED:
        raise ValueError(f"the entry {info.filename} is compressed or encrypted")
    if info.file_size != info.compress_size or start + info.file_size > file.size:
        raise ValueError(f"the entry {info.filename} is longer than the file")
    return _Place(start, info.file_size, info.CRC if has_checksum else None)


def _names_in_bytes(info: ZipInfo) -> list[bytes]:
    """List the bytes that the name of an entry may be, in both encodings of a zip."""
    names = [info.orig_filename.encode("utf-8", "surrogateescape")]
    try:
        return [*names, info.orig_filename.encode("cp437")]
    except UnicodeEncodeError:
        return names


def _bytes(file: OpenFile, places: dict[str, _Place], name: str) -> bytes:
    _check_bytes(file, name, places[name])
    return file.read_bytes(places[name].start, places[name].length)


def _check_bytes(file: OpenFile, name: str, place: _Place) -> None:
    """Raise a ValueError if the bytes of an entry do not have its checksum."""
    if place.checksum is None:
        return
    checksum, end = 0, place.start + place.length
    for start in range(place.start, end, _CHUNK):
        checksum = crc32(file.read_bytes(start, min(_CHUNK, end - start)), checksum)
    if checksum != place.checksum:
        raise ValueError(f"the checksum of the entry {name} is wrong")


def _from_pickles(file: OpenFile) -> tuple[object, dict[str, _Place]]:
    """Read magic number, protocol, machine, value and keys, then each storage after its length."""
    if Machine().run(file) != _LEGACY_MAGIC or Machine().run(file) != _LEGACY_PROTOCOL:
        raise ValueError("a pickle, but not one of torch")
    if Machine().run(file)["little_endian"] is not True:
        raise ValueError("written on a big-endian machine")
    machine = Machine()
    value, keys = machine.run(file), Machine().run(file)
    places = {}
    for key in keys:
        (count,) = unpack("<q", file.read(8).ljust(8, b"\0"))
        storage = machine.storages[key]
        places[key] = _Place(file.tell(), count * storage.dtype.itemsize)
        if count != storage.size or places[key].start + places[key].length > file.size:
            raise ValueError(f"the storage {key} claims more than the file holds")
        file.seek(places[key].start + places[key].length)
    return value, places
