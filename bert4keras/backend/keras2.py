"""``K``: the ``keras.backend`` functions that Keras 2 scripts call, on ``keras.ops``.

Every function takes eager tensors, symbolic tensors, NumPy arrays and Python numbers, and keeps
Keras 2's meaning: ``mean`` of booleans is a share, ``constant`` is float32, ``gather`` reads rows.
"""

import builtins
from collections.abc import Callable
from typing import Any

import keras
import numpy as np
from keras import ops
from keras.config import epsilon, floatx, set_epsilon, set_floatx  # noqa: F401

from bert4keras.backend.types import NDArray, Tensor

abs: Callable[..., Any] = ops.abs
cast: Callable[..., Any] = ops.cast
cos: Callable[..., Any] = ops.cos
elu: Callable[..., Any] = ops.elu
exp: Callable[..., Any] = ops.exp
log: Callable[..., Any] = ops.log
shape: Callable[..., Any] = ops.shape
sigmoid: Callable[..., Any] = ops.sigmoid
sign: Callable[..., Any] = ops.sign
sin: Callable[..., Any] = ops.sin
softmax: Callable[..., Any] = ops.softmax
softplus: Callable[..., Any] = ops.softplus
softsign: Callable[..., Any] = ops.softsign
sqrt: Callable[..., Any] = ops.sqrt
square: Callable[..., Any] = ops.square
stack: Callable[..., Any] = ops.stack
tanh: Callable[..., Any] = ops.tanh
transpose: Callable[..., Any] = ops.transpose


# Functions of keras.ops with Keras 2's names of arguments


def equal(x: Tensor, y: Tensor) -> Tensor:
    """True where ``x`` equals ``y``."""
    return ops.equal(x, y)


def not_equal(x: Tensor, y: Tensor) -> Tensor:
    """True where ``x`` differs from ``y``."""
    return ops.not_equal(x, y)


def greater(x: Tensor, y: Tensor) -> Tensor:
    """True where ``x`` is larger than ``y``."""
    return ops.greater(x, y)


def greater_equal(x: Tensor, y: Tensor) -> Tensor:
    """True where ``x`` is not smaller than ``y``."""
    return ops.greater_equal(x, y)


def less(x: Tensor, y: Tensor) -> Tensor:
    """True where ``x`` is smaller than ``y``."""
    return ops.less(x, y)


def less_equal(x: Tensor, y: Tensor) -> Tensor:
    """True where ``x`` is not larger than ``y``."""
    return ops.less_equal(x, y)


def maximum(x: Tensor, y: Tensor) -> Tensor:
    """The larger one of ``x`` and ``y``, element by element."""
    return ops.maximum(x, y)


def minimum(x: Tensor, y: Tensor) -> Tensor:
    """The smaller one of ``x`` and ``y``, element by element."""
    return ops.minimum(x, y)


def pow(x: Tensor, a: Tensor) -> Tensor:
    """``x`` to the power ``a``, element by element."""
    return ops.power(x, a)


def round(x: Tensor) -> Tensor:
    """``x`` rounded to whole numbers, halves to the even one."""
    return ops.round(x)


def stop_gradient(variables: Any) -> Any:
    """A tensor, or a list of tensors, that counts as a constant for gradients."""
    if isinstance(variables, list | tuple):
        return [ops.stop_gradient(variable) for variable in variables]
    return ops.stop_gradient(variables)


def arange(start: Any, stop: Any = None, step: Any = 1, dtype: str = "int32") -> Tensor:
    """Numbers from ``start`` to ``stop`` (excluded); without ``stop``, from 0 to ``start``."""
    if stop is None and isinstance(start, int) and start < 0:
        start = 0
    numbers = ops.arange(start, stop, step)
    return numbers if dtype == "int32" and "float" in str(numbers.dtype) else cast(numbers, dtype)


