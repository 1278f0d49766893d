"""Shards: files of token rows, read in an order that is shuffled anew in each epoch."""

import json
import os
import re
import warnings
from collections.abc import Iterable
from functools import lru_cache
from itertools import islice
from pathlib import Path
from typing import Any
from uuid import uuid4

import numpy as np
from safetensors import safe_open
from safetensors.numpy import save_file

from bert4keras.backend.types import NDArray, StrPath
from bert4keras.checks import check_integer, check_json, describe
from bert4keras.files import lock_folder, move_files, replace_files

__all__ = ["ShardedDataset", "write_shards"]

_INDEX = "index.json"
_SHARD = re.compile(r"shard-([0-9a-f]{8}-)?\d{5,}\.safetensors")
_ROW_BYTES = 3  # of one token at least: uint16 and bool
# Names inside the files, which must stay readable: "token_ids" and "continues" in a shard,
# "shards" and "about" (the metadata) in the index.


def write_shards(
    rows: Iterable[tuple[NDArray[Any], NDArray[np.bool_]]],
    folder: StrPath,
    rows_per_shard: int = 4096,
    metadata: Any = None,
) -> dict[str, Any]:
    """Write rows of tokens to a folder, as ``shard-00000.safetensors`` and so on.

    One shard is in memory at a time. A folder with an index is complete. The new shards have names
    of their own, and ``index.json`` is replaced last: an error, a full disk or a kill leaves the
    old shards as they are. So the disk needs room for both.

    Args:
        rows: iterable of (token_ids, is_continuation), as ``pack_sequences`` yields them: integers
            from 0 and bools, (L,) each, with the same L in all rows.
        folder: output folder; made if it does not exist.
        rows_per_shard: rows of a shard.
        metadata: JSON value for the index: how the rows were made.

    Returns:
        The index: ``{"shards": {name: [rows, bytes]}, "about": metadata}``.

    Raises:
        ValueError: there are no rows, or a row is of another length or has ids out of range.
        TypeError: a row holds no integers and bools, or the metadata is no JSON value.

    Example:
        >>> import tempfile
        >>> rows = [(np.array([2, 5, 3]), np.zeros(3, bool))] * 3
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     index = write_shards(rows, folder, rows_per_shard=2)
        ...     shape = ShardedDataset(folder).read_rows(0, 3)[0].shape
        >>> shape, [count for count, _ in index["shards"].values()]
        ((3, 3), [2, 1])
    """
    rows_per_shard = check_integer("rows_per_shard", rows_per_shard, minimum=1)
    index = {"shards": {}, "about": check_json("metadata", metadata)}
    folder = Path(folder)
    with replace_files(folder) as part:
        shards = _write_parts(rows, part, rows_per_shard)
        if not shards:
            raise ValueError(
                f"Expected at least one row for {folder}, got none. "
                "Check that the texts are not empty."
            )
        with lock_folder(folder):
            prefix = _choose_prefix(folder)
            index["shards"] = {f"{prefix}{name}": sizes for name, sizes in shards.items()}
            text = json.dumps(index, indent=1, ensure_ascii=False)
            (part / _INDEX).write_text(text, encoding="utf-8", errors="surrogatepass")
            moves = [(part / name, folder / f"{prefix}{name}") for name in shards]
            move_files(moves)
            move_files([(part / _INDEX, folder / _INDEX)])
            _remove_other_shards(folder, index["shards"])
    return index


def _write_parts(rows, part, rows_per_shard):
    """Write all shards to a temporary folder; return {number and ending: [rows, bytes]}."""
    sizes, length, first = {}, None, 0
    rows = iter(rows)
    while chunk := list(islice(rows, rows_per_shard)):
        arrays = []
        for number, row in enumerate(chunk, first):
            arrays.append(_check_row(row, number, length))
            length = len(arrays[0][0])
        token_ids, is_continuation = map(np.stack, zip(*arrays))
        dtype = "uint16" if token_ids.max() < 2**16 else "uint32"
        path = part / f"{len(sizes):05d}.safetensors"
        save_file({"token_ids": token_ids.astype(dtype), "continues": is_continuation}, path)
        sizes[path.name] = [len(chunk), path.stat().st_size]
        first += len(chunk)
    return sizes


