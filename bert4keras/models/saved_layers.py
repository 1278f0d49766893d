"""Saved layers of Keras 2, made again from their descriptions; no code is read from a file."""

from collections.abc import Callable, Mapping
from typing import Any

import keras

from bert4keras import backend, layers
from bert4keras.layers import CausalMask, FirstToken, ScaleOffset, UniLMMask

_Description = Mapping[str, Any]
_Objects = Mapping[str, Any]

MODELS = ("Functional", "Model", "Sequential")
_KERAS_LAYERS = set(  # layers of Keras that only compute: none reads a file or takes code
    """
    Activation ActivityRegularization AdditiveAttention AlphaDropout Attention Average
    AveragePooling1D AveragePooling2D BatchNormalization Bidirectional Concatenate Conv1D
    Conv1DTranspose Conv2D Conv2DTranspose Cropping1D Cropping2D Dense DepthwiseConv1D
    DepthwiseConv2D Dot Dropout ELU Flatten GRU GRUCell GaussianDropout GaussianNoise
    GlobalAveragePooling1D GlobalAveragePooling2D GlobalMaxPooling1D GlobalMaxPooling2D InputLayer
    LSTM LSTMCell LayerNormalization LeakyReLU Masking MaxPooling1D MaxPooling2D Maximum Minimum
    MultiHeadAttention Multiply PReLU Permute RNN ReLU RepeatVector Reshape SeparableConv1D
    SeparableConv2D SimpleRNN SimpleRNNCell Softmax SpatialDropout1D SpatialDropout2D
    StackedRNNCells Subtract TimeDistributed UnitNormalization UpSampling1D UpSampling2D
    ZeroPadding1D ZeroPadding2D
    """.split()
)
_KERAS_ONLY_ARGUMENTS = {  # an argument that tells a layer of Keras from ours of the same name
    "GlobalAveragePooling1D": "no such",
    "GlobalMaxPooling1D": "no such",
    "LayerNormalization": "beta_initializer",
    "MultiHeadAttention": "num_heads",
}
_OLD_CLASSES = {  # of bert4keras -> class of today and its arguments
    "BiasAdd": ("ScaleOffset", {"scale": False}),
    "Scale": ("ScaleOffset", {"offset": False}),
}
_RECURRENT = {"implementation": None, "time_major": None}
_OLD_ARGUMENTS = {  # class -> argument -> its name today, or None if it has no effect
    "BatchNormalization": dict.fromkeys(("renorm", "fused", "virtual_batch_size", "adjustment")),
    "Embedding": {"input_length": None},
    "GRU": _RECURRENT,
    "GRUCell": _RECURRENT,
    "InputLayer": {"batch_input_shape": "batch_shape", "ragged": None, "type_spec": None},
    "LSTM": _RECURRENT,
    "LSTMCell": _RECURRENT,
    "LayerNormalization": {"center": "offset"},
    "LeakyReLU": {"alpha": "negative_slope"},
    "MultiHeadAttention": dict.fromkeys(("query_shape", "key_shape", "value_shape")),
    "RNN": _RECURRENT,
    "SimpleRNN": _RECURRENT,
    "SimpleRNNCell": _RECURRENT,
    "SpatialDropout1D": {"noise_shape": None},
    "SpatialDropout2D": {"noise_shape": None},
}
CALL_ARGUMENTS = {"a_mask": "a_bias"}  # old names of arguments of calls
_LAMBDAS: dict[str, Callable[..., Any]] = {  # end of a Lambda's name in 0.x -> layer of today
    "Pooler": lambda x, **name: FirstToken(**name),
    "Attention-LM-Mask": lambda x, **name: CausalMask(**name),
    "Attention-UniLM-Mask": lambda x, **name: UniLMMask(**name),
    "Decoder-Output-Scale": lambda x, **name: ScaleOffset(x.shape[-1] ** -0.5, False, **name),
}


def describe_refusal(description: _Description, objects: _Objects) -> tuple[str, str] | None:
    """Return the reason why a layer cannot be made again, and the remedy; None if it can.

    Args:
        description: ``{"class_name": ..., "config": {...}}`` of a layer.
        objects: functions and classes of the script, by name.
    """
    kind, config = description["class_name"], description["config"]
    if kind == "Lambda":
        if _find_function(config, objects) or _lambda_of_today(config):
            return None
        name = config["name"]
        return f"{name}: a Lambda, whose code in the file is not executed", f"{name!r}: function"
    if kind in MODELS or _find_class(kind, config, objects):
        return None
    return f"{config.get('name')}: the class {kind} is not known here", f"{kind!r}: {kind}"


def _find_class(kind: str, config: dict[str, Any], objects: _Objects) -> Any:
    """Find the class of an old name: of the script, ours, or of Keras; or None."""
    if kind in objects:
        return objects[kind]
    kind = _OLD_CLASSES.get(kind, (kind,))[0]
    if kind in layers.custom_objects and _KERAS_ONLY_ARGUMENTS.get(kind) not in config:
        return layers.custom_objects[kind]
    return getattr(keras.layers, kind) if kind in _KERAS_LAYERS else None


