"""The reviews that examples of classification learn from."""

import pytest

from bert4keras.data import load_table
from examples.data.reviews import (
    DIRECT,
    OPPOSITE,
    TOPICS,
    find_deciding,
    make_files,
    make_reviews,
)


def test_the_same_seed_gives_the_same_reviews():
    assert make_reviews(20, "valid", seed=7) == make_reviews(20, "valid", seed=7)
    assert make_reviews(20, "valid", seed=7) != make_reviews(20, "valid", seed=8)


def test_a_split_must_be_known():
    with pytest.raises(ValueError, match="Expected split to be train or valid, got 'dev'"):
        make_reviews(5, "dev")


def find_pairs(reviews):
    """Find the aspects with the words about them, as they stand in reviews."""
    return {
        (aspect, word)
        for text, _ in reviews
        for aspects, praise, blame in TOPICS.values()
        for aspect in aspects
        for word in praise + blame
        if any(form.format(aspect, word) in text for form in DIRECT + OPPOSITE)
    }


def test_no_pair_of_aspect_and_word_of_validation_was_in_training():
    train, valid = find_pairs(make_reviews(2000)), find_pairs(make_reviews(300, "valid"))
    assert len(train) > 150 and len(valid) > 40 and not train & valid


def test_a_word_alone_does_not_tell_the_label_of_a_review():
    labels = {0: [], 1: []}
    for text, label in make_reviews(1000):
        labels[label].append("干净" in text)
    assert min(sum(counts) for counts in labels.values()) > 10


def test_deciding_characters_stand_in_each_review():
    for text, _ in make_reviews(200, "valid"):
        assert 1 < len(find_deciding(text)) < len(text)
    assert find_deciding("房间很宽敞，不值得买。") == {3, 4, 6, 7, 8, 9}
    assert find_deciding("房间。") == set()


def test_files_have_different_reviews_and_are_read_by_the_names_of_their_columns(
    tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    sets = [load_table(path, text="text_a", label="label") for path in make_files(100)]
    assert [len(samples) for samples in sets] == [100, 500, 500]
    assert {label for samples in sets for _, label in samples} == {"0", "1"}
    assert len({text for samples in sets for text, _ in samples}) == 1100
