"""BERT's own tokenizer: characters and signs apart, words in pieces of the vocabulary."""

import json
import re
from functools import lru_cache
from pathlib import Path

from bert4keras.files import atomic_write
from bert4keras.text import (
    CJK_PUNCTUATION,
    is_cjk_character,
    is_control,
    is_punctuation,
    is_space,
    lowercase_and_normalize,
)
from bert4keras.tokenizers.base import TokenizerBase
from bert4keras.tokenizers.vocab import is_redundant, is_special, load_vocab, save_vocab, stem

TIDY = (
    (re.compile(" +"), " "),
    (re.compile("' (re|m|s|t|ve|d|ll) "), r"'\1 "),  # it ' s -> it's
    (re.compile(f"([{re.escape(CJK_PUNCTUATION + '+-/={(<[')}]) "), r"\1"),
    (re.compile(r"(\d\.) (\d)"), r"\1\2"),  # 3. 14 -> 3.14
)


class _Spaced(dict):
    """Translation table, filled as characters come: space around what stands alone, no controls."""

    def __missing__(self, code):
        char = chr(code)
        if is_punctuation(char) or is_cjk_character(char):
            spaced = f" {char} "
        elif is_space(char):
            spaced = " "
        elif char in "\0\ufffd" or is_control(char):
            spaced = ""
        else:
            spaced = char
        self[code] = spaced
        return spaced


SPACED = _Spaced()


