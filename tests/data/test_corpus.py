"""Corpus: text files to rows; each text is read once, in order, with bounded memory."""

import gzip
import os
import tracemalloc

import numpy as np
import pytest

from bert4keras.data import find_text_files, pack_sequences, read_texts, text_files
from bert4keras.tokenizers import Tokenizer

WORDS = "[PAD] [UNK] [CLS] [SEP] [MASK] 春 山 远 秋 水 长 。 play ##ing".split()
TOKENS = {word: number for number, word in enumerate(WORDS)}
PAD, CLS, SEP = 0, 2, 3


@pytest.fixture(scope="module")
def tokenizer():
    return Tokenizer(TOKENS)


def to_words(row):
    return [WORDS[token] for token in row]


def packed_rows(texts, tokenizer, **options):
    """Return rows as texts with spaces, without padding."""
    pairs = pack_sequences(texts, tokenizer, **options)
    return [" ".join(to_words(ids)).replace(" [PAD]", "") for ids, _ in pairs]


def test_find_text_files_takes_files_folders_and_patterns(tmp_path):
    for name in ("b.txt", "a.txt", "more/c.txt.gz", "other.csv"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    paths = [str(tmp_path / name) for name in ("a.txt", "b.txt", "more/c.txt.gz")]
    assert find_text_files(tmp_path) == paths
    assert find_text_files([f"{tmp_path}/*.txt", tmp_path / "a.txt"]) == paths[:2]
    assert find_text_files(f"{tmp_path}/**/*.gz") == paths[2:]


def test_find_text_files_names_a_pattern_without_match(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"a folder .* got .*nowhere\*.txt"):
        find_text_files(f"{tmp_path}/nowhere*.txt")
    with pytest.raises(FileNotFoundError, match="a pattern that matches some"):
        find_text_files(tmp_path)


def test_read_texts_decompresses_and_skips_empty_lines(tmp_path):
    (tmp_path / "a.txt").write_bytes("春\r\n\n \n山".encode())
    with gzip.open(tmp_path / "b.txt.gz", "wb") as file:
        file.write("秋\n".encode())
    assert list(read_texts(find_text_files(tmp_path))) == ["春", "山", "秋"]


def test_read_texts_names_file_and_line_of_another_encoding(tmp_path):
    (tmp_path / "a.txt").write_bytes("春\n".encode() + "春".encode("gb18030"))
    with pytest.raises(ValueError, match="Expected utf-8 in .*a.txt, line 2, got .*gb18030"):
        list(read_texts([tmp_path / "a.txt"]))
    (tmp_path / "a.txt").write_bytes("春".encode("gb18030"))
    assert list(read_texts([tmp_path / "a.txt"], "gb18030")) == ["春"]


def test_read_texts_takes_one_path_and_other_encodings(tmp_path):
    path = tmp_path / "notepad.txt"
    for encoding in ("utf-8-sig", "utf-16", "gbk"):
        path.write_text("春\u3000\n\n山\n \n", encoding=encoding)
        assert list(read_texts(path, encoding)) == ["春", "山"]
    path.write_bytes("\ufeff春\r\n".encode())
    assert list(read_texts(str(path))) == ["春"]
    with pytest.raises(LookupError, match="Expected encoding to be one that Python knows"):
        read_texts(path, "utf-88")
    with pytest.raises(TypeError, match="Expected encoding to be a str, got None"):
        read_texts(path, None)


@pytest.mark.parametrize(
    "content, message",
    [
        pytest.param(gzip.compress(b"abc\n" * 1000)[:-20], "ended before", id="short"),
        pytest.param(b"junk", "Not a gzipped file", id="junk"),
        pytest.param(
            gzip.compress(b"abc\n" * 99)[:-8] + bytes(8), "CRC check failed", id="other sum"
        ),
        pytest.param(
            gzip.compress(b"abc")[:10] + b"\x06" * 9, "invalid block type", id="other block"
        ),
    ],
)
def test_read_texts_names_a_damaged_gzip(tmp_path, content, message):
    (tmp_path / "a.txt.gz").write_bytes(content)
    with pytest.raises(ValueError, match=f"Expected .* in .*a.txt.gz.* got.*{message}"):
        list(read_texts([tmp_path / "a.txt.gz"]))


def test_read_texts_names_a_line_without_end(tmp_path, monkeypatch):
    """A small gzip may hold a line that fills the memory."""
    monkeypatch.setattr(text_files, "MAX_LINE", 1000)
    (tmp_path / "a.txt.gz").write_bytes(gzip.compress(b"abc\n" + b"a" * 10**6))
    with pytest.raises(ValueError, match="of at most 1000 characters in .*a.txt.gz, .* in line 2"):
        list(read_texts(tmp_path / "a.txt.gz"))
    (tmp_path / "b.txt").write_bytes(b"a" * 999 + b"\n" + b"b" * 999)
    assert [len(text) for text in read_texts(tmp_path / "b.txt")] == [999, 999]


@pytest.mark.parametrize(
    "texts, got", [("春山", "'春山'"), (b"a", "b'a'"), (None, "None"), (5, "5")]
)
def test_pack_sequences_refuses_what_is_no_list_of_texts(tokenizer, texts, got):
    with pytest.raises(TypeError, match=f"Expected texts to be an iterable of str, got {got}"):
        pack_sequences(texts, tokenizer)


@pytest.mark.parametrize("text", [None, 5, b"a", float("nan"), ("春", "山")])
def test_pack_sequences_names_a_text_that_is_none(tokenizer, text):
    with pytest.raises(TypeError, match=r"Expected texts\[1\] to be a str, got"):
        list(pack_sequences(["春", text], tokenizer))


def test_pack_sequences_checks_its_options(tokenizer):
    with pytest.raises(TypeError, match="maxlen to be a whole number, got '9'"):
        pack_sequences([], tokenizer, maxlen="9")
    with pytest.raises(ValueError, match="workers to be a whole number of 0 or more, got -1"):
        pack_sequences([], tokenizer, workers=-1)
    with pytest.raises(TypeError, match="word_segment to be a function, got 'jieba'"):
        pack_sequences([], tokenizer, word_segment="jieba")
    for result in (None, "春山", [1]):
        with pytest.raises(TypeError, match="Expected word_segment to return a list of str, got"):
            list(pack_sequences(["春山"], tokenizer, word_segment=lambda text, x=result: x))


def test_pack_sequences_packs_sentences_and_joins_texts(tokenizer):
    texts = ["春山。秋水。", "远", "长长长长长长"]
    assert packed_rows(texts, tokenizer, maxlen=9) == [
        "[CLS] 春 山 。 秋 水 。 [SEP]",
        "[CLS] 远 [SEP]",
        "[CLS] 长 长 长 长 长 长 [SEP]",
    ]
    assert packed_rows(texts[:2], tokenizer, maxlen=10) == [
        "[CLS] 春 山 。 秋 水 。 [SEP] 远 [SEP]"
    ]
    assert len(packed_rows(texts[:2], tokenizer, maxlen=10, join_texts=False)) == 2


def test_pack_sequences_splits_a_long_sentence_between_words(tokenizer):
    long = "playing playing playing"
    assert packed_rows([long], tokenizer, maxlen=5) == ["[CLS] play ##ing [SEP]"] * 3
    assert packed_rows([long], tokenizer, maxlen=3)[:2] == ["[CLS] play [SEP]", "[CLS] ##ing [SEP]"]


def test_pack_sequences_loses_no_token_and_gives_rows_of_one_length(tokenizer):
    generator = np.random.default_rng(0)
    texts = [
        "".join(generator.choice([*"春山远秋水长。"], size))
        for size in generator.integers(1, 60, 50)
    ]
    rows = [ids for ids, _ in pack_sequences(texts, tokenizer, maxlen=16)]
    assert {row.shape for row in rows} == {(16,)}
    assert all(row[0] == CLS for row in rows)
    tokens = [token for row in rows for token in row if token not in (PAD, CLS, SEP)]
    assert to_words(tokens) == [*"".join(texts)]


def test_pack_sequences_takes_words_of_wordpiece_or_of_word_segment(tokenizer):
    def continuation(**options):
        return [
            row[1].tolist() for row in pack_sequences(["playing春山"], tokenizer, 7, **options)
        ][0]

    assert continuation() == [False, False, True, False, False, False, False]
    segment = {"word_segment": lambda text: ["playing", "春山"]}
    assert continuation(**segment) == [False, False, True, False, True, False, False]


@pytest.mark.filterwarnings("ignore:.*fork")  # JAX warns of every fork while threads run
@pytest.mark.skipif(os.name == "nt", reason="the processes of this test are forked")
def test_pack_sequences_gives_the_same_rows_with_workers(tokenizer):
    texts = ["春山。秋水长。" * (number % 7) for number in range(450)]
    expected = packed_rows(texts, tokenizer, maxlen=12)
    assert packed_rows(texts, tokenizer, maxlen=12, workers=2) == expected


def test_pack_sequences_refuses_a_short_maxlen_or_a_tokenizer_without_end(tokenizer):
    with pytest.raises(ValueError, match="maxlen of 3 or more, got maxlen=2"):
        pack_sequences([], tokenizer, maxlen=2)
    endless = Tokenizer(TOKENS, token_end=None)
    with pytest.raises(ValueError, match=r"a tokenizer without \['end'\]"):
        pack_sequences([], endless)


def test_pack_sequences_needs_the_same_memory_for_a_larger_corpus(tmp_path, tokenizer):
    def peak(lines):
        path = tmp_path / f"{lines}.txt"
        path.write_text("春山远。秋水长。\n" * lines, encoding="utf-8")
        tracemalloc.start()
        for _ in pack_sequences(read_texts([path]), tokenizer, maxlen=32):
            pass
        memory = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return memory

    peak(300)
    assert peak(3000) < 1.2 * peak(300)
