"""Masked language modelling: the tokens that fit best at the masks of a text."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import keras
import numpy as np

from bert4keras.backend import batch_gather, compiles_each_shape
from bert4keras.backend.types import NDArray
from bert4keras.checks import check_integer, check_strings
from bert4keras.data import sequence_padding
from bert4keras.pipelines.base import Pipeline, check_one_text
from bert4keras.pipelines.batching import Batch
from bert4keras.pipelines.program import KerasProgram, check_outputs
from bert4keras.pipelines.text_classifier import check_logits, check_probabilities, to_probabilities
from bert4keras.tokenizers import Encoding


class MaskFiller(Pipeline):
    """Fills the masks of texts, such as ``"[MASK]京是中国的首都"``.

    BERT: Pre-training of Deep Bidirectional Transformers (arXiv:1810.04805).

    Args:
        model: a functional Keras model with the output (B, L, V), a score of each token.
        tokenizer: a tokenizer of ``bert4keras.tokenizers`` with a mask token.
        from_logits: True if the model gives logits, False if it gives probabilities. Default: as
            its last activation says.
        **options: ``maxlen`` and ``truncate`` of ``Pipeline``; there are no windows.

    Records: for a text with one mask a list of ``{"score", "token", "token_str", "sequence"}``, the
    best first, as ``transformers`` has them; for several masks a list of such lists. ``sequence``
    is the text that the tokenizer decodes with this token at the mask.

    Raises:
        ValueError: the tokenizer has no mask token, or the model has another output.

    Example:
        >>> from bert4keras.models import build_transformer_model
        >>> from bert4keras.pipelines import MaskFiller
        >>> from bert4keras.tokenizers import Tokenizer
        >>> words = "[PAD] [UNK] [CLS] [SEP] [MASK] 北 京 东".split()
        >>> tokenizer = Tokenizer({word: i for i, word in enumerate(words)})
        >>> config = dict(vocab_size=8, hidden_size=8, num_hidden_layers=1, num_attention_heads=2,
        ...               intermediate_size=16, hidden_act="gelu")
        >>> fill = MaskFiller(build_transformer_model(config, with_mlm=True), tokenizer)
        >>> len(fill("[MASK]京", top_k=3))
        3
    """

    task = "fill-mask"
    can_use_windows = False

    def __init__(
        self, model: Any, tokenizer: Any, from_logits: bool | None = None, **options: Any
    ) -> None:
        super().__init__(model, tokenizer, **options)
        check_outputs("model", self.model, (None, None, None))
        self.from_logits: bool = check_logits(from_logits, self.model)
        if tokenizer.mask_id is None:
            raise ValueError(
                "Expected tokenizer to have a mask token, got none. Pass the tokenizer that the "
                "model was pretrained with."
            )
        self.mask_token: str = tokenizer.id_to_token(tokenizer.mask_id)
        self.programs["model"] = KerasProgram(_take_positions(self.model))

    def _check_options(
        self, top_k: int = 5, targets: Sequence[str] | None = None
    ) -> dict[str, Any]:
        """Return the options of a call.

        Args:
            top_k: number of tokens for each mask.
            targets: the tokens to choose from; None for all.
        """
        check_integer("top_k", top_k, 1)
        if targets is None:
            return {"top_k": top_k, "ids": None}
        ids = [self._find_target(token) for token in check_strings("targets", targets)]
        return {"top_k": top_k, "ids": np.array(list(dict.fromkeys(ids)))}

    def _find_target(self, token: str) -> int:
        token_id = self.tokenizer.token_to_id(token)
        if self.tokenizer.id_to_token(token_id) != token:
            raise ValueError(
                f"Expected targets to be tokens of the vocabulary, got {token!r}. Pass tokens as "
                "tokenize gives them."
            )
        return token_id

    def _encode(self, item: Any, name: str, options: Mapping[str, Any]) -> list[Encoding]:
        text = check_one_text(name, item)
        if self.mask_token not in text:
            raise ValueError(
                f"Expected {name} to have the mask token {self.mask_token}, got {text[:40]!r}. "
                "Put it where a token is missing."
            )
        token_ids, segment_ids = self.tokenizer.encode(self._split_masks(text))
        if self.maxlen is not None and len(token_ids) > self.maxlen:
            if options["truncate"] is False:
                self._refuse_length(name, len(token_ids))
            token_ids, segment_ids = self.tokenizer.encode(
                self._split_masks(text), maxlen=self.maxlen
            )
            if self.tokenizer.mask_id not in token_ids:
                raise ValueError(
                    f"Expected a mask in the first {self.maxlen} tokens of {name}, got it behind "
                    "them. Shorten the text before the mask."
                )
        return [Encoding(token_ids, segment_ids)]

    def _split_masks(self, text: str) -> Any:
        """Return a text whose masks the tokenizer keeps whole, or its tokens with the masks."""
        count = text.count(self.mask_token)
        if self.tokenizer.encode(text)[0].count(self.tokenizer.mask_id) == count:
            return text
        has_start = self.tokenizer.start_id is not None
        has_end = self.tokenizer.end_id is not None
        parts = [self.tokenizer.tokenize(part) for part in text.split(self.mask_token)]
        tokens = parts[0][:1] if has_start else []
        for number, part in enumerate(parts):
            tokens += [self.mask_token] * (number > 0)
            tokens += part[has_start : len(part) - has_end]
        return tokens + (parts[0][-1:] if has_end else [])

    def _compute(self, batch: Batch, options: Mapping[str, Any]) -> list[NDArray[Any]]:
        """Return the probabilities (masks, V) of each row."""
        places = [self._find_masks(encoding) for encoding in batch.encodings]
        count = max(map(len, places))
        size = 1 << (count - 1).bit_length() if compiles_each_shape else count
        positions = sequence_padding(places, size)
        positions = np.pad(positions, ((0, len(batch.token_ids) - len(places)), (0, 0)))
        inputs = [batch.token_ids, batch.segment_ids][: len(self.model.inputs)]
        (scores,) = self.programs["model"](*inputs, positions.astype("int32"))
        rows = [row[: len(x)] for row, x in zip(scores, places)]
        if self.from_logits:
            return [to_probabilities(row, is_multi_label=False) for row in rows]
        return [check_probabilities(row, is_multi_label=False) for row in rows]

    def _find_masks(self, encoding: Encoding) -> list[int]:
        return [i for i, x in enumerate(encoding.token_ids) if x == self.tokenizer.mask_id]

    def _merge(
        self,
        item: Any,
        encodings: Sequence[Encoding],
        results: Sequence[NDArray[Any]],
        options: Mapping[str, Any],
    ) -> list[Any]:
        (encoding,), (scores,) = encodings, results
        places = self._find_masks(encoding)
        records = [
            [self._make_record(encoding, place, row, i) for i in _find_best(row, **options)]
            for place, row in zip(places, scores)
        ]
        return records if len(records) > 1 else records[0]

    def _make_record(
        self, encoding: Encoding, place: int, scores: NDArray[Any], token_id: int
    ) -> dict[str, Any]:
        ids = [*encoding.token_ids[:place], token_id, *encoding.token_ids[place + 1 :]]
        token = self.tokenizer.id_to_token(token_id)
        if token not in self.tokenizer.special_tokens:
            token = self.tokenizer.decode([token_id])
        return {
            "score": float(scores[token_id]),
            "token": token_id,
            "token_str": token,
            "sequence": self.tokenizer.decode(ids),
        }

    def evaluate(self, samples: Iterable[tuple[str, Any]], **options: Any) -> dict[str, Any]:
        """Compute the share of masks whose best token is the true one, and whose best five have it.

        Args:
            samples: pairs of a text and its true tokens: one for each mask; a token for one mask.
            **options: as for a call.

        Raises:
            ValueError: a text has another number of masks than tokens.
        """
        ranks = []
        samples = list(samples)
        records = self([text for text, _ in samples], top_k=5, **options)
        for number, ((_, tokens), record) in enumerate(zip(samples, records)):
            rows = [record] if isinstance(record[0], dict) else record
            tokens = [tokens] if isinstance(tokens, str) else list(tokens)
            if len(tokens) != len(rows):
                raise ValueError(
                    f"Expected a token for each mask of samples[{number}], got {len(tokens)} for "
                    f"{len(rows)} masks."
                )
            for token, row in zip(tokens, rows):
                ids = [candidate["token"] for candidate in row]
                ranks.append((ids + [self._find_target(token)]).index(self._find_target(token)))
        count = max(len(ranks), 1)
        return {
            "accuracy": sum(rank == 0 for rank in ranks) / count,
            "top_5_accuracy": sum(rank < 5 for rank in ranks) / count,
        }

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "from_logits": self.from_logits}


def _take_positions(model: Any) -> Any:
    """Return a model with a further input of positions (B, K), and the output (B, K, V) at them."""
    positions = keras.Input((None,), dtype="int32", name="Positions")
    return keras.Model([*model.inputs, positions], batch_gather(model.output, positions))


def _find_best(scores: NDArray[Any], top_k: int, ids: Any = None, **_: Any) -> list[int]:
    """Return the ids of the best scores, the best first."""
    candidates = np.arange(len(scores)) if ids is None else ids
    order = np.argsort(-scores[candidates], kind="stable")[:top_k]
    return [int(i) for i in candidates[order]]
