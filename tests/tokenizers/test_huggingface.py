import copy
import json
import pickle
from functools import cache

import numpy as np
import pytest
from tokenizers import (
    AddedToken,
    decoders,
    models,
    normalizers,
    pre_tokenizers,
    processors,
    trainers,
)
from tokenizers import Tokenizer as Model

from bert4keras.tokenizers import HuggingFaceTokenizer, load_tokenizer

LINES = ["the cat sat on the mat", "今天天气真好，我们去公园", "def f(x): return x"] * 20
LINES += ["🐱 and 👩🏽 é"] * 20
TEXTS = ["今天 the cat🐱", "", " a  b\n", "é e\u0301 ｆ\x01", "<s>x[MASK]</s>", "▁ Ġ"]
TEXTS += ["def f(x):\n    return 👩🏽"]


def train(model, trainer, special_tokens, **options):
    """Train a tiny tokenizer."""
    trainer = trainer(vocab_size=400, special_tokens=special_tokens, show_progress=False, **options)
    model.train_from_iterator(LINES, trainer)
    return model


@cache
def make_gpt2():
    model = Model(models.BPE())
    model.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    model.decoder = decoders.ByteLevel()
    model.post_processor = processors.ByteLevel(trim_offsets=False)
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    return train(model, trainers.BpeTrainer, ["<|endoftext|>"], initial_alphabet=alphabet)


@cache
def make_roberta():
    model = Model.from_str(make_gpt2().to_str())
    model.add_special_tokens(["<s>", "</s>", AddedToken("[MASK]", lstrip=True)])
    start, end = (model.token_to_id(token) for token in ("<s>", "</s>"))
    model.post_processor = processors.RobertaProcessing(("</s>", end), ("<s>", start))
    return model


@cache
def make_bert():
    model = Model(models.WordPiece(unk_token="[UNK]"))
    model.normalizer = normalizers.BertNormalizer(lowercase=True)
    model.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    model.decoder = decoders.WordPiece()
    tokens = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    model = train(model, trainers.WordPieceTrainer, tokens)
    model.post_processor = processors.BertProcessing(("[SEP]", 3), ("[CLS]", 2))
    return model


@cache
def make_llama():
    tokens = ["<unk>", "<s>", "</s>", *(f"<0x{i:02X}>" for i in range(256))]
    model = Model(models.BPE(byte_fallback=True, fuse_unk=True, unk_token="<unk>"))
    model = train(model, trainers.BpeTrainer, tokens, limit_alphabet=40)
    settings = json.loads(model.to_str())
    settings["added_tokens"] = settings["added_tokens"][:3]
    model = Model.from_str(json.dumps(settings))
    prepend, replace = normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")
    model.normalizer = normalizers.Sequence([prepend, replace])
    steps = [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse()]
    model.decoder = decoders.Sequence([*steps, decoders.Strip(" ", 1, 0)])
    model.post_processor = processors.TemplateProcessing(
        single="<s> $A", pair="<s> $A <s>:1 $B:1", special_tokens=[("<s>", 1)]
    )
    return model


@cache
def make_t5():
    model = Model(models.Unigram())
    model.normalizer, model.pre_tokenizer = normalizers.NFKC(), pre_tokenizers.Metaspace()
    model.decoder = decoders.Metaspace()
    model = train(model, trainers.UnigramTrainer, ["<pad>", "</s>", "<unk>"], unk_token="<unk>")
    model.post_processor = processors.Sequence(
        [
            processors.ByteLevel(trim_offsets=True),
            processors.TemplateProcessing("$A </s>", "$A </s> $B </s>", [("</s>", 1)]),
        ]
    )
    return model


MODELS = {
    "gpt2": (make_gpt2, {"eos_token": "<|endoftext|>", "add_prefix_space": False}),
    "roberta": (make_roberta, {"cls_token": "<s>", "mask_token": "[MASK]", "pad_token": "</s>"}),
    "bert": (make_bert, {"pad_token": "[PAD]", "mask_token": "[MASK]", "do_lower_case": True}),
    "llama": (make_llama, {"bos_token": "<s>", "eos_token": "</s>", "unk_token": "<unk>"}),
    "t5": (make_t5, {"eos_token": "</s>", "pad_token": "<pad>", "unk_token": "<unk>"}),
}
NAMES = pytest.mark.parametrize("name", MODELS)


@pytest.fixture(scope="module")
def tokenizers():
    return {name: HuggingFaceTokenizer(make(), config) for name, (make, config) in MODELS.items()}


