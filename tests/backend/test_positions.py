"""Sinusoidal positions; the golden numbers of rotary embedding are in test_golden.py."""

from support import assert_close, load_arrays

from bert4keras import backend


def test_sinusoidal_initializer_fills_a_table():
    want = load_arrays("functions/backend.npz")["Sinusoidal-table.out"]
    assert_close(backend.Sinusoidal()(want.shape), want)


def test_sin_cos_takes_any_frequencies():
    want = backend.sinusoidal_embeddings([[1.0, 7.0]], 4, base=100)
    assert_close(backend.sin_cos([[1.0, 7.0]], [1.0, 0.1]), want)
