"""Tokenizers, snippets and decoders of bert4keras 0.x: old names, arguments and decorators."""

import functools
import inspect
import itertools
from typing import Any

import numpy as np

from bert4keras import backend, snippets, tokenizers
from bert4keras.backend import keras
from bert4keras.generation import AutoRegressiveDecoder
from bert4keras.legacy import patches
from bert4keras.legacy.patches import add, add_names, push, replace
from bert4keras.legacy.report import record_use, unsupported_error

# Tokenizers


class SimpleTokenizer(tokenizers.Tokenizer):
    """Tokenizer with one token for each character."""

    def __init__(self, token_dict: Any, do_lower_case: Any = True, **kwargs: Any) -> None:
        record_use("old name")
        super().__init__(token_dict, do_lower_case, **kwargs)

    def _tokenize(self, text):
        vocab = self._token_dict
        return [
            c if c in vocab else "[unused1]" if c.isspace() and "[unused1]" in vocab else "[UNK]"
            for c in text.lower()
        ]


@replace(tokenizers.TokenizerBase, "_read_special_tokens")
def _read_special_tokens(original, self, lookup, *args, **kwargs):
    """Accept a vocabulary without some special tokens; the script sets their ids."""
    names = [f"_token_{name}" for name in ("unk", "start", "end")]
    tokens = {name: getattr(self, name) for name in names}
    absent = {name: x for name, x in tokens.items() if x is not None and lookup(x) is None}
    if absent:
        record_use("special tokens")
    vars(self).update(dict.fromkeys(absent))
    try:
        original(self, lookup, *args, **kwargs)
    finally:
        vars(self).update(absent)


@replace(tokenizers.TokenizerBase, "encode")
def _encode(original, self, first_text=None, second_text=None, maxlen=None, *args, **kwargs):
    """Accept ``max_length``, ``first``, ``second``; pad to ``first_length``, ``second_length``."""
    if {"max_length", "first", "second", "first_length", "second_length"} & kwargs.keys():
        record_use("max_length")
    first_text = kwargs.pop("first", first_text)
    second_text = kwargs.pop("second", second_text)
    maxlen = kwargs.pop("max_length", maxlen)
    lengths = [kwargs.pop(f"{name}_length", None) for name in ("first", "second")]
    if lengths == [None, None]:
        return original(self, first_text, second_text, maxlen, *args, **kwargs)
    tokens, segments = original(self, first_text, None, lengths[0] or maxlen, *args, **kwargs)
    tokens, segments = _pad_tokens(self, tokens, 0, lengths[0])
    if second_text is not None:
        second, _ = original(self, second_text, None, None, *args, **kwargs)
        second, second_segments = _pad_tokens(self, second[1:], 1, lengths[1])
        tokens, segments = tokens + second, segments + second_segments
    return tokens, segments


def _pad_tokens(tokenizer, ids, segment, length):
    if length is not None:
        ids = ids[:length] + [tokenizer._token_pad_id or 0] * (length - len(ids))
    return list(ids), [segment] * len(ids)


@replace(tokenizers.TokenizerBase, "tokenize")
def _tokenize(original, self, text, maxlen=None, **kwargs):
    """Accept ``max_length``, ``add_cls`` and ``add_sep``."""
    if "max_length" in kwargs:
        record_use("max_length")
    tokens = original(self, text, kwargs.pop("max_length", maxlen))
    if not kwargs.pop("add_cls", True) and self._token_start is not None:
        tokens = tokens[1:]
    if not kwargs.pop("add_sep", True) and self._token_end is not None:
        tokens = tokens[:-1]
    return tokens


@replace(tokenizers, "load_vocab")
def _load_vocab(original, *args, **kwargs):
    """Accept ``startwith``."""
    if "startwith" in kwargs:
        record_use("old name")
        kwargs["startswith"] = kwargs.pop("startwith")
    return original(*args, **kwargs)


def _alias(name):
    def get(self):
        record_use("old name")
        return getattr(self, name)

    return property(get)


add_names(
    tokenizers.TokenizerBase,
    {
        "_token_cls": _alias("_token_start"),
        "_token_cls_id": _alias("_token_start_id"),
        "_token_sep": _alias("_token_end"),
        "_token_sep_id": _alias("_token_end_id"),
    },
)
add_names(tokenizers, {"SimpleTokenizer": SimpleTokenizer})

# Snippets


@replace(snippets, "sequence_padding")
def _sequence_padding(original, *args, **kwargs):
    """Accept ``padding``: a number, or an array of one number."""
    if "padding" in kwargs:
        record_use("padding")
        numbers = np.unique(kwargs.pop("padding"))
        if len(numbers) != 1:
            raise unsupported_error("padding", f"expected one number, got {numbers}")
        kwargs["value"] = numbers[0]
    return original(*args, **kwargs)


