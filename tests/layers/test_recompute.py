"""Gradient checkpointing gives the same numbers, and is asked for before the import."""

import os
import subprocess
import sys

import pytest

STEP = """
import keras, numpy as np
from bert4keras.backend import do_recompute
from bert4keras.models import build_transformer_model
keras.utils.set_random_seed(1)
config = dict(vocab_size=30, hidden_size=8, num_hidden_layers=2, num_attention_heads=2,
              intermediate_size=12, hidden_act="gelu")
model = build_transformer_model(config, with_mlm="linear", application="lm")
model.compile("sgd", "mse")
ids = np.array([[2, 5, 7, 3], [2, 9, 3, 0]])
targets = np.ones((2, 4, 30), "float32")
losses = [float(model.train_on_batch([ids, ids * 0], targets)) for _ in range(3)]
print(do_recompute, *(f"{loss:.5f}" for loss in losses))
"""


def losses(recompute):
    environment = {**os.environ, "RECOMPUTE": recompute}
    done = subprocess.run(
        [sys.executable, "-c", STEP], env=environment, capture_output=True, text=True
    )
    switch, *numbers = done.stdout.split() or [done.stderr]
    assert switch == str(recompute == "1"), switch
    return [float(number) for number in numbers]


@pytest.mark.slow
def test_recomputing_changes_no_number():
    assert losses("1") == pytest.approx(losses("0"), abs=2e-5)
