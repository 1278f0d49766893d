"""Streams of a HuggingFaceTokenizer: no broken character, no text is lost."""

import json

import numpy as np
import pytest
from support import randomize_weights
from tokenizers import Tokenizer as Model
from tokenizers import decoders, models, normalizers, pre_tokenizers, processors, trainers

from bert4keras.generation import TextGenerator
from bert4keras.models import build_transformer_model
from bert4keras.tokenizers import HuggingFaceTokenizer

LINES = ["the cat sat on the mat", "今天天气真好", "a dog is here"] * 20
TEXT = "the cat 今天🐱 好👩🏽 a é"


def make_bytes():
    """Train a byte-level BPE with an end token in its template, as some BERTs have it."""
    model = Model(models.BPE())
    model.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    model.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(
        vocab_size=300, special_tokens=["<s>", "</s>"], initial_alphabet=alphabet
    )
    model.train_from_iterator(LINES, trainer)
    model.post_processor = processors.TemplateProcessing(
        single="<s> $A </s>", pair=None, special_tokens=[("<s>", 0), ("</s>", 1)]
    )
    return HuggingFaceTokenizer(model, {"pad_token": "<s>"})


def make_llama():
    """Train a BPE of LLaMA: Metaspace, and bytes for characters that it does not know."""
    tokens = ["<unk>", "<s>", "</s>", *(f"<0x{i:02X}>" for i in range(256))]
    model = Model(models.BPE(byte_fallback=True, fuse_unk=True, unk_token="<unk>"))
    trainer = trainers.BpeTrainer(vocab_size=300, special_tokens=tokens, limit_alphabet=20)
    model.train_from_iterator(LINES, trainer)
    settings = json.loads(model.to_str())
    settings["added_tokens"] = settings["added_tokens"][:3]
    model = Model.from_str(json.dumps(settings))
    model.normalizer = normalizers.Sequence(
        [normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")]
    )
    steps = [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse()]
    model.decoder = decoders.Sequence([*steps, decoders.Strip(" ", 1, 0)])
    model.post_processor = processors.TemplateProcessing(
        single="<s> $A", pair=None, special_tokens=[("<s>", 1)]
    )
    return HuggingFaceTokenizer(model, {"eos_token": "</s>"})


class FixedSteps:
    """A decoding loop that gives fixed ids."""

    def __init__(self, ids):
        self.ids = ids

    def stream(self, **arguments):
        return iter([(0, 0, [token]) for token in self.ids])


@pytest.fixture(scope="module", params=[make_bytes, make_llama])
def write(request):
    tokenizer = request.param()
    config = {"vocab_size": tokenizer.vocab_size, "hidden_size": 8, "num_hidden_layers": 1}
    config |= {"num_attention_heads": 2, "intermediate_size": 8, "hidden_act": "gelu"}
    config |= {"max_position_embeddings": 64}
    model = randomize_weights(build_transformer_model(config, model="gpt2"))
    return TextGenerator(model, tokenizer)


@pytest.fixture
def stream(write, monkeypatch):
    def stream(prompt, ids):
        monkeypatch.setattr(write, "loop", FixedSteps(ids))
        return list(write.stream(prompt, max_new_tokens=9))

    return stream


def test_pieces_are_whole_characters_and_the_whole_text(write, stream):
    tokenizer = write.tokenizer
    ids = tokenizer.encode_prompt(TEXT)
    for start in range(1, len(ids)):
        pieces = stream(ids[:start], [*ids[start:], tokenizer.end_id])
        text_before = tokenizer.decode(ids[:start]).rstrip("\ufffd")
        assert text_before + "".join(pieces) == TEXT
        assert "\ufffd" not in "".join(pieces) and "" not in pieces


def test_a_text_that_ends_inside_a_character_is_complete(write, stream):
    ids, prompt = write.tokenizer.encode_prompt(TEXT), write.tokenizer.encode_prompt("a")
    for end in range(2, len(ids)):
        pieces = stream(prompt, ids[1:end])
        assert "".join(pieces) == write.decode(ids[1:end], prompt)
        assert "\ufffd" not in "".join(pieces[:-1])


def test_pieces_of_any_ids_are_the_text(write, stream):
    random = np.random.default_rng(0)
    prompt = write.tokenizer.encode_prompt("the cat")
    for _ in range(100):
        ids = random.integers(3, write.tokenizer.vocab_size, 9).tolist()
        assert "".join(stream(prompt, ids)) == write.decode(ids, prompt)


def test_a_call_and_its_stream_write_one_text(write):
    options = {"max_new_tokens": 12, "eos_token_id": None}
    for prompt in ("the cat", "今天🐱", " a", "dog is"):
        assert "".join(write.stream(prompt, **options)) == write(prompt, **options)
    prompts = ["the cat", "今天🐱 a", "dog"]
    assert write(prompts, **options) == [write(prompt, **options) for prompt in prompts]


def test_a_prompt_keeps_all_but_the_end_token_of_the_template(write):
    tokenizer = write.tokenizer
    ids = write.encode("the cat</s>")
    assert ids[0] == tokenizer.start_id and ids[-1] == tokenizer.end_id  # the text has it
    assert write.encode("the cat") == tokenizer.encode_prompt("the cat") == ids[:-1]
    assert write.encode("the cat sat on", maxlen=3) == write.encode("the cat sat on")[:3]
