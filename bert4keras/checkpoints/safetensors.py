"""Checkpoints in the safetensors format (https://github.com/huggingface/safetensors)."""

from typing import Any

from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open

from bert4keras.checkpoints.checkpoint import Checkpoint, CheckpointError, StrPath

_TYPES = {  # of the header, and NumPy's names for them
    "F64": "float64",
    "F32": "float32",
    "F16": "float16",
    "BF16": "bfloat16",
    "I64": "int64",
    "I32": "int32",
    "I16": "int16",
    "I8": "int8",
    "U64": "uint64",
    "U32": "uint32",
    "U16": "uint16",
    "U8": "uint8",
    "BOOL": "bool",
}


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
                slices = {name: file.get_slice(name) for name in file.keys()}
                self._shapes = {name: part.get_shape() for name, part in slices.items()}
                self._types = {name: part.get_dtype() for name, part in slices.items()}
        except (SafetensorError, OSError) as error:
            raise CheckpointError(
                f"{path} is not a whole safetensors file: {error}. It is damaged, incomplete or of "
                "another format; download it again."
            ) from error
        super().__init__(path, self._shapes)

    def _read(self, name: str) -> NDArray[Any]:
        if self._types[name] not in _TYPES:
            raise CheckpointError(
                f"Expected numbers of a type that NumPy has, got `{name}` of the type "
                f"{self._types[name]} in {self.path}. It is quantized: save it in float32, "
                "float16 or bfloat16 where it was made."
            )
        # opened for each tensor: the file is mapped into memory, and the pages that were read
        # count as memory of the process until it is closed
        with safe_open(self.path, framework="numpy") as file:
            return file.get_tensor(name)

    def _shape(self, name: str) -> tuple[int, ...]:
        return self._shapes[name]

    def _dtype(self, name: str) -> str:
        return _TYPES.get(self._types[name], self._types[name])
