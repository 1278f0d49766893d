"""Folders of WordPiece and SentencePiece tokenizers: settings to arguments, or an error by name."""

import re
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from bert4keras.checks import describe
from bert4keras.tokenizers.base import TokenizerBase
from bert4keras.tokenizers.huggingface import HuggingFaceTokenizer
from bert4keras.tokenizers.huggingface_config import build_byte_level_bpe, read_templates_of_folder
from bert4keras.tokenizers.sentencepiece import SpTokenizer
from bert4keras.tokenizers.tokenizer_config import (
    FILE,
    OUR_KEY,
    TOKEN_KEYS,
    check_keys,
    flatten_tokens,
    list_added_tokens,
    list_special_tokens,
    read_json,
)
from bert4keras.tokenizers.vocab import load_vocab
from bert4keras.tokenizers.wordpiece import Tokenizer

_SETTINGS = {  # of every tokenizer, and the types that a file has for them
    "token_start": str | None,
    "token_end": str | None,
    "token_translate": dict,
    "split_special_tokens": bool,
}
_WORDPIECE_SETTINGS = _SETTINGS | {"do_lower_case": bool, "word_maxlen": int}
_WORDPIECE_CLASSES = (
    *("None", "BertTokenizer", "DistilBertTokenizer", "ElectraTokenizer", "MobileBertTokenizer"),
    "RetriBertTokenizer",
)
_ADDED = ("additional_special_tokens", "extra_special_tokens", "added_tokens_decoder")
_WORDPIECE_VALUES = {
    "tokenize_chinese_chars": (True, None),
    "never_split": (None, []),
    "do_basic_tokenize": (True,),
    "do_subword_tokenize": (True,),
    "do_word_tokenize": (True,),
    "wordpieces_prefix": ("##",),
    "clean_text": (True,),
    "unk_token": ("[UNK]",),
    "pad_token": ("[PAD]",),
    "mask_token": ("[MASK]",),
    "bos_token": (None, "[CLS]"),
    "eos_token": (None, "[SEP]"),
}
# class: the keys of start and end token with their defaults, and settings with one value
_T5 = (("", None), ("eos_token", "</s>"), {"extra_ids": (0,)})
_SENTENCEPIECE_CLASSES: dict[str, tuple[Any, Any, dict[str, tuple[Any, ...]]]] = {
    "T5Tokenizer": _T5,
    "MT5Tokenizer": _T5,
    "AlbertTokenizer": (
        ("cls_token", "[CLS]"),
        ("sep_token", "[SEP]"),
        {"do_lower_case": (False,), "keep_accents": (True,)},  # what Python does before the model
    ),
    "LlamaTokenizer": (
        ("bos_token", "<s>"),
        ("eos_token", "</s>"),
        {"legacy": (True, False, None)},
    ),
}
_WITHOUT_END = ("LlamaTokenizer",)
_SENTENCEPIECE_VALUES = {
    "sp_model_kwargs": (None, {}),
    "remove_space": (True,),
    "use_default_system_prompt": (True, False),
    "add_prefix_space": (True, None),
}
_UPPER_CASE = re.compile(r"(##)?[a-z]*[A-Z][A-Za-z]*")


def open_saved_wordpiece(file: Path, config: Mapping[str, Any], settings: Any, pre_tokenize: Any):
    """Open a ``Tokenizer`` that ``save`` wrote."""
    arguments = _read_settings(file.parent, settings, _WORDPIECE_SETTINGS)
    if config.get("do_lower_case") != arguments["do_lower_case"]:
        raise ValueError(
            f"Expected one value of do_lower_case in {file.parent / FILE}, got "
            f"{config.get('do_lower_case')} and {arguments['do_lower_case']}. Correct one of them."
        )
    return Tokenizer(file, pre_tokenize=pre_tokenize, **arguments)


def open_saved_sentencepiece(
    file: Path, config: Mapping[str, Any], settings: Any, pre_tokenize: Any
):
    """Open an ``SpTokenizer`` that ``save`` wrote."""
    arguments = _read_settings(file.parent, settings, _SETTINGS)
    return SpTokenizer(file, pre_tokenize=pre_tokenize, **arguments)


