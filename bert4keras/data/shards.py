"""Shards: files of token rows, read in an order that is shuffled anew in each epoch."""

import json
import os
import warnings
from collections.abc import Iterable
from functools import lru_cache
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from bert4keras.backend.types import NDArray, StrPath
from bert4keras.files import atomic_write

__all__ = ["ShardedDataset", "write_shards"]

_INDEX = "index.json"
# Names inside the files, which must stay readable: "token_ids" and "continues" in a shard,
# "shards" and "about" (the metadata) in the index.


def write_shards(
    rows: Iterable[tuple[NDArray[Any], NDArray[np.bool_]]],
    folder: StrPath,
    rows_per_shard: int = 4096,
    metadata: Any = None,
) -> dict[str, Any]:
    """Write rows of tokens to a folder, as ``shard-00000.safetensors`` and so on.

    One shard is in memory at a time. Each file is complete as soon as it has its name, and
    ``index.json`` comes last: a folder with an index is complete.

    Args:
        rows: iterable of (token_ids, is_continuation), as ``pack_sequences`` yields them.
        folder: output folder; made if it does not exist.
        rows_per_shard: rows of a shard.
        metadata: JSON value for the index: how the rows were made.

    Returns:
        The index: ``{"shards": {name: [rows, bytes]}, "about": metadata}``.

    Raises:
        ValueError: there are no rows.

    Example:
        >>> import tempfile
        >>> rows = [(np.array([2, 5, 3]), np.zeros(3, bool))] * 3
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     index = write_shards(rows, folder, rows_per_shard=2)
        ...     shape = ShardedDataset(folder).read_rows(0, 3)[0].shape
        >>> shape, [count for count, _ in index["shards"].values()]
        ((3, 3), [2, 1])
    """
    folder, rows, shards = Path(folder), iter(rows), {}
    folder.mkdir(parents=True, exist_ok=True)
    (folder / _INDEX).unlink(missing_ok=True)
    while part := list(islice(rows, rows_per_shard)):
        token_ids, is_continuation = map(np.stack, zip(*part))
        dtype = "uint16" if token_ids.max() < 2**16 else "uint32"
        data = save({"token_ids": token_ids.astype(dtype), "continues": is_continuation})
        name = f"shard-{len(shards):05d}.safetensors"
        with atomic_write(folder / name, "wb") as file:
            file.write(data)
        shards[name] = [len(part), len(data)]
    if not shards:
        raise ValueError(
            f"Expected at least one row for {folder}, got none. Check that the texts are not empty."
        )
    index = {"shards": shards, "about": metadata}
    with atomic_write(folder / _INDEX) as file:
        json.dump(index, file, indent=1, ensure_ascii=False)
    return index


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
        ValueError: shards are missing or truncated (each is named); a ``process_index`` outside
            ``num_processes``; fewer rows than processes.

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
        self.seed: int = seed
        self.shuffle_window: int = shuffle_window
        index = self._read_index()
        self.metadata: Any = index["about"]
        self._names, self._counts = self._check_shards(index["shards"], skip_damaged)
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

    def _read_index(self) -> dict[str, Any]:
        try:
            return json.loads((self.folder / _INDEX).read_text(encoding="utf-8"))
        except FileNotFoundError:
            raise FileNotFoundError(
                f"Expected {_INDEX}, which write_shards writes last, in {self.folder}, got none: "
                "the shards are incomplete. Write them again."
            ) from None

    def _check_shards(self, shards, skip_damaged):
        """Return names and row counts of the shards whose size is that in the index."""
        faults = {}
        for name, (_, size) in shards.items():
            path = self.folder / name
            actual_size = path.stat().st_size if path.exists() else None
            if actual_size is None:
                faults[name] = f"{path}: missing"
            elif actual_size != size:
                faults[name] = f"{path}: {actual_size} of {size} bytes"
        if faults:
            report = "\n  ".join(["Expected complete shards, got:", *faults.values()])
            if not skip_damaged:
                raise ValueError(f"{report}\nWrite them again, or skip them: skip_damaged=True.")
            warnings.warn(f"{report}\nThey are skipped.", stacklevel=3)
        counts = {name: count for name, (count, _) in shards.items() if name not in faults}
        return list(counts), list(counts.values())

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
        pieces, position = [], begin
        while position < end:
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
                return file.get_tensor("token_ids"), file.get_tensor("continues")
        except (OSError, SafetensorError) as error:
            raise ValueError(
                f"Expected a shard of write_shards in {path}, got: {error}. Write it again."
            ) from None
