"""PretrainingDataset with BackupAndResume: a killed run ends like an uninterrupted one."""

import json
import os
import random
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import resumed_run
from resumed_run import STEPS, TOKENIZER, make_model, train

from bert4keras import files
from bert4keras.backend import keras
from bert4keras.data import (
    MaskedLM,
    PretrainingDataset,
    ShardedDataset,
    pack_sequences,
    write_shards,
)
from bert4keras.training import BackupAndResume

EPOCHS = 40


@pytest.fixture(scope="module")
def shards(tmp_path_factory):
    """Write a corpus of 40 rows in 10 shards."""
    folder, draw = tmp_path_factory.mktemp("shards"), random.Random(0)
    texts = ["".join(draw.choices("春山远秋水长", k=6)) for _ in range(40)]
    write_shards(pack_sequences(texts, TOKENIZER, maxlen=8), folder, rows_per_shard=4)
    return folder


@pytest.fixture(scope="module")
def reference_run(shards, tmp_path_factory):
    """Return weights and checksums of an uninterrupted run."""
    weights, history = train(shards, tmp_path_factory.mktemp("reference") / "run.npz", EPOCHS)
    return weights, [epoch["checksum"] for epoch in history]


def run_and_kill(arguments, batches, delay):
    """Start the run and kill it after some batches and seconds; True if it was still running."""
    root = str(Path(__file__).parents[2])
    path = os.pathsep.join([root, os.environ.get("PYTHONPATH", "")])
    process = subprocess.Popen(
        [sys.executable, resumed_run.__file__, *map(str, arguments)],
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
def test_backup_and_resume_ends_a_killed_run_like_an_uninterrupted_one(
    shards, reference_run, tmp_path, kills
):
    run, draw, num_epochs = tmp_path / "run.npz", random.Random(kills), 0
    for _ in range(kills):
        batches = draw.randint(1, STEPS * EPOCHS // (kills + 1))
        assert run_and_kill([shards, run, EPOCHS], batches, draw.uniform(0, 0.02))
        record = json.loads(str(np.load(run)["record"])) if run.exists() else {"history": []}
        assert num_epochs <= len(record["history"]) < EPOCHS
        num_epochs = len(record["history"])
    weights, history = train(shards, run, EPOCHS)
    assert [epoch["checksum"] for epoch in history] == reference_run[1]
    for weight, expected_weight in zip(weights, reference_run[0]):
        np.testing.assert_allclose(weight, expected_weight, atol=1e-6)


def test_pretraining_dataset_gives_the_same_batch_for_the_same_number(shards):
    def batches(first_batch):
        return PretrainingDataset(ShardedDataset(shards), MaskedLM(TOKENIZER), 3, first_batch)

    def ids(batch):
        return batch[0][0].tolist()

    expected = [ids(batches(0)[number]) for number in range(30)]
    assert [ids(batches(12)[number]) for number in range(18)] == expected[12:]
    assert len({str(batch) for batch in expected}) == 30


def test_backup_and_resume_refuses_the_file_of_another_run(shards, tmp_path):
    path = tmp_path / "run.npz"
    train(shards, path, 1)
    with pytest.raises(ValueError, match="to have the metadata .'seed': 6., got .'seed'"):
        BackupAndResume(path, metadata={"seed": 6}).restore(make_model())
    other_model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
    other_model.compile("sgd")
    with pytest.raises(ValueError, match=r"to hold the 4 variables .* got .*kernel is"):
        BackupAndResume(path, metadata={"seed": 5}).restore(other_model)
    with pytest.raises(ValueError, match="to end in '.npz'"):
        BackupAndResume("run.h5")


def test_backup_and_resume_keeps_the_last_state_if_a_write_fails(shards, tmp_path, monkeypatch):
    path = tmp_path / "run.npz"
    train(shards, path, 2)
    before = path.read_bytes()

    def fails(file, **arrays):
        file.write(b"half")
        raise OSError("no space left")

    (tmp_path / f".part-{'-'.join(files._machine())}-abcdefgh").mkdir()  # left by a killed run

    monkeypatch.setattr(np, "savez", fails)
    with pytest.raises(OSError, match="no space left"):
        train(shards, path, 4)
    assert path.read_bytes() == before and [*tmp_path.iterdir()] == [path]


@pytest.mark.parametrize("options", [{"batch_size": 0}, {"first_batch": -1}])
def test_a_wrong_option_is_named(shards, options):
    with pytest.raises(ValueError, match=f"Expected {next(iter(options))} to be a whole number"):
        PretrainingDataset(ShardedDataset(shards), MaskedLM(TOKENIZER), **options)
