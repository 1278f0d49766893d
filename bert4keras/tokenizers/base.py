"""Base class of the tokenizers: special tokens, truncation to ``maxlen``, pairs, batches."""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Generic, Literal, TypeVar

import numpy as np
from numpy.typing import NDArray

from bert4keras.checks import check_callable, check_integer, check_string, check_strings, describe
from bert4keras.files import StrPath
from bert4keras.tokenizers.inputs import check_tokens, list_ids, pair_texts, split_pair
from bert4keras.tokenizers.offsets import Encoding, Span, match_tokens
from bert4keras.tokenizers.tokenizer_config import name_function
from bert4keras.tokenizers.truncation import truncate

_Value = TypeVar("_Value")


class overridable_property(Generic[_Value]):  # noqa: N801  (named as property is)
    """Property that gives way to an attribute of the same name, which scripts of 0.x may set."""

    def __init__(self, read: Callable[[Any], _Value]) -> None:
        self._read, self.__doc__ = read, read.__doc__

    def __get__(self, instance: Any, owner: type | None = None) -> _Value:
        return self._read(instance) if instance is not None else self  # pyright: ignore


class TokenizerBase:
    """Base of the tokenizers: a subclass cuts a text into tokens and knows their ids.

    A subclass defines ``_tokenize(text)``, ``_locate_tokens(text)``, ``token_to_id(token)``,
    ``id_to_token(i)``, ``decode(ids)`` and ``save(folder)``, sets ``_vocab_size``, and calls
    ``_read_special_tokens`` when its vocabulary is loaded. Scripts read and set ``_token_pad``,
    ``_token_unk``, ``_token_mask``, ``_token_start``, ``_token_end`` and their ids
    ``_token_pad_id`` and so on; the properties ``pad_id``, ``unk_id``, ``mask_id``, ``start_id``,
    ``end_id`` and ``vocab_size`` give the present values.

    Args:
        token_start: token put before every text; None for none.
        token_end: token put after every text; None for none.
        pre_tokenize: function that cuts a text into words, such as ``jieba.lcut``.
        token_translate: ``{token: token put in its place}``.
        split_special_tokens: True cuts a special token written in a text (``[MASK]``) like any
            other word, which is safe for untrusted texts: no id of a special token comes from a
            text, unless the token has one character only, or ``token_translate`` makes it. False
            keeps special tokens whole.
    """

    subword_prefix: str | None = None  # of tokens that go on with a word; None: they have none

    _vocab_size: int

    def __init__(
        self,
        token_start: str | None = "[CLS]",
        token_end: str | None = "[SEP]",
        pre_tokenize: Callable[[str], Iterable[str]] | None = None,
        token_translate: Mapping[str, str] | None = None,
        split_special_tokens: bool = True,
    ) -> None:
        for name, token in (("token_start", token_start), ("token_end", token_end)):
            if token is not None:
                check_string(name, token, "Pass None for none.")
        if pre_tokenize is not None:
            check_callable("pre_tokenize", pre_tokenize, "Pass a function such as jieba.lcut.")
        if not isinstance(token_translate, Mapping | None):
            raise TypeError(
                f"Expected token_translate to be a dict, got {describe(token_translate)}. "
                "Pass {token: token put in its place}."
            )
        self._token_pad: str | None = "[PAD]"
        self._token_unk: str = "[UNK]"
        self._token_mask: str = "[MASK]"
        self._token_start = token_start
        self._token_end = token_end
        self._token_pad_id: int | None = None
        self._token_unk_id: Any = None  # an int as soon as there is a vocabulary
        self._token_mask_id: int | None = None
        self._token_start_id: int | None = None
        self._token_end_id: int | None = None
        self._pre_tokenize = pre_tokenize
        self._token_translate = token_translate or {}
        self._token_translate_inv = {new: old for old, new in self._token_translate.items()}
        self._split_special_tokens = split_special_tokens
        self._special_pattern: re.Pattern[str] | None = None
        self._special_tokens: frozenset[str] = frozenset()

    @overridable_property
    def pad_id(self) -> int | None:
        """Id of the padding token; None if the vocabulary has none."""
        return self._token_pad_id

    @overridable_property
    def unk_id(self) -> int | None:
        """Id of the unknown token; None if the tokenizer has none."""
        return self._token_unk_id

    @overridable_property
    def mask_id(self) -> int | None:
        """Id of the mask token; None if the vocabulary has none."""
        return self._token_mask_id

    @overridable_property
    def start_id(self) -> int | None:
        """Id of the token before every text; None if the tokenizer puts none."""
        return self._token_start_id

    @overridable_property
    def end_id(self) -> int | None:
        """Id of the token after every text; None if the tokenizer puts none."""
        return self._token_end_id

    @overridable_property
    def vocab_size(self) -> int:
        """Number of tokens in the vocabulary."""
        return self._vocab_size

    @property
    def special_tokens(self) -> frozenset[str]:
        """Special tokens of the vocabulary, such as ``[CLS]``, which stand for no text."""
        return self._special_tokens

    def _read_special_tokens(self, lookup, extra_tokens=(), path=None):
        """Set each ``_token_*_id`` to ``lookup(token)``, which returns None for an absent token.

        Args:
            lookup: function from a token to its id or None.
            extra_tokens: more special tokens.
            path: file of the vocabulary, for the error.
        """
        special_tokens: set[Any] = set(extra_tokens)
        for name in ("pad", "unk", "mask", "start", "end"):
            token = getattr(self, f"_token_{name}")
            token_id = None if token is None else lookup(token)
            if token_id is not None:
                special_tokens.add(token)
            elif token is not None and name not in ("pad", "mask"):
                file = "" if path is None else f" {path}"
                raise ValueError(
                    f"Expected _token_{name}={token!r} in the vocabulary{file}, got "
                    f"{self._vocab_size} tokens without it. Add it, or pass another token_start "
                    "and token_end (None for none)."
                )
            setattr(self, f"_token_{name}_id", token_id)
        self._special_tokens = frozenset(special_tokens)
        if not self._split_special_tokens:
            self._special_pattern = match_any(special_tokens)

    def _tokenize(self, text: str) -> list[str]:
        raise NotImplementedError

    def _locate_tokens(self, text: str) -> tuple[list[str], list[Span]]:
        """Return what ``_tokenize`` does, with the characters (start, end) of each token."""
        raise NotImplementedError

    def token_to_id(self, token: str) -> int:
        """Return the id of a token."""
        raise NotImplementedError

    def id_to_token(self, i: int) -> str:
        """Return the token of an id."""
        raise NotImplementedError

    def decode(self, ids: Iterable[int]) -> str:
        """Return the text of token ids."""
        raise NotImplementedError

    def encode_prompt(self, text: str, maxlen: int | None = None) -> list[int]:
        """Return the ids of a text that a language model continues: nothing is put after it.

        Args:
            text: a text.
            maxlen: maximum number of ids; a longer text is truncated.
        """
        text = check_string("text", text, "Replace missing values by ''.")
        has_end = self._token_end is not None
        if maxlen is not None:
            maxlen = check_integer("maxlen", maxlen, minimum=0) + has_end
        ids, _ = self.encode(text, maxlen=maxlen)
        return ids[:-1] if has_end else ids

    def decode_continuation(self, prompt_ids: Sequence[int], ids: Sequence[int]) -> str:
        """Return the text of ids that continue a prompt.

        Args:
            prompt_ids: ids of the prompt, as ``encode_prompt`` gives them.
            ids: ids after it.
        """
        return self.decode(ids)

    def complete_text(self, text: str) -> str:
        """Return the part of a decoded text that does not change when further tokens follow.

        An incomplete character at the end decodes to U+FFFD.
        """
        return text.rstrip("\ufffd")

    def tokens_to_ids(self, tokens: Iterable[str]) -> list[int]:
        """Return the ids of tokens."""
        return [self.token_to_id(token) for token in tokens]

    def ids_to_tokens(self, ids: Iterable[int]) -> list[str]:
        """Return the tokens of ids."""
        return [self.id_to_token(i) for i in list_ids(ids)]

    def save(self, folder: StrPath) -> None:
        """Write the files that ``load_tokenizer`` opens again as an equal tokenizer."""
        raise NotImplementedError

    def _list_settings(self) -> dict[str, Any]:
        """Return the settings that ``save`` writes: class, arguments, name of ``pre_tokenize``."""
        return {
            "class": type(self).__name__,
            "token_start": self._token_start,
            "token_end": self._token_end,
            "token_translate": dict(self._token_translate),
            "split_special_tokens": bool(self._split_special_tokens),
            "pre_tokenize": name_function(self._pre_tokenize),
        }

    def _cut_words(self, text: str) -> list[str]:
        """Return the words of ``pre_tokenize``; raise unless they are a list of str."""
        assert self._pre_tokenize is not None
        words: Any = self._pre_tokenize(text)
        return check_strings("pre_tokenize(text)", words, "Return the words of the text.")

    def _split_at_special_tokens(self, text: str) -> list[str]:
        """Split a text at the special tokens that stay whole: these have the odd indices."""
        return self._special_pattern.split(text) if self._special_pattern else [text]

    def tokenize(self, text: str, maxlen: int | None = None) -> list[str]:
        """Cut a text into tokens, between the start and the end token; truncate to ``maxlen``.

        Args:
            text: a text.
            maxlen: maximum number of tokens, start and end included. A longer text is truncated
                before the end token.

        Returns:
            List of tokens.

        Raises:
            TypeError: ``text`` is no str.
        """
        check_string("text", text, "Replace missing values by ''.")
        tokens: list[str] = []
        for index, piece in enumerate(self._split_at_special_tokens(text)):
            tokens.extend([piece] if index % 2 else self._tokenize(piece))
        if self._token_translate:
            tokens = [self._token_translate.get(token, token) for token in tokens]
        if self._token_start is not None:
            tokens.insert(0, self._token_start)
        if self._token_end is not None:
            tokens.append(self._token_end)
        if maxlen is not None:
            check_integer("maxlen", maxlen, minimum=0)
            (tokens,) = truncate([tokens], maxlen, self._truncation_index("right"))
        return tokens

    def _truncation_index(self, truncate_from: Literal["right", "left"] | int) -> int:
        """Return the index to pop tokens at: next to the end or start token, or as given."""
        if truncate_from == "right":
            return -1 if self._token_end is None else -2
        if truncate_from == "left":
            return 0 if self._token_start is None else 1
        if isinstance(truncate_from, str):
            raise ValueError(
                f"Expected truncate_from 'right', 'left' or an index, got {truncate_from!r}. "
                "Pass one of these."
            )
        return check_integer("truncate_from", truncate_from, remedy="Or pass 'right' or 'left'.")

    def encode(
        self,
        first_text: str | Sequence[str],
        second_text: str | Sequence[str] | None = None,
        maxlen: int | None = None,
        pattern: Literal["S*E*E", "S*ES*E"] = "S*E*E",
        truncate_from: Literal["right", "left"] | int = "right",
    ) -> tuple[list[int], list[int]]:
        """Convert a text or a pair of texts to token ids and segment ids; truncate to ``maxlen``.

        Args:
            first_text: a text, or a list of tokens that includes the start and end tokens. A
                tuple of two is a pair: first and second text.
            second_text: a text, a list of tokens, or None. Its part is segment 1.
            maxlen: maximum number of ids, special tokens included. Truncation takes tokens from
                the longer text first. As in 0.x, a ``maxlen`` without room for the start and end
                tokens drops start tokens (``maxlen=1`` leaves the end), and a pair in pattern
                'S*E*E' may have one id more if the tokenizer has no start token.
            pattern: 'S*E*E' drops the second start token, 'S*ES*E' keeps it.
            truncate_from: 'right' (before the end token), 'left' (after the start token), or the
                index at which tokens are removed.

        Returns:
            ``(token_ids, segment_ids)``, two lists of the same length, without padding.

        Raises:
            ValueError: no token is left at ``truncate_from`` before ``maxlen`` is reached.
            TypeError: a text is neither str nor list of str: None, NaN, bytes, ids, a number.
        """
        index = self._check_pair_options(pattern, truncate_from)
        first_text, second_text = split_pair("first_text", first_text, "second_text", second_text)
        parts = [self._to_tokens("first_text", first_text)]
        if second_text is not None:
            parts.append(self._to_tokens("second_text", second_text))
        token_ids, segment_ids = [], []
        for segment, part in enumerate(self._join_parts(parts, maxlen, pattern, index)):
            token_ids += self.tokens_to_ids(part)
            segment_ids += [segment] * len(part)
        return token_ids, segment_ids

    def _check_pair_options(self, pattern: str, truncate_from: Literal["right", "left"] | int):
        """Return the index to truncate at; raise for an unknown pattern."""
        if pattern not in ("S*E*E", "S*ES*E"):
            raise ValueError(
                f"Expected pattern 'S*E*E' or 'S*ES*E', got {pattern!r}. Pass one of these."
            )
        return self._truncation_index(truncate_from)

    def _join_parts(
        self, parts: list[list[_Value]], maxlen: int | None, pattern: str, index: int
    ) -> list[list[_Value]]:
        """Truncate the tokens of one or two texts together; drop a start token they share."""
        shares_start = len(parts) > 1 and pattern == "S*E*E"
        if maxlen is not None:
            maxlen = check_integer("maxlen", maxlen, minimum=0)
            parts = truncate(parts, maxlen + shares_start, index)
        if shares_start and self._token_start is not None:
            parts[1] = parts[1][1:]
        return parts

    def encode_with_offsets(
        self,
        text: str | tuple[str, str],
        second_text: str | None = None,
        maxlen: int | None = None,
        pattern: Literal["S*E*E", "S*ES*E"] = "S*E*E",
        truncate_from: Literal["right", "left"] | int = "right",
    ) -> Encoding:
        """Convert a text or a pair to token ids, with the characters that each token stands for.

        The ids are those of ``encode`` with the same arguments.

        Args:
            text: a text; a tuple of two is a pair.
            second_text: a text or None.
            maxlen: as in ``encode``.
            pattern: as in ``encode``.
            truncate_from: as in ``encode``.

        Returns:
            ``Encoding``: ``token_ids``, ``segment_ids``, ``offsets`` and ``text_index``.

        Raises:
            TypeError: a text is no str.
        """
        index = self._check_pair_options(pattern, truncate_from)
        text, second_text = split_pair("text", text, "second_text", second_text)
        parts = [self._locate_text("text", text)]
        if second_text is not None:
            parts.append(self._locate_text("second_text", second_text))
        token_ids: list[int] = []
        segment_ids: list[int] = []
        offsets: list[Span | None] = []
        for segment, part in enumerate(self._join_parts(parts, maxlen, pattern, index)):
            token_ids += self.tokens_to_ids([token for token, _ in part])
            segment_ids += [segment] * len(part)
            offsets += [span for _, span in part]
        text_index = [None if span is None else i for i, span in zip(segment_ids, offsets)]
        return Encoding(token_ids, segment_ids, offsets, text_index)

    def _locate_text(self, name: str, text: Any) -> list[tuple[str, Span | None]]:
        """Return what ``tokenize`` does, with the characters of each token; None if it is added."""
        check_string(name, text, "Replace missing values by ''.")
        pairs: list[tuple[str, Span | None]] = []
        start = 0
        for index, piece in enumerate(self._split_at_special_tokens(text)):
            if index % 2:
                pairs.append((piece, (start, start + len(piece))))
            elif piece:
                tokens, spans = self._locate_tokens(piece)
                pairs += zip(tokens, ((start + first, start + end) for first, end in spans))
            start += len(piece)
        if self._token_translate:
            pairs = [(self._token_translate.get(token, token), span) for token, span in pairs]
        first = [] if self._token_start is None else [(self._token_start, None)]
        last = [] if self._token_end is None else [(self._token_end, None)]
        return [*first, *pairs, *last]

    def rematch(self, text: str, tokens: Sequence[str]) -> list[list[int]]:
        """Map tokens back to the characters of their text (offsets).

        Args:
            text: a text.
            tokens: what ``tokenize(text)`` returned, all of it or a part.

        Returns:
            One list for each token: the indices of its characters in ``text``; empty for special
            tokens that ``tokenize`` adds.

        Raises:
            ValueError: a token does not come next among those of the text.
        """
        tokens = check_strings("tokens", tokens)
        matched_spans = match_tokens(text, tokens, self._locate_text("text", text))
        return [list(range(*span)) if span else [] for span in matched_spans]

    def _to_tokens(self, name: str, text: Any) -> list[str]:
        tokens = check_tokens(name, text)
        return self.tokenize(tokens) if isinstance(tokens, str) else tokens

    def encode_batch(
        self,
        texts: Iterable[str | Sequence[str]],
        second_texts: Iterable[str | Sequence[str] | None] | None = None,
        maxlen: int | None = None,
        pattern: Literal["S*E*E", "S*ES*E"] = "S*E*E",
        truncate_from: Literal["right", "left"] | int = "right",
        pad_to: int | None = None,
    ) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
        """Convert texts to padded arrays of token ids and segment ids, for ``model.predict``.

        Args:
            texts: B texts, each as ``encode`` takes it; a tuple of two is a pair, as in
                ``transformers``.
            second_texts: B second texts, or None.
            maxlen: maximum number of ids in a row; longer rows are truncated, as in ``encode``.
            pattern: as in ``encode``.
            truncate_from: as in ``encode``.
            pad_to: L, the length of the rows; None for that of the longest.

        Returns:
            ``(token_ids, segment_ids)``, int32 arrays (B, L). Short rows are padded on the right
            with ``pad_id``, segment 0.

        Raises:
            ValueError: no texts, unequal numbers of texts, a row longer than ``pad_to``, or a
                vocabulary without padding token.
            TypeError: one str for the list, or a row that is no text; the message names the row.
        """
        if pad_to is not None:
            check_integer("pad_to", pad_to, minimum=0)
        rows = [
            self.encode(first, second, maxlen, pattern, truncate_from)
            for first, second in pair_texts(texts, second_texts)
        ]
        return self._pad(rows, pad_to)

    def _pad(self, rows, pad_to):
        """Pad rows of (token_ids, segment_ids) on the right, as two arrays."""
        longest = max(len(ids) for ids, _ in rows)
        length = longest if pad_to is None else pad_to
        if longest > length:
            raise ValueError(
                f"Expected rows of at most pad_to={pad_to} ids, got one of {longest}. "
                f"Pass maxlen={pad_to} to truncate, or a larger pad_to."
            )
        if self._token_pad_id is None:
            raise ValueError(
                f"Expected the padding token {self._token_pad!r} in the vocabulary, got "
                f"{self._vocab_size} tokens without it. Add it, or use encode."
            )
        token_ids = np.full((len(rows), length), self._token_pad_id, "int32")
        segment_ids = np.zeros_like(token_ids)
        for row, (ids, segments) in enumerate(rows):
            token_ids[row, : len(ids)] = ids
            segment_ids[row, : len(ids)] = segments
        return token_ids, segment_ids


def match_any(tokens: Iterable[str]) -> re.Pattern[str]:
    """Return a pattern that captures the longest of tokens."""
    longest_first = sorted(tokens, key=len, reverse=True)
    return re.compile(f"({'|'.join(map(re.escape, longest_first))})")
