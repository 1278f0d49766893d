"""Functions of K for convolutions, pooling, padding and images, as Keras 2 names them."""

import itertools
from typing import Any

import keras
import numpy as np
from keras import ops

from bert4keras.legacy.report import unsupported_error

# Convolutions


def _conv(x, kernel, strides=1, padding="valid", data_format=None, dilation_rate=1):
    return ops.conv(x, kernel, strides, padding, data_format, dilation_rate)


def _conv1d(x, kernel, strides=1, padding="valid", data_format=None, dilation_rate=1):
    if padding == "causal":
        x = _temporal_padding(x, (dilation_rate * (kernel.shape[0] - 1), 0))
        padding = "valid"
    return ops.conv(x, kernel, strides, padding, data_format, dilation_rate)


def _conv2d(x, kernel, strides=(1, 1), padding="valid", data_format=None, dilation_rate=(1, 1)):
    return _conv(x, kernel, strides, padding, data_format, dilation_rate)


def _conv3d(
    x, kernel, strides=(1, 1, 1), padding="valid", data_format=None, dilation_rate=(1, 1, 1)
):
    return _conv(x, kernel, strides, padding, data_format, dilation_rate)


def _conv2d_transpose(
    x,
    kernel,
    output_shape,
    strides=(1, 1),
    padding="valid",
    data_format=None,
    dilation_rate=(1, 1),
):
    return _conv_transpose(x, kernel, output_shape, strides, padding, data_format, dilation_rate)


def _conv3d_transpose(
    x, kernel, output_shape, strides=(1, 1, 1), padding="valid", data_format=None
):
    return _conv_transpose(x, kernel, output_shape, strides, padding, data_format, (1, 1, 1))


