"""From text files to rows: everything is read once, in order, with bounded memory."""

import gzip
import os
import tracemalloc

import numpy as np
import pytest

from bert4keras.data import pack_sequences, read_texts, text_files
from bert4keras.tokenizers import Tokenizer

WORDS = "[PAD] [UNK] [CLS] [SEP] [MASK] 春 山 远 秋 水 长 。 play ##ing".split()
TOKENS = {word: number for number, word in enumerate(WORDS)}
PAD, CLS, SEP = 0, 2, 3


@pytest.fixture(scope="module")
def tokenizer():
    return Tokenizer(TOKENS)


def words(row):
    return [WORDS[token] for token in row]


def rows(texts, tokenizer, **options):
    """Rows as texts with spaces, without padding."""
    packed = pack_sequences(texts, tokenizer, **options)
    return [" ".join(words(ids)).replace(" [PAD]", "") for ids, _ in packed]


def test_files_folders_and_patterns_are_found_once_and_sorted(tmp_path):
    for name in ("b.txt", "a.txt", "more/c.txt.gz", "other.csv"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    whole = [str(tmp_path / name) for name in ("a.txt", "b.txt", "more/c.txt.gz")]
    assert text_files(tmp_path) == whole
    assert text_files([f"{tmp_path}/*.txt", tmp_path / "a.txt"]) == whole[:2]
    assert text_files(f"{tmp_path}/**/*.gz") == whole[2:]


def test_a_pattern_that_fits_nothing_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"nowhere\*.txt must be a text file, a folder"):
        text_files(f"{tmp_path}/nowhere*.txt")
    with pytest.raises(FileNotFoundError, match="fits none"):
        text_files(tmp_path)


def test_packed_files_are_unpacked_and_empty_lines_passed_over(tmp_path):
    (tmp_path / "a.txt").write_bytes("春\r\n\n \n山".encode())
    with gzip.open(tmp_path / "b.txt.gz", "wb") as file:
        file.write("秋\n".encode())
    assert list(read_texts(text_files(tmp_path))) == ["春", "山", "秋"]


def test_bytes_that_are_no_text_are_named_by_file_and_line(tmp_path):
    (tmp_path / "a.txt").write_bytes("春\n".encode() + "春".encode("gb18030"))
    with pytest.raises(ValueError, match="a.txt, line 2: texts must be in utf-8, but .*gb18030"):
        list(read_texts([tmp_path / "a.txt"]))
    (tmp_path / "a.txt").write_bytes("春".encode("gb18030"))
    assert list(read_texts([tmp_path / "a.txt"], "gb18030")) == ["春"]


def test_sentences_are_packed_and_texts_joined(tokenizer):
    texts = ["春山。秋水。", "远", "长长长长长长"]
    assert rows(texts, tokenizer, maxlen=9) == [
        "[CLS] 春 山 。 秋 水 。 [SEP]",
        "[CLS] 远 [SEP]",
        "[CLS] 长 长 长 长 长 长 [SEP]",
    ]
    assert rows(texts[:2], tokenizer, maxlen=10) == ["[CLS] 春 山 。 秋 水 。 [SEP] 远 [SEP]"]
    assert len(rows(texts[:2], tokenizer, maxlen=10, join=False)) == 2


def test_a_long_sentence_is_cut_between_words(tokenizer):
    long = "playing playing playing"
    assert rows([long], tokenizer, maxlen=5) == ["[CLS] play ##ing [SEP]"] * 3
    assert rows([long], tokenizer, maxlen=3)[:2] == ["[CLS] play [SEP]", "[CLS] ##ing [SEP]"]


def test_no_token_is_lost_and_rows_have_one_length(tokenizer):
    numbers = np.random.default_rng(0)
    texts = [
        "".join(numbers.choice([*"春山远秋水长。"], size)) for size in numbers.integers(1, 60, 50)
    ]
    packed = [ids for ids, _ in pack_sequences(texts, tokenizer, maxlen=16)]
    assert {row.shape for row in packed} == {(16,)}
    assert all(row[0] == CLS for row in packed)
    kept = [token for row in packed for token in row if token not in (PAD, CLS, SEP)]
    assert words(kept) == [*"".join(texts)]


def test_words_are_those_of_wordpiece_or_of_a_segmenter(tokenizer):
    def continued(**options):
        return [
            row[1].tolist() for row in pack_sequences(["playing春山"], tokenizer, 7, **options)
        ][0]

    assert continued() == [False, False, True, False, False, False, False]
    segment = {"word_segment": lambda text: ["playing", "春山"]}
    assert continued(**segment) == [False, False, True, False, True, False, False]


@pytest.mark.filterwarnings("ignore:.*fork")  # JAX warns of every fork beside threads
@pytest.mark.skipif(os.name == "nt", reason="the processes of this test are forked")
def test_workers_change_nothing(tokenizer):
    texts = ["春山。秋水长。" * (number % 7) for number in range(450)]
    alone = rows(texts, tokenizer, maxlen=12)
    assert rows(texts, tokenizer, maxlen=12, workers=2) == alone


def test_a_row_without_room_or_a_tokenizer_without_end_is_refused(tokenizer):
    with pytest.raises(ValueError, match="maxlen be 3 or more; got maxlen=2"):
        pack_sequences([], tokenizer, maxlen=2)
    endless = Tokenizer(TOKENS, token_end=None)
    with pytest.raises(ValueError, match=r"a tokenizer without \['end'\]"):
        pack_sequences([], endless)


def test_memory_does_not_grow_with_the_corpus(tmp_path, tokenizer):
    def peak(lines):
        path = tmp_path / f"{lines}.txt"
        path.write_text("春山远。秋水长。\n" * lines, encoding="utf-8")
        tracemalloc.start()
        for _ in pack_sequences(read_texts([path]), tokenizer, maxlen=32):
            pass
        found = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return found

    peak(300)
    assert peak(3000) < 1.2 * peak(300)
