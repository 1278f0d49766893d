"""Orthogonality penalties: on the features of a layer, and on kernels."""

from typing import Any

import keras
from keras import ops

from bert4keras.backend.types import Tensor
from bert4keras.checks import check_arguments, check_number
from bert4keras.layers.base import Layer, register


@register
class SelfOrthogonality(Layer):
    """Self-orthogonality penalty on features, added to the loss (https://kexue.fm/archives/7169).

    After a dense layer without activation it makes the filters of that layer orthogonal, by signs
    of their features on the batch (Self-Orthogonality Module). Features y become tanh(gamma y), of
    length 1 over all rows; v are their products, which estimate 1 - 2 angle / pi. The penalty is
    mean (sum of v_ij)^2 + square (sum of v_ij^2), i != j.

    It is a layer because Keras divides the value of an ``activity_regularizer`` by the batch size,
    and gives it no mask.

    Args:
        mean: weight of the square of the sum.
        square: weight of the sum of squares.
        gamma: slope of the tanh at 0; a larger one is nearer to the sign.

    Call arguments:
        inputs: (B, ..., k).
        mask: padding mask (B, ...), true where visible; hidden rows do not count.

    Returns:
        The inputs, unchanged.

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

    def __init__(
        self, mean: float = 100.0, square: float = 1.0, gamma: float = 10.0, **kwargs: Any
    ):
        super().__init__(**kwargs)
        self.mean = mean
        self.square = square
        self.gamma = gamma
        check_arguments(self, check_number, "mean", "square", minimum=0)
        check_arguments(self, check_number, "gamma", above=0)

    def call(self, inputs: Tensor, mask: Tensor | None = None) -> Tensor:
        y = ops.tanh(self.gamma * ops.cast(inputs, "float32"))
        if mask is not None:
            y = y * ops.expand_dims(ops.cast(mask, "float32"), -1)
        v = _off_diagonal(_products(_unit(ops.reshape(y, (-1, inputs.shape[-1])))))
        self.add_loss(self.mean * ops.square(ops.sum(v)) + self.square * ops.sum(ops.square(v)))
        return inputs

    def compute_output_spec(self, inputs: Tensor, mask: Tensor | None = None) -> keras.KerasTensor:
        return keras.KerasTensor(inputs.shape, dtype=inputs.dtype)

    def get_config(self) -> dict[str, Any]:
        config = {"mean": self.mean, "square": self.square, "gamma": self.gamma}
        return {**super().get_config(), **config}


class _KernelPenalty(keras.regularizers.Regularizer):
    """Base of penalties on products of a kernel's columns."""

    def __init__(self, strength: float = 1e-4):
        self.strength = strength
        check_arguments(self, check_number, "strength", minimum=0)

    def __call__(self, kernel: Tensor) -> Tensor:
        products = _products(ops.reshape(ops.cast(kernel, "float32"), (-1, kernel.shape[-1])))
        return self.strength * ops.sum(ops.square(self.excess(products)))

    def excess(self, products: Tensor) -> Tensor:
        """Return the part of the products (k, k) that the penalty drives to zero."""
        raise NotImplementedError

    def get_config(self) -> dict[str, Any]:
        return {"strength": self.strength}


@register
class OrthonormalKernel(_KernelPenalty):
    """Orthonormal kernel penalty |W'W - I|^2: columns of length 1, at right angles.

    Args:
        strength: its weight in the loss.

    Raises:
        ValueError: a negative strength.

    Example:
        >>> from bert4keras.layers import Dense, OrthonormalKernel
        >>> dense = Dense(8, kernel_regularizer=OrthonormalKernel(1e-3))
    """

    def excess(self, products: Tensor) -> Tensor:
        return products - ops.eye(products.shape[-1])


@register
class OrthogonalKernel(_KernelPenalty):
    """Orthogonal kernel penalty |(W'W) (1 - I)|^2: right angles, any length (arXiv:1809.11096).

    Args:
        strength: its weight in the loss.

    Raises:
        ValueError: a negative strength.

    Example:
        >>> from bert4keras.layers import Dense, OrthogonalKernel
        >>> dense = Dense(8, kernel_regularizer=OrthogonalKernel(1e-4))
    """

    def excess(self, products: Tensor) -> Tensor:
        return _off_diagonal(products)


def _unit(y):
    """Scale columns to length 1; a column of zeros stays zero."""
    return y * ops.rsqrt(ops.maximum(ops.sum(ops.square(y), axis=0), 1e-12))


def _products(columns):
    return ops.matmul(ops.transpose(columns), columns)


def _off_diagonal(products):
    """Set the products of columns with themselves to zero."""
    return products * (1.0 - ops.eye(products.shape[-1]))