@NAMES
def test_ids_and_offsets_are_those_of_the_file(name, tokenizers):
    tokenizer, model = tokenizers[name], MODELS[name][0]()
    for text in TEXTS:
        for second_text in (None, *TEXTS):
            expected = model.encode(text, second_text)
            encoding = tokenizer.encode_with_offsets(text, second_text)
            assert encoding.token_ids == expected.ids
            assert encoding.segment_ids == expected.type_ids
            assert encoding.text_index == expected.sequence_ids
            is_text = [index is not None for index in expected.sequence_ids]
            assert encoding.offsets == [x if y else None for x, y in zip(expected.offsets, is_text)]
            assert tokenizer.encode(text, second_text) == (expected.ids, expected.type_ids)
        tokens = tokenizer.tokenize(text)
        assert tokens == model.encode(text).tokens
        assert tokenizer.tokens_to_ids(tokens) == tokenizer.encode(text)[0]
        assert tokenizer.encode(tokens) == tokenizer.encode(tokens[:]) == tokenizer.encode(text)


@NAMES
def test_a_saved_tokenizer_is_equal(name, tokenizers, tmp_path):
    tokenizer = tokenizers[name]
    tokenizer.save(tmp_path)
    copies = [load_tokenizer(tmp_path), copy.deepcopy(tokenizer)]
    copies.append(pickle.loads(pickle.dumps(tokenizer)))
    ids = [f"{key}_id" for key in ("pad", "unk", "mask", "start", "end")]
    for duplicate in copies:
        assert type(duplicate) is HuggingFaceTokenizer
        assert duplicate._config == tokenizer._config
        for key in [*ids, "vocab_size"]:
            assert getattr(duplicate, key) == getattr(tokenizer, key)
        for text in TEXTS:
            assert duplicate.encode_with_offsets(text) == tokenizer.encode_with_offsets(text)


def test_the_unknown_token_is_that_of_the_file():
    for name, unk_id in (("bert", 1), ("llama", 0), ("t5", 2), ("gpt2", None)):
        assert HuggingFaceTokenizer(MODELS[name][0]()).unk_id == unk_id


def test_special_ids(tokenizers):
    names = ("pad", "unk", "mask", "start", "end")
    ids = {x: [getattr(tokenizers[x], f"{name}_id") for name in names] for x in tokenizers}
    assert ids["bert"] == [0, 1, 4, 2, 3]
    assert ids["gpt2"] == [None, None, None, None, 0]
    assert ids["llama"] == [None, 0, None, 1, 2]
    assert ids["t5"] == [0, 2, None, None, 1]
    assert tokenizers["llama"].vocab_size == len(tokenizers["llama"]._tokenizer.get_vocab())


@NAMES
def test_rematch_gives_the_characters_of_tokens(name, tokenizers):
    tokenizer, text = tokenizers[name], "the cat 今天🐱"
    tokens = tokenizer.tokenize(text)
    offsets = tokenizer.encode_with_offsets(text).offsets
    mapping = [list(range(*span)) if span else [] for span in offsets]
    assert tokenizer.rematch(text, tokens) == mapping
    assert set(sum(mapping, [])) >= set(range(len(text))) - {3, 7}
    with pytest.raises(ValueError, match="tokens of the text 'the cat 今天🐱' in their order"):
        tokenizer.rematch(text, ["absent"])


@NAMES
def test_encode_truncates(name, tokenizers):
    tokenizer = tokenizers[name]
    ids, text = tokenizer.encode("the cat sat on the mat")[0], "the cat sat on the mat"
    count = len(tokenizer.encode("")[0])
    start = int(tokenizer.start_id is not None)
    for maxlen in range(count, len(ids) + 1):
        ids_from_right = tokenizer.encode(text, maxlen=maxlen)[0]
        ids_from_left = tokenizer.encode(text, maxlen=maxlen, truncate_from="left")[0]
        inner = maxlen - count
        assert ids_from_right == ids[: start + inner] + ids[len(ids) - (count - start) :]
        assert ids_from_left == ids[:start] + ids[len(ids) - inner - (count - start) :]
        assert tokenizer.tokenize(text, maxlen) == tokenizer.ids_to_tokens(ids_from_right)
        assert tokenizer.encode_with_offsets(text, maxlen=maxlen).token_ids == ids_from_right
    pair = tokenizer.encode_with_offsets(text, "a", maxlen=len(tokenizer.encode("", "")[0]) + 4)
    assert pair.text_index.count(0) + pair.text_index.count(1) == 4
    if count:
        message = f"Expected maxlen to be a whole number of {count} or more, got 0. The file puts"
        with pytest.raises(ValueError, match=message):
            tokenizer.encode("a", maxlen=0)


