import numpy as np
import pytest

from bert4keras.tokenizers import BasicTokenizer, Tokenizer, TokenizerBase

TOKENS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *"abcdefgh"]
VOCABULARY = {token: i for i, token in enumerate(TOKENS)}


@pytest.fixture
def tokenizer():
    return Tokenizer(VOCABULARY)


def written(tokenizer, ids):
    """Ids as one line of tokens."""
    return " ".join(tokenizer.ids_to_tokens(ids))


def test_a_pair_drops_the_second_start(tokenizer):
    ids, segments = tokenizer.encode("a b", "c")
    assert written(tokenizer, ids) == "[CLS] a b [SEP] c [SEP]"
    assert segments == [0, 0, 0, 0, 1, 1]


def test_a_pair_may_keep_the_second_start(tokenizer):
    ids, segments = tokenizer.encode("a b", "c", pattern="S*ES*E")
    assert written(tokenizer, ids) == "[CLS] a b [SEP] [CLS] c [SEP]"
    assert segments == [0, 0, 0, 0, 1, 1, 1]


def test_an_empty_second_text_is_a_pair(tokenizer):
    assert tokenizer.encode("a", "") == ([2, 5, 3, 3], [0, 0, 0, 1])


def test_other_patterns_are_refused(tokenizer):
    with pytest.raises(ValueError, match=r"pattern is 'S\*E\*E' or 'S\*ES\*E', got 'S\*E'"):
        tokenizer.encode("a", "b", pattern="S*E")


@pytest.mark.parametrize(
    "truncate_from, want",
    [
        ("right", "[CLS] a b c [SEP]"),
        ("left", "[CLS] d e f [SEP]"),
        (2, "[CLS] a e f [SEP]"),
        (-1, "[CLS] a b c d"),
        (0, "c d e f [SEP]"),
    ],
)
def test_truncation_from_any_place(tokenizer, truncate_from, want):
    ids, _ = tokenizer.encode("a b c d e f", maxlen=5, truncate_from=truncate_from)
    assert written(tokenizer, ids) == want


def test_the_longer_text_is_cut_first(tokenizer):
    ids, _ = tokenizer.encode("a b c d e f", "g h", maxlen=8)
    assert written(tokenizer, ids) == "[CLS] a b c [SEP] g h [SEP]"


def test_the_lists_of_the_caller_stay_whole(tokenizer):
    first, second = ["[CLS]", "a", "b", "[SEP]"], ["[CLS]", "c", "d", "[SEP]"]
    tokenizer.encode(first, second, maxlen=5)
    assert first == ["[CLS]", "a", "b", "[SEP]"]
    assert second == ["[CLS]", "c", "d", "[SEP]"]


@pytest.mark.parametrize("kwargs", [{"maxlen": 0}, {"maxlen": 2, "truncate_from": 3}])
def test_an_impossible_length_is_refused(tokenizer, kwargs):
    with pytest.raises(ValueError, match=f"maxlen={kwargs['maxlen']} leaves .* tokens and none"):
        tokenizer.encode("a b c d", **kwargs)


def test_an_unknown_side_is_refused(tokenizer):
    with pytest.raises(ValueError, match="truncate_from is 'right', 'left' or .* got 'middle'"):
        tokenizer.encode("a b c d", maxlen=4, truncate_from="middle")


def test_a_batch_is_its_rows_padded(tokenizer):
    texts, second_texts = ["a b c", "", "d"], ["", "e f g h", "a"]
    token_ids, segment_ids = tokenizer.encode_batch(texts, second_texts)
    for row, pair in enumerate(zip(texts, second_texts, strict=True)):
        ids, segments = tokenizer.encode(*pair)
        padding = [0] * (token_ids.shape[1] - len(ids))
        assert token_ids[row].tolist() == ids + padding
        assert segment_ids[row].tolist() == segments + padding


def test_a_batch_is_as_long_as_its_longest_row(tokenizer):
    token_ids, segment_ids = tokenizer.encode_batch(["a b", "a b c d"])
    assert token_ids.shape == segment_ids.shape == (2, 6)
    assert token_ids.dtype == segment_ids.dtype == np.int32


def test_padding_is_the_padding_token():
    vocabulary = {token: i for i, token in enumerate(reversed(TOKENS))}
    token_ids, segment_ids = Tokenizer(vocabulary).encode_batch(["", "a b"])
    assert token_ids[0, 2:].tolist() == [vocabulary["[PAD]"]] * 2
    assert segment_ids[0].tolist() == [0, 0, 0, 0]


def test_a_batch_of_fixed_length(tokenizer):
    token_ids, segment_ids = tokenizer.encode_batch(["a b c d e", "a"], maxlen=6, pad_to=6)
    assert token_ids.shape == segment_ids.shape == (2, 6)
    assert written(tokenizer, token_ids[0]) == "[CLS] a b c d [SEP]"


def test_a_batch_of_token_lists(tokenizer):
    token_ids, _ = tokenizer.encode_batch([["[CLS]", "a"], ["b"]])
    assert token_ids.tolist() == [[2, 5], [6, 0]]


def test_a_row_longer_than_the_fixed_length_is_refused(tokenizer):
    with pytest.raises(ValueError, match="pad_to=3 .* longest row, of 4 ids; pass maxlen=3"):
        tokenizer.encode_batch(["a", "a b"], pad_to=3)


def test_an_empty_batch_is_refused(tokenizer):
    with pytest.raises(ValueError, match=r"a list of at least one text, got \[\]"):
        tokenizer.encode_batch([])


def test_one_text_is_no_batch(tokenizer):
    with pytest.raises(ValueError, match="a list of at least one text, got 'abc'; use encode"):
        tokenizer.encode_batch("abc")


def test_unequal_batches_are_refused(tokenizer):
    with pytest.raises(ValueError, match="are pairs: 2 and 1 do not match"):
        tokenizer.encode_batch(["a", "b"], ["c"])


def test_a_vocabulary_without_padding_pads_nothing():
    tokenizer = Tokenizer({"[UNK]": 0, "[CLS]": 1, "[SEP]": 2, "a": 3})
    assert tokenizer._token_pad_id is None
    assert tokenizer.encode("a") == ([1, 3, 2], [0, 0, 0])
    with pytest.raises(ValueError, match=r"padding needs the token '\[PAD\]'"):
        tokenizer.encode_batch(["a"])


def test_a_tokenizer_of_ones_own():
    class Letters(TokenizerBase):
        def _tokenize(self, text):
            return list(text)

        def token_to_id(self, token):
            return len(token)

    assert Letters(token_end=None).encode("ab", maxlen=2) == ([5, 1], [0, 0])
    assert BasicTokenizer is TokenizerBase
