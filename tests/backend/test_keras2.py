"""``K``: the functions of Keras 2."""

import numpy as np
from keras import ops

from bert4keras import backend


def test_dtype_is_none_without_a_tensor():
    assert backend.dtype(np.zeros(2, "float32")) == "float32"
    assert backend.dtype(ops.zeros((1,), "int32")) == "int32"
    assert [backend.dtype(x) for x in (3, None, "x")] == [None, None, None]
