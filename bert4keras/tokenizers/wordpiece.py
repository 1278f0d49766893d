"""WordPiece tokenizer of BERT: single characters and punctuation, words in vocabulary pieces."""

import json
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

from bert4keras.files import StrPath, atomic_write
from bert4keras.text import (
    CJK_PUNCTUATION,
    is_cjk_character,
    is_control,
    is_punctuation,
    is_space,
    lowercase_and_normalize,
)
from bert4keras.tokenizers.base import TokenizerBase
from bert4keras.tokenizers.vocab import is_redundant, is_special, load_vocab, save_vocab
from bert4keras.tokenizers.vocab import stem as _stem

_SPACE_CLEANUP = (  # decode applies these substitutions in turn
    (re.compile(" +"), " "),
    (re.compile("' (re|m|s|t|ve|d|ll) "), r"'\1 "),  # it ' s -> it's
    (re.compile(f"([{re.escape(CJK_PUNCTUATION + '+-/={(<[')}]) "), r"\1"),
    (re.compile(r"(\d\.) (\d)"), r"\1\2"),  # 3. 14 -> 3.14
)


_OPEN_CONTRACTION = re.compile("(?<=') (re?|m|s|t|ve?|d|ll?)$")  # the space goes if one follows


class _SpacingTable(dict):
    """Lazily filled table: spaces around single-character tokens, no control characters."""

    def __missing__(self, code: int) -> str:
        char = chr(code)
        if is_punctuation(char) or is_cjk_character(char):
            replacement = f" {char} "
        elif is_space(char):
            replacement = " "
        elif char in "\0\ufffd" or is_control(char):
            replacement = ""
        else:
            replacement = char
        self[code] = replacement
        return replacement


_SPACING = _SpacingTable()


