"""Values that a script computes with before there are any: they are known when a batch comes."""

import operator

from bert4keras.backend import K, keras
from bert4keras.legacy.report import refused


class Deferred:
    """A value yet to come, which takes part in arithmetic and in functions of K.

    Args:
        value: callable(feed) -> tensor, with ``feed`` the batch as a ``Feed``.
    """

    __array_priority__ = 1000  # before NumPy's arrays

    def __init__(self, value):
        self.value = value

    @property
    def values(self):
        """Those of a sparse gradient: all of it, for here it is dense."""
        return self

    def __getitem__(self, index):
        return Deferred(lambda feed: self.value(feed)[index])

    def __float__(self):
        raise refused("total_loss", "it has no value before a batch is given")

    __int__ = __bool__ = __float__


def _binary(function):
    def forward(self, other):
        return Deferred(lambda feed: function(known(self, feed), known(other, feed)))

    def backward(self, other):
        return Deferred(lambda feed: function(known(other, feed), known(self, feed)))

    return forward, backward


for name in ("add", "sub", "mul", "truediv", "pow"):
    forward, backward = _binary(getattr(operator, name))
    setattr(Deferred, f"__{name}__", forward)
    setattr(Deferred, f"__r{name}__", backward)
Deferred.__neg__ = lambda self: Deferred(lambda feed: -self.value(feed))


class Feed:
    """A batch: arrays by the inputs of a model, its targets, and whether it trains."""

    def __init__(self, values, training=False):
        self.values = values  # {id of what stands for an input: tensor}
        self.training = training

    def __getitem__(self, key):
        return self.values[id(key)]


def known(value, feed):
    """A value where a batch is given."""
    if isinstance(value, Deferred):
        return value.value(feed)
    return feed[value] if keras.backend.is_keras_tensor(value) else value


def waits(values):
    """Whether one of nested values is deferred."""
    return any(isinstance(x, Deferred) for x in keras.tree.flatten(values))


def lifted(function):
    """A function of K that takes deferred values too."""

    def lifts(*args, **kwargs):
        if not waits((args, kwargs)):
            return function(*args, **kwargs)

        def value(feed):
            given, named = keras.tree.map_structure(lambda x: known(x, feed), (args, kwargs))
            return function(*given, **named)

        return Deferred(value)

    lifts.__name__, lifts.__doc__, lifts.__wrapped__ = function.__name__, function.__doc__, function
    return lifts


LIFTED = (
    "abs cast clip exp expand_dims l2_normalize log max maximum mean min minimum reshape sign sqrt "
    "square squeeze stop_gradient sum transpose"
).split()


def lifted_functions(own):
    """Functions of K by name, each taking deferred values too.

    Args:
        own: {name: function} in the place of those of K.
    """
    return {name: lifted(own.get(name) or getattr(K, name)) for name in LIFTED}
