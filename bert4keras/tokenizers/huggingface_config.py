"""Settings of ``tokenizer_config.json`` next to a ``tokenizer.json``: put in place, or refused."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from bert4keras.checks import describe
from bert4keras.tokenizers.inputs import check_path
from bert4keras.tokenizers.tokenizer_config import (
    FILE,
    OUR_KEY,
    TOKEN_KEYS,
    check_keys,
    list_added_tokens,
    list_special_tokens,
)

_LARGEST_FILE = 256 << 20  # bytes; those of large vocabularies have 40 MiB
_LARGEST_TEMPLATE = 4 << 20  # bytes
_BOOLEANS = ("add_bos_token", "add_eos_token", "split_special_tokens")
_LISTS = ("additional_special_tokens", "extra_special_tokens")
_PIPELINE = ("do_lower_case", "strip_accents", "tokenize_chinese_chars", "add_prefix_space")
_IN_THE_FILE = {  # tokenizer.json has what these say to the classes that make such a file
    *("legacy", "use_default_system_prompt", "sp_model_kwargs", "keep_accents", "remove_space"),
    *("trim_offsets", "errors", "extra_ids", "clean_text", "do_basic_tokenize", "do_word_tokenize"),
    *("do_subword_tokenize", "wordpieces_prefix", "split_by_punct", "vocab_type", "vocab_size"),
    *("add_dummy_prefix_space", "unk_id", "bos_id", "eos_id", "spm_precompiled_charsmap"),
}


def read_tokenizer(tokenizer: Any) -> Any:
    """Return a copy of a tokenizer of ``tokenizers``, or read its file; without truncation."""
    from tokenizers import Tokenizer  # here, so that importing stays quick

    if isinstance(tokenizer, Tokenizer):
        tokenizer = Tokenizer.from_str(tokenizer.to_str())
    else:
        tokenizer = _read_file(Path(check_path("tokenizer", tokenizer)))
    tokenizer.no_truncation()  # arguments of encode and encode_batch
    tokenizer.no_padding()
    return tokenizer


def _read_file(path: Path) -> Any:
    from tokenizers import Tokenizer

    if not path.is_file():
        raise FileNotFoundError(
            f"No tokenizer.json at {path}. It comes with the checkpoint; transformers writes it."
        )
    size = path.stat().st_size
    if size > _LARGEST_FILE:
        raise ValueError(
            f"Expected a tokenizer.json of at most {_LARGEST_FILE >> 20} MiB, got {path} of "
            f"{size >> 20} MiB. Download it again."
        )
    try:
        text = path.read_text(encoding="utf-8")
        return Tokenizer.from_str(text)
    except (KeyboardInterrupt, SystemExit, MemoryError):
        raise
    except BaseException as error:  # a panic of the library is no Exception
        raise ValueError(
            f"Expected a tokenizer.json in {path}, got {_explain(path, error)}. Download it again, "
            "or update the package tokenizers."
        ) from None


def _explain(path: Path, error: BaseException) -> str:
    """Return the kind of a file that the library refuses, or its error."""
    try:
        model = json.loads(path.read_bytes())["model"]
        kind = model.get("type", "no type")
    except (ValueError, RecursionError, KeyError, TypeError, AttributeError):
        return str(error)
    is_known = kind in ("BPE", "Unigram", "WordPiece", "WordLevel")
    return str(error) if is_known else f"a model of the type {kind!r}"


def apply_config(tokenizer: Any, config: Mapping[str, Any]) -> dict[str, str]:
    """Put the settings of ``tokenizer_config.json`` in place, as ``transformers`` does.

    Args:
        tokenizer: a tokenizer of ``tokenizers``, which changes.
        config: the settings.

    Returns:
        The named special tokens: ``{"eos_token": "</s>", ...}``.

    Raises:
        ValueError: a setting would change ids and is not supported.
    """
    folder = Path()
    used_keys = {*TOKEN_KEYS, *_BOOLEANS, *_LISTS, *_PIPELINE, "added_tokens_decoder", OUR_KEY}
    more_tokens = {key for key in config if key.endswith("_token")} - set(_BOOLEANS)
    _check_booleans(config)
    check_keys(
        config,
        folder,
        used_keys=used_keys | more_tokens | _IN_THE_FILE,
        required_values={"never_split": (None, [])},
    )
    _check_pipeline(tokenizer, config)
    named_tokens = {key: read_content(key, config[key]) for key in TOKEN_KEYS if config.get(key)}
    _add_tokens(tokenizer, config, [*TOKEN_KEYS, *sorted(more_tokens - set(TOKEN_KEYS))])
    if config.get("split_special_tokens"):
        tokenizer.encode_special_tokens = True
    if any(config.get(key) is not None for key in ("add_bos_token", "add_eos_token")):
        _put_bos_and_eos(tokenizer, config, named_tokens)
    return named_tokens


def read_content(key: str, token: Any) -> str:
    """Return the text of a token, which a file has as a string or as a dict."""
    content = token.get("content") if isinstance(token, Mapping) else token
    if not isinstance(content, str) or not content:
        raise ValueError(
            f"Expected {key} in {FILE} to be a token, got {describe(token)}. Write a string."
        )
    return content


def _check_booleans(config: Mapping[str, Any]) -> None:
    for key in (*_BOOLEANS, *_PIPELINE):
        if not isinstance(config.get(key), bool | None):
            raise ValueError(
                f"Expected {key} in {FILE} to be true or false, got {describe(config[key])}. "
                "Correct it."
            )


def _check_pipeline(tokenizer: Any, config: Mapping[str, Any]) -> None:
    """Raise a ValueError for a setting that tokenizer.json has in another way."""
    steps = [*_list_steps(tokenizer.normalizer), *_list_steps(tokenizer.pre_tokenizer)]
    values: dict[str, Any] = {
        "do_lower_case": any(x["type"] == "Lowercase" or x.get("lowercase") for x in steps),
        "strip_accents": any(_strips_accents(x) for x in steps),
        "tokenize_chinese_chars": any(x.get("handle_chinese_chars") for x in steps),
        "add_prefix_space": any(_adds_space(x) for x in steps),
    }
    for key, value in values.items():
        if config.get(key) is not None and config[key] != value:
            raise ValueError(
                f"Expected {key} {value} in {FILE}, as tokenizer.json has it, got {config[key]}. "
                "Correct one of the files."
            )


def _list_steps(component: Any) -> list[dict[str, Any]]:
    """Return the settings of a normalizer or pre-tokenizer, those of a sequence one by one."""
    if component is None:
        return []
    return _flatten(json.loads(component.__getstate__()))


def _flatten(step: dict[str, Any]) -> list[dict[str, Any]]:
    parts = [*step.get("normalizers", ()), *step.get("pretokenizers", ())]
    return [inner for part in parts for inner in _flatten(part)] if parts else [step]


def _strips_accents(step: Mapping[str, Any]) -> bool:
    default = step.get("lowercase", False)
    value = step.get("strip_accents")
    return step["type"] == "StripAccents" or bool(default if value is None else value)


def _adds_space(step: Mapping[str, Any]) -> bool:
    scheme = step.get("prepend_scheme")
    return bool(step.get("add_prefix_space")) or scheme in ("always", "first") or "prepend" in step


def _add_tokens(tokenizer: Any, config: Mapping[str, Any], keys: list[str]) -> None:
    """Add the tokens of the settings that tokenizer.json does not have as added tokens."""
    known_tokens = {x.content for x in tokenizer.get_added_tokens_decoder().values()}
    for i, value in sorted(list_added_tokens(config).items()):
        token = _make_token(f"added_tokens_decoder[{i}]", value)
        if token.content not in known_tokens:
            tokenizer.add_tokens([token])
            known_tokens.add(token.content)
        if tokenizer.token_to_id(token.content) != i:
            raise ValueError(
                f"Expected the id {i} of the added token {token.content!r} in {FILE}, got "
                f"{tokenizer.token_to_id(token.content)} from tokenizer.json. Correct one of them."
            )
    for key in keys:
        if config.get(key):
            _add_special_token(tokenizer, key, config[key], known_tokens)
    for key in _LISTS:
        for value in list_special_tokens(config, key):
            _add_special_token(tokenizer, key, value, known_tokens)


def _add_special_token(tokenizer: Any, key: str, value: Any, known_tokens: set[str]) -> None:
    token = _make_token(key, value)
    token.special = True
    if token.content not in known_tokens:
        tokenizer.add_tokens([token])
        known_tokens.add(token.content)


def _make_token(key: str, value: Any) -> Any:
    """Return a token of ``tokenizers`` with the flags of a file."""
    from tokenizers import AddedToken

    flags = dict(value) if isinstance(value, Mapping) else {"special": True}
    known_flags = ("special", "single_word", "lstrip", "rstrip", "normalized")
    values = {flag: bool(flags[flag]) for flag in known_flags if flag in flags}
    return AddedToken(read_content(key, value), **values)


def find_unknown_token(tokenizer: Any) -> str | None:
    """Return the unknown token of the model in a ``tokenizer.json``; None if it has none."""
    model = tokenizer.model
    if hasattr(model, "unk_token"):
        return model.unk_token
    try:  # a Unigram does not tell it, but gives its id to a character that no text has
        (token,) = model.tokenize("\U0010fffd")
    except Exception:  # no unknown token, or bytes in its place
        return None
    return tokenizer.id_to_token(token.id)


def _put_bos_and_eos(
    tokenizer: Any, config: Mapping[str, Any], named_tokens: Mapping[str, str]
) -> None:
    """Replace the post-processor by the begin and end tokens that the settings ask for."""
    from tokenizers.processors import TemplateProcessing

    bos, eos = (
        named_tokens.get(f"{name}_token") if config.get(f"add_{name}_token") else None
        for name in ("bos", "eos")
    )
    start, end = [f"{bos}:0"] if bos else [], [f"{eos}:0"] if eos else []
    second_start, second_end = [f"{bos}:1"] if bos else [], [f"{eos}:1"] if eos else []
    single = [*start, "$A:0", *end]
    tokenizer.post_processor = TemplateProcessing(
        single=single,
        pair=[*single, *second_start, "$B:1", *second_end],
        special_tokens=[(token, tokenizer.token_to_id(token)) for token in {bos, eos} if token],
    )


def build_byte_level_bpe(vocabulary: Path, merges: Path, add_prefix_space: bool) -> Any:
    """Build the tokenizer of GPT-2 from its two files."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors

    for path in (vocabulary, merges):
        if path.stat().st_size > _LARGEST_FILE:
            raise ValueError(
                f"Expected {path} to have at most {_LARGEST_FILE >> 20} MiB, got "
                f"{path.stat().st_size >> 20} MiB. Download it again."
            )
    try:
        tokenizer = Tokenizer(models.BPE.from_file(str(vocabulary), str(merges)))
    except Exception as error:
        raise ValueError(
            f"Expected a vocabulary in {vocabulary} and its merges in {merges}, got {error}. "
            "Download them again."
        ) from None
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=add_prefix_space)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.post_processor = processors.ByteLevel(trim_offsets=False)
    return tokenizer


