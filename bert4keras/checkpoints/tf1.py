"""Checkpoints as TensorFlow's Saver writes them: an index and its data files behind one prefix."""

import math
import re
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np

from bert4keras.checkpoints.checkpoint import Checkpoint, CheckpointError


class TensorFlowCheckpoint(Checkpoint):
    """Variables of a TensorFlow checkpoint (format V2). Needs TensorFlow, whichever backend runs.

    Args:
        prefix: what stands before `.index` and `.data-00000-of-00001`.

    Raises:
        CheckpointError: a data file is missing or smaller than the index says, or a file is
            damaged.
    """

    def __init__(self, prefix: str | Path):
        import tensorflow as tf

        self._failures = (tf.errors.OpError, RuntimeError)
        self._reader = None
        self.path = str(prefix)
        files = data_files(Path(prefix))
        self._reader = self._ask(lambda: tf.train.load_checkpoint(str(prefix)))
        dtypes = self._reader.get_variable_to_dtype_map()
        super().__init__(prefix, [name for name, dtype in sorted(dtypes.items()) if _holds(dtype)])
        _check_sizes(self._reader, self, files)

    def _read(self, name: str) -> np.ndarray:
        return np.asarray(self._ask(lambda: self._reader.get_tensor(name)))

    def _ask(self, question: Callable[[], Any]) -> Any:
        try:
            return question()
        except self._failures as error:
            raise CheckpointError(
                f"TensorFlow cannot read the checkpoint {self.path}: {error}. "
                "It is damaged or incomplete; download it again."
            ) from error

    def close(self) -> None:
        self._reader = None


def data_files(prefix: Path) -> list[Path]:
    """The data files of a prefix, all of them there.

    Raises:
        CheckpointError: one of them is missing.
    """
    pattern = re.compile(re.escape(prefix.name) + r"\.data-(\d{5})-of-(\d{5})")
    files = {path: pattern.fullmatch(path.name) for path in sorted(prefix.parent.iterdir())}
    files = {path: int(match[2]) for path, match in files.items() if match}
    for count in sorted(set(files.values())):
        shards = [path for path in files if files[path] == count]
        if len(shards) == count:
            return shards
    raise CheckpointError(
        f"The checkpoint {prefix} has an index, but of its data files only "
        f"{[path.name for path in files]} are there. Put every "
        f"{prefix.name}.data-?????-of-????? beside the index, or download it again."
    )


def _holds(dtype: Any) -> bool:
    """Whether variables of this type are numbers; object graphs and strings are not."""
    return dtype.is_floating or dtype.is_integer or dtype.is_bool


def _check_sizes(reader: Any, names: Iterable[str], files: list[Path]) -> None:
    shapes, dtypes = reader.get_variable_to_shape_map(), reader.get_variable_to_dtype_map()
    wanted = sum(math.prod(shapes[name]) * dtypes[name].size for name in names)
    present = sum(path.stat().st_size for path in files)
    if wanted > present:
        raise CheckpointError(
            f"{files[0]} and its kin hold {present} bytes, but their index speaks of {wanted}. "
            "The checkpoint is damaged or incomplete; download it again."
        )
