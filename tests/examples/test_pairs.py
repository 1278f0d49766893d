"""The pairs of questions that examples about meaning learn from."""

import pytest

from examples.data.pairs import WISHES, load_pairs, make_pairs, meaning


def test_the_same_seed_gives_the_same_pairs():
    assert make_pairs(20, "dev", seed=7) == make_pairs(20, "dev", seed=7)
    assert make_pairs(20, "dev", seed=7) != make_pairs(20, "dev", seed=8)


def test_the_label_says_whether_wish_and_name_are_the_same():
    pairs = make_pairs(1000, "train") + make_pairs(300, "dev")
    for first, second, label in pairs:
        assert (meaning(first) == meaning(second)) == label and meaning(first)
    assert 500 < sum(label for *_, label in pairs) < 800


def test_pairs_that_differ_have_the_name_or_the_wish_in_common():
    for first, second, label in make_pairs(300, "dev"):
        (wish, name), (other_wish, other_name) = meaning(first), meaning(second)
        assert label or (wish == other_wish) != (name == other_name)


def wordings(question):
    wish, name = meaning(question)
    text = question.removesuffix("？").replace(name, "{}")
    return wish, text


def test_no_name_and_no_pair_of_wordings_of_dev_is_in_training():
    train, dev = make_pairs(4000), make_pairs(400, "dev")
    names = [{meaning(text)[1] for pair in pairs for text in pair[:2]} for pairs in (train, dev)]
    assert len(names[1]) > 300 and not names[0] & names[1]
    ways = [{(wordings(a), wordings(b)) for a, b, _ in pairs} for pairs in (train, dev)]
    assert len(ways[1]) > 100 and not ways[0] & ways[1]


def test_every_wish_has_five_wordings():
    assert {len(set(x)) for x in WISHES.values()} == {5} and meaning("你好") is None


def test_rows_are_read_and_wrong_ones_named(tmp_path):
    file = tmp_path / "lcqmc.tsv"
    file.write_text("甲\t乙\t1\n", encoding="utf-8")
    assert load_pairs(file) == [("甲", "乙", 1)]
    file.write_text("甲\t乙\t1\n甲\t\t0\n", encoding="utf-8")
    with pytest.raises(ValueError, match="lcqmc.tsv, line 2: a row must be two texts .*got '甲"):
        load_pairs(file)
    file.write_text("")
    with pytest.raises(ValueError, match="lcqmc.tsv must have a row .*is empty"):
        load_pairs(file)
