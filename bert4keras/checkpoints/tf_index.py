"""The index of a TensorFlow checkpoint, read and checked here before TensorFlow reads it.

TensorFlow ends the process at an index whose entries make no sense. The index is a table of
LevelDB: blocks of sorted keys, a footer, a checksum for each block. Its values are protobufs.
"""

import math
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from struct import pack, unpack
from typing import NamedTuple

from bert4keras.checkpoints.checkpoint import StrPath

_MAGIC = (0xDB4775248B80FB57).to_bytes(8, "little")
_FOOTER = 48  # bytes
_TRAILER = 5  # bytes after a block: its compression, and a checksum
_NO_COMPRESSION = 0  # TensorFlow writes no other
_HEADER_KEY = b""
_SLICE_KEY = b"\0"  # begins the keys of parts of a variable
_MAX_RANK = 254
_MAX_SHARDS = 99_999  # their names have five digits
_TYPES = {  # number of a type -> its name, and bytes of an element
    1: ("float32", 4),
    2: ("float64", 8),
    3: ("int32", 4),
    4: ("uint8", 1),
    5: ("int16", 2),
    6: ("int8", 1),
    8: ("complex64", 8),
    9: ("int64", 8),
    10: ("bool", 1),
    11: ("qint8", 1),
    12: ("quint8", 1),
    13: ("qint32", 4),
    14: ("bfloat16", 2),
    15: ("qint16", 2),
    16: ("quint16", 2),
    17: ("uint16", 2),
    18: ("complex128", 16),
    19: ("float16", 2),
    22: ("uint32", 4),
    23: ("uint64", 8),
    24: ("float8_e5m2", 1),
    25: ("float8_e4m3fn", 1),
    29: ("int4", 1),
    30: ("uint4", 1),
}
_OTHER_TYPES = {7, 20, 21}  # string, resource, variant


class Entry(NamedTuple):
    """Description of a variable, or of a part of one."""

    dtype: int
    shape: tuple[int, ...]
    shard: int
    offset: int
    size: int
    has_slices: bool

    @property
    def is_numeric(self) -> bool:
        """True for types of numbers; object graphs and strings are not."""
        return self.dtype in _TYPES

    @property
    def type_name(self) -> str:
        """Name of a numeric type."""
        return _TYPES[self.dtype][0]

    @property
    def byte_count(self) -> int:
        """Bytes of all numbers."""
        return math.prod(self.shape) * _TYPES[self.dtype][1] if self.is_numeric else self.size


class Index(NamedTuple):
    """Contents of an index.

    Attributes:
        num_shards: number of the data files.
        entries: name -> entry, without the parts of variables.
        parts: entries of the parts of variables.
    """

    num_shards: int
    entries: dict[str, Entry]
    parts: list[Entry]


def index_file(prefix: StrPath) -> Path:
    """Return the path of the index of a checkpoint."""
    return Path(f"{prefix}.index")


def data_file(prefix: StrPath, shard: int, num_shards: int) -> Path:
    """Return the path of a data file of a checkpoint."""
    return Path(f"{prefix}.data-{shard:05d}-of-{num_shards:05d}")


def read_index(data: bytes) -> Index:
    """Read an index.

    Raises:
        ValueError: it is damaged, or an entry makes no sense.
        IndexError: it ends too early.
    """
    rows = {}
    for block in _data_blocks(data):
        for key, value in _pairs(block):
            if key in rows:
                raise ValueError(f"it has the key {key!r} twice")
            rows[key] = value
    num_shards = _num_shards(rows.pop(_HEADER_KEY))
    parts = [_entry(key, value) for key, value in rows.items() if key.startswith(_SLICE_KEY)]
    entries = {
        key.decode(): _entry(key, value)
        for key, value in rows.items()
        if not key.startswith(_SLICE_KEY)
    }
    return Index(num_shards, entries, parts)


def change_num_shards(data: bytes, num_shards: int) -> bytes:
    """Return an index that differs in the number of the data files alone, below 128.

    Raises:
        ValueError: the index is damaged, or not as TensorFlow writes it.
    """
    start, size = next(_block_handles(data))
    block = bytearray(_block(data, start, size))
    # the header is the first entry: no shared bytes, no key, a value that begins with field 1
    if block[:2] != b"\0\0" or block[3] != 0x08 or block[4] > 127 or not 0 < num_shards < 128:
        raise ValueError("its header is not at its beginning")
    block[4] = num_shards
    body = bytes(block) + bytes([_NO_COMPRESSION])
    return data[:start] + body + _masked_crc32c(body) + data[start + len(body) + 4 :]


