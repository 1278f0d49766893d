"""Configurations in Google's and Hugging Face's keys, and checks of arguments."""

import difflib
import inspect
import json
import warnings
from collections.abc import Iterable, Mapping
from os import PathLike
from pathlib import Path
from typing import Any

from bert4keras import backend
from bert4keras.backend.types import StrPath
from bert4keras.checks import describe
from bert4keras.models.config_keys import ARGUMENTS, REQUIRED
from bert4keras.models.settings import HF_ACTIVATIONS
from bert4keras.models.specs import ConfigSpec

_OPTIONAL = ("dropout_rate", "attention_dropout_rate", "embedding_size", "pad_token_id")
_LARGEST_FILE = 10**8  # bytes
_FILES = ("config.json", "bert_config.json", "albert_config.json", "*config*.json")
_OTHER_FILES = ("tokenizer_config.json", "generation_config.json")  # of no model


def read_config(source: StrPath | Mapping[str, Any] | None) -> dict[str, Any]:
    """Read a configuration as it is.

    Args:
        source: path of a JSON file in Google's or Hugging Face's keys, of a folder that holds one,
            a dict of such keys, or None.

    Raises:
        FileNotFoundError: there is no such file.
        TypeError: ``source`` is no path and no dict.
        ValueError: the file is not a JSON object, or names a setting twice.
    """
    if source is None:
        return {}
    if isinstance(source, Mapping):
        return dict(source)
    if not isinstance(source, str | PathLike):
        raise TypeError(
            f"Expected config_path to be a path or a dict of settings, got {describe(source)}."
        )
    return _read_json(_find_config(Path(source)))


def describe_source(source: Any) -> str:
    """Return " in " and the file of a configuration; nothing for a dict."""
    return f" in {_find_config(Path(source))}" if isinstance(source, str | PathLike) else ""


def translate_keys(config: Mapping[str, Any], spec: ConfigSpec) -> dict[str, Any]:
    """Return the settings of a configuration under the names of arguments.

    Args:
        config: settings as a file has them.
        spec: the family's; its defaults count for configurations of ``transformers``.

    Raises:
        ValueError: two keys that mean one setting have different values.
    """
    is_hugging_face = "model_type" in config  # else "gelu" is what ``set_gelu`` says
    config = dict(config)
    for argument, key in [*spec.keys.items(), *((a, key) for key, a in ARGUMENTS.items())]:
        if key not in config or key == argument:
            continue
        value, other_value = config[key], config.get(argument)
        if None not in (value, other_value) and value != other_value:
            raise ValueError(
                f"The configuration says {key}={value!r} and {argument}={other_value!r}, which "
                "mean one setting. Remove the wrong one."
            )
        config[argument] = value if other_value is None else other_value
    activation = config.get("hidden_act")
    if isinstance(activation, str) and (is_hugging_face or activation != "gelu"):
        config["hidden_act"] = translate_activation(activation)
    return {**spec.defaults, **config} if is_hugging_face else config


def translate_activation(activation: Any) -> Any:
    """Return an activation under our name, from that of ``transformers``; functions as they are."""
    return HF_ACTIVATIONS.get(activation, activation) if isinstance(activation, str) else activation


def export_settings(model: Any) -> dict[str, Any]:
    """Return the settings of a model under the keys of its family's configurations.

    Args:
        model: a ``Transformer``.
    """
    spec_keys = model.config_spec.keys
    keys = {argument: key for key, argument in ARGUMENTS.items()} | dict(spec_keys)
    settings = {name: getattr(model, name) for name in (*REQUIRED, *_OPTIONAL, *spec_keys)}
    if model.checkpoint_spec.hugging_face is None:  # a folder of our own
        settings["hidden_act"] = _activation_name(model.hidden_act, {})
        for name in ("attention_head_size", "attention_key_size", "layer_norm_eps"):
            settings[name] = getattr(model, name)
        if not model.tie_word_embeddings:
            settings["tie_word_embeddings"] = False
    else:
        names = {name: hf_name for hf_name, name in reversed(HF_ACTIVATIONS.items())}
        names |= {"gelu_tanh": "gelu_new", "swish": "silu"}
        settings["hidden_act"] = _activation_name(model.hidden_act, names)
        settings["tie_word_embeddings"] = model.tie_word_embeddings
        settings["layer_norm_eps"] = model.layer_norm_eps or model.epsilon or 1e-12
    return {keys.get(name, name): value for name, value in settings.items()}


def _activation_name(activation: Any, names: Mapping[str, str]) -> Any:
    """Return the name of an activation, or of each in a list.

    Args:
        names: our name -> another name to use instead.
    """
    if isinstance(activation, list | tuple):
        return [_activation_name(item, names) for item in activation]
    name = backend.activation_config(backend.get_activation(activation))
    return names.get(name, name)