def _conv_transpose(x, kernel, output_shape, strides, padding, data_format, dilation_rate):
    """Return the transposed convolution, with the padding that gives ``output_shape``."""
    data_format = _normalize_data_format(data_format)
    outputs = _spatial(tuple(output_shape), data_format)
    inputs = _spatial(tuple(x.shape), data_format)
    strides = _numbers(strides, len(inputs))
    output_padding = None
    if all(isinstance(size, int | np.integer) for size in (*inputs, *outputs)):
        kernel_sizes = [
            (size - 1) * rate + 1
            for size, rate in zip(kernel.shape, _numbers(dilation_rate, len(inputs)))
        ]
        output_padding = tuple(
            size - ((length - 1) * stride + width - 2 * (width // 2 if padding == "same" else 0))
            for size, length, stride, width in zip(outputs, inputs, strides, kernel_sizes)
        )
    return ops.conv_transpose(
        x, kernel, strides, padding, output_padding, data_format, dilation_rate
    )


def _depthwise_conv2d(
    x,
    depthwise_kernel,
    strides=(1, 1),
    padding="valid",
    data_format=None,
    dilation_rate=(1, 1),
):
    return ops.depthwise_conv(x, depthwise_kernel, strides, padding, data_format, dilation_rate)


def _separable_conv1d(
    x,
    depthwise_kernel,
    pointwise_kernel,
    strides=1,
    padding="valid",
    data_format=None,
    dilation_rate=1,
):
    kernels = depthwise_kernel, pointwise_kernel
    return ops.separable_conv(x, *kernels, strides, padding, data_format, dilation_rate)


def _separable_conv2d(
    x,
    depthwise_kernel,
    pointwise_kernel,
    strides=(1, 1),
    padding="valid",
    data_format=None,
    dilation_rate=(1, 1),
):
    kernels = depthwise_kernel, pointwise_kernel
    return ops.separable_conv(x, *kernels, strides, padding, data_format, dilation_rate)


def _local_conv(inputs, kernel, kernel_size, strides, output_shape, data_format=None):
    """Return a convolution with weights of its own at each place.

    Args:
        kernel: (places, size of a window, filters).
    """
    data_format = _normalize_data_format(data_format)
    rank = len(kernel_size)
    windows = []
    for place in itertools.product(*(range(size) for size in output_shape)):
        starts = [i * stride for i, stride in zip(place, strides)]
        window = tuple(slice(i, i + size) for i, size in zip(starts, kernel_size))
        index = (slice(None), *window) if data_format == "channels_last" else (..., *window)
        windows.append(ops.reshape(inputs[index], (-1, kernel.shape[1])))
    outputs = ops.einsum("pbk,pkf->bpf", ops.stack(windows), kernel)
    outputs = ops.reshape(outputs, (-1, *output_shape, kernel.shape[-1]))
    if data_format == "channels_last":
        return outputs
    return ops.transpose(outputs, (0, rank + 1, *range(1, rank + 1)))


def _local_conv1d(inputs, kernel, kernel_size, strides, data_format=None):
    shape = (kernel.shape[0],)
    return _local_conv(inputs, kernel, kernel_size, strides, shape, data_format)


def _local_conv2d(inputs, kernel, kernel_size, strides, output_shape, data_format=None):
    return _local_conv(inputs, kernel, kernel_size, strides, output_shape, data_format)


# Pooling, padding


def _pool2d(x, pool_size, strides=(1, 1), padding="valid", data_format=None, pool_mode="max"):
    return _pool(x, pool_size, strides, padding, data_format, pool_mode)


def _pool3d(x, pool_size, strides=(1, 1, 1), padding="valid", data_format=None, pool_mode="max"):
    return _pool(x, pool_size, strides, padding, data_format, pool_mode)


def _pool(x, pool_size, strides, padding, data_format, pool_mode):
    if pool_mode not in ("max", "avg"):
        raise ValueError(f"Expected pool_mode to be 'max' or 'avg', got {pool_mode!r}.")
    pool = ops.max_pool if pool_mode == "max" else ops.average_pool
    return pool(x, pool_size, strides, padding, data_format)


def _temporal_padding(x, padding=(1, 1)):
    return ops.pad(x, ((0, 0), tuple(padding), (0, 0)))


def _spatial_2d_padding(x, padding=((1, 1), (1, 1)), data_format=None):
    return _pad(x, padding, data_format)


def _spatial_3d_padding(x, padding=((1, 1), (1, 1), (1, 1)), data_format=None):
    return _pad(x, padding, data_format)


def _pad(x, padding, data_format):
    padding = [tuple(pair) for pair in padding]
    if _normalize_data_format(data_format) == "channels_first":
        return ops.pad(x, [(0, 0), (0, 0), *padding])
    return ops.pad(x, [(0, 0), *padding, (0, 0)])


def _bias_add(x, bias, data_format=None):
    """Add a bias for each channel, or for each place and channel."""
    if _normalize_data_format(data_format) == "channels_first":
        rank = len(x.shape)
        if len(bias.shape) == 1:
            bias = ops.reshape(bias, (-1, *[1] * (rank - 2)))
        else:
            bias = ops.moveaxis(bias, -1, 0)
    return x + bias


# Images


def _resize_images(x, height_factor, width_factor, data_format, interpolation="nearest"):
    data_format = _normalize_data_format(data_format)
    if interpolation == "nearest":
        return _repeat_spatial(x, (height_factor, width_factor), data_format)
    if interpolation != "bilinear":
        raise ValueError(
            f"Expected interpolation to be 'nearest' or 'bilinear', got {interpolation!r}."
        )
    height, width = _spatial(tuple(x.shape), data_format)
    if height is None or width is None:
        raise unsupported_error("K function", "K.resize_images of an unknown size")
    size = (height * height_factor, width * width_factor)
    return ops.image.resize(x, size, "bilinear", data_format=data_format)


def _resize_volumes(x, depth_factor, height_factor, width_factor, data_format):
    factors = (depth_factor, height_factor, width_factor)
    return _repeat_spatial(x, factors, _normalize_data_format(data_format))


def _repeat_spatial(x, factors, data_format):
    first = 1 if data_format == "channels_last" else 2
    for axis, factor in enumerate(factors, first):
        x = ops.repeat(x, factor, axis=axis)
    return x


# Data formats


def _normalize_data_format(value):
    value = (value or keras.backend.image_data_format()).lower()
    if value not in ("channels_first", "channels_last"):
        raise ValueError(
            f"Expected data_format to be 'channels_first' or 'channels_last', got {value!r}."
        )
    return value


def _spatial(shape, data_format):
    return shape[1:-1] if data_format == "channels_last" else shape[2:]


def _numbers(value, count):
    return (value,) * count if isinstance(value, int) else tuple(value)


_IMAGE_ORDERS = {"tf": "channels_last", "th": "channels_first"}  # of Keras 1


def _image_dim_ordering():
    name = keras.backend.image_data_format()
    return next(old for old, new in _IMAGE_ORDERS.items() if new == name)


FUNCTIONS: dict[str, Any] = {  # name in K: function
    "bias_add": _bias_add,
    "conv1d": _conv1d,
    "conv2d": _conv2d,
    "conv2d_transpose": _conv2d_transpose,
    "conv3d": _conv3d,
    "conv3d_transpose": _conv3d_transpose,
    "depthwise_conv2d": _depthwise_conv2d,
    "image_data_format": keras.backend.image_data_format,
    "image_dim_ordering": _image_dim_ordering,
    "local_conv": _local_conv,
    "local_conv1d": _local_conv1d,
    "local_conv2d": _local_conv2d,
    "normalize_data_format": _normalize_data_format,
    "pool2d": _pool2d,
    "pool3d": _pool3d,
    "resize_images": _resize_images,
    "resize_volumes": _resize_volumes,
    "separable_conv1d": _separable_conv1d,
    "separable_conv2d": _separable_conv2d,
    "set_image_data_format": keras.backend.set_image_data_format,
    "set_image_dim_ordering": lambda dim_ordering: keras.backend.set_image_data_format(
        _IMAGE_ORDERS[dim_ordering]
    ),
    "spatial_2d_padding": _spatial_2d_padding,
    "spatial_3d_padding": _spatial_3d_padding,
    "temporal_padding": _temporal_padding,
}
