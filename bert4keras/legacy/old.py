"""Modules and names of bert4keras before 0.6, and of releases in between."""

import json
import warnings
from itertools import groupby

import keras
import numpy as np
from keras import ops

from bert4keras import layers, models, optimizers, snippets, tokenizers
from bert4keras.backend import set_gelu
from bert4keras.legacy.decoding import set_rtype
from bert4keras.legacy.idioms import IDIOMS
from bert4keras.legacy.report import met, refused
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
    for word in [word for word in kwargs if word not in known]:
        met("unknown argument")
        del kwargs[word]


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
    """Copies of a model on several devices: what multi_gpu_model was."""
    return multi_gpu_model(model, devices)


def multi_gpu_model(model, gpus=None, **_unused):
    """The model itself: its numbers are those of its copies, one device computes them."""
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


# Tokenizers


class SimpleTokenizer(tokenizers.Tokenizer):
    """A token for each character."""

    def __init__(self, token_dict, do_lower_case=True, **kwargs):
        met("old name")
        super().__init__(token_dict, do_lower_case, **kwargs)

    def _tokenize(self, text):
        known = self._token_dict
        return [
            c if c in known else "[unused1]" if c.isspace() and "[unused1]" in known else "[UNK]"
            for c in text.lower()
        ]


def encode(old, self, first_text=None, second_text=None, maxlen=None, *args, **kwargs):
    """max_length; first, second; first_length, second_length, to which the parts are filled."""
    if {"max_length", "first", "second", "first_length", "second_length"} & kwargs.keys():
        met("max_length")
    first_text = kwargs.pop("first", first_text)
    second_text = kwargs.pop("second", second_text)
    maxlen = kwargs.pop("max_length", maxlen)
    lengths = [kwargs.pop(f"{which}_length", None) for which in ("first", "second")]
    if lengths == [None, None]:
        return old(self, first_text, second_text, maxlen, *args, **kwargs)
    tokens, segments = old(self, first_text, None, lengths[0] or maxlen, *args, **kwargs)
    tokens, segments = _filled(self, tokens, 0, lengths[0])
    if second_text is not None:
        second, _ = old(self, second_text, None, None, *args, **kwargs)
        second, ones = _filled(self, second[1:], 1, lengths[1])
        tokens, segments = tokens + second, segments + ones
    return tokens, segments


def _filled(tokenizer, ids, segment, length):
    if length is not None:
        ids = ids[:length] + [tokenizer._token_pad_id or 0] * (length - len(ids))
    return list(ids), [segment] * len(ids)


def tokenize(old, self, text, maxlen=None, **kwargs):
    """max_length; without start or end."""
    if "max_length" in kwargs:
        met("max_length")
    tokens = old(self, text, kwargs.pop("max_length", maxlen))
    if not kwargs.pop("add_cls", True) and self._token_start is not None:
        tokens = tokens[1:]
    if not kwargs.pop("add_sep", True) and self._token_end is not None:
        tokens = tokens[:-1]
    return tokens


def vocabulary(old, *args, **kwargs):
    """startwith."""
    if "startwith" in kwargs:
        met("old name")
        kwargs["startswith"] = kwargs.pop("startwith")
    return old(*args, **kwargs)


def load_vocab(dict_path, encoding="utf-8", **kwargs):
    """tokenizers.load_vocab."""
    return tokenizers.load_vocab(dict_path, encoding, **kwargs)


# Snippets


def sequence_padding(old, *args, **kwargs):
    """padding: a number, or a vector of one number."""
    if "padding" in kwargs:
        met("padding")
        numbers = np.unique(kwargs.pop("padding"))
        if len(numbers) != 1:
            raise refused("padding", f"items are filled with one number, not with {numbers}")
        kwargs["value"] = numbers[0]
    return old(*args, **kwargs)


class Progress:
    """Prints how far a loop has come.

    Args:
        iterable: what is looped over.
        period: every how many items.
    """

    def __init__(self, iterable, period=1, steps=None, desc=None):
        met("old name")
        self.iterable, self.period, self.desc = iterable, period, desc or "progress"

    def __iter__(self):
        for number, item in enumerate(self.iterable, 1):
            yield item
            if number % self.period == 0:
                print(f"{self.desc}: {number}")


def get_all_attributes(something):
    """The public names of a module, with what they are."""
    return {name: getattr(something, name) for name in dir(something) if not name.startswith("_")}


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
        "build_bert_model": build_bert_model,
        "load_pretrained_model": load_pretrained_model,
        "set_gelu": set_gelu,
    }


def _tokenizer():
    return {
        "BasicTokenizer": tokenizers.TokenizerBase,
        "SimpleTokenizer": SimpleTokenizer,
        "Tokenizer": tokenizers.Tokenizer,
        "SpTokenizer": tokenizers.SpTokenizer,
        "load_vocab": load_vocab,
        "save_vocab": tokenizers.save_vocab,
        "groupby": groupby,
        "json": json,
        "np": np,
        "sequence_padding": snippets.sequence_padding,
    }


def _utils():
    return {**_all_of(snippets), **_tokenizer()}


def _train():
    return {
        **_all_of(optimizers),
        "PiecewiseLinearLearningRate": PiecewiseLinearLearningRate,
        "GradientAccumulation": GradientAccumulation,
        "LAMB": LAMB,
        "ExponentialMovingAverage": ExponentialMovingAverage,
    }


MODULES = {
    "bert4keras.bert": _bert,
    "bert4keras.utils": _utils,
    "bert4keras.tokenizer": _tokenizer,
    "bert4keras.train": _train,
}
SET_RTYPE = staticmethod(set_rtype)