@NAMES
def test_decode_gives_the_text(name, tokenizers):
    tokenizer, text = tokenizers[name], "the cat 今天🐱 éa"
    if name == "bert":
        text = "the cat"  # WordPiece has no spaces and no unknown characters
    if name == "t5":
        text = "the cat sat"
    ids = tokenizer.encode(text)[0]
    assert tokenizer.decode(ids) == tokenizer.decode(np.array(ids)) == text
    assert tokenizer.decode([*ids, 10**6, 1 << 40]) == text
    assert tokenizer.id_to_token(10**6) == ""
    with pytest.raises(ValueError, match="Expected an id of 0 or more, got -1"):
        tokenizer.decode([-1])


@NAMES
def test_further_tokens_leave_the_complete_text_as_it_is(name, tokenizers):
    tokenizer = tokenizers[name]
    random = np.random.default_rng(0)
    rows = [tokenizer.encode(text)[0] for text in TEXTS]
    rows += [random.integers(0, tokenizer.vocab_size, 12).tolist() for _ in range(200)]
    for ids in rows:
        text = tokenizer.decode(ids)
        for end in range(len(ids)):
            assert text.startswith(tokenizer.complete_text(tokenizer.decode(ids[:end])))


def test_invalid_bytes_leave_the_characters_before_them(tokenizers):
    tokenizer = tokenizers["llama"]
    ids = [tokenizer.token_to_id(f"<0x{byte:02X}>") for byte in "好".encode() + b"\xe5"]
    assert tokenizer.decode(ids) == "好\ufffd"


def test_a_continuation_begins_with_its_space(tokenizers):
    for name in ("llama", "t5", "gpt2"):
        tokenizer = tokenizers[name]
        ids, prompt = tokenizer.encode("the cat sat")[0], tokenizer.encode_prompt("the cat")
        assert prompt == ids[: len(prompt)]
        new_ids = [i for i in ids[len(prompt) :] if i != tokenizer.end_id]
        assert tokenizer.decode_continuation(prompt, new_ids) == " sat"


def test_a_prompt_has_no_end_token(tokenizers):
    tokenizer = tokenizers["bert"]
    assert tokenizer.encode("cat")[0] == [*tokenizer.encode_prompt("cat"), tokenizer.end_id]
    assert tokenizers["gpt2"].encode_prompt("a<|endoftext|>")[-1] == 0


@NAMES
def test_encode_batch_pads_rows(name, tokenizers):
    tokenizer = tokenizers[name]
    if tokenizer.pad_id is None:
        with pytest.raises(ValueError, match=r"Expected the padding token '\[PAD\]' in the vocab"):
            tokenizer.encode_batch(["a"])
        return
    token_ids, segment_ids = tokenizer.encode_batch([*TEXTS, ("a", "b"), ["a", "b"]], maxlen=9)
    for text, ids, segments in zip([*TEXTS, ("a", "b"), ["a", "b"]], token_ids, segment_ids):
        expected_ids, expected_segments = tokenizer.encode(text, maxlen=9)
        padding = [tokenizer.pad_id] * (token_ids.shape[1] - len(expected_ids))
        assert ids.tolist() == expected_ids + padding
        assert segments.tolist() == expected_segments + [0] * len(padding)
    assert tokenizer.encode_batch(["a"], ["b"], pad_to=16)[0].shape == (1, 16)


def test_special_tokens_of_a_text_can_be_split(tokenizers):
    tokenizer = tokenizers["bert"]
    assert tokenizer.mask_id in tokenizer.encode("a[MASK]")[0]
    split = HuggingFaceTokenizer(make_bert(), {"split_special_tokens": True})
    assert 4 not in split.encode("a[MASK]")[0]


@pytest.mark.parametrize("text", [None, float("nan"), 5, b"a", {"a": 1}])
def test_wrong_texts_are_refused(text, tokenizers):
    for call in (tokenizers["bert"].encode, tokenizers["bert"].encode_batch):
        with pytest.raises(TypeError, match=r"Expected (first_text|texts\[0\]|texts) to be "):
            call([text] if call == tokenizers["bert"].encode_batch else text)
    for call in ("tokenize", "encode_with_offsets", "encode_prompt"):
        with pytest.raises(TypeError, match="Expected text to be a str, got "):
            getattr(tokenizers["bert"], call)(text)
    with pytest.raises(TypeError, match=r"Expected texts\[1\] to be a text"):
        tokenizers["bert"].encode_batch(["a", text])


