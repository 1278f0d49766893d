"""Files of a Keras model: its structure as JSON, its weights as safetensors. Neither runs code."""

import json
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import keras
from keras import ops

from bert4keras.backend.types import StrPath
from bert4keras.checkpoints import open_checkpoint, write_safetensors
from bert4keras.models.skip_initialization import defer_initialization

_LARGEST_FILE = 10**8  # bytes of a structure
_SLACK = 1 << 16  # numbers that a model may have beyond its weights, such as states of dropout
_KERAS = ("keras", "builtins")
_REMEDY = "Save the pipeline again, or copy its folder again."


def write_model(folder: StrPath, name: str, model: Any, dtype: str | None = None) -> None:
    """Write ``{name}.json`` and ``{name}.safetensors``.

    Args:
        folder: an existing folder.
        name: name of both files.
        model: a functional Keras model. How it was compiled is not written.
        dtype: type of the weights in the file; their own by default.

    Raises:
        ValueError: a layer or function of the model is not registered with Keras.
    """
    config = keras.saving.serialize_keras_object(_copy_plain(model))
    check_structure(config, name)
    path = Path(folder, name)
    path.with_suffix(".json").write_text(json.dumps(config, indent=1), encoding="utf-8")
    weights = ((key, ops.convert_to_numpy(variable)) for key, variable in _list_weights(model))
    write_safetensors(path.with_suffix(".safetensors"), weights, dtype=dtype)


def _copy_plain(model: Any) -> Any:
    """Return a model of the same layers that is not compiled, and of no class of its own."""
    inputs, outputs = (x if len(x) > 1 else x[0] for x in (model.inputs, model.outputs))
    return keras.Model(inputs, outputs, name=model.name)


def read_model(folder: StrPath, name: str) -> Any:
    """Build the model of ``{name}.json`` with the weights of ``{name}.safetensors``.

    Raises:
        ValueError: a layer is not registered, or the weights are those of another model.
    """
    path = Path(folder, f"{name}.json")
    if path.stat().st_size > _LARGEST_FILE:
        raise ValueError(f"Expected {path} to be a small file, got {path.stat().st_size} bytes.")
    try:
        config = json.loads(path.read_bytes())
    except (ValueError, RecursionError) as error:
        raise ValueError(f"Expected JSON in {path}, got {error}. {_REMEDY}") from error
    check_structure(config, str(path))
    with open_checkpoint(path.with_suffix(".safetensors")) as checkpoint:
        model = _build_model(config, checkpoint, path)
        _assign_weights(model, checkpoint, path)
    return model


def _build_model(config: Any, checkpoint: Any, path: Path) -> Any:
    """Build a model; raise before its variables take more memory than the weights of the file."""
    count = sum(math.prod(checkpoint.shape(key)) for key in checkpoint) + _SLACK

    def check_sizes(variables: list[Any]) -> None:
        total = sum(math.prod(variable.shape) for variable in variables)
        if total > count:
            raise ValueError(f"its layers have {total} numbers, more than the file of its weights")

    try:
        with defer_initialization(check_sizes):
            return keras.saving.deserialize_keras_object(config, safe_mode=True)
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        reason = str(error).strip()[:300]
        raise ValueError(f"Expected a model in {path}, got: {reason}. {_REMEDY}") from error


def _assign_weights(model: Any, checkpoint: Any, path: Path) -> None:
    """Check names and shapes of all weights, then assign them."""
    weights = dict(_list_weights(model))
    shapes = {key: tuple(variable.shape) for key, variable in weights.items()}
    stored_shapes = {key: tuple(checkpoint.shape(key)) for key in checkpoint}
    if shapes != stored_shapes:
        differences = sorted(shapes.items() ^ stored_shapes.items())[:4]
        raise ValueError(
            f"Expected weights for the structure of {path}, got others: {differences}. {_REMEDY}"
        )
    for key, variable in weights.items():
        variable.assign(checkpoint[key])


def _list_weights(model: Any) -> Iterator[tuple[str, Any]]:
    """Yield a name and the variable of each weight: its layer, and its number in the layer."""
    for layer in model.layers:
        for number, variable in enumerate(layer.weights):
            yield f"{layer.name}/{number}/{variable.name}", variable


def check_structure(config: Any, name: str) -> None:
    """Raise unless all that a structure names is Keras' own or registered with Keras.

    Args:
        config: a structure as Keras serializes it, or a part of it.
        name: name of the model, for the error.
    """
    if isinstance(config, list | tuple):
        for item in config:
            check_structure(item, name)
    if not isinstance(config, dict):
        return
    for item in config.values():
        check_structure(item, name)
    class_name, registered_name = config.get("class_name"), config.get("registered_name")
    is_registered = keras.saving.get_registered_object(str(registered_name)) is not None
    if class_name == "function":
        registered_name = config.get("config")
        is_registered = keras.saving.get_registered_object(str(registered_name)) is not None
    root = str(config.get("module") or "keras").split(".")[0]
    if class_name in ("__lambda__", "Lambda") or not (is_registered or root in _KERAS):
        raise ValueError(
            f"Expected layers and functions that Keras can find in {name}, got "
            f"{registered_name or class_name!r}. Import the module that defines it, with the "
            "decorator @keras.saving.register_keras_serializable()."
        )
