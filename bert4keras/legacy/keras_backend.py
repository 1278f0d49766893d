"""Functions of K that ``bert4keras.backend.keras2`` lacks, and arithmetic with NumPy arrays."""

import contextlib
import functools
from typing import Any

import keras
import numpy as np
from keras import ops
from keras.src.backend.common import global_state

from bert4keras.backend import K, backend_name, tf
from bert4keras.legacy import keras_gradients, keras_images, keras_optimizers, tensorflow1
from bert4keras.legacy.patches import add_names, replace
from bert4keras.legacy.report import record_use, unsupported_error

_K_batch_dot, _K_prod, _K_reshape = K.batch_dot, K.prod, K.reshape

# Phases, placeholders, updates


def _learning_phase():
    """Return 1 in training, else 0; outside of a layer a lazy value for K.function."""
    record_use("K.learning_phase")
    context = global_state.get_global_attribute("current_call_ctx")
    if context is None:
        return keras_gradients.LearningPhase()
    return int(bool(context.training))


def _set_learning_phase(value):
    """Do nothing: each call of a layer gets its phase."""
    record_use("K.learning_phase")


def smart_cond(
    condition: Any = None,
    true_fn: Any = None,
    false_fn: Any = None,
    name: Any = None,
    **kwargs: Any,
) -> Any:
    """Return the result of one of two functions, as tf_utils.smart_cond(pred, ...) does."""
    return K.in_train_phase(true_fn, false_fn, kwargs.get("pred", condition))


def _placeholder(shape=None, ndim=None, dtype=None, sparse=False, name=None, **kwargs):
    if kwargs.get("ragged"):
        raise unsupported_error("K function", "ragged=True of K.placeholder")
    shape = (None,) * ndim if shape is None else shape
    return keras.Input(batch_shape=shape, dtype=dtype or K.floatx(), sparse=sparse, name=name)


def _update_add(x, increment):
    return keras_optimizers.k_update(x, x + increment)


def _update_sub(x, decrement):
    return keras_optimizers.k_update(x, x - decrement)


def _moving_average_update(x, value, momentum):
    x.assign(x * momentum + value * (1 - momentum))
    return x


# Shapes and arithmetic


def _with_names(function, **names):
    """Return a function that accepts Keras 2's names of arguments too, each with the name today."""

    @functools.wraps(function)
    def call(*args, **kwargs):
        return function(*args, **{names.get(name, name): x for name, x in kwargs.items()})

    return call


def _batch_flatten(x):
    return K.flatten(x, 1)


def _batch_dot(x, y, axes=None):
    """Return K.batch_dot; a column (B, 1) for two matrices."""
    product = _K_batch_dot(x, y, axes)
    return ops.expand_dims(product, 1) if len(product.shape) == 1 else product


@keras_gradients.lazy_function
def _reshape(x, shape, *sizes):
    """Return K.reshape; a single None in the shape means -1."""
    if not sizes and list(shape).count(None) == 1 and -1 not in shape:
        shape = [-1 if size is None else size for size in shape]
    return _K_reshape(x, shape, *sizes)


def _prod(x, axis=None, keepdims=False):
    """Return K.prod; an int for a list of ints, because it may be a size."""
    if isinstance(x, list | tuple) and all(isinstance(size, int) for size in x):
        return int(np.prod(x))
    return _K_prod(x, axis, keepdims)


def _concatenate(tensors, axis=-1):
    """Concatenate tensors; lists among them get the dtype of the first tensor."""
    dtype = next((x.dtype for x in tensors if hasattr(x, "dtype")), None)
    tensors = [x if hasattr(x, "dtype") else ops.convert_to_tensor(x, dtype) for x in tensors]
    return ops.concatenate(tensors, axis)


def _foldl(fn, elems, initializer=None, name=None):
    first, tail = (elems[0], elems[1:]) if initializer is None else (initializer, elems)
    return ops.scan(lambda carry, x: (fn(carry, x), None), first, tail)[0]


def _foldr(fn, elems, initializer=None, name=None):
    return _foldl(fn, ops.flip(elems, 0), initializer)