def _find_config(path: Path) -> Path:
    if not path.is_dir():
        return path
    for pattern in _FILES:
        for file in sorted(path.glob(pattern)):
            if file.name not in _OTHER_FILES:
                return file
    raise FileNotFoundError(
        f"No configuration in the folder {path}: looked for {', '.join(_FILES)}. Put the one that "
        "comes with the checkpoint there, or pass its path."
    )


def _read_json(path: Path) -> dict[str, Any]:
    if not path.is_file():
        raise FileNotFoundError(
            f"No configuration at {path}. It is the config.json or bert_config.json that comes "
            "with the checkpoint."
        )
    if path.stat().st_size > _LARGEST_FILE:
        raise ValueError(
            f"{path} is too large for a configuration. Pass the config.json next to it, and the "
            "weights as checkpoint_path."
        )
    try:
        config = json.loads(path.read_bytes(), object_pairs_hook=_Object)
    except (ValueError, RecursionError) as error:
        raise ValueError(
            f"{path} is not JSON: {error}. Correct it, or download it again."
        ) from error
    if not isinstance(config, _Object):
        raise ValueError(
            f"{path} must hold a JSON object of settings, got a {type(config).__name__}"
        )
    if config.ambiguous_keys:
        raise ValueError(
            f"{path} has two values of {', '.join(config.ambiguous_keys)}. Remove the wrong ones."
        )
    return dict(config)


class _Object(dict[str, Any]):
    """A JSON object, and its keys that stand there with unequal values.

    Args:
        items: pairs of keys and values in the order of the file.
    """

    def __init__(self, items: list[tuple[str, Any]]) -> None:
        super().__init__(
            (key, dict(value) if isinstance(value, _Object) else value) for key, value in items
        )
        unequal = (key for key, value in items if repr(value) != repr(self[key]))
        self.ambiguous_keys = list(dict.fromkeys(unequal))


def check_required_settings(config: Mapping[str, Any], source: Any) -> None:
    """Raise a ValueError that names the required settings that a configuration does not have.

    Args:
        source: its path, if it has one, for the message.
    """
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


def check_required_values(family: Any, config: Mapping[str, Any]) -> None:
    """Raise a ValueError for a setting whose value a family cannot compute.

    null is the same as no key; for a switch it is the same as False.
    """
    for key, required_value in family.config_spec.required_values.items():
        value = config.get(key, required_value)
        is_absent = value is None and required_value is not True
        if value != required_value and not is_absent:
            raise ValueError(
                f"{family.__name__} can compute {key}={required_value!r} alone, the configuration "
                f"says {describe(value)}: another model. Take a checkpoint that was trained so."
            )


def parameters(cls: type, method: str) -> list[str]:
    """Return names of the parameters of a method, with those that base classes take."""
    names = []
    for base in cls.__mro__:
        if method in vars(base):
            params = inspect.signature(vars(base)[method]).parameters.values()
            names += [p.name for p in params if p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY)]
    return [name for name in dict.fromkeys(names) if name != "self"]


def check_argument_names(
    arguments: Iterable[str], parameter_names: Iterable[str], family: Any
) -> None:
    """Raise a TypeError for an argument that a model does not take, with the nearest it does.

    Args:
        arguments: names of the user's arguments.
        parameter_names: all arguments of the family and its base classes.
    """
    unsupported_args = family.config_spec.unsupported_args
    valid_names = [name for name in parameter_names if name not in unsupported_args]
    for name in arguments:
        if name not in valid_names and name not in unsupported_args:
            nearest = [ARGUMENTS.get(name)] if name in ARGUMENTS else None
            nearest = nearest or difflib.get_close_matches(name, valid_names, 1)
            hint = (
                f"Did you mean {nearest[0]!r}?"
                if nearest
                else f"It takes: {', '.join(valid_names)}."
            )
            raise TypeError(f"{family.__name__} takes no argument {name!r}. {hint}")


def check_supported(family: Any, arguments: Mapping[str, Any], application: str) -> None:
    """Raise a ValueError for a head or an application that a family does not have.

    Args:
        arguments: the user's arguments; an unsupported one may be False or None.
        application: name of an application, in any case.
    """
    spec = family.config_spec
    for name in spec.ignored_args:
        if arguments.get(name):
            warnings.warn(
                f"{family.__name__} ignores {name}={arguments[name]!r}: it has no such head",
                stacklevel=3,
            )
    for name in spec.unsupported_args:
        if arguments.get(name) is not None and arguments[name] is not False:
            useless = (*spec.unsupported_args, *spec.ignored_args)
            heads = [x for x in parameters(family, "__init__") if x.startswith(("with_", "final_"))]
            heads = [x for x in heads if x not in useless]
            raise ValueError(
                f"{family.__name__} has no {name}, got {arguments[name]!r}. It can be built with: "
                f"{', '.join(heads) or 'no head'}."
            )
    if application.lower() not in spec.applications:
        raise ValueError(
            f"{family.__name__} cannot be used as application={application!r}. It can be: "
            f"{', '.join(spec.applications)}."
        )
