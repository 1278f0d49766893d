"""Rows of a corpus in files of equal size, read in an order drawn anew for each epoch."""

import json
import os
import warnings
from functools import lru_cache
from itertools import islice
from pathlib import Path

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from bert4keras.files import atomic_write

INDEX = "index.json"


def write_shards(rows, folder, size=4096, about=None):
    """Write rows of tokens to a folder, ``shard-00000.safetensors`` and so on.

    One shard is in memory at a time. Each is written beside, then renamed; ``index.json`` comes
    last, so that a folder with one is whole.

    Args:
        rows: iterable of (token_ids, continues), as ``pack_sequences`` gives them.
        folder: where to; made if it is not there.
        size: rows of a shard.
        about: dict for JSON, kept in the index: how the rows were made.

    Returns:
        The index: ``{"shards": {name: [rows, bytes]}, "about": about}``.

    Raises:
        ValueError: there are no rows.

    Example:
        >>> import tempfile
        >>> rows = [(np.array([2, 5, 3]), np.zeros(3, bool))] * 3
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     index = write_shards(rows, folder, size=2)
        ...     Shards(folder).rows(0, 3)[0].shape, [count for count, _ in index["shards"].values()]
        ((3, 3), [2, 1])
    """
    folder, rows, shards = Path(folder), iter(rows), {}
    folder.mkdir(parents=True, exist_ok=True)
    (folder / INDEX).unlink(missing_ok=True)
    while part := list(islice(rows, size)):
        token_ids, continues = map(np.stack, zip(*part))
        narrow = "uint16" if token_ids.max() < 2**16 else "uint32"
        data = save({"token_ids": token_ids.astype(narrow), "continues": continues})
        name = f"shard-{len(shards):05d}.safetensors"
        with atomic_write(folder / name, "wb") as file:
            file.write(data)
        shards[name] = [len(part), len(data)]
    if not shards:
        raise ValueError(f"{folder} must get one row or more, got none; are the texts empty?")
    index = {"shards": shards, "about": about}
    with atomic_write(folder / INDEX) as file:
        json.dump(index, file, indent=1, ensure_ascii=False)
    return index


