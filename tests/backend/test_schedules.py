"""Schedules by the training step."""

import pytest
from support import assert_close, load_arrays, load_record

from bert4keras import backend

NUMBERS = load_arrays("functions/backend.npz")
CASES = [
    case
    for case in load_record("functions/backend.json")["cases"]
    if case["function"] == "piecewise_linear"
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["case"])
def test_piecewise_linear_goes_through_the_recorded_values(case):
    t, want = NUMBERS[case["t"]["npz"]], NUMBERS[case["out"][0]["npz"]]
    assert_close(backend.piecewise_linear(t, dict(case["schedule"]), case["from_zero"]), want)
