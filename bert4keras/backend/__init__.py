"""The ground floor: activations, masking, rotary positions and pooling on ``keras.ops``.

Scripts take ``keras`` and ``K`` from here. This is the only module that asks which backend runs.
"""

import importlib
import os
from functools import partial

os.environ.setdefault("KERAS_BACKEND", "tensorflow")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "1")

import keras  # noqa: E402
import numpy as np  # noqa: E402
from keras import ops  # noqa: E402

from bert4keras.backend import keras2 as K  # noqa: E402, F401, N812
from bert4keras.backend.keras2 import dtype, flatten, reshape, symbolic, where  # noqa: E402, F401
from bert4keras.backend.losses import (  # noqa: E402
    multilabel_categorical_crossentropy,
    sparse_multilabel_categorical_crossentropy,  # noqa: F401
)
from bert4keras.backend.recompute import do_recompute, recompute_grad, switched_on  # noqa: E402, F401

is_tf_keras = switched_on("TF_KERAS")

backend_name = keras.backend.backend()  # "tensorflow", "jax" or "torch"


class LazyModule:
    """A module that is imported when one of its attributes is first asked for."""

    def __init__(self, name):
        self._name = name

    def __getattr__(self, attribute):
        return getattr(importlib.import_module(self._name), attribute)


tf = LazyModule("tensorflow")


def get_available_gpus():
    """Names of the GPUs that the running backend sees."""
    if backend_name == "tensorflow":
        return [device.name for device in tf.config.list_logical_devices("GPU")]
    module = importlib.import_module(backend_name)
    if backend_name == "torch":
        return [f"cuda:{i}" for i in range(module.cuda.device_count())]
    return [str(device) for device in module.devices() if device.platform == "gpu"]


def is_traced(x):
    """Whether ``x`` is a tensor of a graph that is being traced, without a value of its own; on
    PyTorch, which traces none, whether it is computed.
    """
    if backend_name == "tensorflow":
        return tf.is_symbolic_tensor(x)
    if backend_name == "torch":
        return ops.is_tensor(x) and not isinstance(x, importlib.import_module("torch").nn.Parameter)
    return isinstance(x, importlib.import_module("jax").core.Tracer)


def seed_dropout(seed):
    """Seed the random numbers that dropout draws from outside the model: those of PyTorch alone."""
    if backend_name == "torch":
        importlib.import_module("torch").manual_seed(seed)


def assert_that(condition, message, *values, passthrough=None):
    """Raise ``message`` with ``values`` unless ``condition`` holds, compiled or not.

    The error is a ValueError where code runs eagerly; compiled code wraps the message in an error
    of its backend.

    Args:
        passthrough: a tensor whose use would fail less clearly; use what is returned in its place.

    Returns:
        ``passthrough``.
    """
    if isinstance(condition, bool):
        _raise_unless(message, condition, *values)
    elif backend_name == "tensorflow" and not tf.executing_eagerly():
        checked = tf.debugging.Assert(condition, [message, *values])
        if passthrough is not None:  # parts of a graph run in any order
            with tf.control_dependencies([checked]):
                return tf.identity(passthrough)
    elif backend_name == "jax":
        raise_unless = partial(_raise_unless, message)
        importlib.import_module("jax").debug.callback(raise_unless, condition, *values)
    elif backend_name == "tensorflow" or condition.device.type != "meta":
        _raise_unless(message, condition, *values)
    return passthrough


def _raise_unless(message, condition, *values):
    if not condition:
        raise ValueError(f"{message} ({', '.join(str(int(value)) for value in values)})")


def compile_function(function, variables=()):
    """``function`` of nested tensors as a program, where the backend compiles.

    TensorFlow makes a graph without XLA, and lets sizes be unknown once they vary. JAX compiles
    once for each shape and takes ``variables`` as arguments: their values are those at the call,
    and no constants of the program. torch runs eagerly. Nothing gets gradients.

    Args:
        function: callable(*nested tensors) -> nested tensors.
        variables: the Keras variables that it reads, and does not change.

    Returns:
        A callable like ``function``, which keeps its programs.

    Example:
        >>> from bert4keras.backend import K, compile_function
        >>> double = compile_function(lambda x: 2 * x)
        >>> K.eval(double(K.constant([1, 2]))).tolist()
        [2.0, 4.0]
    """
    if backend_name == "tensorflow":
        return tf.function(function, autograph=False, reduce_retracing=True)
    if backend_name == "torch":
        return importlib.import_module("torch").no_grad()(function)

    def pure(values, *args):
        with keras.StatelessScope(state_mapping=list(zip(variables, values))):
            return function(*args)

    program = importlib.import_module("jax").jit(pure)
    return lambda *args: program([variable.value for variable in variables], *args)


