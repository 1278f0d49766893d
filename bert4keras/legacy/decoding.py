"""Decoders of the time: their decorators, their signatures, and the cache behind ``predict``."""

import inspect
from functools import wraps as keep_name

import numpy as np

from bert4keras.backend import keras
from bert4keras.generation import AutoRegressiveDecoder
from bert4keras.legacy import running
from bert4keras.legacy.report import met

LAST = (-1, slice(-1, None))


class LastScores:
    """What ``model.predict`` gives inside a decoder: asked for its last row, it uses the cache.

    Anything else is computed whole, once.

    Args:
        decoder: that asks.
        model: a functional model with one output (B, L, n).
        x: its inputs.
        whole: ``predict`` as it was.
    """

    def __init__(self, decoder, model, x, whole):
        self.decoder, self.model, self.x, self.whole = decoder, model, x, whole
        self.array = None

    @staticmethod
    def can_answer(model):
        """Whether a model has one output for each token."""
        outputs = getattr(model, "outputs", None) or []
        return len(outputs) == 1 and len(outputs[0].shape) == 3

    def __getitem__(self, index):
        parts = index if isinstance(index, tuple) else (index,)
        if len(parts) > 1 and parts[1] == -1 and isinstance(parts[1], int | np.integer):
            met("whole predict")
            x = list(self.x) if isinstance(self.x, tuple) else self.x
            last = self.decoder.last_token(self.model).predict(x)
            return last[(parts[0], *parts[2:])]
        return np.asarray(self)[index]

    def __array__(self, dtype=None, copy=None):
        if self.array is None:
            self.array = self.whole(self.model, self.x, verbose=0)
        return self.array if dtype is None else self.array.astype(dtype)

    def __getattr__(self, name):
        if name.startswith("__"):
            raise AttributeError(name)
        return getattr(np.asarray(self), name)

    def __len__(self):
        return len(np.asarray(self))

    def __iter__(self):
        return iter(np.asarray(self))


def wraps(old, default_rtype="probas", use_states=False):
    """AutoRegressiveDecoder.wraps: while a script's ``predict`` runs, it is known which."""
    decorate = old(default_rtype, use_states)

    def known(predict):
        @keep_name(predict)
        def predict_known(self, *args, **kwargs):
            with running.within(running.decoders, self):
                found = predict(self, *args, **kwargs)
                return found if use_states else np.asarray(found)

        return decorate(predict_known)

    return known


def set_rtype(default_rtype="probas"):
    """The decorator of 2020: ``predict`` is given the number of the step in place of states."""
    met("set_rtype")

    def decorate(predict):
        @keep_name(predict)
        def by_step(self, inputs, output_ids, states):
            return predict(self, inputs, output_ids, _step(self, output_ids))

        return AutoRegressiveDecoder.wraps(default_rtype)(by_step)

    return decorate


def _step(decoder, output_ids):
    return output_ids.shape[1] - decoder.first_output_ids.shape[1]


def asked(old, self, rows, states, temperature, rtype, step):
    """A ``predict`` without decorator, as in the first releases: probabilities at a step."""
    predict = type(self).predict
    if len(inspect.signature(predict, follow_wrapped=False).parameters) >= 6:
        return old(self, rows, states, temperature, rtype, step)
    met("set_rtype")
    takes = inspect.signature(predict).parameters
    more = {"rtype": "probas"} if "rtype" in takes else {}
    with running.within(running.decoders, self):
        probas = np.asarray(predict(self, rows.inputs, rows.ids, step, **more))
    return (probas if rtype == "probas" else np.log(probas + 1e-12)), None


def search_layer(old, inputs, name, exclude_from=None):
    """backend.search_layer from a tensor of a running model too, as in a loss of two arguments."""
    if hasattr(inputs, "_keras_history") or isinstance(inputs, keras.layers.Layer):
        return old(inputs, name, exclude_from)
    for model in reversed(running.models):
        for output in getattr(model, "outputs", None) or ():
            found = old(output, name, exclude_from)
            if found is not None:
                return found
    return None
