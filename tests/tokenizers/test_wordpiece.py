import copy
import pickle

import pytest

from bert4keras.tokenizers import Tokenizer

TOKENS = "[PAD] [UNK] [CLS] [SEP] [MASK] [unused1] 深 度 学 习 得 a play ##ing ##s s i is mask ] ."
VOCABULARY = {token: i for i, token in enumerate(TOKENS.split())}


def token_sources(tokenizer, text):
    """Return the characters of each token, as strings."""
    mapping = tokenizer.rematch(text, tokenizer.tokenize(text))
    return ["".join(text[i] for i in indices) for indices in mapping]


@pytest.mark.parametrize("missing", ["[UNK]", "[CLS]", "[SEP]"])
def test_tokenizer_refuses_a_vocabulary_without_a_special_token(missing):
    vocabulary = {token: i for token, i in VOCABULARY.items() if token != missing}
    with pytest.raises(ValueError, match=rf"'\{missing[:-1]}\]' in the vocabulary, got 20 tokens"):
        Tokenizer(vocabulary)


def test_tokenizer_without_start_and_end_needs_neither():
    tokenizer = Tokenizer({"[UNK]": 0, "a": 1}, token_start=None, token_end=None)
    assert tokenizer.tokenize("a a") == ["a", "a"]
    assert tokenizer.start_id is tokenizer.mask_id is None


def test_tokenize_leaves_unknown_words_alone():
    tokenizer = Tokenizer(VOCABULARY)
    assert tokenizer.tokenize("plays xyz") == ["[CLS]", "play", "##s", "xyz", "[SEP]"]
    assert tokenizer.encode("xyz")[0] == [2, 1, 3]
    assert tokenizer.token_to_id("xyz") == 1


def test_tokenize_keeps_words_of_pre_tokenize_whole():
    vocabulary = VOCABULARY | {"深度": len(VOCABULARY)}
    tokenizer = Tokenizer(vocabulary, pre_tokenize=lambda text: [text[:2], text[2:]])
    assert tokenizer.tokenize("深度学习") == ["[CLS]", "深度", "学", "习", "[SEP]"]


def test_tokenize_splits_special_tokens_of_a_text_by_default():
    tokens = Tokenizer(VOCABULARY, do_lower_case=True).tokenize("a [MASK].")
    assert tokens == ["[CLS]", "a", "[", "mask", "]", ".", "[SEP]"]


def test_tokenize_can_keep_special_tokens_whole():
    tokenizer = Tokenizer(VOCABULARY, do_lower_case=True, split_special_tokens=False)
    tokens = tokenizer.tokenize("a[MASK]深[unused1]. [mask]")
    assert tokens[1:-1] == ["a", "[MASK]", "深", "[unused1]", ".", "[", "mask", "]"]


def test_tokenize_prefers_the_longer_special_token():
    vocabulary = {token: i for i, token in enumerate(["[UNK]", "<s", "<s>", "a"])}
    ends = {"token_start": "<s", "token_end": "<s>"}
    tokenizer = Tokenizer(vocabulary, split_special_tokens=False, **ends)
    assert tokenizer.tokenize("a<s>a<sa") == ["<s", "a", "<s>", "a", "<s", "a", "<s>"]


def test_rematch_finds_special_tokens_of_the_text():
    tokenizer = Tokenizer(VOCABULARY, do_lower_case=True, split_special_tokens=False)
    assert token_sources(tokenizer, "A [MASK] mask") == ["", "A", "[MASK]", "mask", ""]
    assert token_sources(tokenizer, "[CLS] a [SEP]") == ["", "[CLS]", "a", "[SEP]", ""]


@pytest.mark.parametrize(
    "text, expected",
    [
        ("İs a", ["", "İs", "a", ""]),
        ("İİ İ. a", ["", "İİ", "İ", ".", "a", ""]),
        ("ΑΣ ΣΑ a", ["", "ΑΣ", "ΣΑ", "a", ""]),
        ("plá\u0301yİs", ["", "pláyİs", ""]),
        ("a\u200b  深\x00度\n习", ["", "a", "深", "度", "习", ""]),
    ],
)
def test_rematch_where_lower_case_changes_the_text(text, expected):
    assert token_sources(Tokenizer(VOCABULARY, do_lower_case=True), text) == expected


