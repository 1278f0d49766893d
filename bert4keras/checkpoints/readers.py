"""Checkpoint readers: ``open_checkpoint`` opens every format as a mapping from names to tensors."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from numpy.typing import ArrayLike, NDArray

from bert4keras.checkpoints.checkpoint import Checkpoint, CheckpointError, DictCheckpoint, StrPath
from bert4keras.checkpoints.open_file import file_state

Source = StrPath | Mapping[str, ArrayLike]

# files that a folder is searched for, the preferred first
_PATTERNS = (
    "model.safetensors",
    "model.safetensors.index.json",
    "pytorch_model.bin",
    "pytorch_model.bin.index.json",
    "*.weights.h5",
    "*.h5",
    "*.ckpt*.index",
)
_FORMATS = (
    "a TensorFlow prefix (.../bert_model.ckpt, with its .index and .data), *.safetensors, "
    "pytorch_model.bin, their *.index.json, *.h5, a folder that holds one of these, or a dict"
)


def open_checkpoint(source: Source) -> Checkpoint:
    """Open a checkpoint of any format: a mapping from names to tensors, each read on access.

    The contents of the file decide its format. Nothing in a file is ever executed, and a file that
    claims more than it holds is refused before memory is taken. Who opens a checkpoint closes it:
    an open one that is opened again stays open at the end of the ``with`` block.

    Args:
        source: a TensorFlow prefix (``.../bert_model.ckpt``, or its ``.index``), a
            ``*.safetensors``, ``pytorch_model.bin`` or HDF5 file, the ``*.index.json`` of a sharded
            one, a folder that holds one of these (safetensors first, TensorFlow last), a dict from
            names to arrays, or an open checkpoint.

    Returns:
        A ``Checkpoint``: a read-only mapping, in the types as stored.

    Raises:
        CheckpointError: the file is missing, damaged, of another format, or not safe to open.

    Example:
        >>> checkpoint = open_checkpoint({"bert/pooler/dense/bias": [0.0, 0.0, 0.0, 0.0]})
        >>> checkpoint["bert/pooler/dense/bias"].shape
        (4,)
    """
    if isinstance(source, Checkpoint):
        return source.borrow()
    if isinstance(source, Mapping):
        return DictCheckpoint(source)
    path = Path(source)
    if path.is_dir():
        path = _find_in_folder(path)
    if path.name.endswith(".index.json"):
        return ShardedCheckpoint(path)
    prefix = path.with_name(path.name.removesuffix(".index"))
    if prefix.with_name(prefix.name + ".index").is_file():
        from bert4keras.checkpoints.tf1 import TensorFlowCheckpoint

        return TensorFlowCheckpoint(prefix)
    return _open_file(path)


def _open_file(path: Path) -> Checkpoint:
    """Open one file by the reader that its first bytes ask for."""
    if not path.is_file():
        raise CheckpointError(f"No checkpoint at {path}. Pass {_FORMATS}.")
    try:
        with path.open("rb") as file:
            magic = file.read(8)
    except OSError as error:
        raise CheckpointError(f"{path} cannot be read: {error}. Check who may read it.") from error
    if path.suffix == ".safetensors":  # it begins with a length, which may be any bytes
        from bert4keras.checkpoints.safetensors import SafetensorsCheckpoint

        return SafetensorsCheckpoint(path)
    if magic == b"\x89HDF\r\n\x1a\n":
        from bert4keras.checkpoints.keras2_hdf5 import open_hdf5

        return open_hdf5(path)
    if magic[:4] == b"PK\x03\x04" or magic[:1] == b"\x80":
        from bert4keras.checkpoints.torch_bin import TorchCheckpoint

        return TorchCheckpoint(path)
    raise CheckpointError(
        f"Expected a checkpoint at {path}, got a file that begins with {magic!r}. Pass {_FORMATS}."
    )


def _find_in_folder(folder: Path) -> Path:
    for pattern in _PATTERNS:
        paths = sorted(folder.glob(pattern))
        if len(paths) > 1:
            names = ", ".join(path.name for path in paths)
            raise CheckpointError(
                f"{folder} holds several checkpoints: {names}. Pass the one you mean."
            )
        if paths:
            return paths[0]
    raise CheckpointError(f"No checkpoint in {folder}: looked for {', '.join(_PATTERNS)}.")


class ShardedCheckpoint(Checkpoint):
    """Checkpoint in several files (shards), with an index: name of a tensor -> its shard.

    Args:
        path: ``model.safetensors.index.json`` or ``pytorch_model.bin.index.json``; its shards are
            in the same folder.

    Raises:
        CheckpointError: a shard is missing, lies outside the folder, or does not have a tensor.
    """

    def __init__(self, path: StrPath) -> None:
        path = Path(path)
        if not path.is_file():
            raise CheckpointError(f"No checkpoint at {path}. Pass {_FORMATS}.")
        state = file_state(path)
        self._shard_of = _weight_map(path)
        super().__init__(path, self._shard_of)
        self._shards: dict[str, Checkpoint] = {}
        try:
            for name in sorted(set(self._shard_of.values())):
                self._shards[name] = _open_file(path.with_name(name))
            self._check(path, state)
        except CheckpointError:
            self.close()
            raise
        self.has_checksums: bool = any(x.has_checksums for x in self._shards.values())

    def _check(self, path: Path, state: tuple[int, ...]) -> None:
        """Raise a CheckpointError unless the open shards are those of the index."""
        missing = [
            name for name, shard in self._shard_of.items() if name not in self._shards[shard]
        ]
        if missing:
            raise CheckpointError(
                f"{path} names {len(missing)} tensors that their shards do not have, such as "
                f"`{missing[0]}`. Index and shards are not of one set; download them again."
            )
        if file_state(path) != state:
            raise CheckpointError(
                f"{path} was replaced while its shards were opened, so they may be of two sets. "
                "Load it again when the writer is done."
            )

    def _read(self, name: str) -> NDArray[Any]:
        return self._shards[self._shard_of[name]][name]

    def _shape(self, name: str) -> tuple[int, ...]:
        return self._shards[self._shard_of[name]].shape(name)

    def _dtype(self, name: str) -> str:
        return self._shards[self._shard_of[name]].dtype(name)

    def close(self) -> None:
        for shard in self._shards.values():
            shard.close()


def _weight_map(path: Path) -> dict[str, str]:
    """Read the index: name of a tensor -> file name of its shard."""
    try:
        shards = json.loads(path.read_text(encoding="utf-8"))["weight_map"]
        names = sorted(set(shards.values()))
        outside = [name for name in names if name in (".", "..", "") or set(name) & set("/\\:\0")]
    except (OSError, ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise CheckpointError(
            f"{path} is not the index of a sharded checkpoint: {error!r}. Expected JSON with a "
            "`weight_map` from names to files; download it again."
        ) from error
    if outside:
        raise CheckpointError(
            f"Expected shards in the folder of {path}, got {outside[0]!r}. Do not use this "
            "checkpoint: an index must not point out of its folder."
        )
    missing = [name for name in names if not path.with_name(name).is_file()]
    if missing:
        raise CheckpointError(
            f"{path} needs {', '.join(missing)} in its folder. Download the missing shards."
        )
    return shards
