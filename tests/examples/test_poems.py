"""The synthetic poems that examples learn from."""

import pytest

from bert4keras.data import load_table
from examples.data.poems import (
    RHYMES,
    has_rhyme,
    is_regular,
    make_files,
    make_poems,
    split_lines,
)


def test_the_same_seed_gives_the_same_poems():
    assert make_poems(20, "valid", seed=7) == make_poems(20, "valid", seed=7)
    assert make_poems(20, "valid", seed=7) != make_poems(20, "valid", seed=8)


def test_no_poem_of_the_validation_set_is_in_training():
    poems = make_poems(400)
    assert len(set(poems)) == 400 and not {*poems} & {*make_poems(100, "valid")}


def test_poems_are_regular_and_rhyme():
    for poem in make_poems(200, "valid"):
        assert is_regular(poem) and has_rhyme(poem) and len(split_lines(poem)) == 4


def test_a_rhyme_has_distinct_words():
    words = [word for rhyme in RHYMES.values() for word in rhyme]
    assert len(words) == len(set(words)) == 48


@pytest.mark.parametrize(
    "poem",
    [
        "春山过古寒，春山过古间。",
        "春山过古寒，春山过古。",
        "春山过古寒。",
        "春山过古寒，春山过古间",
        "",
    ],
)
def test_only_complete_lines_of_one_length_are_regular(poem):
    assert is_regular(poem) == (poem == "春山过古寒，春山过古间。")


def test_lines_must_rhyme_in_different_words():
    poem = "春山过古{}，春山过古{}。春山过古月，春山过古{}。".format
    assert has_rhyme(poem("寒", "间", "山"))
    assert not has_rhyme(poem("寒", "寒", "山")) and not has_rhyme(poem("寒", "间", "霜"))
    assert not has_rhyme("春山过古寒，春山过古间。")


def test_files_are_read_as_lines(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("BERT4KERAS_SMOKE", "1")
    train_file, valid_file = make_files()
    assert load_table(train_file, label=None) == make_poems(80)
    assert load_table(valid_file, label=None) == make_poems(32, "valid")
