"""``K``: the ``keras.backend`` functions that Keras 2 scripts call, on ``keras.ops``.

Every function takes eager tensors, symbolic tensors, NumPy arrays and Python numbers, and keeps
Keras 2's meaning: ``mean`` of booleans is a share, ``constant`` is float32, ``gather`` reads rows.
"""

import keras
import numpy as np
from keras import ops
from keras.config import epsilon, floatx, set_epsilon, set_floatx  # noqa: F401

abs = ops.abs
arange = ops.arange
cast = ops.cast
cos = ops.cos
elu = ops.elu
equal = ops.equal
exp = ops.exp
expand_dims = ops.expand_dims
greater = ops.greater
greater_equal = ops.greater_equal
less = ops.less
less_equal = ops.less_equal
log = ops.log
maximum = ops.maximum
minimum = ops.minimum
not_equal = ops.not_equal
ones_like = ops.ones_like
pow = ops.power
repeat_elements = ops.repeat
round = ops.round
shape = ops.shape
sigmoid = ops.sigmoid
sign = ops.sign
sin = ops.sin
softmax = ops.softmax
softplus = ops.softplus
sqrt = ops.sqrt
square = ops.square
squeeze = ops.squeeze
stack = ops.stack
stop_gradient = ops.stop_gradient
tanh = ops.tanh
tile = ops.tile
transpose = ops.transpose
zeros_like = ops.zeros_like


# Shapes and indices


def symbolic(function):
    """Identity: Keras 3 has no separate graph mode for the backend's functions."""
    return function


graph_mode_decorator = symbolic  # inherited name, for old subclasses


def ndim(x):
    """Number of axes of ``x``."""
    return len(x.shape)


def int_shape(x):
    """Static shape of ``x``: integers, and None for axes not yet known."""
    return tuple(x.shape)


def dtype(x):
    """Name of the dtype of a tensor, variable or array; None for anything else."""
    return keras.backend.standardize_dtype(x.dtype) if hasattr(x, "dtype") else None


def reshape(tensor, *args):
    """Reshape ``tensor``, as a whole or axis by axis.

    Args:
        tensor: a tensor of any shape.
        *args: one new shape for the whole tensor; or pairs ``shape, axis, shape, axis, ...``, each
            putting a small shape (at most one -1) in the place of one axis.

    Example:
        >>> from bert4keras.backend import K
        >>> K.int_shape(K.reshape(K.zeros((2, 6, 5)), (3, 2), 1))
        (2, 3, 2, 5)
    """
    if len(args) == 1:
        return ops.reshape(tensor, tuple(args[0]))
    if len(args) % 2:
        raise ValueError(f"reshape takes one shape or pairs of shape and axis, got {args}")
    rank = ndim(tensor)
    pairs = sorted(((axis % rank, tuple(small)) for small, axis in zip(args[::2], args[1::2])))
    return _Reshape(pairs)(tensor)


def flatten(tensor, start=None, end=None):
    """Collapse the axes ``start`` to ``end`` (excluded) of ``tensor`` into one; all by default."""
    rank = ndim(tensor)
    start = 0 if start is None else start % rank
    end = rank if end is None else end % rank or rank
    return _Flatten(start, end)(tensor)


class _Resized(keras.Operation):
    """A reshape told by axes, so that it can also stand in a graph with sizes yet unknown."""

    def call(self, x):
        return ops.reshape(x, tuple(self.sizes(list(ops.shape(x)))))

    def compute_output_spec(self, x):
        return keras.KerasTensor(tuple(self.sizes(list(x.shape))), dtype=x.dtype)


@keras.saving.register_keras_serializable("bert4keras")
class _Reshape(_Resized):
    def __init__(self, pairs, name=None):
        super().__init__(name=name)
        self.pairs = pairs

    def sizes(self, sizes):
        for axis, small in reversed(self.pairs):
            sizes[axis : axis + 1] = _fill_in(small, sizes[axis])
        return sizes


@keras.saving.register_keras_serializable("bert4keras")
class _Flatten(_Resized):
    def __init__(self, start, end, name=None):
        super().__init__(name=name)
        self.start, self.end = start, end

    def sizes(self, sizes):
        middle = _product(sizes[self.start : self.end])
        return [*sizes[: self.start], middle, *sizes[self.end :]]


