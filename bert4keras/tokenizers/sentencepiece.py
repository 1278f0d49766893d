"""SentencePiece tokenizer, for ALBERT English, T5, CPM and others."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from bert4keras.files import StrPath, atomic_write
from bert4keras.tokenizers.base import TokenizerBase, overridable_property


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
        ValueError: the model lacks the start or the end token; T5 has no ``[CLS]`` and ``[SEP]``
            and needs ``token_start=None, token_end="</s>"``.
    """

    def __init__(self, sp_model_path: StrPath, **kwargs: Any) -> None:
        from sentencepiece import SentencePieceProcessor  # here, so that importing stays quick

        super().__init__(**kwargs)
        self._sp_model = SentencePieceProcessor(model_file=str(sp_model_path))
        self._vocab_size = self._sp_model.get_piece_size()
        pad_id = self._sp_model.pad_id()  # -1 for none
        self._token_pad = None if pad_id < 0 else self._sp_model.id_to_piece(pad_id)
        self._token_unk = self._sp_model.id_to_piece(self._sp_model.unk_id())
        self._read_special_tokens(self._find_piece)
        # as in 0.x, the unknown token where the model has no mask token; mask_id is None then
        self._token_mask_id = self.token_to_id(self._token_mask)

    @overridable_property
    def mask_id(self) -> int | None:
        """Id of the mask token; None if the model has none (``_token_mask_id`` is unknown then)."""
        return None if self._token_mask_id == self._token_unk_id else self._token_mask_id

    def save(self, folder: StrPath) -> None:
        """Write the model as ``spiece.model``."""
        folder = Path(folder)
        folder.mkdir(parents=True, exist_ok=True)
        with atomic_write(folder / "spiece.model", "wb") as file:
            file.write(self._sp_model.serialized_model_proto())

    def _find_piece(self, piece: str) -> int | None:
        piece_id = self._sp_model.piece_to_id(piece)
        return piece_id if self._sp_model.id_to_piece(piece_id) == piece else None

    def token_to_id(self, token: str) -> int:
        """Return the id of a token; that of the unknown token for one outside the vocabulary."""
        return self._sp_model.piece_to_id(token)

    def id_to_token(self, i: int) -> str:
        """Return the token of an id; an empty string for an id beyond the vocabulary."""
        return self._sp_model.id_to_piece(int(i)) if i < self._vocab_size else ""

    def _is_special(self, i: int) -> bool:
        model, i = self._sp_model, int(i)
        return model.is_control(i) or model.is_unknown(i) or model.is_unused(i)

    def _is_decodable(self, i: int) -> bool:
        return i < self._vocab_size and not self._is_special(i)

    def _tokenize(self, text: str) -> list[str]:
        """Cut a text into pieces, without start and end."""
        if self._pre_tokenize is not None:
            text = " ".join(self._pre_tokenize(text))
        text.encode()  # names a lone surrogate, which SentencePiece reports as a failed cast
        return self._sp_model.encode_as_pieces(text)

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
