"""The sentences that the triple extraction example learns from."""

import pytest

from bert4keras.data import load_triples
from examples.data.triples import FACTS, PREDICATES, make_files, make_triples


@pytest.fixture(scope="module")
def train():
    return make_triples(3000, "train")


@pytest.fixture(scope="module")
def valid():
    return make_triples(400, "valid")


def list_triples(items):
    records = [record for item in items for record in item["spo_list"]]
    return [(record["subject"], record["predicate"], record["object"]) for record in records]


def list_names(items):
    return {name for subject, _, object in list_triples(items) for name in (subject, object)}


def test_the_same_seed_gives_the_same_sentences():
    assert make_triples(50, "valid", seed=7) == make_triples(50, "valid", seed=7)
    assert make_triples(50, "valid", seed=7) != make_triples(50, "valid", seed=8)


def test_there_are_as_many_different_sentences_as_asked_for(train, valid):
    assert len({item["text"] for item in train}) == 3000
    assert len({item["text"] for item in valid}) == 400


def test_more_sentences_begin_with_the_fewer(train):
    assert make_triples(100, "train") == train[:100]


def test_no_entity_of_validation_occurs_in_training(train, valid):
    texts = "\n".join(item["text"] for item in train)
    assert list_names(valid) and not [name for name in list_names(valid) if name in texts]


def test_every_character_of_validation_occurs_in_training(train, valid):
    train_characters = {character for item in train for character in item["text"]}
    assert all(character in train_characters for item in valid for character in item["text"])


def test_every_subject_and_object_stands_once_in_its_text(train, valid):
    for item in train + valid:
        assert all(item["text"].count(name) == 1 for name in list_names([item]))


def test_every_predicate_has_six_wordings_or_more():
    for predicate in PREDICATES:
        wordings = [text for text, facts in FACTS if predicate in facts]
        assert len(set(wordings)) >= 6, predicate


def test_every_predicate_is_common_in_both_sets(train, valid):
    for items in (train, valid):
        predicates = [predicate for _, predicate, _ in list_triples(items)]
        assert set(predicates) == set(PREDICATES)
        assert min(map(predicates.count, PREDICATES)) > len(items) / 20


def test_some_sentences_hold_no_triple(train, valid):
    for items in (train, valid):
        assert 0.15 < sum(not item["spo_list"] for item in items) / len(items) < 0.35


def test_triples_share_subjects_objects_and_pairs(valid):
    counts = {"subject": 0, "object": 0, "pair": 0, "chain": 0}
    for item in valid:
        item_triples = set(list_triples([item]))
        pairs = [
            (first, second) for first in item_triples for second in item_triples if first < second
        ]
        counts["subject"] += any(a[0] == b[0] for a, b in pairs)
        counts["object"] += any(a[2] == b[2] for a, b in pairs)
        counts["pair"] += any((a[0], a[2]) == (b[0], b[2]) for a, b in pairs)
        counts["chain"] += any(a[0] == b[2] or a[2] == b[0] for a, b in pairs)
    assert min(counts.values()) >= 3, counts


def test_the_same_kind_of_name_plays_every_role(valid):
    """Short titles in 《》 are works of all sorts, and some stand in no relation at all."""
    roles = {p for subject, p, _ in list_triples(valid) if f"《{subject}》" in str(valid)}
    assert roles >= {"作者", "导演", "主演", "歌手", "所属专辑"}
    assert any("《" in item["text"] for item in valid if not item["spo_list"])


def test_direction_depends_on_the_wording():
    facts = dict(FACTS)
    assert facts["{person1}的父亲是{person2}"] == "person1 父亲 person2"
    assert facts["{person1}是{person2}的父亲"] == "person2 父亲 person1"


def test_files_have_the_sentences(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    train, valid = map(load_triples, make_files())
    assert len(train) == 16000
    expected = make_triples(500, "valid")
    assert valid == [(item["text"], list_triples([item])) for item in expected]
