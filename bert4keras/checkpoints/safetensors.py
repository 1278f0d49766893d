"""Checkpoints in the safetensors format (https://github.com/huggingface/safetensors)."""

from pathlib import Path

import numpy as np
from safetensors import SafetensorError, safe_open

from bert4keras.checkpoints.checkpoint import Checkpoint, CheckpointError


class SafetensorsCheckpoint(Checkpoint):
    """Tensors of one `*.safetensors` file, in the types they are stored in.

    The header is checked against the length of the file before anything is read; bfloat16 comes as
    `ml_dtypes.bfloat16`.

    Raises:
        CheckpointError: the file is damaged, incomplete or of another format.
    """

    def __init__(self, path: str | Path):
        try:
            with safe_open(str(path), framework="numpy") as file:
                super().__init__(path, file.keys())
        except (SafetensorError, OSError) as error:
            raise CheckpointError(
                f"{path} is not a whole safetensors file: {error}. It is damaged, incomplete or of "
                "another format; download it again."
            ) from error

    def _read(self, name: str) -> np.ndarray:
        # opened for each tensor: the file is mapped into memory and stays there until it is closed
        with safe_open(self.path, framework="numpy") as file:
            return file.get_tensor(name)
