"""Checks of arguments: valid values pass as they are, others raise with name, value and remedy."""

from pathlib import Path
from types import SimpleNamespace

import keras
import numpy as np
import pytest

from bert4keras import checks


class TestCheckInteger:
    @pytest.mark.parametrize("value", [1, np.int64(1), np.array(1)])
    def test_whole_numbers_become_ints(self, value):
        assert type(checks.check_integer("n", value, minimum=1, maximum=1)) is int

    @pytest.mark.parametrize("value", ["1", 1.0, True, np.True_, None, float("nan"), [1], b"1"])
    def test_other_types_are_refused(self, value):
        with pytest.raises(TypeError, match="Expected n to be a whole number of 1 or more, got "):
            checks.check_integer("n", value, minimum=1)

    @pytest.mark.parametrize("value", [0, -1, 9, 10**400])
    def test_numbers_out_of_range_are_refused(self, value):
        with pytest.raises(ValueError, match=r"n to be a whole number from 1 to 8, .*\. Use 2\.$"):
            checks.check_integer("n", value, minimum=1, maximum=8, remedy="Use 2.")


class TestCheckBoolean:
    @pytest.mark.parametrize("value", [True, False, np.True_, 1, 0, None])
    def test_values_of_files_pass(self, value):
        assert checks.check_boolean("use_bias", value) is value

    @pytest.mark.parametrize("value", ["False", 2, 0.5, [], np.zeros(2)])
    def test_other_values_are_refused(self, value):
        with pytest.raises(TypeError, match="Expected use_bias to be True or False, got "):
            checks.check_boolean("use_bias", value)


class TestCheckRate:
    @pytest.mark.parametrize("value", [None, 0, 0.1, 1])
    def test_rates_pass(self, value):
        assert checks.check_rate("dropout", value) is value

    @pytest.mark.parametrize("value", [1.5, -0.1, float("nan")])
    def test_rates_out_of_range_are_refused(self, value):
        with pytest.raises(ValueError, match="dropout to be a finite number from 0 to 1, got"):
            checks.check_rate("dropout", value)


class TestCheckArguments:
    def test_valid_values_are_stored(self):
        thing = SimpleNamespace(units=np.int64(3), size=None)
        checks.check_arguments(thing, checks.check_size, "units", "size", is_optional=True)
        assert type(thing.units) is int and thing.size is None

    def test_none_is_refused_unless_it_is_optional(self):
        with pytest.raises(TypeError, match="size of SimpleNamespace to be .*, got None"):
            checks.check_arguments(SimpleNamespace(size=None), checks.check_size, "size")


class TestCheckNumber:
    @pytest.mark.parametrize("value", [0, 0.5, np.float32(0.5)])
    def test_finite_numbers_pass_unchanged(self, value):
        assert checks.check_number("rate", value, minimum=0, below=1) is value

    @pytest.mark.parametrize("value", [float("nan"), float("inf"), -0.1, 1, 1.5])
    def test_numbers_out_of_range_are_refused(self, value):
        with pytest.raises(ValueError, match="rate to be a finite number of 0 or more and below 1"):
            checks.check_number("rate", value, minimum=0, below=1)

    @pytest.mark.parametrize("value", ["0.1", True, None, [0.1], 1j])
    def test_other_types_are_refused(self, value):
        with pytest.raises(TypeError, match="Expected rate to be a finite number above 0, got"):
            checks.check_number("rate", value, above=0)


class TestOtherChecks:
    def test_a_choice_lists_all(self):
        assert checks.check_choice("mode", "a", ("a", "b")) == "a"
        for value in "c", ["a"], np.ones(2), None:
            with pytest.raises(ValueError, match="Expected mode to be one of 'a', 'b', got"):
                checks.check_choice("mode", value, {"a": 1, "b": 2})

    def test_strings_name_the_row_of_a_wrong_value(self):
        assert checks.check_strings("texts", iter("今天")) == ["今", "天"]
        for value in b"x", float("nan"), None, ("a", "b"), 2:
            with pytest.raises(TypeError, match=r"Expected texts\[1\] to be a str, got"):
                checks.check_strings("texts", ["a", value])
        for value in "今天", b"x", None, 5:
            with pytest.raises(TypeError, match="Expected texts to be a list of str, got"):
                checks.check_strings("texts", value)

    def test_functions_and_ranks(self):
        assert checks.check_callable("f", len) is len
        with pytest.raises(TypeError, match="Expected f to be a function, got 5"):
            checks.check_callable("f", 5)
        x = keras.ops.ones((2, 3))
        assert checks.check_rank("inputs", x, 2, "(B, L)") is x
        with pytest.raises(ValueError, match=r"inputs to be a tensor \(B, L, D\), got .*\(2, 3\)"):
            checks.check_rank("inputs", x, 3, "(B, L, D)")
        with pytest.raises(TypeError, match="inputs to be a tensor"):
            checks.check_rank("inputs", None, 3, "(B, L, D)")

    def test_json_values_come_as_json_reads_them_back(self):
        value = {"files": (Path("a"), "b"), 1: np.int64(2), "rates": np.array([0.5])}
        plain = {"files": ["a", "b"], "1": 2, "rates": [0.5]}
        assert checks.check_json("metadata", value) == plain
        assert np.isnan(checks.check_json("metadata", float("nan")))

    @pytest.mark.parametrize("value, got", [({1: {2}}, "set"), ({(1, 2): 3}, "tuple"), (b"x", "b")])
    def test_a_value_that_json_cannot_write_is_refused(self, value, got):
        with pytest.raises(TypeError, match=f"Expected about to be a JSON value, got .*{got}"):
            checks.check_json("about", value)

    def test_none_is_a_boolean_only_where_it_is_optional(self):
        assert checks.check_boolean("use_bias", None) is None
        assert checks.check_boolean("use_bias", 1, is_optional=False) == 1
        for value in None, 2, "yes", [True]:
            with pytest.raises(TypeError, match="Expected use_bias to be True or False, got"):
                checks.check_boolean("use_bias", value, is_optional=False)

    def test_a_long_value_is_cut(self):
        assert len(checks.describe("今" * 1000)) < 80
