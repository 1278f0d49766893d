"""Texts of any length in HDF5 lie in collections of a global heap, which are checked here first.

The library of HDF5 walks through a damaged collection without end. No signal stops it.
"""

from collections.abc import Iterator
from typing import BinaryIO

_SIGNATURE = b"GCOL"
_HEADER = 16  # bytes of the header of a collection, and of each object in it
_MIN_COLLECTION = 4096
_CHUNK = 1 << 18  # bytes that are searched at once


def check_heap(file: BinaryIO, size: int) -> None:
    """Raise a ValueError if a collection of the global heap is damaged.

    The whole file is searched: a data set may claim to lie where a collection is.

    Args:
        file: the open file.
        size: its length.
    """
    for start in _find_collections(file, size):
        file.seek(start)
        header = file.read(_HEADER)
        length = int.from_bytes(header[8:16], "little")
        # HDF5 refuses others itself; numbers of a tensor may have the signature by chance
        if header[4:5] == b"\x01" and _MIN_COLLECTION <= length <= size - start:
            _check_collection(header + file.read(length - _HEADER), start)


def _find_collections(file: BinaryIO, size: int) -> Iterator[int]:
    overlap = len(_SIGNATURE) - 1
    for begin in range(0, size, _CHUNK):
        file.seek(begin)
        chunk = file.read(_CHUNK + overlap)
        place = chunk.find(_SIGNATURE)
        while place >= 0:
            yield begin + place
            place = chunk.find(_SIGNATURE, place + 1)


def _check_collection(data: bytes, start: int) -> None:
    """Walk through a collection as HDF5 does; each step must go on and stay inside."""
    place = _HEADER
    while place + _HEADER <= len(data):  # a smaller rest is free
        number = int.from_bytes(data[place : place + 2], "little")
        size = int.from_bytes(data[place + 8 : place + 16], "little")
        step = _HEADER + -(-size // 8) * 8 if number else size  # number 0 is free space
        if not _HEADER <= step <= len(data) - place:
            raise ValueError(f"the heap of its texts is damaged at byte {start + place}")
        place += step
