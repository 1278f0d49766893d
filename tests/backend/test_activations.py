"""Activations: half precision, and the names of GELU."""

import numpy as np
import pytest
from keras import ops
from support import assert_close, load_arrays, load_record

from bert4keras import backend

NUMBERS = load_arrays("functions/backend.npz")
CASES = [
    case
    for case in load_record("functions/backend.json")["cases"]
    if case["function"] == "set_gelu"
]


def test_gelu_in_half_precision_is_rounded_once():
    x = ops.cast(np.linspace(-4, 4, 101), "bfloat16")
    want = ops.cast(backend.gelu_erf(ops.cast(x, "float32")), "bfloat16")
    got = backend.gelu_erf(x)
    assert got.dtype == want.dtype
    assert_close(ops.cast(got, "float32"), ops.cast(want, "float32"), 0)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["case"])
def test_set_gelu_chooses_the_function_of_the_name(case):
    if "raises" in case:
        with pytest.raises(ValueError, match="'erf' or 'tanh'"):
            backend.set_gelu(*case["args"])
        return
    backend.set_gelu(*case["args"])
    gelu = backend.get_activation("gelu")
    backend.set_gelu("erf")
    x = NUMBERS[case["input"]["npz"]]
    assert_close(gelu(ops.convert_to_tensor(x)), NUMBERS[case["gelu_after"]["npz"]], 1e-6)


def test_get_activation_reads_the_names_of_activation_config():
    for function in (backend.gelu_erf, backend.gelu_tanh, backend.swish, backend.leaky_relu):
        assert backend.get_activation(backend.activation_config(function)) is function
