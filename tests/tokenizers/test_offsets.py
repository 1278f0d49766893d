import random

import pytest

from bert4keras.text import lowercase_and_normalize
from bert4keras.tokenizers import Encoding, SpTokenizer, Tokenizer

TOKENS = "[PAD] [UNK] [CLS] [SEP] [MASK] 深 度 学 a b play ##ing ##b e # , ！".split()
VOCABULARY = {token: i for i, token in enumerate(TOKENS)}
CHARACTERS = (
    "abXé今天深度，。１Ａ½ﬁ한İΣ\u0301\u0323\u0345\u200b\u200d\ufe0f\x00\x01\t\n\u3000\u2028"
)
CHARACTERS += "🐱👩🏽🇨🇳▁#[]㎏\U0001d16d\U0001d165"
WORDS = ["[MASK]", "[CLS]", "</s>", "<unk>", "playing", "  ", "##ing", "<0xE4>", "深度"]
WORDS += ["👨\u200d👩\u200d👧"]


def draw_texts(count, seed=0):
    """Return texts of odd characters: emoji, combining marks, full width, controls."""
    generator = random.Random(seed)
    units = [*CHARACTERS, *WORDS]
    texts = ["".join(generator.choices(units, k=generator.randrange(20))) for _ in range(count)]
    endings = [chr(generator.randrange(0xE000, 0x110000)) * (i % 3) for i in range(count)]
    return [text + characters for text, characters in zip(texts, endings)]


@pytest.fixture(scope="module")
def sentencepiece(golden_file):
    return SpTokenizer(golden_file("tiny-unigram.model"))


def test_offsets_of_a_text_and_a_pair():
    tokenizer = Tokenizer(VOCABULARY, do_lower_case=True)
    assert tokenizer.encode_with_offsets("深 Playing!") == Encoding(
        [2, 5, 10, 11, 1, 3],
        [0] * 6,
        [None, (0, 1), (2, 6), (6, 9), (9, 10), None],
        [None, 0, 0, 0, 0, None],
    )
    encoding = tokenizer.encode_with_offsets(("深度", "a"), pattern="S*ES*E", maxlen=6)
    assert encoding.token_ids == [2, 5, 3, 2, 8, 3]
    assert encoding.segment_ids == [0, 0, 0, 1, 1, 1]
    assert encoding.text_index == [None, 0, None, None, 1, None]
    assert encoding.offsets == [None, (0, 1), None, None, (0, 1), None]


def test_offsets_of_special_tokens_of_the_text_and_of_translated_tokens():
    tokenizer = Tokenizer(VOCABULARY, split_special_tokens=False, token_translate={"a": "b"})
    assert tokenizer.tokenize("a[MASK] b")[1:-1] == ["b", "[MASK]", "b"]
    assert tokenizer.encode_with_offsets("a[MASK] b").offsets[1:-1] == [(0, 1), (1, 7), (8, 9)]


def test_offsets_without_start_and_end_tokens():
    tokenizer = Tokenizer(VOCABULARY, token_start=None, token_end=None)
    assert tokenizer.encode_with_offsets("", "a") == Encoding([8], [1], [(0, 1)], [1])


@pytest.mark.parametrize("text", [None, 5, float("nan"), b"a", ["a"]])
def test_offsets_need_a_text(text):
    with pytest.raises(TypeError, match="Expected text to be a str, got "):
        Tokenizer(VOCABULARY).encode_with_offsets(text)
    with pytest.raises(TypeError, match="Expected second_text to be a str, got "):
        Tokenizer(VOCABULARY).encode_with_offsets("a", text if text is not None else 1)


@pytest.mark.parametrize("do_lower_case", [True, False])
@pytest.mark.parametrize("split_special_tokens", [True, False])
def test_wordpiece_offsets_slice_the_text_to_the_tokens(do_lower_case, split_special_tokens):
    tokenizer = Tokenizer(VOCABULARY, do_lower_case, split_special_tokens=split_special_tokens)
    for text in draw_texts(300):
        encoding, tokens = tokenizer.encode_with_offsets(text, text), tokenizer.tokenize(text)
        assert (encoding.token_ids, encoding.segment_ids) == tokenizer.encode(text, text)
        spans = [(i[0], i[-1] + 1) if i else None for i in tokenizer.rematch(text, tokens)]
        assert encoding.offsets == spans + spans[1:]
        if "Σ" in text or "한" in text or "\U0001d165" in text:
            continue  # the word decides about σ and ς; several tokens share one 한
        for token, span in zip(tokens[1:-1], spans[1:-1]):
            source = text[slice(*span)]
            if token != source and do_lower_case:
                source = lowercase_and_normalize(source)
            source = "".join(c for c in source if not tokenizer._is_control(c) and c != "\0")
            assert source == token.removeprefix("##")


