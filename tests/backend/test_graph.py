"""The graph of a functional model; ``search_layer`` in nested models is in test_public_api.py."""

import keras
import pytest

from bert4keras import backend


def test_output_at_counts_the_calls_of_a_layer():
    dense = keras.layers.Dense(3)
    first, second = dense(keras.Input((3,))), dense(keras.Input((3,)))
    assert backend.output_at(dense, 0) is first and backend.output_at(dense, -1) is second
    with pytest.raises(IndexError):
        backend.output_at(dense, 2)


def test_search_layer_skips_the_layers_of_exclude_from():
    inputs = keras.Input((3,), name="inputs")
    hidden = keras.layers.Dense(3, name="hidden")
    output = keras.layers.Dense(3, name="output")(hidden(inputs))
    assert backend.search_layer(output, "hidden") is hidden
    assert backend.search_layer(output, "absent") is None
    assert backend.search_layer(output, "inputs", exclude_from={hidden}) is None
