"""Padding, truncation and stacking give the numbers of bert4keras 0.11.5."""

import json
from pathlib import Path

import numpy as np
import pytest

from bert4keras.data import sequence_padding, softmax, to_array, truncate_sequences

GOLDEN = Path(__file__).parents[1] / "golden" / "functions" / "snippets-data.json"
CASES = json.loads(GOLDEN.read_text(encoding="utf-8"))["cases"]


def golden(function, raises=False):
    cases = [c for c in CASES if c["function"] == function and ("raises" in c) == raises]
    assert cases
    return cases


def to_argument(argument):
    if isinstance(argument, dict):
        return np.array(argument["array"])
    if isinstance(argument, list):
        return [to_argument(item) for item in argument]
    return argument


def call_recorded(function, case):
    """Return the result of a recorded call, and the arguments afterwards."""
    arguments, keywords = to_argument(case["args"]), dict(case["kwargs"])
    if dtype := keywords.pop("array_dtype", None):
        arguments = [[np.array(row, dtype) for row in argument] for argument in arguments]
    return function(*arguments, **keywords), arguments


def test_sequence_padding_gives_the_golden_records():
    for case in golden("sequence_padding"):
        batch, _ = call_recorded(sequence_padding, case)
        assert batch.tolist() == case["result"], case
        assert batch.dtype == np.dtype(case["dtype"]), case
        assert list(batch.shape) == case["shape"], case


def test_sequence_padding_of_no_sequences_gives_no_rows():
    assert sequence_padding([]).shape == (0, 0)
    assert sequence_padding([], length=5).shape == (0, 5)
    assert sequence_padding([], length=[2, 3], seq_dims=2).shape == (0, 2, 3)


def test_sequence_padding_pads_nested_lists_like_arrays():
    rows = [[[1, 2, 3], [4]], [[5]], []]
    batch = sequence_padding(rows, seq_dims=2)
    assert batch.tolist() == [[[1, 2, 3], [4, 0, 0]], [[5, 0, 0], [0, 0, 0]], [[0] * 3] * 2]
    before = sequence_padding(rows, seq_dims=2, mode="pre")
    assert before.tolist() == [[[1, 2, 3], [0, 0, 4]], [[0, 0, 0], [0, 0, 5]], [[0] * 3] * 2]
    cut = sequence_padding(rows, length=[2, 2], seq_dims=2, mode="pre")
    assert cut.tolist() == [[[1, 2], [0, 4]], [[0, 0], [0, 5]], [[0, 0], [0, 0]]]


def test_sequence_padding_takes_empty_rows_of_pairs():
    batch = sequence_padding([[[], [[3, 4]]], [[[1, 2], [5, 6]], []]], seq_dims=2)
    none = [0, 0]
    assert batch.tolist() == [[[none, none], [[3, 4], none]], [[[1, 2], [5, 6]], [none, none]]]


def test_sequence_padding_rounds_lengths_up_to_a_multiple():
    assert sequence_padding([[1] * 3, [2]], multiple=2).tolist() == [[1, 1, 1, 0], [2, 0, 0, 0]]
    assert sequence_padding([[1] * 4], multiple=4).tolist() == [[1] * 4]
    assert sequence_padding([[[1], [2, 3]]], seq_dims=2, multiple=(1, 4)).shape == (1, 2, 4)
    assert sequence_padding([[1] * 5], length=3, multiple=4).shape == (1, 3)


def test_sequence_padding_leaves_the_inputs_alone():
    rows = [np.array([1, 2, 3]), np.array([4])]
    sequence_padding(rows, length=2)[:] = 9
    assert [row.tolist() for row in rows] == [[1, 2, 3], [4]]


def test_sequence_padding_refuses_another_mode():
    with pytest.raises(ValueError, match='mode "post" or "pre", got \'middle\''):
        sequence_padding([[1]], mode="middle")


def test_sequence_padding_needs_a_length_for_each_axis():
    with pytest.raises(ValueError, match="one number for each of the 2 padded axes, got 3"):
        sequence_padding([np.ones((2, 2))], length=3, seq_dims=2)


def test_sequence_padding_refuses_numbers():
    with pytest.raises(ValueError, match="1 or more axes, got 5. Numbers need no padding"):
        sequence_padding([5, 6])


def test_sequence_padding_refuses_vectors_of_several_sizes():
    with pytest.raises(ValueError, match=r"got shapes \[\(1,\), \(2,\)\]. Raise seq_dims"):
        sequence_padding([np.ones((3, 2)), np.ones((3, 1))])


@pytest.mark.parametrize(
    "inputs", [None, 5, "春山", {"a": [1]}, ["春山", "水"], [b"a"], [[1], None]]
)
def test_sequence_padding_refuses_what_is_no_list_of_sequences(inputs):
    with pytest.raises(TypeError, match="Expected inputs (to be a list of sequences|of lists or)"):
        sequence_padding(inputs)


@pytest.mark.parametrize(
    "dtype, value",
    [
        ("int64", np.nan),
        ("int64", np.inf),
        ("int64", 2.0**63),
        ("uint8", -1),
        ("uint8", 256),
        ("int32", 2**31),
        ("bool", 2),
        ("float16", 1e6),
        ("float32", -1e300),
    ],
)
def test_sequence_padding_refuses_a_value_that_the_dtype_cannot_hold(dtype, value):
    rows = [np.ones(1, dtype), np.ones(2, dtype)]
    with pytest.raises(ValueError, match=f"Expected value to be a number that {dtype} can hold"):
        sequence_padding(rows, value=value)
    with pytest.raises(ValueError, match="Expected value to be a number"):
        sequence_padding([rows], value=value, seq_dims=2)


