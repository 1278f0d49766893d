"""The folder of a pipeline: ``pipeline.json``, the tokenizer, the files of each model."""

import json
from collections.abc import Callable, Mapping
from hashlib import sha256
from pathlib import Path
from typing import Any

import keras

import bert4keras
from bert4keras.backend.types import StrPath
from bert4keras.checks import describe
from bert4keras.files import replace_files
from bert4keras.pipelines.model_files import read_model, write_model
from bert4keras.tokenizers import load_tokenizer

FILE = "pipeline.json"
FORMAT_VERSION = 1
_KEYS = ("format_version", "task", "bert4keras", "keras", "config", "models", "files", "scores")
_LARGEST_FILE = 10**8  # bytes of a pipeline.json
_REMEDY = "Save the pipeline again, or copy its folder again."
# Files that say what a model or a tokenizer is: of another model they would change the meaning.
_FOREIGN = (
    "config.json",
    "modules.json",
    "tokenizer.json",
    "vocab.txt",
    "vocab.json",
    "merges.txt",
    "spiece.model",
    "sentencepiece.bpe.model",
    "tokenizer.model",
    "sentencepiece.model",
    "spm.model",
    "special_tokens_map.json",
    "added_tokens.json",
    "chat_template.jinja",
)


def write_pipeline(pipeline: Any, folder: StrPath, dtype: str | None = None) -> None:
    """Write the folder of a pipeline; an error leaves the files of an older one as they are.

    Args:
        pipeline: a ``Pipeline``.
        folder: the folder, created if it is missing.
        dtype: type of the weights in the file; their own by default.
    """
    folder = Path(folder)
    old_files = _list_old_files(folder)
    with replace_files(folder) as part:
        pipeline.tokenizer.save(part)
        for name, model in pipeline.models.items():
            write_model(part, name, model, dtype)
        files = sorted(path for path in part.rglob("*") if path.is_file())
        new_files = {path.relative_to(part).as_posix(): compute_checksum(path) for path in files}
        _check_foreign(folder, {*old_files, *new_files})
        record = {
            "format_version": FORMAT_VERSION,
            "task": pipeline.task,
            "bert4keras": bert4keras.__version__,
            "keras": keras.__version__,
            "config": pipeline.get_config(),
            "models": list(pipeline.models),
            "files": new_files,
            "scores": pipeline.scores,
        }
        text = json.dumps(record, indent=2, ensure_ascii=False, allow_nan=False)
        (part / FILE).write_text(text + "\n", encoding="utf-8")
    for name in {*old_files} - {*new_files}:
        (folder / name).unlink(missing_ok=True)


def read_pipeline(
    folder: StrPath,
    classes: Mapping[str, Any],
    pre_tokenize: Callable[[str], Any] | None = None,
    **options: Any,
) -> Any:
    """Open the folder of a pipeline.

    Args:
        folder: the folder.
        classes: task -> class of its pipeline.
        pre_tokenize: the function that cuts texts into words, for a tokenizer that has one.
        **options: settings that replace those of the folder.
    """
    folder = Path(folder)
    record = read_record(folder)
    task = record["task"]
    if task not in classes:
        raise ValueError(
            f"Expected a pipeline of the task {' or '.join(classes)} in {folder}, got {task!r}. "
            "Open it with load_pipeline."
        )
    unknown_options = [name for name in options if name not in record["config"]]
    if unknown_options:
        raise TypeError(
            f"Expected options among {', '.join(record['config'])} for {classes[task].__name__}, "
            f"got {', '.join(unknown_options)}. Remove them."
        )
    _check_files(folder, record["files"])
    tokenizer = load_tokenizer(folder, pre_tokenize=pre_tokenize)
    models = {name: read_model(folder, name) for name in record["models"]}
    try:
        pipeline = classes[task](**models, tokenizer=tokenizer, **{**record["config"], **options})
    except TypeError as error:
        if options:  # an option of a wrong type, say
            raise
        raise ValueError(
            f"Expected the configuration of a {classes[task].__name__} in {folder / FILE}, got "
            f"another one: {error}. {_REMEDY}"
        ) from error
    pipeline.scores = record["scores"]
    return pipeline


def read_record(folder: Path) -> dict[str, Any]:
    """Read ``pipeline.json`` and check its version and keys."""
    path = folder / FILE
    if not path.is_file():
        raise FileNotFoundError(
            f"Expected {FILE} in {folder}, got none. Pass a folder that a pipeline saved."
        )
    if path.stat().st_size > _LARGEST_FILE:
        raise ValueError(f"Expected {path} to be a small file, got {path.stat().st_size} bytes.")
    try:
        record = json.loads(path.read_bytes())
    except (ValueError, RecursionError) as error:
        raise ValueError(f"Expected JSON in {path}, got {error}. {_REMEDY}") from error
    version = record.get("format_version") if isinstance(record, dict) else None
    if type(version) is int and version > FORMAT_VERSION:
        raise ValueError(
            f"Expected version {FORMAT_VERSION} of the format in {path}, got the newer version "
            f"{version}, written by bert4keras {record.get('bert4keras')}. Update bert4keras."
        )
    if version != FORMAT_VERSION or sorted(record) != sorted(_KEYS):
        keys = sorted(record) if isinstance(record, dict) else describe(record)
        raise ValueError(f"Expected the keys {sorted(_KEYS)} in {path}, got {keys}. {_REMEDY}")
    _check_record(record, path)
    return record


def _check_record(record: dict[str, Any], path: Path) -> None:
    kinds = {"task": str, "config": dict, "models": list, "files": dict, "scores": dict}
    for key, kind in kinds.items():
        if not isinstance(record[key], kind):
            raise ValueError(
                f"Expected {key} in {path} to be a {kind.__name__}, got {describe(record[key])}. "
                f"{_REMEDY}"
            )
    for name in (*record["models"], *record["files"]):
        if not isinstance(name, str) or "\\" in name or Path(name).name != name:
            raise ValueError(
                f"Expected a plain file name in {path}, got {describe(name)}. {_REMEDY}"
            )


def compute_checksum(path: Path) -> str:
    """Return the SHA-256 checksum of a file."""
    digest = sha256()
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def _check_files(folder: Path, files: Mapping[str, Any]) -> None:
    """Raise unless the files of a folder are those of one save."""
    _check_foreign(folder, files)
    for name, checksum in files.items():
        path = folder / name
        if not path.is_file():
            raise FileNotFoundError(f"Expected the file {name} in {folder}, got none. {_REMEDY}")
        if compute_checksum(path) != checksum:
            raise ValueError(
                f"Expected {path} as {FILE} describes it, got other bytes: it is damaged, or of "
                f"another save. {_REMEDY}"
            )


def _check_foreign(folder: Path, names: Any) -> None:
    """Raise if a folder has a file that belongs to another model."""
    foreign = [name for name in _FOREIGN if name not in names and (folder / name).exists()]
    if foreign:
        raise ValueError(
            f"Expected a folder without files of other models, got {', '.join(foreign)} in "
            f"{folder}. Remove them, or choose another folder."
        )


def _list_old_files(folder: Path) -> list[str]:
    """Return the files of the pipeline that a folder has, if any."""
    try:
        return list(read_record(folder)["files"])
    except (OSError, ValueError):
        return []
