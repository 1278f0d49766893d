"""Families: arguments that nothing knows, and what subclasses of Transformer were given."""

from functools import partial

import keras

from bert4keras import models
from bert4keras.legacy.report import met
from bert4keras.models.config import parameters


def leave_out(kwargs, known):
    """Drop the arguments that nothing knows, which never had any effect."""
    for word in [word for word in kwargs if word not in known]:
        met("unknown argument")
        del kwargs[word]


def initialised(old, self, vocab_size=None, *args, **kwargs):
    """Without a size of a vocabulary, and with arguments of its subclasses."""
    leave_out(kwargs, parameters(models.Transformer, "__init__"))
    if vocab_size is None and "keep_tokens" not in kwargs:
        vocab_size = 0
    return old(self, vocab_size, *args, **kwargs)


def build(old, self, **kwargs):
    """The same of what ``build`` is given."""
    leave_out(kwargs, parameters(type(self), "build"))
    return old(self, **kwargs)


def drawn(old, self, shape, dtype=None, order=None, gain=1.0):
    """Random weights by a model's method with two arguments more; the order is the family's."""
    values = old(self, shape, dtype)
    return values if gain == 1.0 else values * gain


def apply(old, self, inputs=None, layer=None, arguments=None, **kwargs):
    """Ids are floats, as all inputs were: masks made of them are multiplied with losses. Arguments
    of a Lambda are its function's.
    """
    if layer is keras.layers.Input and "int" in str(kwargs.get("dtype")):
        kwargs["dtype"] = "float32"
    if layer is keras.layers.Lambda and arguments:
        layer, arguments = partial(layer, arguments=arguments), None
    return old(self, inputs, layer, arguments, **kwargs)
