"""What a script's layer stores on itself while it computes: tensors of one graph, gone with it.

In Keras 2 there was one graph for ever, so that ``self.embeddings = f(self.embeddings)`` or
``if not hasattr(self, "kernel"): self.kernel = ...`` in ``call`` did no harm.
"""

import contextlib
import functools

import keras
import numpy as np
from keras import ops
from keras.src.backend.common import global_state

from bert4keras import backend
from bert4keras.legacy import running
from bert4keras.legacy.report import is_of_a_library, met, refused


@functools.cache
def _of_script(family):
    code = getattr(family.call, "__code__", None)
    return code is not None and not is_of_a_library(code.co_filename)


def called(old, self, *args, **kwargs):
    """A call of a layer; tensors of the graph that it has put on itself are taken off again."""
    scales = running.notes(self).get("scales", {})
    if not scales and not _of_script(type(self)):
        return old(self, *args, **kwargs)
    before = dict(vars(self))
    if self._inbound_nodes:
        node = self._inbound_nodes[0].arguments
        _have_history((args, kwargs), (node.args, node.kwargs))
    for name, scale in scales.items():
        vars(self)[name] = before[name] * scale
    try:
        return old(self, *args, **kwargs)
    finally:
        vars(self).update((name, before[name]) for name in scales)
        _take_off(vars(self), before)


def _have_history(given, symbolic):
    """Have tensors know the layers before them, which a script searches inside of ``call``."""
    given, symbolic = keras.tree.flatten(given), keras.tree.flatten(symbolic)
    for tensor, symbol in zip(given, symbolic):
        if backend.is_traced(tensor) and hasattr(symbol, "_keras_history"):
            with contextlib.suppress(AttributeError, TypeError):  # where tensors take no attributes
                tensor._keras_history = symbol._keras_history


def _take_off(attributes, before):
    for name, value in list(attributes.items()):
        if before.get(name) is value or not backend.is_traced(value):
            continue
        if name in before:
            attributes[name] = before[name]
        else:
            del attributes[name]


def output_spec(old, self, *args, **kwargs):
    """Shape and type of what a script's layer gives: as its ``call`` computes them, and where that
    leaves a size open, as its ``compute_output_shape`` says.
    """
    if not _of_script(type(self)):
        return old(self, *args, **kwargs)

    def call(*given, **named):  # PyTorch runs it for two sizes
        _have_history((given, named), (args, kwargs))
        return called(type(self).call, self, *given, **named)

    try:
        computed = keras.src.backend.compute_output_spec(call, *args, **kwargs)
    except Exception as error:  # where ``call`` takes no symbols, its shape may do
        with _or_raise(error):
            return old(self, *args, **kwargs)
    if type(self).compute_output_shape is keras.layers.Layer.compute_output_shape:
        return computed
    try:
        stated = old(self, *args, **kwargs)
        return keras.tree.map_structure(_together, computed, stated)
    except Exception:  # a shape that is wrong, or needs what only ``call`` knows
        return computed


@contextlib.contextmanager
def _or_raise(error):
    try:
        yield
    except Exception:
        raise error from None


def _together(computed, stated):
    if len(computed.shape) != len(stated.shape):
        return computed
    sizes = [a if a is not None else b for a, b in zip(computed.shape, stated.shape)]
    return keras.KerasTensor(sizes, dtype=computed.dtype)


def stored(old, self, name, value):
    """A weight that a script replaces by a multiple of itself, as in ``layer.kernel = layer.kernel
    * 20``, is multiplied wherever it is used, and goes on learning.
    """
    before = vars(self).get(name)
    replaced = isinstance(before, keras.Variable) and ops.is_tensor(value)
    if not replaced or isinstance(value, keras.Variable) or _in_call():
        return old(self, name, value)
    met("scaled weight")
    scales = running.notes(self).setdefault("scales", {})
    scales[name] = _scale(before, value, next(iter(scales.values()), None))


def _in_call():
    return global_state.get_global_attribute("current_call_ctx") is not None


def _scale(variable, value, of_others):
    """The number that a variable was multiplied with; zeros have that of the layer's others."""
    weights, values = ops.convert_to_numpy(variable), ops.convert_to_numpy(value)
    rates = values[weights != 0] / weights[weights != 0]
    if rates.size and np.allclose(rates, rates[0], rtol=1e-3):
        return float(np.median(rates))
    if rates.size or of_others is None or values.any():
        raise refused("scaled weight", "it is no multiple of itself")
    return of_others


def settable(owner, name):
    """A weight that Keras 3 lets nobody set, as a property that can be."""
    return getattr(owner, name).setter(lambda self, value: setattr(self, f"_{name}", value))
