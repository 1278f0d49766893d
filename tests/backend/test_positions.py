"""Sinusoidal positions; the golden numbers of rotary embedding are in test_golden.py."""

import pytest
from support import assert_close, load_arrays

from bert4keras import backend


def test_sinusoidal_initializer_fills_a_table():
    want = load_arrays("functions/backend.npz")["Sinusoidal-table.out"]
    assert_close(backend.Sinusoidal()(want.shape), want)


def test_sin_cos_takes_any_frequencies():
    want = backend.sinusoidal_embeddings([[1.0, 7.0]], 4, base=100)
    assert_close(backend.sin_cos([[1.0, 7.0]], [1.0, 0.1]), want)


def test_a_scale_makes_the_waves_smaller():
    assert_close(backend.Sinusoidal(scale=0.25)((7, 6)), 0.25 * backend.Sinusoidal()((7, 6)))
    copy = backend.Sinusoidal.from_config(backend.Sinusoidal(scale=0.25).get_config())
    assert copy.scale == 0.25


def test_a_scale_is_positive():
    with pytest.raises(ValueError, match="Expected scale to be a number above 0, got 0"):
        backend.Sinusoidal(scale=0)
