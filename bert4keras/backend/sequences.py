"""Sequences (B, L, D): gather, pool and pad along the axis L."""

from keras import ops

from bert4keras.backend.types import Tensor


def batch_gather(params: Tensor, indices: Tensor) -> Tensor:
    """Gather entries of ``params`` at ``indices``, batch by batch.

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


def pool1d(
    x: Tensor,
    pool_size: int,
    strides: int = 1,
    padding: str = "valid",
    data_format: str | None = None,
    pool_mode: str = "max",
) -> Tensor:
    """Pool (B, L, D) along the sequence by windows; ``pool_mode`` is "max" or "avg"."""
    data_format = data_format or "channels_last"
    if pool_mode == "max":
        return ops.max_pool(x, pool_size, strides, padding, data_format)
    # sums over counts: the pooling of backends differs in where padding lies and whether it counts
    channels = x.shape[1 if data_format == "channels_first" else 2]
    window = ops.ones((pool_size, channels, 1), x.dtype)
    sums, counts = (
        ops.depthwise_conv(y, window, strides, padding, data_format) for y in (x, ops.ones_like(x))
    )
    return sums / counts


def divisible_temporal_padding(x: Tensor, n: int) -> Tensor:
    """Pad axis 1 of ``x`` with zeros on the right until ``n`` divides its length."""
    length = ops.shape(x)[1]
    x = ops.pad(x, [[0, 0], [0, n - 1]] + [[0, 0]] * (len(x.shape) - 2))
    return x[:, : length + (-length) % n]