def value_and_grad(function, tensors, create_graph=False):
    """The value of a function and its gradients, inside compiled training too.

    Args:
        function: callable(list of tensors) -> (scalar, nested tensors, whatever is wanted).
        tensors: a list of floating tensors.
        create_graph: whether the gradients, in turn, get gradients.

    Returns:
        What the function returns, and a list of gradients.
    """
    if backend_name == "jax":
        return importlib.import_module("jax").value_and_grad(function, has_aux=True)(tensors)
    if backend_name == "tensorflow":
        with tf.GradientTape() as tape:
            tape.watch(tensors)
            scalar, more = function(tensors)
        return (scalar, more), tape.gradient(scalar, tensors, unconnected_gradients="zero")
    torch = importlib.import_module("torch")
    tensors = [x if x.requires_grad else x.detach().requires_grad_() for x in tensors]
    scalar, more = function(tensors)
    found = torch.autograd.grad(scalar, tensors, create_graph=create_graph, materialize_grads=True)
    return (scalar, more), list(found)


def write_row(x, place, row):
    """``x`` (..., L, D) with ``row`` (..., 1, D) at a place, a scalar int32, of axis L.

    TensorFlow writes into ``x`` itself where nothing else needs it; ``ops.slice_update`` would copy
    it there. No gradients.

    Example:
        >>> from bert4keras.backend import K, write_row
        >>> K.eval(write_row(K.zeros((3, 2)), 1, K.ones((1, 2)))).tolist()
        [[0.0, 0.0], [1.0, 1.0], [0.0, 0.0]]
    """
    if backend_name != "tensorflow":
        return ops.slice_update(x, [*[0] * (len(x.shape) - 2), place, 0], row)
    shape, size = ops.shape(x), x.shape[-1]
    matrix = tf.raw_ops.TensorStridedSliceUpdate(  # quickest with two axes
        input=tf.reshape(x, (-1, shape[-2] * size)),
        begin=[0, place * size],
        end=[0, (place + 1) * size],
        strides=[1, 1],
        value=tf.reshape(row, (-1, size)),
        begin_mask=1,
        end_mask=1,
    )
    return tf.reshape(matrix, shape)


def get_mask(x):
    """The mask that Keras carries beside a tensor, or None."""
    return keras.src.backend.get_keras_mask(x)


def set_mask(x, mask):
    """Have Keras carry a mask beside a tensor."""
    keras.src.backend.set_keras_mask(x, mask)


graph_mode_decorator = symbolic  # kept for old subclasses


# Activations


@keras.saving.register_keras_serializable("bert4keras")
def gelu_erf(x):
    """GELU by the error function (Hendrycks & Gimpel, arXiv:1606.08415).

    Half precision is computed in float32 and rounded once: exact, and faster with TensorFlow on a
    CPU.
    """
    if backend_name == "torch":  # does so by itself
        return ops.gelu(x, approximate=False)
    wide = ops.cast(x, keras.backend.result_type(x.dtype, "float32"))
    return ops.cast(ops.gelu(wide, approximate=False), x.dtype)


@keras.saving.register_keras_serializable("bert4keras")
def gelu_tanh(x):
    """GELU by its approximation with tanh (Hendrycks & Gimpel, arXiv:1606.08415)."""
    return ops.gelu(x, approximate=True)


@keras.saving.register_keras_serializable("bert4keras")
def swish(x):
    """x * sigmoid(x), also called SiLU (arXiv:1710.05941)."""
    return ops.silu(x)


@keras.saving.register_keras_serializable("bert4keras")
def leaky_relu(x, alpha=0.2):
    """Rectifier with the slope ``alpha`` below zero."""
    return ops.leaky_relu(x, negative_slope=alpha)


@keras.saving.register_keras_serializable("bert4keras")
def root_mean_square(x, axis=None, keepdims=False):
    """Square root of the mean square over ``axis``."""
    return ops.sqrt(ops.mean(ops.square(x), axis=axis, keepdims=keepdims))