def _cast_to_floatx(x):
    """Return a tensor of floatx; an array for arrays, lists and numbers."""
    is_plain = isinstance(x, np.ndarray | np.generic | list | tuple | int | float)
    return np.asarray(x, K.floatx()) if is_plain else ops.cast(x, K.floatx())


def _is_variable(x):
    return isinstance(x, keras.Variable)


def _is_placeholder(x):
    return keras.backend.is_keras_tensor(x) and isinstance(
        x._keras_history.operation, keras.layers.InputLayer
    )


def _normalize_batch_in_training(x, gamma, beta, reduction_axes, epsilon=1e-3):
    """Return a batch normalized over some axes, its mean and its variance."""
    axes = list(reduction_axes)
    mean, variance = ops.moments(x, axes, keepdims=True)
    gamma, beta = (v if v is None else ops.reshape(v, ops.shape(mean)) for v in (gamma, beta))
    outputs = K.batch_normalization(x, mean, variance, beta, gamma, -1, epsilon)
    return outputs, ops.squeeze(mean, axes), ops.squeeze(variance, axes)


# Random numbers


def _random_uniform(shape, minval=0.0, maxval=1.0, dtype=None, seed=None):
    draw = keras.random.randint if "int" in str(dtype) else keras.random.uniform
    return draw(shape, minval, maxval, dtype=dtype or K.floatx(), seed=seed)


def _truncated_normal(shape, mean=0.0, stddev=1.0, dtype=None, seed=None):
    return keras.random.truncated_normal(shape, mean, stddev, dtype=dtype, seed=seed)


def _random_uniform_variable(shape, low, high, dtype=None, name=None, seed=None):
    return K.variable(keras.random.uniform(shape, low, high, dtype=dtype, seed=seed), name=name)


def _random_normal_variable(shape, mean, scale, dtype=None, name=None, seed=None):
    return K.variable(K.random_normal(shape, mean, scale, dtype=dtype, seed=seed), name=name)


# CTC, batches


def _ctc_batch_cost(y_true, y_pred, input_length, label_length):
    """Return CTC's loss (B, 1) for probabilities (B, T, n); the blank is the last class."""
    lengths = [ops.cast(ops.reshape(x, (-1,)), "int32") for x in (label_length, input_length)]
    labels, logits = ops.cast(y_true, "int32"), ops.log(y_pred + K.epsilon())
    loss = ops.ctc_loss(labels, logits, *lengths, mask_index=y_pred.shape[-1] - 1)
    return ops.expand_dims(loss, 1)


def _ctc_decode(
    y_pred, input_length, greedy=True, beam_width=100, top_paths=1, merge_repeated=False
):
    """Return paths through probabilities (B, T, n), padded with -1, and their scores."""
    if merge_repeated and not greedy:
        raise unsupported_error("K function", "merge_repeated=True of K.ctc_decode")
    blank, logits = y_pred.shape[-1] - 1, ops.log(y_pred + K.epsilon())
    strategy = "greedy" if greedy else "beam_search"
    paths, scores = ops.ctc_decode(
        logits, input_length, strategy, beam_width, top_paths, mask_index=blank
    )
    return list(paths), scores


def _getattr(name):
    """Return the function of keras.ops with the same name."""
    if name.startswith("__") or not hasattr(ops, name):
        raise AttributeError(f"Neither K nor keras.ops has {name!r}. See https://keras.io/api/ops")
    return getattr(ops, name)


def _refuse(name):
    def function(*args, **kwargs):
        raise unsupported_error("K function", f"K.{name}")

    return function


