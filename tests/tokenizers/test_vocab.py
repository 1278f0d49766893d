import pytest

from bert4keras.tokenizers import Tokenizer, load_vocab, save_vocab


def write(path, rows, end="\n"):
    path.write_bytes("".join(row + end for row in rows).encode())
    return path


@pytest.mark.parametrize("name, size", [("zh-vocab.txt", 21128), ("en-vocab.txt", 30522)])
def test_load_vocab_takes_the_row_as_the_id(golden_file, name, size):
    path = golden_file(name)
    token_dict = load_vocab(path)
    assert list(token_dict.values()) == list(range(size))
    rows = path.read_bytes().decode().split("\n")
    assert all(rows[i].startswith(token) for token, i in token_dict.items())


def test_load_vocab_takes_odd_spaces_as_tokens(golden_file):
    assert load_vocab(golden_file("zh-vocab.txt"))["\u2028"] == 343


@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_load_vocab_reads_line_ends_of_any_system(tmp_path, end):
    path = write(tmp_path / "vocab.txt", ["[PAD]", "\x0b", "a"], end)
    assert load_vocab(path) == {"[PAD]": 0, "\x0b": 1, "a": 2}


def test_load_vocab_needs_no_last_line_end(tmp_path):
    (tmp_path / "vocab.txt").write_text("a\nb")
    assert load_vocab(tmp_path / "vocab.txt") == {"a": 0, "b": 1}


def test_load_vocab_takes_the_first_field_as_the_token(tmp_path):
    path = write(tmp_path / "vocab.txt", ["的\t7922", "a  3 4"])
    assert load_vocab(path) == {"的": 0, "a": 1}


def test_a_missing_vocabulary_is_named_with_the_file_to_pass(tmp_path):
    with pytest.raises(FileNotFoundError, match="No vocabulary at .*nowhere.txt. It is the vocab"):
        Tokenizer(tmp_path / "nowhere.txt")


def test_vocabularies_of_other_encodings(tmp_path):
    save_vocab(tmp_path / "vocab.txt", {"深": 0, "度": 1}, encoding="gbk")
    assert (tmp_path / "vocab.txt").read_bytes() == "深\n度\n".encode("gbk")
    assert load_vocab(tmp_path / "vocab.txt", encoding="gbk") == {"深": 0, "度": 1}


def test_load_vocab_names_a_repeated_token_and_takes_its_last_row(tmp_path):
    path = write(tmp_path / "vocab.txt", ["[PAD]", "a", "b", "a", "c"])
    with pytest.warns(UserWarning, match=r"vocab.txt, got 'a' in rows 2 and 4, and 1 such row"):
        assert load_vocab(path) == {"[PAD]": 0, "a": 3, "b": 2, "c": 4}


def test_load_vocab_names_absent_tokens_of_startswith(tmp_path):
    path = write(tmp_path / "vocab.txt", ["[PAD]", "a"])
    with pytest.raises(ValueError, match=r"tokens of the vocabulary, got \['\[UNK\]'\]"):
        load_vocab(path, simplified=True, startswith=["[PAD]", "[UNK]"])


def test_save_vocab_writes_what_load_vocab_reads(golden_file, tmp_path):
    token_dict = load_vocab(golden_file("en-vocab.txt"))
    save_vocab(tmp_path / "vocab.txt", token_dict)
    assert load_vocab(tmp_path / "vocab.txt") == token_dict
    assert (tmp_path / "vocab.txt").read_bytes() == golden_file("en-vocab.txt").read_bytes()


def test_save_vocab_orders_rows_by_id(tmp_path):
    save_vocab(tmp_path / "vocab.txt", {"b": 1, "a": 0})
    assert (tmp_path / "vocab.txt").read_text() == "a\nb\n"


def test_save_vocab_refuses_ids_with_gaps(tmp_path):
    with pytest.raises(ValueError, match="Expected the ids 0 to 1, each once"):
        save_vocab(tmp_path / "vocab.txt", {"a": 0, "b": 2})


def test_save_vocab_leaves_the_old_file_if_it_fails(tmp_path):
    save_vocab(tmp_path / "vocab.txt", {"old": 0})
    with pytest.raises(UnicodeEncodeError):
        save_vocab(tmp_path / "vocab.txt", {"new": 0, "深": 1}, encoding="ascii")
    assert load_vocab(tmp_path / "vocab.txt") == {"old": 0}


@pytest.mark.parametrize("encoding", ["utf-8", "gb18030", "utf-16-le"])
def test_load_vocab_drops_a_byte_order_mark(tmp_path, encoding):
    path = tmp_path / "vocab.txt"
    path.write_bytes("\ufeff[PAD]\n今\n".encode(encoding))
    assert load_vocab(path, encoding) == {"[PAD]": 0, "今": 1}


def test_load_vocab_counts_blank_rows(tmp_path):
    path = write(tmp_path / "vocab.txt", ["a", "", "", "今", "", ""])
    token_dict = load_vocab(path)
    assert (token_dict["a"], token_dict["今"]) == (0, 3)
    tokenizer = Tokenizer(token_dict | {"[UNK]": 6}, token_start=None, token_end=None)
    assert tokenizer.encode("今 a")[0] == [3, 0]
    assert tokenizer.vocab_size == 7


@pytest.mark.parametrize("encoding", ["gb18030", "utf-16"])
def test_load_vocab_names_the_file_of_another_encoding(tmp_path, encoding):
    path = tmp_path / "vocab.txt"
    path.write_bytes("[PAD]\n今\n".encode(encoding))
    with pytest.raises(ValueError, match=r"utf-8 in the vocabulary .*vocab.txt, got .* at byte .*"):
        load_vocab(path)
    with pytest.raises(ValueError, match="such as 'gb18030' or 'utf-16'"):
        Tokenizer(path)


def test_load_vocab_refuses_a_str_as_startswith(tmp_path):
    path = write(tmp_path / "vocab.txt", ["[PAD]"])
    with pytest.raises(TypeError, match="startswith to be a list of str, got '\\[PAD\\]'"):
        load_vocab(path, simplified=True, startswith="[PAD]")


@pytest.mark.parametrize("token", ["New York", "a\n", " a", "\n", "\r"])
def test_save_vocab_refuses_a_token_that_cannot_be_read_again(tmp_path, token):
    with pytest.raises(ValueError, match="tokens without white space for the rows of"):
        save_vocab(tmp_path / "vocab.txt", {"[PAD]": 0, token: 1})
    assert not (tmp_path / "vocab.txt").exists()
