"""The sentences with names that the entity examples learn from."""

import pytest

from examples.data.entities import TYPES, load_entities, make_entities, positions, scores


def names_of(items):
    return {text[start:end] for text, entities in items for start, end, _ in entities}


def test_the_same_seed_gives_the_same_sentences():
    assert make_entities(20, "dev", seed=7) == make_entities(20, "dev", seed=7)
    assert make_entities(20, "dev", seed=7) != make_entities(20, "dev", seed=8)


def test_no_name_of_dev_occurs_in_training():
    train, dev = make_entities(2000, "train"), make_entities(300, "dev")
    texts = "\n".join(text for text, _ in train)
    assert len(names_of(dev)) > 300 and not [x for x in names_of(dev) if x in texts]


def test_names_are_of_all_types_and_do_not_overlap():
    items = make_entities(300, "dev")
    assert {kind for _, entities in items for _, _, kind in entities} == set(TYPES.values())
    for text, entities in items:
        places = sorted((start, end) for start, end, _ in entities)
        assert all(a[1] <= b[0] for a, b in zip(places, places[1:])), text
        assert places == [(start, end) for start, end, _ in entities]


def test_some_sentences_hold_no_name():
    assert any(not entities for _, entities in make_entities(200, "dev"))


def test_entities_are_counted_in_tokens():
    places = [[], [0], [1, 2], [3], []]
    entities = [(0, 3, "人名"), (3, 4, "地名"), (0, 2, "公司"), (3, 9, "作品")]
    assert positions(entities, places) == [(1, 2, "人名"), (3, 3, "地名")]


def test_scores_count_whole_entities():
    true = [[(0, 2, "人名"), (3, 5, "地名")], []]
    assert scores(true, true) == {"f1": 1, "precision": 1, "recall": 1}
    assert scores(true, [[(0, 2, "地名")], []]) == {"f1": 0, "precision": 0, "recall": 0}
    assert scores([[]], [[]])["f1"] == 0


ROWS = "高 B-NAME\n勇 E-NAME\n在 O\n津 S-LOC\n\n王 B-NAME\n李 B-NAME\n明 I-NAME\n2020 O\n"


def test_tags_of_characters_are_read(tmp_path):
    (tmp_path / "train.char.bmes").write_text(ROWS, encoding="utf-8")
    assert load_entities(tmp_path, "train") == [
        ("高勇在津", [(0, 2, "NAME"), (3, 4, "LOC")]),
        ("王李明2020", [(0, 1, "NAME"), (1, 3, "NAME")]),
    ]


def test_a_wrong_row_is_named_and_so_is_an_empty_file(tmp_path):
    with pytest.raises(ValueError, match=r"must hold one file dev\*, got \[\]"):
        load_entities(tmp_path, "dev")
    file = tmp_path / "dev.txt"
    for wrong in "高勇", "高 X-NAME", "高 B-NAME O":
        file.write_text(f"在 O\n\n{wrong}\n", encoding="utf-8")
        with pytest.raises(ValueError, match="dev.txt, line 3: a row must be .*got '高"):
            load_entities(tmp_path, "dev")
    file.write_text("\n\n")
    with pytest.raises(ValueError, match="dev.txt must have a row .*is empty"):
        load_entities(tmp_path, "dev")
