"""Corpora that the pretraining example reads, and files that it writes."""

import csv

import pytest

from examples.data.corpora import make_corpus
from examples.data.curves import write_history

HISTORY = [{"loss": 2.0}, {"loss": 1.5}]


def test_a_synthetic_corpus_mixes_kinds_and_repeats_itself():
    texts = make_corpus(100)
    assert len(texts) == 100 and texts == make_corpus(100) != make_corpus(100, seed=1)
    assert {len(text) for text in texts} > {24, 32}  # poems, and all else


def test_every_epoch_of_a_run_is_in_its_history_once(tmp_path):
    write_history(HISTORY[:1], tmp_path, steps=10)
    write_history(HISTORY, tmp_path, steps=10)
    with open(tmp_path / "history.csv") as file:
        assert [*csv.reader(file)] == [["step", "loss"], ["10", "2"], ["20", "1.5"]]


def test_a_curve_is_drawn(tmp_path):
    pytest.importorskip("matplotlib")
    write_history(HISTORY, tmp_path, steps=10)
    assert (tmp_path / "loss.png").stat().st_size > 1000
