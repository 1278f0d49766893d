"""Types that annotations share: tensors, paths, arrays."""

import os
from typing import Any, TypeAlias

from numpy.typing import ArrayLike, NDArray

Tensor: TypeAlias = Any  # a tensor of the running backend, or a symbolic one of Keras
StrPath: TypeAlias = str | os.PathLike[str]

__all__ = ["ArrayLike", "NDArray", "StrPath", "Tensor"]