def _read_settings(folder: Path, settings: Mapping[str, Any], types: Mapping[str, Any]):
    """Return the settings of ``save``; raise unless all are there, each of its type."""
    arguments = {
        key: value for key, value in settings.items() if key not in ("class", "pre_tokenize")
    }
    if arguments.keys() != types.keys():
        raise ValueError(
            f"Expected the settings {', '.join(types)} of {OUR_KEY} in {folder / FILE}, got "
            f"{', '.join(arguments)}. Update the library, or save the tokenizer again."
        )
    for key, value in arguments.items():
        if not isinstance(value, types[key]) or (types[key] is int and isinstance(value, bool)):
            raise ValueError(
                f"Expected a valid {key} of {OUR_KEY} in {folder / FILE}, got {describe(value)}. "
                "Save the tokenizer again."
            )
    return arguments


def open_wordpiece(file: Path, config: Mapping[str, Any], pre_tokenize: Any) -> Tokenizer:
    """Open a ``vocab.txt`` with the settings that ``transformers`` reads.

    Without ``do_lower_case`` texts are in lower case, as in ``transformers``; a vocabulary with
    words in upper case then needs the setting.
    """
    folder = file.parent
    config = flatten_tokens(config, folder)
    _check_class(config, folder, _WORDPIECE_CLASSES)
    lower_case = _read_boolean(config, "do_lower_case", None, folder)
    is_uncased = lower_case is None or lower_case
    check_keys(
        config,
        folder,
        used_keys={"do_lower_case", "cls_token", "sep_token", "split_special_tokens", *_ADDED},
        required_values=_WORDPIECE_VALUES | {"strip_accents": (None, is_uncased)},
    )
    tokenizer = Tokenizer(
        file,
        do_lower_case=is_uncased,
        token_start=config.get("cls_token", "[CLS]"),
        token_end=config.get("sep_token", "[SEP]"),
        split_special_tokens=_read_boolean(config, "split_special_tokens", True, folder),
        pre_tokenize=pre_tokenize,
    )
    _check_added_tokens(config, folder, tokenizer)
    if lower_case is None:
        _check_uncased(file)
    return tokenizer


def open_sentencepiece(file: Path, config: Mapping[str, Any], pre_tokenize: Any) -> SpTokenizer:
    """Open a SentencePiece model with the special tokens of its class in ``transformers``."""
    folder = file.parent
    config = flatten_tokens(config, folder)
    class_name = _check_class(config, folder, _SENTENCEPIECE_CLASSES)
    start_key, end_key, values = _SENTENCEPIECE_CLASSES[class_name]
    token_start, token_end = config.get(*start_key), config.get(*end_key)
    if not _read_boolean(config, "add_bos_token", token_start is not None, folder):
        token_start = None
    if not _read_boolean(config, "add_eos_token", class_name not in _WITHOUT_END, folder):
        token_end = None
    check_keys(
        config,
        folder,
        used_keys={"add_bos_token", "add_eos_token", "split_special_tokens", *TOKEN_KEYS, *_ADDED},
        required_values=_SENTENCEPIECE_VALUES | values,
    )
    missing = [key for key, value in values.items() if key not in config and None not in value]
    if missing:
        raise ValueError(
            f"Expected {missing[0]} {values[missing[0]][0]} in {folder / FILE}, got none, which "
            f"means another value to {class_name}. Write it there if it is so."
        )
    tokenizer = SpTokenizer(
        file,
        token_start=token_start,
        token_end=token_end,
        split_special_tokens=_read_boolean(config, "split_special_tokens", True, folder),
        pre_tokenize=pre_tokenize,
    )
    tokens = {"unk_token": tokenizer._token_unk, "pad_token": tokenizer._token_pad}
    tokens |= {"mask_token": tokenizer._token_mask}
    check_keys(
        {key: config[key] for key in tokens if config.get(key) is not None},
        folder,
        used_keys=(),
        required_values={key: (token,) for key, token in tokens.items()},
    )
    _check_added_tokens(config, folder, tokenizer)
    return tokenizer


def open_huggingface(file: Path, config: Mapping[str, Any], pre_tokenize: Any):
    """Open a ``tokenizer.json``, with the chat templates that have files of their own."""
    if pre_tokenize is not None:
        raise ValueError(
            f"Expected pre_tokenize None, as {file} has its own pre-tokenizer, got "
            f"{describe(pre_tokenize)}. Remove it."
        )
    return HuggingFaceTokenizer(file, _read_settings_of_transformers(file.parent, config))


