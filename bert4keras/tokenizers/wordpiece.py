"""WordPiece tokenizer of BERT: single characters and punctuation, words in vocabulary pieces."""

import os
import re
from collections.abc import Callable, Iterable, Sequence
from functools import lru_cache
from itertools import accumulate
from typing import Any

from bert4keras.checks import check_integer, check_string, check_strings, describe
from bert4keras.files import StrPath, replace_files
from bert4keras.text import (
    CJK_PUNCTUATION,
    is_cjk_character,
    is_control,
    is_punctuation,
    is_space,
    lowercase_and_normalize,
    lowercase_with_offsets,
)
from bert4keras.tokenizers.base import TokenizerBase
from bert4keras.tokenizers.inputs import check_id
from bert4keras.tokenizers.offsets import Span
from bert4keras.tokenizers.tokenizer_config import write_tokenizer_config
from bert4keras.tokenizers.vocab import is_redundant, is_special, load_vocab, save_vocab
from bert4keras.tokenizers.vocab import stem as _stem

_SPACE_CLEANUP = (  # decode applies these substitutions in turn
    (re.compile(" +"), " "),
    (re.compile("' (re|m|s|t|ve|d|ll) "), r"'\1 "),  # it ' s -> it's
    (re.compile(f"([{re.escape(CJK_PUNCTUATION + '+-/={(<[')}]) "), r"\1"),
    (re.compile(r"(\d\.) (\d)"), r"\1\2"),  # 3. 14 -> 3.14
)


