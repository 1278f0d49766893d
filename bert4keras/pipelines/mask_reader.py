"""Reading comprehension by a masked language model: masks that become the answer."""

from collections.abc import Mapping, Sequence
from typing import Any

import keras
import numpy as np
from keras import ops

from bert4keras.backend.types import NDArray
from bert4keras.checks import check_integer, check_number
from bert4keras.pipelines.batching import Batch
from bert4keras.pipelines.program import KerasProgram, check_outputs
from bert4keras.pipelines.reading import (
    PassagePipeline,
    check_question,
    choose_answers,
    make_answers,
)
from bert4keras.pipelines.text_classifier import check_logits
from bert4keras.tokenizers import Encoding


class MaskReader(PassagePipeline):
    """Reads answers by filling masks, all at once (https://kexue.fm/archives/7148).

    A row is ``[CLS] [MASK] x n [SEP] question [SEP] passage [SEP]``, all of segment 0. The masks
    become an n-gram of the passage and a [SEP], the most probable token after token.

    Args:
        model: a functional Keras model with the output (B, L, V), a score of each token.
        tokenizer: a tokenizer of ``bert4keras.tokenizers`` with a mask token.
        max_answer_len: number of masks n, as in training.
        threshold: smallest score of an answer; below it there is no answer.
        from_logits: True if the model gives logits, False if it gives probabilities. Default: as
            its last activation says.
        **options: ``maxlen``, ``truncate``, ``overlap`` of ``Pipeline``.

    Inputs and records: those of ``Reader``. The score is the mean probability of the tokens of the
    answer and its [SEP]. Each passage has a vote, see ``reading.vote``; the surest window of a long
    passage votes for it. The score of no answer is the probability of [SEP] at the first mask, the
    smallest of all windows.

    Raises:
        ValueError: the tokenizer has no mask token, or the model has another output.

    Example:
        >>> from bert4keras.models import build_transformer_model
        >>> from bert4keras.pipelines import MaskReader
        >>> from bert4keras.tokenizers import Tokenizer
        >>> words = "[PAD] [UNK] [CLS] [SEP] [MASK] 谁 来 了 李 明".split()
        >>> tokenizer = Tokenizer({word: i for i, word in enumerate(words)})
        >>> config = dict(vocab_size=10, hidden_size=8, num_hidden_layers=1,
        ...               num_attention_heads=2, intermediate_size=16, hidden_act="gelu")
        >>> model = build_transformer_model(config, with_mlm=True)
        >>> read = MaskReader(model, tokenizer, max_answer_len=4)
        >>> sorted(read({"question": "谁来了", "passages": ["李明来了", "来了李明"]}))
        ['end', 'passage', 'score', 'start', 'text']
    """

    task = "masked-question-answering"

    def __init__(
        self,
        model: Any,
        tokenizer: Any,
        max_answer_len: int = 32,
        threshold: float = 0.0,
        from_logits: bool | None = None,
        **options: Any,
    ) -> None:
        super().__init__(model, tokenizer, **options)
        check_outputs("model", self.model, (None, None, None))
        self.max_answer_len: int = check_integer("max_answer_len", max_answer_len, 1)
        self.threshold: float = check_number("threshold", threshold, 0, 1)
        self.from_logits: bool = check_logits(from_logits, self.model)
        if tokenizer.mask_id is None:
            raise ValueError(
                "Expected tokenizer to have a mask token, got none. Pass the tokenizer that the "
                "model was trained with."
            )
        slots = _build_slots(self.model, self.max_answer_len, self.from_logits)
        self.programs["model"] = KerasProgram(slots)

    def _check_options(self, top_k: int = 1, threshold: float | None = None) -> dict[str, Any]:
        """Return the options of a call.

        Args:
            top_k: number of answers.
            threshold: as for the class; None for its setting.
        """
        return self._check_answer_options(top_k, threshold)

    def _encode_pair(self, question: str, passage: str) -> Encoding:
        """Return the row with the masks of the answer and a [SEP] behind the [CLS]."""
        token_ids, _, offsets, text_index = super()._encode_pair(question, passage)
        assert offsets is not None and text_index is not None
        masks = [*[self.tokenizer.mask_id] * self.max_answer_len, self.tokenizer.end_id]
        token_ids = [*token_ids[:1], *masks, *token_ids[1:]]
        blanks: list[Any] = [None] * len(masks)
        return Encoding(
            token_ids,
            [0] * len(token_ids),
            [*offsets[:1], *blanks, *offsets[1:]],
            [*text_index[:1], *blanks, *text_index[1:]],
        )

    def _compute(self, batch: Batch, options: Mapping[str, Any]) -> Sequence[Any]:
        """Return for each row the place of its answer, its score, and that of no answer."""
        (slots,) = self._run("model", batch)
        end_id = self.tokenizer.end_id
        return [
            (*fill_slots(row, encoding, end_id), float(row[0, end_id]))
            for row, encoding in zip(slots, batch.encodings)
        ]

    def _merge(
        self,
        item: Any,
        encodings: Sequence[Any],
        results: Sequence[Any],
        options: Mapping[str, Any],
    ) -> Any:
        """Return the record of a question, or a list of records."""
        question = check_question("the question", item)
        spans: list[dict[Any, float]] = [{} for _ in question.passages]
        for row, (span, score, _) in zip(encodings, results):
            if span is not None:
                scores = spans[row.passage]
                scores[span] = max(score, scores.get(span, 0.0))
        answers = [make_answers(question, i, scores) for i, scores in enumerate(spans)]
        empty_score = min(score for *_, score in results)
        return choose_answers(
            question, answers, empty_score, options["top_k"], options["threshold"]
        )

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "max_answer_len": self.max_answer_len,
            "threshold": self.threshold,
            "from_logits": self.from_logits,
        }


