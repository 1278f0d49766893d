"""Tokenizers against every golden record of bert4keras 0.11.5, token by token."""

import unicodedata

import pytest

from bert4keras import text
from bert4keras.tokenizers import SpTokenizer, Tokenizer, load_vocab

WORDPIECE = [
    "zh_cased",
    "zh_lower",
    "zh_simplified",
    "zh_words",
    "zh_translate",
    "zh_no_ends",
    "en_cased",
    "en_lower",
    "en_word_maxlen",
]
SENTENCEPIECE = ["sp_trained", "sp_real", "sp_words_translate"]


def differences(cases, call):
    """Return (case, got, expected) of all cases whose call does not return what is expected."""
    results = [(case, call(case), expected) for case, expected in cases]
    assert results
    return [result for result in results if result[1] != result[2]]


@pytest.fixture
def tokenizer_like_0x(golden, golden_file, golden_tokenizer):
    """Return a function from a configuration and a text to the tokenizer that gives 0.x's tokens.

    In 0.x, SentencePiece kept a ``[MASK]`` of a text whole. That needs an argument now.
    """
    config = golden["configs"]["sp_trained"]
    keeps_special_tokens = SpTokenizer(
        golden_file(config["model"]), split_special_tokens=False, **config["kwargs"]
    )

    def tokenizer_for(name, text):
        if name == "sp_trained" and "[MASK]" in text:
            return keeps_special_tokens
        return golden_tokenizer(name)

    return tokenizer_for


def or_none(call, *args, **kwargs):
    """Return the result of a call; None where it raises ValueError."""
    try:
        return call(*args, **kwargs)
    except ValueError:
        return None


def test_golden_configurations_are_all_tested(golden):
    assert sorted(golden["configs"]) == sorted(WORDPIECE + SENTENCEPIECE)


@pytest.mark.parametrize("name", WORDPIECE + SENTENCEPIECE)
def test_special_ids_and_vocab_size(golden, golden_tokenizer, name):
    config, tokenizer = golden["configs"][name], golden_tokenizer(name)
    ids = {kind: getattr(tokenizer, f"_token_{kind}_id") for kind in config["special"]}
    assert ids == config["special"]
    assert tokenizer.vocab_size == tokenizer._vocab_size == config["vocab_size"]


@pytest.mark.parametrize("name", WORDPIECE + SENTENCEPIECE)
def test_tokenize(golden, tokenizer_like_0x, name):
    rows = golden["configs"][name]["rows"]
    cases = [(golden["texts"][row["i"]], row["tokens"]) for row in rows]
    assert not differences(cases, lambda text: tokenizer_like_0x(name, text).tokenize(text))


@pytest.mark.parametrize("name", WORDPIECE + SENTENCEPIECE)
def test_encode(golden, tokenizer_like_0x, name):
    rows = golden["configs"][name]["rows"]
    cases = [(golden["texts"][row["i"]], (row["ids"], [0] * len(row["ids"]))) for row in rows]
    assert not differences(cases, lambda text: tokenizer_like_0x(name, text).encode(text))


@pytest.mark.parametrize("name", WORDPIECE + SENTENCEPIECE)
def test_decode(golden, golden_tokenizer, name):
    rows = golden["configs"][name]["rows"]
    cases = [(row["ids"], row["decode"]) for row in rows]
    assert not differences(cases, golden_tokenizer(name).decode)


@pytest.mark.parametrize("name", WORDPIECE)
def test_decode_of_tokens(golden, golden_tokenizer, name):
    tokenizer, rows = golden_tokenizer(name), golden["configs"][name]["rows"]
    cases = [((row["ids"], row["tokens"]), row["decode_tokens"]) for row in rows]
    assert not differences(cases, lambda case: tokenizer.decode(*case))


@pytest.mark.parametrize("name", WORDPIECE)
def test_rematch(golden, golden_tokenizer, name):
    tokenizer, rows = golden_tokenizer(name), golden["configs"][name]["rows"]
    cases = [
        ((golden["texts"][row["i"]], row["tokens"]), row["rematch"])
        for row in rows
        if row["rematch"] is not None
    ]
    assert not differences(cases, lambda case: tokenizer.rematch(*case))


