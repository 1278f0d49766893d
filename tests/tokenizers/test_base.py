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
    with pytest.raises(
        TypeError, match=r"list of at least one text, got 'abc' \(str\). Use encode"
    ):
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


NO_TEXTS = [None, float("nan"), 3, b"ab", [2, 5, 3], [b"a"], {"a": 1}, {"a"}, ["a", None]]


@pytest.mark.parametrize("value", NO_TEXTS, ids=repr)
def test_encode_refuses_a_value_that_is_no_text(tokenizer, value):
    with pytest.raises(TypeError, match=r"Expected first_text(\[\d\])? to be a "):
        tokenizer.encode(value)
    with pytest.raises(TypeError, match=r"Expected text to be a str"):
        tokenizer.tokenize(value)
    if value is not None:
        with pytest.raises(TypeError, match=r"Expected second_text(\[\d\])? to be a "):
            tokenizer.encode("a", value)


@pytest.mark.parametrize("value", NO_TEXTS, ids=repr)
def test_encode_batch_names_the_row_that_is_no_text(tokenizer, value):
    with pytest.raises(TypeError, match=r"Expected texts\[1\](\[\d\])? to be a "):
        tokenizer.encode_batch(["a", value])
    if value is not None:
        with pytest.raises(TypeError, match=r"Expected second_texts\[1\](\[\d\])? to be a "):
            tokenizer.encode_batch(["a", "b"], ["c", value])


def test_a_tuple_of_two_texts_is_a_pair(tokenizer):
    assert tokenizer.encode(("a b", "c")) == tokenizer.encode("a b", "c")
    token_ids, segment_ids = tokenizer.encode_batch([("a b", "c"), "d", ("e", ["f", "g"])])
    assert joined_tokens(tokenizer, token_ids[0]) == "[CLS] a b [SEP] c [SEP]"
    assert segment_ids[0].tolist() == [0, 0, 0, 0, 1, 1]
    assert joined_tokens(tokenizer, token_ids[1]) == "[CLS] d [SEP] [PAD] [PAD] [PAD]"
    assert joined_tokens(tokenizer, token_ids[2, :4]) == "[CLS] e [SEP] g"


@pytest.mark.parametrize("value", [("a",), ("a", "b", "c"), ()])
def test_a_tuple_of_another_length_is_refused(tokenizer, value):
    with pytest.raises(TypeError, match=r"Expected texts\[0\] .* a pair of texts \(tuple of 2\)"):
        tokenizer.encode_batch([value])
    with pytest.raises(TypeError, match="a pair of texts .* without second_text, got"):
        tokenizer.encode(("a", "b"), "c")


@pytest.mark.parametrize("texts", ["ab", b"ab", None, 3, {"a": "b"}, np.array([["a", "b"]])])
def test_encode_batch_refuses_what_is_no_list_of_texts(tokenizer, texts):
    with pytest.raises(TypeError, match="Expected texts to be a list of at least one text, got"):
        tokenizer.encode_batch(texts)
    if texts is not None:
        with pytest.raises(TypeError, match="Expected second_texts to be a list of at least one"):
            tokenizer.encode_batch(["a", "b"], texts)


def test_encode_batch_takes_arrays_and_generators_of_texts(tokenizer):
    expected = tokenizer.encode_batch(["a", "b c"])[0].tolist()
    assert tokenizer.encode_batch(np.array(["a", "b c"]))[0].tolist() == expected
    assert tokenizer.encode_batch(text for text in ("a", "b c"))[0].tolist() == expected


@pytest.mark.parametrize(
    "kwargs, error, message",
    [
        ({"maxlen": "8"}, TypeError, "maxlen to be a whole number of 0 or more, got '8'"),
        ({"maxlen": 2.5}, TypeError, "maxlen to be a whole number"),
        ({"maxlen": True}, TypeError, "maxlen to be a whole number"),
        ({"maxlen": -1}, ValueError, "maxlen to be a whole number of 0 or more, got -1"),
        ({"truncate_from": "middle"}, ValueError, "'right', 'left' or an index, got 'middle'"),
        ({"truncate_from": 1.5}, TypeError, "truncate_from to be a whole number, got 1.5"),
        ({"pad_to": "x"}, TypeError, "pad_to to be a whole number of 0 or more, got 'x'"),
    ],
)
def test_encode_batch_checks_its_options(tokenizer, kwargs, error, message):
    with pytest.raises(error, match=message):
        tokenizer.encode_batch(["a"], **kwargs)