def fill_slots(
    slots: NDArray[Any], row: Encoding, end_id: int
) -> tuple[tuple[int, int] | None, float]:
    """Return the characters of the most probable n-gram of a passage, and the mean probability.

    Args:
        slots: (n, V) probabilities of the tokens of the answer.
        row: the row of ids, whose last text is the passage.
        end_id: token id that ends an answer.

    Returns:
        The characters of its first place, or None for no answer; the score.
    """
    ids, places = np.array(row.token_ids), np.flatnonzero([x == 1 for x in row.text_index or ()])
    starts, scores = places, []
    behind = places[-1] + 1 if len(places) else 0
    for length, slot in enumerate(slots):
        starts_before, starts = starts, starts[starts + length < behind]
        tokens = ids[starts + length]
        best = tokens[np.argmax(slot[tokens])] if len(tokens) else end_id
        scores.append(float(slot[best]))
        if slot[end_id] >= slot[best]:
            scores[-1] = float(slot[end_id])
            starts = starts_before
            break
        starts = starts[tokens == best]
    else:
        length = len(slots)
    score = float(np.mean(scores))
    if not length:
        return None, score
    spans = [x for x in (row.offsets or [])[starts[0] : starts[0] + length] if x is not None]
    start, end = min(x for x, _ in spans), max(x for _, x in spans)
    return ((start, end) if start < end else None), score


def _build_slots(model: Any, count: int, from_logits: bool) -> Any:
    """Return a model of the probabilities (B, n, V) at the masks alone.

    A head of a masked language model is computed for the masks alone.
    """
    places = slice(1, count + 1)
    names = {layer.name for layer in model.layers}
    last_layer = model.output._keras_history.operation.name
    if {"MLM-Norm", "MLM-Bias", "Embedding-Token"} <= names and last_layer.startswith("MLM-"):
        vectors = model.get_layer("MLM-Norm").output[:, places]
        scores = model.get_layer("Embedding-Token")(vectors, mode="dense")
        scores = model.get_layer("MLM-Bias")(scores)
        from_logits = True
    else:
        scores = model.output[:, places]
    if from_logits:
        scores = keras.layers.Softmax(dtype="float32")(scores)
    return keras.Model(model.inputs, ops.cast(scores, "float32"))