def test_rematch_of_translated_tokens(golden, golden_tokenizer):
    translating, plain = golden_tokenizer("zh_translate"), golden_tokenizer("zh_lower")
    cases = [(text, plain.rematch(text, plain.tokenize(text))) for text in golden["texts"]]
    got = differences(cases, lambda text: translating.rematch(text, translating.tokenize(text)))
    assert not got


@pytest.mark.parametrize("name", SENTENCEPIECE)
def test_encode_of_pairs(golden, tokenizer_like_0x, name):
    texts = golden["texts"]
    cases = [
        (
            (texts[row["i"]], texts[pair["second"]], pair["maxlen"], pair["pattern"]),
            tuple(pair["result"]),
        )
        for row in golden["configs"][name]["rows"]
        if (pair := row.get("pair"))
    ]
    assert not differences(
        cases, lambda case: tokenizer_like_0x(name, case[0] + case[1]).encode(*case)
    )


@pytest.mark.parametrize("name", SENTENCEPIECE)
def test_is_special_and_is_decodable(golden, golden_tokenizer, name):
    config, tokenizer = golden["configs"][name], golden_tokenizer(name)
    ids = range(tokenizer.vocab_size)
    assert [i for i in ids if tokenizer._is_special(i)] == config["is_special_ids"]
    assert [i for i in ids if not tokenizer._is_decodable(i)] == config["not_decodable_ids"]


def test_encode_with_all_its_arguments(golden, golden_tokenizer):
    def call(record):
        texts = [
            record.get(f"{role}_as_tokens") or golden["texts"][record[role]]
            for role in ("first", "second")
            if role in record
        ]
        return or_none(golden_tokenizer(record["config"]).encode, *texts, **record["kwargs"])

    cases = [(r, r["result"] and tuple(r["result"])) for r in golden["encode"]]
    assert not differences(cases, call)


def test_tokenize_with_maxlen(golden, golden_tokenizer):
    def call(record):
        text = golden["texts"][record["first"]]
        return or_none(golden_tokenizer(record["config"]).tokenize, text, record["maxlen"])

    assert not differences([(r, r["tokens"]) for r in golden["tokenize_maxlen"]], call)


def test_decode_of_any_ids(golden, golden_tokenizer):
    def call(record):
        return or_none(golden_tokenizer(record["config"]).decode, record["ids"])

    assert not differences([(r, r["decode"]) for r in golden["decode_ids"]], call)


@pytest.mark.parametrize("language", ["zh", "en"])
def test_load_vocab_simplified(golden, golden_file, language):
    expected = golden["simplified"][language]
    path = golden_file(f"{language}-vocab.txt")
    token_dict, keep = load_vocab(path, simplified=True, startswith=expected.get("startswith"))
    assert keep == expected["keep_tokens"]
    full = load_vocab(path)
    assert [full[token] for token in token_dict] == keep
    assert list(token_dict.values()) == list(range(len(keep)))


@pytest.mark.parametrize(
    "kind, belongs",
    [
        ("cjk", text.is_cjk_character),
        ("punctuation", text.is_punctuation),
        ("space", text.is_space),
        ("control", text.is_control),
    ],
)
def test_character_classes(golden, kind, belongs):
    # characters that Unicode 3.2 had: later versions of Python know more, and class these the same
    assigned_codes = [i for i in range(0x110000) if unicodedata.ucd_3_2_0.category(chr(i)) != "Cn"]
    ranges = golden["characters"][kind]
    expected = {i for first, last in ranges for i in range(first, last + 1)}
    assert {i for i in assigned_codes if belongs(chr(i))} == expected.intersection(assigned_codes)


def test_token_classes(golden):
    expected = golden["characters"]
    assert Tokenizer._cjk_punctuation() == expected["cjk_punctuation"]
    assert {t: Tokenizer._is_special(t) for t in expected["is_special"]} == expected["is_special"]
    assert {t: Tokenizer.stem(t) for t in expected["stem"]} == expected["stem"]
    redundant = {token: bool(is_so) for token, is_so in expected["is_redundant"].items()}
    assert {t: Tokenizer._is_redundant(t) for t in redundant} == redundant
