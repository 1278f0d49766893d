import copy
import pickle

import pytest

from bert4keras.tokenizers import Tokenizer

TOKENS = "[PAD] [UNK] [CLS] [SEP] [MASK] [unused1] 深 度 学 习 得 a play ##ing ##s s i is mask ] ."
VOCABULARY = {token: i for i, token in enumerate(TOKENS.split())}


def places(tokenizer, text):
    """What each token of a text is made from, as strings."""
    mapping = tokenizer.rematch(text, tokenizer.tokenize(text))
    return ["".join(text[i] for i in indices) for indices in mapping]


@pytest.mark.parametrize("missing", ["[UNK]", "[CLS]", "[SEP]"])
def test_a_vocabulary_without_a_special_token_is_refused(missing):
    vocabulary = {token: i for token, i in VOCABULARY.items() if token != missing}
    with pytest.raises(ValueError, match=rf"'\{missing[:-1]}\]' .* none of its 20 rows"):
        Tokenizer(vocabulary)


def test_tokens_that_are_not_wanted_may_be_missing():
    tokenizer = Tokenizer({"[UNK]": 0, "a": 1}, token_start=None, token_end=None)
    assert tokenizer.tokenize("a a") == ["a", "a"]
    assert tokenizer._token_start_id is tokenizer._token_mask_id is None


def test_unknown_words_stay_as_they_are():
    tokenizer = Tokenizer(VOCABULARY)
    assert tokenizer.tokenize("plays xyz") == ["[CLS]", "play", "##s", "xyz", "[SEP]"]
    assert tokenizer.encode("xyz")[0] == [2, 1, 3]
    assert tokenizer.token_to_id("xyz") == 1


def test_words_of_the_pre_tokenizer_stay_whole():
    vocabulary = VOCABULARY | {"深度": len(VOCABULARY)}
    tokenizer = Tokenizer(vocabulary, pre_tokenize=lambda text: [text[:2], text[2:]])
    assert tokenizer.tokenize("深度学习") == ["[CLS]", "深度", "学", "习", "[SEP]"]


def test_special_tokens_of_a_text_are_cut_by_default():
    tokens = Tokenizer(VOCABULARY, do_lower_case=True).tokenize("a [MASK].")
    assert tokens == ["[CLS]", "a", "[", "mask", "]", ".", "[SEP]"]


def test_special_tokens_of_a_text_may_stay_whole():
    tokenizer = Tokenizer(VOCABULARY, do_lower_case=True, split_special_tokens=False)
    tokens = tokenizer.tokenize("a[MASK]深[unused1]. [mask]")
    assert tokens[1:-1] == ["a", "[MASK]", "深", "[unused1]", ".", "[", "mask", "]"]


def test_the_longer_special_token_is_seen_first():
    vocabulary = {token: i for i, token in enumerate(["[UNK]", "<s", "<s>", "a"])}
    ends = {"token_start": "<s", "token_end": "<s>"}
    tokenizer = Tokenizer(vocabulary, split_special_tokens=False, **ends)
    assert tokenizer.tokenize("a<s>a<sa") == ["<s", "a", "<s>", "a", "<s", "a", "<s>"]


def test_whole_special_tokens_have_a_place():
    tokenizer = Tokenizer(VOCABULARY, do_lower_case=True, split_special_tokens=False)
    assert places(tokenizer, "A [MASK] mask") == ["", "A", "[MASK]", "mask", ""]
    assert places(tokenizer, "[CLS] a [SEP]") == ["", "[CLS]", "a", "[SEP]", ""]


@pytest.mark.parametrize(
    "text, want",
    [
        ("İs a", ["", "İs", "a", ""]),
        ("İİ İ. a", ["", "İİ", "İ", ".", "a", ""]),
        ("ΑΣ ΣΑ a", ["", "ΑΣ", "ΣΑ", "a", ""]),
        ("plá\u0301yİs", ["", "pláyİs", ""]),
        ("a\u200b  深\x00度\n习", ["", "a", "深", "度", "习", ""]),
    ],
)
def test_rematch_where_lower_case_changes_the_text(text, want):
    assert places(Tokenizer(VOCABULARY, do_lower_case=True), text) == want


def test_rematch_names_a_character_by_each_of_its_parts():
    tokenizer = Tokenizer(VOCABULARY | {"ᄒ": 50, "##ᅡ": 51, "##ᆫ": 52}, do_lower_case=True)
    assert tokenizer.rematch("a 한", ["a", "ᄒ", "##ᅡ", "##ᆫ"]) == [[0], [2], [2], [2]]


def test_rematch_of_translated_tokens():
    translate = {"的": "得", "##ing": "##s", "学": "深"}
    tokenizer = Tokenizer(VOCABULARY | {"的": 60}, token_translate=translate)
    text = "playing的学深得 plays"
    assert tokenizer.tokenize(text)[1:-1] == "play ##s 得 深 深 得 play ##s".split()
    assert places(tokenizer, text)[1:-1] == "play ing 的 学 深 得 play s".split()


def test_rematch_of_other_tokens_is_refused():
    with pytest.raises(ValueError, match="token '度' has to be in the rest of its text, .*'习'"):
        Tokenizer(VOCABULARY).rematch("深习", ["[CLS]", "深", "度"])


def test_decoding_drops_unknown_words_unless_the_tokens_are_given():
    tokenizer = Tokenizer(VOCABULARY)
    tokens = tokenizer.tokenize("深度 xyz playing")
    ids = tokenizer.tokens_to_ids(tokens)
    assert tokenizer.decode(ids) == "深度playing"
    assert tokenizer.decode(ids, tokens) == "深度xyz playing"


def test_decoding_an_id_outside_the_vocabulary_is_refused():
    with pytest.raises(ValueError, match="id 99 is outside the vocabulary of 21 tokens"):
        Tokenizer(VOCABULARY).decode([2, 99])


def test_the_longest_token_is_found():
    tokenizer = Tokenizer(VOCABULARY | {"ssssssssssss": 30, "##iiiiiiiiii": 31})
    assert tokenizer.tokenize("s" * 12 + "i" * 10)[1:-1] == ["ssssssssssss", "##iiiiiiiiii"]


def test_a_long_word_is_one_unknown_word():
    word = "s" * 201
    assert Tokenizer(VOCABULARY).tokenize(word)[1:-1] == [word]
    assert Tokenizer(VOCABULARY).tokenize(word[1:])[1:-1] == ["s"] + ["##s"] * 199


def test_a_copy_does_the_same():
    tokenizer = Tokenizer(VOCABULARY, split_special_tokens=False)
    for twin in (copy.deepcopy(tokenizer), pickle.loads(pickle.dumps(tokenizer))):
        assert twin.encode("a [MASK]") == tokenizer.encode("a [MASK]")
