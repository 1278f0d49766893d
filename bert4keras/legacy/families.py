"""Families: arguments that nothing knows, and what subclasses of Transformer were given."""

from functools import partial

import keras
from keras import ops

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


# Masks of attention, which were hooks and arguments of that name before 0.9: 1 where one sees


def as_mask(values):
    """Ones and zeros as the booleans of today."""
    if values is None or str(values.dtype) == "bool":
        return values
    met("a_mask")
    return ops.greater(values, 0.5)


def mask_of(owner):
    """compute_attention_mask of a class: what its compute_attention_bias gives."""
    bias = owner.compute_attention_bias
    return lambda self, inputs=None: bias(self, inputs)


def subclassed(cls, **kwargs):
    """A family of the script, which may mask attention by the old hook."""
    super(models.Transformer, cls).__init_subclass__(**kwargs)
    hooks = ("compute_attention_bias", "compute_attention_mask")
    owner = next(vars(one) for one in cls.__mro__ if any(name in vars(one) for name in hooks))
    if hooks[0] not in owner:
        cls.compute_attention_bias = lambda self, inputs=None: as_mask(
            self.compute_attention_mask(inputs)
        )


def attend(old, self, inputs, *args, a_mask=None, **kwargs):
    """A call of MultiHeadAttention, with ``a_mask``."""
    if a_mask:
        kwargs["a_bias"] = True
        inputs = [as_mask(x) if place == 3 else x for place, x in enumerate(inputs)]
    return old(self, inputs, *args, **kwargs)