def make_layer(description: _Description, objects: _Objects, inputs: Any = None) -> Any:
    """Make the layer of a description.

    Args:
        description: as for ``describe_refusal``, which returned None for it.
        objects: as for ``describe_refusal``.
        inputs: the inputs of its first call.
    """
    kind, config = description["class_name"], description["config"]
    name = {"name": config["name"].replace("/", "-")} if "name" in config else {}
    if kind == "Lambda":
        layer = _make_lambda(config, objects, inputs, name)
    else:
        layer = _make_instance(kind, config, objects, name)
    if not config.get("trainable", True):
        layer.trainable = False
    return layer


def _make_instance(
    kind: str, config: dict[str, Any], objects: _Objects, name: Mapping[str, str]
) -> Any:
    try:
        arguments = {**_arguments(kind, config, objects), **name}
        return _find_class(kind, config, objects)(**arguments)
    except (TypeError, ValueError) as error:
        raise ValueError(
            f"The layer {config.get('name')} cannot be made as the file describes it: {error}. "
            f"Pass custom_objects={{{kind!r}: ...}} with a class that takes its arguments."
        ) from error


def _arguments(kind: str, config: dict[str, Any], objects: _Objects) -> dict[str, Any]:
    """Translate the configuration of a layer to the arguments that its class takes today."""
    config = {key: x for key, x in config.items() if key != "trainable"}
    new_arguments: dict[str, Any] = {}
    if kind not in objects:
        kind, new_arguments = _OLD_CLASSES.get(kind, (kind, {}))
        names = _OLD_ARGUMENTS.get(kind, {})
        pairs = [(names.get(key, key), x) for key, x in config.items()]
        config = {key: x for key, x in pairs if key is not None}
    config.pop("batch_input_shape", None)
    if kind == "LayerNormalization" and not {"axis", "zero_mean"} & config.keys():
        config["zero_mean"] = config.get("offset", True)  # before 0.11.3 one word said both
        config["unit_variance"] = config.get("scale", True)
    if kind == "BatchNormalization" and isinstance(config.get("axis"), list):
        (config["axis"],) = config["axis"]
    arguments = {key: make_value(x, objects) for key, x in config.items()}
    for key, value in arguments.items():
        if key.endswith("activation") and isinstance(value, str):
            arguments[key] = objects.get(value) or backend.get_activation(value)
    return arguments | new_arguments


def make_value(value: Any, objects: _Objects) -> Any:
    """Make a value of a configuration, with initializers and the like from their descriptions."""
    if isinstance(value, list):
        return [make_value(item, objects) for item in value]
    if not isinstance(value, dict):
        return value
    if "class_name" not in value:
        return {key: make_value(item, objects) for key, item in value.items()}
    kind, config = value["class_name"], value.get("config") or {}
    if kind == "__tuple__":
        return tuple(make_value(item, objects) for item in value["items"])
    if kind.endswith("Policy"):
        return config["name"]
    value_class = objects.get(kind) or _find_value_class(kind)
    if value_class is None:
        return make_layer(value, objects)
    return value_class(
        **{key: make_value(x, objects) for key, x in config.items() if key != "dtype"}
    )


def _find_value_class(kind: str) -> Any:
    """Find an initializer, a regularizer or a constraint by its name, or None."""
    if kind == "Sinusoidal":
        return backend.Sinusoidal
    for module, base in (
        (keras.initializers, keras.initializers.Initializer),
        (keras.regularizers, keras.regularizers.Regularizer),
        (keras.constraints, keras.constraints.Constraint),
    ):
        value_class = getattr(module, kind, None)
        if isinstance(value_class, type) and issubclass(value_class, base):
            return value_class
    return None


def find_descriptions(value: Any) -> list[_Description]:
    """List all descriptions of layers inside a configuration, such as that of Bidirectional."""
    if isinstance(value, list):
        return [description for item in value for description in find_descriptions(item)]
    if not isinstance(value, dict):
        return []
    inner = find_descriptions(list(value.values()))
    kind = value.get("class_name", "Policy")
    is_layer = not kind.endswith("Policy") and not _find_value_class(kind)
    return [value, *inner] if is_layer and isinstance(value.get("config"), dict | list) else inner


def _find_function(config: dict[str, Any], objects: _Objects) -> Any:
    """Find the script's function for a Lambda, by the name of the layer or of the function."""
    name = config["function"] if config.get("function_type") == "function" else None
    return objects.get(config["name"]) or (objects.get(name) if isinstance(name, str) else None)


def _lambda_of_today(config: dict[str, Any]) -> Callable[..., Any] | None:
    if config.get("module") != "bert4keras.models":
        return None
    return next((_LAMBDAS[end] for end in _LAMBDAS if config["name"].endswith(end)), None)


def _make_lambda(
    config: dict[str, Any], objects: _Objects, inputs: Any, name: Mapping[str, str]
) -> Any:
    function = _find_function(config, objects)
    replacement = _lambda_of_today(config)
    if function is None and replacement is not None:
        return replacement(inputs, **name)
    layer = keras.layers.Lambda(function, arguments=config.get("arguments") or {}, **name)
    layer.supports_masking = True  # as in Keras 2 no mask passes, which needs no warning
    return layer
