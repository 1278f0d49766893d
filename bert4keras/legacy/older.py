"""Names and arguments of the first releases, 0.2 to 0.5, beside those of ``old``."""

import keras
import numpy as np

from bert4keras import models
from bert4keras.data import sequence_padding as pad
from bert4keras.legacy.report import met, refused
from bert4keras.models.config import parameters

SPECIAL = {"cls": "start", "sep": "end"}  # what start and end of texts were called


def transformer(old, self, vocab_size=None, *args, **kwargs):
    """Any model, which took arguments that it does not know, and no size of a vocabulary."""
    known = parameters(models.Transformer, "__init__")
    for word in [word for word in kwargs if word not in known]:
        met("unknown argument")
        del kwargs[word]
    if "keep_tokens" in kwargs or vocab_size is not None:
        return old(self, vocab_size, *args, **kwargs)
    return old(self, 0, *args, **kwargs)


def drawn(old, self, shape, dtype=None, order=None, gain=1.0):
    """Random weights by a model's method with two arguments more; the order is the family's."""
    values = old(self, shape, dtype)
    return values if gain == 1.0 else values * gain


def build(old, self, **kwargs):
    """The same of what ``build`` is given."""
    known = parameters(type(self), "build")
    for word in [word for word in kwargs if word not in known]:
        met("unknown argument")
        del kwargs[word]
    return old(self, **kwargs)


def load_vocab(old, dict_path, encoding="utf-8", simplified=False, startswith=None, **kwargs):
    """tokenizers.load_vocab with ``startwith``."""
    if "startwith" in kwargs:
        met("first")
        startswith = kwargs.pop("startwith")
    return old(dict_path, encoding, simplified, startswith, **kwargs)


class FactorizedEmbedding(keras.layers.Layer):
    """ALBERT's embedding as one layer, of 2019: a name in imports."""

    def __init__(self, *args, **kwargs):
        raise refused("old name", "the weights of ALBERT's embedding are in two layers now")


def special(kind, ending):
    """A property for a special token: ``_token_cls``, ``_token_sep_id`` and their kin."""

    def get(self):
        met("old name")
        return getattr(self, f"_token_{SPECIAL[kind]}{ending}")

    return property(get)


SPECIAL_TOKENS = {
    f"_token_{kind}{ending}": special(kind, ending) for kind in SPECIAL for ending in ("", "_id")
}


def sequence_padding(inputs, length=None, *args, **kwargs):
    """snippets.sequence_padding with ``padding``, a number or an item of one number."""
    if "padding" in kwargs:
        met("padding value")
        kwargs["value"] = np.ravel(kwargs.pop("padding"))[0]
    return pad(inputs, length, *args, **kwargs)


def first_names(kwargs):
    """Arguments of encode, ``first`` and ``second`` under the names of today."""
    for word in {"first", "second"} & kwargs.keys():
        met("first")
        kwargs[f"{word}_text"] = kwargs.pop(word)
    return kwargs