def set_gelu(version):
    """Choose which GELU the string ``"gelu"`` names in models and layers built from now on.

    Args:
        version: "erf" (the default of the library) or "tanh", in any case.

    Example:
        >>> from bert4keras.backend import set_gelu
        >>> set_gelu("tanh")
        >>> set_gelu("erf")
    """
    versions = {"erf": gelu_erf, "tanh": gelu_tanh}
    if version.lower() not in versions:
        raise ValueError(f"gelu version must be 'erf' or 'tanh', got {version!r}")
    custom_objects["gelu"] = versions[version.lower()]


def get_activation(identifier):
    """The function that an activation's name stands for; callables and None as Keras takes them.

    Raises:
        ValueError: the name is known neither here nor to Keras.
    """
    if isinstance(identifier, str) and identifier in custom_objects:
        return custom_objects[identifier]
    return keras.activations.get(identifier)


def activation_config(function):
    """What a layer's config stores for an activation, so that ``get_activation`` finds it again."""
    names = {gelu_erf: "gelu_erf", gelu_tanh: "gelu_tanh", swish: "swish", leaky_relu: "leaky_relu"}
    return names.get(function) or keras.activations.serialize(function)


# Tensors: alignment, masks, gathering, padding


def align(tensor, axes, ndim=None):
    """Insert axes of size 1 so that axis i of ``tensor`` becomes axis ``axes[i]``.

    Args:
        tensor: a tensor with ``len(axes)`` axes.
        axes: rising positions in the result; negative ones need ``ndim``.
        ndim: number of axes of the result; by default the last of ``axes`` is the last axis.

    Example:
        >>> from bert4keras.backend import K, align
        >>> K.int_shape(align(K.zeros((2, 5)), [0, -1], 4))
        (2, 1, 1, 5)
    """
    if len(tensor.shape) != len(axes) or (ndim is None and min(axes) < 0):
        raise ValueError(
            f"align needs one position for each of the {len(tensor.shape)} axes, and `ndim` with "
            f"negative positions; got axes={axes}, ndim={ndim}"
        )
    ndim = ndim or max(axes) + 1
    positions = [axis % ndim for axis in axes]
    missing = [axis for axis in range(ndim) if axis not in positions]
    return ops.expand_dims(tensor, missing) if missing else tensor


def sequence_masking(x, mask=None, value=0, axis=None, bias=None, return_mask=False):
    """Put ``value`` into the positions of ``x`` that a mask hides, and add a bias.

    Args:
        x: a tensor (B, ...).
        mask: (B, L), true where visible; None hides nothing.
        value: a number; ``"-inf"`` and ``-numpy.inf`` alike.
        axis: the axis of ``x``, or list of axes, that L stands for; 1 by default.
        bias: broadcasts against ``x`` from the right, after the batch axis: a boolean one is a
            further mask, any other is added.
        return_mask: also return the mask aligned with ``x`` (None if there is none).

    Returns:
        A tensor like ``x``, or the pair of it and the mask.
    """
    rank, visible = len(x.shape), None
    if mask is not None:
        axes = [1] if axis is None else [axis] if isinstance(axis, int) else axis
        for one in axes:
            one = align(ops.cast(mask, "bool"), [0, one % rank], rank)
            visible = one if visible is None else ops.logical_and(visible, one)
    if bias is not None and dtype(bias) == "bool":
        visible = bias if visible is None else ops.logical_and(visible, bias)
    elif bias is not None:
        x = x + ops.cast(bias, dtype(x))
    if visible is not None:
        x = ops.where(visible, x, ops.cast(float(value), dtype(x)))
    return (x, visible) if return_mask else x


def batch_gather(params, indices):
    """Entries of ``params`` at ``indices``, batch by batch.

    Args:
        params: (B..., L, ...).
        indices: (B..., n), integers or whole floats, in the range of L.

    Returns:
        A tensor (B..., n, ...).

    Example:
        >>> from bert4keras.backend import K, batch_gather
        >>> rows = K.constant([[1, 2, 3], [4, 5, 6]])
        >>> K.eval(batch_gather(rows, K.constant([[2], [0]]))).tolist()
        [[3.0], [4.0]]
    """
    indices = ops.cast(indices, "int32")
    axis = len(indices.shape) - 1
    trailing = list(range(axis + 1, len(params.shape)))
    indices = ops.expand_dims(indices, trailing) if trailing else indices
    return ops.take_along_axis(params, indices, axis=axis)


