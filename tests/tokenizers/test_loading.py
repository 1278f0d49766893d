import json

import pytest

from bert4keras.tokenizers import SpTokenizer, Tokenizer, load_tokenizer, save_vocab

TOKENS = "[PAD] [UNK] [CLS] [SEP] [MASK] [B] [E] a b ab ##b 深 度 深度".split()
VOCABULARY = {token: i for i, token in enumerate(TOKENS)}
TEXTS = ["Ab 深度[MASK]", "ÀB\x01b", "ab" * 3, ""]


def cut(text):
    """Return the halves of a text."""
    return [text[: len(text) // 2], text[len(text) // 2 :]]


def write(folder, config, vocabulary=VOCABULARY):
    """Write a folder as transformers does."""
    save_vocab(folder / "vocab.txt", vocabulary)
    (folder / "tokenizer_config.json").write_text(json.dumps(config))
    return folder


def is_equal(tokenizer, copy):
    """True if two tokenizers have equal settings and give equal results."""
    same_results = all(
        tokenizer.encode_with_offsets(text, "ab") == copy.encode_with_offsets(text, "ab")
        for text in TEXTS
    )
    same_settings = tokenizer._list_settings() == copy._list_settings()
    return type(tokenizer) is type(copy) and same_results and same_settings


@pytest.mark.parametrize(
    "arguments",
    [
        {},
        {"do_lower_case": True, "word_maxlen": 3},
        {"token_start": None, "token_end": "[E]"},
        {"token_translate": {"深": "度", "b": "a"}},
        {"split_special_tokens": False},
        {"pre_tokenize": cut},
    ],
)
def test_a_saved_wordpiece_tokenizer_is_equal(arguments, tmp_path):
    tokenizer = Tokenizer(VOCABULARY, **arguments)
    tokenizer.save(tmp_path)
    copy = load_tokenizer(tmp_path, pre_tokenize=arguments.get("pre_tokenize"))
    assert is_equal(tokenizer, copy)
    assert copy._token_dict == VOCABULARY


@pytest.mark.parametrize(
    "arguments",
    [
        {},
        {"token_start": None, "token_end": "</s>"},
        {"token_translate": {"▁a": "b"}},
        {"split_special_tokens": False},
        {"pre_tokenize": cut},
    ],
)
def test_a_saved_sentencepiece_tokenizer_is_equal(arguments, tmp_path, golden_file):
    tokenizer = SpTokenizer(golden_file("tiny-unigram.model"), **arguments)
    tokenizer.save(tmp_path)
    copy = load_tokenizer(tmp_path, pre_tokenize=arguments.get("pre_tokenize"))
    assert is_equal(tokenizer, copy)


def test_a_saved_tokenizer_names_its_function(tmp_path):
    Tokenizer(VOCABULARY, pre_tokenize=cut).save(tmp_path)
    with pytest.raises(ValueError, match=r"saved with the function \S*test_loading.cut, got None"):
        load_tokenizer(tmp_path)


def test_a_folder_without_tokenizer_is_refused(tmp_path):
    with pytest.raises(FileNotFoundError, match="No tokenizer in .*: looked for .*vocab.txt, "):
        load_tokenizer(tmp_path)
    with pytest.raises(FileNotFoundError, match="Expected folder to be the folder of a tokenizer"):
        load_tokenizer(tmp_path / "absent")
    with pytest.raises(TypeError, match="Expected folder to be a path, got None"):
        load_tokenizer(None)


def test_a_folder_of_transformers_is_read(tmp_path):
    config = {"tokenizer_class": "BertTokenizerFast", "do_lower_case": False, "cls_token": "[B]"}
    config |= {"sep_token": {"content": "[E]"}, "model_max_length": 512, "strip_accents": None}
    config |= {"added_tokens_decoder": {"0": {"content": "[PAD]"}}}
    tokenizer = load_tokenizer(write(tmp_path, config))
    assert tokenizer.tokenize("a A") == ["[B]", "a", "A", "[E]"]
    tokenizer = load_tokenizer(write(tmp_path, {}))
    assert tokenizer.tokenize("AB深度") == ["[CLS]", "ab", "深", "度", "[SEP]"]


@pytest.mark.parametrize(
    "config, message",
    [
        ({"strip_accents": False}, "Expected strip_accents None or True in .*, got False"),
        ({"tokenize_chinese_chars": False}, "Expected tokenize_chinese_chars True or None in"),
        ({"never_split": ["a"]}, r"Expected never_split None or \[\] in .*, got \['a'\]"),
        ({"mask_token": "<mask>"}, "Expected mask_token '.MASK.' in .*, got '<mask>'"),
        (
            {"tokenizer_class": "MPNetTokenizer"},
            "Expected a tokenizer_class among Bert.*MPNet",
        ),
        ({"shade": 1}, "Expected known settings in .*, got shade=1, which may change ids"),
        ({"do_lower_case": "no"}, "Expected do_lower_case true or false in .*, got 'no'"),
        ({"cls_token": 5}, "Expected cls_token in .* to be a token, got 5"),
        ({"extra_special_tokens": ["<x>"]}, "Expected added tokens of .* vocabulary, got '<x>'"),
        ({"added_tokens_decoder": {"9": {"content": "a"}}}, "Expected added tokens .* got 'a'"),
        ({"added_tokens_decoder": 5}, "Expected added_tokens_decoder in .* of ids and tokens, got"),
        ({"extra_special_tokens": 5}, "Expected extra_special_tokens in .* of tokens, got 5"),
        ({"bert4keras": 5}, "Expected bert4keras in .* to be an object of settings, got 5"),
        ({"bert4keras": {"class": "os.system"}}, "Expected the class .* got 'os.system'"),
        ({"bert4keras": {"class": "Tokenizer"}}, "Expected the settings token_start, .*, got "),
    ],
)
def test_settings_that_would_change_ids_are_refused(config, message, tmp_path):
    with pytest.raises(ValueError, match=message):
        load_tokenizer(write(tmp_path, config))


def test_an_added_token_beyond_the_vocabulary_is_refused(tmp_path):
    write(tmp_path, {})
    (tmp_path / "added_tokens.json").write_text('{"<x>": 14}')
    with pytest.raises(ValueError, match="Expected added tokens of .* vocabulary, got '<x>'"):
        load_tokenizer(tmp_path)


def test_saved_settings_are_checked(tmp_path):
    Tokenizer(VOCABULARY).save(tmp_path)
    path = tmp_path / "tokenizer_config.json"
    config = json.loads(path.read_text())
    path.write_text(json.dumps(config | {"do_lower_case": True}))
    with pytest.raises(ValueError, match="Expected one value of do_lower_case in .*, got True and"):
        load_tokenizer(tmp_path)
    config["bert4keras"]["word_maxlen"] = True
    path.write_text(json.dumps(config))
    with pytest.raises(ValueError, match="a valid word_maxlen of bert4keras in .*got True"):
        load_tokenizer(tmp_path)
    (tmp_path / "vocab.txt").unlink()
    with pytest.raises(FileNotFoundError, match="No vocab.txt in .* the settings of a Tokenizer"):
        load_tokenizer(tmp_path)


@pytest.mark.parametrize("text, got", [("{", "Expecting"), ("[1]", r"\[1\]"), ("[" * 9999, "")])
def test_a_damaged_configuration_is_refused(text, got, tmp_path):
    write(tmp_path, {})
    (tmp_path / "tokenizer_config.json").write_text(text)
    with pytest.raises(ValueError, match=f"Expected .*JSON.* in .*, got .*{got}"):
        load_tokenizer(tmp_path)


def test_a_huge_configuration_is_refused(tmp_path):
    with open(write(tmp_path, {}) / "tokenizer_config.json", "wb") as file:
        file.truncate(65 << 20)
    with pytest.raises(ValueError, match="Expected .* to have at most 64 MiB, got 65 MiB"):
        load_tokenizer(tmp_path)


def test_a_vocabulary_in_upper_case_needs_the_setting(tmp_path):
    vocabulary = VOCABULARY | {"##Er": len(VOCABULARY)}
    with pytest.raises(ValueError, match="Expected do_lower_case in .* such as '##Er', got none"):
        load_tokenizer(write(tmp_path, {}, vocabulary))
    assert load_tokenizer(write(tmp_path, {"do_lower_case": True}, vocabulary))._do_lower_case


def test_a_sentencepiece_folder_of_transformers_is_read(tmp_path, golden_file):
    (tmp_path / "spiece.model").write_bytes(golden_file("t5-spiece.model").read_bytes())
    config = {"tokenizer_class": "MT5Tokenizer", "extra_ids": 0, "pad_token": "<pad>"}
    (tmp_path / "tokenizer_config.json").write_text(json.dumps(config))
    tokenizer = load_tokenizer(tmp_path)
    assert (tokenizer.start_id, tokenizer.end_id, tokenizer.pad_id) == (None, 1, 0)


@pytest.mark.parametrize(
    "config, message",
    [
        ({}, "Expected a tokenizer_class among T5Tokenizer, .*, got None"),
        ({"tokenizer_class": "XLMRobertaTokenizer"}, "got XLMRobertaTokenizer"),
        ({"tokenizer_class": "T5Tokenizer"}, "Expected extra_ids 0 in .*, got none"),
        ({"tokenizer_class": "AlbertTokenizer", "do_lower_case": True}, "do_lower_case False in"),
        ({"tokenizer_class": "T5Tokenizer", "extra_ids": 0, "pad_token": "x"}, "pad_token '<pad>'"),
    ],
)
def test_a_sentencepiece_folder_of_other_ids_is_refused(config, message, tmp_path, golden_file):
    (tmp_path / "spiece.model").write_bytes(golden_file("t5-spiece.model").read_bytes())
    (tmp_path / "tokenizer_config.json").write_text(json.dumps(config))
    with pytest.raises(ValueError, match=message):
        load_tokenizer(tmp_path)
