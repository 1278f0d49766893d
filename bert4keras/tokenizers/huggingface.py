"""Tokenizer of a ``tokenizer.json``, by the library ``tokenizers`` of Hugging Face."""

import re
from collections.abc import Iterable, Mapping, Sequence
from os.path import commonprefix
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from bert4keras.checks import check_integer, check_string, describe
from bert4keras.files import StrPath, replace_files
from bert4keras.tokenizers.base import TokenizerBase
from bert4keras.tokenizers.chat_template import render_chat
from bert4keras.tokenizers.huggingface_config import (
    apply_config,
    find_unknown_token,
    list_templates,
    read_tokenizer,
)
from bert4keras.tokenizers.inputs import check_id, check_tokens, list_ids, pair_texts, split_pair
from bert4keras.tokenizers.offsets import Encoding, Span
from bert4keras.tokenizers.post_processor import (
    count_special_tokens,
    fill_template,
    read_templates,
    split_template,
)
from bert4keras.tokenizers.tokenizer_config import write_tokenizer_config
from bert4keras.tokenizers.truncation import truncate

_BYTE = re.compile("<0x([0-9A-F]{2})>")
_CONTEXT = 16  # tokens before a continuation that decide about its first space


class HuggingFaceTokenizer(TokenizerBase):
    """Tokenizer of a ``tokenizer.json``: BPE on bytes or characters, Unigram, WordPiece.

    Ids and offsets are those of ``transformers``. The post-processor of the file decides which
    special tokens are put around a text or a pair, and the segment ids. As in ``transformers``, a
    special token that a text has stays whole, unless ``config`` has ``split_special_tokens``.

    Args:
        tokenizer: path of the file, or a tokenizer of the library ``tokenizers``.
        config: settings of ``tokenizer_config.json``, such as ``{"eos_token": "</s>"}``.
            ``load_tokenizer`` reads them from the folder. Segment ids are 0 if its
            ``model_input_names`` lack "token_type_ids".

    ``start_id`` is the special token that the file puts first, or None. ``end_id`` is the one that
    it puts last; if it puts none, ``eos_token``, at which generation ends.

    Raises:
        ValueError: the file is damaged, too large or of an unknown type; a setting would change
            ids and is not supported.
        FileNotFoundError: there is no such file.

    Example:
        >>> from tokenizers import Tokenizer, decoders, models, pre_tokenizers
        >>> vocabulary = {"a": 0, "b": 1, "Ġ": 2, "Ġa": 3, "<|end|>": 4}
        >>> model = Tokenizer(models.BPE(vocabulary, [("Ġ", "a")]))
        >>> model.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
        >>> model.decoder = decoders.ByteLevel()
        >>> tokenizer = HuggingFaceTokenizer(model, {"eos_token": "<|end|>"})
        >>> tokenizer.encode("ab a"), tokenizer.decode([0, 1, 3, 4]), tokenizer.end_id
        (([0, 1, 3], [0, 0, 0]), 'ab a', 4)
        >>> tokenizer.encode_with_offsets("ab a").offsets
        [(0, 1), (1, 2), (2, 4)]
    """

    def __init__(self, tokenizer: StrPath | Any, config: Mapping[str, Any] | None = None) -> None:
        if not isinstance(config, Mapping | None):
            raise TypeError(
                f"Expected config to be a dict of settings, got {describe(config)}. Pass those of "
                "tokenizer_config.json."
            )
        self._config: dict[str, Any] = dict(config or {})
        self._tokenizer: Any = read_tokenizer(tokenizer)
        self._named_tokens: dict[str, str] = apply_config(self._tokenizer, self._config)
        self._single, self._pair = read_templates(self._tokenizer.post_processor)
        before, after = split_template(self._single)
        find_token = self._tokenizer.id_to_token
        super().__init__(
            token_start=find_token(before[0]) if before else None,
            token_end=find_token(after[-1]) if after else self._named_tokens.get("eos_token"),
            split_special_tokens=bool(self._tokenizer.encode_special_tokens),
        )
        prefix = getattr(self._tokenizer.model, "continuing_subword_prefix", None)
        self.subword_prefix: str | None = prefix or None
        input_names = self._config.get("model_input_names") or ["token_type_ids"]
        self._has_segments = "token_type_ids" in input_names
        self._vocab_size = max(self._tokenizer.get_vocab().values(), default=-1) + 1
        self._token_pad = self._named_tokens.get("pad_token", "[PAD]")
        self._token_mask = self._named_tokens.get("mask_token", "[MASK]")
        unknown_token = self._named_tokens.get("unk_token")
        self._token_unk = unknown_token or find_unknown_token(self._tokenizer) or ""
        self._token_pad_id = self._find_named("pad_token")
        self._token_mask_id = self._find_named("mask_token")
        self._token_unk_id = self._tokenizer.token_to_id(self._token_unk)
        self._token_start_id = before[0] if before else None
        self._token_end_id = after[-1] if after else self._find_named("eos_token")
        added_tokens = self._tokenizer.get_added_tokens_decoder().values()
        self._special_tokens = frozenset(x.content for x in added_tokens if x.special)

    def _find_named(self, key: str) -> int | None:
        token = self._named_tokens.get(key)
        return None if token is None else self._tokenizer.token_to_id(token)

    def save(self, folder: StrPath) -> None:
        """Write ``tokenizer.json`` and ``tokenizer_config.json``, which ``transformers`` reads too.

        ``load_tokenizer`` opens an equal tokenizer.
        """
        with replace_files(folder) as part:
            self._tokenizer.save(str(part / "tokenizer.json"))
            write_tokenizer_config(part, {"class": type(self).__name__}, **self._config)

    # Tokens and ids

    def token_to_id(self, token: str) -> int:
        """Return the id of a token; that of the unknown token for one outside the vocabulary.

        Raises:
            ValueError: the vocabulary has neither.
        """
        token_id = self._tokenizer.token_to_id(check_string("token", token))
        token_id = self._token_unk_id if token_id is None else token_id
        if token_id is None:
            raise ValueError(
                f"Expected a token of the vocabulary, got {token!r}, and there is no unknown "
                "token. Use encode for a text."
            )
        return token_id

    def id_to_token(self, i: int) -> str:
        """Return the token of an id; an empty string for an id without one."""
        i = i if type(i) is int else check_id(i)
        if i < 0:
            raise ValueError(
                f"Expected an id of 0 or more, got {i}. Remove ids that stand for none."
            )
        return (self._tokenizer.id_to_token(i) if i < 1 << 32 else None) or ""

    def _encode_text(self, text: str) -> Any:
        """Return the encoding of ``tokenizers``, without the tokens of the post-processor."""
        try:
            return self._tokenizer.encode(text, add_special_tokens=False)
        except Exception as error:
            text.encode()  # names a lone surrogate
            raise ValueError(
                f"Expected a tokenizer.json that can encode any text, got the error: {error}. Save "
                "it with its unknown token."
            ) from error

    def _locate_text(self, name: str, text: Any) -> list[tuple[str, Span | None]]:
        encoding = self._encode_text(check_string(name, text, "Replace missing values by ''."))
        pairs = list(zip(encoding.tokens, encoding.offsets))
        special = self._tokenizer.id_to_token
        triples = fill_template(self._single, [pairs], lambda i: (special(i), None))
        return [pair for pair, _, _ in triples]

    def tokenize(self, text: str, maxlen: int | None = None) -> list[str]:
        """Cut a text into tokens, between the special tokens of the file; truncate to ``maxlen``.

        Args:
            text: a text.
            maxlen: maximum number of tokens, special tokens included.

        Returns:
            List of tokens, as the vocabulary has them: those of byte-level BPE are bytes in
            printable characters.

        Raises:
            TypeError: ``text`` is no str.
        """
        text = check_string("text", text, "Replace missing values by ''.")
        tokens, special = self._encode_text(text).tokens, self._tokenizer.id_to_token
        return [token for token, _, _ in self._fill([tokens], maxlen, -1, special)]

    # Encoding

    def encode(
        self,
        first_text: str | Sequence[str],
        second_text: str | Sequence[str] | None = None,
        maxlen: int | None = None,
        pattern: Literal["S*E*E", "S*ES*E"] | None = None,
        truncate_from: Literal["right", "left"] | int = "right",
    ) -> tuple[list[int], list[int]]:
        """Convert a text or a pair of texts to token ids and segment ids; truncate to ``maxlen``.

        Args:
            first_text: a text, or a list of tokens, with or without the special tokens around it. A
                tuple of two is a pair: first and second text.
            second_text: a text, a list of tokens, or None.
            maxlen: maximum number of ids, special tokens included. Truncation takes tokens from
                the longer text first.
            pattern: None: the file has the pattern of a pair.
            truncate_from: 'right' or 'left', the end of each text where tokens are removed.

        Returns:
            ``(token_ids, segment_ids)``, two lists of the same length, without padding.

        Raises:
            ValueError: ``maxlen`` has no room for the special tokens; a pattern is given.
            TypeError: a text is neither str nor list of str: None, NaN, bytes, ids, a number.
        """
        index = self._check_options(pattern, truncate_from)
        first_text, second_text = split_pair("first_text", first_text, "second_text", second_text)
        parts = [self._list_ids("first_text", first_text)]
        if second_text is not None:
            parts.append(self._list_ids("second_text", second_text))
        return self._join_ids(parts, maxlen, index)

    def _list_ids(self, name: str, text: Any) -> list[int]:
        """Return the ids of a text or of tokens, without the special tokens of the file."""
        tokens = check_tokens(name, text)
        if isinstance(tokens, str):
            return self._encode_text(tokens).ids
        ids = self.tokens_to_ids(tokens)
        before, after = split_template(self._single)
        if len(ids) >= len(before) + len(after) and ids[: len(before)] == before:
            end = len(ids) - len(after)
            return ids[len(before) : end] if ids[end:] == after else ids
        return ids

    def _check_options(self, pattern: Any, truncate_from: Any) -> int:
        """Return the index to truncate at; raise for what the file decides."""
        if pattern is not None:
            raise ValueError(
                f"Expected pattern None, as tokenizer.json has the pattern of a pair, got "
                f"{pattern!r}. Remove it."
            )
        if truncate_from not in ("right", "left"):
            raise ValueError(
                f"Expected truncate_from 'right' or 'left', got {truncate_from!r}. Pass one."
            )
        return -1 if truncate_from == "right" else 0

    def _fill(self, parts: list[list[Any]], maxlen: int | None, index: int, special: Any):
        """Truncate the tokens of one or two texts together; put the special tokens around them."""
        template = self._single if len(parts) == 1 else self._pair
        if maxlen is not None:
            count = count_special_tokens(template)
            remedy = f"The file puts {count} special tokens around the text; pass a larger maxlen."
            maxlen = check_integer("maxlen", maxlen, minimum=count, remedy=remedy)
            parts = truncate(parts, maxlen - count, index)
        triples = fill_template(template, parts, special)
        if self._has_segments:
            return triples
        return [(token, 0, text_index) for token, _, text_index in triples]

    def _join_ids(self, parts, maxlen, index):
        triples = list(self._fill(parts, maxlen, index, lambda i: i))
        return [token_id for token_id, _, _ in triples], [segment for _, segment, _ in triples]

    def encode_with_offsets(
        self,
        text: str | tuple[str, str],
        second_text: str | None = None,
        maxlen: int | None = None,
        pattern: Literal["S*E*E", "S*ES*E"] | None = None,
        truncate_from: Literal["right", "left"] | int = "right",
    ) -> Encoding:
        """Convert a text or a pair to token ids, with the characters that each token stands for.

        The ids are those of ``encode`` with the same arguments. The file decides whether the space
        before a word belongs to its token, as in ``transformers``.

        Args:
            text: a text; a tuple of two is a pair.
            second_text: a text or None.
            maxlen: as in ``encode``.
            pattern: as in ``encode``.
            truncate_from: as in ``encode``.

        Returns:
            ``Encoding``: ``token_ids``, ``segment_ids``, ``offsets`` and ``text_index``.
        """
        index = self._check_options(pattern, truncate_from)
        text, second_text = split_pair("text", text, "second_text", second_text)
        names = [("text", text)] + [("second_text", second_text)] * (second_text is not None)
        parts = []
        for name, value in names:
            encoding = self._encode_text(check_string(name, value, "Replace missing values by ''."))
            parts.append(list(zip(encoding.ids, encoding.offsets)))
        rows = list(self._fill(parts, maxlen, index, lambda i: (i, None)))
        return Encoding(
            token_ids=[token_id for (token_id, _), _, _ in rows],
            segment_ids=[segment for _, segment, _ in rows],
            offsets=[span for (_, span), _, _ in rows],
            text_index=[text_index for _, _, text_index in rows],
        )

    def encode_batch(
        self,
        texts: Iterable[str | Sequence[str]],
        second_texts: Iterable[str | Sequence[str] | None] | None = None,
        maxlen: int | None = None,
        pattern: Literal["S*E*E", "S*ES*E"] | None = None,
        truncate_from: Literal["right", "left"] | int = "right",
        pad_to: int | None = None,
    ) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
        """Convert texts to padded arrays of token ids and segment ids, for ``model.predict``.

        Args:
            texts: B texts, each as ``encode`` takes it.
            second_texts: B second texts, or None.
            maxlen: maximum number of ids in a row; longer rows are truncated, as in ``encode``.
            pattern: as in ``encode``.
            truncate_from: as in ``encode``.
            pad_to: L, the length of the rows; None for that of the longest.

        Returns:
            ``(token_ids, segment_ids)``, int32 arrays (B, L), padded on the right with ``pad_id``.

        Raises:
            ValueError: no texts, unequal numbers of texts, a row longer than ``pad_to``, or a
                tokenizer without padding token.
            TypeError: one str for the list, or a row that is no text; the message names the row.
        """
        index = self._check_options(pattern, truncate_from)
        if pad_to is not None:
            check_integer("pad_to", pad_to, minimum=0)
        pairs = pair_texts(texts, second_texts)
        strings = list(dict.fromkeys(x for pair in pairs for x in pair if isinstance(x, str)))
        for string in strings:
            string.encode()
        encodings = self._tokenizer.encode_batch_fast(strings, add_special_tokens=False)
        ids = {string: encoding.ids for string, encoding in zip(strings, encodings)}
        rows = []
        for pair in pairs:
            parts = [
                ids[x] if isinstance(x, str) else self._list_ids("texts", x)
                for x in pair
                if x is not None
            ]
            rows.append(self._join_ids(parts, maxlen, index))
        return self._pad(rows, pad_to)

    def encode_prompt(self, text: str, maxlen: int | None = None) -> list[int]:
        """Return the ids of a text that a language model continues: nothing is put after it.

        Args:
            text: a text.
            maxlen: maximum number of ids; a longer text is truncated.
        """
        text = check_string("text", text, "Replace missing values by ''.")
        count = len(split_template(self._single)[1])
        if maxlen is not None:
            maxlen = check_integer("maxlen", maxlen, minimum=0) + count
        ids, _ = self.encode(text, maxlen=maxlen)
        return ids[: len(ids) - count]

    # Decoding

    def decode(self, ids: Iterable[int]) -> str:
        """Return the text of ids.

        Special tokens and ids beyond the vocabulary are dropped. Bytes that are no character
        become U+FFFD.
        """
        ids = [i if type(i) is int else check_id(i) for i in list_ids(ids)]
        tokens = [self.id_to_token(i) for i in ids]
        if self._tokenizer.decoder is None or not any(map(_BYTE.fullmatch, tokens)):
            return self._tokenizer.decode([i for i in ids if i < 1 << 32])
        tokens = [token for token in tokens if token and token not in self._special_tokens]
        return self._tokenizer.decoder.decode(_join_bytes(tokens))

    def decode_continuation(self, prompt_ids: Sequence[int], ids: Sequence[int]) -> str:
        """Return the text of ids that continue a prompt, with the space before the first word."""
        context = list(prompt_ids)[-_CONTEXT:]
        text_before, text = self.decode(context), self.decode([*context, *ids])
        return text[len(commonprefix([text_before, text])) :]

    def complete_text(self, text: str) -> str:
        """Return a decoded text without the bytes of an incomplete character at its end."""
        return super().complete_text(text)

    # Chats

    def apply_chat_template(
        self,
        messages: Sequence[Mapping[str, Any]],
        add_generation_prompt: bool = False,
        tools: Sequence[Mapping[str, Any]] | None = None,
        documents: Sequence[Mapping[str, Any]] | None = None,
        chat_template: str | None = None,
        **variables: Any,
    ) -> str:
        """Return the text of a chat, as the chat template of the folder makes it.

        The text equals that of ``transformers``. It has its special tokens, so ``encode_chat``
        gives its ids: ``encode`` would put them there twice.

        Args:
            messages: dicts with ``role`` and ``content``.
            add_generation_prompt: True ends the text where the model answers.
            tools: JSON schemas of functions that the model may call.
            documents: dicts with ``title`` and ``text``.
            chat_template: a Jinja template, or the name of one of the folder's; None for its own.
            **variables: further variables of the template, such as ``enable_thinking=False``.

        Raises:
            ValueError: there is no template, it has an error, or it refuses the messages.
            TypeError: ``messages`` are no dicts, or values are no plain data.

        Example:
            >>> from tokenizers import Tokenizer, models
            >>> template = "{% for m in messages %}{{ m.role }}: {{ m.content }}\\n{% endfor %}"
            >>> tokenizer = HuggingFaceTokenizer(
            ...     Tokenizer(models.BPE({"a": 0}, [])), {"chat_template": template}
            ... )
            >>> tokenizer.apply_chat_template([{"role": "user", "content": "你好"}])
            'user: 你好\\n'
        """
        templates = list_templates(self._config)
        name = chat_template or ("tool_use" if tools and "tool_use" in templates else "default")
        template = templates.get(name, chat_template)
        if template is None:
            raise ValueError(
                f"Expected a chat template {name!r} in the folder of the tokenizer, got "
                f"{', '.join(templates) or 'none'}. Pass chat_template."
            )
        variables = {key: self._named_tokens[key] for key in self._named_tokens} | variables
        variables |= {"tools": None if tools is None else list(tools)}
        variables |= {"documents": None if documents is None else list(documents)}
        variables |= {"add_generation_prompt": add_generation_prompt}
        return render_chat(template, messages, variables)

    def encode_chat(self, messages: Sequence[Mapping[str, Any]], **options: Any) -> list[int]:
        """Return the ids of a chat, for ``TextGenerator``.

        Args:
            messages: as for ``apply_chat_template``.
            **options: as for ``apply_chat_template``; ``add_generation_prompt`` is True by default.
        """
        text = self.apply_chat_template(messages, **{"add_generation_prompt": True, **options})
        return self._encode_text(text).ids


def _join_bytes(tokens: Sequence[str]) -> list[str]:
    """Replace each run of byte tokens by its text; invalid bytes alone become U+FFFD."""
    texts: list[str] = []
    run = bytearray()
    for token in [*tokens, ""]:
        match = _BYTE.fullmatch(token)
        if match:
            run.append(int(match[1], 16))
            continue
        if run:
            texts.append(run.decode(errors="replace"))
            run = bytearray()
        texts.append(token)
    return texts[:-1]
