import io
import pickle

import numpy as np
import pytest
import sentencepiece

from bert4keras.tokenizers import SpTokenizer


@pytest.fixture
def t5(golden_file):
    return SpTokenizer(golden_file("t5-spiece.model"), token_start=None, token_end="</s>")


def test_special_tokens_are_those_of_the_model(golden_tokenizer):
    tokenizer = golden_tokenizer("sp_trained")
    assert (tokenizer._token_pad, tokenizer._token_unk) == ("<pad>", "<unk>")
    assert tokenizer.id_to_token(tokenizer.start_id) == "[CLS]"


def test_public_ids_of_absent_pieces_are_none(t5):
    assert (t5.pad_id, t5.unk_id, t5.start_id, t5.end_id) == (0, 2, None, 1)
    assert t5._token_mask_id == t5.unk_id  # as in 0.x
    assert t5.mask_id is None
    t5._token_mask_id = 32
    assert t5.mask_id == 32


def test_a_model_without_the_start_token_is_refused(golden_file):
    with pytest.raises(ValueError, match=r"Expected _token_start='\[CLS\]' in the vocab"):
        SpTokenizer(golden_file("t5-spiece.model"), token_end="</s>")


def test_decode_returns_the_text(t5):
    assert t5.decode(t5.encode("translate English to German.")[0]) == "translate English to German."


def test_decode_drops_ids_beyond_the_vocabulary(t5):
    assert t5.id_to_token(t5.vocab_size) == ""
    assert t5.decode([5, 6, t5.vocab_size, t5.vocab_size + 5]) == ".,"


def test_decode_takes_an_array_of_ids(t5):
    ids = np.array(t5.encode("hello")[0], "int32")
    assert t5.decode(ids) == "hello"


def test_decode_undoes_token_translate(golden_tokenizer):
    tokenizer = golden_tokenizer("sp_words_translate")
    ids, _ = tokenizer.encode("的")
    assert "得" in tokenizer.ids_to_tokens(ids)
    assert tokenizer.decode(ids).strip() == "的"


def test_tokenize_can_keep_special_tokens_whole(golden_file):
    path = golden_file("tiny-unigram.model")
    assert "[SEP]" not in SpTokenizer(path).tokenize("a[SEP]b")[:-1]
    assert "[SEP]" in SpTokenizer(path, split_special_tokens=False).tokenize("a[SEP]b")[:-1]


def test_encode_batch(t5):
    token_ids, segment_ids = t5.encode_batch(["hello world", ""])
    assert token_ids[1].tolist() == [1] + [0] * (token_ids.shape[1] - 1)
    assert not segment_ids.any()


def test_tokenize_refuses_a_lone_surrogate(t5):
    with pytest.raises(UnicodeEncodeError, match="surrogates not allowed"):
        t5.tokenize("半个\udc00代理")


def test_a_pickled_copy_encodes_the_same(t5):
    assert pickle.loads(pickle.dumps(t5)).encode("hello") == t5.encode("hello")


@pytest.mark.parametrize("model_type", ["unigram", "bpe"])
def test_further_tokens_leave_the_complete_text_as_it_is(model_type, tmp_path):
    model = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(["the cat sat on the mat", "a dog is here"] * 50),
        model_writer=model,
        model_type=model_type,
        vocab_size=300,
        byte_fallback=True,
        hard_vocab_limit=False,
        minloglevel=2,
    )
    (tmp_path / "bytes.model").write_bytes(model.getvalue())
    tokenizer = SpTokenizer(tmp_path / "bytes.model", token_start=None, token_end="</s>")
    random = np.random.default_rng(0)
    texts = ["".join(random.choice(list("好🐱é cat"), 6)) for _ in range(50)]
    rows = [tokenizer.encode(text)[0] for text in texts]
    rows += [random.integers(0, tokenizer.vocab_size, 12).tolist() for _ in range(200)]
    for ids in rows:
        text = tokenizer.decode(ids)
        for end in range(len(ids)):
            assert text.startswith(tokenizer.complete_text(tokenizer.decode(ids[:end])))


def test_an_incomplete_character_is_no_complete_text(t5):
    assert t5.complete_text("a\ufffd\ufffd") == "a"


@pytest.mark.parametrize("text", ["a[MASK]b", "[MASK]", "[CLS]a[SEP]", "<s>a</s><pad>", "［MASK］"])
def test_tokenize_splits_special_pieces_of_a_text(golden_file, text):
    tokenizer = SpTokenizer(golden_file("tiny-unigram.model"))
    ids = tokenizer.encode(text)[0][1:-1]
    assert not set(ids) & {0, 2, 3, 4, 5, 6}
    assert tokenizer.encode(text, text)[0][1:-1] == [*ids, 5, *ids]


def test_tokenize_keeps_user_defined_pieces_in_one_piece_on_demand(golden_file):
    tokenizer = SpTokenizer(golden_file("tiny-unigram.model"), split_special_tokens=False)
    assert tokenizer.tokenize("a[MASK]s") == ["[CLS]", "▁a", "[MASK]", "s", "[SEP]"]


def test_a_model_file_is_named_in_errors(tmp_path):
    with pytest.raises(FileNotFoundError, match="No SentencePiece model at .*x.model. It is the"):
        SpTokenizer(tmp_path / "x.model")
    with pytest.raises(TypeError, match="sp_model_path to be a path, got None"):
        SpTokenizer(None)


@pytest.mark.parametrize("content", [b"", b"[PAD]\n[UNK]\n", b"\x0a\x03abc", b"\xff" * 50])
def test_a_file_that_is_no_model_is_refused(tmp_path, content):
    (tmp_path / "x.model").write_bytes(content)
    with pytest.raises(ValueError, match=r"Expected a SentencePiece model in .*x.model, got "):
        SpTokenizer(tmp_path / "x.model")


def test_decode_refuses_negative_ids(t5):
    with pytest.raises(ValueError, match="Expected an id of 0 or more, got -1"):
        t5.decode([5, -1])


def test_a_model_without_mask_token_has_no_masked_language_model(t5):
    from bert4keras.data import MaskedLM

    with pytest.raises(ValueError, match=r"a tokenizer with the token \[MASK\].*got mask_id=None"):
        MaskedLM(t5)
