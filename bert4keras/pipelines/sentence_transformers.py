"""Reader of the folders of ``sentence-transformers``, without that library."""

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np

from bert4keras.backend.types import StrPath
from bert4keras.checkpoints import open_checkpoint
from bert4keras.checks import describe
from bert4keras.models import build_transformer_model
from bert4keras.pipelines.sentence_encoder import SIMILARITIES, SentenceEncoder
from bert4keras.pipelines.sentence_modules import (
    ACTIVATIONS,
    CONFIG_FILE,
    MODULES_FILE,
    POOLING,
    POOLING_FLAGS,
)
from bert4keras.tokenizers import load_tokenizer

_TRANSFORMER_CONFIGS = tuple(
    f"sentence_{name}_config.json"
    for name in ("bert", "roberta", "distilbert", "camembert", "albert", "xlm-roberta", "xlnet")
)
_LARGEST_FILE = 10**7  # bytes of a JSON file
_CLASS = re.compile(r"sentence_transformers\.(?:[a-z_]+\.)*([A-Z]\w*)")
_ORDER = re.compile("Transformer Pooling( Dense)*( Normalize)?")
_TEXT = {"text": {"method": "forward", "method_output_name": "last_hidden_state"}}
_SENTENCE = ("sentence_embedding",)
# key -> values that change nothing; other keys are read, or refused
_NEUTRAL: dict[str, tuple[Any, ...]] = {
    "do_lower_case": (False, None),
    "transformer_task": ("feature-extraction",),
    "modality_config": (_TEXT,),
    "module_input_name": _SENTENCE,
    "module_output_name": ("token_embeddings", *_SENTENCE),
    "model_type": ("SentenceTransformer",),
    "model_args": ({}, None),
    "tokenizer_args": ({}, None),
    "config_args": ({}, None),
    "processing_kwargs": ({}, None),
    "unpad_inputs": (None, False, True),
}


def read_sentence_transformers(
    folder: StrPath, pre_tokenize: Callable[[str], Any] | None = None, **options: Any
) -> SentenceEncoder:
    """Open a folder of ``sentence-transformers``. No code in it is executed, no class imported.

    ``dimensions`` comes from ``truncate_dim``. Vectors are normalized after the cut, where
    ``sentence-transformers`` normalizes before it alone.

    Args:
        folder: a folder with ``modules.json``.
        pre_tokenize: the function that cuts texts into words, for a tokenizer that has one.
        **options: arguments of ``SentenceEncoder`` that replace those of the folder.

    Raises:
        ValueError: the folder has a module or a setting that is not computed here.
    """
    folder = Path(folder)
    modules = _read_modules(folder)
    (_, root), (_, pooling), *last_modules = modules
    settings = {**_read_pooling(pooling), **_read_config(folder)}
    settings["dense"] = [
        _read_dense(x, i) for i, (name, x) in enumerate(last_modules) if name == "Dense"
    ]
    settings["normalize"] = last_modules[-1:] != [] and last_modules[-1][0] == "Normalize"
    if settings["normalize"]:
        _check_keys(_read_json(last_modules[-1][1] / "config.json", {}), last_modules[-1][1])
    transformer = build_transformer_model(root, return_keras_model=False)
    tokenizer = load_tokenizer(root, pre_tokenize=pre_tokenize)
    settings["maxlen"] = _read_maxlen(root, transformer)
    return SentenceEncoder(transformer, tokenizer, **{**settings, **options})


def _read_modules(folder: Path) -> list[tuple[str, Path]]:
    """Return name and folder of each module, checked."""
    modules = _read_json(folder / MODULES_FILE)
    if not isinstance(modules, list):
        modules = [modules]
    names, paths = [], []
    for module in modules:
        kind = str(module.get("type")) if isinstance(module, dict) else describe(module)
        match = _CLASS.fullmatch(kind)
        if match is None or match[1] not in ("Transformer", "Pooling", "Dense", "Normalize"):
            raise ValueError(
                "Expected the modules Transformer, Pooling, Dense and Normalize of "
                f"sentence_transformers in {folder / MODULES_FILE}, got {kind}. Its code is not "
                "executed: build the model in Python and pass it to SentenceEncoder."
            )
        names.append(match[1])
        paths.append(_find_module(folder, module.get("path")))
    if not _ORDER.fullmatch(" ".join(names)):
        raise ValueError(
            f"Expected Transformer, Pooling, Dense, Normalize in this order in "
            f"{folder / MODULES_FILE}, got {', '.join(names)}. Build the model in Python and pass "
            "it to SentenceEncoder."
        )
    return list(zip(names, paths))


def _find_module(folder: Path, name: Any) -> Path:
    """Return the folder of a module; raise for one outside."""
    if not isinstance(name, str) or "\\" in name or name not in ("", Path(name).name):
        raise ValueError(
            f"Expected the path of a module in {folder / MODULES_FILE} to be the name of a folder, "
            f"got {describe(name)}. Copy the folder again."
        )
    path = folder / name
    if name and path.is_symlink():
        raise ValueError(f"Expected a folder at {path}, got a link. Copy the folder again.")
    return path