def test_wordpiece_offsets_of_words_that_pre_tokenize_changes():
    tokenizer = Tokenizer(VOCABULARY, pre_tokenize=lambda text: text.split("x"))
    assert tokenizer.encode_with_offsets("深x度 a").offsets[1:-1] == [(0, 1), (2, 3), (4, 5)]
    tokenizer = Tokenizer({**VOCABULARY, "": 99}, pre_tokenize=lambda text: ["", *text])
    assert tokenizer.encode_with_offsets("深").offsets[1:-1] == [(0, 0), (0, 1)]


def test_sentencepiece_offsets_slice_the_text_to_the_pieces(sentencepiece):
    normalize = sentencepiece._sp_model.normalize
    for text in draw_texts(300):
        encoding, tokens = sentencepiece.encode_with_offsets(text), sentencepiece.tokenize(text)
        assert encoding.token_ids == sentencepiece.encode(text)[0]
        mapping = [list(range(*span)) if span else [] for span in encoding.offsets]
        assert sentencepiece.rematch(text, tokens) == mapping
        for token, span in zip(tokens[1:-1], encoding.offsets[1:-1]):
            assert token.strip("▁") in normalize(text[slice(*span)])


def test_sentencepiece_offsets_know_what_normalization_does(sentencepiece):
    text = "ａ  b½\x01"
    tokens = sentencepiece.tokenize(text)[1:-1]
    assert tokens == ["▁a", "▁b", "1", "⁄", "2"]
    spans = [(0, 1), (3, 4), (4, 5), (4, 5), (4, 5)]
    assert sentencepiece.encode_with_offsets(text).offsets[1:-1] == spans
    assert sentencepiece.rematch(text, tokens[1:3]) == [[3], [4]]
    with pytest.raises(ValueError, match="Expected tokens of the text .* in their order, got '▁b'"):
        sentencepiece.rematch(text, ["2", "▁b"])


def test_sentencepiece_offsets_of_words(golden_file):
    path = golden_file("tiny-unigram.model")
    tokenizer = SpTokenizer(path, pre_tokenize=lambda text: [text[:1], text[1:]])
    tokens, encoding = tokenizer.tokenize("ab[MASK]"), tokenizer.encode_with_offsets("ab[MASK]")
    assert encoding.token_ids == tokenizer.tokens_to_ids(tokens)
    assert encoding.offsets[-7:] == [*((i, i + 1) for i in range(2, 8)), None]
    tokenizer = SpTokenizer(path, pre_tokenize=lambda text: ["x"])
    with pytest.raises(ValueError, match="Expected pre_tokenize to return words of the text, got"):
        tokenizer.encode_with_offsets("ab")


def make_tokenizer(words):
    tokens = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", *words.split()]
    return Tokenizer({token: number for number, token in enumerate(tokens)})


class TestFindTokens:
    def test_tokens_of_each_word_are_found(self):
        tokenizer = Tokenizer(
            {x: i for i, x in enumerate("[PAD] [UNK] [CLS] [SEP] 山 ab ##c".split())}
        )
        encoding = tokenizer.encode_with_offsets("山abc 山")
        assert encoding.find_tokens(0, 1) == (1, 1)
        assert encoding.find_tokens(1, 4) == (2, 3)
        assert encoding.find_tokens(0, 6) == (1, 4)

    @pytest.mark.parametrize("start, end", [(1, 2), (2, 4), (4, 5), (-1, 1), (3, 1), (1, 1)])
    def test_places_inside_tokens_and_outside_of_the_text_have_none(self, start, end):
        encoding = Encoding([2, 5, 6, 3], [0] * 4, [None, (0, 1), (1, 4), None], [None, 0, 0, None])
        assert encoding.find_tokens(start, end) is None

    def test_a_text_that_is_cut_off_has_none(self):
        tokenizer = make_tokenizer("山 水")
        assert tokenizer.encode_with_offsets("山水", maxlen=3).find_tokens(0, 2) is None

    def test_the_second_text_of_a_pair(self):
        tokenizer = make_tokenizer("山 水")
        encoding = tokenizer.encode_with_offsets("山", "水山")
        assert encoding.find_tokens(0, 1) == (1, 1)
        assert encoding.find_tokens(1, 2, text_index=1) == (4, 4)

    def test_offsets_are_needed(self):
        with pytest.raises(ValueError, match="Expected an encoding with offsets, got one without"):
            Encoding([2, 3], [0, 0]).find_tokens(0, 1)
