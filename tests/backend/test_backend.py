import numpy as np
import pytest
from keras import ops
from support import arrays, assert_close, record

from bert4keras import backend

NUMBERS = arrays("functions/backend.npz")
CASES = record("functions/backend.json")["cases"]
PLAIN = [case for case in CASES if "args" in case and case["function"] != "set_gelu"]


def decode(value):
    """An argument as the golden file writes it: an array, a special float, or itself."""
    if isinstance(value, dict) and "npz" in value:
        return ops.convert_to_tensor(NUMBERS[value["npz"]])
    return float(value["float"]) if isinstance(value, dict) else value


@pytest.mark.parametrize("case", PLAIN, ids=lambda case: case["case"])
def test_functions_give_the_recorded_numbers(case):
    function = getattr(backend, case["function"])
    args = [decode(value) for value in case["args"]]
    kwargs = {key: decode(value) for key, value in case["kwargs"].items()}
    if "raises" in case:
        with pytest.raises(ValueError):
            function(*args, **kwargs)
        return
    got = function(*args, **kwargs)
    got = list(got) if isinstance(got, tuple | list) else [got]
    assert len(got) == len(case["out"])
    for value, want in zip(got, case["out"]):
        if want is None:
            assert value is None
        else:
            assert_close(value, NUMBERS[want["npz"]], case["atol"])


def test_gelu_in_half_precision_is_rounded_once():
    x = ops.cast(np.linspace(-4, 4, 101), "bfloat16")
    want = ops.cast(backend.gelu_erf(ops.cast(x, "float32")), "bfloat16")
    got = backend.gelu_erf(x)
    assert got.dtype == want.dtype
    assert_close(ops.cast(got, "float32"), ops.cast(want, "float32"), 0)


def by_function(name):
    return [case for case in CASES if case["function"] == name]


@pytest.mark.parametrize("case", by_function("piecewise_linear"), ids=lambda case: case["case"])
def test_piecewise_linear_goes_through_the_recorded_values(case):
    t, want = NUMBERS[case["t"]["npz"]], NUMBERS[case["out"][0]["npz"]]
    assert_close(backend.piecewise_linear(t, dict(case["schedule"]), case["from_zero"]), want)


@pytest.mark.parametrize("case", by_function("set_gelu"), ids=lambda case: case["case"])
def test_set_gelu_chooses_what_the_name_gelu_means(case):
    if "raises" in case:
        with pytest.raises(ValueError, match="'erf' or 'tanh'"):
            backend.set_gelu(*case["args"])
        return
    backend.set_gelu(*case["args"])
    gelu = backend.get_activation("gelu")
    backend.set_gelu("erf")
    x = NUMBERS[case["input"]["npz"]]
    assert_close(gelu(ops.convert_to_tensor(x)), NUMBERS[case["gelu_after"]["npz"]], 1e-6)


def test_the_sinusoidal_initializer_fills_a_table():
    want = NUMBERS["Sinusoidal-table.out"]
    assert_close(backend.Sinusoidal()(want.shape), want)


def test_dtype_is_none_for_what_is_no_tensor():
    assert backend.dtype(np.zeros(2, "float32")) == "float32"
    assert backend.dtype(ops.zeros((1,), "int32")) == "int32"
    assert [backend.dtype(x) for x in (3, None, "x")] == [None, None, None]


def test_a_row_without_visible_key_gets_no_attention():
    scores = ops.convert_to_tensor(np.ones((1, 1, 2, 3), "float32"))
    mask = np.zeros((1, 3), bool)
    for method in ("softmax", "softmax_plus", "squared_relu"):
        weights = ops.convert_to_numpy(backend.attention_normalize(scores, mask, method=method))
        assert not weights.any()


def test_gradients_come_with_the_value_and_can_have_gradients_in_turn():
    x, y = (ops.convert_to_tensor(np.array(numbers, "float32")) for numbers in ([1, 2], [3, 4]))

    def cubes(tensors):
        return ops.sum(tensors[0] ** 3), {"doubled": 2.0 * tensors[1]}

    def length(tensors):
        _, (g, _) = backend.value_and_grad(cubes, tensors, create_graph=True)
        return ops.sum(g**2), ()

    (value, more), (g, none) = backend.value_and_grad(cubes, [x, y])
    assert_close(ops.stop_gradient(value), 9.0)
    assert_close(ops.stop_gradient(more["doubled"]), [6.0, 8.0])
    assert_close(g, [3.0, 12.0])
    assert_close(none, [0.0, 0.0])
    assert_close(backend.value_and_grad(length, [x, y])[1][0], [36.0, 288.0])  # (9 x^4)' = 36 x^3


@pytest.mark.parametrize("dtype", ["float32", "bfloat16", "int32"])
def test_a_row_is_written_and_the_tensor_given_stays_as_it_was(dtype):
    x, row = ops.zeros((2, 3, 5, 4), dtype), ops.ones((2, 3, 1, 4), dtype)
    for write in (backend.write_row, backend.compile_function(backend.write_row)):
        got = ops.convert_to_numpy(write(x, ops.convert_to_tensor(3, "int32"), row))
        assert got[:, :, 3].all() and got.sum() == 2 * 3 * 4
        assert not ops.convert_to_numpy(x).any()