def _fill_in(small, size):
    """Replace the -1 of a small shape by what is left of ``size``."""
    if list(small).count(-1) > 1:
        raise ValueError(f"at most one size of a shape may be -1, got {tuple(small)}")
    known = _product(n for n in small if n != -1)
    return [(None if size is None else size // known) if n == -1 else n for n in small]


def _product(sizes):
    """Product of sizes; None when one is not known."""
    product = 1
    for n in sizes:
        product = None if product is None or n is None else product * n
    return product


def where(cond, x, y):
    """Take from ``x`` where ``cond`` holds, else from ``y``; all three broadcast, numbers too."""
    return ops.where(ops.cast(cond, "bool"), x, y)


def permute_dimensions(x, pattern):
    """Transpose ``x`` so that its axes stand in the order of ``pattern``."""
    return ops.transpose(x, pattern)


def gather(reference, indices):
    """Rows of ``reference`` at ``indices`` (of any integer-like dtype)."""
    return ops.take(reference, ops.cast(indices, "int32"), axis=0)


def one_hot(indices, num_classes):
    """One-hot vectors in ``floatx`` on a new last axis."""
    return ops.one_hot(ops.cast(indices, "int32"), num_classes, dtype=floatx())


def concatenate(tensors, axis=-1):
    """Join tensors along ``axis``, the last one by default."""
    return ops.concatenate(tensors, axis=axis)


def dot(x, y):
    """Matrix product over the last axis of ``x`` and the last but one of ``y``."""
    return ops.dot(x, y)


def batch_dot(x, y, axes=None):
    """Product of ``x`` and ``y`` sample by sample, over one axis of each."""
    if axes is None:
        axes = (ndim(x) - 1, ndim(y) - 2 if ndim(y) > 2 else 1)
    left, right = (axes, axes) if isinstance(axes, int) else axes
    x, y = ops.moveaxis(x, left, -1), ops.moveaxis(y, right, 1)
    product = ops.matmul(flatten(x, 1, -1), flatten(y, 2)) if ndim(x) > 2 and ndim(y) > 2 else None
    if product is not None:
        return ops.reshape(product, ops.shape(x)[:-1] + ops.shape(y)[2:])
    return ops.einsum("b...d,bd...->b...", x, y)


# Reductions (Keras 2 averages booleans as numbers)


def _numbers(x):
    x = ops.convert_to_tensor(x) if not keras.backend.is_keras_tensor(x) else x
    return ops.cast(x, floatx()) if dtype(x) == "bool" else x


def sum(x, axis=None, keepdims=False):
    """Sum over ``axis``."""
    return ops.sum(_numbers(x), axis=axis, keepdims=keepdims)


def mean(x, axis=None, keepdims=False):
    """Mean over ``axis``; of booleans, the share that is true."""
    return ops.mean(_numbers(x), axis=axis, keepdims=keepdims)


def max(x, axis=None, keepdims=False):
    """Largest value over ``axis``."""
    return ops.max(x, axis=axis, keepdims=keepdims)


def min(x, axis=None, keepdims=False):
    """Smallest value over ``axis``."""
    return ops.min(x, axis=axis, keepdims=keepdims)


def prod(x, axis=None, keepdims=False):
    """Product over ``axis``."""
    return ops.prod(_numbers(x), axis=axis, keepdims=keepdims)


def std(x, axis=None, keepdims=False):
    """Standard deviation over ``axis``."""
    return ops.std(_numbers(x), axis=axis, keepdims=keepdims)


def var(x, axis=None, keepdims=False):
    """Variance over ``axis``."""
    return ops.var(_numbers(x), axis=axis, keepdims=keepdims)


def all(x, axis=None, keepdims=False):
    """Whether all values over ``axis`` are true."""
    return ops.all(ops.cast(x, "bool"), axis=axis, keepdims=keepdims)


def any(x, axis=None, keepdims=False):
    """Whether any value over ``axis`` is true."""
    return ops.any(ops.cast(x, "bool"), axis=axis, keepdims=keepdims)


def argmax(x, axis=-1):
    """Position of the largest value over ``axis``."""
    return ops.argmax(x, axis=axis)


def argmin(x, axis=-1):
    """Position of the smallest value over ``axis``."""
    return ops.argmin(x, axis=axis)


def cumsum(x, axis=0):
    """Running sum along ``axis``."""
    return ops.cumsum(x, axis=axis)


def logsumexp(x, axis=None, keepdims=False):
    """Logarithm of the sum of exponentials over ``axis``, safe for large values and all -inf."""
    return ops.logsumexp(x, axis=axis, keepdims=keepdims)


def l2_normalize(x, axis=None):
    """``x`` divided by its Euclidean norm over ``axis``."""
    norm = ops.sum(ops.square(x), axis=axis, keepdims=True)
    return x * ops.rsqrt(ops.maximum(norm, 1e-12))


def clip(x, min_value, max_value):
    """``x`` held between two bounds; None leaves that side open."""
    low = -np.inf if min_value is None else min_value
    return ops.clip(x, low, np.inf if max_value is None else max_value)


# Activations and losses


def relu(x, alpha=0.0, max_value=None, threshold=0.0):
    """Rectifier with a slope below, a ceiling above, and a threshold."""
    return keras.activations.relu(x, alpha, max_value, threshold)


def hard_sigmoid(x):
    """Keras 2's piecewise linear sigmoid: ``0.2 x + 0.5`` held between 0 and 1."""
    return ops.clip(0.2 * x + 0.5, 0.0, 1.0)


def binary_crossentropy(target, output, from_logits=False):
    """Binary cross-entropy, element by element; ``output`` holds probabilities by default."""
    return ops.binary_crossentropy(ops.cast(target, dtype(output)), output, from_logits=from_logits)


def categorical_crossentropy(target, output, from_logits=False, axis=-1):
    """Cross-entropy with one-hot targets over ``axis``; probabilities by default."""
    return ops.categorical_crossentropy(target, output, from_logits=from_logits, axis=axis)


def sparse_categorical_crossentropy(target, output, from_logits=False, axis=-1):
    """Cross-entropy with integer targets, (...) or (..., 1); probabilities by default."""
    if ndim(target) == ndim(output):
        if target.shape[axis] is None:  # only a 1 can be meant
            sizes = list(ops.shape(output))
            sizes[axis] = 1
            target = ops.reshape(target, sizes)
        target = ops.squeeze(target, axis)
    target = ops.cast(target, "int32")
    return ops.sparse_categorical_crossentropy(target, output, from_logits=from_logits, axis=axis)


# Values, variables, randomness


def constant(value, dtype=None, shape=None, name=None):
    """A tensor of ``floatx`` by default, repeated to ``shape`` where one is given."""
    tensor = ops.convert_to_tensor(value, dtype=dtype or floatx())
    return tensor if shape is None else ops.broadcast_to(tensor, shape)


def zeros(shape, dtype=None, name=None):
    """Zeros of ``floatx`` by default."""
    return ops.zeros(shape, dtype=dtype or floatx())


def ones(shape, dtype=None, name=None):
    """Ones of ``floatx`` by default."""
    return ops.ones(shape, dtype=dtype or floatx())


def eye(size, dtype=None, name=None):
    """Identity matrix of ``floatx`` by default."""
    return ops.eye(size, dtype=dtype or floatx())


def variable(value, dtype=None, name=None):
    """A ``keras.Variable`` that begins as ``value``."""
    return keras.Variable(value, dtype=dtype or floatx(), name=name)


def eval(x):
    """The value of an eager tensor or variable as a NumPy array."""
    if keras.backend.is_keras_tensor(x):
        raise NotImplementedError(
            "K.eval needs a tensor that has a value, got a symbolic one. Build "
            "keras.Model(inputs, tensor) and call its predict() with data."
        )
    return ops.convert_to_numpy(x)


get_value = eval


def set_value(x, value):
    """Write ``value`` into a variable."""
    x.assign(value)


def update(x, new_x):
    """Write ``new_x`` into a variable and return the variable."""
    x.assign(new_x)
    return x


def batch_get_value(tensors):
    """Values of several variables as NumPy arrays."""
    return [eval(x) for x in tensors]


def batch_set_value(tuples):
    """Write several values: pairs of (variable, value)."""
    for x, value in tuples:
        x.assign(value)


def random_uniform(shape, minval=0.0, maxval=1.0, dtype=None, seed=None):
    """Uniform random numbers between two bounds."""
    return keras.random.uniform(shape, minval, maxval, dtype=dtype or floatx(), seed=seed)


def random_normal(shape, mean=0.0, stddev=1.0, dtype=None, seed=None):
    """Normal random numbers."""
    return keras.random.normal(shape, mean, stddev, dtype=dtype or floatx(), seed=seed)


def random_binomial(shape, p=0.0, dtype=None, seed=None):
    """Ones with probability ``p``, zeros otherwise."""
    return ops.cast(keras.random.uniform(shape, seed=seed) < p, dtype or floatx())


def dropout(x, level, noise_shape=None, seed=None):
    """Zero a share ``level`` of ``x`` and scale up the rest."""
    return keras.random.dropout(x, level, noise_shape=noise_shape, seed=seed)


# Control flow


def switch(condition, then_expression, else_expression):
    """Choose between two values, or two functions of no argument, by ``condition``."""
    if callable(then_expression) and callable(else_expression):
        return ops.cond(ops.cast(condition, "bool"), then_expression, else_expression)
    choices = [e() if callable(e) else e for e in (then_expression, else_expression)]
    missing = ndim(choices[0]) - ndim(condition) if hasattr(condition, "shape") else 0
    if missing > 0:
        condition = ops.reshape(condition, tuple(ops.shape(condition)) + (1,) * missing)
    return where(condition, *choices)


def in_train_phase(x, alt, training=None):
    """``x`` while training, ``alt`` otherwise (values, or functions of no argument).

    Args:
        training: bool or boolean tensor; None asks the layer call that is running.
    """
    if training is None:
        context = keras.src.backend.common.global_state.get_global_attribute("current_call_ctx")
        training = bool(context is not None and context.training)
    if isinstance(training, bool | int):
        chosen = x if training else alt
        return chosen() if callable(chosen) else chosen
    return switch(training, x, alt)


def rnn(step_function, inputs, initial_states, go_backwards=False, mask=None, **_unused):
    """Loop ``step_function(input, states) -> (output, states)`` over axis 1 of ``inputs``.

    Args:
        inputs: (B, L, ...).
        initial_states: list of tensors (B, ...).
        mask: optional (B, L) bool; where it is False, output and states are carried over.

    Returns:
        ``(last_output, outputs, states)`` with outputs (B, L, ...).
    """
    keep = ops.ones(ops.shape(inputs)[:2], dtype="bool") if mask is None else mask
    steps = (ops.swapaxes(inputs, 0, 1), ops.swapaxes(ops.cast(keep, "bool"), 0, 1))
    first, _ = step_function(steps[0][0], list(initial_states))

    def one(carry, step):
        x, visible = step
        output, states = step_function(x, list(carry[1:]))
        new = [_carry_over(visible, n, old) for n, old in zip([output, *states], carry)]
        return tuple(new), tuple(new)

    begin = (ops.zeros_like(first), *initial_states)
    (last, *states), (outputs, *_) = ops.scan(one, begin, steps, reverse=go_backwards)
    outputs = ops.swapaxes(outputs, 0, 1)
    return last, ops.flip(outputs, axis=1) if go_backwards else outputs, states


def _carry_over(visible, new, old):
    visible = ops.reshape(visible, tuple(ops.shape(visible)) + (1,) * (ndim(new) - 1))
    return ops.where(visible, new, old)


def print_tensor(x, message=""):
    """Return ``x`` and print it when it has a value."""
    print(message, x)
    return x


# What Keras 3 has no equivalent for


def _gone(name, remedy):
    def gone(*args, **kwargs):
        raise NotImplementedError(f"K.{name} has no equivalent in Keras 3. {remedy}")

    gone.__name__ = name
    gone.__doc__ = f"Raises: Keras 3 has no ``K.{name}``. {remedy}"
    return gone


gradients = _gone(
    "gradients",
    "Take gradients inside a train_step of your own: tf.GradientTape on TensorFlow, jax.grad on "
    "JAX, torch.autograd.grad on PyTorch.",
)
function = _gone(
    "function", "Build keras.Model(inputs, outputs) and call its predict() or the model itself."
)
get_session = _gone(
    "get_session", "There are no sessions: read a variable with K.get_value, or call the model."
)
learning_phase = _gone(
    "learning_phase", "Give `training=True` or `training=False` to the layer or model you call."
)


def __getattr__(name):
    hint = f"Use keras.ops.{name}." if hasattr(ops, name) else "Look in keras.ops for its kin."
    raise AttributeError(f"K has no function {name!r}. {hint}")
