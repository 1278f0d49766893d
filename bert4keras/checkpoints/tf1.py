"""TensorFlow checkpoints, as the TF1 ``Saver`` writes them: an index and data files, one prefix."""

import os
import shutil
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bert4keras.checkpoints.checkpoint import Checkpoint, CheckpointError, StrPath
from bert4keras.checkpoints.open_file import file_state
from bert4keras.checkpoints.tf_index import (
    Index,
    change_num_shards,
    data_file,
    index_file,
    read_index,
)
from bert4keras.files import lock_folder, move_files, sync_folder

_MAX_TRIES = 20  # to open a checkpoint that others replace again and again


class TensorFlowCheckpoint(Checkpoint):
    """TF1 checkpoint, the format of Google's models (V2 of TensorFlow's Saver).

    Reading needs TensorFlow, whichever backend runs. The index is checked before TensorFlow sees
    it. Index and data files are those of one moment, also while others replace them.

    Args:
        prefix: the path without ``.index`` and ``.data-00000-of-00001``.

    Raises:
        CheckpointError: a data file is missing or smaller than the index says, or a file is
            damaged.
    """

    has_checksums: bool = True

    def __init__(self, prefix: StrPath) -> None:
        self.path: str = str(prefix)
        self._reader: Any = None
        self._state = None
        for _ in range(_MAX_TRIES):
            try:
                self._open(Path(prefix))
            except CheckpointError:
                if self._was_replaced():
                    continue
                raise
            if not self._was_replaced():
                break
        else:
            raise CheckpointError(
                f"{self.path} is replaced again and again while it is opened. End the processes "
                "that write it, and load it again."
            )
        super().__init__(prefix, self._entries)

    def _open(self, prefix: Path) -> None:
        """Open the files of this moment, and find the numeric tensors."""
        self._state = _state(prefix)
        index = self._explain(lambda: read_index(index_file(prefix).read_bytes()))
        _check_data_files(prefix, index)
        self._entries = {x: e for x, e in sorted(index.entries.items()) if e.is_numeric}
        self._explain(lambda: self._open_reader(prefix))

    def _open_reader(self, prefix: Path) -> None:
        """Let TensorFlow open all files: it opens a data file when a tensor of it is read."""
        import tensorflow as tf

        self._reader = tf.train.load_checkpoint(str(prefix))
        smallest: dict[int, str] = {}
        for name, entry in sorted(self._entries.items(), key=lambda item: item[1].size):
            if entry.size:
                smallest.setdefault(entry.shard, name)
        for name in smallest.values():
            with suppress(Exception):  # of damage, which reading this tensor will tell
                self._reader.get_tensor(name)

    def _was_replaced(self) -> bool:
        return self._state != _state(Path(self.path))

    def _read(self, name: str) -> NDArray[Any]:
        if self._reader is None:
            raise CheckpointError(f"{self.path} is closed. Open it again with open_checkpoint.")
        return self._explain(lambda: np.asarray(self._reader.get_tensor(name)))

    def _shape(self, name: str) -> tuple[int, ...]:
        return self._entries[name].shape

    def _dtype(self, name: str) -> str:
        return self._entries[name].type_name

    def _explain(self, read: Callable[[], Any]) -> Any:
        """Call a function; turn any error into one that names file and remedy."""
        try:
            return read()
        except Exception as error:  # TensorFlow raises errors of many kinds for a damaged file
            text = str(error) or type(error).__name__
            remedy = "It is damaged or incomplete; download it again."
            if self._was_replaced():
                remedy = "It was replaced while it was read; load it again."
            raise CheckpointError(
                f"TensorFlow cannot read the checkpoint {self.path}: {text}. {remedy}"
            ) from error

    def close(self) -> None:
        self._reader = None


def _state(prefix: Path) -> tuple[int, ...] | None:
    """Return the state of the index; None if there is none."""
    try:
        return file_state(index_file(prefix))
    except FileNotFoundError:
        return None


def _check_data_files(prefix: Path, index: Index) -> None:
    """Raise a CheckpointError if a data file is missing, or does not hold what the index says."""
    entries = [*index.entries.values(), *index.parts]
    files = {x: data_file(prefix, x, index.num_shards) for x in {entry.shard for entry in entries}}
    if not all(path.is_file() for path in files.values()):
        names = sorted(path.name for path in _data_files(prefix))
        raise CheckpointError(
            f"The checkpoint {prefix} has an index, but of its data files only {names} are there. "
            f"Put every {prefix.name}.data-?????-of-{index.num_shards:05d} next to the index, or "
            "download it again."
        )
    sizes = {shard: path.stat().st_size for shard, path in files.items()}
    for entry in entries:
        if entry.has_slices:  # its parts lie in the files, which together hold it
            expected, size = entry.byte_count, sum(sizes.values())
        else:
            expected, size = entry.offset + entry.size, sizes[entry.shard]
        if expected > size:
            raise CheckpointError(
                f"Expected {expected} bytes in the data files of {files[entry.shard]}, as the "
                f"index says, got {size}. The checkpoint is damaged or incomplete; download it "
                "again."
            )


def move_checkpoint(temporary: Path, prefix: Path) -> None:
    """Move a new checkpoint of one data file into place; the name is whole at each moment.

    The index names its data file by number and count. If the old index uses the final name, the new
    data first gets another one, ``-of-00002``, with an index of its own. So a process that ends
    here leaves the old checkpoint or the new one.

    Args:
        temporary: prefix of the new files, on the same file system.
        prefix: prefix to replace.
    """
    new, old = data_file(temporary, 0, 1), data_file(prefix, 0, 1)
    index = index_file(temporary)
    with lock_folder(prefix.parent):
        if _num_shards(prefix) == 1:
            twin = data_file(temporary, 0, 2)
            _link(new, twin)
            move_files([(twin, data_file(prefix, 0, 2))])
            twin_index = temporary.with_name("twin.index")
            twin_index.write_bytes(change_num_shards(index.read_bytes(), 2))
            move_files([(twin_index, index_file(prefix))])
        move_files([(new, old)])
        move_files([(index, index_file(prefix))])
        for path in _data_files(prefix):
            if path != old:
                path.unlink()
        sync_folder(prefix.parent)


def _num_shards(prefix: Path) -> int | None:
    """Return the number of data files that the index in place names; None if it cannot be read."""
    try:
        return read_index(index_file(prefix).read_bytes()).num_shards
    except (OSError, ValueError, LookupError):
        return None


def _link(path: Path, link: Path) -> None:
    """Give a file a second name, or copy it where the file system has no links."""
    try:
        os.link(path, link)
    except OSError:
        shutil.copyfile(path, link)


def _data_files(prefix: Path) -> list[Path]:
    """List the data files of a checkpoint, for any count of them."""
    start, pattern = f"{prefix.name}.data-", "?????-of-?????"
    paths = [path for path in prefix.parent.iterdir() if path.name.startswith(start)]
    return [path for path in paths if Path(path.name.removeprefix(start)).match(pattern)]
