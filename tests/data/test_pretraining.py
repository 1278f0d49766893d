"""A run that is killed, at any moment, ends as if it had not been."""

import json
import os
import random
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from data.resumed_run import STEPS, TOKENIZER, make_model, train

from bert4keras.backend import keras
from bert4keras.data import MaskedLM, PretrainingBatches, Shards, pack_sequences, write_shards
from bert4keras.training import BackupAndResume

EPOCHS = 40


@pytest.fixture(scope="module")
def shards(tmp_path_factory):
    """A corpus of 40 rows in 10 shards."""
    folder, draw = tmp_path_factory.mktemp("shards"), random.Random(0)
    texts = ["".join(draw.choices("春山远秋水长", k=6)) for _ in range(40)]
    write_shards(pack_sequences(texts, TOKENIZER, maxlen=8), folder, size=4)
    return folder


@pytest.fixture(scope="module")
def whole(shards, tmp_path_factory):
    """Weights and checksums of the run that nobody stops."""
    weights, history = train(shards, tmp_path_factory.mktemp("whole") / "run.npz", EPOCHS)
    return weights, [epoch["checksum"] for epoch in history]


def killed(arguments, batches, delay):
    """Start the run, and kill it so many batches and seconds on; whether it was still running."""
    root = str(Path(__file__).parents[2])
    path = os.pathsep.join([root, os.environ.get("PYTHONPATH", "")])
    process = subprocess.Popen(
        [sys.executable, str(Path(__file__).with_name("resumed_run.py")), *map(str, arguments)],
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": path},
    )
    for _ in range(batches):
        process.stdout.readline()
    time.sleep(delay)
    process.kill()
    process.communicate()
    return process.returncode == -9


@pytest.mark.parametrize("kills", [1, pytest.param(10, marks=pytest.mark.slow)])
def test_a_run_killed_at_random_moments_ends_as_the_one_that_was_not(
    shards, whole, tmp_path, kills
):
    run, draw, done = tmp_path / "run.npz", random.Random(kills), 0
    for _ in range(kills):
        batches = draw.randint(1, STEPS * EPOCHS // (kills + 1))
        assert killed([shards, run, EPOCHS], batches, draw.uniform(0, 0.02))
        record = json.loads(str(np.load(run)["record"])) if run.exists() else {"history": []}
        assert done <= len(record["history"]) < EPOCHS
        done = len(record["history"])
    weights, history = train(shards, run, EPOCHS)
    assert [epoch["checksum"] for epoch in history] == whole[1]
    for found, wanted in zip(weights, whole[0]):
        np.testing.assert_allclose(found, wanted, atol=1e-6)


def test_the_number_of_a_batch_says_what_is_in_it(shards):
    def batches(first):
        return PretrainingBatches(Shards(shards), MaskedLM(TOKENIZER), 3, first)

    def ids(batch):
        return batch[0][0].tolist()

    whole = [ids(batches(0)[number]) for number in range(30)]
    assert [ids(batches(12)[number]) for number in range(18)] == whole[12:]
    assert len({str(batch) for batch in whole}) == 30


def test_what_a_run_cannot_go_on_from_is_said(shards, tmp_path):
    path = tmp_path / "run.npz"
    train(shards, path, 1)
    with pytest.raises(ValueError, match="to have the metadata .'seed': 6., got .'seed'"):
        BackupAndResume(path, metadata={"seed": 6}).restore(make_model())
    other = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
    other.compile("sgd")
    with pytest.raises(ValueError, match=r"to hold the 4 variables .* got .*kernel is"):
        BackupAndResume(path, metadata={"seed": 5}).restore(other)
    with pytest.raises(ValueError, match="to end in '.npz'"):
        BackupAndResume("run.h5")


def test_a_write_that_fails_leaves_the_last_state(shards, tmp_path, monkeypatch):
    path = tmp_path / "run.npz"
    train(shards, path, 2)
    before = path.read_bytes()

    def fails(file, **arrays):
        file.write(b"half")
        raise OSError("no space left")

    (tmp_path / ".run.npz.1.part").touch()  # what a kill has left

    monkeypatch.setattr(np, "savez", fails)
    with pytest.raises(OSError, match="no space left"):
        train(shards, path, 4)
    assert path.read_bytes() == before and [*tmp_path.iterdir()] == [path]
