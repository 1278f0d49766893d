"""Functions of the backend give the recorded numbers of 0.x."""

import pytest
from keras import ops
from support import assert_close, load_arrays, load_record

from bert4keras import backend

NUMBERS = load_arrays("functions/backend.npz")
CASES = load_record("functions/backend.json")["cases"]
PLAIN = [case for case in CASES if "args" in case and case["function"] != "set_gelu"]


def decode(value):
    """Return an argument of the golden file: an array, a special float, or itself."""
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