def test_rematch_names_a_character_by_each_of_its_parts():
    tokenizer = Tokenizer(VOCABULARY | {"ᄒ": 50, "##ᅡ": 51, "##ᆫ": 52}, do_lower_case=True)
    assert tokenizer.rematch("a 한", ["a", "ᄒ", "##ᅡ", "##ᆫ"]) == [[0], [2], [2], [2]]


def test_rematch_of_translated_tokens():
    translate = {"的": "得", "##ing": "##s", "学": "深"}
    tokenizer = Tokenizer(VOCABULARY | {"的": 60}, token_translate=translate)
    text = "playing的学深得 plays"
    assert tokenizer.tokenize(text)[1:-1] == "play ##s 得 深 深 得 play ##s".split()
    assert token_sources(tokenizer, text)[1:-1] == "play ing 的 学 深 得 play s".split()


def test_rematch_of_other_tokens_is_refused():
    with pytest.raises(ValueError, match="token '度' in the rest of the text, got '习'"):
        Tokenizer(VOCABULARY).rematch("深习", ["[CLS]", "深", "度"])


def test_decode_drops_unknown_words_unless_it_gets_the_tokens():
    tokenizer = Tokenizer(VOCABULARY)
    tokens = tokenizer.tokenize("深度 xyz playing")
    ids = tokenizer.tokens_to_ids(tokens)
    assert tokenizer.decode(ids) == "深度playing"
    assert tokenizer.decode(ids, tokens) == "深度xyz playing"


def test_decode_refuses_an_id_outside_the_vocabulary():
    with pytest.raises(ValueError, match="vocabulary of 21 tokens, got 99"):
        Tokenizer(VOCABULARY).decode([2, 99])


def test_tokenize_finds_the_longest_token():
    tokenizer = Tokenizer(VOCABULARY | {"ssssssssssss": 30, "##iiiiiiiiii": 31})
    assert tokenizer.tokenize("s" * 12 + "i" * 10)[1:-1] == ["ssssssssssss", "##iiiiiiiiii"]


def test_tokenize_takes_a_word_over_word_maxlen_as_unknown():
    word = "s" * 201
    assert Tokenizer(VOCABULARY).tokenize(word)[1:-1] == [word]
    assert Tokenizer(VOCABULARY).tokenize(word[1:])[1:-1] == ["s"] + ["##s"] * 199


def test_a_copy_encodes_the_same():
    tokenizer = Tokenizer(VOCABULARY, split_special_tokens=False)
    for duplicate in (copy.deepcopy(tokenizer), pickle.loads(pickle.dumps(tokenizer))):
        assert duplicate.encode("a [MASK]") == tokenizer.encode("a [MASK]")


TEXTS_WITH_SPECIAL_TOKENS = ["[MASK] [SEP] a", "a[CLS]", "##ing ## [unused1]", "[PAD][UNK]"]


