"""Functions of K that ``bert4keras.backend.keras2`` has not, or has as errors."""

import contextlib

import keras
import numpy as np
from keras import ops
from keras.src.backend.common import global_state

from bert4keras.backend import K, tf
from bert4keras.legacy import gradients, neural, sessions, updates
from bert4keras.legacy.deferred import lifted_functions
from bert4keras.legacy.report import met

K_batch_dot, K_prod, K_reshape = K.batch_dot, K.prod, K.reshape


def learning_phase():
    """1 in training and 0 elsewhere, within a layer; outside, what stands for it in K.function."""
    met("K.learning_phase")
    context = global_state.get_global_attribute("current_call_ctx")
    if context is None:
        return gradients.LearningPhase()
    return int(bool(context.training))


def smart_cond(pred, true_fn=None, false_fn=None, name=None):
    """tf_utils.smart_cond: what one of two functions gives."""
    return K.in_train_phase(true_fn, false_fn, pred)


def set_learning_phase(value):
    """Nothing: layers are told when they are called."""
    met("K.learning_phase")


def placeholder(shape=None, ndim=None, dtype=None, sparse=False, name=None):
    """A symbolic input."""
    shape = (None,) * ndim if shape is None else shape
    return keras.Input(batch_shape=shape, dtype=dtype or K.floatx(), name=name)


def batch_flatten(x):
    """Two axes: samples and all others."""
    return ops.reshape(x, (-1, int(np.prod(x.shape[1:]))))


def batch_dot(x, y, axes=None):
    """K.batch_dot; of two matrices a column, as ever."""
    product = K_batch_dot(x, y, axes)
    return ops.expand_dims(product, 1) if len(product.shape) == 1 else product


def reshape(x, shape, *rest):
    """K.reshape; a size that is not known is what remains."""
    if not rest and list(shape).count(None) == 1 and -1 not in shape:
        shape = [-1 if size is None else size for size in shape]
    return K_reshape(x, shape, *rest)


def prod(x, axis=None, keepdims=False):
    """K.prod; of sizes that are known a number, which can be a size again."""
    if isinstance(x, list | tuple) and all(isinstance(size, int) for size in x):
        return int(np.prod(x))
    return K_prod(x, axis, keepdims)


def map_fn(fn, elems, name=None, dtype=None):
    """A function over the first axis."""
    return ops.map(fn, elems)


def update_add(x, increment):
    """Add to a variable, and return it."""
    return updates.update(x, x + increment)


def update_sub(x, decrement):
    """Subtract from a variable, and return it."""
    return updates.update(x, x - decrement)


def moving_average_update(x, value, momentum):
    """Move a variable towards a value."""
    x.assign(x * momentum + value * (1 - momentum))
    return x


def bias_add(x, bias, data_format=None):
    """Sum with a bias along the last axis."""
    return x + bias


def softsign(x):
    """x / (1 + |x|)."""
    return ops.softsign(x)


def in_top_k(predictions, targets, k):
    """Whether targets are among the k best predictions."""
    return ops.in_top_k(targets, predictions, k)


def random_normal_variable(shape, mean, scale, dtype=None, name=None, seed=None):
    """A variable drawn from a normal distribution."""
    return K.variable(K.random_normal(shape, mean, scale, dtype=dtype, seed=seed), name=name)


def truncated_normal(shape, mean=0.0, stddev=1.0, dtype=None, seed=None):
    """Numbers of a truncated normal distribution."""
    return keras.random.truncated_normal(shape, mean, stddev, dtype=dtype, seed=seed)


def count_params(x):
    """How many numbers a variable holds."""
    return int(np.prod(x.shape))


def is_tensor(x):
    """Whether x is a tensor."""
    return hasattr(x, "shape") and not isinstance(x, np.ndarray)


def foldl(fn, elems, initializer=None, name=None):
    """Fold the first axis from the left."""
    first, rest = (elems[0], elems[1:]) if initializer is None else (initializer, elems)
    return ops.scan(lambda carry, x: (fn(carry, x), None), first, rest)[0]


def unknown(name):
    """A function that keras.ops has under the same name."""
    if name.startswith("__") or not hasattr(ops, name):
        raise AttributeError(f"K has no function {name!r}, and keras.ops none either")
    return getattr(ops, name)


ADDED = {  # name on K -> what it is
    "Function": gradients.Function,
    "__getattr__": unknown,
    "backend": keras.backend.backend,
    "batch_dot": batch_dot,
    "batch_flatten": batch_flatten,
    "bias_add": bias_add,
    "cast_to_floatx": lambda x: ops.cast(x, K.floatx()),
    "clear_session": keras.backend.clear_session,
    "control_dependencies": contextlib.nullcontext,
    "count_params": count_params,
    "foldl": foldl,
    "function": gradients.Function,
    "get_session": sessions.get_session,
    "get_uid": keras.backend.get_uid,
    "gradients": gradients.gradients,
    "image_data_format": keras.backend.image_data_format,
    "in_top_k": in_top_k,
    "is_keras_tensor": keras.backend.is_keras_tensor,
    "is_tensor": is_tensor,
    "learning_phase": learning_phase,
    "manual_variable_initialization": lambda value: None,
    "map_fn": map_fn,
    "moving_average_update": moving_average_update,
    "name_scope": keras.name_scope,
    "placeholder": placeholder,
    "prod": prod,
    "random_bernoulli": K.random_binomial,
    "random_normal_variable": random_normal_variable,
    "set_image_data_format": keras.backend.set_image_data_format,
    "set_learning_phase": set_learning_phase,
    "set_session": sessions.set_session,
    "softsign": softsign,
    "tf": tf,
    "truncated_normal": truncated_normal,
    "update": updates.update,
    "update_add": update_add,
    "update_sub": update_sub,
    "variable": updates.variable,
    "zeros": updates.zeros,
    **neural.ADDED,
    **lifted_functions({"reshape": reshape}),
}