_UNSUPPORTED = "ctc_label_dense_to_sparse get_graph learning_phase_scope".split()
_FUNCTIONS = {  # name in K: function
    **keras_gradients.LAZY_FUNCTIONS,
    **keras_images.FUNCTIONS,
    **{name: _refuse(name) for name in _UNSUPPORTED},
    "Function": keras_gradients.Function,
    "__getattr__": _getattr,
    "backend": keras.backend.backend,
    "batch_dot": _batch_dot,
    "batch_flatten": _batch_flatten,
    "cast_to_floatx": _cast_to_floatx,
    "clear_session": keras.backend.clear_session,
    "concatenate": _concatenate,
    "control_dependencies": contextlib.nullcontext,
    "count_params": lambda x: int(np.prod(x.shape)),
    "ctc_batch_cost": _ctc_batch_cost,
    "ctc_decode": _ctc_decode,
    "flatten": _with_names(K.flatten, x="tensor"),
    "foldl": _foldl,
    "foldr": _foldr,
    "function": keras_gradients.Function,
    "get_session": tensorflow1.Session,
    "get_uid": keras.backend.get_uid,
    "get_variable_shape": K.int_shape,
    "gradients": keras_gradients.gradients,
    "in_test_phase": lambda x, alt, training=None: K.in_train_phase(alt, x, training),
    "in_top_k": lambda predictions, targets, k: ops.in_top_k(targets, predictions, k),
    "is_placeholder": _is_placeholder,
    "is_symbolic": keras.backend.is_keras_tensor,
    "is_variable": _is_variable,
    "is_keras_tensor": keras.backend.is_keras_tensor,
    "is_sparse": lambda tensor: False,
    "is_tensor": lambda x: hasattr(x, "shape") and not isinstance(x, np.ndarray),
    "learning_phase": _learning_phase,
    "manual_variable_initialization": lambda value: None,
    "map_fn": lambda fn, elems, name=None, dtype=None: ops.map(fn, elems),
    "moving_average_update": _moving_average_update,
    "name_scope": keras.name_scope,
    "normalize_batch_in_training": _normalize_batch_in_training,
    "placeholder": _placeholder,
    "prod": _prod,
    "random_bernoulli": K.random_binomial,
    "random_normal_variable": _random_normal_variable,
    "random_uniform": _random_uniform,
    "random_uniform_variable": _random_uniform_variable,
    "reset_uids": lambda: None,
    "reshape": _reshape,
    "set_epsilon": _with_names(K.set_epsilon, e="value"),
    "set_floatx": _with_names(K.set_floatx, floatx="value"),
    "set_learning_phase": _set_learning_phase,
    "set_session": tensorflow1.set_session,
    "tf": tf,
    "to_dense": lambda tensor: tensor,
    "truncated_normal": _truncated_normal,
    "update": keras_optimizers.k_update,
    "update_add": _update_add,
    "update_sub": _update_sub,
    "variable": keras_optimizers.k_variable,
    "zeros": keras_optimizers.k_zeros,
}
add_names(K, _FUNCTIONS)
add_names(  # keras.backend gets every function of K that it lacks
    keras.backend,
    {
        name: value
        for name, value in {**vars(K), **_FUNCTIONS}.items()
        if (not name.startswith("_") or name == "__getattr__") and not hasattr(keras.backend, name)
    },
)


# Arithmetic with NumPy arrays keeps the dtype of the tensor, as TensorFlow does. Keras 3 and
# PyTorch turn float32 times a NumPy array into float64.


def _match_dtype(value, tensor):
    """Return a float64 array in the dtype of a tensor of floats."""
    dtype = keras.backend.standardize_dtype(tensor.dtype)
    is_float64 = isinstance(value, np.ndarray | np.floating) and value.dtype == np.float64
    return value.astype(dtype) if is_float64 and "float" in dtype else value


_OPERATORS = [f"__{name}__" for name in "add radd sub rsub mul rmul truediv rtruediv".split()]


@replace(keras.Variable, *_OPERATORS)
@replace(keras.KerasTensor, *_OPERATORS)
def _operator(original, self, operand):
    return original(self, _match_dtype(operand, self))


def _torch_operator(original, self, operand):
    # A meta tensor has no values, so NumPy cannot compute with it
    if isinstance(operand, np.ndarray):
        operand = ops.convert_to_tensor(_match_dtype(operand, self))
    return original(self, operand)


if backend_name == "torch":
    replace(type(ops.zeros(())), *_OPERATORS)(_torch_operator)
