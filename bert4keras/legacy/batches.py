"""Data as Keras 2 took it: lists, nested lists, generators of lists, targets that are None."""

import inspect
import itertools

import numpy as np

from bert4keras import backend
from bert4keras.backend import keras
from bert4keras.data import BatchStream
from bert4keras.legacy.report import met, refused


def arrays(data, count):
    """Arrays for the inputs or outputs of a model, from whatever stands for them.

    Args:
        data: an array, a list (of arrays, of lists, of numbers), a dict, or None.
        count: how many arrays the model takes.
    """
    if data is None or isinstance(data, dict):
        return data and {name: _array(x) for name, x in data.items()}
    if not isinstance(data, list | tuple):
        return _array(data)
    if len(data) == count and (count > 1 or _is_batch(data[0])):
        if any(isinstance(x, list) for x in data):
            met("nested lists")
        parts = tuple(_array(x) for x in data)
        return parts if count > 1 else parts[0]
    met("nested lists")
    return _array(data)


def _is_batch(x):
    """Whether the only item of a list is the array of the only input, and no sample."""
    return np.ndim(x) > 1 or (hasattr(x, "shape") and np.ndim(x) > 0)


def _array(x):
    return x if x is None or (hasattr(x, "shape") and hasattr(x, "dtype")) else np.array(x)


def inputs(x, model):
    """The inputs of a model, in the types that it takes."""
    x = arrays(x, len(model.inputs))
    if x is None or isinstance(x, dict):
        return x
    if not isinstance(x, tuple):
        return _as_type(x, model.inputs[0].dtype)
    return tuple(_as_type(one, tensor.dtype) for one, tensor in zip(x, model.inputs))


def targets(y, model):
    """Targets as Keras 2 had them: floats, and an axis more where they are a number a sample."""
    if y is None or getattr(model, "_compile_loss", None) is None:
        return None
    if len(model.outputs) == 1:
        y = of_only_output(y)
    return keras.tree.map_structure(_column, arrays(y, len(model.outputs)))


def of_only_output(x):
    """What a dict has under one name, that of the only output; anything else as it is."""
    return next(iter(x.values())) if isinstance(x, dict) and len(x) == 1 else x


def _column(x):
    x = _as_type(x, "float32")
    return x[:, None] if isinstance(x, np.ndarray) and x.ndim == 1 else x


def _as_type(x, dtype):
    numbers = isinstance(x, np.ndarray) and x.dtype.kind in "biuf"
    return x.astype(dtype, copy=False) if numbers else x


def sample(item, model):
    """What a generator gave to ``predict``: of a tuple the first part is inputs, else all is."""
    several = len(model.inputs) > 1
    if isinstance(item, tuple) and not (several and hasattr(item[0], "shape")):
        item = item[0]
    x = inputs(item, model)
    return (x if isinstance(x, tuple | dict) else (x,),)


def batch(item, model):
    """What a generator gave, as Keras 3 takes it: a tuple of inputs, targets, weights."""
    if isinstance(item, list):
        met("generator items")
    parts = list(item) if isinstance(item, list | tuple) else [item]
    if len(parts) > 3:  # the arrays of the inputs alone
        parts = [tuple(parts)]
    x, y, weights = (*parts, None, None)[:3]
    x, y = inputs(x, model), targets(y, model)
    x = x if isinstance(x, tuple | dict) else (x,)
    parts = (x, y, weights)
    return parts if weights is not None else parts[:2] if y is not None else parts[:1]


class Batches(BatchStream):
    """What a script's generator gives, for any model of Keras 3, whatever the lengths.

    Args:
        items: an iterator.
        model: whose inputs say which axes are free.
        form: function (item, model) -> tuple for Keras.
    """

    def __init__(self, items, model, form=batch):
        super().__init__(items, convert=lambda item: form(item, model))
        self.model = model

    def _shape_probe(self, number):
        self.lookahead.extend(itertools.islice(self.items, 1 - len(self.lookahead)))
        first = self._to_keras(self.lookahead[0])
        return first if number == 0 else _another(first, self.model)


def _another(batch, model):
    """A batch of zeros that differs from another in the length of every axis that is free."""
    x, *others = batch
    if isinstance(x, tuple):
        x = tuple(_longer(one, tensor.shape) for one, tensor in zip(x, model.inputs))
    free = keras.tree.map_structure(_any_length, tuple(others))
    return (x, *free)


def _longer(array, shape):
    sizes = [
        size + (axis > 0 and shape[axis] is None) if axis < len(shape) else size
        for axis, size in enumerate(np.shape(array))
    ]
    return np.zeros(sizes, getattr(array, "dtype", "float32"))


def _any_length(array):
    """Targets had free sizes in Keras 2; a last axis of 1 stays, for losses squeeze it."""
    sizes = np.shape(array)
    last = len(sizes) - 1
    sizes = [
        size + (axis > 0 and not (axis == last and size == 1)) for axis, size in enumerate(sizes)
    ]
    return np.zeros(sizes, array.dtype)


def of_sequence(sequence, shuffle):
    """The batches of a keras.utils.Sequence without end."""
    while True:
        order = np.random.permutation(len(sequence)) if shuffle else range(len(sequence))
        for number in order:
            yield sequence[int(number)]
        sequence.on_epoch_end()


def is_generator(x):
    """Whether data comes batch by batch from Python."""
    if isinstance(x, keras.utils.PyDataset):
        return True
    if hasattr(x, "element_spec") or isinstance(x, list | tuple | dict | str):
        return False  # tf.data, or arrays
    return hasattr(x, "__next__") or (hasattr(x, "__iter__") and not hasattr(x, "shape"))


def stream(x, model, steps=None, shuffle=True, form=batch):
    """A generator, or a Sequence, as a stream, and its number of steps."""
    if isinstance(x, keras.utils.PyDataset) and not isinstance(x, BatchStream):
        return Batches(of_sequence(x, shuffle), model, form), steps or len(x)
    if steps is None and inspect.isgenerator(x) and not backend.is_env_on("TF_KERAS"):
        raise refused("endless", "a generator does not say where it ends")
    if steps is None and not isinstance(x, BatchStream):
        x = list(x)  # as long as it lasts
        return Batches(itertools.cycle(x), model, form), len(x)
    return Batches(iter(x), model, form), steps
