"""Checkpoints in the safetensors format (https://github.com/huggingface/safetensors)."""

from typing import Any

from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open

from bert4keras.checkpoints.checkpoint import Checkpoint, CheckpointError, StrPath


class SafetensorsCheckpoint(Checkpoint):
    """Checkpoint of one ``*.safetensors`` file, its tensors in the types they are stored in.

    The header is checked against the length of the file before anything is read; bfloat16 becomes
    ``ml_dtypes.bfloat16``.

    Raises:
        CheckpointError: the file is damaged, incomplete or of another format.
    """

    def __init__(self, path: StrPath) -> None:
        try:
            with safe_open(str(path), framework="numpy") as file:
                self._shapes = {name: file.get_slice(name).get_shape() for name in file.keys()}
        except (SafetensorError, OSError) as error:
            raise CheckpointError(
                f"{path} is not a whole safetensors file: {error}. It is damaged, incomplete or of "
                "another format; download it again."
            ) from error
        super().__init__(path, self._shapes)

    def _read(self, name: str) -> NDArray[Any]:
        # opened for each tensor: the file is mapped into memory, and the pages that were read
        # count as memory of the process until it is closed
        with safe_open(self.path, framework="numpy") as file:
            return file.get_tensor(name)

    def _shape(self, name: str) -> tuple[int, ...]:
        return self._shapes[name]