@pytest.mark.parametrize("text", TEXTS_WITH_SPECIAL_TOKENS)
@pytest.mark.parametrize("do_lower_case", [True, False])
@pytest.mark.parametrize("pre_tokenize", [None, str.split, lambda text: [text]])
def test_tokenize_splits_special_tokens_of_a_text(text, do_lower_case, pre_tokenize):
    tokenizer = Tokenizer(VOCABULARY, do_lower_case, pre_tokenize=pre_tokenize)
    tokens = tokenizer.tokenize(text)[1:-1]
    assert not {"[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "[unused1]", "##ing"} & set(tokens)
    sources = "".join(token_sources(tokenizer, text))
    assert sources == text.replace(" ", "")  # each character has a token
    ids, _ = tokenizer.encode(text, text)
    assert ids == [2, *tokenizer.tokens_to_ids(tokens), 3, *tokenizer.tokens_to_ids(tokens), 3]
    assert tokenizer.encode_batch([(text, text)])[0].tolist() == [ids]


def test_tokenize_splits_special_tokens_without_brackets():
    vocabulary = {token: i for i, token in enumerate(["[UNK]", "BOS", "EOS", "E", "##O", "##S"])}
    ends = {"token_start": "BOS", "token_end": "EOS"}
    tokenizer = Tokenizer(vocabulary, **ends)
    assert tokenizer.tokenize("EOS") == ["BOS", "E", "##O", "##S", "EOS"]
    assert tokenizer.encode("BOS")[0] == [1, 0, 4, 5, 2]  # B is unknown
    assert token_sources(tokenizer, "EOS BOS") == ["", *"EOSBOS", ""]
    words = Tokenizer(vocabulary, pre_tokenize=str.split, **ends)
    assert words.tokenize("EOS") == ["BOS", "E", "##O", "##S", "EOS"]


def test_tokenize_drops_controls_of_words_of_the_vocabulary():
    tokenizer = Tokenizer(VOCABULARY | {"\u200d": 60}, pre_tokenize=str.split)
    assert token_sources(tokenizer, "a \u200d a") == ["", "a", "a", ""]


@pytest.mark.parametrize(
    "text", ["\U0001d16d\U0001d165", "a\u302f\U0001d165 b", "\u302f\u0301\u302e字"]
)
def test_rematch_finds_marks_that_normalization_moves(text):
    tokenizer = Tokenizer(VOCABULARY, do_lower_case=True)
    mapping = tokenizer.rematch(text, tokenizer.tokenize(text))
    expected = [i for i, char in enumerate(text) if char not in " \u0301"]
    assert sum(mapping, []) == expected


def test_rematch_of_a_token_translated_to_a_special_one():
    tokenizer = Tokenizer(VOCABULARY, token_translate={"深": "[unused1]", "度": "[SEP]"})
    assert tokenizer.tokenize("a深 度") == ["[CLS]", "a", "[unused1]", "[SEP]", "[SEP]"]
    assert token_sources(tokenizer, "a深 度") == ["", "a", "深", "度", ""]


def test_a_vocabulary_file_with_a_token_twice(tmp_path):
    tokens = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "a", "b", "a"]
    (tmp_path / "vocab.txt").write_text("\n".join(tokens))
    with pytest.warns(UserWarning, match="in rows 5 and 7"):
        tokenizer = Tokenizer(tmp_path / "vocab.txt")
    assert tokenizer.encode("a b")[0] == [2, 6, 5, 3]  # as in transformers
    assert tokenizer.vocab_size == 7
    assert tokenizer.id_to_token(4) == "[UNK]"
    tokenizer.save(tmp_path / "copy")
    assert Tokenizer(tmp_path / "copy" / "vocab.txt").encode("a b") == tokenizer.encode("a b")


@pytest.mark.parametrize("token_dict", [None, ["[UNK]"], 5])
def test_the_vocabulary_is_a_dict_or_a_path(token_dict):
    with pytest.raises(TypeError, match="Expected token_dict to be a dict {token: id} or the path"):
        Tokenizer(token_dict)


def test_a_vocabulary_file_without_special_tokens_is_named(tmp_path):
    (tmp_path / "config.json").write_text('{\n"vocab_size": 5\n}')
    with pytest.raises(ValueError, match=r"in the vocabulary .*config.json, got 3 tokens"):
        Tokenizer(tmp_path / "config.json")


def test_rematch_refuses_a_str_as_tokens():
    with pytest.raises(TypeError, match="tokens to be a list of str, got '深'"):
        Tokenizer(VOCABULARY).rematch("深", "深")


def test_rematch_knows_start_and_end_tokens_without_brackets():
    tokenizer = Tokenizer(VOCABULARY, token_start=".", token_end="a")
    assert token_sources(tokenizer, "a . a") == ["", "a", ".", "a", ""]