class _Progress:
    """Iterable that prints its progress.

    Args:
        iterable: iterable to wrap.
        period: number of items between two lines.
    """

    def __init__(self, iterable: Any, period: Any = 1, steps: Any = None, desc: Any = None) -> None:
        record_use("old name")
        self.iterable, self.period, self.desc = iterable, period, desc or "progress"

    def __iter__(self) -> Any:
        for number, item in enumerate(self.iterable, 1):
            yield item
            if number % self.period == 0:
                print(f"{self.desc}: {number}")


def _get_all_attributes(something):
    return {name: getattr(something, name) for name in dir(something) if not name.startswith("_")}


add_names(
    snippets,
    {
        "BasicTokenizer": tokenizers.TokenizerBase,
        "BeamSearch": AutoRegressiveDecoder,
        "Progress": _Progress,
        "get_all_attributes": _get_all_attributes,
        "groupby": itertools.groupby,
        "is_py2": False,
    },
)

# Decoders


class CachedPrediction:
    """Result of ``model.predict`` in a decoder: its last position comes from the KV cache.

    Other positions are computed without the cache, once.

    Args:
        decoder: the running decoder.
        model: functional model with one output (B, L, n).
        x: inputs of the model.
        predict: original ``predict``.
    """

    def __init__(self, decoder: Any, model: Any, x: Any, predict: Any) -> None:
        self._decoder, self._model, self._x, self._predict = decoder, model, x, predict
        self._array: Any = None

    @staticmethod
    def supports(model: Any) -> Any:
        """True if a model has one output for each token."""
        outputs = getattr(model, "outputs", None) or []
        return len(outputs) == 1 and len(outputs[0].shape) == 3

    def __getitem__(self, index: Any) -> Any:
        parts = index if isinstance(index, tuple) else (index,)
        if len(parts) > 1 and parts[1] == -1 and isinstance(parts[1], int | np.integer):
            record_use("whole predict")
            x = list(self._x) if isinstance(self._x, tuple) else self._x
            last_token = self._decoder.last_token(self._model).predict(x)
            return last_token[(parts[0], *parts[2:])]
        return np.asarray(self)[index]

    def __array__(self, dtype: Any = None, copy: Any = None) -> Any:
        if self._array is None:
            self._array = self._predict(self._model, self._x, verbose=0)
        return self._array if dtype is None else self._array.astype(dtype)

    def __getattr__(self, name: Any) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return getattr(np.asarray(self), name)

    def __len__(self) -> int:
        return len(np.asarray(self))

    def __iter__(self) -> Any:
        return iter(np.asarray(self))


@replace(AutoRegressiveDecoder, "wraps")
def _wraps(original, default_rtype="probas", use_states=False):
    """Register the decoder as running while the script's ``predict`` runs."""
    decorate = original(default_rtype, use_states)

    def decorate_registered(predict):
        @functools.wraps(predict)
        def registered_predict(self, *args, **kwargs):
            with push(patches.running_decoders, self):
                result = predict(self, *args, **kwargs)
                return result if use_states else np.asarray(result)

        return decorate(registered_predict)

    return decorate_registered


@add(AutoRegressiveDecoder, "set_rtype")
@staticmethod
def _set_rtype(default_rtype="probas"):
    """Decorate a ``predict`` of 2020, which gets the number of the step in place of states."""
    record_use("set_rtype")

    def decorate(predict):
        @functools.wraps(predict)
        def predict_step(self, inputs, output_ids, states):
            step = output_ids.shape[1] - self.first_output_ids.shape[1]
            return predict(self, inputs, output_ids, step)

        return AutoRegressiveDecoder.wraps(default_rtype)(predict_step)

    return decorate


@replace(AutoRegressiveDecoder, "_predict_scores")
def _ask(original, self, rows, states, temperature, rtype, step):
    """Call a ``predict`` without decorator, as in 2019: it returns probabilities of a step."""
    predict = type(self).predict
    if len(inspect.signature(predict, follow_wrapped=False).parameters) >= 6:
        return original(self, rows, states, temperature, rtype, step)
    record_use("set_rtype")
    takes_rtype = "rtype" in inspect.signature(predict).parameters
    kwargs = {"rtype": "probas"} if takes_rtype else {}
    with push(patches.running_decoders, self):
        probas = np.asarray(predict(self, rows.inputs, rows.ids, step, **kwargs))
    return (probas if rtype == "probas" else np.log(probas + 1e-12)), None


@replace(backend, "search_layer")
def _search_layer(original, inputs, name, exclude_from=None):
    """Search from a tensor of a running model too, as in a loss function."""
    if hasattr(inputs, "_keras_history") or isinstance(inputs, keras.layers.Layer):
        return original(inputs, name, exclude_from)
    for model in reversed(patches.running_models):
        for output in getattr(model, "outputs", None) or ():
            layer = original(output, name, exclude_from)
            if layer is not None:
                return layer
    return None