def open_saved_huggingface(file: Path, config: Mapping[str, Any], settings: Any, pre_tokenize: Any):
    """Open a ``HuggingFaceTokenizer`` that ``save`` wrote."""
    _read_settings(file.parent, settings, {})
    templates = read_templates_of_folder(file.parent)
    if templates not in (None, config.get("chat_template")):
        raise ValueError(
            f"Expected the chat template of {file.parent / FILE} alone, got another one in "
            "chat_template.jinja or additional_chat_templates. Remove one of them."
        )
    return open_huggingface(file, config, pre_tokenize)


def open_gpt2(file: Path, config: Mapping[str, Any], pre_tokenize: Any) -> HuggingFaceTokenizer:
    """Open the ``vocab.json`` and ``merges.txt`` of a GPT-2."""
    merges = file.parent / "merges.txt"
    if not merges.is_file():
        raise FileNotFoundError(
            f"No merges.txt next to {file}. A byte-level BPE needs both; put it there."
        )
    _check_class(config, file.parent, ("None", "GPT2Tokenizer"))
    config = _read_settings_of_transformers(file.parent, config)
    defaults = dict.fromkeys(("bos_token", "eos_token", "unk_token"), "<|endoftext|>")
    add_prefix_space = _read_boolean(config, "add_prefix_space", False, file.parent)
    tokenizer = build_byte_level_bpe(file, merges, add_prefix_space)
    return HuggingFaceTokenizer(tokenizer, defaults | config)


def _read_settings_of_transformers(folder: Path, config: Mapping[str, Any]) -> dict[str, Any]:
    """Return settings without our own, with the chat templates of other files."""
    templates = read_templates_of_folder(folder)
    config = {key: value for key, value in config.items() if key != OUR_KEY}
    return config | ({"chat_template": templates} if templates else {})


def _check_class(config: Mapping[str, Any], folder: Path, classes: Collection[str]) -> str:
    """Return the class of ``transformers``; raise for one that makes other ids."""
    class_name = str(config.get("tokenizer_class")).removesuffix("Fast")
    if class_name not in classes:
        valid = ", ".join(name for name in classes if name != "None")
        raise ValueError(
            f"Expected a tokenizer_class among {valid} in {folder / FILE}, got {class_name}. Save "
            "a tokenizer.json with transformers, or create Tokenizer or SpTokenizer yourself."
        )
    return class_name


def _read_boolean(config: Mapping[str, Any], key: str, default: Any, folder: Path) -> Any:
    value = config.get(key)
    if not isinstance(value, bool | None):
        raise ValueError(
            f"Expected {key} true or false in {folder / FILE}, got {describe(value)}. Correct it."
        )
    return default if value is None else value


def _check_added_tokens(config: Mapping[str, Any], folder: Path, tokenizer: TokenizerBase) -> None:
    """Raise a ValueError for tokens of a folder that are not in the vocabulary."""
    tokens: dict[Any, Any] = {}
    for key in ("additional_special_tokens", "extra_special_tokens"):
        tokens |= dict.fromkeys(map(_read_content, list_special_tokens(config, key)))
    tokens |= {_read_content(token): i for i, token in list_added_tokens(config).items()}
    path = folder / "added_tokens.json"
    tokens |= read_json(path) if path.is_file() else {}
    for token, i in tokens.items():
        token_id = tokenizer.token_to_id(str(token))
        if tokenizer.id_to_token(token_id) != token or i not in (None, token_id):
            raise ValueError(
                f"Expected added tokens of {folder} to be tokens of its vocabulary, got {token!r}. "
                "Save a tokenizer.json with transformers, which has them."
            )


def _read_content(token: Any) -> str:
    return str(token.get("content") if isinstance(token, dict) else token)


def _check_uncased(file: Path) -> None:
    """Raise a ValueError for a vocabulary with upper case, if no setting tells the case."""
    token = next((token for token in load_vocab(file) if _UPPER_CASE.fullmatch(token)), None)
    if token is not None:
        raise ValueError(
            f"Expected do_lower_case in {file.parent / FILE}, as {file} has tokens in upper case "
            f'such as {token!r}, got none. Write {{"do_lower_case": false}} there.'
        )
