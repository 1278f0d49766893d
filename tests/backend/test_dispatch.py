"""Functions that each backend does in its own way."""

import keras
import numpy as np
import pytest
from keras import ops
from support import assert_close

from bert4keras import backend


def test_value_and_grad_can_be_differentiated_in_turn():
    x, y = (ops.convert_to_tensor(np.array(numbers, "float32")) for numbers in ([1, 2], [3, 4]))

    def cubes(tensors):
        return ops.sum(tensors[0] ** 3), {"doubled": 2.0 * tensors[1]}

    def length(tensors):
        _, (g, _) = backend.value_and_grad(cubes, tensors, create_graph=True)
        return ops.sum(g**2), ()

    (value, aux), (g, zeros) = backend.value_and_grad(cubes, [x, y])
    assert_close(ops.stop_gradient(value), 9.0)
    assert_close(ops.stop_gradient(aux["doubled"]), [6.0, 8.0])
    assert_close(g, [3.0, 12.0])
    assert_close(zeros, [0.0, 0.0])
    assert_close(backend.value_and_grad(length, [x, y])[1][0], [36.0, 288.0])  # (9 x^4)' = 36 x^3


@pytest.mark.parametrize("dtype", ["float32", "bfloat16", "int32"])
def test_write_row_leaves_its_argument_unchanged(dtype):
    x, row = ops.zeros((2, 3, 5, 4), dtype), ops.ones((2, 3, 1, 4), dtype)
    for write in (backend.write_row, backend.compile_function(backend.write_row)):
        got = ops.convert_to_numpy(write(x, ops.convert_to_tensor(3, "int32"), row))
        assert got[:, :, 3].all() and got.sum() == 2 * 3 * 4
        assert not ops.convert_to_numpy(x).any()


def test_backend_name_is_that_of_keras():
    assert backend.backend_name == keras.backend.backend()


@pytest.mark.parametrize("value, is_on", [("1", True), (" Yes", True), ("0", False), ("", False)])
def test_is_env_on_reads_the_usual_words(monkeypatch, value, is_on):
    monkeypatch.setenv("RECOMPUTE_TEST", value)
    assert backend.is_env_on("RECOMPUTE_TEST") is is_on
    monkeypatch.delenv("RECOMPUTE_TEST")
    assert not backend.is_env_on("RECOMPUTE_TEST")


def test_assert_that_names_the_values_and_returns_the_tensor():
    x = ops.ones((2,), "int32")
    assert ops.convert_to_numpy(backend.assert_that(True, "fine", passthrough=x)).tolist() == [1, 1]
    with pytest.raises(ValueError, match=r"Expected less: \(7\)"):
        backend.assert_that(False, "Expected less:", 7)