def pool1d(x, pool_size, strides=1, padding="valid", data_format=None, pool_mode="max"):
    """Pool (B, L, D) along the sequence by windows; ``pool_mode`` is "max" or "avg"."""
    data_format = data_format or "channels_last"
    if pool_mode == "max":
        return ops.max_pool(x, pool_size, strides, padding, data_format)
    # sums over counts: the pooling of backends differs in where padding lies and whether it counts
    channels = x.shape[1 if data_format == "channels_first" else 2]
    window = ops.ones((pool_size, channels, 1), dtype(x))
    sums, counts = (
        ops.depthwise_conv(y, window, strides, padding, data_format) for y in (x, ops.ones_like(x))
    )
    return sums / counts


def divisible_temporal_padding(x, n):
    """Pad axis 1 of ``x`` with zeros on the right until ``n`` divides its length."""
    length = ops.shape(x)[1]
    x = ops.pad(x, [[0, 0], [0, n - 1]] + [[0, 0]] * (len(x.shape) - 2))
    return x[:, : length + (-length) % n]


# Attention


def attention_normalize(a, mask=None, axis=-1, method="softmax", bias=None):
    """Turn attention scores into weights, in float32.

    Args:
        a: scores, usually (B, H, Lq, Lk).
        mask: (B, Lk), true where visible.
        axis: the axis of the keys.
        method: "softmax"; "squared_relu", relu(a)^2 over the number of visible keys
            (https://kexue.fm/archives/8934); "softmax_plus", softmax of a log(n) / log(512) with n
            visible keys, at least 16 (https://kexue.fm/archives/8823); "linear", nothing.
        bias: as in ``sequence_masking``.

    Returns:
        Weights like ``a``, float32. A row without a visible key is all zeros.
    """
    if method not in _NORMALIZATIONS:
        raise ValueError(f"normalization must be one of {list(_NORMALIZATIONS)}, got {method!r}")
    a, visible = sequence_masking(ops.cast(a, "float32"), mask, -np.inf, axis, bias, True)
    count = ops.shape(a)[axis]
    if visible is not None and method in ("squared_relu", "softmax_plus"):
        count = ops.sum(ops.cast(visible, "float32"), axis=axis, keepdims=True)
    return _NORMALIZATIONS[method](a, ops.cast(count, "float32"), axis)


def _softmax(a, count, axis):
    peak = ops.max(ops.stop_gradient(a), axis=axis, keepdims=True, initial=-np.inf)
    blind = ops.equal(peak, -np.inf)
    weights = ops.exp(a - ops.where(blind, 0.0, peak))
    total = ops.sum(weights, axis=axis, keepdims=True)
    return weights / ops.where(blind, 1.0, total)


def _softmax_plus(a, count, axis):
    return _softmax(a * (ops.log(ops.maximum(count, 16.0)) / np.log(512.0)), count, axis)


def _squared_relu(a, count, axis):
    return ops.square(ops.relu(a)) / ops.maximum(count, 1.0)


_NORMALIZATIONS = {
    "softmax": _softmax,
    "squared_relu": _squared_relu,
    "softmax_plus": _softmax_plus,
    "linear": lambda a, count, axis: a,
}