def ones_like(x: Tensor, dtype: str | None = None, name: str | None = None) -> Tensor:
    """Ones in the shape of ``x``."""
    return ops.ones_like(x, dtype=dtype)


def zeros_like(x: Tensor, dtype: str | None = None, name: str | None = None) -> Tensor:
    """Zeros in the shape of ``x``."""
    return ops.zeros_like(x, dtype=dtype)


def identity(x: Tensor, name: str | None = None) -> Tensor:
    """``x`` itself."""
    return x


# Shapes and indices


def symbolic(function: Callable[..., Any]) -> Callable[..., Any]:
    """Identity: Keras 3 has no separate graph mode for the backend's functions."""
    return function


graph_mode_decorator: Callable[..., Any] = symbolic  # inherited name, for old subclasses


def ndim(x: Tensor) -> int:
    """Number of axes of ``x``."""
    return len(x.shape)


def int_shape(x: Tensor) -> tuple[int | None, ...]:
    """Static shape of ``x``: integers, and None for axes not yet known."""
    return tuple(x.shape)


def dtype(x: Tensor) -> str | None:
    """Name of the dtype of a tensor, variable or array; None for anything else."""
    return keras.backend.standardize_dtype(x.dtype) if hasattr(x, "dtype") else None


def reshape(tensor: Tensor, *args: Any) -> Tensor:
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


def flatten(tensor: Tensor, start: int | None = None, end: int | None = None) -> Tensor:
    """Collapse the axes ``start`` to ``end`` (excluded) of ``tensor`` into one; all by default."""
    rank = ndim(tensor)
    start = 0 if start is None else start % rank
    end = rank if end is None else end % rank or rank
    return _Flatten(start, end)(tensor)


class _ReshapeAxes(keras.Operation):
    """Reshape of single axes, which also works in a graph with unknown sizes."""

    def call(self, x):
        return ops.reshape(x, tuple(self.sizes(list(ops.shape(x)))))

    def compute_output_spec(self, x):
        return keras.KerasTensor(tuple(self.sizes(list(x.shape))), dtype=x.dtype)


@keras.saving.register_keras_serializable("bert4keras")
class _Reshape(_ReshapeAxes):
    def __init__(self, pairs, name=None):
        super().__init__(name=name)
        self.pairs = pairs

    def sizes(self, sizes):
        for axis, small in reversed(self.pairs):
            sizes[axis : axis + 1] = _fill_in(small, sizes[axis])
        return sizes


@keras.saving.register_keras_serializable("bert4keras")
class _Flatten(_ReshapeAxes):
    def __init__(self, start, end, name=None):
        super().__init__(name=name)
        self.start, self.end = start, end

    def sizes(self, sizes):
        middle = _product(sizes[self.start : self.end])
        return [*sizes[: self.start], middle, *sizes[self.end :]]


