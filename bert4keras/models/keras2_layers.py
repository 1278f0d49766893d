"""Layers as Keras 2 described them, made again as those of today; no code is read from a file."""

import keras

from bert4keras import backend, layers
from bert4keras.layers import CausalMask, FirstToken, ScaleOffset, UniLMMask

MODELS = ("Functional", "Model", "Sequential")
KERAS = set(  # layers of Keras that only compute: none reads a file or takes code
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
THEIRS = {  # an argument that tells a layer of Keras from ours of the same name
    "GlobalAveragePooling1D": "no such",
    "GlobalMaxPooling1D": "no such",
    "LayerNormalization": "beta_initializer",
    "MultiHeadAttention": "num_heads",
}
OLD_CLASSES = {  # of bert4keras: what they are today
    "BiasAdd": ("ScaleOffset", {"scale": False}),
    "Scale": ("ScaleOffset", {"offset": False}),
}
RECURRENT = {"implementation": None, "time_major": None}
OLD_ARGUMENTS = {  # class -> argument -> its name today, or None where it means nothing any more
    "BatchNormalization": dict.fromkeys(("renorm", "fused", "virtual_batch_size", "adjustment")),
    "Embedding": {"input_length": None},
    "GRU": RECURRENT,
    "GRUCell": RECURRENT,
    "InputLayer": {"batch_input_shape": "batch_shape", "ragged": None, "type_spec": None},
    "LSTM": RECURRENT,
    "LSTMCell": RECURRENT,
    "LayerNormalization": {"center": "offset"},
    "LeakyReLU": {"alpha": "negative_slope"},
    "MultiHeadAttention": dict.fromkeys(("query_shape", "key_shape", "value_shape")),
    "RNN": RECURRENT,
    "SimpleRNN": RECURRENT,
    "SimpleRNNCell": RECURRENT,
    "SpatialDropout1D": {"noise_shape": None},
    "SpatialDropout2D": {"noise_shape": None},
}
CALLED = {"a_mask": "a_bias"}  # arguments of calls that had another name
LAMBDAS = {  # what bert4keras wrote as Lambda: end of the layer's name -> that layer, of an input
    "Pooler": lambda x, **named: FirstToken(**named),
    "Attention-LM-Mask": lambda x, **named: CausalMask(**named),
    "Attention-UniLM-Mask": lambda x, **named: UniLMMask(**named),
    "Decoder-Output-Scale": lambda x, **named: ScaleOffset(x.shape[-1] ** -0.5, False, **named),
}


def refusal(description, objects):
    """Why a layer cannot be made again and what would help, as a pair; None if it can.

    Args:
        description: ``{"class_name": ..., "config": {...}}`` of a layer.
        objects: functions and classes of the script, by name.
    """
    kind, config = description["class_name"], description["config"]
    if kind == "Lambda":
        if _function(config, objects) or _known_lambda(config):
            return None
        name = config["name"]
        return f"{name}: a Lambda, whose code in the file is not executed", f"{name!r}: function"
    if kind in MODELS or class_of(kind, config, objects):
        return None
    return f"{config.get('name')}: the class {kind} is not known here", f"{kind!r}: {kind}"


def class_of(kind, config, objects):
    """The class that an old name stands for: of the script, ours, or of Keras; or None."""
    if kind in objects:
        return objects[kind]
    kind = OLD_CLASSES.get(kind, (kind,))[0]
    if kind in layers.custom_objects and THEIRS.get(kind) not in config:
        return layers.custom_objects[kind]
    return getattr(keras.layers, kind) if kind in KERAS else None


def layer_from(description, objects, inputs=None):
    """The layer of a description.

    Args:
        description: as for ``refusal``, which has found nothing.
        objects: as for ``refusal``.
        inputs: what it will be called on first.
    """
    kind, config = description["class_name"], description["config"]
    named = {"name": config["name"].replace("/", "-")} if "name" in config else {}
    if kind == "Lambda":
        layer = _lambda(config, objects, inputs, named)
    else:
        layer = _made(kind, config, objects, named)
    if not config.get("trainable", True):
        layer.trainable = False
    return layer


def _made(kind, config, objects, named):
    try:
        arguments = {**_arguments(kind, config, objects), **named}
        return class_of(kind, config, objects)(**arguments)
    except (TypeError, ValueError) as error:
        raise ValueError(
            f"The layer {config.get('name')} cannot be made as the file describes it: {error}. "
            f"Pass custom_objects={{{kind!r}: ...}} with a class that takes its arguments."
        ) from error


def _arguments(kind, config, objects):
    """The configuration of a layer as the arguments that its class takes today."""
    config = {key: x for key, x in config.items() if key != "trainable"}
    added = {}
    if kind not in objects:
        kind, added = OLD_CLASSES.get(kind, (kind, {}))
        today = OLD_ARGUMENTS.get(kind, {})
        config = {today.get(key, key): x for key, x in config.items()}
        config.pop(None, None)
    config.pop("batch_input_shape", None)
    if kind == "LayerNormalization" and not {"axis", "zero_mean"} & config.keys():
        config["zero_mean"] = config.get("offset", True)  # before 0.11.3 one word said both
        config["unit_variance"] = config.get("scale", True)
    if kind == "BatchNormalization" and isinstance(config.get("axis"), list):
        (config["axis"],) = config["axis"]
    made = {key: value_of(x, objects) for key, x in config.items()}
    for key in made:
        if key.endswith("activation") and isinstance(made[key], str):
            made[key] = objects.get(made[key]) or backend.get_activation(made[key])
    return made | added


def value_of(value, objects):
    """A value of a configuration, with initializers and the like made from their descriptions."""
    if isinstance(value, list):
        return [value_of(item, objects) for item in value]
    if not isinstance(value, dict):
        return value
    if "class_name" not in value:
        return {key: value_of(item, objects) for key, item in value.items()}
    kind, config = value["class_name"], value.get("config") or {}
    if kind == "__tuple__":
        return tuple(value_of(item, objects) for item in value["items"])
    if kind.endswith("Policy"):
        return config["name"]
    made = objects.get(kind) or _small_class(kind)
    if made is None:
        return layer_from(value, objects)
    return made(**{key: value_of(x, objects) for key, x in config.items() if key != "dtype"})


def _small_class(kind):
    """An initializer, a regularizer or a constraint by its name, or None."""
    if kind == "Sinusoidal":
        return backend.Sinusoidal
    for room, base in (
        (keras.initializers, keras.initializers.Initializer),
        (keras.regularizers, keras.regularizers.Regularizer),
        (keras.constraints, keras.constraints.Constraint),
    ):
        found = getattr(room, kind, None)
        if isinstance(found, type) and issubclass(found, base):
            return found
    return None


def nested(value):
    """All descriptions of layers inside a configuration, such as that of Bidirectional."""
    if isinstance(value, list):
        return [found for item in value for found in nested(item)]
    if not isinstance(value, dict):
        return []
    inner = nested(list(value.values()))
    kind = value.get("class_name", "Policy")
    is_layer = not kind.endswith("Policy") and not _small_class(kind)
    return [value, *inner] if is_layer and isinstance(value.get("config"), dict | list) else inner


def _function(config, objects):
    """The script's own function for a Lambda, by the name of the layer or of the function."""
    named = config["function"] if config.get("function_type") == "function" else None
    return objects.get(config["name"]) or (objects.get(named) if isinstance(named, str) else None)


def _known_lambda(config):
    if config.get("module") != "bert4keras.models":
        return None
    return next((LAMBDAS[end] for end in LAMBDAS if config["name"].endswith(end)), None)


def _lambda(config, objects, inputs, named):
    function = _function(config, objects)
    if function is None:
        return _known_lambda(config)(inputs, **named)
    layer = keras.layers.Lambda(function, arguments=config.get("arguments") or {}, **named)
    layer.supports_masking = True  # as in Keras 2 no mask passes, which needs no warning
    return layer