def _read_json(path: Path, default: Any = None) -> Any:
    if not path.is_file() and default is not None:
        return default
    if not path.is_file():
        raise FileNotFoundError(f"Expected the file {path}, got none. Copy the folder again.")
    if path.stat().st_size > _LARGEST_FILE:
        raise ValueError(f"Expected {path} to be a small file, got {path.stat().st_size} bytes.")
    try:
        return json.loads(path.read_bytes())
    except (ValueError, RecursionError) as error:
        raise ValueError(f"Expected JSON in {path}, got {error}. Copy the folder again.") from error


def _check_keys(config: Any, path: Path, *known_keys: str) -> dict[str, Any]:
    """Return a configuration; raise for a key that would change the vectors."""
    if not isinstance(config, dict):
        raise ValueError(f"Expected a dict in {path}, got {describe(config)}.")
    for key in config.keys() - set(known_keys):
        if key not in _NEUTRAL or config[key] not in _NEUTRAL[key]:
            raise ValueError(
                f"Expected settings of {path} that are computed here, got "
                f"{key}={config[key]!r}. Build the model in Python and pass it to SentenceEncoder."
            )
    return config


def _read_config(folder: Path) -> dict[str, Any]:
    """Return the arguments that the configuration of all modules gives."""
    path = folder / CONFIG_FILE
    keys = ("__version__", "prompts", "default_prompt_name", "similarity_fn_name", "truncate_dim")
    config = _check_keys(_read_json(path, {}), path, *keys)
    similarity = config.get("similarity_fn_name") or "cosine"
    if similarity not in SIMILARITIES:
        raise ValueError(
            f"Expected similarity_fn_name in {path} to be one of {', '.join(SIMILARITIES)}, got "
            f"{similarity!r}."
        )
    return {
        "prompts": config.get("prompts"),
        "default_prompt_name": config.get("default_prompt_name"),
        "similarity_function": similarity,
        "dimensions": config.get("truncate_dim"),
    }


def _read_pooling(folder: Path) -> dict[str, Any]:
    path = folder / "config.json"
    sizes = ("word_embedding_dimension", "embedding_dimension")
    keys = (*sizes, "pooling_mode", "include_prompt", *POOLING_FLAGS)
    config = _check_keys(_read_json(path), path, *keys)
    flags = {flag: name for flag, name in POOLING_FLAGS.items() if config.get(flag)}
    modes = config.get("pooling_mode", [name for name in POOLING if name in flags.values()])
    modes = [modes] if isinstance(modes, str) else modes
    if not isinstance(modes, list) or not modes or not {*map(str, modes)} <= set(POOLING):
        raise ValueError(
            f"Expected the pooling in {path} to be of {', '.join(POOLING)}, got {modes}."
        )
    pooling = [POOLING[mode] for mode in modes]
    return {"pooling": pooling, "include_prompt": config.get("include_prompt", True)}


def _read_maxlen(folder: Path, transformer: Any) -> int | None:
    """Return the number of tokens of a text: the least of those that the files name."""
    path = next((folder / x for x in _TRANSFORMER_CONFIGS if (folder / x).exists()), None)
    config = _check_keys(_read_json(path), path, "max_seq_length") if path else {}
    tokenizer = _read_json(folder / "tokenizer_config.json", {})
    limits = [config.get("max_seq_length") or tokenizer.get("model_max_length")]
    limits += [getattr(transformer, "max_position", None)]
    return min((limit for limit in limits if isinstance(limit, int)), default=None)


def _read_dense(folder: Path, index: int) -> Any:
    path = folder / "config.json"
    keys = ("in_features", "out_features", "bias", "activation_function")
    config = _check_keys(_read_json(path), path, *keys)
    kind = str(config.get("activation_function", "Tanh")).rpartition(".")[-1]
    if kind not in ACTIVATIONS:
        raise ValueError(
            f"Expected activation_function in {path} to be one of {', '.join(ACTIVATIONS)}, got "
            f"{config['activation_function']!r}."
        )
    with open_checkpoint(_find_weights(folder)) as checkpoint:
        names = ["linear.weight", "linear.bias"][: 1 + bool(config.get("bias", True))]
        weights = [np.asarray(checkpoint[name], "float32").T for name in names]
    layer = keras.layers.Dense(
        len(weights[0][0]),
        activation=ACTIVATIONS[kind],
        use_bias=len(weights) > 1,
        name=f"Sentence-Dense-{index}",
    )
    layer.build((None, len(weights[0])))
    layer.set_weights(weights)
    return layer


def _find_weights(folder: Path) -> Path:
    names = ("model.safetensors", "pytorch_model.bin")
    path = next((folder / name for name in names if (folder / name).exists()), None)
    if path is None:
        raise FileNotFoundError(f"Expected {' or '.join(names)} in {folder}, got neither.")
    return path
