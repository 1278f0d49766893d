"""Models, layers and optimizers of bert4keras 0.x: old modules, names, arguments and hooks."""

import itertools
import json
import warnings
from functools import partial
from typing import Any

import keras
import numpy as np
from keras import ops

from bert4keras import backend, layers, models, optimizers, snippets, tokenizers
from bert4keras.backend import get_available_gpus, set_gelu
from bert4keras.legacy.bert4keras_text import SimpleTokenizer
from bert4keras.legacy.patches import add, add_names, replace, state_of
from bert4keras.legacy.report import IDIOMS, record_use, unsupported_error
from bert4keras.models import build, skip_initialization
from bert4keras.models.config import parameters

# build_transformer_model

_ARGUMENTS = {  # old argument: new one
    "keep_words": "keep_tokens",
    "checkpoint_file": "checkpoint_path",
    "pool": "with_pool",
}
_FAMILIES = {"gpt_openai": "gpt"}


@replace(build, "build_transformer_model")
@replace(models, "build_transformer_model")
def _build_transformer_model(original, config_path=None, checkpoint_path=None, *args, **kwargs):
    """Accept old names of arguments, and drop unknown arguments."""
    kwargs = {**dict(zip(("model", "application", "return_keras_model"), args)), **kwargs}
    for name in [name for name in kwargs if name in _ARGUMENTS]:
        record_use("keep_words")
        kwargs[_ARGUMENTS[name]] = kwargs.pop(name)
    checkpoint_path = kwargs.pop("checkpoint_path", checkpoint_path)
    if kwargs.pop("albert", False):
        record_use("albert")
        kwargs["model"] = "albert"
    if kwargs.pop("seq2seq", False) or kwargs.get("application") == "seq2seq":
        record_use("seq2seq")
        kwargs["application"] = "unilm"
    if isinstance(kwargs.get("model"), str):
        kwargs["model"] = _FAMILIES.get(kwargs["model"].lower(), kwargs["model"])
    _drop_unknown(kwargs, _arguments_of_model(kwargs))
    return original(config_path, checkpoint_path, **kwargs)


def _arguments_of_model(kwargs):
    family, _ = build.family_of(kwargs.get("model"), {})
    family = build.APPLICATIONS[(kwargs.get("application") or "encoder").lower()](family)
    return {
        *("model", "application", "return_keras_model"),
        *parameters(family, "__init__"),
        *parameters(family, "build"),
    }


def _drop_unknown(kwargs, names):
    """Drop the arguments that no function takes; they never had an effect."""
    for name in [name for name in kwargs if name not in names]:
        record_use("unknown argument")
        del kwargs[name]


def _build_bert_model(*args, **kwargs):
    """Call build_transformer_model, whose first name this was."""
    record_use("old name")
    return models.build_transformer_model(*args, **kwargs)


def _load_pretrained_model(
    config_path,
    checkpoint_file=None,
    seq2seq=False,
    with_mlm=False,
    seq_len=None,
    keep_words=None,
    albert=False,
    **kwargs,
):
    """Call build_transformer_model with the arguments of the first release."""
    record_use("old name")
    if keep_words is not None:
        kwargs["keep_words"] = keep_words
    kwargs.update(seq2seq=seq2seq, with_mlm=with_mlm or seq2seq, albert=albert)
    if checkpoint_file is not None:
        kwargs["checkpoint_path"] = checkpoint_file
    return models.build_transformer_model(config_path, **kwargs)


def _get_bert_encoder_from_config(config):
    """Build an encoder without weights, as release 0.1 did."""
    record_use("old bert4keras")
    transformer = models.build_transformer_model(config, return_keras_model=False)
    state_of(transformer.model)["transformer"] = transformer
    return transformer.model


def _load_weights_from_checkpoint(model, checkpoint_file, config=None):
    """Load a checkpoint into an encoder of ``get_bert_encoder_from_config``."""
    record_use("old bert4keras")
    state_of(model)["transformer"].load_weights_from_checkpoint(checkpoint_file)


def _data_parallel(model, devices=None, parts=None):
    """Return the model itself: one device computes the same numbers as several."""
    record_use("multi_gpu_model")
    return model


def _multi_gpu_model(model, gpus=None, **_kwargs):
    """Return the model itself and warn, if there are several GPUs."""
    count = len(get_available_gpus())
    if count < 2:
        raise unsupported_error("multi_gpu_model", f"expected two GPUs or more, got {count}")
    record_use("multi_gpu_model")
    warnings.warn(
        f"multi_gpu_model: one GPU runs the model. {IDIOMS['multi_gpu_model'][1]}.", stacklevel=2
    )
    return model


def _extend_with_parallel_unified_language_model(BaseModel):
    raise unsupported_error("old name", "parallel UniLM masks have no equivalent")


def _add_weight_decay_into(model, weight_decay_rate, exclude_from=None):
    raise unsupported_error("weight decay", "the optimizer decays weights")


