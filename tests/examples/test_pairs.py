"""The pairs of questions that examples about meaning learn from."""

from bert4keras.data import load_table
from examples.data.pairs import WISHES, find_meaning, make_files, make_pairs


def test_the_same_seed_gives_the_same_pairs():
    assert make_pairs(20, "valid", seed=7) == make_pairs(20, "valid", seed=7)
    assert make_pairs(20, "valid", seed=7) != make_pairs(20, "valid", seed=8)


def test_the_label_says_whether_wish_and_name_are_the_same():
    pairs = make_pairs(1000, "train") + make_pairs(300, "valid")
    for first, second, label in pairs:
        assert (find_meaning(first) == find_meaning(second)) == label and find_meaning(first)
    assert 500 < sum(label for *_, label in pairs) < 800


def test_pairs_that_differ_have_the_name_or_the_wish_in_common():
    for first, second, label in make_pairs(300, "valid"):
        (wish, name), (other_wish, other_name) = find_meaning(first), find_meaning(second)
        assert label or (wish == other_wish) != (name == other_name)


def split_question(question):
    wish, name = find_meaning(question)
    text = question.removesuffix("？").replace(name, "{}")
    return wish, text


def test_no_name_and_no_pair_of_wordings_of_validation_is_in_training():
    names, ways = [], []
    for pairs in (make_pairs(4000), make_pairs(400, "valid")):
        names.append({find_meaning(text)[1] for pair in pairs for text in pair[:2]})
        ways.append({(split_question(a), split_question(b)) for a, b, _ in pairs})
    assert len(names[1]) > 300 and not names[0] & names[1]
    assert len(ways[1]) > 100 and not ways[0] & ways[1]


def test_every_wish_has_five_wordings():
    assert {len(set(x)) for x in WISHES.values()} == {5} and find_meaning("你好") is None


def test_files_are_read_as_pairs_of_texts_with_numbers(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    train, valid = (
        load_table(path, text=[0, 1], label=2, label_type=float) for path in make_files(50)
    )
    assert len(train) == 50 and len(valid) == 1000
    assert train[0] == (make_pairs(1)[0][:2], make_pairs(1)[0][2])