class Tokenizer(TokenizerBase):
    """WordPiece tokenizer of BERT and most of its kin.

    BERT: Pre-training of Deep Bidirectional Transformers (arXiv 1810.04805). A word that the
    vocabulary cannot spell stays as it is and gets the id of `[UNK]`, so that `rematch` still finds
    it.

    Args:
        token_dict: `{token: id}`, or the path of a vocabulary file.
        do_lower_case: whether to lower texts and drop accents, as uncased models want.
        word_maxlen: a word longer than this many characters is unknown.
        **kwargs: `token_start`, `token_end`, `pre_tokenize`, `token_translate`,
            `split_special_tokens`, see `TokenizerBase`. Words of `pre_tokenize` that are in the
            vocabulary stay whole (WoBERT), others are cut as usual.

    Raises:
        ValueError: the vocabulary lacks `[UNK]`, the start or the end token.

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
    """

    def __init__(self, token_dict, do_lower_case=False, word_maxlen=200, **kwargs):
        super().__init__(**kwargs)
        self._token_dict = token_dict if isinstance(token_dict, dict) else load_vocab(token_dict)
        self._token_dict_inv = {i: token for token, i in self._token_dict.items()}
        self._vocab_size = len(self._token_dict)
        self._longest_token = max(map(len, self._token_dict), default=0)
        self._sources = {}  # {token: stems of what is translated to it}
        for source, token in self._token_translate.items():
            self._sources.setdefault(token, []).append(stem(source))
        self._do_lower_case = do_lower_case
        self._word_maxlen = word_maxlen
        self._read_special_tokens(self._token_dict.get, filter(is_special, self._token_dict))

    stem = staticmethod(stem)
    _is_special = staticmethod(is_special)
    _is_redundant = staticmethod(is_redundant)
    _is_cjk_character = staticmethod(is_cjk_character)
    _is_punctuation = staticmethod(is_punctuation)
    _is_space = staticmethod(is_space)
    _is_control = staticmethod(is_control)

    @staticmethod
    def _cjk_punctuation():
        return CJK_PUNCTUATION

    def save(self, folder):
        """Write `vocab.txt` and `tokenizer_config.json`, as `transformers` reads them too."""
        folder = Path(folder)
        folder.mkdir(parents=True, exist_ok=True)
        save_vocab(folder / "vocab.txt", self._token_dict)
        settings = {"tokenizer_class": "BertTokenizer", "do_lower_case": self._do_lower_case}
        with atomic_write(folder / "tokenizer_config.json") as file:
            file.write(json.dumps(settings) + "\n")

    def token_to_id(self, token):
        """Id of a token; that of `[UNK]` for one outside the vocabulary."""
        return self._token_dict.get(token, self._token_unk_id)

    def tokens_to_ids(self, tokens):
        """Ids of tokens."""
        known, unknown = self._token_dict, self._token_unk_id
        return [known.get(token, unknown) for token in tokens]

    def id_to_token(self, i):
        """Token of an id; ValueError for an id outside the vocabulary."""
        if i not in self._token_dict_inv:
            raise ValueError(
                f"id {i} is outside the vocabulary of {self._vocab_size} tokens; is it of another "
                "model, or of a model whose vocabulary was cut (keep_tokens)?"
            )
        return self._token_dict_inv[i]

    def _tokenize(self, text):
        """Tokens of a text, without start and end."""
        if self._do_lower_case:
            text = lowercase_and_normalize(text)
        if self._pre_tokenize is None:
            return self._cut(text)
        tokens = []
        for word in self._pre_tokenize(text):
            whole = word in self._token_dict and not word.isspace()  # U+2028 is in Google's file
            tokens.extend([word] if whole else self._cut(word))
        return tokens

    def _cut(self, text):
        """Characters and signs that stand alone, and the pieces of the words between them."""
        tokens = []
        for word in text.translate(SPACED).split():
            if len(word) == 1:
                tokens.append(word)
            else:
                tokens.extend(self._pieces(word))
        return tokens

    def _pieces(self, word):
        """The longest piece of the vocabulary, then the longest of the rest, ...; or the word."""
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

    def decode(self, ids, tokens=None):
        """Readable text of ids: special and unknown tokens go, pieces and Chinese are joined.

        Args:
            ids: ids; ValueError for one outside the vocabulary.
            tokens: the tokens, if known; they are read instead of `ids`, so no word is lost.

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
                text += stem(token)
            elif len(token) == 1 and is_cjk_character(token):
                text += token
            elif len(token) == 1 and is_punctuation(token):
                text += token + " "
            elif text and is_cjk_character(text[-1]):
                text += token
            else:
                text += " " + token
        for pattern, tidy in TIDY:
            text = pattern.sub(tidy, text)
        return text.strip()

    def rematch(self, text, tokens):
        """Where in a text its tokens come from.

        Args:
            text: str.
            tokens: what `tokenize(text)` gave, whole or in part.

        Returns:
            One list for each token: the indices of its characters in `text`; empty for special
            tokens. A character that falls apart into several (한 in lower case) is named by each.

        Raises:
            ValueError: a token is not found in the rest of the text.

        Example:
            >>> tokens = ["[UNK]", "[CLS]", "[SEP]", "深", "play", "##ing"]
            >>> tokenizer = Tokenizer({token: i for i, token in enumerate(tokens)}, True)
            >>> tokenizer.rematch("Playing 深", ["[CLS]", "play", "##ing", "深", "[SEP]"])
            [[], [0, 1, 2, 3], [4, 5, 6], [8], []]
        """
        characters = list(self._normal_characters(text))
        owners = [i for i, character in enumerate(characters) for _ in character]
        text, mapping, end = "".join(characters), [], 0
        for position, token in enumerate(tokens):
            if is_special(token) and not self._is_written(token, position, text[end:]):
                mapping.append([])
            else:
                start, end = self._find(token, text, end)
                mapping.append(owners[start:end])
        return mapping

    def _normal_characters(self, text):
        """What tokenizing sees of each character: lower case, without accents, no controls."""
        for index, piece in enumerate(self._split_at_special_tokens(text)):
            if index % 2:
                yield from piece
            elif self._do_lower_case:
                yield from map(_normal, _lower_characters(piece))
            else:
                yield from map(_clean, piece)

    def _is_written(self, token, position, rest):
        """Whether a special token comes from the text, not from `tokenize`."""
        if self._split_special_tokens or (position == 0 and token == self._token_start):
            return False
        return rest.lstrip().startswith(token)

    def _find(self, token, text, start):
        """(start, end) of a token, or of what was translated to it, in the rest of a text."""
        spellings = [stem(token), *self._sources.get(token, ())]
        found = [(text.find(spelling, start), -len(spelling)) for spelling in spellings]
        found = [place for place in found if place[0] >= 0]
        if not found:
            rest = text[start:]
            raise ValueError(
                f"token {token!r} has to be in the rest of its text, which is {rest[:20]!r}...; "
                "rematch takes the text and the tokens that tokenize made of it, in order"
            )
        at, negative_length = min(found)  # the first; of several there the longest
        return at, at - negative_length


def _lower_characters(text):
    """Lower case of each character; two characters for İ, and ς for the Σ that ends a word."""
    lower, start = text.lower(), 0
    for char in text:
        end = start + len(char.lower())
        yield lower[start:end]
        start = end


@lru_cache(maxsize=65536)
def _normal(character):
    """What `lowercase_and_normalize` and cleaning leave of a character: none, one or several."""
    return _clean(lowercase_and_normalize(character))


def _clean(characters):
    """What cleaning leaves of characters: no controls."""
    return "".join(char for char in characters if SPACED[ord(char)])
