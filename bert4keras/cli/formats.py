"""Where converted weights go: the format a name asks for, and files put in place at the end."""

import json
import shutil
from pathlib import Path

from bert4keras.files import replace_files
from bert4keras.models.config import read_config

NAMES = {  # format -> what it is called
    ".weights.h5": "weights of Keras 3",
    ".keras": "a whole model of Keras 3",
    ".safetensors": "safetensors with Hugging Face's names",
    ".h5": "HDF5 with Google's names",
    ".ckpt": "a TensorFlow checkpoint",
    "": "a Hugging Face folder",
}
UNWRITTEN = (".bin", ".pt", ".pth", ".weights", ".hdf5", ".index", ".json", ".onnx", ".npz")
CONFIG = "bert_config.json"  # beside a TensorFlow checkpoint
VOCABULARIES = (  # files of tokenizers, copied as they are
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


def format_of(path):
    """The format that a name asks for: a key of ``NAMES``.

    Raises:
        ValueError: the ending is that of a format which is not written.
    """
    name = Path(path).name
    if ".ckpt" in name:
        return ".ckpt"
    for ending in NAMES:
        if ending and name.endswith(ending):
            return ending
    if name.endswith(UNWRITTEN):
        raise ValueError(
            f"{path} ends as no format that is written. The new name may end in .ckpt, "
            f"{', '.join(ending for ending in NAMES if ending not in ('', '.ckpt'))}; without an "
            "ending it is a Hugging Face folder."
        )
    return ""


def check_free(target, kind, force=False):
    """Raise a FileExistsError if something is there already, unless it is to be replaced."""
    there = [Path(f"{target}.index")] if kind == ".ckpt" else [target]
    if kind == "" and target.is_dir():
        there = list(target.iterdir())
    if not force and any(path.exists() for path in there):
        raise FileExistsError(f"{target} is there already. Give another name, or force (--force).")


def write(transformer, settings, target, kind, home, force=False):
    """Write a model beside its target, then put all files in their places.

    Args:
        transformer: the object that holds the model.
        settings: its configuration as it was read, for beside a TensorFlow checkpoint.
        target: path of the new file or folder.
        kind: a key of ``NAMES``.
        home: the folder of the old files, whose vocabulary goes along.
        force: replace what is there.
    """
    with replace_files(target.parent) as temporary:
        new = temporary / target.name
        if kind == ".keras":
            transformer.model.save(new)
        elif kind == ".weights.h5":
            transformer.model.save_weights(new)
        elif kind == "":
            _write_folder(transformer, new)
            _copy_vocabulary(home, new, target, force)
        else:
            transformer.save_weights_as_checkpoint(new)
        if kind == ".ckpt":
            _write_config(settings, temporary, target.parent, force)
            _copy_vocabulary(home, temporary, target.parent, force)


def _write_folder(transformer, folder):
    try:
        transformer.save_pretrained(folder)
    except ValueError as error:
        raise ValueError(f"{error} Or give a new name that ends in .ckpt.") from error


def _write_config(settings, beside, folder, force):
    there = folder / CONFIG
    if there.exists() and not force and read_config(there) != settings:
        raise FileExistsError(
            f"{there} is there already and says something else. Write into another folder, or "
            "force (--force)."
        )
    (beside / CONFIG).write_text(
        json.dumps(settings, indent=2, ensure_ascii=False) + "\n", encoding="utf-8"
    )


def _copy_vocabulary(home, beside, folder, force):
    for name in VOCABULARIES:
        if (home / name).is_file() and (force or not (folder / name).exists()):
            shutil.copyfile(home / name, beside / name)
