"""The synthetic abstracts and titles that examples learn from."""

from bert4keras.data import load_table
from examples.data.titles import THINGS, is_for_validation, make_files, make_titles


def test_the_same_seed_gives_the_same_titles():
    assert make_titles(20, "valid", seed=7) == make_titles(20, "valid", seed=7)
    assert make_titles(20, "valid", seed=7) != make_titles(20, "valid", seed=8)
    assert len(set(make_titles(200))) == 200


def test_a_title_names_a_thing_of_its_abstract_and_is_shorter():
    for abstract, title in make_titles(200, "valid"):
        assert title[-2:] in ("方法", "模型", "系统")
        thing = max((name for name in THINGS if name in title), key=len)
        assert thing in abstract and len(title) < len(abstract)


def test_some_pairs_of_thing_and_task_are_for_validation_only():
    counts = [is_for_validation(thing, "检测") for thing in THINGS]
    assert 0 < sum(counts) < len(counts)
    titles = {title for _, title in make_titles(400)}
    assert not titles & {title for _, title in make_titles(400, "valid")}


def test_files_are_read_as_a_table(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("BERT4KERAS_SMOKE", "1")
    train_file, valid_file = make_files()
    assert load_table(train_file, text=-2, label=-1) == make_titles(80)
    assert load_table(valid_file, text=-2, label=-1) == make_titles(32, "valid")
