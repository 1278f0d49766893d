"""Arithmetic of variables and symbolic tensors with NumPy's arrays: the tensor's type remains.

Keras 3 makes float64 of float32 times an array of NumPy, and so does PyTorch; TensorFlow never did.
"""

import keras
import numpy as np
from keras import ops

TENSOR = type(ops.zeros(()))
OPERATORS = [f"__{name}__" for name in "add radd sub rsub mul rmul truediv rtruediv".split()]


def _fitting(value, tensor):
    """An array of floats in the type of a tensor of floats."""
    dtype = keras.backend.standardize_dtype(tensor.dtype)
    wide = isinstance(value, np.ndarray | np.floating) and value.dtype == np.float64
    return value.astype(dtype) if wide and "float" in dtype else value


def operator(old, self, other):
    """An operator of two values."""
    return old(self, _fitting(other, self))


def operator_of_tensor(old, self, other):
    """The same of a tensor of PyTorch, which may have no value yet that NumPy could multiply."""
    if isinstance(other, np.ndarray):
        other = ops.convert_to_tensor(_fitting(other, self))
    return old(self, other)


AROUND = [  # owner, name, what goes around it
    *((owner, x, operator) for owner in (keras.Variable, keras.KerasTensor) for x in OPERATORS),
    *((TENSOR, x, operator_of_tensor) for x in OPERATORS if TENSOR.__module__ == "torch"),
]
