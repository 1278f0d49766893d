"""Merging layers: inputs of one length."""

import numpy as np
import pytest

from bert4keras.layers import Add
from bert4keras.models import build_transformer_model


def test_inputs_of_different_lengths_are_named():
    x, y = np.ones((2, 4, 3), "float32"), np.ones((2, 5, 3), "float32")
    with pytest.raises(ValueError, match="one length in sum, got the lengths 4 and 5. Give each"):
        Add(name="sum")([x, y])


def test_one_position_is_added_to_all():
    x, y = np.ones((2, 4, 3), "float32"), np.ones((1, 1, 3), "float32")
    assert tuple(Add()([x, y]).shape) == (2, 4, 3)


def test_a_model_names_segments_of_another_length():
    config = dict(vocab_size=9, hidden_size=4, num_hidden_layers=1, num_attention_heads=1)
    model = build_transformer_model({**config, "intermediate_size": 4, "hidden_act": "relu"})
    with pytest.raises(ValueError, match="got the lengths 4 and 5"):
        model.predict([np.ones((1, 4), int), np.ones((1, 5), int)], verbose=0)