def _data_blocks(data: bytes) -> Iterator[bytes]:
    for start, size in _block_handles(data):
        yield _block(data, start, size)


def _block_handles(data: bytes) -> Iterator[tuple[int, int]]:
    """Iterate over the places of the blocks with entries, which the footer leads to."""
    footer = data[-_FOOTER:]
    if len(data) < _FOOTER or footer[-8:] != _MAGIC:
        raise ValueError("it does not end as an index ends")
    _, place = _handle(footer, 0)  # of the block of filters, which TensorFlow does not use
    index, _ = _handle(footer, place)
    end = 0
    for _, value in _pairs(_block(data, *index)):
        (start, size), _ = _handle(value, 0)
        if start < end:
            raise ValueError("two blocks overlap")
        end = start + max(size, 1)
        yield start, size


def _handle(data: bytes, place: int) -> tuple[tuple[int, int], int]:
    """Read the start and the size of a block; return both, and the place after them."""
    start, place = _varint(data, place)
    size, place = _varint(data, place)
    return (start, size), place


def _block(data: bytes, start: int, size: int) -> bytes:
    """Return the contents of a block, after checking place, compression and checksum."""
    end = start + size
    if end + _TRAILER > len(data) - _FOOTER:
        raise ValueError("a block lies outside of it")
    if data[end] != _NO_COMPRESSION:
        raise ValueError("a block is compressed, as TensorFlow does not write it")
    if data[end + 1 : end + _TRAILER] != _masked_crc32c(data[start : end + 1]):
        raise ValueError("a checksum is wrong")
    return data[start:end]


