"""SentencePiece tokenizer, for ALBERT English, T5, CPM and others."""

from pathlib import Path

from bert4keras.files import atomic_write
from bert4keras.tokenizers.base import TokenizerBase


class SpTokenizer(TokenizerBase):
    """Tokenizer of a SentencePiece model.

    SentencePiece: A simple and language independent subword tokenizer (arXiv 1808.06226). The
    padding and unknown tokens are those of the model.

    Args:
        sp_model_path: path of the `.model` file.
        **kwargs: `token_start`, `token_end`, `pre_tokenize`, `token_translate`,
            `split_special_tokens`, see `TokenizerBase`. Words of `pre_tokenize` are joined by
            spaces; `decode` undoes `token_translate`.

    Raises:
        ValueError: the model lacks the start or the end token; T5 has no `[CLS]` and `[SEP]` and
            wants `token_start=None, token_end="</s>"`.
    """

    def __init__(self, sp_model_path, **kwargs):
        from sentencepiece import SentencePieceProcessor  # here: importing the library stays quick

        super().__init__(**kwargs)
        self._sp_model = SentencePieceProcessor(model_file=str(sp_model_path))
        self._vocab_size = self._sp_model.get_piece_size()
        pad_id = self._sp_model.pad_id()  # -1 for none
        self._token_pad = None if pad_id < 0 else self._sp_model.id_to_piece(pad_id)
        self._token_unk = self._sp_model.id_to_piece(self._sp_model.unk_id())
        self._read_special_tokens(self._find_piece)
        self._token_mask_id = self.token_to_id(self._token_mask)  # unknown, as ever, if not there

    def save(self, folder):
        """Write the model as `spiece.model`."""
        folder = Path(folder)
        folder.mkdir(parents=True, exist_ok=True)
        with atomic_write(folder / "spiece.model", "wb") as file:
            file.write(self._sp_model.serialized_model_proto())

    def _find_piece(self, piece):
        """Id of a piece; None if the model has none such."""
        piece_id = self._sp_model.piece_to_id(piece)
        return piece_id if self._sp_model.id_to_piece(piece_id) == piece else None

    def token_to_id(self, token):
        """Id of a token; that of the unknown token for one outside the vocabulary."""
        return self._sp_model.piece_to_id(token)

    def id_to_token(self, i):
        """Token of an id; empty for an id beyond the vocabulary."""
        return self._sp_model.id_to_piece(int(i)) if i < self._vocab_size else ""

    def _is_special(self, i):
        """Whether an id is a control, unknown or unused piece."""
        model, i = self._sp_model, int(i)
        return model.is_control(i) or model.is_unknown(i) or model.is_unused(i)

    def _is_decodable(self, i):
        """Whether an id stands for text."""
        return i < self._vocab_size and not self._is_special(i)

    def _tokenize(self, text):
        """Pieces of a text, without start and end."""
        if self._pre_tokenize is not None:
            text = " ".join(self._pre_tokenize(text))
        text.encode()  # a lone surrogate raises here; SentencePiece only says it cannot cast
        return self._sp_model.encode_as_pieces(text)

    def decode(self, ids):
        """Text of ids: control ids and those beyond the vocabulary go, unknown ones give ` ⁇ `."""
        tokens = self.ids_to_tokens(ids)
        return self._sp_model.decode_pieces(
            [self._token_translate_inv.get(token, token) for token in tokens]
        )