def test_wrong_arguments_are_refused(tokenizers):
    tokenizer = tokenizers["bert"]
    with pytest.raises(UnicodeEncodeError, match="surrogates not allowed"):
        tokenizer.encode("半个\udc00代理")
    with pytest.raises(UnicodeEncodeError, match="surrogates not allowed"):
        tokenizer.encode_batch(["半个\udc00代理"])
    with pytest.raises(ValueError, match="Expected pattern None, .*, got 'S.E.E'"):
        tokenizer.encode("a", pattern="S*E*E")
    with pytest.raises(ValueError, match="Expected truncate_from 'right' or 'left', got 3"):
        tokenizer.encode("a", truncate_from=3)
    with pytest.raises(TypeError, match="maxlen to be a whole number of 2 or more, got '8'"):
        tokenizer.encode("a", maxlen="8")
    with pytest.raises(ValueError, match="of the vocabulary, got 'zzz', and there is no unk"):
        tokenizers["gpt2"].token_to_id("zzz")
    with pytest.raises(TypeError, match="Expected config to be a dict of settings, got 5"):
        HuggingFaceTokenizer(make_bert(), 5)
    with pytest.raises(TypeError, match="Expected tokenizer to be a path, got None"):
        HuggingFaceTokenizer(None)


@pytest.mark.parametrize(
    "content, message",
    [
        ("{", "got EOF while parsing an object"),
        ("[1]", "got invalid type: "),
        ("{}", "got Model missing"),
        ('{"model": {"type": "Magic", "vocab": {}}}', "got a model of the type 'Magic'"),
        ('{"version": "9.0"}', "got Unknown tokenizer version '9.0'"),
        ("[" * 9999, "got invalid type"),
        ("\x00", "got expected value at line 1"),
    ],
)
def test_a_damaged_file_is_refused(content, message, tmp_path):
    (tmp_path / "tokenizer.json").write_text(content)
    with pytest.raises(ValueError, match=f"Expected a tokenizer.json in .*, {message}"):
        load_tokenizer(tmp_path)


def test_a_file_that_makes_the_library_panic_is_refused(tmp_path, capfd):
    settings = json.loads(make_bert().to_str())
    settings["normalizer"] = {"type": "Precompiled", "precompiled_charsmap": "AAAA"}
    (tmp_path / "tokenizer.json").write_text(json.dumps(settings))
    with pytest.raises(ValueError, match="Expected a tokenizer.json in .*, got Precompiled"):
        load_tokenizer(tmp_path)


def test_a_vocabulary_without_its_unknown_token_is_named():
    model = Model(models.WordPiece({"a": 0}, unk_token="[UNK]"))
    with pytest.raises(ValueError, match="a tokenizer.json that can encode any text, got the err"):
        HuggingFaceTokenizer(model).encode("b")


def test_absent_and_huge_files_are_refused(tmp_path):
    with pytest.raises(FileNotFoundError, match="No tokenizer.json at "):
        HuggingFaceTokenizer(tmp_path / "tokenizer.json")
    with open(tmp_path / "tokenizer.json", "wb") as file:
        file.truncate(257 << 20)
    with pytest.raises(ValueError, match="Expected a tokenizer.json of at most 256 MiB, got .*257"):
        HuggingFaceTokenizer(tmp_path / "tokenizer.json")


@pytest.mark.parametrize(
    "config, message",
    [
        ({"do_lower_case": False}, "Expected do_lower_case True in .*, got False"),
        ({"strip_accents": False}, "Expected strip_accents True in .*, got False"),
        ({"tokenize_chinese_chars": False}, "Expected tokenize_chinese_chars True in"),
        ({"add_prefix_space": True}, "Expected add_prefix_space False in"),
        ({"add_prefix_space": 1}, "Expected add_prefix_space in .* to be true or false, got 1"),
        ({"never_split": ["a"]}, "Expected never_split None or .* got .'a'"),
        ({"src_lang": "en"}, "Expected known settings in .* got src_lang='en'"),
        ({"auto_map": {"AutoTokenizer": "x.Y"}}, "Expected known settings in .* got auto_map="),
        ({"eos_token": 5}, "Expected eos_token in tokenizer_config.json to be a token, got 5"),
        ({"added_tokens_decoder": {"7": {"content": "[CLS]"}}}, r"the id 7 of .*'\[CLS\]'.*got 2"),
        ({"added_tokens_decoder": {"x": "a"}}, "Expected added_tokens_decoder in .* of ids and"),
        ({"added_tokens_decoder": [1]}, "Expected added_tokens_decoder in .* got .1."),
        (
            {"extra_special_tokens": 5},
            "Expected extra_special_tokens in .* of tokens, got 5",
        ),
        ({"chat_template": 5}, None),
    ],
)
def test_settings_that_would_change_ids_are_refused(config, message):
    if message is None:
        with pytest.raises(ValueError, match="Expected chat_template in .*, got 5"):
            HuggingFaceTokenizer(make_bert(), config).apply_chat_template([{"role": "user"}])
        return
    with pytest.raises(ValueError, match=message):
        HuggingFaceTokenizer(make_bert(), config)