def _pairs(block: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Iterate over keys and values; a key repeats the beginning of the key before."""
    (num_restarts,) = unpack("<I", block[-4:])
    end = len(block) - 4 - 4 * num_restarts
    if num_restarts < 1 or end < 0:
        raise ValueError("the end of a block is damaged")
    for number in range(num_restarts):
        (restart,) = unpack("<I", block[end + 4 * number : end + 4 * number + 4])
        if restart > end:
            raise ValueError("the end of a block is damaged")
    key, place = b"", 0
    while place < end:
        prefix_length, place = _varint(block, place)
        length, place = _varint(block, place)
        value_length, place = _varint(block, place)
        value = place + length
        if prefix_length > len(key) or value + value_length > end:
            raise ValueError("an entry is longer than its block")
        key = key[:prefix_length] + block[place:value]
        place = value + value_length
        yield key, block[value:place]


def _varint(data: bytes, place: int) -> tuple[int, int]:
    """Read a number of up to 64 bits; return it, and the place after it."""
    value = 0
    for shift in range(0, 64, 7):
        byte = data[place]
        value |= (byte & 0x7F) << shift
        place += 1
        if byte < 0x80:
            return value & (1 << 64) - 1, place
    raise ValueError("a number is too long")


def _fields(data: bytes) -> Iterator[tuple[int, int | bytes]]:
    """Iterate over the fields of a protobuf: number and value."""
    place = 0
    while place < len(data):
        tag, place = _varint(data, place)
        number, kind = tag >> 3, tag & 7
        if not 0 < number < 1 << 29:
            raise ValueError("a value of it is no protobuf")
        if kind == 0:
            value, place = _varint(data, place)
            yield number, value
            continue
        length = {1: 8, 5: 4}.get(kind)
        if kind == 2:
            length, place = _varint(data, place)
        if length is None or place + length > len(data):
            raise ValueError("a value of it is no protobuf")
        yield number, data[place : place + length]
        place += length


def _num_shards(value: bytes) -> int:
    """Read the header: field 1 is the number of data files, field 2 is 1 on big-endian machines."""
    fields = dict(_fields(value))
    num_shards, order = fields.get(1, 0), fields.get(2, 0)
    if not isinstance(num_shards, int) or not 0 < num_shards <= _MAX_SHARDS or order != 0:
        raise ValueError(f"its header counts {num_shards!r} data files, or is of another machine")
    return num_shards


def _entry(key: bytes, value: bytes) -> Entry:
    """Read an entry.

    Fields: 1 type, 2 shape, 3 number of the data file, 4 offset, 5 size, 6 checksum, 7 parts.
    """
    numbers = dict.fromkeys((1, 3, 4, 5), 0)
    shape: tuple[int, ...] = ()
    slices: list[bytes] = []
    for number, field in _fields(value):
        if number in numbers and isinstance(field, int):
            numbers[number] = _to_signed(field)
        elif number == 2 and isinstance(field, bytes):
            shape += _shape(field)
        elif number == 7 and isinstance(field, bytes):
            slices.append(field)
        elif number in (1, 2, 3, 4, 5, 7) or (number == 6 and not isinstance(field, bytes)):
            raise ValueError(f"the entry {key!r} is no protobuf of its kind")
    entry = Entry(numbers[1], shape, numbers[3], numbers[4], numbers[5], bool(slices))
    _check_entry(key, entry)
    _check_slices(key, shape, slices)
    return entry


def _to_signed(value: int) -> int:
    return value - (1 << 64) if value >> 63 else value


def _shape(data: bytes) -> tuple[int, ...]:
    """Read a shape: field 2 is an axis, whose field 1 is its length; field 3 an unknown rank."""
    lengths = []
    for number, axis in _fields(data):
        if number == 2 and isinstance(axis, bytes):
            fields = dict(_fields(axis))
            length = fields.get(1, 0)
            lengths.append(_to_signed(length) if isinstance(length, int) else -1)
        elif number == 2 or (number == 3 and axis):
            lengths.append(-1)
    return tuple(lengths)


def _check_entry(key: bytes, entry: Entry) -> None:
    if entry.dtype not in _TYPES.keys() | _OTHER_TYPES:
        raise ValueError(f"`{key.decode()}` is of the unknown type number {entry.dtype}")
    count = math.prod(max(length, 1) for length in entry.shape)
    if min((*entry.shape, entry.shard, entry.offset, entry.size)) < 0 or count >= 1 << 60:
        raise ValueError(f"`{key.decode()}` of shape {entry.shape} has impossible sizes")
    if len(entry.shape) > _MAX_RANK:
        raise ValueError(f"`{key.decode()}` has {len(entry.shape)} axes")
    if entry.is_numeric and not entry.has_slices and entry.size != entry.byte_count:
        raise ValueError(
            f"`{key.decode()}` of shape {entry.shape} and type number {entry.dtype} has "
            f"{entry.size} bytes"
        )


def _check_slices(key: bytes, shape: tuple[int, ...], slices: list[bytes]) -> None:
    """Check the parts: field 1 is the part of an axis, with start and length, or all of it."""
    extents = [
        tuple(
            dict(_fields(extent))
            for number, extent in _fields(part)
            if number == 1 and isinstance(extent, bytes)
        )
        for part in slices
    ]
    for part in extents:
        inside = len(part) == len(shape) and all(
            _is_inside(extent, length) for extent, length in zip(part, shape, strict=True)
        )
        if not inside:
            raise ValueError(f"`{key.decode()}` has parts outside of its shape {shape}")
    if len({str(part) for part in extents}) < len(slices):
        raise ValueError(f"`{key.decode()}` has a part twice")


def _is_inside(extent: dict[int, int | bytes], length: int) -> bool:
    start, count = extent.get(1, 0), extent.get(2, length)
    if not isinstance(start, int) or not isinstance(count, int):
        return False
    if 2 not in extent:
        return start == 0
    return 0 < count and start + count <= length


@cache
def _crc_table() -> list[int]:
    table = list(range(256))
    for _ in range(8):
        table = [x >> 1 ^ (0x82F63B78 if x & 1 else 0) for x in table]  # the polynomial of CRC-32C
    return table


def _masked_crc32c(data: bytes) -> bytes:
    """Return the checksum of a block as the table stores it."""
    table, crc = _crc_table(), 0xFFFFFFFF
    for byte in data:
        crc = table[(crc ^ byte) & 0xFF] ^ crc >> 8
    crc ^= 0xFFFFFFFF
    return pack("<I", ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF)
