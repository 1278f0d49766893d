"""The sentences with names that the entity examples learn from."""

from bert4keras.data import load_conll
from examples.data.entities import TYPES, make_entities, make_files


def list_names(samples):
    return {text[start:end] for text, entities in samples for start, end, _ in entities}


def test_the_same_seed_gives_the_same_sentences():
    assert make_entities(20, "valid", seed=7) == make_entities(20, "valid", seed=7)
    assert make_entities(20, "valid", seed=7) != make_entities(20, "valid", seed=8)


def test_no_name_of_validation_occurs_in_training():
    train, valid = make_entities(2000), list_names(make_entities(300, "valid"))
    texts = "\n".join(text for text, _ in train)
    assert len(valid) > 300 and not [name for name in valid if name in texts]


def test_names_are_of_all_types_and_do_not_overlap():
    samples = make_entities(300, "valid")
    assert {kind for _, entities in samples for _, _, kind in entities} == set(TYPES.values())
    for text, entities in samples:
        places = [place for start, end, _ in entities for place in (start, end)]
        assert places == sorted(places), text


def test_some_sentences_have_no_name():
    assert any(not entities for _, entities in make_entities(200, "valid"))


def test_files_have_the_sentences(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    train, valid = make_files()
    assert load_conll(train, strict=True) == make_entities(6000)
    assert load_conll(valid, strict=True) == make_entities(500, "valid")