def test_settings_put_begin_and_end_tokens():
    config = {"bos_token": "<|endoftext|>", "add_bos_token": True}
    tokenizer = HuggingFaceTokenizer(make_gpt2(), config)
    assert tokenizer.encode("a", "b")[1] == [0, 0, 1, 1]
    assert tokenizer.start_id == 0
    tokenizer = HuggingFaceTokenizer(make_gpt2(), {"eos_token": "</s>", "add_eos_token": True})
    assert tokenizer.encode("")[0] == [tokenizer.end_id] == [tokenizer.vocab_size - 1]


def test_settings_add_tokens():
    size = make_gpt2().get_vocab_size()
    added_tokens = {str(size): {"content": "<x>", "special": False}}
    config = {"added_tokens_decoder": added_tokens, "extra_special_tokens": ["<y>"]}
    tokenizer = HuggingFaceTokenizer(make_gpt2(), config | {"image_token": "<z>"})
    ids = [tokenizer.token_to_id(token) for token in ("<x>", "<y>", "<z>")]
    assert ids == [size, size + 2, size + 1]
    assert tokenizer.encode("a<x><y>")[0][1:] == ids[:2]
    assert tokenizer.decode(ids) == "<x>"


def test_post_processors_of_other_types_are_refused():
    settings = json.loads(make_bert().to_str())
    template = {"type": "TemplateProcessing", "single": [{"Sequence": {"id": "A", "type_id": 0}}]}
    template |= {"pair": [{"SpecialToken": {"id": "<x>", "type_id": 0}}], "special_tokens": {}}
    settings["post_processor"] = template
    with pytest.raises(ValueError, match="ids of the special token '<x>' in the post-proc"):
        HuggingFaceTokenizer(Model.from_str(json.dumps(settings)))
    template |= {"single": [], "pair": []}
    with pytest.raises(ValueError, match="Expected the text .A in the template of tokenizer.json"):
        HuggingFaceTokenizer(Model.from_str(json.dumps(settings)))
    model = Model.from_str(make_bert().to_str())
    model.post_processor = processors.Sequence([model.post_processor] * 2)
    with pytest.raises(ValueError, match="one post-processor with special tokens .* got 2"):
        HuggingFaceTokenizer(model)


def test_the_files_of_gpt2_are_read(tmp_path):
    model = make_gpt2()
    model.model.save(str(tmp_path))
    tokenizer = load_tokenizer(tmp_path)
    for text in TEXTS:
        assert tokenizer.encode_with_offsets(text).token_ids == model.encode(text).ids
    assert (tokenizer.end_id, tokenizer.start_id) == (0, None)
    (tmp_path / "merges.txt").write_text("x")
    with pytest.raises(ValueError, match="Expected a vocabulary in .*vocab.json and its merges in"):
        load_tokenizer(tmp_path)
    (tmp_path / "merges.txt").unlink()
    with pytest.raises(FileNotFoundError, match="No merges.txt next to .*vocab.json"):
        load_tokenizer(tmp_path)


def test_a_file_has_its_own_pre_tokenizer(tmp_path):
    HuggingFaceTokenizer(make_bert()).save(tmp_path)
    with pytest.raises(ValueError, match="Expected pre_tokenize None, as .* has its own"):
        load_tokenizer(tmp_path, pre_tokenize=str.split)


def test_segments_are_0_where_the_names_of_inputs_lack_them():
    names = ["input_ids", "attention_mask"]
    config = {"model_input_names": names, "pad_token": "[PAD]"}
    tokenizer = HuggingFaceTokenizer(make_bert(), config)
    ids, segment_ids = HuggingFaceTokenizer(make_bert()).encode("the", "cat")
    assert tokenizer.encode("the", "cat") == (ids, [0] * len(ids)) != (ids, segment_ids)
    encoding = tokenizer.encode_with_offsets("the", "cat")
    assert encoding.segment_ids == [0] * len(ids)
    assert encoding.text_index[-2] == 1
    assert tokenizer.encode_batch([("the", "cat")])[1].tolist() == [[0] * len(ids)]
