"""Modules and names of bert4keras before 0.6, and of releases in between."""

import json
import warnings
from itertools import groupby

import keras
import numpy as np
from keras import ops

from bert4keras import layers, models, optimizers, snippets, tokenizers
from bert4keras.backend import get_available_gpus, set_gelu
from bert4keras.legacy import earliest
from bert4keras.legacy.decoding import set_rtype
from bert4keras.legacy.families import leave_out
from bert4keras.legacy.idioms import IDIOMS
from bert4keras.legacy.report import met, refused
from bert4keras.legacy.texts import SimpleTokenizer
from bert4keras.models.build import APPLICATIONS
from bert4keras.models.config import parameters

# Models

RENAMED = {  # arguments of build_transformer_model
    "keep_words": "keep_tokens",
    "checkpoint_file": "checkpoint_path",
    "pool": "with_pool",
}
MODELS = {"gpt_openai": "gpt"}


def build_transformer_model(old, config_path=None, checkpoint_path=None, *args, **kwargs):
    """Old names of arguments; arguments that nothing knows are left out, as they ever were."""
    kwargs = {**dict(zip(("model", "application", "return_keras_model"), args)), **kwargs}
    for word in [word for word in kwargs if word in RENAMED]:
        met("keep_words")
        kwargs[RENAMED[word]] = kwargs.pop(word)
    checkpoint_path = kwargs.pop("checkpoint_path", checkpoint_path)
    if kwargs.pop("albert", False):
        met("albert")
        kwargs["model"] = "albert"
    if kwargs.pop("seq2seq", False) or kwargs.get("application") == "seq2seq":
        met("seq2seq")
        kwargs["application"] = "unilm"
    if isinstance(kwargs.get("model"), str):
        kwargs["model"] = MODELS.get(kwargs["model"].lower(), kwargs["model"])
    _leave_out(kwargs)
    return old(config_path, checkpoint_path, **kwargs)


def _leave_out(kwargs):
    """Drop the arguments that a model does not take."""
    own = {"model", "application", "return_keras_model"}
    family, _ = models.build.family_of(kwargs.get("model"), {})
    family = APPLICATIONS[(kwargs.get("application") or "encoder").lower()](family)
    known = {*parameters(family, "__init__"), *parameters(family, "build"), *own}
    leave_out(kwargs, known)


def build_bert_model(config_path, checkpoint_file=None, *args, **kwargs):
    """build_transformer_model by its first name."""
    met("old name")
    return models.build_transformer_model(config_path, checkpoint_file, *args, **kwargs)


def load_pretrained_model(
    config_path,
    checkpoint_file=None,
    seq2seq=False,
    with_mlm=False,
    seq_len=None,
    keep_words=None,
    albert=False,
    **kwargs,
):
    """build_transformer_model as the first release had it: with the head wherever it was asked."""
    met("old name")
    if keep_words is not None:
        kwargs["keep_words"] = keep_words
    return models.build_transformer_model(
        config_path,
        checkpoint_file,
        seq2seq=seq2seq,
        with_mlm=with_mlm or seq2seq,
        albert=albert,
        **kwargs,
    )


def data_parallel(model, devices=None, parts=None):
    """The model itself, whose numbers are those of its copies on several devices."""
    met("multi_gpu_model")
    return model


def multi_gpu_model(model, gpus=None, **_unused):
    """The model itself, where there are several devices for its copies; one computes all."""
    count = len(get_available_gpus())
    if count < 2:
        raise refused("multi_gpu_model", f"it needs two GPUs or more, and finds {count}")
    met("multi_gpu_model")
    warnings.warn(
        f"multi_gpu_model: one device runs the model. Today: {IDIOMS['multi_gpu_model'][1]}",
        stacklevel=2,
    )
    return model


def extend_with_parallel_unified_language_model(BaseModel):  # noqa: N803
    """Never documented, and gone since August 2020."""
    raise refused("old name", "parallel UniLM masks have no equivalent")


# Layers


class BiasAdd(layers.ScaleOffset):
    """ScaleOffset that only offsets."""

    def __init__(self, **kwargs):
        met("old name")
        super().__init__(scale=False, **kwargs)


class Scale(layers.ScaleOffset):
    """ScaleOffset that only scales."""

    def __init__(self, **kwargs):
        met("old name")
        super().__init__(offset=False, **kwargs)


class ZeroMasking(layers.Layer):
    """Marks rows of zeros as padding."""

    def call(self, inputs):
        self._mask = ops.cast(ops.greater(inputs, 0), "float32")
        return inputs

    def compute_mask(self, inputs, mask=None):
        return ops.greater(inputs, 0)


class EmbeddingDense(layers.Layer):
    """Scores for ids by the table of an embedding of that name, with a bias.

    Args:
        embedding_name: a layer whose ``embeddings`` are multiplied with.
    """

    def __init__(self, embedding_name="Embedding-Token", activation="softmax", **kwargs):
        raise refused("old name", "call the embedding itself with mode='dense'")


class FactorizedEmbedding(layers.Layer):
    """ALBERT's embedding as one layer, in 2019."""

    def __init__(self, *args, **kwargs):
        raise refused("old name", "the weights of ALBERT's embedding are in two layers now")