def _fill_in(small, size):
    """Replace the -1 of a small shape by the quotient of ``size`` and the other numbers."""
    if list(small).count(-1) > 1:
        raise ValueError(f"at most one size of a shape may be -1, got {tuple(small)}")
    product = _product(n for n in small if n != -1)
    return [(None if size is None else size // product) if n == -1 else n for n in small]


def _product(sizes):
    """Product of sizes; None when one is not known."""
    product = 1
    for n in sizes:
        product = None if product is None or n is None else product * n
    return product


def expand_dims(x: Tensor, axis: Any = -1) -> Tensor:
    """``x`` with a new axis of size 1, the last one by default."""
    return ops.expand_dims(x, axis)


def squeeze(x: Tensor, axis: Any = None) -> Tensor:
    """``x`` without an axis of size 1."""
    return ops.squeeze(x, axis)


def repeat(x: Tensor, n: int) -> Tensor:
    """Rows (B, D) of ``x``, each ``n`` times: (B, n, D)."""
    return ops.repeat(ops.expand_dims(x, 1), n, axis=1)


def repeat_elements(x: Tensor, rep: int, axis: int) -> Tensor:
    """``x`` with each element along ``axis`` repeated ``rep`` times in place."""
    return ops.repeat(x, rep, axis=axis)


def tile(x: Tensor, n: Any) -> Tensor:
    """``x`` repeated as a whole, ``n[i]`` times along axis i."""
    return ops.tile(x, n)


def reverse(x: Tensor, axes: Any) -> Tensor:
    """``x`` backwards along one axis or several."""
    return ops.flip(x, axes)


def slice(x: Tensor, start: Any, size: Any) -> Tensor:
    """The part of ``x`` that begins at ``start``; a size of -1 means up to the end of its axis."""
    if not builtins.all(isinstance(n, int | np.integer) for n in (*start, *size)):
        return ops.slice(x, start, size)
    ends = [None if n == -1 else begin + n for begin, n in zip(start, size)]
    return x[tuple(builtins.slice(begin, end) for begin, end in zip(start, ends))]


def where(cond: Tensor, x: Tensor, y: Tensor) -> Tensor:
    """Take from ``x`` where ``cond`` holds, else from ``y``; all three broadcast, numbers too."""
    return ops.where(ops.cast(cond, "bool"), x, y)


def permute_dimensions(x: Tensor, pattern: Any) -> Tensor:
    """Transpose ``x`` so that its axes stand in the order of ``pattern``."""
    return ops.transpose(x, pattern)


def gather(reference: Tensor, indices: Tensor) -> Tensor:
    """Rows of ``reference`` at ``indices`` (of any integer-like dtype)."""
    return ops.take(reference, ops.cast(indices, "int32"), axis=0)


def one_hot(indices: Tensor, num_classes: int) -> Tensor:
    """One-hot vectors in ``floatx`` on a new last axis."""
    return ops.one_hot(ops.cast(indices, "int32"), num_classes, dtype=floatx())


def concatenate(tensors: list[Tensor], axis: Any = -1) -> Tensor:
    """Join tensors along ``axis``, the last one by default."""
    return ops.concatenate(tensors, axis=axis)


def dot(x: Tensor, y: Tensor) -> Tensor:
    """Matrix product over the last axis of ``x`` and the last but one of ``y``."""
    return ops.dot(x, y)


def batch_dot(x: Tensor, y: Tensor, axes: Any = None) -> Tensor:
    """Product of ``x`` and ``y`` sample by sample, over one axis of each."""
    if axes is None:
        axes = (ndim(x) - 1, ndim(y) - 2 if ndim(y) > 2 else 1)
    x_axis, y_axis = (axes, axes) if isinstance(axes, int) else axes
    x, y = ops.moveaxis(x, x_axis, -1), ops.moveaxis(y, y_axis, 1)
    product = ops.matmul(flatten(x, 1, -1), flatten(y, 2)) if ndim(x) > 2 and ndim(y) > 2 else None
    if product is not None:
        return ops.reshape(product, ops.shape(x)[:-1] + ops.shape(y)[2:])
    return ops.einsum("b...d,bd...->b...", x, y)


# Reductions (Keras 2 averages booleans as numbers)


def _numbers(x):
    x = ops.convert_to_tensor(x) if not keras.backend.is_keras_tensor(x) else x
    return ops.cast(x, floatx()) if dtype(x) == "bool" else x


def sum(x: Tensor, axis: Any = None, keepdims: bool = False) -> Tensor:
    """Sum over ``axis``."""
    return ops.sum(_numbers(x), axis=axis, keepdims=keepdims)


def mean(x: Tensor, axis: Any = None, keepdims: bool = False) -> Tensor:
    """Mean over ``axis``; of booleans, the share that is true."""
    return ops.mean(_numbers(x), axis=axis, keepdims=keepdims)


def max(x: Tensor, axis: Any = None, keepdims: bool = False) -> Tensor:
    """Largest value over ``axis``."""
    return ops.max(x, axis=axis, keepdims=keepdims)


def min(x: Tensor, axis: Any = None, keepdims: bool = False) -> Tensor:
    """Smallest value over ``axis``."""
    return ops.min(x, axis=axis, keepdims=keepdims)


def prod(x: Tensor, axis: Any = None, keepdims: bool = False) -> Tensor:
    """Product over ``axis``."""
    return ops.prod(_numbers(x), axis=axis, keepdims=keepdims)


def std(x: Tensor, axis: Any = None, keepdims: bool = False) -> Tensor:
    """Standard deviation over ``axis``."""
    return ops.std(_numbers(x), axis=axis, keepdims=keepdims)


def var(x: Tensor, axis: Any = None, keepdims: bool = False) -> Tensor:
    """Variance over ``axis``."""
    return ops.var(_numbers(x), axis=axis, keepdims=keepdims)


def all(x: Tensor, axis: Any = None, keepdims: bool = False) -> Tensor:
    """True if all values over ``axis`` are true."""
    return ops.all(ops.cast(x, "bool"), axis=axis, keepdims=keepdims)


def any(x: Tensor, axis: Any = None, keepdims: bool = False) -> Tensor:
    """True if any value over ``axis`` is true."""
    return ops.any(ops.cast(x, "bool"), axis=axis, keepdims=keepdims)


def argmax(x: Tensor, axis: Any = -1) -> Tensor:
    """Position of the largest value over ``axis``."""
    return ops.argmax(x, axis=axis)


def argmin(x: Tensor, axis: Any = -1) -> Tensor:
    """Position of the smallest value over ``axis``."""
    return ops.argmin(x, axis=axis)


def cumsum(x: Tensor, axis: Any = 0) -> Tensor:
    """Running sum along ``axis``."""
    return ops.cumsum(x, axis=axis)


def cumprod(x: Tensor, axis: Any = 0) -> Tensor:
    """Running product along ``axis``."""
    return ops.cumprod(x, axis=axis)


def logsumexp(x: Tensor, axis: Any = None, keepdims: bool = False) -> Tensor:
    """Logarithm of the sum of exponentials over ``axis``, safe for large values and all -inf."""
    return ops.logsumexp(x, axis=axis, keepdims=keepdims)


def l2_normalize(x: Tensor, axis: Any = None) -> Tensor:
    """``x`` divided by its Euclidean norm over ``axis``."""
    norm = ops.sum(ops.square(x), axis=axis, keepdims=True)
    return x * ops.rsqrt(ops.maximum(norm, 1e-12))


def clip(x: Tensor, min_value: float | None, max_value: float | None) -> Tensor:
    """``x`` held between two bounds; None leaves that side open."""
    if min_value is not None and max_value is not None:
        return ops.clip(x, min_value, max_value)
    if min_value is None and max_value is None:
        return x
    return ops.maximum(x, min_value) if max_value is None else ops.minimum(x, max_value)


# Activations and losses


def relu(
    x: Tensor, alpha: float = 0.0, max_value: float | None = None, threshold: float = 0.0
) -> Tensor:
    """Rectifier with a slope below, a ceiling above, and a threshold."""
    return keras.activations.relu(x, alpha, max_value, threshold)


def hard_sigmoid(x: Tensor) -> Tensor:
    """Keras 2's piecewise linear sigmoid: ``0.2 x + 0.5`` held between 0 and 1."""
    return ops.clip(0.2 * x + 0.5, 0.0, 1.0)


def binary_crossentropy(target: Tensor, output: Tensor, from_logits: bool = False) -> Tensor:
    """Binary cross-entropy, element by element; ``output`` holds probabilities by default."""
    return ops.binary_crossentropy(ops.cast(target, dtype(output)), output, from_logits=from_logits)


def categorical_crossentropy(
    target: Tensor, output: Tensor, from_logits: bool = False, axis: Any = -1
) -> Tensor:
    """Cross-entropy with one-hot targets over ``axis``; probabilities by default."""
    return ops.categorical_crossentropy(target, output, from_logits=from_logits, axis=axis)


def binary_focal_crossentropy(
    target: Tensor,
    output: Tensor,
    apply_class_balancing: bool = False,
    alpha: float = 0.25,
    gamma: float = 2.0,
    from_logits: bool = False,
) -> Tensor:
    """Focal cross-entropy (arXiv:1708.02002), element by element; probabilities by default."""
    output = ops.sigmoid(output) if from_logits else output
    target = ops.cast(target, dtype(output))
    share = target * output + (1 - target) * (1 - output)
    loss = ops.power(1 - share, gamma) * binary_crossentropy(target, output)
    return loss * (target * alpha + (1 - target) * (1 - alpha)) if apply_class_balancing else loss


def sparse_categorical_crossentropy(
    target: Tensor,
    output: Tensor,
    from_logits: bool = False,
    axis: Any = -1,
    ignore_class: int | None = None,
) -> Tensor:
    """Cross-entropy with integer targets, (...) or (..., 1); probabilities by default.

    Args:
        ignore_class: targets whose loss is 0, such as -1; None for none.
    """
    if ndim(target) == ndim(output):
        if target.shape[axis] is None:  # only a 1 can be meant
            sizes = list(ops.shape(output))
            sizes[axis] = 1
            target = ops.reshape(target, sizes)
        target = ops.squeeze(target, axis)
    target = ops.cast(target, "int32")
    if ignore_class is None:
        return ops.sparse_categorical_crossentropy(
            target, output, from_logits=from_logits, axis=axis
        )
    is_counted = ops.not_equal(target, ignore_class)
    target = ops.where(is_counted, target, 0)
    loss = ops.sparse_categorical_crossentropy(target, output, from_logits=from_logits, axis=axis)
    return ops.where(is_counted, loss, ops.zeros_like(loss))


def batch_normalization(
    x: Tensor,
    mean: Tensor,
    var: Tensor,
    beta: Tensor | None,
    gamma: Tensor | None,
    axis: int = -1,
    epsilon: float = 1e-3,  # noqa: F811
) -> Tensor:
    """``x`` normalized by a mean and a variance, scaled by ``gamma`` and shifted by ``beta``.

    The four may have one value for each place along ``axis``, or broadcast with ``x``.
    """
    mean, var, beta, gamma = (_along_axis(part, x, axis) for part in (mean, var, beta, gamma))
    scale = ops.rsqrt(var + epsilon)
    scale = scale if gamma is None else scale * gamma
    outputs = (x - mean) * scale
    return outputs if beta is None else outputs + beta


def _along_axis(vector, x, axis):
    """Reshape a vector so that it broadcasts with ``x`` along ``axis``."""
    if vector is None or ndim(vector) != 1 or axis in (-1, ndim(x) - 1):
        return vector
    sizes = [1] * ndim(x)
    sizes[axis] = -1
    return ops.reshape(vector, sizes)


# Values, variables, randomness


def constant(
    value: Any, dtype: str | None = None, shape: Any = None, name: str | None = None
) -> Tensor:
    """A tensor of ``floatx`` by default, repeated to ``shape`` where one is given."""
    tensor = ops.convert_to_tensor(value, dtype=dtype or floatx())
    return tensor if shape is None else ops.broadcast_to(tensor, shape)


def zeros(shape: Any, dtype: str | None = None, name: str | None = None) -> Tensor:
    """Zeros of ``floatx`` by default."""
    return ops.zeros(shape, dtype=dtype or floatx())


def ones(shape: Any, dtype: str | None = None, name: str | None = None) -> Tensor:
    """Ones of ``floatx`` by default."""
    return ops.ones(shape, dtype=dtype or floatx())


def eye(size: int, dtype: str | None = None, name: str | None = None) -> Tensor:
    """Identity matrix of ``floatx`` by default."""
    return ops.eye(size, dtype=dtype or floatx())


def variable(
    value: Any, dtype: str | None = None, name: str | None = None, constraint: Any = None
) -> keras.Variable:
    """Create a ``keras.Variable`` with the initial ``value``.

    Args:
        constraint: function that an optimizer applies to the new value after each update.
    """
    result = keras.Variable(value, dtype=dtype or floatx(), name=name)
    result.constraint = constraint
    return result


def eval(x: Tensor) -> NDArray[Any]:
    """The value of an eager tensor or variable as a NumPy array."""
    if keras.backend.is_keras_tensor(x):
        raise NotImplementedError(
            "K.eval needs a tensor that has a value, got a symbolic one. Build "
            "keras.Model(inputs, tensor) and call its predict() with data."
        )
    return ops.convert_to_numpy(x)


get_value: Callable[[Tensor], NDArray[Any]] = eval


def set_value(x: keras.Variable, value: Any) -> None:
    """Write ``value`` into a variable."""
    x.assign(value)


def update(x: keras.Variable, new_x: Tensor) -> keras.Variable:
    """Write ``new_x`` into a variable and return the variable."""
    x.assign(new_x)
    return x


def batch_get_value(tensors: list[Tensor]) -> list[NDArray[Any]]:
    """Values of several variables as NumPy arrays."""
    return [eval(x) for x in tensors]


def batch_set_value(tuples: list[tuple[Any, Any]]) -> None:
    """Write several values: pairs of (variable, value)."""
    for x, value in tuples:
        x.assign(value)


def random_uniform(
    shape: Any,
    minval: float = 0.0,
    maxval: float = 1.0,
    dtype: str | None = None,
    seed: int | None = None,
) -> Tensor:
    """Uniform random numbers between two bounds."""
    return keras.random.uniform(shape, minval, maxval, dtype=dtype or floatx(), seed=seed)


def random_normal(
    shape: Any,
    mean: float = 0.0,
    stddev: float = 1.0,
    dtype: str | None = None,
    seed: int | None = None,
) -> Tensor:
    """Normal random numbers."""
    return keras.random.normal(shape, mean, stddev, dtype=dtype or floatx(), seed=seed)


def random_binomial(
    shape: Any, p: float = 0.0, dtype: str | None = None, seed: int | None = None
) -> Tensor:
    """Ones with probability ``p``, zeros otherwise."""
    return ops.cast(keras.random.uniform(shape, seed=seed) < p, dtype or floatx())


def dropout(x: Tensor, level: float, noise_shape: Any = None, seed: int | None = None) -> Tensor:
    """Zero a share ``level`` of ``x`` and scale up the rest."""
    return keras.random.dropout(x, level, noise_shape=noise_shape, seed=seed)


# Control flow


def switch(condition: Tensor, then_expression: Any, else_expression: Any) -> Any:
    """Choose between two values, or two functions of no argument, by ``condition``."""
    if callable(then_expression) and callable(else_expression):
        return ops.cond(ops.cast(condition, "bool"), then_expression, else_expression)
    choices = [e() if callable(e) else e for e in (then_expression, else_expression)]
    missing = ndim(choices[0]) - ndim(condition) if hasattr(condition, "shape") else 0
    if missing > 0:
        condition = ops.reshape(condition, tuple(ops.shape(condition)) + (1,) * missing)
    return where(condition, *choices)


def in_train_phase(x: Tensor, alt: Any, training: Any = None) -> Any:
    """``x`` while training, ``alt`` otherwise (values, or functions of no argument).

    Args:
        training: bool or boolean tensor; None asks the layer call that is running.
    """
    if training is None:
        context = keras.src.backend.common.global_state.get_global_attribute("current_call_ctx")
        training = bool(context is not None and context.training)
    if isinstance(training, bool | int):
        value = x if training else alt
        return value() if callable(value) else value
    return switch(training, x, alt)


def rnn(
    step_function: Callable[..., Any],
    inputs: Tensor,
    initial_states: list[Tensor],
    go_backwards: bool = False,
    mask: Tensor | None = None,
    constants: list[Tensor] | None = None,
    unroll: bool = False,
    input_length: int | None = None,
    time_major: bool = False,
    zero_output_for_mask: bool = False,
    return_all_outputs: bool = True,
) -> tuple[Tensor, Tensor, list[Tensor]]:
    """Loop ``step_function(input, states) -> (output, states)`` over axis 1 of ``inputs``.

    Args:
        inputs: (B, L, ...).
        initial_states: list of tensors (B, ...).
        mask: optional (B, L) bool; where it is False, output and states are carried over.
        constants: tensors that each step gets after its states.
        unroll: without effect, as ``input_length``: the numbers are the same.
        time_major: True for inputs, mask and outputs (L, B, ...).
        zero_output_for_mask: True gives zeros where the mask is False.
        return_all_outputs: False gives the last output alone, as outputs (B, 1, ...).

    Returns:
        ``(last_output, outputs, states)`` with outputs (B, L, ...).
    """
    inputs, mask = (x if time_major or x is None else _swap_time(x) for x in (inputs, mask))
    keep = ops.ones(ops.shape(inputs)[:2], dtype="bool") if mask is None else mask
    steps = (inputs, ops.cast(keep, "bool"))
    constants = list(constants or ())
    first, _ = step_function(inputs[0], [*initial_states, *constants])

    def body(carry, step):
        x, visible = step
        output, states = step_function(x, [*carry[1:], *constants])
        carry = tuple(_carry_over(visible, *pair) for pair in zip([output, *states], carry))
        is_hidden = zero_output_for_mask and mask is not None
        shown = _carry_over(visible, output, ops.zeros_like(output)) if is_hidden else carry[0]
        return carry, (shown, *carry[1:])  # TensorFlow needs what it carries as outputs

    init = (ops.zeros_like(first), *initial_states)
    (last, *states), (outputs, *_) = ops.scan(body, init, steps, reverse=go_backwards)
    outputs = ops.flip(outputs, axis=0) if go_backwards else outputs
    outputs = outputs if return_all_outputs else outputs[-1:]
    return last, outputs if time_major else _swap_time(outputs), states


def _swap_time(x):
    """Swap the axes of rows and of time."""
    return ops.swapaxes(x, 0, 1)


def _carry_over(visible, new, previous):
    visible = ops.reshape(visible, tuple(ops.shape(visible)) + (1,) * (ndim(new) - 1))
    return ops.where(visible, new, previous)


def print_tensor(x: Tensor, message: str = "", summarize: int = 3) -> Tensor:
    """Return ``x`` and print it when it has a value."""
    print(message, x)
    return x


# Functions without an equivalent in Keras 3


def _unavailable(name, remedy):
    def function(*args, **kwargs):
        raise NotImplementedError(f"K.{name} has no equivalent in Keras 3. {remedy}")

    function.__name__ = name
    function.__doc__ = f"Raises: Keras 3 has no ``K.{name}``. {remedy}"
    return function


gradients: Callable[..., Any] = _unavailable(
    "gradients",
    "Take gradients inside a train_step of your own: tf.GradientTape on TensorFlow, jax.grad on "
    "JAX, torch.autograd.grad on PyTorch.",
)
function: Callable[..., Any] = _unavailable(
    "function", "Build keras.Model(inputs, outputs) and call its predict() or the model itself."
)
get_session: Callable[..., Any] = _unavailable(
    "get_session", "There are no sessions: read a variable with K.get_value, or call the model."
)
learning_phase: Callable[..., Any] = _unavailable(
    "learning_phase", "Give `training=True` or `training=False` to the layer or model you call."
)


def __getattr__(name: str) -> Any:
    hint = f"Use keras.ops.{name}." if hasattr(ops, name) else "See keras.ops for similar ones."
    raise AttributeError(f"K has no function {name!r}. {hint}")
