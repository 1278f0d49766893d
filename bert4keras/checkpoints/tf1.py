"""TensorFlow checkpoints, as the TF1 ``Saver`` writes them: an index and data files, one prefix."""

import math
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bert4keras.checkpoints.checkpoint import Checkpoint, CheckpointError, StrPath


class TensorFlowCheckpoint(Checkpoint):
    """TF1 checkpoint, the format of Google's models (V2 of TensorFlow's Saver).

    Reading needs TensorFlow, whichever backend runs.

    Args:
        prefix: the path without ``.index`` and ``.data-00000-of-00001``.

    Raises:
        CheckpointError: a data file is missing or smaller than the index says, or a file is
            damaged.
    """

    has_checksums: bool = True

    def __init__(self, prefix: StrPath) -> None:
        import tensorflow as tf

        self._failures = (tf.errors.OpError, RuntimeError)
        self._reader = None
        self.path: str = str(prefix)
        files = _find_data_files(Path(prefix))
        self._reader = self._explain(lambda: tf.train.load_checkpoint(str(prefix)))
        dtypes = self._dtypes = self._reader.get_variable_to_dtype_map()
        self._shapes = self._reader.get_variable_to_shape_map()
        super().__init__(
            prefix, [name for name, dtype in sorted(dtypes.items()) if _is_numeric(dtype)]
        )
        expected = sum(math.prod(self._shapes[name]) * dtypes[name].size for name in self)
        _check_size(files, expected)

    def _read(self, name: str) -> NDArray[Any]:
        if self._reader is None:
            raise CheckpointError(f"{self.path} is closed. Open it again with open_checkpoint.")
        reader = self._reader
        return np.asarray(self._explain(lambda: reader.get_tensor(name)))

    def _shape(self, name: str) -> tuple[int, ...]:
        return self._shapes[name]

    def _dtype(self, name: str) -> str:
        return self._dtypes[name].name

    def _explain(self, read: Callable[[], Any]) -> Any:
        """Call a function of TensorFlow; turn its errors into ones that name file and remedy."""
        try:
            return read()
        except self._failures as error:
            raise CheckpointError(
                f"TensorFlow cannot read the checkpoint {self.path}: {error}. "
                "It is damaged or incomplete; download it again."
            ) from error

    def close(self) -> None:
        self._reader = None


def _find_data_files(prefix: Path) -> list[Path]:
    """Find the data files of a prefix.

    Raises:
        CheckpointError: one of them is missing.
    """
    pattern = re.compile(re.escape(prefix.name) + r"\.data-(\d{5})-of-(\d{5})")
    matches = {path: pattern.fullmatch(path.name) for path in sorted(prefix.parent.iterdir())}
    counts = {path: int(match[2]) for path, match in matches.items() if match}
    for count in sorted(set(counts.values())):
        shards = [path for path in counts if counts[path] == count]
        if len(shards) == count:
            return shards
    raise CheckpointError(
        f"The checkpoint {prefix} has an index, but of its data files only "
        f"{[path.name for path in counts]} are there. Put every "
        f"{prefix.name}.data-?????-of-????? next to the index, or download it again."
    )


def _is_numeric(dtype: Any) -> bool:
    """True for types of numbers; object graphs and strings are not."""
    is_real = dtype.is_floating or dtype.is_integer or dtype.is_bool
    return is_real or dtype.is_complex or dtype.is_quantized


def _check_size(files: list[Path], expected: int) -> None:
    size = sum(path.stat().st_size for path in files)
    if size < expected:
        raise CheckpointError(
            f"Expected {expected} bytes in the data files of {files[0]}, as the index says, got "
            f"{size}. The checkpoint is damaged or incomplete; download it again."
        )