LAYERS = {
    "BiasAdd": BiasAdd,
    "EmbeddingDense": EmbeddingDense,
    "FactorizedEmbedding": FactorizedEmbedding,
    "OurLayer": layers.Layer,
    "Scale": Scale,
    "ZeroMasking": ZeroMasking,
}


# Optimizers and callbacks


def _extended(extend, optimizer, **more):
    met("old name")
    family = extend(type(optimizer))
    return family.from_config({**optimizer.get_config(), **more})


def PiecewiseLinearLearningRate(optimizer, schedule, from_zero=True):  # noqa: N802
    """An optimizer whose rate follows a schedule."""
    extend = optimizers.extend_with_piecewise_linear_lr
    return _extended(extend, optimizer, lr_schedule=schedule)


def GradientAccumulation(optimizer, steps_per_update=2):  # noqa: N802
    """An optimizer that updates once in several steps."""
    extend = optimizers.extend_with_gradient_accumulation
    return _extended(extend, optimizer, grad_accum_steps=steps_per_update)


def LAMB(*args, **kwargs):  # noqa: N802
    """Adam with layer adaptation and weight decay."""
    met("old name")
    decayed = optimizers.extend_with_weight_decay(optimizers.Adam)
    return optimizers.extend_with_layer_adaptation(decayed)(*args, **kwargs)


class ExponentialMovingAverage(keras.callbacks.Callback):
    """The average of weights as a callback.

    Args:
        momentum: share of the average that stays.
    """

    def __init__(self, momentum=0.999):
        met("old name")
        super().__init__()
        self.momentum = momentum

    def on_train_begin(self, logs=None):
        """Begin with the weights as they are."""
        self.averages = self.model.get_weights()

    def on_train_batch_end(self, batch, logs=None):
        """Move the average."""
        share = 1 - self.momentum
        self.averages = [
            average + share * (now - average)
            for average, now in zip(self.averages, self.model.get_weights())
        ]

    def apply_ema_weights(self):
        """Use the average."""
        self.old_weights = self.model.get_weights()
        self.model.set_weights(self.averages)

    def reset_old_weights(self):
        """Use the weights again."""
        self.model.set_weights(self.old_weights)


def extend_with_gradient_centralization(BaseOptimizer, name=None):  # noqa: N803
    """Gradients without their mean over all axes but the last (arXiv:2004.01461)."""
    met("old name")

    class Centralized(BaseOptimizer):
        def update_step(self, gradient, variable, learning_rate):
            if len(gradient.shape) > 1:
                axes = list(range(len(gradient.shape) - 1))
                gradient = gradient - ops.mean(gradient, axis=axes, keepdims=True)
            super().update_step(gradient, variable, learning_rate)

    Centralized.__name__ = name or f"Centralized{BaseOptimizer.__name__}"
    return keras.saving.register_keras_serializable("bert4keras")(Centralized)


# Numbers and modules


def infinity():
    """The number that hides scores."""
    return 1e12


def set_infinity(value):
    """Nothing: hidden scores are minus infinity, and no row becomes NaN."""
    met("old name")


def _all_of(module):
    return {name: getattr(module, name) for name in module.__all__}


def _bert():
    return {
        **_all_of(models),
        "BertModel": models.BERT,
        "Bert4LM": models.extend_with_language_model(models.BERT),
        "Bert4Seq2seq": models.extend_with_unified_language_model(models.BERT),
        "build_bert_model": build_bert_model,
        "load_pretrained_model": load_pretrained_model,
        "set_gelu": set_gelu,
        "get_bert_encoder_from_config": earliest.get_bert_encoder_from_config,
    }


def _tokenizer():
    return {
        "BasicTokenizer": tokenizers.TokenizerBase,
        "SimpleTokenizer": SimpleTokenizer,
        "Tokenizer": tokenizers.Tokenizer,
        "SpTokenizer": tokenizers.SpTokenizer,
        "load_vocab": tokenizers.load_vocab,
        "save_vocab": tokenizers.save_vocab,
        "groupby": groupby,
        "json": json,
        "np": np,
        "sequence_padding": snippets.sequence_padding,
    }


def _utils():
    load = earliest.load_weights_from_checkpoint
    return {**_all_of(snippets), **_tokenizer(), "load_weights_from_checkpoint": load}


OPTIMIZERS = {
    "ExponentialMovingAverage": ExponentialMovingAverage,
    "GradientAccumulation": GradientAccumulation,
    "LAMB": LAMB,
    "PiecewiseLinearLearningRate": PiecewiseLinearLearningRate,
    "extend_with_gradient_centralization": extend_with_gradient_centralization,
}


def _train():
    add = earliest.add_weight_decay_into
    return {**_all_of(optimizers), **OPTIMIZERS, "add_weight_decay_into": add}


MODULES = {
    "bert4keras.bert": _bert,
    "bert4keras.utils": _utils,
    "bert4keras.tokenizer": _tokenizer,
    "bert4keras.train": _train,
}
SET_RTYPE = staticmethod(set_rtype)