class Shards:
    """Rows of a folder of shards, in an order that seed and epoch alone decide.

    The shards of an epoch come in a drawn order. So many as `window` says are read together, and
    their rows are shuffled: no more than two windows are ever in memory. Of several processes each
    takes an equal part of the order, thus shards of its own but for those at the borders.

    Args:
        folder: what ``write_shards`` has written.
        seed: of the order.
        window: shards whose rows are shuffled together.
        process: (i, n): take the i-th of n parts, from 0.
        skip_damaged: whether to leave shards out that are missing or truncated, with a warning.

    Attributes:
        about: what ``write_shards`` was told.
        total: rows of all processes; ``len`` of it are those of this one.

    Raises:
        FileNotFoundError: the folder has no index.
        ValueError: naming shards that are missing or truncated; no such part; no row for it.

    Example:
        >>> import tempfile
        >>> rows = [(np.array([2, token, 3]), np.zeros(3, bool)) for token in range(5, 11)]
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     index = write_shards(rows, folder, size=2)
        ...     token_ids, continues, numbers, epochs = Shards(folder).rows(4, 8)
        >>> token_ids.shape, epochs.tolist()
        ((4, 3), [0, 0, 1, 1])
    """

    def __init__(self, folder, seed=0, window=8, process=(0, 1), skip_damaged=False):
        self.folder, self.seed, self.window = Path(folder), seed, window
        index = self._index()
        self.about = index["about"]
        self.names, self.counts = self._whole(index["shards"], skip_damaged)
        self.firsts = np.cumsum([0, *self.counts])[:-1]  # numbers of rows by shard, in file order
        self.total = int(sum(self.counts))
        part, parts = process
        if not 0 <= part < parts <= self.total:
            raise ValueError(
                f"process is (i, n), part i of n from 0, and each needs a row; got {process} and "
                f"{self.total} rows in {folder}"
            )
        self.begin, self.end = (self.total * at // parts for at in (part, part + 1))
        self._group = lru_cache(2)(self._read_group)
        self._order = lru_cache(4)(self._draw_order)

    def _index(self):
        try:
            return json.loads((self.folder / INDEX).read_text(encoding="utf-8"))
        except FileNotFoundError:
            raise FileNotFoundError(
                f"{self.folder} must hold the {INDEX} that write_shards writes at its end, but has "
                "none: it did not come to its end; write the shards again"
            ) from None

    def _whole(self, shards, skip_damaged):
        """Names and numbers of rows of the shards that are as they were written."""
        damaged = {}
        for name, (_, size) in shards.items():
            path = self.folder / name
            found = path.stat().st_size if path.exists() else None
            if found != size:
                damaged[name] = f"{path}: " + (
                    "missing" if found is None else f"{found} of {size} bytes"
                )
        if damaged:
            self._complain(list(damaged.values()), skip_damaged)
        whole = {name: count for name, (count, _) in shards.items() if name not in damaged}
        return list(whole), list(whole.values())

    def _complain(self, damaged, skip_damaged):
        report = "\n  ".join(["Shards must be as they were written, but some are not:", *damaged])
        if not skip_damaged:
            raise ValueError(f"{report}\nWrite them again, or leave them out: skip_damaged=True")
        warnings.warn(f"{report}\nThey are left out.", stacklevel=4)

    def __len__(self):
        return self.end - self.begin

    def rows(self, begin, end):
        """The rows from one place to another, in the order of all epochs after each other.

        Args:
            begin, end: places, from 0; row p is of epoch ``p // len(self)``.

        Returns:
            (token_ids, continues, numbers, epochs): arrays (N, L), (N, L), (N,) and (N,). The
            number of a row is its place in the files, the same in every epoch.
        """
        pieces, place = [], begin
        while place < end:
            epoch, at = divmod(place, len(self))
            piece = self._piece(epoch, self.begin + at, min(end - place, len(self) - at))
            pieces.append((*piece, np.full(len(piece[0]), epoch)))
            place += len(piece[0])
        return tuple(np.concatenate(parts) for parts in zip(*pieces))

    def _piece(self, epoch, at, most):
        """Up to `most` rows from a place of an epoch, of one window."""
        ends = self._order(epoch)[1]
        group = int(np.searchsorted(ends, at, side="right"))
        inside = at - (ends[group - 1] if group else 0)
        return [array[inside : inside + most] for array in self._group(epoch, group)]

    def _draw_order(self, epoch):
        """Shards of an epoch in order, and where each window of them ends."""
        order = np.random.default_rng([self.seed, epoch, 0]).permutation(len(self.names))
        ends = np.cumsum(np.array(self.counts)[order])
        return order, np.append(ends[self.window - 1 :: self.window], ends[-1])

    def _read_group(self, epoch, group):
        """The rows of a window, shuffled, and their numbers."""
        order = self._order(epoch)[0]
        chosen = order[group * self.window : (group + 1) * self.window]
        arrays = [self._read(number) for number in chosen]
        ranges = [self.firsts[n] + np.arange(self.counts[n]) for n in chosen]
        columns = [np.concatenate(column) for column in (*zip(*arrays), ranges)]
        shuffle = np.random.default_rng([self.seed, epoch, 1 + group]).permutation(len(columns[0]))
        return [column[shuffle] for column in columns]

    def _read(self, number):
        path = self.folder / self.names[number]
        try:
            with safe_open(os.fspath(path), "numpy") as file:
                return file.get_tensor("token_ids"), file.get_tensor("continues")
        except (OSError, SafetensorError) as error:
            raise ValueError(
                f"{path} must be a shard as write_shards writes it, but: {error}; write it again"
            ) from None