def test_maxlen_of_one_leaves_the_end_token(tokenizer):
    assert tokenizer.encode("a b", maxlen=1) == ([3], [0])  # as in 0.x


@pytest.mark.parametrize(
    "kwargs, message",
    [
        ({"token_start": 5}, "token_start to be a str, got 5"),
        ({"pre_tokenize": "jieba"}, "pre_tokenize to be a function, got 'jieba'"),
        ({"token_translate": ["a"]}, "token_translate to be a dict, got "),
    ],
)
def test_the_constructor_checks_its_arguments(kwargs, message):
    with pytest.raises(TypeError, match=f"Expected {message}"):
        Tokenizer(VOCABULARY, **kwargs)


@pytest.mark.parametrize(
    "words, message",
    [
        (None, r"pre_tokenize\(text\) to be a list of str, got None"),
        ("ab", r"pre_tokenize\(text\) to be a list of str, got 'ab'"),
        (["a", 5], r"pre_tokenize\(text\)\[1\] to be a str, got 5"),
    ],
)
def test_tokenize_refuses_words_that_are_no_list_of_str(words, message):
    with pytest.raises(TypeError, match=message):
        Tokenizer(VOCABULARY, pre_tokenize=lambda text: words).tokenize("a b")


@pytest.mark.parametrize(
    "ids, error, message",
    [
        (np.array([[5, 6]]), ValueError, r"one row of ids \(L,\), got ndarray of shape \(1, 2\)"),
        ("ab", TypeError, "ids to be a list of token ids, got 'ab'"),
        (5, TypeError, "ids to be a list of token ids, got 5"),
        ([[5, 6]], TypeError, r"a token id \(whole number\), got \[5, 6\]"),
        ([None], TypeError, r"a token id \(whole number\), got None"),
        ([float("nan")], TypeError, r"a token id \(whole number\), got nan"),
        ([5.5], TypeError, r"a token id \(whole number\), got 5.5"),
    ],
)
def test_decode_refuses_what_is_no_row_of_ids(tokenizer, ids, error, message):
    with pytest.raises(error, match=message):
        tokenizer.decode(ids)


def test_decode_takes_arrays_of_any_type(tokenizer):
    assert tokenizer.decode(np.array([5, 6], "int64")) == tokenizer.decode([5.0, 6.0]) == "a b"


def test_tokens_to_ids_refuses_ids(tokenizer):
    with pytest.raises(TypeError, match=r"tokens\[1\] to be a str, got 5"):
        tokenizer.tokens_to_ids(["a", 5])
    with pytest.raises(TypeError, match="token to be a str, got 5"):
        tokenizer.token_to_id(5)


def test_encode_batch_uses_the_encode_of_a_subclass():
    class Reversed(Tokenizer):
        def encode(self, first_text, *args, **kwargs):
            return super().encode(first_text[::-1], *args, **kwargs)

    assert Reversed(VOCABULARY).encode_batch(["a b"])[0].tolist() == [[2, 6, 5, 3]]


def test_encode_prompt_puts_nothing_after_the_text():
    tokenizer = Tokenizer({token: i for i, token in enumerate(["[UNK]", "[CLS]", "[SEP]", "a"])})
    assert tokenizer.encode_prompt("a a") == [1, 3, 3]
    assert tokenizer.encode_prompt("a a", maxlen=2) == [1, 3]
    assert tokenizer.decode_continuation([1, 3], [3]) == "a"
    with pytest.raises(TypeError, match="Expected text to be a str, got None"):
        tokenizer.encode_prompt(None)
