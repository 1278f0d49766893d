"""SentencePiece tokenizer, for ALBERT English, T5, CPM and others."""

import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from bert4keras.checks import check_string
from bert4keras.files import StrPath, replace_files
from bert4keras.tokenizers.base import TokenizerBase, match_any, overridable_property
from bert4keras.tokenizers.inputs import check_id, check_path
from bert4keras.tokenizers.offsets import Span, cover, find_words
from bert4keras.tokenizers.tokenizer_config import write_tokenizer_config

_SPACE = "▁"  # SentencePiece's sign for white space
_BRACKETED = re.compile(r"\[\w+\]")


class SpTokenizer(TokenizerBase):
    """Tokenizer of a SentencePiece model.

    SentencePiece: A simple and language independent subword tokenizer (arXiv 1808.06226). The
    padding and unknown tokens are those of the model.

    Args:
        sp_model_path: path of the ``.model`` file.
        **kwargs: ``token_start``, ``token_end``, ``pre_tokenize``, ``token_translate``,
            ``split_special_tokens``, see ``TokenizerBase``. Words of ``pre_tokenize`` are joined by
            spaces; ``decode`` undoes ``token_translate``.

    Raises:
        ValueError: the file is no SentencePiece model, or the model lacks the start or the end
            token; T5 has no ``[CLS]`` and ``[SEP]`` and needs
            ``token_start=None, token_end="</s>"``.
        FileNotFoundError: there is no such file.
    """

    def __init__(self, sp_model_path: StrPath, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._sp_model = _load_model(check_path("sp_model_path", sp_model_path))
        self._vocab_size = self._sp_model.get_piece_size()
        pad_id = self._sp_model.pad_id()  # -1 for none
        self._token_pad = None if pad_id < 0 else self._sp_model.id_to_piece(pad_id)
        self._token_unk = self._sp_model.id_to_piece(self._sp_model.unk_id())
        self._read_special_tokens(self._find_piece, path=sp_model_path)
        # as in 0.x, the unknown token where the model has no mask token; mask_id is None then
        self._token_mask_id = self.token_to_id(self._token_mask)
        self._cuts = {piece: self._cut_piece(piece) for piece in self._list_forbidden_pieces()}
        self._blanks: dict[str, bool] = {}  # characters that the model drops or takes as space
        if not self._split_special_tokens:  # SentencePiece keeps user-defined pieces by itself
            split = [piece for piece in self._special_tokens if not self._is_user_defined(piece)]
            self._special_pattern = match_any(split) if split else None

    @overridable_property
    def mask_id(self) -> int | None:
        """Id of the mask token; None if the model has none (``_token_mask_id`` is unknown then)."""
        return None if self._token_mask_id == self._token_unk_id else self._token_mask_id

    def save(self, folder: StrPath) -> None:
        """Write the model as ``spiece.model``, and the settings as ``tokenizer_config.json``.

        ``load_tokenizer`` opens an equal tokenizer. A ``pre_tokenize`` function cannot be stored:
        its name is, and loading needs the function again.
        """
        with replace_files(folder) as part:
            (part / "spiece.model").write_bytes(self._sp_model.serialized_model_proto())
            write_tokenizer_config(part, self._list_settings())

    def _find_piece(self, piece: str) -> int | None:
        piece_id = self._sp_model.piece_to_id(piece)
        return piece_id if self._sp_model.id_to_piece(piece_id) == piece else None

    def token_to_id(self, token: str) -> int:
        """Return the id of a token; that of the unknown token for one outside the vocabulary."""
        return self._sp_model.piece_to_id(check_string("token", token))

    def id_to_token(self, i: int) -> str:
        """Return the token of an id; an empty string for an id beyond the vocabulary."""
        i = i if type(i) is int else check_id(i)
        if i < 0:
            raise ValueError(
                f"Expected an id of 0 or more, got {i}. Remove ids that stand for none."
            )
        return self._sp_model.id_to_piece(i) if i < self._vocab_size else ""

    def _is_special(self, i: int) -> bool:
        model, i = self._sp_model, int(i)
        return model.is_control(i) or model.is_unknown(i) or model.is_unused(i)

    def _is_decodable(self, i: int) -> bool:
        return i < self._vocab_size and not self._is_special(i)

    def _tokenize(self, text: str) -> list[str]:
        """Cut a text into pieces, without start and end."""
        if self._pre_tokenize is not None:
            text = " ".join(self._cut_words(text))
        text.encode()  # names a lone surrogate, which SentencePiece reports as a failed cast
        pieces = self._sp_model.encode_as_pieces(text)
        if self._cuts.keys().isdisjoint(pieces):
            return pieces
        return [part for piece in pieces for part, _ in self._cuts.get(piece, [(piece, 0)])]

    def _locate_tokens(self, text: str) -> tuple[list[str], list[Span]]:
        """Return the pieces of a text, and the characters (start, end) of each.

        White space belongs to no piece, but to one that has nothing else. All pieces of a
        character have its span: its bytes, and what it normalizes to (½ is three characters).
        """
        model_text, sources = self._join_words(text)
        pieces = self._sp_model.encode_as_pieces(model_text)
        tokens: list[str] = []
        spans: list[Span] = []
        for piece, characters in self._align_pieces(pieces, model_text):
            for part, index in self._cuts.get(piece, [(piece, None)]):
                tokens.append(part)
                span = cover(characters) if index is None else characters[index]
                spans.append(self._trim_span(text, (sources[span[0]], sources[span[1]])))
        return tokens, spans

    def _join_words(self, text: str) -> tuple[str, Sequence[int]]:
        """Return the text that the model gets, and for each of its ends the place in ``text``."""
        if self._pre_tokenize is None:
            return text, range(len(text) + 1)
        words = self._cut_words(text)
        sources: list[int] = []
        for start, end in find_words(text, words):
            sources += range(start, end + 1)  # with the space after it
        return " ".join(words), sources or [0]

    def _align_pieces(self, pieces: list[str], text: str) -> Iterator[tuple[str, list[Span]]]:
        """Give each piece with the spans of its characters; a byte has that of its character."""
        normal_text, starts = self._sp_model.normalize(text, with_offsets=True)
        spans = _list_spans(text, normal_text, starts)
        start = byte_count = 0
        for piece in pieces:
            is_byte = self._sp_model.is_byte(self._sp_model.piece_to_id(piece))
            end = start + (1 if is_byte else len(piece))
            yield piece, spans[start:end]
            byte_count += is_byte
            if is_byte and byte_count < len(normal_text[start].encode()):
                continue
            start, byte_count = end, 0

    def _trim_span(self, text: str, span: Span) -> Span:
        """Cut white space and characters that the model drops from both ends of a span."""
        start, end = span
        while start < end and self._is_blank(text[end - 1]):
            end -= 1
        while start < end and self._is_blank(text[start]):
            start += 1
        return (start, end) if start < end else span

    def _is_blank(self, character: str) -> bool:
        """True if nothing but white space remains of a character."""
        if character not in self._blanks:
            self._blanks[character] = not self._sp_model.normalize(character).strip(_SPACE)
        return self._blanks[character]

    def _list_forbidden_pieces(self) -> list[str]:
        """List the pieces that no text may give: control pieces, and special ones to split.

        SentencePiece keeps user-defined pieces of a text whole, such as ``[MASK]``. It returns a
        run of unknown characters as they are, which may be the name of a control piece.
        """
        pieces = map(self._sp_model.id_to_piece, range(self._vocab_size))
        return [piece for i, piece in enumerate(pieces) if self._is_forbidden(i, piece)]

    def _is_forbidden(self, i: int, piece: str) -> bool:
        if len(piece) == 1 or self._is_special(i):
            return len(piece) > 1
        if not self._split_special_tokens:
            return False
        is_bracketed = _BRACKETED.fullmatch(piece) is not None
        return piece in self._special_tokens or (is_bracketed and self._is_user_defined(piece))

    def _is_user_defined(self, piece: str) -> bool:
        """True if SentencePiece keeps a piece of a text whole."""
        score = self._sp_model.get_score(self._sp_model.piece_to_id(piece))
        return score == 0 and piece in self._sp_model.encode_as_pieces(f"{piece}{piece}")

    def _cut_piece(self, piece: str) -> list[tuple[str, int]]:
        """Cut a piece into the pieces of its characters, each with the index of its character."""
        return [
            (part.strip(_SPACE), index)
            for index, character in enumerate(piece)
            for part in self._sp_model.encode_as_pieces(character)
            if part.strip(_SPACE)
        ]

    def decode(self, ids: Iterable[int]) -> str:
        """Return the text of ids.

        Control ids and those beyond the vocabulary are dropped; an unknown id becomes `` ⁇ ``.
        """
        tokens = self.ids_to_tokens(ids)
        return self._sp_model.decode_pieces(
            [self._token_translate_inv.get(token, token) for token in tokens]
        )

    def complete_text(self, text: str) -> str:
        """Return a decoded text without the bytes of an incomplete character at its end."""
        return super().complete_text(text)


def _list_spans(text: str, normal_text: str, starts: Sequence[int]) -> list[Span]:
    """Return the characters (start, end) that each character of the normal text is from.

    Those with one start are from the same characters of the text.
    """
    spans: list[Span] = []
    if starts[:1] == starts[1:2] and normal_text[:1] == _SPACE:
        spans.append((starts[0], starts[0]))  # the model puts this space before a text
    while len(spans) < len(normal_text):
        first = last = len(spans)
        while last < len(normal_text) and starts[last] == starts[first]:
            last += 1
        start, end = starts[first], starts[last]
        if text[start:end] == normal_text[first:last]:
            spans += [(place, place + 1) for place in range(start, end)]
        else:
            spans += [(start, end)] * (last - first)
    return spans


def _load_model(path: str) -> Any:
    """Read a SentencePiece model; every error names the file."""
    from sentencepiece import SentencePieceProcessor  # here, so that importing stays quick

    try:
        proto = Path(path).read_bytes()
    except FileNotFoundError:
        raise FileNotFoundError(
            f"No SentencePiece model at {path}. It is the .model file of the checkpoint."
        ) from None
    try:
        if not proto:
            raise ValueError("an empty file")
        model = SentencePieceProcessor(model_proto=proto)
        model.id_to_piece([0, model.unk_id()])
        return model
    except Exception as error:  # SentencePiece raises RuntimeError, IndexError and others
        raise ValueError(
            f"Expected a SentencePiece model in {path}, got {error}. Pass the .model file of the "
            "checkpoint; a vocab.txt needs Tokenizer."
        ) from None