add_names(keras.utils, {"multi_gpu_model": _multi_gpu_model})
add_names(
    models,
    {
        "build_bert_model": _build_bert_model,
        "data_parallel": _data_parallel,
        "GPT_OpenAI": models.GPT,
        "extend_with_parallel_unified_language_model": _extend_with_parallel_unified_language_model,
    },
)

# Subclasses of Transformer


@replace(models.Transformer, "__init__")
def _init(original, self, vocab_size=None, *args, **kwargs):
    """Accept a model without vocab_size, and unknown arguments."""
    _drop_unknown(kwargs, parameters(models.Transformer, "__init__"))
    if vocab_size is None and "keep_tokens" not in kwargs:
        vocab_size = 0
    return original(self, vocab_size, *args, **kwargs)


@replace(models.Transformer, "build")
@replace(models.T5, "build")
def _build(original, self, **kwargs):
    """Accept unknown arguments."""
    _drop_unknown(kwargs, parameters(type(self), "build"))
    return original(self, **kwargs)


@replace(skip_initialization.SkippableTruncatedNormal, "__call__")
@replace(skip_initialization.SkippableVarianceScaling, "__call__")
def _initialize(original, self, shape, dtype=None, order=None, gain=1.0):
    """Accept ``order`` and ``gain`` of a model's initializer."""
    values = original(self, shape, dtype)
    return values if gain == 1.0 else values * gain


@replace(models.Transformer, "apply")
def _apply(original, self, inputs=None, layer=None, arguments=None, **kwargs):
    """Make ids floats, as in Keras 2, and pass arguments of a Lambda to its function."""
    if layer is keras.layers.Input and "int" in str(kwargs.get("dtype")):
        kwargs["dtype"] = "float32"
    if layer is keras.layers.Lambda and arguments:
        layer, arguments = partial(layer, arguments=arguments), None
    return original(self, inputs, layer, arguments, **kwargs)


# Attention masks of releases before 0.9: hooks and arguments with 1 for visible positions


def _as_mask(values):
    """Return ones and zeros as booleans."""
    if values is None or str(values.dtype) == "bool":
        return values
    record_use("a_mask")
    return ops.greater(values, 0.5)


def _compute_attention_mask(family):
    compute_attention_bias = family.compute_attention_bias
    return lambda self, inputs=None: compute_attention_bias(self, inputs)


for _family in (models.Transformer, models.LM_Mask, models.UniLM_Mask):
    add_names(_family, {"compute_attention_mask": _compute_attention_mask(_family)})
add_names(models.Transformer, {"attention_mask": None})


@add(models.Transformer, "__init_subclass__")
@classmethod
def _init_subclass(cls, **kwargs):
    """Make ``compute_attention_bias`` of a script's ``compute_attention_mask``."""
    super(models.Transformer, cls).__init_subclass__(**kwargs)
    hooks = ("compute_attention_bias", "compute_attention_mask")
    class_dict = next(vars(x) for x in cls.__mro__ if any(name in vars(x) for name in hooks))
    if hooks[0] not in class_dict:
        cls.compute_attention_bias = lambda self, inputs=None: _as_mask(
            self.compute_attention_mask(inputs)
        )


@replace(layers.MultiHeadAttention, "__call__")
def _call_attention(original, self, inputs, *args, a_mask=None, **kwargs):
    """Accept ``a_mask``."""
    if a_mask:
        kwargs["a_bias"] = True
        inputs = [_as_mask(x) if index == 3 else x for index, x in enumerate(inputs)]
    return original(self, inputs, *args, **kwargs)


# Layers


class BiasAdd(layers.ScaleOffset):
    """ScaleOffset without scale."""

    def __init__(self, **kwargs: Any) -> None:
        record_use("old name")
        super().__init__(scale=False, **kwargs)


class Scale(layers.ScaleOffset):
    """ScaleOffset without offset."""

    def __init__(self, **kwargs: Any) -> None:
        record_use("old name")
        super().__init__(offset=False, **kwargs)


class ZeroMasking(layers.Layer):
    """Layer that masks zeros as padding."""

    def call(self, inputs: Any) -> Any:
        self._mask = ops.cast(ops.greater(inputs, 0), "float32")
        return inputs

    def compute_mask(self, inputs: Any, mask: Any = None) -> Any:
        return ops.greater(inputs, 0)


class EmbeddingDense(layers.Layer):
    """Output layer that shares the weights of an embedding; unsupported."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        raise unsupported_error("old name", "call the embedding itself with mode='dense'")


class FactorizedEmbedding(layers.Layer):
    """Embedding of ALBERT in 2019; unsupported."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        raise unsupported_error("old name", "the embedding of ALBERT is two layers now")


for _module in (layers, models):
    add_names(
        _module,
        {
            "BiasAdd": BiasAdd,
            "EmbeddingDense": EmbeddingDense,
            "FactorizedEmbedding": FactorizedEmbedding,
            "OurLayer": layers.Layer,
            "Scale": Scale,
            "ZeroMasking": ZeroMasking,
        },
    )
