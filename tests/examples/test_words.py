"""The sentences in words that the segmentation example learns from."""

from bert4keras.data import load_words
from examples.data.words import BEFORE, BEHIND, make_files, make_words


def test_the_same_seed_gives_the_same_sentences():
    assert make_words(20, "valid", seed=7) == make_words(20, "valid", seed=7)
    assert make_words(20, "valid", seed=7) != make_words(20, "valid", seed=8)


def list_nouns(sentences):
    words = {word for sentence in sentences for word in sentence if len(word) == 2}
    return {word for word in words if word[0] in BEFORE and word[1] in BEHIND}


def test_no_invented_noun_of_validation_is_one_in_training():
    train, valid = list_nouns(make_words(3000)), list_nouns(make_words(300, "valid"))
    assert len(train) > 150 and len(valid) > 30 and not train & valid


def test_characters_of_nouns_are_also_words():
    words = {word for sentence in make_words(1000) for word in sentence}
    assert set(BEFORE) | set(BEHIND) <= words


def test_files_have_the_words(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    samples = [load_words(path) for path in make_files()]
    assert list(map(len, samples)) == [6000, 500]
    for (text, words), sentence in zip(samples[1], make_words(500, "valid")):
        assert [text[start:end] for start, end, _ in words] == sentence
