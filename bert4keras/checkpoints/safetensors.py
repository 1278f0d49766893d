"""Checkpoints in the safetensors format (https://github.com/huggingface/safetensors)."""

import json
import math
from collections.abc import Iterable
from typing import Any, NamedTuple

import ml_dtypes
import numpy as np
from numpy.typing import NDArray

from bert4keras.checkpoints.checkpoint import Checkpoint, CheckpointError, StrPath
from bert4keras.checkpoints.open_file import OpenFile

TYPES = {  # name in the format -> type of NumPy
    "F64": np.dtype("<f8"),
    "F32": np.dtype("<f4"),
    "F16": np.dtype("<f2"),
    "BF16": np.dtype(ml_dtypes.bfloat16),
    "I64": np.dtype("<i8"),
    "I32": np.dtype("<i4"),
    "I16": np.dtype("<i2"),
    "I8": np.dtype("i1"),
    "U64": np.dtype("<u8"),
    "U32": np.dtype("<u4"),
    "U16": np.dtype("<u2"),
    "U8": np.dtype("u1"),
    "BOOL": np.dtype("?"),
}
_OTHER_BITS = {  # types that are not read -> bits of a number
    "F4": 4,
    "F6_E2M3": 6,
    "F6_E3M2": 6,
    **dict.fromkeys(("F8_E4M3", "F8_E5M2", "F8_E8M0", "F8_E4M3FNUZ", "F8_E5M2FNUZ"), 8),
    "C64": 64,
}
_BITS = {name: 8 * dtype.itemsize for name, dtype in TYPES.items()} | _OTHER_BITS
_KEYS = (b'"dtype"', b'"shape"', b'"data_offsets"')  # of each entry
_MAX_HEADER = 100_000_000  # bytes, as in the format's own library
_MAX_RANK = 64  # of an array of NumPy 2
_DAMAGE = (ValueError, KeyError, TypeError, AttributeError, RecursionError, EOFError, OSError)


class _Place(NamedTuple):
    """Type, shape and place of a tensor."""

    kind: str
    shape: tuple[int, ...]
    start: int
    end: int


class SafetensorsCheckpoint(Checkpoint):
    """Checkpoint of one ``*.safetensors`` file, its tensors in the types they are stored in.

    The header is checked against the length of the file before anything is read; bfloat16 becomes
    ``ml_dtypes.bfloat16``. The file stays open, so all tensors come from the same one.

    Raises:
        CheckpointError: the file is damaged, incomplete or of another format.
    """

    def __init__(self, path: StrPath) -> None:
        self.path: str = str(path)
        self._file: OpenFile | None = None
        try:
            self._file = OpenFile(path)
            self._begin, self._places = _read_header(self._file)
        except _DAMAGE as error:
            self.close()
            raise self._damage(error) from error
        super().__init__(path, self._places)

    def _read(self, name: str) -> NDArray[Any]:
        assert self._file is not None
        place = self._places[name]
        if place.kind not in TYPES:
            raise CheckpointError(
                f"Expected numbers of a type that NumPy has, got `{name}` of the type "
                f"{place.kind} in {self.path}. It is quantized: save it in float32, float16 or "
                "bfloat16 where it was made."
            )
        try:
            start, count = self._begin + place.start, math.prod(place.shape)
            return self._file.read_array(start, count, TYPES[place.kind]).reshape(place.shape)
        except CheckpointError:
            raise
        except (EOFError, OSError) as error:
            raise self._damage(error) from error

    def _shape(self, name: str) -> tuple[int, ...]:
        return self._places[name].shape

    def _dtype(self, name: str) -> str:
        kind = self._places[name].kind
        return TYPES[kind].name if kind in TYPES else kind

    def _damage(self, error: Exception) -> CheckpointError:
        text = repr(error) if isinstance(error, KeyError | RecursionError) else error
        return CheckpointError(
            f"{self.path} is not a whole safetensors file: {text}. It is damaged, incomplete or of "
            "another format; download it again."
        )

    def close(self) -> None:
        if self._file is not None:
            self._file.close()


def _read_header(file: OpenFile) -> tuple[int, dict[str, _Place]]:
    """Return the place where the numbers begin, and the place of each tensor after it."""
    length = int.from_bytes(file.read_bytes(0, 8), "little")
    if length > min(_MAX_HEADER, file.size - 8):
        raise ValueError(f"its header claims {length} bytes, more than the file or the format has")
    text = file.read_bytes(8, length)
    header = json.loads(text.decode(), parse_constant=_refuse)
    num_tensors = len(header) - ("__metadata__" in header)
    if any(text.count(key) != num_tensors for key in _KEYS):  # perhaps a name twice
        json.loads(text, object_pairs_hook=_check_unique)
    metadata = header.pop("__metadata__", None) or {}
    if not all(type(value) is str for value in metadata.values()):
        raise ValueError("its metadata are not texts")
    places = {name: _place(name, entry) for name, entry in header.items()}
    begin = 8 + length
    _check_order(places.values(), file.size - begin)
    return begin, places


def _check_unique(pairs: list[tuple[str, Any]]) -> None:
    if len(dict(pairs)) < len(pairs):
        raise ValueError("its header has a name twice")


def _refuse(text: str) -> None:
    raise ValueError(f"its header has {text} in place of a number")


def _place(name: str, entry: dict[str, Any]) -> _Place:
    """Check one entry of the header: its bytes are those of its type and shape."""
    kind, shape, (start, end) = entry["dtype"], entry["shape"], entry["data_offsets"]
    if type(kind) is not str or kind not in _BITS:
        raise ValueError(f"`{name}` is of the type {kind!r}; known are {', '.join(_BITS)}")
    for size in (*shape, start, end):
        if type(size) is not int or size < 0:
            raise ValueError(f"`{name}` has {size!r} in place of a size")
    if len(shape) > _MAX_RANK or 8 * (end - start) != math.prod(shape) * _BITS[kind]:
        raise ValueError(f"`{name}` of shape {shape} and type {kind} has {end - start} bytes")
    return _Place(kind, tuple(shape), start, end)


def _check_order(places: Iterable[_Place], size: int) -> None:
    """Check that the tensors fill the file, without gap or overlap."""
    end = 0
    for place in sorted(places, key=lambda place: (place.start, place.end)):
        if place.start != end:
            raise ValueError("its tensors overlap, or leave a gap")
        end = place.end
    if end != size:
        raise ValueError(f"its header counts {end} bytes of tensors, the file has {size}")
