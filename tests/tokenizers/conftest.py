"""Golden records and the tokenizers that made them."""

import json
import lzma

import pytest
from support import GOLDEN

from bert4keras.tokenizers import SpTokenizer, Tokenizer, load_vocab

FOLDER = GOLDEN / "tokenizers"


def unpack(name):
    """Return the bytes of a packed golden file."""
    return lzma.decompress((FOLDER / f"{name}.xz").read_bytes())


@pytest.fixture(scope="session")
def golden():
    """Return all golden records."""
    return json.loads(unpack("records.json"))


@pytest.fixture(scope="session")
def golden_file(tmp_path_factory):
    """Return a function from the name of a golden file to the path of its decompressed copy."""
    folder = tmp_path_factory.mktemp("golden")

    def path_of(name):
        path = folder / name
        if not path.exists():
            path.write_bytes(unpack(name))
        return path

    return path_of


@pytest.fixture(scope="session")
def golden_tokenizer(golden, golden_file):
    """Return a function from the name of a golden configuration to its tokenizer."""
    tokenizers = {}

    def tokenizer_of(name):
        if name not in tokenizers:
            tokenizers[name] = make_tokenizer(golden, golden_file, golden["configs"][name])
        return tokenizers[name]

    return tokenizer_of


def make_tokenizer(golden, golden_file, config):
    """Build the tokenizer that a record describes."""
    kwargs = dict(config["kwargs"])
    if "pre_tokenize" in kwargs:
        kwargs["pre_tokenize"] = longest_words(set(golden["words"]))
    if config["class"] == "SpTokenizer":
        return SpTokenizer(golden_file(config["model"]), **kwargs)
    return Tokenizer(vocabulary(golden, golden_file, kwargs.pop("vocab")), **kwargs)


def vocabulary(golden, golden_file, name):
    """Return a vocabulary file, or a dict derived from one."""
    if name == "zh-simplified-vocab.txt":
        startswith = golden["simplified"]["zh"]["startswith"]
        return load_vocab(golden_file("zh-vocab.txt"), simplified=True, startswith=startswith)[0]
    if name == "zh-words-vocab.txt":
        tokens = [*load_vocab(golden_file("zh-vocab.txt")), *golden["words"][::2]]
        return {token: i for i, token in enumerate(tokens)}
    return golden_file(name)


def longest_words(words):
    """Return a pre-tokenizer: at each position the longest of the words, else one character."""

    def pre_tokenize(text):
        pieces, start = [], 0
        while start < len(text):
            lengths = (n for n in (4, 3, 2) if text[start : start + n] in words)
            end = start + next(lengths, 1)
            pieces.append(text[start:end])
            start = end
        return pieces

    return pre_tokenize