def _check_row(row, number, length):
    """Return token ids and continuation of a row as arrays; raise if a shard cannot hold them."""
    try:
        token_ids, is_continuation = map(np.asarray, row)
    except (TypeError, ValueError):
        raise TypeError(
            f"Expected row {number} to be (token_ids, is_continuation), got {describe(row)}. "
            "Make rows with pack_sequences."
        ) from None
    if token_ids.dtype.kind not in "iu" or is_continuation.dtype != bool:
        raise TypeError(
            f"Expected integers and bools in row {number}, got {token_ids.dtype} and "
            f"{is_continuation.dtype}. Convert the row first."
        )
    shapes = {token_ids.shape, is_continuation.shape, (length or token_ids.size or 1,)}
    if len(shapes) > 1:
        raise ValueError(
            f"Expected two arrays ({length or 'L'},) in row {number}, got the shapes "
            f"{token_ids.shape} and {is_continuation.shape}. Pad all rows to one length."
        )
    if token_ids.min() < 0 or token_ids.max() >= 2**32:
        raise ValueError(
            f"Expected token ids from 0 to 2**32 - 1 in row {number}, got {token_ids.min()} to "
            f"{token_ids.max()}. Check the tokenizer that made them."
        )
    return token_ids, is_continuation


def _choose_prefix(folder):
    """Return what names of new shards begin with: a name that was ever used means its old rows."""
    is_new = not (folder / _INDEX).exists() and not _find_shards(folder)
    return "shard-" if is_new else f"shard-{uuid4().hex[:8]}-"


def _find_shards(folder):
    return [name for name in os.listdir(folder) if _SHARD.fullmatch(name)]


def _remove_other_shards(folder, shards):
    """Remove shards that the index no longer lists: of the old set, and of killed writers."""
    for name in _find_shards(folder):
        if name not in shards:
            (folder / name).unlink(missing_ok=True)


