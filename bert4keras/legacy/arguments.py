"""Old arguments of Keras' own layers."""

import keras

from bert4keras import backend
from bert4keras.legacy.report import met

DENSE = {
    "init": "kernel_initializer",
    "W_regularizer": "kernel_regularizer",
    "b_regularizer": "bias_regularizer",
    "W_constraint": "kernel_constraint",
    "b_constraint": "bias_constraint",
    "bias": "use_bias",
}
RECURRENT = {
    **DENSE,
    "output_dim": "units",
    "inner_init": "recurrent_initializer",
    "inner_activation": "recurrent_activation",
    "dropout_W": "dropout",
    "dropout_U": "recurrent_dropout",
    "consume_less": None,
    "implementation": None,
}
CONVOLUTION = {
    **DENSE,
    "nb_filter": "filters",
    "filter_length": "kernel_size",
    "border_mode": "padding",
    "subsample_length": "strides",
    "atrous_rate": "dilation_rate",
}
POOLING = {"pool_length": "pool_size", "stride": "strides", "border_mode": "padding"}
OLD = {  # layer -> {old argument: new one; None, left out}
    "Dense": {**DENSE, "output_dim": "units"},
    "Embedding": {"init": "embeddings_initializer", "W_regularizer": "embeddings_regularizer"},
    "LSTM": RECURRENT,
    "GRU": RECURRENT,
    "SimpleRNN": RECURRENT,
    "Conv1D": CONVOLUTION,
    "MaxPooling1D": POOLING,
    "AveragePooling1D": POOLING,
    "Dropout": {"p": "rate"},
    "SpatialDropout1D": {"p": "rate"},
    "GaussianNoise": {"sigma": "stddev"},
    "LeakyReLU": {"alpha": "negative_slope"},
    "Concatenate": {"concat_axis": "axis"},
}


def renaming(name):
    """A patch of a layer's constructor."""
    table = OLD[name]

    def initialised(old, self, *args, **kwargs):
        for word in [word for word in kwargs if word in table]:
            met("keras 1 argument")
            value = kwargs.pop(word)
            if table[word] is not None:
                kwargs[table[word]] = value
        return old(self, *args, **kwargs)

    return initialised


def normalization(old, self, *args, **kwargs):
    """``center`` and ``scale`` of LayerNormalization before 0.11.3, of which each was of two."""
    if "center" in kwargs:
        met("old name")
        kwargs["zero_mean"] = kwargs["offset"] = kwargs.pop("center")
        kwargs["unit_variance"] = kwargs.setdefault("scale", True)
    old(self, *args, **kwargs)


def attention(old, self, *args, **kwargs):
    """``scaled_dot_product`` of MultiHeadAttention before 0.9."""
    if "scaled_dot_product" in kwargs:
        met("old name")
        kwargs["attention_scale"] = kwargs.pop("scaled_dot_product")
    old(self, *args, **kwargs)


def base(old, self, *args, **kwargs):
    """What any layer took: the shape of a first layer, a dtype of its inputs."""
    shape = kwargs.pop("batch_input_shape", None)
    kwargs.pop("input_dtype", None)
    kwargs.pop("dynamic", None)
    length = kwargs.pop("input_length", None)
    if shape is not None and "input_shape" not in kwargs:
        kwargs["input_shape"] = tuple(shape[1:])
    elif length is not None and "input_dim" in kwargs:
        kwargs["input_shape"] = (length, kwargs.pop("input_dim"))
    old(self, *args, **kwargs)
    if isinstance(self, keras.Model) and backend.backend_name != "jax":
        self._call_has_training_arg = True  # what trains is told to layers, if not to ``call``


def layers():
    """The classes of Keras that have old arguments, by name."""
    return {name: getattr(keras.layers, name) for name in OLD}