class Tokenizer(TokenizerBase):
    """WordPiece tokenizer of BERT and most related models.

    BERT: Pre-training of Deep Bidirectional Transformers (arXiv 1810.04805). A word that the
    vocabulary cannot spell stays whole as a token and gets the id of ``[UNK]``, so ``rematch``
    still finds it.

    Args:
        token_dict: ``{token: id}``, or the path of a vocabulary file.
        do_lower_case: True lower-cases texts and drops accents, for uncased models.
        word_maxlen: a word longer than this many characters is unknown.
        **kwargs: ``token_start``, ``token_end``, ``pre_tokenize``, ``token_translate``,
            ``split_special_tokens``, see ``TokenizerBase``. Words of ``pre_tokenize`` that are in
            the vocabulary stay whole (WoBERT), others are cut as usual.

    Raises:
        ValueError: the vocabulary lacks ``[UNK]``, the start or the end token.

    Example:
        >>> tokens = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "深", "play", "##ing"]
        >>> tokenizer = Tokenizer({token: i for i, token in enumerate(tokens)}, do_lower_case=True)
        >>> tokenizer.tokenize("Playing深")
        ['[CLS]', 'play', '##ing', '深', '[SEP]']
        >>> tokenizer.encode("深", "play")
        ([2, 4, 3, 5, 3], [0, 0, 0, 1, 1])
        >>> tokenizer.encode_batch(["深", "Playing"])[0]
        array([[2, 4, 3, 0],
               [2, 5, 6, 3]], dtype=int32)
        >>> tokenizer.encode("深深深", maxlen=4)[0], tokenizer.end_id, tokenizer.mask_id
        ([2, 4, 4, 3], 3, None)
    """

    def __init__(
        self,
        token_dict: dict[str, int] | StrPath,
        do_lower_case: bool = False,
        word_maxlen: int = 200,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self._token_dict = token_dict if isinstance(token_dict, dict) else load_vocab(token_dict)
        self._token_dict_inv = {i: token for token, i in self._token_dict.items()}
        self._vocab_size = len(self._token_dict)
        self._longest_token = max(map(len, self._token_dict), default=0)
        self._spellings: dict[str, list[str]] = {}  # {token: stems of all tokens translated to it}
        for source, token in self._token_translate.items():
            self._spellings.setdefault(token, []).append(_stem(source))
        self._do_lower_case = do_lower_case
        self._word_maxlen = word_maxlen
        self._read_special_tokens(self._token_dict.get, filter(is_special, self._token_dict))

    stem: Callable[[str], str] = staticmethod(_stem)
    _is_special = staticmethod(is_special)
    _is_redundant = staticmethod(is_redundant)
    _is_cjk_character = staticmethod(is_cjk_character)
    _is_punctuation = staticmethod(is_punctuation)
    _is_space = staticmethod(is_space)
    _is_control = staticmethod(is_control)

    @staticmethod
    def _cjk_punctuation() -> str:
        return CJK_PUNCTUATION

    def save(self, folder: StrPath) -> None:
        """Write ``vocab.txt`` and ``tokenizer_config.json``, which ``transformers`` reads too."""
        folder = Path(folder)
        folder.mkdir(parents=True, exist_ok=True)
        save_vocab(folder / "vocab.txt", self._token_dict)
        settings = {"tokenizer_class": "BertTokenizer", "do_lower_case": self._do_lower_case}
        with atomic_write(folder / "tokenizer_config.json") as file:
            file.write(json.dumps(settings) + "\n")

    def token_to_id(self, token: str) -> int:
        """Return the id of a token; that of ``[UNK]`` for one outside the vocabulary."""
        unk_id: int = self._token_unk_id
        return self._token_dict.get(token, unk_id)

    def tokens_to_ids(self, tokens: Iterable[str]) -> list[int]:
        """Return the ids of tokens."""
        token_dict = self._token_dict
        unk_id: int = self._token_unk_id
        return [token_dict.get(token, unk_id) for token in tokens]

    def id_to_token(self, i: int) -> str:
        """Return the token of an id; raise ValueError for an id outside the vocabulary."""
        if i not in self._token_dict_inv:
            raise ValueError(
                f"Expected an id of the vocabulary of {self._vocab_size} tokens, got {i}. Use the "
                "vocabulary of the model that gave the id (keep_tokens shortens it)."
            )
        return self._token_dict_inv[i]

    def _tokenize(self, text: str) -> list[str]:
        if self._do_lower_case:
            text = lowercase_and_normalize(text)
        if self._pre_tokenize is None:
            return self._split_words(text)
        tokens = []
        for word in self._pre_tokenize(text):
            # white space is no word, though U+2028 is a token of Google's vocabulary
            is_token = word in self._token_dict and not word.isspace()
            tokens.extend([word] if is_token else self._split_words(word))
        return tokens

    def _split_words(self, text: str) -> list[str]:
        """Split a text into words and single-character tokens, and words into pieces."""
        tokens = []
        for word in text.translate(_SPACING).split():
            if len(word) == 1:
                tokens.append(word)
            else:
                tokens.extend(self._split_pieces(word))
        return tokens

    def _split_pieces(self, word: str) -> list[str]:
        """Split a word greedily into the longest pieces of the vocabulary; else keep the word."""
        if len(word) > self._word_maxlen:
            return [word]
        pieces, start, prefix = [], 0, ""
        while start < len(word):
            for end in range(min(len(word), start + self._longest_token), start, -1):
                piece = prefix + word[start:end]
                if piece in self._token_dict:
                    break
            else:
                return [word]
            pieces.append(piece)
            start, prefix = end, "##"
        return pieces

    def decode(self, ids: Iterable[int], tokens: Sequence[str] | None = None) -> str:
        """Return the text of token ids: join pieces and Chinese, drop special and unknown tokens.

        Args:
            ids: token ids.
            tokens: the tokens, if you have them; they replace ``ids``, so unknown words are kept.

        Raises:
            ValueError: an id is outside the vocabulary.

        Example:
            >>> tokens = ["[UNK]", "[CLS]", "[SEP]", "深", "度", "play", "##ing", ","]
            >>> tokenizer = Tokenizer({token: i for i, token in enumerate(tokens)})
            >>> tokenizer.decode([1, 3, 4, 5, 6, 7, 5, 2])
            '深度playing, play'
        """
        text = ""
        for token in tokens or self.ids_to_tokens(ids):
            if is_special(token):
                continue
            if token.startswith("##"):
                text += _stem(token)
            elif len(token) == 1 and is_cjk_character(token):
                text += token
            elif len(token) == 1 and is_punctuation(token):
                text += token + " "
            elif text and is_cjk_character(text[-1]):
                text += token
            else:
                text += " " + token
        for pattern, replacement in _SPACE_CLEANUP:
            text = pattern.sub(replacement, text)
        return text.strip()

    def complete_text(self, text: str) -> str:
        """Return a decoded text without a contraction at its end, which may be spaced yet."""
        return _OPEN_CONTRACTION.sub("", text)

    def rematch(self, text: str, tokens: Sequence[str]) -> list[list[int]]:
        """Map tokens back to the characters of their text (offsets).

        Args:
            text: a text.
            tokens: what ``tokenize(text)`` returned, all of it or a part.

        Returns:
            One list for each token: the indices of its characters in ``text``; empty for special
            tokens. A character that decomposes into several (한 in lower case) belongs to the
            tokens of all its parts.

        Raises:
            ValueError: a token is not found in the rest of the text.

        Example:
            >>> tokens = ["[UNK]", "[CLS]", "[SEP]", "深", "play", "##ing"]
            >>> tokenizer = Tokenizer({token: i for i, token in enumerate(tokens)}, True)
            >>> tokenizer.rematch("Playing 深", ["[CLS]", "play", "##ing", "深", "[SEP]"])
            [[], [0, 1, 2, 3], [4, 5, 6], [8], []]
        """
        characters = list(self._normalized_characters(text))
        sources = [i for i, character in enumerate(characters) for _ in character]
        text, mapping, end = "".join(characters), [], 0
        for position, token in enumerate(tokens):
            if is_special(token) and not self._is_in_text(token, position, text[end:]):
                mapping.append([])
            else:
                start, end = self._find_span(token, text, end)
                mapping.append(sources[start:end])
        return mapping

    def _normalized_characters(self, text: str) -> Iterator[str]:
        """Yield each character as tokenizing sees it: lower case, no accents, no controls."""
        for index, piece in enumerate(self._split_at_special_tokens(text)):
            if index % 2:
                yield from piece
            elif self._do_lower_case:
                yield from map(_normalize, _lower_characters(piece))
            else:
                yield from map(_remove_controls, piece)

    def _is_in_text(self, token: str, position: int, remainder: str) -> bool:
        """True if a special token comes from the text and was not added by ``tokenize``."""
        if self._split_special_tokens or (position == 0 and token == self._token_start):
            return False
        return remainder.lstrip().startswith(token)

    def _find_span(self, token: str, text: str, start: int) -> tuple[int, int]:
        """Find (start, end) of a token, or of a token translated to it, in the rest of a text."""
        spellings = [_stem(token), *self._spellings.get(token, ())]
        spans = [(text.find(spelling, start), -len(spelling)) for spelling in spellings]
        spans = [span for span in spans if span[0] >= 0]
        if not spans:
            raise ValueError(
                f"Expected token {token!r} in the rest of the text, got {text[start:][:20]!r}... "
                "Pass the text and the tokens that tokenize made of it, in order."
            )
        begin, negative_length = min(spans)  # the first match; of several there, the longest
        return begin, begin - negative_length


def _lower_characters(text: str) -> Iterator[str]:
    """Yield the lower case of each character; two for İ, and ς for the Σ that ends a word."""
    lower, start = text.lower(), 0
    for char in text:
        end = start + len(char.lower())
        yield lower[start:end]
        start = end


@lru_cache(maxsize=65536)
def _normalize(character: str) -> str:
    """Normalize a character as tokenizing does: to none, one or several characters."""
    return _remove_controls(lowercase_and_normalize(character))


def _remove_controls(characters: str) -> str:
    return "".join(char for char in characters if _SPACING[ord(char)])