def sinusoidal_embeddings(pos, dim, base=10000):
    """Sines and cosines of positions, interleaved (Vaswani et al., arXiv:1706.03762).

    Args:
        pos: positions (...), integers or floats.
        dim: an even number of features.
        base: the longest wavelength is ``2 pi base``.

    Returns:
        A float32 tensor (..., dim): sin, cos, sin, cos, ...
    """
    if dim % 2:
        raise ValueError(f"sinusoidal embeddings need an even number of features, got {dim}")
    return waves(pos, np.power(base, -2.0 * np.arange(dim // 2) / dim))


def waves(pos, frequencies):
    """Sines and cosines of positions at given frequencies, interleaved.

    Args:
        pos: positions (...), integers or floats.
        frequencies: n numbers, in radians from one position to the next.

    Returns:
        A float32 tensor (..., 2 n): sin, cos, sin, cos, ...
    """
    frequencies = ops.convert_to_tensor(np.asarray(frequencies, "float32"))
    angles = ops.expand_dims(ops.cast(pos, "float32"), -1) * frequencies
    both = ops.stack([ops.sin(angles), ops.cos(angles)], axis=-1)
    return ops.reshape(both, (*ops.shape(angles)[:-1], 2 * frequencies.shape[0]))


@keras.saving.register_keras_serializable("bert4keras")
class Sinusoidal(keras.initializers.Initializer):
    """Initializer of a (positions, features) table with ``sinusoidal_embeddings``."""

    def __call__(self, shape, dtype=None):
        size, dim = shape
        return ops.cast(sinusoidal_embeddings(np.arange(size), dim), dtype or "float32")


def apply_rotary_position_embeddings(sinusoidal, *tensors):
    """Rotate pairs of neighbouring features by their position (Su et al., arXiv:2104.09864).

    Args:
        sinusoidal: ``sinusoidal_embeddings`` of the positions, (B or 1, L, d).
        *tensors: tensors of one shape, (B, L, ..., d).

    Returns:
        The rotated tensor, or a list of them when several were given.

    Raises:
        ValueError: no tensor, or tensors of unequal shapes.
    """
    shapes = {tuple(x.shape) for x in tensors}
    if len(shapes) != 1:
        raise ValueError(f"rotary positions need one or more tensors of equal shape, got {shapes}")
    rank = len(tensors[0].shape)
    table = align(ops.cast(sinusoidal, dtype(tensors[0])), [0, 1, -1], rank)
    sin, cos = ops.repeat(table[..., ::2], 2, axis=-1), ops.repeat(table[..., 1::2], 2, axis=-1)
    rotated = [x * cos + _quarter_turn(x) * sin for x in tensors]
    return rotated[0] if len(rotated) == 1 else rotated


def _quarter_turn(x):
    turned = ops.stack([-x[..., 1::2], x[..., ::2]], axis=-1)
    return ops.reshape(turned, ops.shape(x))


# Schedules and graphs


def piecewise_linear(t, schedule, from_zero=True):
    """Straight lines between the knots of ``schedule``, constant after the last.

    Args:
        t: a step, number or tensor.
        schedule: {step: value}, steps in any order.
        from_zero: begin at 0 in step 0 when the first knot comes later.

    Returns:
        A float32 tensor like ``t``.
    """
    knots = sorted((int(step), float(value)) for step, value in dict(schedule).items())
    if from_zero and knots[0][0] != 0:
        knots.insert(0, (0, 0.0))
    t = ops.cast(t, "float32")
    x = ops.zeros_like(t) + knots[0][1]
    for (begin, low), (end, high) in zip(knots, knots[1:]):
        x = ops.where(t >= begin, low + (high - low) * (t - begin) / (end - begin), x)
    return ops.where(t >= knots[-1][0], knots[-1][1], x)


def search_layer(inputs, name, exclude_from=None):
    """The layer called ``name`` among those that lead to ``inputs``, nested models included.

    Args:
        inputs: a symbolic tensor, or a layer of a functional model.
        name: a layer's name.
        exclude_from: a set of layers not to walk through.

    Returns:
        The layer, or None when there is no such layer.
    """
    seen = set() if exclude_from is None else exclude_from
    waiting = [inputs]
    while waiting:
        item = waiting.pop()
        layer = item._keras_history[0] if hasattr(item, "_keras_history") else item
        if layer in seen:
            continue
        seen.add(layer)
        if layer.name == name:
            return layer
        for inner in layer.layers if isinstance(layer, keras.Model) else ():
            if inner.name == name:
                return inner
        for node in layer._inbound_nodes:
            waiting.extend(node.arguments.keras_tensors)
    return None


def output_at(layer, index):
    """The output of a layer's call number ``index`` (Keras 2: ``layer.get_output_at(index)``).

    A layer that a model uses several times, such as a block of ALBERT, has an output for each call.

    Args:
        layer: a layer of a functional model.
        index: number of the call, in order; negative ones count from the last.

    Raises:
        IndexError: the layer has fewer calls.

    Example:
        >>> from bert4keras.backend import keras, output_at
        >>> dense = keras.layers.Dense(3)
        >>> first, second = dense(keras.Input((3,))), dense(keras.Input((3,)))
        >>> output_at(dense, -1) is second
        True
    """
    outputs = layer._inbound_nodes[index].output_tensors
    return outputs[0] if len(outputs) == 1 else outputs


custom_objects = {
    "gelu_erf": gelu_erf,
    "gelu_tanh": gelu_tanh,
    "gelu": gelu_erf,
    "root_mean_square": root_mean_square,
    "swish": swish,
    "leaky_relu": leaky_relu,
    "Sinusoidal": Sinusoidal,
    "multilabel_categorical_crossentropy": multilabel_categorical_crossentropy,
    "initializer": keras.initializers.GlorotUniform,
}
