"""Formats of converted weights: chosen by the new name, written to temporary files first."""

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from bert4keras.backend.types import StrPath
from bert4keras.files import check_free_space, replace_files
from bert4keras.models.config import read_config

NAMES = {  # format -> its description
    ".weights.h5": "weights of Keras 3",
    ".keras": "a whole model of Keras 3",
    ".safetensors": "safetensors with Hugging Face's names",
    ".h5": "HDF5 with Google's names",
    ".ckpt": "a TensorFlow checkpoint",
    "": "a Hugging Face folder",
}
_READ_ONLY = (".bin", ".pt", ".pth", ".weights", ".hdf5", ".index", ".json", ".onnx", ".npz")
_CONFIG = "bert_config.json"  # next to a TensorFlow checkpoint
_VOCABULARIES = (  # files of tokenizers, copied as they are
    "vocab.txt",
    "vocab.json",
    "merges.txt",
    "spiece.model",
    "sentencepiece.bpe.model",
    "tokenizer.model",
    "tokenizer.json",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "added_tokens.json",
)


def format_of(path: StrPath) -> str:
    """Return the format that a name asks for: a key of ``NAMES``.

    Raises:
        ValueError: the ending is that of a format which is not written.
    """
    name = Path(path).name
    if ".ckpt" in name:
        return ".ckpt"
    for ending in NAMES:
        if ending and name.endswith(ending):
            return ending
    if name.endswith(_READ_ONLY):
        endings = ", ".join([".ckpt", *(ending for ending in NAMES if ending not in ("", ".ckpt"))])
        raise ValueError(
            f"{path} has the ending of a format that cannot be written. The new name may end in "
            f"{endings}; without an ending it is a Hugging Face folder."
        )
    return ""


def check_free(target: Path, kind: str, force: bool = False) -> None:
    """Raise a FileExistsError if the target exists, unless it is to be replaced."""
    paths = [Path(f"{target}.index")] if kind == ".ckpt" else [target]
    if kind == "" and target.is_dir():
        paths = list(target.iterdir())
    if not force and any(path.exists() for path in paths):
        raise FileExistsError(f"{target} exists already. Give another name, or force (--force).")


def write(
    transformer: Any,
    settings: Mapping[str, Any],
    target: Path,
    kind: str,
    source_folder: Path,
    force: bool = False,
) -> None:
    """Write a model to temporary files, then move all files into place.

    Args:
        transformer: the object that holds the model.
        settings: its configuration as it was read, to stand next to a TensorFlow checkpoint.
        target: path of the new file or folder.
        kind: a key of ``NAMES``.
        source_folder: the folder of the old files, whose vocabulary is copied.
        force: replace existing files.
    """
    with replace_files(target.parent) as temporary:
        new = temporary / target.name
        check_free_space(new, 4 * transformer.model.count_params())
        if kind == ".keras":
            transformer.model.save(new)
        elif kind == ".weights.h5":
            transformer.model.save_weights(new)
        elif kind == "":
            _write_folder(transformer, new)
            _copy_vocabulary(source_folder, new, target, force)
        elif kind == ".ckpt":
            _write_config(settings, temporary, target.parent, force)
            _copy_vocabulary(source_folder, temporary, target.parent, force)
            transformer.save_weights_as_checkpoint(target)  # its files change places together
        else:
            transformer.save_weights_as_checkpoint(new)


def _write_folder(transformer: Any, folder: Path) -> None:
    try:
        transformer.save_pretrained(folder)
    except ValueError as error:
        raise ValueError(f"{error} Or give a new name that ends in .ckpt.") from error


def _write_config(settings: Mapping[str, Any], temporary: Path, folder: Path, force: bool) -> None:
    path = folder / _CONFIG
    if path.exists() and not force and read_config(path) != settings:
        raise FileExistsError(
            f"{path} exists already with other settings. Write into another folder, or force "
            "(--force)."
        )
    (temporary / _CONFIG).write_text(
        json.dumps(settings, indent=2, ensure_ascii=False) + "\n", encoding="utf-8"
    )


def _copy_vocabulary(source: Path, temporary: Path, folder: Path, force: bool) -> None:
    for name in _VOCABULARIES:
        if (source / name).is_file() and (force or not (folder / name).exists()):
            shutil.copyfile(source / name, temporary / name)
