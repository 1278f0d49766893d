"""Penalties that keep features apart: on what a layer gives, and on kernels."""

import keras
from keras import ops

from bert4keras.layers.base import Layer, register


@register
class SelfOrthogonality(Layer):
    """Adds to the loss how far the features before it are from orthogonal to each other.

    Behind a dense layer without activation it turns the filters of that layer to right angles, by
    signs on the batch itself (Self-Orthogonality Module, https://kexue.fm/archives/7169). Features
    y become tanh(gamma y), of length 1 over all rows; v are their products, which estimate
    1 - 2 angle / pi. The loss grows by mean (sum of v_ij)^2 + square (sum of v_ij^2), i != j.

    It is a layer because Keras divides what an ``activity_regularizer`` gives by the size of the
    batch, and shows it no mask.

    Args:
        mean: weight of the square of the sum; the stronger demand, that angles be right on average.
        square: weight of the sum of squares.
        gamma: how sharp the sign is.

    Call arguments:
        inputs: (B, ..., k).
        mask: (B, ...), true where visible; hidden rows count for nothing.

    Returns:
        The inputs as they are.

    Raises:
        ValueError: a negative weight, or gamma not above 0.

    Example:
        >>> from bert4keras.backend import keras
        >>> from bert4keras.layers import Dense, SelfOrthogonality
        >>> x = keras.Input((4,))
        >>> hidden = keras.activations.relu(SelfOrthogonality(mean=0.1, square=0.001)(Dense(8)(x)))
        >>> model = keras.Model(x, Dense(1)(hidden))
    """

    is_positionwise = True

    def __init__(self, mean=100.0, square=1.0, gamma=10.0, **kwargs):
        super().__init__(**kwargs)
        if mean < 0 or square < 0 or gamma <= 0:
            raise ValueError(
                "SelfOrthogonality takes weights mean and square of 0 or more and a gamma above 0, "
                f"got {mean}, {square} and {gamma}. Its authors take 100, 1 and 10"
            )
        self.mean, self.square, self.gamma = mean, square, gamma

    def call(self, inputs, mask=None):
        y = ops.tanh(self.gamma * ops.cast(inputs, "float32"))
        if mask is not None:
            y = y * ops.expand_dims(ops.cast(mask, "float32"), -1)
        v = _apart(_products(_unit(ops.reshape(y, (-1, inputs.shape[-1])))))
        self.add_loss(self.mean * ops.square(ops.sum(v)) + self.square * ops.sum(ops.square(v)))
        return inputs

    def compute_output_spec(self, inputs, mask=None):
        return keras.KerasTensor(inputs.shape, dtype=inputs.dtype)

    def get_config(self):
        own = {"mean": self.mean, "square": self.square, "gamma": self.gamma}
        return {**super().get_config(), **own}


class KernelPenalty(keras.regularizers.Regularizer):
    """Base of penalties on products of a kernel's columns."""

    def __init__(self, strength=1e-4):
        if strength < 0:
            raise ValueError(
                f"{type(self).__name__} takes a strength of 0 or more, got {strength}. A negative "
                "one would reward what it is to forbid"
            )
        self.strength = strength

    def __call__(self, kernel):
        products = _products(ops.reshape(ops.cast(kernel, "float32"), (-1, kernel.shape[-1])))
        return self.strength * ops.sum(ops.square(self.excess(products)))

    def excess(self, products):
        """What of the products (k, k) is to vanish."""
        raise NotImplementedError

    def get_config(self):
        return {"strength": self.strength}


@register
class OrthonormalKernel(KernelPenalty):
    """|W'W - I|^2 of a kernel (..., k): columns of length 1, at right angles.

    Args:
        strength: its weight in the loss.

    Raises:
        ValueError: a negative strength.

    Example:
        >>> from bert4keras.layers import Dense, OrthonormalKernel
        >>> dense = Dense(8, kernel_regularizer=OrthonormalKernel(1e-3))
    """

    def excess(self, products):
        return products - ops.eye(products.shape[-1])


@register
class OrthogonalKernel(KernelPenalty):
    """|(W'W) (1 - I)|^2 of a kernel (..., k): right angles, any length (arXiv:1809.11096).

    Args:
        strength: its weight in the loss.

    Raises:
        ValueError: a negative strength.

    Example:
        >>> from bert4keras.layers import Dense, OrthogonalKernel
        >>> dense = Dense(8, kernel_regularizer=OrthogonalKernel(1e-4))
    """

    def excess(self, products):
        return _apart(products)


def _unit(y):
    """Columns of length 1; a column of zeros stays one."""
    return y * ops.rsqrt(ops.maximum(ops.sum(ops.square(y), axis=0), 1e-12))


def _products(columns):
    return ops.matmul(ops.transpose(columns), columns)


def _apart(products):
    """Products of different columns; zeros for those with themselves."""
    return products * (1.0 - ops.eye(products.shape[-1]))
