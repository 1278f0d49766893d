"""One door for every format: `open_checkpoint` gives a mapping from names to tensors."""

import json
from collections.abc import Mapping
from os import PathLike
from pathlib import Path

import numpy as np

from bert4keras.checkpoints.checkpoint import Checkpoint, CheckpointError, Held

Source = str | PathLike | Mapping[str, np.ndarray]

# what a folder is searched for, best first
PREFERENCE = (
    "model.safetensors",
    "model.safetensors.index.json",
    "pytorch_model.bin",
    "pytorch_model.bin.index.json",
    "*.weights.h5",
    "*.h5",
    "*.ckpt*.index",
)
FORMATS = (
    "a TensorFlow prefix (.../bert_model.ckpt, with its .index and .data), *.safetensors, "
    "pytorch_model.bin, their *.index.json, *.h5, a folder that holds one of these, or a dict"
)


def open_checkpoint(source: Source) -> Checkpoint:
    """The tensors of a checkpoint by name, each read when it is asked for.

    Formats are told apart by what stands in the file. Nothing in a file is ever executed, and a
    file that claims more than it holds is refused before memory is taken.

    Args:
        source: a TensorFlow prefix (`.../bert_model.ckpt`; its `.index` will do), a
            `*.safetensors`, `pytorch_model.bin` or HDF5 file, the `*.index.json` of a sharded one,
            a folder that holds one of these (safetensors first, TensorFlow last), a dict from
            names to arrays, or a checkpoint that is open already.

    Returns:
        A `Checkpoint`: a read-only mapping, in the types as stored.

    Raises:
        CheckpointError: the file is missing, damaged, of another format, or not safe to open.

    Example:
        >>> checkpoint = open_checkpoint({"bert/pooler/dense/bias": np.zeros(4)})
        >>> checkpoint["bert/pooler/dense/bias"].shape
        (4,)
    """
    if isinstance(source, Checkpoint):
        return source
    if isinstance(source, Mapping):
        return Held(source)
    path = Path(source)
    if path.is_dir():
        path = _inside(path)
    if path.name.endswith(".index.json"):
        return Sharded(path)
    prefix = path.with_name(path.name.removesuffix(".index"))
    if prefix.with_name(prefix.name + ".index").is_file():
        return _tensorflow(prefix)
    return _file(path)


def _tensorflow(prefix: Path) -> Checkpoint:
    from bert4keras.checkpoints.tf1 import TensorFlowCheckpoint

    return TensorFlowCheckpoint(prefix)


def _file(path: Path) -> Checkpoint:
    """The reader that fits the first bytes of the file."""
    if not path.is_file():
        raise CheckpointError(f"No checkpoint at {path}. Pass {FORMATS}.")
    with path.open("rb") as file:
        magic = file.read(8)
    if path.suffix == ".safetensors":  # it begins with a length, which may be any bytes
        from bert4keras.checkpoints.safetensors import SafetensorsCheckpoint as Reader
    elif magic == b"\x89HDF\r\n\x1a\n":
        from bert4keras.checkpoints.keras2 import open_hdf5 as Reader
    elif magic[:4] == b"PK\x03\x04" or magic[:1] == b"\x80":
        from bert4keras.checkpoints.torch_bin import TorchCheckpoint as Reader
    else:
        raise CheckpointError(
            f"{path} begins with {magic!r}, as no format of checkpoints does. Pass {FORMATS}."
        )
    return Reader(path)


def _inside(folder: Path) -> Path:
    for pattern in PREFERENCE:
        found = sorted(folder.glob(pattern))
        if len(found) > 1:
            names = ", ".join(path.name for path in found)
            raise CheckpointError(
                f"{folder} holds several checkpoints: {names}. Pass the one you mean."
            )
        if found:
            return found[0]
    raise CheckpointError(f"No checkpoint in {folder}: looked for {', '.join(PREFERENCE)}.")


class Sharded(Checkpoint):
    """A checkpoint cut into several files, with an index that says which tensor stands where.

    Args:
        path: `model.safetensors.index.json` or `pytorch_model.bin.index.json`; its shards stand
            beside it.

    Raises:
        CheckpointError: a shard is missing, lies outside the folder, or lacks a tensor.
    """

    def __init__(self, path: str | Path):
        path = Path(path)
        self._shard_of = _weight_map(path)
        super().__init__(path, self._shard_of)
        names = sorted(set(self._shard_of.values()))
        self._shards = {name: _file(path.with_name(name)) for name in names}
        lacking = [
            name for name, shard in self._shard_of.items() if name not in self._shards[shard]
        ]
        if lacking:
            raise CheckpointError(
                f"{path} places {len(lacking)} tensors in shards that lack them, `{lacking[0]}` "
                "first. Index and shards are not of one set; download them again."
            )

    def _read(self, name: str) -> np.ndarray:
        return self._shards[self._shard_of[name]][name]

    def close(self) -> None:
        for shard in self._shards.values():
            shard.close()


def _weight_map(path: Path) -> dict[str, str]:
    try:
        shards = json.loads(path.read_text(encoding="utf-8"))["weight_map"]
        names = sorted(set(shards.values()))
        outside = [name for name in names if name in (".", "..", "") or set(name) & set("/\\:\0")]
    except (OSError, ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise CheckpointError(
            f"{path} is not the index of a sharded checkpoint: {error!r}. It should be JSON with a "
            "`weight_map` from names to files; download it again."
        ) from error
    if outside:
        raise CheckpointError(
            f"{path} names the shard {outside[0]!r}, which is no file beside it. Do not use this "
            "checkpoint: an index has no business outside its folder."
        )
    missing = [name for name in names if not path.with_name(name).is_file()]
    if missing:
        raise CheckpointError(
            f"{path} needs {', '.join(missing)} beside it. Download the missing shards."
        )
    return shards