@pytest.mark.parametrize(
    "dtype, value, padding",
    [("int64", -100, -100), ("uint8", 7.0, 7), ("bool", True, True), ("float32", np.inf, np.inf)],
)
def test_sequence_padding_takes_any_value_that_the_dtype_can_hold(dtype, value, padding):
    batch = sequence_padding([np.zeros(1, dtype), np.zeros(2, dtype)], value=value)
    assert batch.dtype == dtype and batch[0, 1] == padding
    assert np.isnan(sequence_padding([[0.5], [1.0, 2.0]], value=np.nan)[0, 1])


def test_sequence_padding_finds_the_dtype_of_nested_lists_before_it_pads():
    batch = sequence_padding([[[1], [2, 3]], [[0.5]]], value=0.5, seq_dims=2)
    assert batch.tolist() == [[[1, 0.5], [2, 3]], [[0.5, 0.5], [0.5, 0.5]]]


def test_sequence_padding_does_not_cut_a_text_for_padding():
    assert sequence_padding([["a", "b"], ["c"]], value="[PAD]").tolist()[1] == ["c", "[PAD]"]


@pytest.mark.parametrize(
    "options, error",
    [
        ({"multiple": 0}, ValueError),
        ({"multiple": -2}, ValueError),
        ({"multiple": 1.5}, TypeError),
        ({"length": -1}, ValueError),
        ({"length": "3"}, TypeError),
        ({"length": 2.5}, TypeError),
        ({"seq_dims": 0}, ValueError),
        ({"value": "x"}, TypeError),
        ({"value": None}, TypeError),
    ],
)
def test_sequence_padding_checks_its_numbers(options, error):
    with pytest.raises(error, match=f"Expected {next(iter(options))} to be a (whole )?number"):
        sequence_padding([[1], [2, 3]], **options)


def test_sequence_padding_needs_a_multiple_for_each_axis():
    with pytest.raises(ValueError, match="multiple with one number for each of the 2 padded axes"):
        sequence_padding([np.ones((2, 2))], seq_dims=2, multiple=[2, 2, 2])


def test_to_array_names_lists_of_several_lengths():
    with pytest.raises(ValueError, match="Expected lists of one length, .* Pad them with"):
        to_array([[1, 2], [3]])


@pytest.mark.parametrize(
    "arguments, error, message",
    [
        ((None, -1, [1]), TypeError, "Expected maxlen to be a whole number, got None"),
        ((2, "x", [1]), TypeError, "Expected indices to be a whole number, got 'x'"),
        (
            (2, -1, (1, 2, 3)),
            TypeError,
            r"Expected sequences to be lists, .* Pass list\(sequence\)",
        ),
        ((2, -1, np.ones(3)), TypeError, "Expected sequences to be lists"),
        ((2, -1, "abc"), TypeError, "Expected sequences to be lists"),
        ((2, [-1], [1, 2, 3], [4]), ValueError, "one for each of the 2 sequences, got .-1."),
    ],
)
def test_truncate_sequences_checks_its_arguments(arguments, error, message):
    with pytest.raises(error, match=message):
        truncate_sequences(*arguments)


def test_truncate_sequences_gives_the_golden_records():
    for case in golden("truncate_sequences"):
        sequences, arguments = call_recorded(truncate_sequences, case)
        assert sequences == case["result"], case
        assert arguments[2:] == case["arguments_after"], case


def test_truncate_sequences_changes_nothing_if_impossible():
    for case in golden("truncate_sequences", raises=True):
        maxlen, indices, *sequences = case["args"]
        copies = [list(sequence) for sequence in sequences]
        with pytest.raises(IndexError, match="Pass a larger maxlen"):
            truncate_sequences(maxlen, indices, *copies)
        assert copies == sequences


def test_truncate_sequences_pops_from_the_longest():
    rng = np.random.RandomState(7)
    for _ in range(50):
        sequences = [list(range(rng.randint(3, 12))) for _ in range(3)]
        indices, maxlen = rng.randint(-2, 2, 3).tolist(), int(rng.randint(9, 30))
        expected = [list(sequence) for sequence in sequences]
        while sum(map(len, expected)) > maxlen:
            longest = max(range(3), key=lambda i: len(expected[i]))
            expected[longest].pop(indices[longest])
        assert truncate_sequences(maxlen, indices, *sequences) == expected


def test_truncate_sequences_skips_empty_lists_and_their_indices():
    assert truncate_sequences(2, [0, -1], None, [1, 2, 3]) == [[1, 2]]


def test_to_array_gives_the_golden_records():
    for case in golden("to_array"):
        arrays, _ = call_recorded(to_array, case)
        is_list = isinstance(arrays, list)
        assert ([array.tolist() for array in arrays] if is_list else arrays.tolist()) == case[
            "result"
        ]


def test_softmax_gives_the_golden_records():
    for case in golden("softmax"):
        result, _ = call_recorded(softmax, case)
        np.testing.assert_allclose(result, case["result"], rtol=1e-7)


def test_softmax_gives_zero_for_minus_infinity():
    assert softmax(np.array([-np.inf, 0.0, 0.0])).tolist() == [0.0, 0.5, 0.5]
