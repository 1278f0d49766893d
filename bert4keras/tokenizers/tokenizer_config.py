"""Settings of a saved tokenizer: ``tokenizer_config.json``, each key used or refused.

The keys are those of ``transformers``; those in ``KEYS_WITHOUT_EFFECT`` change no id. Our own
settings are in one more object, ``bert4keras``, which ``transformers`` ignores.
"""

import json
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import Any

from bert4keras.checks import describe

FILE = "tokenizer_config.json"
OUR_KEY = "bert4keras"
_LARGEST_FILE = 64 << 20  # bytes
_TOKENS = ("bos", "eos", "unk", "sep", "pad", "cls", "mask")
TOKEN_KEYS = tuple(f"{name}_token" for name in _TOKENS)
KEYS_WITHOUT_EFFECT = {
    # names, versions and places of files
    *("name_or_path", "_name_or_path", "special_tokens_map_file", "tokenizer_file", "vocab_file"),
    *("merges_file", "tokenizer_class", "processor_class", "use_fast", "backend", "is_local"),
    *(
        "local_files_only",
        "trust_remote_code",
        "device_map",
        "_commit_hash",
        "transformers_version",
    ),
    *("from_slow", "slow_tokenizer_class", "fix_mistral_regex"),
    # of batches: here they are arguments of encode and encode_batch
    *("model_max_length", "max_len", "max_length", "truncation", "truncation_side", "stride"),
    *("truncation_strategy", "padding", "padding_side", "pad_to_multiple_of", "pad_token_type_id"),
    *("model_input_names", "return_tensors", "is_fast", "return_token_type_ids"),
    # of decoding: decode has its own rules
    *("clean_up_tokenization_spaces", "spaces_between_special_tokens"),
    *("verbose", "model_specific_special_tokens", "response_schema"),
    # no token of a text depends on them
    *("chat_template", "default_chat_template", "special_tokens_map"),
}


def read_json(path: Path, largest_file: int = _LARGEST_FILE) -> dict[str, Any]:
    """Read a JSON object from a file.

    Raises:
        ValueError: the file is too large, no JSON, or another value.
    """
    size = path.stat().st_size
    if size > largest_file:
        raise ValueError(
            f"Expected {path} to have at most {largest_file >> 20} MiB, got {size >> 20} MiB. "
            "Download it again."
        )
    try:
        value = json.loads(path.read_bytes())
    except (ValueError, RecursionError) as error:
        raise ValueError(
            f"Expected JSON in {path}, got {error}. Correct it, or download it again."
        ) from error
    if not isinstance(value, dict):
        raise ValueError(
            f"Expected a JSON object in {path}, got {describe(value)}. Download it again."
        )
    return value


def read_tokenizer_config(folder: Path) -> dict[str, Any]:
    """Read ``tokenizer_config.json``, and the special tokens of ``special_tokens_map.json``.

    Returns:
        The settings as they are in the files. Empty if the folder has neither file.
    """
    config: dict[str, Any] = {}
    for name in ("special_tokens_map.json", FILE):
        path = folder / name
        if path.is_file():
            settings = read_json(path)
            config = settings if OUR_KEY in settings else config | settings
    return config


def flatten_tokens(config: Mapping[str, Any], folder: Path) -> dict[str, Any]:
    """Return settings with the named special tokens as strings, which may be dicts in a file."""
    tokens = {key: _read_token(key, config[key], folder) for key in TOKEN_KEYS if key in config}
    return {**config, **tokens}


def _read_token(key: str, value: Any, folder: Path) -> str | None:
    """Return a special token that a file has as a string, or as a dict with its content."""
    content = value.get("content") if isinstance(value, dict) else value
    if value is not None and not isinstance(content, str):
        raise ValueError(
            f"Expected {key} in {folder / FILE} to be a token, got {describe(value)}. Write the "
            "token as a string."
        )
    return content


def list_added_tokens(config: Mapping[str, Any]) -> dict[int, Any]:
    """Return ``added_tokens_decoder``: the tokens by their ids, as the file has them."""
    tokens = config.get("added_tokens_decoder") or {}
    if not isinstance(tokens, Mapping) or not all(str(key).isdecimal() for key in tokens):
        raise ValueError(
            f"Expected added_tokens_decoder in {FILE} to be an object of ids and tokens, got "
            f"{describe(tokens)}. Correct it."
        )
    return {int(key): token for key, token in tokens.items()}


def list_special_tokens(config: Mapping[str, Any], key: str) -> list[Any]:
    """Return a list of special tokens, which may be an object with names in a file."""
    tokens = config.get(key) or []
    if not isinstance(tokens, Mapping | list):
        raise ValueError(
            f"Expected {key} in {FILE} to be a list of tokens, got {describe(tokens)}. Correct it."
        )
    return list(tokens.values() if isinstance(tokens, Mapping) else tokens)


def check_keys(
    config: Mapping[str, Any],
    path: Path,
    used_keys: Collection[str],
    required_values: Mapping[str, Collection[Any]],
) -> None:
    """Raise a ValueError for a setting that would change ids and that a tokenizer does not have.

    Args:
        config: the settings.
        path: their folder, for the error.
        used_keys: keys that the tokenizer uses.
        required_values: ``{key: values}`` that the tokenizer has without being told.
    """
    for key, value in config.items():
        if key in used_keys or key in KEYS_WITHOUT_EFFECT:
            continue
        if key not in required_values:
            raise ValueError(
                f"Expected known settings in {path / FILE}, got {key}={describe(value)}, which may "
                "change ids. Remove it if it does not, or save a tokenizer.json with transformers."
            )
        if not any(
            value is x or (value == x and type(value) is type(x)) for x in required_values[key]
        ):
            valid = " or ".join(map(repr, required_values[key]))
            raise ValueError(
                f"Expected {key} {valid} in {path / FILE}, got {describe(value)}. Save a "
                "tokenizer.json with transformers, which can have it."
            )


def name_function(function: Callable[..., Any] | None) -> str | None:
    """Return the name of a function, such as ``jieba.lcut``; None for None."""
    if function is None:
        return None
    name = getattr(function, "__qualname__", type(function).__qualname__)
    module = getattr(function, "__module__", None) or type(function).__module__
    return f"{module}.{name}"


def write_tokenizer_config(folder: Path, settings: Mapping[str, Any], **config: Any) -> None:
    """Write ``tokenizer_config.json``.

    Args:
        folder: the folder.
        settings: our own settings.
        **config: keys that ``transformers`` reads.
    """
    text = json.dumps(config | {OUR_KEY: dict(settings)}, indent=2)
    (folder / FILE).write_text(f"{text}\n", encoding="utf-8")


def check_pre_tokenize(name: Any, function: Callable[..., Any] | None, path: Path) -> None:
    """Raise a ValueError if a tokenizer was saved with a function that is not given."""
    if name is not None and function is None:
        raise ValueError(
            f"Expected pre_tokenize, as the tokenizer in {path} was saved with the function "
            f"{name}, got None. Pass that function: load_tokenizer(folder, pre_tokenize=...)."
        )
