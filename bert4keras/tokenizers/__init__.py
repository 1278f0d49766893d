"""Tokenizers between text and token ids: WordPiece, SentencePiece, tokenizer.json, vocabularies."""

from bert4keras.tokenizers.base import TokenizerBase
from bert4keras.tokenizers.huggingface import HuggingFaceTokenizer
from bert4keras.tokenizers.loading import load_tokenizer
from bert4keras.tokenizers.offsets import Encoding
from bert4keras.tokenizers.sentencepiece import SpTokenizer
from bert4keras.tokenizers.vocab import load_vocab, save_vocab
from bert4keras.tokenizers.wordpiece import Tokenizer

BasicTokenizer = TokenizerBase  # the name in old scripts

__all__ = [
    "BasicTokenizer",
    "Encoding",
    "HuggingFaceTokenizer",
    "SpTokenizer",
    "Tokenizer",
    "TokenizerBase",
    "load_tokenizer",
    "load_vocab",
    "save_vocab",
]
