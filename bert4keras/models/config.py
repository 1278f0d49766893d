"""Configurations: Google's and Hugging Face's keys, and arguments checked by name."""

import difflib
import inspect
import json
from collections.abc import Mapping
from pathlib import Path

from bert4keras import backend

ARGUMENTS = {  # keys of config.json that have another name as arguments
    "hidden_dropout_prob": "dropout_rate",
    "attention_probs_dropout_prob": "attention_dropout_rate",
    "max_position_embeddings": "max_position",
    "type_vocab_size": "segment_vocab_size",
}
REQUIRED = (
    "vocab_size",
    "hidden_size",
    "num_hidden_layers",
    "num_attention_heads",
    "intermediate_size",
    "hidden_act",
)
ACTIVATIONS = {  # Hugging Face's names of activations
    "gelu": "gelu_erf",
    "gelu_python": "gelu_erf",
    "gelu_new": "gelu_tanh",
    "gelu_fast": "gelu_tanh",
    "gelu_pytorch_tanh": "gelu_tanh",
}
FILES = ("config.json", "bert_config.json", "albert_config.json", "*config*.json")


def read_config(source):
    """The arguments that a configuration gives, under the names of arguments.

    Args:
        source: path of a JSON file in Google's or Hugging Face's keys, of a folder that holds one,
            a dict of such keys, or None.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: the file is not a JSON object.
    """
    if source is None:
        return {}
    config = dict(source) if isinstance(source, Mapping) else _read(_found(Path(source)))
    if "model_type" in config and config.get("hidden_act") in ACTIVATIONS:
        config["hidden_act"] = ACTIVATIONS[config["hidden_act"]]
    for key, argument in ARGUMENTS.items():
        if key in config:
            config.setdefault(argument, config[key])
    return config


def hugging_face_keys(model):
    """The settings of a model under the keys that encoders have in ``transformers``."""
    activation = backend.activation_config(backend.get_activation(model.hidden_act))
    names = {"gelu_erf": "gelu", "gelu_tanh": "gelu_new", "swish": "silu"}
    return {
        "vocab_size": model.vocab_size,
        "hidden_size": model.hidden_size,
        "num_hidden_layers": model.num_hidden_layers,
        "num_attention_heads": model.num_attention_heads,
        "intermediate_size": model.intermediate_size,
        "hidden_act": names.get(activation, activation),
        "hidden_dropout_prob": model.dropout_rate,
        "attention_probs_dropout_prob": model.attention_dropout_rate,
        "max_position_embeddings": model.max_position,
        "type_vocab_size": model.segment_vocab_size,
        "pad_token_id": model.pad_token_id,
        "tie_word_embeddings": True,
    }


def _found(path):
    if not path.is_dir():
        return path
    for pattern in FILES:
        for file in sorted(path.glob(pattern)):
            return file
    raise FileNotFoundError(f"No configuration in the folder {path}: looked for {', '.join(FILES)}")


def _read(path):
    if not path.is_file():
        raise FileNotFoundError(
            f"No configuration at {path}. It is the config.json or bert_config.json that comes "
            "with the checkpoint."
        )
    try:
        config = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ValueError(f"{path} is not JSON: {error}") from error
    if not isinstance(config, dict):
        raise ValueError(
            f"{path} must hold a JSON object of settings, got a {type(config).__name__}"
        )
    return config


def check_complete(config, source):
    """Raise a ValueError that names the needed settings a configuration lacks."""
    missing = [key for key in REQUIRED if config.get(key) is None]
    if missing:
        raise ValueError(
            f"The configuration {source if isinstance(source, str | Path) else ''} lacks "
            f"{', '.join(missing)}. Take the config.json that comes with the checkpoint, or give "
            "them as arguments."
        )
    heads, size = config["num_attention_heads"], config["hidden_size"]
    if size % heads and not config.get("attention_head_size"):
        raise ValueError(
            f"hidden_size must be a multiple of num_attention_heads, got {size} and {heads}. "
            "Correct the configuration, or give attention_head_size."
        )


def parameters(cls, method):
    """Names of the parameters that a method takes, those passed on to base classes included."""
    names = []
    for base in cls.__mro__:
        if method in vars(base):
            found = inspect.signature(vars(base)[method]).parameters.values()
            names += [p.name for p in found if p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY)]
    return [name for name in dict.fromkeys(names) if name != "self"]


def check_arguments(given, known, model):
    """Raise a TypeError for an argument that a model does not take, with the nearest it does."""
    for name in given:
        if name not in known:
            nearest = [ARGUMENTS.get(name)] if name in ARGUMENTS else None
            nearest = nearest or difflib.get_close_matches(name, known, 1)
            hint = f"Did you mean {nearest[0]!r}?" if nearest else f"It takes: {', '.join(known)}."
            raise TypeError(f"{model} takes no argument {name!r}. {hint}")
