"""Reading comprehension by spans: the start and the end of an answer in a passage."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from bert4keras.backend.types import NDArray
from bert4keras.checks import check_boolean, check_integer, check_number
from bert4keras.data import softmax
from bert4keras.pipelines.program import check_outputs
from bert4keras.pipelines.reading import (
    PassagePipeline,
    Record,
    check_question,
    choose_answers,
    make_answers,
    make_empty_answer,
)
from bert4keras.pipelines.subwords import list_subwords
from bert4keras.tokenizers import Encoding


class Reader(PassagePipeline):
    """Reads answers as spans of a context, as BERT does for SQuAD (arXiv:1810.04805).

    A row is ``[CLS] question [SEP] passage [SEP]``. The score of a span is the probability of its
    start times that of its end, each among ``[CLS]`` and the passage's tokens, as in
    ``transformers``. A long context is read in windows; a span in two of them has the better score.
    Equal texts at different places stay apart, where ``transformers`` 4 adds their scores.

    Args:
        model: a functional Keras model with the output (B, L, 2): logits of start and end.
        tokenizer: a tokenizer of ``bert4keras.tokenizers``.
        max_answer_len: the longest answer in tokens.
        handle_impossible_answer: True lets "no answer", the span at ``[CLS]``, compete. Of several
            windows or passages its smallest score counts.
        threshold: smallest score of an answer; below it there is no answer.
        align_to_words: True widens answers to whole words, as ``transformers`` does.
        **options: ``maxlen``, ``truncate``, ``overlap`` of ``Pipeline``.

    Inputs: ``{"question", "context"}``, ``(question, context)``, or ``{"question", "passages"}``
    with a list of texts. The best answer of each passage then has a vote, see ``reading.vote``.

    Records: ``{"text", "start", "end", "score"}``, with ``"passage"``, its number, where there are
    passages; a list of them with ``top_k`` above 1. No answer is the text "" at 0, with the score
    of the span at ``[CLS]``, and the passage None.

    Raises:
        ValueError: the model has another output.

    Example:
        >>> from bert4keras.models import build_task_model
        >>> from bert4keras.pipelines import Reader
        >>> from bert4keras.tokenizers import Tokenizer
        >>> words = "[PAD] [UNK] [CLS] [SEP] 谁 来 了 李 明".split()
        >>> tokenizer = Tokenizer({word: i for i, word in enumerate(words)})
        >>> config = dict(vocab_size=9, hidden_size=8, num_hidden_layers=1, num_attention_heads=2,
        ...               intermediate_size=16, hidden_act="gelu", model_type="bert")
        >>> read = Reader(build_task_model(config, task="question-answering").model, tokenizer)
        >>> record = read({"question": "谁来了", "context": "李明来了"})
        >>> "李明来了"[record["start"] : record["end"]] == record["text"]
        True
    """

    task = "question-answering"

    def __init__(
        self,
        model: Any,
        tokenizer: Any,
        max_answer_len: int = 15,
        handle_impossible_answer: bool = False,
        threshold: float = 0.0,
        align_to_words: bool = True,
        **options: Any,
    ) -> None:
        super().__init__(model, tokenizer, **options)
        check_outputs("model", self.model, (None, None, 2))
        self.max_answer_len: int = check_integer("max_answer_len", max_answer_len, 1)
        self.handle_impossible_answer: bool = check_boolean(
            "handle_impossible_answer", handle_impossible_answer, "", False
        )
        self.threshold: float = check_number("threshold", threshold, 0, 1)
        self.align_to_words: bool = check_boolean("align_to_words", align_to_words, "", False)

    def _check_options(
        self,
        top_k: int = 1,
        threshold: float | None = None,
        max_answer_len: int | None = None,
        handle_impossible_answer: bool | None = None,
    ) -> dict[str, Any]:
        """Return the options of a call.

        Args:
            top_k: number of answers.
            threshold, max_answer_len, handle_impossible_answer: as for the class; None for its
                setting.
        """
        if max_answer_len is None:
            max_answer_len = self.max_answer_len
        has_empty = self.handle_impossible_answer
        if handle_impossible_answer is not None:
            has_empty = check_boolean(
                "handle_impossible_answer", handle_impossible_answer, "", False
            )
        return {
            **self._check_answer_options(top_k, threshold),
            "max_answer_len": check_integer("max_answer_len", max_answer_len, 1),
            "handle_impossible_answer": has_empty,
        }

    def _merge(
        self,
        item: Any,
        encodings: Sequence[Any],
        results: Sequence[NDArray[Any]],
        options: Mapping[str, Any],
    ) -> Any:
        """Return the record of a question, or a list of records."""
        question = check_question("the question", item)
        spans: list[dict[Any, float]] = [{} for _ in question.passages]
        empty_scores = [1.0] * len(spans)
        for row, logits in zip(encodings, results):
            places, start, end = self._compute_probabilities(row, logits)
            if places[0] == 0:
                empty_scores[row.passage] = min(empty_scores[row.passage], start[0] * end[0])
                places, start, end = places[1:], start[1:], end[1:]
            top_spans = find_top_spans(start, end, options["max_answer_len"], options["top_k"])
            for first, last, score in top_spans:
                span = self._find_characters(row, places[first], places[last])
                if span[0] < span[1]:
                    scores = spans[row.passage]
                    scores[span] = max(score, scores.get(span, 0.0))
        answers: list[list[Record]] = []
        for number, scores in enumerate(spans):
            records = make_answers(question, number, scores)
            if options["handle_impossible_answer"]:
                records.append(make_empty_answer(question, empty_scores[number]))
            answers.append(sorted(records, key=lambda record: -record["score"]))
        return choose_answers(
            question, answers, min(empty_scores), options["top_k"], options["threshold"]
        )

    def _compute_probabilities(
        self, row: Encoding, logits: NDArray[Any]
    ) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any]]:
        """Return the places of [CLS] and of the passage, with probabilities of start and end."""
        is_start = row.token_ids[0] == self.tokenizer.start_id
        texts = [x == 1 for x in row.text_index or ()]
        places = np.flatnonzero([is_start or texts[0], *texts[1:]])
        start, end = softmax(logits[places].astype("float64"), axis=0).T
        return places, start, end

    def _find_characters(self, row: Encoding, first: int, last: int) -> tuple[int, int]:
        """Return the characters of a span of tokens, or of their whole words."""
        assert row.offsets is not None and row.text_index is not None
        if self.align_to_words:
            subwords = list_subwords(self.tokenizer, row)
            while subwords[first] and row.text_index[first - 1] == 1:
                first -= 1
            while row.text_index[last + 1 : last + 2] == [1] and subwords[last + 1]:
                last += 1
        spans = [span for span in row.offsets[first : last + 1] if span is not None]
        return min(start for start, _ in spans), max(end for _, end in spans)

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "max_answer_len": self.max_answer_len,
            "handle_impossible_answer": self.handle_impossible_answer,
            "threshold": self.threshold,
            "align_to_words": self.align_to_words,
        }


def find_top_spans(
    start: NDArray[Any], end: NDArray[Any], max_answer_len: int, top_k: int
) -> list[tuple[int, int, float]]:
    """Return the spans of the greatest scores, the best first, as (first, last, score).

    Args:
        start: (N,) probabilities of the first token.
        end: (N,) probabilities of the last token.
        max_answer_len: the most tokens of a span.
        top_k: number of spans.

    Example:
        >>> import numpy as np
        >>> from bert4keras.pipelines.reader import find_top_spans
        >>> start, end = np.array([0.1, 0.9]), np.array([0.75, 0.25])
        >>> find_top_spans(start, end, 15, 2)
        [(1, 1, 0.225), (0, 0, 0.07500000000000001)]
    """
    count, longest = len(start), min(max_answer_len, len(start))
    ends = np.concatenate([end, np.full(longest, -1.0)])
    scores = start[:, None] * np.lib.stride_tricks.sliding_window_view(ends, longest)[:count]
    flat_scores = scores.ravel()
    top_k = min(top_k, flat_scores.size)
    best = np.argpartition(-flat_scores, top_k - 1)[:top_k]
    best = best[np.lexsort((best, -flat_scores[best]))]
    rows = [(*divmod(int(i), longest), float(flat_scores[i])) for i in best]
    return [
        (first, first + distance, score)
        for first, distance, score in rows
        if first + distance < count
    ]
