import pytest

from bert4keras.tokenizers import load_vocab, save_vocab


def write(path, rows, end="\n"):
    path.write_bytes("".join(row + end for row in rows).encode())
    return path


@pytest.mark.parametrize("name, size", [("zh-vocab.txt", 21128), ("en-vocab.txt", 30522)])
def test_the_row_is_the_id(golden_file, name, size):
    path = golden_file(name)
    token_dict = load_vocab(path)
    assert list(token_dict.values()) == list(range(size))
    rows = path.read_bytes().decode().split("\n")
    assert all(rows[i].startswith(token) for token, i in token_dict.items())


def test_odd_spaces_are_tokens(golden_file):
    assert load_vocab(golden_file("zh-vocab.txt"))["\u2028"] == 343


@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_line_ends_of_any_system(tmp_path, end):
    path = write(tmp_path / "vocab.txt", ["[PAD]", "\x0b", "a"], end)
    assert load_vocab(path) == {"[PAD]": 0, "\x0b": 1, "a": 2}


def test_the_last_row_needs_no_line_end(tmp_path):
    (tmp_path / "vocab.txt").write_text("a\nb")
    assert load_vocab(tmp_path / "vocab.txt") == {"a": 0, "b": 1}


def test_the_first_field_is_the_token(tmp_path):
    path = write(tmp_path / "vocab.txt", ["的\t7922", "a  3 4"])
    assert load_vocab(path) == {"的": 0, "a": 1}


def test_other_encodings(tmp_path):
    save_vocab(tmp_path / "vocab.txt", {"深": 0, "度": 1}, encoding="gbk")
    assert (tmp_path / "vocab.txt").read_bytes() == "深\n度\n".encode("gbk")
    assert load_vocab(tmp_path / "vocab.txt", encoding="gbk") == {"深": 0, "度": 1}


def test_a_repeated_token_is_named_with_its_rows(tmp_path):
    path = write(tmp_path / "vocab.txt", ["[PAD]", "a", "b", "a"])
    with pytest.raises(ValueError, match=r"vocab.txt: .*'a' is in rows 2 and 4"):
        load_vocab(path)


def test_a_start_that_is_not_there_is_named(tmp_path):
    path = write(tmp_path / "vocab.txt", ["[PAD]", "a"])
    with pytest.raises(ValueError, match=r"lacks \['\[UNK\]'\]"):
        load_vocab(path, simplified=True, startswith=["[PAD]", "[UNK]"])


def test_saved_and_loaded_is_the_same(golden_file, tmp_path):
    token_dict = load_vocab(golden_file("en-vocab.txt"))
    save_vocab(tmp_path / "vocab.txt", token_dict)
    assert load_vocab(tmp_path / "vocab.txt") == token_dict
    assert (tmp_path / "vocab.txt").read_bytes() == golden_file("en-vocab.txt").read_bytes()


def test_rows_follow_the_ids(tmp_path):
    save_vocab(tmp_path / "vocab.txt", {"b": 1, "a": 0})
    assert (tmp_path / "vocab.txt").read_text() == "a\nb\n"


def test_ids_with_gaps_cannot_be_saved(tmp_path):
    with pytest.raises(ValueError, match="ids of 2 tokens have to be 0 to 1"):
        save_vocab(tmp_path / "vocab.txt", {"a": 0, "b": 2})


def test_a_failed_save_leaves_the_old_file(tmp_path):
    save_vocab(tmp_path / "vocab.txt", {"old": 0})
    with pytest.raises(UnicodeEncodeError):
        save_vocab(tmp_path / "vocab.txt", {"new": 0, "深": 1}, encoding="ascii")
    assert load_vocab(tmp_path / "vocab.txt") == {"old": 0}
