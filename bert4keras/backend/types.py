"""Types that annotations share: tensors, shapes, paths, arrays."""

import os
from collections.abc import Callable
from typing import Any, TypeAlias

from numpy.typing import ArrayLike, NDArray

Tensor: TypeAlias = Any  # a tensor of the running backend, or a symbolic one of Keras
Shape: TypeAlias = Any  # a tuple of integers and None, or a list of such tuples
StrPath: TypeAlias = str | os.PathLike[str]
Activation: TypeAlias = str | Callable[..., Any] | None  # as ``backend.get_activation`` takes it
Initializer: TypeAlias = str | dict[str, Any] | Callable[..., Any] | None  # as Keras takes it

__all__ = ["Activation", "ArrayLike", "Initializer", "NDArray", "Shape", "StrPath", "Tensor"]
