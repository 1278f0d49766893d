"""Reading comprehension by sequence to sequence: answers that are written from the passages."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
from keras import ops

from bert4keras.backend.types import Tensor
from bert4keras.checks import check_boolean, check_integer, check_number
from bert4keras.generation import TextGenerator
from bert4keras.pipelines.base import Truncate
from bert4keras.pipelines.batching import check_stream, make_bar, split_chunks
from bert4keras.pipelines.program import check_model, find_max_positions
from bert4keras.pipelines.reading import (
    Question,
    ReadingPipeline,
    Record,
    check_question,
    cut_passage,
    make_answers,
    make_empty_answer,
)
from bert4keras.tokenizers import Encoding

_SMALLEST = 1e-30  # a probability whose logarithm is finite


class _Prompts(NamedTuple):
    """A question, the rows (passage, part of it) that it is asked with, and their ids."""

    question: Question
    rows: list[tuple[int, Encoding]]
    ids: list[list[int]]


class SequenceReader(ReadingPipeline):
    """Writes answers with a UniLM, from the passages' own n-grams (https://kexue.fm/archives/7115).

    A prompt is ``[CLS] passage [SEP] question [SEP]``. A beam search writes one answer for all
    passages of a question: each token that can follow has the votes sum p² / (sum p + 1), in
    proportion. A passage whose first token is [SEP] has no vote.

    Args:
        model: a functional Keras model for ``TextGenerator``, such as a UniLM.
        tokenizer: a tokenizer of ``bert4keras.tokenizers``.
        max_answer_len: the longest answer in tokens, with its [SEP].
        num_beams: beams of the search.
        threshold: smallest score of an answer; below it there is no answer.
        maxlen: the longest prompt with its answer, in tokens. Default: the model's positions.
        truncate: for longer passages: True cuts them, "windows" reads them in windows that overlap
            and vote, False raises an error.
        overlap: tokens that two windows have in common. Default: a quarter of ``maxlen``.

    Inputs and records: those of ``Reader``. The score is the product of the shares of votes of the
    tokens and the [SEP]. A record has the first place of the answer in a passage that votes. The
    score of no answer is the probability of [SEP] as the first token, the smallest of all passages.

    Raises:
        ValueError: the tokenizer has no [CLS] or [SEP], or the model has an encoder.

    Example:
        >>> from bert4keras.models import build_transformer_model
        >>> from bert4keras.pipelines import SequenceReader
        >>> from bert4keras.tokenizers import Tokenizer
        >>> words = "[PAD] [UNK] [CLS] [SEP] 谁 来 了 李 明".split()
        >>> tokenizer = Tokenizer({word: i for i, word in enumerate(words)})
        >>> config = dict(vocab_size=9, hidden_size=8, num_hidden_layers=1, num_attention_heads=2,
        ...               intermediate_size=16, hidden_act="gelu")
        >>> model = build_transformer_model(config, application="unilm")
        >>> read = SequenceReader(model, tokenizer, max_answer_len=4)
        >>> sorted(read({"question": "谁来了", "passages": ["李明来了", "来了李明"]}))
        ['end', 'passage', 'score', 'start', 'text']
    """

    task = "generative-question-answering"

    def __init__(
        self,
        model: Any,
        tokenizer: Any,
        max_answer_len: int = 32,
        num_beams: int = 2,
        threshold: float = 0.0,
        maxlen: int | None = None,
        truncate: Truncate = False,
        overlap: int | None = None,
    ) -> None:
        self.model: Any = check_model("model", model)
        self.tokenizer: Any = tokenizer
        if tokenizer.start_id is None or tokenizer.end_id is None:
            raise ValueError(
                "Expected tokenizer to have a start and an end token, got none. Pass the "
                "tokenizer that the model was trained with."
            )
        self.max_answer_len: int = check_integer("max_answer_len", max_answer_len, 2)
        self.num_beams: int = check_integer("num_beams", num_beams, 1)
        self.threshold: float = check_number("threshold", threshold, 0, 1)
        limit = find_max_positions(self.model)
        self.maxlen: int | None = limit
        if maxlen is not None:
            self.maxlen = check_integer("maxlen", maxlen, 1, limit, "It is at most the positions.")
        self.truncate: Truncate = _check_truncate(truncate)
        self.overlap: int = check_integer(
            "overlap", (self.maxlen or 0) // 4 if overlap is None else overlap, 0
        )
        self.generator = TextGenerator(self.model, tokenizer)
        if self.generator.cached_model.has_encoder:
            raise ValueError(
                "Expected model to read and write in one row, as a UniLM, got one with an encoder. "
                "Pass a UniLM."
            )
        self._votes: dict[int, Any] = {}

    def stream(
        self,
        texts: Iterable[Any],
        batch_size: int = 32,
        buffer_size: int = 256,
        progress: bool | None = None,
        truncate: Truncate | None = None,
        **options: Any,
    ) -> Iterator[Any]:
        """Iterate over the answers to questions, in their order.

        Args:
            texts: an iterable of questions with what to read.
            batch_size: number of prompts that are decoded together: one for each passage or
                window; those of a question are never apart.
            buffer_size: number of questions that are sorted by length.
            progress: True shows a progress bar, False none; None shows it on a terminal when the
                work takes a while.
            truncate: as for the class; None for its setting.
            **options: ``top_k``, the number of answers, ``num_beams`` at most; ``threshold``, as
                for the class.

        Raises:
            TypeError: a text is no str: None, NaN, a number.
            ValueError: a text is empty, a question leaves no room for the passage, or a passage is
                too long with ``truncate=False``.
        """
        check_stream(texts, batch_size=batch_size, buffer_size=buffer_size)
        options = self._check_options(**options)
        mode = self.truncate if truncate is None else _check_truncate(truncate)
        return self._stream(texts, batch_size, buffer_size, progress, mode, options)

    def _check_options(self, top_k: int = 1, threshold: float | None = None) -> dict[str, Any]:
        check_integer("top_k", top_k, 1, self.num_beams, "It is at most num_beams.")
        return self._check_answer_options(top_k, threshold)

    def _stream(self, texts, batch_size, buffer_size, progress, truncate, options):
        total = len(texts) if hasattr(texts, "__len__") else None
        count = 0
        with make_bar(progress, total) as bar:
            for chunk in split_chunks(texts, buffer_size):
                names = [f"texts[{count + i}]" for i in range(len(chunk))]
                items = [self._encode(x, name, truncate) for x, name in zip(chunk, names)]
                records: list[Any] = [None] * len(items)
                for indices in _pack_prompts(items, batch_size):
                    answers = self._answer([items[i] for i in indices], options)
                    for i, record in zip(indices, answers, strict=True):
                        records[i] = record
                    bar.update(len(indices))
                yield from records
                count += len(chunk)

    def _encode(self, item: Any, name: str, truncate: Truncate) -> _Prompts:
        """Return the prompts of a question: one for each passage or window."""
        question = check_question(name, item)
        question_ids = self.tokenizer.encode(question.text)[0][1:]
        room = self.maxlen
        if room is not None:
            room -= len(question_ids) + self.max_answer_len
            if room < 3:
                raise ValueError(
                    f"Expected the question of {name} to leave room for the passage, got "
                    f"{len(question_ids)} tokens and {self.max_answer_len} of the answer in rows "
                    f"of {self.maxlen}. Shorten the question."
                )
        rows: list[tuple[int, Encoding]] = []
        for number, passage in enumerate(question.passages):
            encoding = self.tokenizer.encode_with_offsets(passage)
            windows = cut_passage(name, encoding, room, self.overlap, truncate)
            rows += [(number, window) for window in windows]
        ids = [[*row.token_ids, *question_ids] for _, row in rows]
        return _Prompts(question, rows, ids)

    def _answer(self, items: Sequence[_Prompts], options: dict[str, Any]) -> list[Any]:
        """Return the answers to some questions, decoded together."""
        end_id = self.tokenizer.end_id
        prompts = [ids for item in items for ids in item.ids]
        output = self.generator.generate(prompts, batch_size=len(prompts), max_new_tokens=1)
        first = iter(zip(output.tokens, output.scores))
        voters, empty_scores = [], []
        for item in items:
            results = [next(first) for _ in item.ids]
            voters.append([i for i, ((ids,), _) in enumerate(results) if ids != [end_id]])
            scores = [float(np.exp(s)) for ((ids,), (s,)) in results if ids == [end_id]]
            empty_scores.append(min(scores) if not voters[-1] else 0.0)
        searches = [
            _Search(item.question, [item.rows[i] for i in x], [item.ids[i] for i in x])
            for item, x in zip(items, voters)
        ]
        found_rows = iter(self._write([search for search in searches if search.rows]))
        return [
            _choose(
                search.question,
                search.make_records(next(found_rows), end_id) if search.rows else [],
                empty_score,
                **options,
            )
            for search, empty_score in zip(searches, empty_scores)
        ]

    def _write(self, searches: "Sequence[_Search]") -> list[tuple[list[list[int]], Any]]:
        """Return the beams of each question, with their scores."""
        if not searches:
            return []
        end_id = self.tokenizer.end_id
        width = 1 << (max(len(search.rows) for search in searches) - 1).bit_length()
        prompts = [ids for search in searches for ids in search.pad_prompts(width, end_id)]
        output = self.generator.generate(
            prompts,
            batch_size=len(prompts),
            num_beams=self.num_beams,
            num_return_sequences=self.num_beams,
            max_new_tokens=self.max_answer_len,
            length_penalty=0.0,
            logits_processor=self._make_vote(width),
            prefix_allowed_tokens_fn=lambda row, ids: [
                end_id,
                *searches[row // width].list_next(tuple(ids)),
            ],
        )
        return list(zip(output.tokens[::width], output.scores[::width]))

    def _make_vote(self, width: int) -> Any:
        """Return the logits processor in which ``width`` prompts of a question vote.

        The same object is given again, because each one is compiled.
        """
        start_id, num_beams = self.tokenizer.start_id, self.num_beams

        def vote(tokens: Tensor, length: Tensor, logits: Tensor) -> Tensor:
            is_voter = ops.any(ops.equal(tokens, start_id), axis=1)  # no row that fills up
            p = ops.softmax(logits) * ops.cast(is_voter, logits.dtype)[:, None]
            p = ops.reshape(p, (-1, width, num_beams, p.shape[-1]))
            p = ops.sum(p**2, axis=1, keepdims=True) / (ops.sum(p, axis=1, keepdims=True) + 1)
            p = p / ops.sum(p, axis=-1, keepdims=True)  # or short answers have an advantage
            scores = ops.repeat(ops.log(ops.maximum(p, _SMALLEST)), width, axis=1)
            scores = ops.reshape(scores, ops.shape(logits))
            return ops.where(ops.isfinite(logits), scores, -np.inf)

        return self._votes.setdefault(width, vote)

    def get_config(self) -> dict[str, Any]:
        return {
            "max_answer_len": self.max_answer_len,
            "num_beams": self.num_beams,
            "threshold": self.threshold,
            "maxlen": self.maxlen,
            "truncate": self.truncate,
            "overlap": self.overlap,
        }


class _Search:
    """The passages of a question that vote, and the places of the n-grams that they have."""

    def __init__(
        self, question: Question, rows: list[tuple[int, Encoding]], prompts: list[list[int]]
    ) -> None:
        self.question, self.rows, self._prompts = question, rows, prompts
        self._tokens = [
            [
                None if index is None else token_id
                for token_id, index in zip(row.token_ids, row.text_index or ())
            ]
            for _, row in rows
        ]
        places = [(i, j) for i, ids in enumerate(self._tokens) for j in range(len(ids))]
        self._places: dict[tuple[int, ...], list[tuple[int, int]]] = {(): places}

    def pad_prompts(self, width: int, end_id: int) -> list[list[int]]:
        """Return the prompts, with rows of one token up to a number of ``width``."""
        return self._prompts + [[end_id]] * (width - len(self._prompts))

    def list_next(self, ids: tuple[int, ...]) -> set[int]:
        """Return the tokens that go on with an n-gram."""
        tokens = (self._get_token(i, j + len(ids)) for i, j in self.find_places(ids))
        return {token for token in tokens if token is not None}

    def find_places(self, ids: tuple[int, ...]) -> list[tuple[int, int]]:
        """Return the places (row, first token) of an n-gram, in order."""
        if ids not in self._places:
            self._places[ids] = [
                (i, j)
                for i, j in self.find_places(ids[:-1])
                if self._get_token(i, j + len(ids) - 1) == ids[-1]
            ]
        return self._places[ids]

    def _get_token(self, row: int, column: int) -> int | None:
        tokens = self._tokens[row]
        return tokens[column] if column < len(tokens) else None

    def make_records(self, beams: tuple[list[list[int]], Any], end_id: int) -> list[Record]:
        """Return the records of the beams of a question, the best first."""
        records = []
        for ids, score in zip(*beams):
            ids = tuple(ids[: ids.index(end_id)] if end_id in ids else ids)
            places = self.find_places(ids) if ids else []
            probability = float(np.exp(score))
            record = make_empty_answer(self.question, probability)
            for i, j in places[:1]:
                passage, row = self.rows[i]
                spans = [x for x in (row.offsets or [])[j : j + len(ids)] if x is not None]
                span = min(start for start, _ in spans), max(end for _, end in spans)
                if span[0] < span[1]:
                    (record,) = make_answers(self.question, passage, {span: probability})
            records.append(record)
        return records


def _choose(
    question: Question, records: list[Record], empty_score: float, top_k: int, threshold: float
) -> Any:
    """Return the best answer, or a list of them with ``top_k`` above 1."""
    records = [x for x in records if not x["text"] or x["score"] >= threshold][:top_k]
    records = records or [make_empty_answer(question, empty_score)]
    return records[0] if top_k == 1 else records


def _pack_prompts(items: Sequence[_Prompts], batch_size: int) -> Iterator[list[int]]:
    """Group questions of similar size, of ``batch_size`` prompts or one question."""
    sizes = [(len(item.ids), max(map(len, item.ids))) for item in items]
    group: list[int] = []
    for index in sorted(range(len(items)), key=sizes.__getitem__, reverse=True):
        if group and (len(group) + 1) * sizes[group[0]][0] > batch_size:
            yield group
            group = []
        group.append(index)
    if group:
        yield group


def _check_truncate(truncate: Any) -> Truncate:
    remedy = "Or pass 'windows' to read all of a passage."
    return (
        "windows" if truncate == "windows" else check_boolean("truncate", truncate, remedy, False)
    )