add_names(
    backend,
    {"infinity": lambda: 1e12, "set_infinity": lambda value: record_use("old name")},
)

# Optimizers


def _extend(extend, optimizer, **arguments):
    record_use("old name")
    optimizer_class = extend(type(optimizer))
    return optimizer_class.from_config({**optimizer.get_config(), **arguments})


def _piecewise_linear_learning_rate(optimizer, schedule, from_zero=True):
    extend = optimizers.extend_with_piecewise_linear_lr
    return _extend(extend, optimizer, lr_schedule=schedule)


def _gradient_accumulation(optimizer, steps_per_update=2):
    extend = optimizers.extend_with_gradient_accumulation
    return _extend(extend, optimizer, grad_accum_steps=steps_per_update)


def _lamb(*args, **kwargs):
    """Return Adam with layer adaptation and weight decay."""
    record_use("old name")
    adam_with_decay = optimizers.extend_with_weight_decay(optimizers.Adam)
    return optimizers.extend_with_layer_adaptation(adam_with_decay)(*args, **kwargs)


class ExponentialMovingAverage(keras.callbacks.Callback):
    """Callback that averages the weights.

    Args:
        momentum: share of the old average in each step.
    """

    def __init__(self, momentum: Any = 0.999) -> None:
        record_use("old name")
        super().__init__()
        self.momentum: float = momentum

    def on_train_begin(self, logs: Any = None) -> None:
        """Start from the current weights."""
        self.averages: Any = self.model.get_weights()

    def on_train_batch_end(self, batch: Any, logs: Any = None) -> None:
        """Update the averages."""
        self.averages = [
            average + (1 - self.momentum) * (weight - average)
            for average, weight in zip(self.averages, self.model.get_weights())
        ]

    def apply_ema_weights(self) -> None:
        """Put the averages into the model."""
        self.old_weights: Any = self.model.get_weights()
        self.model.set_weights(self.averages)

    def reset_old_weights(self) -> None:
        """Put the trained weights back."""
        self.model.set_weights(self.old_weights)


def _extend_with_gradient_centralization(BaseOptimizer, name=None):
    """Subtract from each gradient its mean over all axes but the last (arXiv:2004.01461)."""
    record_use("old name")

    class Centralized(BaseOptimizer):
        def update_step(self, gradient, variable, learning_rate):
            if len(gradient.shape) > 1:
                axes = list(range(len(gradient.shape) - 1))
                gradient = gradient - ops.mean(gradient, axis=axes, keepdims=True)
            super().update_step(gradient, variable, learning_rate)

    Centralized.__name__ = name or f"Centralized{BaseOptimizer.__name__}"
    return keras.saving.register_keras_serializable("bert4keras")(Centralized)


_OPTIMIZERS = {
    "ExponentialMovingAverage": ExponentialMovingAverage,
    "GradientAccumulation": _gradient_accumulation,
    "LAMB": _lamb,
    "PiecewiseLinearLearningRate": _piecewise_linear_learning_rate,
    "extend_with_gradient_centralization": _extend_with_gradient_centralization,
}
add_names(optimizers, _OPTIMIZERS)

# Modules


def _public_names(module):
    return {name: getattr(module, name) for name in module.__all__}


def _bert():
    return {
        **_public_names(models),
        "BertModel": models.BERT,
        "Bert4LM": models.extend_with_language_model(models.BERT),
        "Bert4Seq2seq": models.extend_with_unified_language_model(models.BERT),
        "build_bert_model": _build_bert_model,
        "load_pretrained_model": _load_pretrained_model,
        "set_gelu": set_gelu,
        "get_bert_encoder_from_config": _get_bert_encoder_from_config,
    }


def _tokenizer():
    return {
        "BasicTokenizer": tokenizers.TokenizerBase,
        "SimpleTokenizer": SimpleTokenizer,
        "Tokenizer": tokenizers.Tokenizer,
        "SpTokenizer": tokenizers.SpTokenizer,
        "load_vocab": tokenizers.load_vocab,
        "save_vocab": tokenizers.save_vocab,
        "groupby": itertools.groupby,
        "json": json,
        "np": np,
        "sequence_padding": snippets.sequence_padding,
    }


def _utils():
    load_weights = {"load_weights_from_checkpoint": _load_weights_from_checkpoint}
    return {**_public_names(snippets), **_tokenizer(), **load_weights}


def _train():
    add = {"add_weight_decay_into": _add_weight_decay_into}
    return {**_public_names(optimizers), **_OPTIMIZERS, **add}


MODULES = {  # old module: function that returns its names
    "bert4keras.bert": _bert,
    "bert4keras.utils": _utils,
    "bert4keras.tokenizer": _tokenizer,
    "bert4keras.train": _train,
}
