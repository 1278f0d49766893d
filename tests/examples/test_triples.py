"""The sentences that the triple extraction example learns from."""

import numpy as np
import pytest

from examples.data.triples import (
    FACTS,
    PREDICATES,
    as_triples,
    exact_match,
    find,
    load_triples,
    make_triples,
    spans,
)


@pytest.fixture(scope="module")
def train():
    return make_triples(3000, "train")


@pytest.fixture(scope="module")
def dev():
    return make_triples(400, "dev")


def triples(items):
    return [triple for item in items for triple in as_triples(item)]


def names(items):
    return {name for subject, _, object in triples(items) for name in (subject, object)}


def test_the_same_seed_gives_the_same_sentences():
    assert make_triples(50, "dev", seed=7) == make_triples(50, "dev", seed=7)
    assert make_triples(50, "dev", seed=7) != make_triples(50, "dev", seed=8)


def test_there_are_as_many_different_sentences_as_asked_for(train, dev):
    assert len({item["text"] for item in train}) == 3000
    assert len({item["text"] for item in dev}) == 400


def test_more_sentences_begin_with_the_fewer(train):
    assert make_triples(100, "train") == train[:100]


def test_no_entity_of_dev_occurs_in_training(train, dev):
    texts = "\n".join(item["text"] for item in train)
    assert names(dev) and not [name for name in names(dev) if name in texts]


def test_every_character_of_dev_occurs_in_training(train, dev):
    train_characters = {character for item in train for character in item["text"]}
    assert all(character in train_characters for item in dev for character in item["text"])


def test_every_subject_and_object_stands_once_in_its_text(train, dev):
    for item in train + dev:
        assert all(item["text"].count(name) == 1 for name in names([item]))


def test_every_predicate_has_six_wordings_or_more():
    for predicate in PREDICATES:
        wordings = [text for text, facts in FACTS if predicate in facts]
        assert len(set(wordings)) >= 6, predicate


def test_every_predicate_is_common_in_both_sets(train, dev):
    for items in (train, dev):
        predicates = [predicate for _, predicate, _ in triples(items)]
        assert set(predicates) == set(PREDICATES)
        assert min(map(predicates.count, PREDICATES)) > len(items) / 20


def test_some_sentences_hold_no_triple(train, dev):
    for items in (train, dev):
        assert 0.15 < sum(not item["spo_list"] for item in items) / len(items) < 0.35


def test_triples_share_subjects_objects_and_pairs(dev):
    counts = {"subject": 0, "object": 0, "pair": 0, "chain": 0}
    for item in dev:
        item_triples = set(triples([item]))
        pairs = [
            (first, second) for first in item_triples for second in item_triples if first < second
        ]
        counts["subject"] += any(a[0] == b[0] for a, b in pairs)
        counts["object"] += any(a[2] == b[2] for a, b in pairs)
        counts["pair"] += any((a[0], a[2]) == (b[0], b[2]) for a, b in pairs)
        counts["chain"] += any(a[0] == b[2] or a[2] == b[0] for a, b in pairs)
    assert min(counts.values()) >= 3, counts


def test_the_same_kind_of_name_plays_every_role(dev):
    """Short titles in 《》 are works of all sorts, and some stand in no relation at all."""
    roles = {p for subject, p, _ in triples(dev) if f"《{subject}》" in str(dev)}
    assert roles >= {"作者", "导演", "主演", "歌手", "所属专辑"}
    assert any("《" in item["text"] for item in dev if not item["spo_list"])


def test_direction_depends_on_the_wording():
    facts = dict(FACTS)
    assert facts["{person1}的父亲是{person2}"] == "person1 父亲 person2"
    assert facts["{person1}是{person2}的父亲"] == "person2 父亲 person1"


def test_finding_what_is_true_scores_one(dev):
    f1, precision, recall, records = exact_match(dev, map(as_triples, dev), list)
    assert (f1, precision, recall) == (1, 1, 1)
    assert not any(record["new"] or record["lack"] for record in records)


def test_finding_nothing_scores_zero_and_misses_everything(dev):
    f1, precision, recall, records = exact_match(dev, [set() for _ in dev], list)
    assert (f1, precision, recall) == (0, 0, 0)
    assert sum(len(record["lack"]) for record in records) == len(triples(dev))


def test_a_reversed_triple_counts_as_wrong_and_as_missing(dev):
    item = next(item for item in dev if len(item["spo_list"]) == 1)
    [(subject, predicate, object)] = as_triples(item)
    *scores, [record] = exact_match([item], [{(object, predicate, subject)}], list)
    assert scores == [0, 0, 0]
    assert record["new"] == [(object, predicate, subject)]
    assert record["lack"] == [(subject, predicate, object)]


def test_names_are_equal_when_their_tokens_are(dev):
    item = next(item for item in dev if item["spo_list"])
    triples_with_spaces = {
        (f"{subject} ", predicate, object) for subject, predicate, object in as_triples(item)
    }
    assert exact_match([item], [triples_with_spaces], str.split)[0] == 1


def test_a_name_is_found_where_it_first_stands_or_not_at_all():
    assert find([7, 8], [2, 7, 9, 7, 8, 7, 8, 3]) == (3, 4)
    assert find([7, 8], [2, 7, 3]) is None


def test_spans_go_from_a_start_to_the_nearest_end_between_cls_and_sep():
    starts, ends = [0.9, 0.7, 0.1, 0.9, 0.9, 0.9], [0.9, 0.1, 0.6, 0.9, 0.1, 0.9]
    probas = np.array([starts, ends]).T
    assert spans(probas, 6) == [(1, 2), (3, 3)]
    assert spans(probas[:, ::-1], 6) == [(3, 3)]  # 0.6 is no start
    assert spans(probas, 3) == []  # the end is padding


GOOD = '{"text": "李明著《春山》", "spo_list": []}\n'


@pytest.mark.parametrize(
    "rows, message",
    [
        ("", "must have a line of JSON for each sentence, but is empty"),
        (GOOD + "李明", "line 2, got"),
        (GOOD + '{"spo_list": []}', "sentence 2: it must be 'text' and 'spo_list'"),
        (GOOD + '{"text": "李明"}', "sentence 2: it must be"),
        ('{"text": "a", "spo_list": [{"subject": "a"}]}', "sentence 1: it must be"),
        ('{"text": 3, "spo_list": []}', "sentence 1: it must be"),
        ("[1]", "sentence 1: it must be"),
    ],
)
def test_a_file_of_something_else_is_refused(tmp_path, rows, message):
    path = tmp_path / "train_data.json"
    path.write_text(rows, encoding="utf-8")
    with pytest.raises(ValueError, match=f"train_data.json.*{message}"):
        load_triples(path)


def test_triples_are_read(tmp_path):
    path = tmp_path / "dev_data.json"
    path.write_text(GOOD, encoding="utf-8")
    assert load_triples(path) == [{"text": "李明著《春山》", "spo_list": []}]
