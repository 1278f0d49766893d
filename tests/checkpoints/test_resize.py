"""Resizing: rows are selected and arrays resized as bert4keras 0.11.5 does it."""

import numpy as np
import pytest
from support import load_record

from bert4keras.checkpoints import (
    deinterleave_rotary,
    interleave_rotary,
    keep_rows,
    orthogonally_resize,
    resize_attention,
    resize_feed_forward,
)

TABLE = np.arange(12, dtype="float32").reshape(6, 2)
CASES = load_record("checkpoints/resize.json")


class TestKeepRows:
    def test_rows_are_kept_in_the_order_asked_for(self):
        np.testing.assert_array_equal(keep_rows(TABLE, [5, 0, 5]), TABLE[[5, 0, 5]])

    def test_compound_rows_are_averages_of_the_selected_rows(self):
        rows = keep_rows(TABLE, [5, 4, 3], [[0, 1], ([0, 2], [1, 3])])
        np.testing.assert_allclose(rows[3], (TABLE[5] + TABLE[4]) / 2)
        np.testing.assert_allclose(rows[4], (TABLE[5] + 3 * TABLE[3]) / 4)
        assert rows.dtype == TABLE.dtype and len(rows) == 5

    def test_a_bias_has_rows_too(self):
        np.testing.assert_array_equal(keep_rows(TABLE[:, 0], [1], [[0]]), [2, 2])

    def test_nothing_to_keep_changes_nothing(self):
        assert keep_rows(TABLE) is TABLE

    @pytest.mark.parametrize("number", [6, -1])
    def test_a_row_outside_the_table_is_an_error(self, number):
        with pytest.raises(ValueError, match=rf"keep_tokens names row {number}, .* rows 0 to 5"):
            keep_rows(TABLE, [0, number])

    def test_a_compound_of_rows_outside_the_table_is_an_error(self):
        with pytest.raises(ValueError, match="compound_tokens names row 2, .* rows 0 to 1"):
            keep_rows(TABLE, [0, 1], [[0, 2]])


class TestOrthogonallyResize:
    @pytest.mark.parametrize("case", [case for case in CASES if case["result"] is not None])
    def test_resizing_gives_the_golden_numbers(self, case):
        result = orthogonally_resize(np.array(case["array"]), case["shape"])
        np.testing.assert_allclose(result, case["result"], atol=1e-6)

    def test_resizing_keeps_the_norm(self):
        result = orthogonally_resize(TABLE, (7, 3))
        np.testing.assert_allclose(np.linalg.norm(result), np.linalg.norm(TABLE), rtol=1e-6)

    def test_a_bias_of_zeros_stays_zero(self):
        np.testing.assert_array_equal(orthogonally_resize(np.zeros(4), [6]), np.zeros(6))

    def test_an_axis_that_does_not_change_may_have_any_size(self):
        table = np.arange(10.0).reshape(5, 2)
        result = orthogonally_resize(table, (5, 4))
        np.testing.assert_allclose(result[:, :2], table / np.sqrt(2))
        np.testing.assert_array_equal(result[:, 2:], result[:, :2])
        assert orthogonally_resize(table, (5, 2)).tolist() == table.tolist()

    @pytest.mark.parametrize("shape", [(5, 4), (4, 4, 4)])
    def test_windows_that_do_not_divide_are_an_error(self, shape):
        with pytest.raises(ValueError, match="cannot be resized .* multiple of the window 2"):
            orthogonally_resize(np.ones(shape), (9, 4))


class TestResizeAttention:
    def test_queries_and_keys_gain_and_values_do_not(self):
        plain = orthogonally_resize(TABLE, (6, 32))
        result = [resize_attention(TABLE, (6, 32), index, count=8) for index in range(8)]
        np.testing.assert_allclose(result[3], plain * 2, rtol=1e-6)
        np.testing.assert_allclose(result[4], plain, rtol=1e-6)

    def test_without_the_last_bias_the_bias_of_keys_still_gains(self):
        plain = orthogonally_resize(TABLE, (6, 32))
        result = [resize_attention(TABLE, (6, 32), index, count=7) for index in range(7)]
        np.testing.assert_allclose(result[3], plain * 2, rtol=1e-6)
        np.testing.assert_allclose(result[4], plain, rtol=1e-6)


class TestResizeFeedForward:
    def test_the_first_dense_gains_what_the_second_loses(self):
        first = resize_feed_forward(TABLE, (6, 8), index=0, count=4)
        second = resize_feed_forward(TABLE.T, (8, 6), index=2, count=4)
        np.testing.assert_allclose(first, orthogonally_resize(TABLE, (6, 8)) * 2, rtol=1e-6)
        np.testing.assert_allclose(second, orthogonally_resize(TABLE.T, (8, 6)) / 2, rtol=1e-6)

    def test_with_relu_the_first_dense_is_treated_as_the_second(self):
        result = resize_feed_forward(TABLE.T, (8, 6), index=0, count=4, activation="relu")
        np.testing.assert_allclose(result, orthogonally_resize(TABLE.T, (8, 6)) / 2, rtol=1e-6)


class TestInterleaveRotary:
    def test_interleaved_features_rotate_as_the_two_halves_did(self):
        heads, size, angles = 2, 6, np.array([0.3, 1.1, 2.0])
        x, kernel = np.random.default_rng(0).normal(size=(2, 4, heads * size))
        a, b = np.split((x @ kernel.T @ kernel).reshape(4, heads, size), 2, axis=-1)
        halves = np.concatenate([a * np.cos(angles) - b * np.sin(angles), b * np.cos(angles)], -1)
        kernels = interleave_rotary(kernel.T @ kernel, heads)
        even, odd = (x @ kernels).reshape(4, heads, size // 2, 2).transpose(3, 0, 1, 2)
        got = even * np.cos(angles) - odd * np.sin(angles)
        np.testing.assert_allclose(got, halves[..., : size // 2])

    def test_interleaving_can_be_undone_for_kernels_and_biases(self):
        for array in (np.arange(36).reshape(3, 12), np.arange(12)):
            result = interleave_rotary(array, 3)
            assert result.shape == array.shape and (result != array).any()
            np.testing.assert_array_equal(deinterleave_rotary(result, 3), array)