def read_templates_of_folder(folder: Path) -> Any:
    """Return the chat templates that are files of a folder: one, a dict of several, or None."""
    templates = {}
    if (folder / "chat_template.jinja").is_file():
        templates["default"] = _read_template(folder / "chat_template.jinja")
    for path in sorted((folder / "additional_chat_templates").glob("*.jinja")):
        templates[path.stem] = _read_template(path)
    return templates["default"] if list(templates) == ["default"] else templates or None


def _read_template(path: Path) -> str:
    size = path.stat().st_size
    if size > _LARGEST_TEMPLATE:
        raise ValueError(
            f"Expected a chat template of at most {_LARGEST_TEMPLATE >> 20} MiB, got {path} of "
            f"{size >> 20} MiB. Download it again."
        )
    return path.read_text(encoding="utf-8")


def list_templates(config: Mapping[str, Any]) -> dict[str, str]:
    """Return the chat templates of the settings by name; a single one is ``default``."""
    templates = config.get("chat_template")
    if templates is None:
        return {}
    if isinstance(templates, str):
        return {"default": templates}
    if isinstance(templates, list):
        templates = {row["name"]: row["template"] for row in templates if isinstance(row, Mapping)}
    if not isinstance(templates, Mapping) or not all(
        isinstance(x, str) for x in templates.values()
    ):
        raise ValueError(
            f"Expected chat_template in {FILE} to be a template, or a list of names and templates, "
            f"got {describe(config['chat_template'])}. Correct it."
        )
    return dict(templates)
