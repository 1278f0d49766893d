"""Functions of K that Keras 3 has as other operations: convolutions, pooling, CTC, padding."""

import keras
from keras import ops

from bert4keras.backend import K


def in_test_phase(x, alt, training=None):
    """``x`` elsewhere than in training, ``alt`` in training."""
    return K.in_train_phase(alt, x, training)


def conv1d(x, kernel, strides=1, padding="valid", data_format=None, dilation_rate=1):
    """A convolution along the second axis; "causal" pads in front."""
    if padding == "causal":
        x = temporal_padding(x, (dilation_rate * (kernel.shape[0] - 1), 0))
        padding = "valid"
    return ops.conv(x, kernel, strides, padding, data_format, dilation_rate)


def conv2d(x, kernel, strides=(1, 1), padding="valid", data_format=None, dilation_rate=(1, 1)):
    """A convolution along two axes."""
    return ops.conv(x, kernel, strides, padding, data_format, dilation_rate)


def pool2d(x, pool_size, strides=(1, 1), padding="valid", data_format=None, pool_mode="max"):
    """The largest, or the mean, of windows."""
    pool = ops.max_pool if pool_mode == "max" else ops.average_pool
    return pool(x, pool_size, strides, padding, data_format)


def temporal_padding(x, padding=(1, 1)):
    """Zeros before and behind the second axis."""
    return ops.pad(x, ((0, 0), tuple(padding), (0, 0)))


def repeat(x, n):
    """Vectors (B, D) n times over: (B, n, D)."""
    return ops.repeat(ops.expand_dims(x, 1), n, axis=1)


def reverse(x, axes):
    """The other way round along axes."""
    return ops.flip(x, axes)


def random_uniform(shape, minval=0.0, maxval=1.0, dtype=None, seed=None):
    """Numbers of a uniform distribution, whole ones where the type is."""
    draw = keras.random.randint if "int" in str(dtype) else keras.random.uniform
    return draw(shape, minval, maxval, dtype=dtype or K.floatx(), seed=seed)


def concatenate(tensors, axis=-1):
    """Tensors behind each other; lists among them take the type of the first tensor."""
    dtype = next((x.dtype for x in tensors if hasattr(x, "dtype")), None)
    tensors = [x if hasattr(x, "dtype") else ops.convert_to_tensor(x, dtype) for x in tensors]
    return ops.concatenate(tensors, axis)


def random_uniform_variable(shape, low, high, dtype=None, name=None, seed=None):
    """A variable drawn from a uniform distribution."""
    return K.variable(keras.random.uniform(shape, low, high, dtype=dtype, seed=seed), name=name)


def ctc_batch_cost(y_true, y_pred, input_length, label_length):
    """CTC's loss (B, 1) of probabilities (B, T, n); the blank is the last class."""
    lengths = [ops.cast(ops.reshape(x, (-1,)), "int32") for x in (label_length, input_length)]
    labels, logits = ops.cast(y_true, "int32"), ops.log(y_pred + K.epsilon())
    loss = ops.ctc_loss(labels, logits, *lengths, mask_index=y_pred.shape[-1] - 1)
    return ops.expand_dims(loss, 1)


def ctc_decode(y_pred, input_length, greedy=True, beam_width=100, top_paths=1):
    """Paths through probabilities (B, T, n), padded with -1, and their scores."""
    blank, logits = y_pred.shape[-1] - 1, ops.log(y_pred + K.epsilon())
    strategy = "greedy" if greedy else "beam_search"
    paths, scores = ops.ctc_decode(
        logits, input_length, strategy, beam_width, top_paths, mask_index=blank
    )
    return list(paths), scores


ADDED = {  # name on K -> what it is
    "concatenate": concatenate,
    "conv1d": conv1d,
    "conv2d": conv2d,
    "ctc_batch_cost": ctc_batch_cost,
    "ctc_decode": ctc_decode,
    "get_variable_shape": K.int_shape,
    "identity": lambda x, name=None: x,
    "in_test_phase": in_test_phase,
    "is_sparse": lambda tensor: False,
    "pool2d": pool2d,
    "random_uniform": random_uniform,
    "random_uniform_variable": random_uniform_variable,
    "repeat": repeat,
    "reset_uids": lambda: None,
    "reverse": reverse,
    "temporal_padding": temporal_padding,
    "to_dense": lambda tensor: tensor,
}
