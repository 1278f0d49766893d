"""What all tokenizers share: start and end, truncation, pairs, batches."""

import re

import numpy as np

from bert4keras.text import is_string


class TokenizerBase:
    """Base of the tokenizers: a subclass cuts a text and knows the ids.

    It states `_tokenize(text)`, `token_to_id(token)`, `id_to_token(i)` and `decode(ids)`, and calls
    `_read_special_tokens` when its vocabulary is there. Scripts use `_token_pad`, `_token_unk`,
    `_token_mask`, `_token_start`, `_token_end` and their ids `_token_pad_id`, ... (None where the
    vocabulary has none), and `_vocab_size`.

    Args:
        token_start: token put before every text; None for none.
        token_end: token put after every text; None for none.
        pre_tokenize: function that cuts a text into words, such as `jieba.lcut`.
        token_translate: `{token: token put in its place}`.
        split_special_tokens: whether a special token written in a text (`[MASK]`) is cut like any
            other word, as is right for texts of strangers; False keeps it whole.
    """

    def __init__(
        self,
        token_start="[CLS]",
        token_end="[SEP]",
        pre_tokenize=None,
        token_translate=None,
        split_special_tokens=True,
    ):
        self._token_pad = "[PAD]"
        self._token_unk = "[UNK]"
        self._token_mask = "[MASK]"
        self._token_start = token_start
        self._token_end = token_end
        self._pre_tokenize = pre_tokenize
        self._token_translate = token_translate or {}
        self._token_translate_inv = {new: old for old, new in self._token_translate.items()}
        self._split_special_tokens = split_special_tokens
        self._special_pattern = None

    def _read_special_tokens(self, lookup, others=()):
        """Set `_token_*_id` by `lookup(token)`, which gives None for a token that is not there."""
        special_tokens = set(others)
        for name in ("pad", "unk", "mask", "start", "end"):
            token = getattr(self, f"_token_{name}")
            token_id = None if token is None else lookup(token)
            if token_id is not None:
                special_tokens.add(token)
            elif token is not None and name not in ("pad", "mask"):
                raise ValueError(
                    f"_token_{name}={token!r} has to be in the vocabulary and is in none of its "
                    f"{self._vocab_size} rows; add it (or pass another token_start and token_end, "
                    "None for none)"
                )
            setattr(self, f"_token_{name}_id", token_id)
        if not self._split_special_tokens:
            longest_first = sorted(special_tokens, key=len, reverse=True)
            self._special_pattern = re.compile(f"({'|'.join(map(re.escape, longest_first))})")

    def _tokenize(self, text):
        raise NotImplementedError

    def token_to_id(self, token):
        """Id of a token."""
        raise NotImplementedError

    def id_to_token(self, i):
        """Token of an id."""
        raise NotImplementedError

    def decode(self, ids):
        """Text of ids."""
        raise NotImplementedError

    def tokens_to_ids(self, tokens):
        """Ids of tokens."""
        return [self.token_to_id(token) for token in tokens]

    def ids_to_tokens(self, ids):
        """Tokens of ids."""
        return [self.id_to_token(i) for i in ids]

    def _split_at_special_tokens(self, text):
        """Pieces of a text, those with odd index being the special tokens that stay whole."""
        return self._special_pattern.split(text) if self._special_pattern else [text]

    def tokenize(self, text, maxlen=None):
        """Tokens of a text, between the start and the end token.

        Args:
            text: str.
            maxlen: tokens to keep at most, start and end included; cut before the end token.

        Returns:
            List of str.
        """
        tokens = []
        for index, piece in enumerate(self._split_at_special_tokens(text)):
            tokens.extend([piece] if index % 2 else self._tokenize(piece))
        if self._token_translate:
            tokens = [self._token_translate.get(token, token) for token in tokens]
        if self._token_start is not None:
            tokens.insert(0, self._token_start)
        if self._token_end is not None:
            tokens.append(self._token_end)
        if maxlen is not None:
            (tokens,) = _shorten(maxlen, self._cut_index("right"), tokens)
        return tokens

    def _cut_index(self, truncate_from):
        """Index at which tokens are popped: beside the end token, beside the start, or as given."""
        if truncate_from == "right":
            return -1 if self._token_end is None else -2
        if truncate_from == "left":
            return 0 if self._token_start is None else 1
        if is_string(truncate_from):
            raise ValueError(
                f"truncate_from is 'right', 'left' or the index to cut at, got {truncate_from!r}"
            )
        return truncate_from

    def encode(
        self, first_text, second_text=None, maxlen=None, pattern="S*E*E", truncate_from="right"
    ):
        """Token ids and segment ids of a text or of a pair.

        Args:
            first_text: str, or list of tokens with the start and end that are wanted.
            second_text: the same, or None. Its part is segment 1.
            maxlen: ids to give at most in all; the longer text is cut first. (As ever, a pair
                without start token in pattern 'S*E*E' may have one more.)
            pattern: 'S*E*E' drops the second start token, 'S*ES*E' keeps it.
            truncate_from: 'right' (before the end token), 'left' (after the start token), or the
                index at which tokens are taken out.

        Returns:
            `(token_ids, segment_ids)`, two lists of int of one length, without padding.

        Raises:
            ValueError: `maxlen` leaves no token where `truncate_from` says to cut.
        """
        if pattern not in ("S*E*E", "S*ES*E"):
            raise ValueError(f"pattern is 'S*E*E' or 'S*ES*E', got {pattern!r}")
        one_start = second_text is not None and pattern == "S*E*E"
        texts = [first_text] if second_text is None else [first_text, second_text]
        parts = [self.tokenize(text) if is_string(text) else text for text in texts]
        if maxlen is not None:
            parts = _shorten(maxlen + one_start, self._cut_index(truncate_from), *parts)
        if one_start and self._token_start is not None:
            parts[1] = parts[1][1:]
        token_ids, segment_ids = [], []
        for segment, part in enumerate(parts):
            token_ids += self.tokens_to_ids(part)
            segment_ids += [segment] * len(part)
        return token_ids, segment_ids

    def encode_batch(
        self,
        texts,
        second_texts=None,
        maxlen=None,
        pattern="S*E*E",
        truncate_from="right",
        pad_to=None,
    ):
        """Token ids and segment ids of many texts as arrays, ready for `model.predict`.

        Args:
            texts: B texts, each as `encode` takes it.
            second_texts: B second texts, or None.
            maxlen, pattern, truncate_from: as in `encode`, for every row.
            pad_to: L, the length of the rows; None for that of the longest.

        Returns:
            `(token_ids, segment_ids)`, int32 arrays (B, L). Short rows are filled on the right with
            `_token_pad_id`, segment 0.

        Raises:
            ValueError: no texts, one str for the list, unequal numbers of texts, a row longer than
                `pad_to`, or a vocabulary without padding token.
        """
        rows = [
            self.encode(first, second, maxlen, pattern, truncate_from)
            for first, second in _pairs(texts, second_texts)
        ]
        return self._pad(rows, max(len(ids) for ids, _ in rows), pad_to)

    def _pad(self, rows, longest, pad_to):
        """Rows of (token_ids, segment_ids) as two arrays, filled on the right."""
        length = longest if pad_to is None else pad_to
        if longest > length:
            raise ValueError(
                f"pad_to={pad_to} has to hold the longest row, of {longest} ids; "
                f"pass maxlen={pad_to} to truncate, or a larger pad_to"
            )
        if self._token_pad_id is None:
            raise ValueError(
                f"padding needs the token {self._token_pad!r}, which is in none of the "
                f"{self._vocab_size} rows of the vocabulary; add it, or use encode"
            )
        token_ids = np.full((len(rows), length), self._token_pad_id, "int32")
        segment_ids = np.zeros_like(token_ids)
        for row, (ids, segments) in enumerate(rows):
            token_ids[row, : len(ids)] = ids
            segment_ids[row, : len(ids)] = segments
        return token_ids, segment_ids


def _pairs(texts, second_texts):
    """Pairs (first, second or None), at least one."""
    if is_string(texts) or len(texts) == 0:
        raise ValueError(
            f"encode_batch takes a list of at least one text, got {texts!r}; "
            "use encode for one text, and leave out empty batches"
        )
    if second_texts is None:
        second_texts = [None] * len(texts)
    if len(second_texts) != len(texts):
        raise ValueError(
            f"texts and second_texts are pairs: {len(texts)} and {len(second_texts)} do not match"
        )
    return zip(texts, second_texts, strict=True)


def _shorten(maxlen, index, *token_lists):
    """New lists of `maxlen` tokens in all, popped at `index` from the (first) longest."""
    token_lists = [list(tokens) for tokens in token_lists]
    for _ in range(sum(map(len, token_lists)) - maxlen):
        longest = max(token_lists, key=len)
        if not -len(longest) <= index < len(longest):
            raise ValueError(
                f"maxlen={maxlen} leaves {len(longest)} tokens and none at index {index} to cut; "
                "give a larger maxlen or another truncate_from"
            )
        longest.pop(index)
    return token_lists