_OPEN_CONTRACTION = re.compile("(?<=') (re?|m|s|t|ve?|d|ll?)$")  # the space goes if one follows
_WHITE_SPACE = re.compile(r"\s*")


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
        path = None if isinstance(token_dict, dict) else token_dict
        self._token_dict = token_dict if isinstance(token_dict, dict) else _load(token_dict)
        self._token_dict_inv = {i: token for token, i in self._token_dict.items()}
        self._vocab_size = len(self._token_dict)
        self._longest_token = max(map(len, self._token_dict), default=0)
        self._spellings: dict[str, list[str]] = {}  # {token: stems of all tokens translated to it}
        for source, token in self._token_translate.items():
            self._spellings.setdefault(token, []).append(_stem(source))
        self._do_lower_case = do_lower_case
        self._word_maxlen = check_integer("word_maxlen", word_maxlen, minimum=1)
        self._read_special_tokens(self._token_dict.get, filter(is_special, self._token_dict), path)
        self._vocab_size = max(self._token_dict_inv, default=-1) + 1

    subword_prefix: str | None = "##"
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
        """Write ``vocab.txt`` and ``tokenizer_config.json``, which ``transformers`` reads too.

        ``load_tokenizer`` opens an equal tokenizer. A ``pre_tokenize`` function cannot be stored:
        its name is, and loading needs the function again.
        """
        with replace_files(folder) as part:
            save_vocab(part / "vocab.txt", self._fill_gaps())
            write_tokenizer_config(
                part,
                self._list_settings(),
                tokenizer_class="BertTokenizer",
                do_lower_case=bool(self._do_lower_case),
            )

    def _list_settings(self) -> dict[str, Any]:
        return super()._list_settings() | {
            "do_lower_case": bool(self._do_lower_case),
            "word_maxlen": self._word_maxlen,
        }

    def _fill_gaps(self) -> dict[str, int]:
        """Return the vocabulary with a token for each id below the last, if few lack one."""
        ids = set(self._token_dict_inv)
        if self._vocab_size > 2 * len(ids):
            return self._token_dict
        gaps = [i for i in range(self._vocab_size) if i not in ids]
        return self._token_dict | {f"[unused_row_{i}]": i for i in gaps}

    def token_to_id(self, token: str) -> int:
        """Return the id of a token; that of ``[UNK]`` for one outside the vocabulary."""
        unk_id: int = self._token_unk_id
        return self._token_dict.get(check_string("token", token), unk_id)

    def tokens_to_ids(self, tokens: Iterable[str]) -> list[int]:
        """Return the ids of tokens."""
        token_dict = self._token_dict
        unk_id: int = self._token_unk_id
        if not isinstance(tokens, list) or not set(map(type, tokens)) <= {str}:
            tokens = check_strings("tokens", tokens)
        return [token_dict.get(token, unk_id) for token in tokens]

    def id_to_token(self, i: int) -> str:
        """Return the token of an id; raise ValueError for an id outside the vocabulary.

        An id between others that has no token gives the unknown token: the file had a token twice.
        """
        token = self._token_dict_inv.get(i if type(i) is int else check_id(i))
        if token is not None:
            return token
        if not 0 <= i < self._vocab_size:
            raise ValueError(
                f"Expected an id of the vocabulary of {len(self._token_dict)} tokens, got {i}. Use "
                "the vocabulary of the model that gave the id (keep_tokens shortens it)."
            )
        return self._token_unk

    def _tokenize(self, text: str) -> list[str]:
        if self._do_lower_case:
            text = lowercase_and_normalize(text)
        if self._pre_tokenize is None:
            return self._split_words(text)
        tokens = []
        for word in self._cut_words(text):
            tokens.extend([word] if self._is_whole_word(word) else self._split_words(word))
        return tokens

    def _locate_tokens(self, text: str) -> tuple[list[str], list[Span]]:
        """Return the tokens of a text, and the characters (start, end) of each.

        The tokens are the text without white space, in order, so their lengths tell where they are.
        Tokens of a ``pre_tokenize`` that changes the text must be searched.
        """
        tokens = self._tokenize(text)
        stems = [token[2:] if token[:2] == "##" else token for token in tokens]
        parts, offsets = self._normalize_piece(text)
        normal_text, sources = "".join(parts), _list_sources(parts, offsets)
        is_in_order = isinstance(offsets, range) and all(stems)
        if is_in_order and "".join(stems) == "".join(normal_text.split()):
            sources = [i for i, char in zip(sources, normal_text) if not char.isspace()]
            ends = list(accumulate(map(len, stems)))
            spans = [(sources[i], sources[j - 1] + 1) for i, j in zip([0, *ends], ends)]
            return tokens, spans
        return tokens, self._search_spans(tokens, normal_text, sources)

    def _search_spans(self, tokens: list[str], text: str, sources: list[int]) -> list[Span]:
        """Search tokens one after another in a normalized text; return their characters."""
        spans: list[Span] = []
        next_starts: dict[str, int] = {}
        end = 0
        for token in tokens:
            stem = _stem(token)
            match = _WHITE_SPACE.match(text, end)
            start = match.end() if match else end
            end = start + len(stem)
            if not text.startswith(stem, start):
                start, end = self._find_span(token, text, start, next_starts)
            indices = sources[start:end] or [spans[-1][1] if spans else 0]
            spans.append((min(indices), max(indices) + bool(stem)))
        return spans

    def _is_whole_word(self, word: str) -> bool:
        """True if a word of ``pre_tokenize`` is a token that a text may give.

        White space is no word, though U+2028 is a token of Google's vocabulary. Nor is a special
        token, a piece that continues a word, or a token with control characters.
        """
        return (
            word in self._token_dict
            and not word.startswith("##")
            and word not in self._special_tokens
            and not word.isspace()
            and all(_SPACING[ord(char)] for char in word)
        )

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
                if piece in self._token_dict and piece not in self._special_tokens:
                    break
            else:
                is_special_token = word in self._special_tokens
                return [word[0], *(f"##{c}" for c in word[1:])] if is_special_token else [word]
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
        tokens = check_strings("tokens", tokens) if tokens else self.ids_to_tokens(ids)
        for token in tokens:
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
        tokens = check_strings("tokens", tokens)
        parts, offsets = self._normalize_with_offsets(check_string("text", text))
        sources = _list_sources(parts, offsets)
        text, mapping, end = "".join(parts), [], 0
        next_starts: dict[str, int] = {}
        for position, token in enumerate(tokens):
            may_be_added = is_special(token) or token in self._special_tokens
            if may_be_added and not self._is_in_text(token, position, text, end):
                mapping.append([])
            else:
                start, end = self._find_span(token, text, end, next_starts)
                mapping.append(sorted(sources[start:end]))
        return mapping

    def _normalize_with_offsets(self, text: str) -> tuple[list[str], list[int]]:
        """Return the parts of a text as tokenizing sees them, and the offset of each.

        They are in lower case, without accents and control characters.
        """
        parts: list[str] = []
        offsets: list[int] = []
        start = 0
        for index, piece in enumerate(self._split_at_special_tokens(text)):
            if index % 2:
                new_parts, new_offsets = list(piece), range(len(piece))
            else:
                new_parts, new_offsets = self._normalize_piece(piece)
            parts += new_parts
            offsets += [start + offset for offset in new_offsets] if start else new_offsets
            start += len(piece)
        return parts, offsets

    def _normalize_piece(self, text: str) -> tuple[list[str], Sequence[int]]:
        """Return the parts of a text without special tokens, and the offset of each."""
        parts, offsets = list(text), range(len(text))
        if self._do_lower_case:
            parts, offsets = lowercase_with_offsets(text)
        return list(map(_remove_controls, parts)), offsets

    def _is_in_text(self, token: str, position: int, text: str, start: int) -> bool:
        """True if a special token comes from the text and was not added by ``tokenize``."""
        if position == 0 and token == self._token_start:
            return False
        spellings = [*self._spellings.get(token, ())]
        if not self._split_special_tokens or len(token) == 1:  # one character cannot be split
            spellings.append(token)
        match = _WHITE_SPACE.match(text, start)
        return any(text.startswith(spelling, match.end()) for spelling in spellings if match)

    def _find_span(self, token, text, start, next_starts) -> tuple[int, int]:
        """Find (start, end) of a token, or of a token translated to it, in the rest of a text.

        ``next_starts`` remembers where each spelling comes next, so that a text is searched once.
        """
        spans = []
        for spelling in (_stem(token), *self._spellings.get(token, ())):
            if next_starts.get(spelling, -1) < start:
                position = text.find(spelling, start)
                next_starts[spelling] = len(text) + 1 if position < 0 else position
            if next_starts[spelling] <= len(text):
                spans.append((next_starts[spelling], -len(spelling)))
        if not spans:
            raise ValueError(
                f"Expected token {token!r} in the rest of the text, got {text[start:][:20]!r}... "
                "Pass the text and the tokens that tokenize made of it, in order."
            )
        begin, negative_length = min(spans)  # the first match; of several there, the longest
        return begin, begin - negative_length


@lru_cache(maxsize=65536)
def _remove_controls(characters: str) -> str:
    return "".join(char for char in characters if _SPACING[ord(char)])


def _list_sources(parts: Sequence[str], offsets: Iterable[int]) -> list[int]:
    """Return the index of the character that each character of normalized parts is from."""
    if set(map(len, parts)) == {1}:
        return list(offsets)
    return [offset for part, offset in zip(parts, offsets, strict=True) for _ in part]


def _load(path: Any) -> dict[str, int]:
    if not isinstance(path, str | os.PathLike):
        raise TypeError(
            f"Expected token_dict to be a dict {{token: id}} or the path of a vocabulary, got "
            f"{describe(path)}. Pass {{token: i for i, token in enumerate(tokens)}} for a list."
        )
    return load_vocab(path)
