"""Configurations: Google's and Hugging Face's keys, and arguments checked by name."""

import difflib
import inspect
import json
import warnings
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
OPTIONAL = ("dropout_rate", "attention_dropout_rate", "embedding_size", "pad_token_id")
ACTIVATIONS = {  # Hugging Face's names of activations
    "gelu": "gelu_erf",
    "gelu_python": "gelu_erf",
    "gelu_new": "gelu_tanh",
    "gelu_fast": "gelu_tanh",
    "gelu_pytorch_tanh": "gelu_tanh",
}
FILES = ("config.json", "bert_config.json", "albert_config.json", "*config*.json")


def read_config(source):
    """A configuration as it is written.

    Args:
        source: path of a JSON file in Google's or Hugging Face's keys, of a folder that holds one,
            a dict of such keys, or None.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: the file is not a JSON object.
    """
    if source is None:
        return {}
    return dict(source) if isinstance(source, Mapping) else _read(_found(Path(source)))


def arguments_of(config, keys, defaults):
    """The settings of a configuration under the names of arguments.

    Args:
        config: settings as they are written.
        keys: argument -> its key in the family's configurations, where they differ.
        defaults: settings that a configuration of ``transformers`` may leave out.
    """
    config = dict(config)
    for argument, key in [*keys.items(), *((a, key) for key, a in ARGUMENTS.items())]:
        if key in config:
            config.setdefault(argument, config[key])
    if "model_type" in config:  # as transformers writes it, and with its names of activations
        activation = config.get("hidden_act")
        if isinstance(activation, str):
            config["hidden_act"] = ACTIVATIONS.get(activation, activation)
        config = {**defaults, **config}
    return config


def written_keys(model):
    """The settings of a model under the keys that a configuration of its family has."""
    keys = {argument: key for key, argument in ARGUMENTS.items()} | model.keys
    settings = {name: getattr(model, name) for name in (*REQUIRED, *OPTIONAL, *model.keys)}
    names = {"gelu_erf": "gelu", "gelu_tanh": "gelu_new", "swish": "silu"}
    if model.hugging_face is None:  # read by ourselves alone
        settings["hidden_act"] = _written(model.hidden_act, {})
        for name in ("attention_head_size", "attention_key_size", "layer_norm_eps"):
            settings[name] = getattr(model, name)
    else:
        settings["hidden_act"] = _written(model.hidden_act, names)
        settings["tie_word_embeddings"] = model.tie_word_embeddings
        settings["layer_norm_eps"] = model.layer_norm_eps or model.epsilon or 1e-12
    return {keys.get(name, name): value for name, value in settings.items()}


def _written(activation, names):
    """An activation or a list of them by name, where they have another one in ``names`` by that."""
    if isinstance(activation, list | tuple):
        return [_written(one, names) for one in activation]
    name = backend.activation_config(backend.get_activation(activation))
    return names.get(name, name)


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


def check_computable(family, config):
    """Raise a ValueError for a setting whose value a family cannot compute."""
    for key, value in family.computable.items():
        if config.get(key, value) != value:
            raise ValueError(
                f"{family.__name__} can compute {key}={value!r} alone, the configuration says "
                f"{config[key]!r}: another model. Take a checkpoint that was trained so."
            )


def parameters(cls, method):
    """Names of the parameters that a method takes, those passed on to base classes included."""
    names = []
    for base in cls.__mro__:
        if method in vars(base):
            found = inspect.signature(vars(base)[method]).parameters.values()
            names += [p.name for p in found if p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY)]
    return [name for name in dict.fromkeys(names) if name != "self"]


def check_arguments(given, known, family):
    """Raise a TypeError for an argument that a model does not take, with the nearest it does."""
    known = [name for name in known if name not in family.refused]
    for name in given:
        if name not in known and name not in family.refused:
            nearest = [ARGUMENTS.get(name)] if name in ARGUMENTS else None
            nearest = nearest or difflib.get_close_matches(name, known, 1)
            hint = f"Did you mean {nearest[0]!r}?" if nearest else f"It takes: {', '.join(known)}."
            raise TypeError(f"{family.__name__} takes no argument {name!r}. {hint}")


def check_refused(family, given, application):
    """Raise a ValueError for a head or an application that a family does not have.

    Args:
        given: arguments; a refused one may be False or None.
        application: name of an application, in any case.
    """
    useless = (*family.refused, *family.ignored)
    for name in useless:
        if name in family.ignored and given.get(name):
            warnings.warn(
                f"{family.__name__} ignores {name}={given[name]!r}: it has no such head",
                stacklevel=3,
            )
        elif given.get(name) is not None and given[name] is not False:
            heads = [x for x in parameters(family, "__init__") if x.startswith(("with_", "final_"))]
            heads = [x for x in heads if x not in useless]
            raise ValueError(
                f"{family.__name__} has no {name}, got {given[name]!r}. It can be built with: "
                f"{', '.join(heads) or 'no head'}."
            )
    if application.lower() not in family.applications:
        raise ValueError(
            f"{family.__name__} cannot be used as application={application!r}. It can be: "
            f"{', '.join(family.applications)}."
        )
