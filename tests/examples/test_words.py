"""The sentences in words that the segmentation example learns from."""

import pytest

from examples.data.words import BEFORE, BEHIND, load_words, make_words, scores, spans


def test_the_same_seed_gives_the_same_sentences():
    assert make_words(20, "dev", seed=7) == make_words(20, "dev", seed=7)
    assert make_words(20, "dev", seed=7) != make_words(20, "dev", seed=8)


def nouns(sentences):
    return {w for x in sentences for w in x if len(w) == 2 and w[0] in BEFORE and w[1] in BEHIND}


def test_no_invented_noun_of_dev_is_one_in_training():
    train, dev = nouns(make_words(3000)), nouns(make_words(300, "dev"))
    assert len(train) > 150 and len(dev) > 30 and not train & dev


def test_characters_of_nouns_are_words_alone_too():
    words = {word for sentence in make_words(1000) for word in sentence}
    assert set(BEFORE) | set(BEHIND) <= words


def test_words_are_found_where_they_stand():
    assert spans(["新书", "来", "了"]) == {(0, 2), (2, 3), (3, 4)}
    assert scores([["新书", "来"]], [["新书", "来"]])["f1"] == 1
    assert scores([["新书", "来"]], [["新", "书来"]])["f1"] == 0


def test_rows_of_words_are_read(tmp_path):
    file = tmp_path / "pku.utf8"
    file.write_text("新书  来  了\n\n好\n", encoding="utf-8")
    assert load_words(file) == [["新书", "来", "了"], ["好"]]


def test_a_file_without_words_is_named(tmp_path):
    file = tmp_path / "pku.utf8"
    file.write_text("")
    with pytest.raises(ValueError, match="pku.utf8 must have rows of words .*but is empty"):
        load_words(file)
    file.write_text("新书来了\n", encoding="utf-8")
    with pytest.raises(ValueError, match="pku.utf8 must have rows of words .*got '新书来了'"):
        load_words(file)
