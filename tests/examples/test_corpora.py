"""Corpora that the pretraining example reads, and files that it writes."""

import csv

import pytest

from bert4keras.training import BackupAndResume
from examples.data.corpora import make_corpus, plain
from examples.data.curves import keep_history


def test_a_made_up_corpus_mixes_kinds_and_repeats_itself():
    texts = make_corpus(100)
    assert len(texts) == 100 and texts == make_corpus(100) != make_corpus(100, seed=1)
    assert {len(text) for text in texts} > {24, 32}  # poems, and all else


@pytest.mark.parametrize(
    "text_with_marks, plain_text",
    [
        ("迈向/v  充满/v  希望/n  的/u", "迈向充满希望的"),
        ("[中国/ns  政府/n]nt  顺利/ad  恢复/v", "中国政府顺利恢复"),
        ("—/w  １９９８年/t  ３/４/m", "—１９９８年３/４"),
        ("今天 很好/坏", "今天 很好/坏"),
        ("客房/早餐 and/or 都好", "客房/早餐 and/or 都好"),
    ],
)
def test_marks_of_words_are_taken_off_where_all_words_have_them(text_with_marks, plain_text):
    assert plain(text_with_marks) == plain_text


def test_every_epoch_of_a_run_is_in_its_history_once(tmp_path):
    resume = BackupAndResume(tmp_path / "run.npz")
    resume.history = [{"loss": 2.0}, {"loss": 1.5}]  # the first before a kill
    history = keep_history(resume, tmp_path, steps=10)
    history.on_epoch_end(1, {})
    with open(tmp_path / "history.csv") as file:
        assert [*csv.reader(file)] == [["step", "loss"], ["10", "2"], ["20", "1.5"]]


def test_a_curve_is_drawn(tmp_path):
    pytest.importorskip("matplotlib")
    resume = BackupAndResume(tmp_path / "run.npz")
    resume.history = [{"loss": 2.0}, {"loss": 1.5}]
    keep_history(resume, tmp_path, steps=10).on_train_end({})
    assert (tmp_path / "loss.png").stat().st_size > 1000