class ShardedDataset:
    """Rows of a folder of shards, shuffled by seed and epoch alone.

    The shards of an epoch come in random order. ``shuffle_window`` shards are read together and
    their rows are shuffled; at most two windows are in memory. Each of several processes takes an
    equal part of the order, so they share only the shards at the borders of the parts.

    Args:
        folder: folder that ``write_shards`` wrote.
        seed: seed of the order.
        shuffle_window: number of shards whose rows are shuffled together.
        process_index: index of this process, from 0.
        num_processes: number of processes that share the rows of each epoch.
        skip_damaged: True skips missing or truncated shards with a warning.

    Attributes:
        metadata: the ``metadata`` of ``write_shards``.
        num_rows: rows of all processes; ``len`` gives those of this one.

    Raises:
        FileNotFoundError: the folder has no index.
        ValueError: the index is damaged; shards are missing or truncated (each is named); a
            ``process_index`` outside ``num_processes``; fewer rows than processes. ``read_rows``
            raises it for a shard that holds something else than the index says.

    Example:
        >>> import tempfile
        >>> rows = [(np.array([2, token, 3]), np.zeros(3, bool)) for token in range(5, 11)]
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     index = write_shards(rows, folder, rows_per_shard=2)
        ...     dataset = ShardedDataset(folder)
        ...     token_ids, is_continuation, row_indices, epochs = dataset.read_rows(4, 8)
        >>> token_ids.shape, epochs.tolist()
        ((4, 3), [0, 0, 1, 1])
    """

    def __init__(
        self,
        folder: StrPath,
        seed: int = 0,
        shuffle_window: int = 8,
        process_index: int = 0,
        num_processes: int = 1,
        skip_damaged: bool = False,
    ) -> None:
        self.folder: Path = Path(folder)
        self.seed: int = check_integer("seed", seed, minimum=0)
        self.shuffle_window: int = check_integer("shuffle_window", shuffle_window, minimum=1)
        check_integer("process_index", process_index)
        check_integer("num_processes", num_processes)
        index, faults = _read_current_index(self.folder)
        self._report_faults(faults, skip_damaged)
        self.metadata: Any = index["about"]
        counts = {name: count for name, (count, _) in index["shards"].items() if name not in faults}
        self._names, self._counts = list(counts), list(counts.values())
        self._length: int | None = None  # of a row, known when the first shard is read
        self._first_rows = np.cumsum([0, *self._counts])[:-1]  # row index of each shard's first row
        self.num_rows: int = int(sum(self._counts))
        if not 0 <= process_index < num_processes <= self.num_rows:
            raise ValueError(
                "Expected process_index from 0 to num_processes - 1 and a row for each process, "
                f"got process_index={process_index}, num_processes={num_processes} and "
                f"{self.num_rows} rows in {folder}. Use fewer processes, or write more rows."
            )
        borders = (self.num_rows * part // num_processes for part in range(num_processes + 1))
        self._begin, self._end = tuple(borders)[process_index : process_index + 2]
        self._get_window = lru_cache(2)(self._read_window)
        self._get_order = lru_cache(4)(self._draw_order)

    def _report_faults(self, faults, skip_damaged):
        if faults:
            report = "\n  ".join(["Expected complete shards, got:", *faults.values()])
            if not skip_damaged:
                raise ValueError(f"{report}\nWrite them again, or skip them: skip_damaged=True.")
            warnings.warn(f"{report}\nThey are skipped.", stacklevel=3)

    def __len__(self) -> int:
        return self._end - self._begin

    def read_rows(
        self, begin: int, end: int
    ) -> tuple[NDArray[Any], NDArray[np.bool_], NDArray[np.int64], NDArray[np.int64]]:
        """Read the rows from one position to another, in the order of all epochs in turn.

        Args:
            begin, end: positions, from 0; position p is in epoch ``p // len(self)``.

        Returns:
            (token_ids, is_continuation, row_indices, epochs): arrays (N, L), (N, L), (N,) and (N,).
            The index of a row is its position in the files, the same in every epoch.
        """
        begin = check_integer("begin", begin, minimum=0)
        end = check_integer("end", end, minimum=begin)
        pieces, position = [], begin
        while position < end or not pieces:
            epoch, offset = divmod(position, len(self))
            limit = min(end - position, len(self) - offset)
            piece = self._read_piece(epoch, self._begin + offset, limit)
            pieces.append((*piece, np.full(len(piece[0]), epoch)))
            position += len(piece[0])
        token_ids, is_continuation, row_indices, epochs = map(np.concatenate, zip(*pieces))
        return token_ids, is_continuation, row_indices, epochs

    def _read_piece(self, epoch: int, offset: int, limit: int) -> list[NDArray[Any]]:
        """Read up to ``limit`` rows from an offset of an epoch, within one window."""
        ends = self._get_order(epoch)[1]
        window = int(np.searchsorted(ends, offset, side="right"))
        start = offset - (ends[window - 1] if window else 0)
        return [array[start : start + limit] for array in self._get_window(epoch, window)]

    def _draw_order(self, epoch: int) -> tuple[NDArray[Any], NDArray[Any]]:
        """Draw the order of the shards in an epoch; return it and where each window ends."""
        order = np.random.default_rng([self.seed, epoch, 0]).permutation(len(self._names))
        ends = np.cumsum(np.array(self._counts)[order])
        return order, np.append(ends[self.shuffle_window - 1 :: self.shuffle_window], ends[-1])

    def _read_window(self, epoch: int, window: int) -> list[NDArray[Any]]:
        begin = window * self.shuffle_window
        shards = self._get_order(epoch)[0][begin : begin + self.shuffle_window]
        arrays = [self._read_shard(shard) for shard in shards]
        indices = [self._first_rows[shard] + np.arange(self._counts[shard]) for shard in shards]
        columns = [np.concatenate(column) for column in (*zip(*arrays), indices)]
        generator = np.random.default_rng([self.seed, epoch, 1 + window])
        shuffle = generator.permutation(len(columns[0]))
        return [column[shuffle] for column in columns]

    def _read_shard(self, shard: int) -> tuple[NDArray[Any], NDArray[Any]]:
        path = self.folder / self._names[shard]
        try:
            with safe_open(os.fspath(path), "numpy") as file:
                arrays = file.get_tensor("token_ids"), file.get_tensor("continues")
            self._check_arrays(*arrays, self._counts[shard])
        except Exception as error:  # safetensors and NumPy raise errors of many classes
            raise ValueError(
                f"Expected a shard of write_shards in {path}, got: "
                f"{str(error) or type(error).__name__}. Write all shards again."
            ) from None
        self._length = arrays[0].shape[1]
        return arrays

    def _check_arrays(self, token_ids, is_continuation, count):
        """Raise unless the arrays have the types of a shard, its rows, and the length of others."""
        shape = (count, self._length or token_ids.size // count)
        if token_ids.shape != shape or is_continuation.shape != shape:
            raise ValueError(
                f"arrays of shape {token_ids.shape} and {is_continuation.shape}, and the index or "
                f"the other shards say {shape}"
            )
        dtypes = str(token_ids.dtype), str(is_continuation.dtype)
        if dtypes not in [("uint16", "bool"), ("uint32", "bool")]:
            raise ValueError(f"arrays of {dtypes[0]} and {dtypes[1]}, not of ids and bools")


def _read_current_index(folder):
    """Read the index and find damaged shards; again if a writer replaced all of them meanwhile."""
    index = _read_index(folder)
    while True:
        faults = _find_faults(folder, index["shards"])
        if not faults:
            return index, faults
        newer_index = _read_index(folder)
        if newer_index["shards"] == index["shards"]:
            return index, faults
        index = newer_index


def _read_index(folder):
    path = folder / _INDEX
    try:
        index = json.loads(path.read_bytes())
        _check_index(index)
    except FileNotFoundError:
        raise FileNotFoundError(
            f"Expected {_INDEX}, which write_shards writes last, in {folder}, got none: "
            "the shards are incomplete. Write them again."
        ) from None
    except (ValueError, RecursionError, MemoryError) as error:
        raise ValueError(
            f"Expected the index of write_shards in {path}, got: "
            f"{str(error) or type(error).__name__}. Write the shards again."
        ) from None
    return index


def _check_index(index):
    """Raise a ValueError unless an index has the structure that ``write_shards`` gives it."""
    if not isinstance(index, dict) or not {"shards", "about"} <= index.keys():
        raise ValueError('a JSON value without the keys "shards" and "about"')
    if not isinstance(index["shards"], dict) or not index["shards"]:
        raise ValueError('no shard under the key "shards"')
    for name, sizes in index["shards"].items():
        if re.search("[/\\\\\0\ud800-\udfff]", name) or name in ("", ".", ".."):
            raise ValueError(f"{name!r}, which is not the name of a file in this folder")
        is_pair = isinstance(sizes, list) and [type(size) for size in sizes] == [int, int]
        if not is_pair or sizes[0] < 1 or sizes[0] * _ROW_BYTES > sizes[1]:
            raise ValueError(f"{describe(sizes)} in place of [rows, bytes] of {name}")


def _find_faults(folder, shards):
    """Return {name: fault} of the shards that are missing or have another size than the index."""
    faults = {}
    for name, (_, size) in shards.items():
        path = folder / name
        try:
            actual_size = path.stat().st_size
        except FileNotFoundError:
            faults[name] = f"{path}: missing"
        except OSError as error:
            faults[name] = f"{path}: {error.strerror}"
        else:
            if actual_size != size:
                faults[name] = f"{path}: {actual_size} of {size} bytes"
    return faults
