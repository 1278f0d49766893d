import subprocess
import sys

import numpy as np
import pytest

from bert4keras.tokenizers import BasicTokenizer, Tokenizer, TokenizerBase

TOKENS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *"abcdefgh"]
VOCABULARY = {token: i for i, token in enumerate(TOKENS)}


@pytest.fixture
def tokenizer():
    return Tokenizer(VOCABULARY)


def joined_tokens(tokenizer, ids):
    """Ids as one line of tokens."""
    return " ".join(tokenizer.ids_to_tokens(ids))


def test_encode_drops_the_second_start_of_a_pair(tokenizer):
    ids, segments = tokenizer.encode("a b", "c")
    assert joined_tokens(tokenizer, ids) == "[CLS] a b [SEP] c [SEP]"
    assert segments == [0, 0, 0, 0, 1, 1]


def test_encode_can_keep_the_second_start_of_a_pair(tokenizer):
    ids, segments = tokenizer.encode("a b", "c", pattern="S*ES*E")
    assert joined_tokens(tokenizer, ids) == "[CLS] a b [SEP] [CLS] c [SEP]"
    assert segments == [0, 0, 0, 0, 1, 1, 1]


def test_encode_takes_an_empty_second_text_as_a_pair(tokenizer):
    assert tokenizer.encode("a", "") == ([2, 5, 3, 3], [0, 0, 0, 1])


def test_encode_refuses_other_patterns(tokenizer):
    with pytest.raises(ValueError, match=r"pattern 'S\*E\*E' or 'S\*ES\*E', got 'S\*E'"):
        tokenizer.encode("a", "b", pattern="S*E")


@pytest.mark.parametrize(
    "truncate_from, expected",
    [
        ("right", "[CLS] a b c [SEP]"),
        ("left", "[CLS] d e f [SEP]"),
        (2, "[CLS] a e f [SEP]"),
        (-1, "[CLS] a b c d"),
        (0, "c d e f [SEP]"),
    ],
)
def test_encode_truncates_from_any_index(tokenizer, truncate_from, expected):
    ids, _ = tokenizer.encode("a b c d e f", maxlen=5, truncate_from=truncate_from)
    assert joined_tokens(tokenizer, ids) == expected


def test_encode_truncates_the_longer_text_first(tokenizer):
    ids, _ = tokenizer.encode("a b c d e f", "g h", maxlen=8)
    assert joined_tokens(tokenizer, ids) == "[CLS] a b c [SEP] g h [SEP]"


def test_encode_leaves_the_lists_of_the_caller_alone(tokenizer):
    first, second = ["[CLS]", "a", "b", "[SEP]"], ["[CLS]", "c", "d", "[SEP]"]
    tokenizer.encode(first, second, maxlen=5)
    assert first == ["[CLS]", "a", "b", "[SEP]"]
    assert second == ["[CLS]", "c", "d", "[SEP]"]


@pytest.mark.parametrize("kwargs", [{"maxlen": 0}, {"maxlen": 2, "truncate_from": 3}])
def test_encode_refuses_an_impossible_maxlen(tokenizer, kwargs):
    with pytest.raises(ValueError, match=f"truncating to maxlen={kwargs['maxlen']}. Pass a larger"):
        tokenizer.encode("a b c d", **kwargs)


def test_encode_refuses_an_unknown_side(tokenizer):
    with pytest.raises(ValueError, match="truncate_from 'right', 'left' or an index, got 'middle'"):
        tokenizer.encode("a b c d", maxlen=4, truncate_from="middle")


def test_encode_batch_pads_the_rows_of_encode(tokenizer):
    texts, second_texts = ["a b c", "", "d"], ["", "e f g h", "a"]
    token_ids, segment_ids = tokenizer.encode_batch(texts, second_texts)
    for row, pair in enumerate(zip(texts, second_texts, strict=True)):
        ids, segments = tokenizer.encode(*pair)
        padding = [0] * (token_ids.shape[1] - len(ids))
        assert token_ids[row].tolist() == ids + padding
        assert segment_ids[row].tolist() == segments + padding


def test_encode_batch_is_as_long_as_its_longest_row(tokenizer):
    token_ids, segment_ids = tokenizer.encode_batch(["a b", "a b c d"])
    assert token_ids.shape == segment_ids.shape == (2, 6)
    assert token_ids.dtype == segment_ids.dtype == np.int32


