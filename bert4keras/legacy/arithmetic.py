"""Arithmetic of variables and symbolic tensors with NumPy's arrays: the tensor's type remains.

Keras 3 makes float64 of float32 times an array of NumPy; TensorFlow never did.
"""

import keras
import numpy as np

OPERATORS = "add radd sub rsub mul rmul truediv rtruediv".split()


def _fitting(value, tensor):
    """An array of floats in the type of a tensor of floats."""
    dtype = keras.backend.standardize_dtype(tensor.dtype)
    wide = isinstance(value, np.ndarray | np.floating) and value.dtype == np.float64
    return value.astype(dtype) if wide and "float" in dtype else value


def operator(old, self, other):
    """An operator of two values."""
    return old(self, _fitting(other, self))