def test_encode_batch_pads_with_the_padding_token():
    vocabulary = {token: i for i, token in enumerate(reversed(TOKENS))}
    token_ids, segment_ids = Tokenizer(vocabulary).encode_batch(["", "a b"])
    assert token_ids[0, 2:].tolist() == [vocabulary["[PAD]"]] * 2
    assert segment_ids[0].tolist() == [0, 0, 0, 0]


def test_encode_batch_pads_to_a_fixed_length(tokenizer):
    token_ids, segment_ids = tokenizer.encode_batch(["a b c d e", "a"], maxlen=6, pad_to=6)
    assert token_ids.shape == segment_ids.shape == (2, 6)
    assert joined_tokens(tokenizer, token_ids[0]) == "[CLS] a b c d [SEP]"


def test_encode_batch_takes_token_lists(tokenizer):
    token_ids, _ = tokenizer.encode_batch([["[CLS]", "a"], ["b"]])
    assert token_ids.tolist() == [[2, 5], [6, 0]]


def test_encode_batch_refuses_a_row_longer_than_pad_to(tokenizer):
    with pytest.raises(ValueError, match="at most pad_to=3 ids, got one of 4. Pass maxlen=3"):
        tokenizer.encode_batch(["a", "a b"], pad_to=3)


def test_encode_batch_refuses_an_empty_batch(tokenizer):
    with pytest.raises(ValueError, match=r"a list of at least one text, got \[\]"):
        tokenizer.encode_batch([])


def test_encode_batch_refuses_a_single_text(tokenizer):
    with pytest.raises(ValueError, match="a list of at least one text, got 'abc'. Use encode"):
        tokenizer.encode_batch("abc")


def test_encode_batch_refuses_unequal_numbers_of_texts(tokenizer):
    with pytest.raises(ValueError, match="got 2 texts and 1 second_texts"):
        tokenizer.encode_batch(["a", "b"], ["c"])


def test_encode_batch_refuses_a_vocabulary_without_padding():
    tokenizer = Tokenizer({"[UNK]": 0, "[CLS]": 1, "[SEP]": 2, "a": 3})
    assert tokenizer.pad_id is None
    assert tokenizer.encode("a") == ([1, 3, 2], [0, 0, 0])
    with pytest.raises(ValueError, match=r"Expected the padding token '\[PAD\]'"):
        tokenizer.encode_batch(["a"])


def test_tokenizer_base_serves_a_subclass():
    class Letters(TokenizerBase):
        def _tokenize(self, text):
            return list(text)

        def token_to_id(self, token):
            return len(token)

    assert Letters(token_end=None).encode("ab", maxlen=2) == ([5, 1], [0, 0])
    assert BasicTokenizer is TokenizerBase


IDS = ["pad_id", "unk_id", "mask_id", "start_id", "end_id"]


def test_public_ids_are_those_of_the_special_tokens(tokenizer):
    ids = [getattr(tokenizer, name) for name in IDS]
    assert tokenizer.ids_to_tokens(ids) == ["[PAD]", "[UNK]", "[MASK]", "[CLS]", "[SEP]"]
    assert tokenizer.vocab_size == len(VOCABULARY)


def test_public_ids_of_absent_tokens_are_none():
    tokenizer = Tokenizer({"a": 0, "[UNK]": 1}, token_start=None, token_end=None)
    assert [getattr(tokenizer, name) for name in IDS] == [None, 1, None, None, None]
    assert [getattr(TokenizerBase(), name) for name in IDS] == [None] * 5


@pytest.mark.parametrize("name", IDS)
def test_public_ids_follow_the_private_ones_that_scripts_set(tokenizer, name):
    setattr(tokenizer, f"_token_{name}", 9)
    assert getattr(tokenizer, name) == 9


def test_vocab_size_follows_the_private_one_that_scripts_set(tokenizer):
    tokenizer._vocab_size = 99
    assert tokenizer.vocab_size == 99


@pytest.mark.parametrize("name", [*IDS, "vocab_size"])
def test_a_subclass_of_a_script_may_set_a_public_id(tokenizer, name):
    setattr(tokenizer, name, 8)
    assert getattr(tokenizer, name) == 8


def test_importing_tokenizers_imports_neither_keras_nor_a_backend():
    code = (
        "import sys, bert4keras.tokenizers; "
        "sys.exit(bool({'keras', 'tensorflow', 'jax', 'torch'} & sys.modules.keys()))"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
