"""Reading comprehension: questions on passages, the vote of passages, scores."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from bert4keras.checks import check_integer, check_number, describe
from bert4keras.metrics import find_best_threshold, score_answers
from bert4keras.pipelines.base import Pipeline, Truncate, check_text
from bert4keras.pipelines.root import PipelineBase
from bert4keras.pipelines.windows import cut_windows
from bert4keras.tokenizers import Encoding

_FORMS = "Pass {'question', 'context'}, {'question', 'passages'} or a pair (question, context)."
Record = dict[str, Any]


class Question(NamedTuple):
    """A question on one context, or on several passages that vote.

    Args:
        text: the question.
        passages: the texts to read; the context alone if there is one.
        has_passages: True for the form with passages: records then say which one.
    """

    text: str
    passages: list[str]
    has_passages: bool


class PassageRow(Encoding):
    """A row of ids with the number of the passage that it is of."""

    passage: int = 0


class ReadingPipeline(PipelineBase):
    """Root of the readers: their scores and the threshold of their answers."""

    threshold: float

    def _check_answer_options(self, top_k: int, threshold: float | None) -> dict[str, Any]:
        check_integer("top_k", top_k, 1)
        limit = self.threshold if threshold is None else check_number("threshold", threshold, 0, 1)
        return {"top_k": top_k, "threshold": limit}

    def evaluate(self, samples: Iterable[Any], **options: Any) -> dict[str, Any]:
        """Compute exact match and F1 of the answers.

        A question without answer counts as SQuAD 2 has it: 1 for no answer, 0 for any.

        Args:
            samples: ``{"question", "context", "answers"}`` or ``{"question", "passages",
                "answers"}``, as ``load_squad`` and ``load_webqa`` give them.
            **options: as for a call.

        Returns:
            ``{"exact_match", "f1"}``, as ``score_answers`` computes them.
        """
        samples = list(samples)
        questions, answers = _split_samples(samples)
        records = list(self.stream(questions, **{**options, "top_k": 1}))
        return score_answers(answers, [record["text"] for record in records])

    def find_threshold(self, samples: Iterable[Any], **options: Any) -> dict[str, Any]:
        """Find the threshold of the best F1: an answer counts as right if it matches exactly.

        Args:
            samples: as for ``evaluate``, some of them without answer.
            **options: as for a call.

        Returns:
            ``{"threshold", "f1", "precision", "recall"}``. Nothing is set.
        """
        questions, answers = _split_samples(list(samples))
        records = list(self.stream(questions, **{**options, "top_k": 1, "threshold": 0.0}))
        pairs = [(row, record) for row, record in zip(answers, records) if record["text"]]
        scores = [record["score"] for _, record in pairs]
        matches = [
            bool(row) and score_answers([row], [record["text"]])["exact_match"] == 1
            for row, record in pairs
        ]
        return find_best_threshold(scores, matches, sum(map(bool, answers)))


class PassagePipeline(ReadingPipeline, Pipeline):
    """Base of the readers whose rows are a question and a passage, or a window of it."""

    needs_offsets = True

    def _encode(self, item: Any, name: str, options: Mapping[str, Any]) -> list[Encoding]:
        question = check_question(name, item)
        rows: list[Encoding] = []
        for number, passage in enumerate(question.passages):
            encoding = self._encode_pair(question.text, passage)
            mode = options["truncate"]
            for window in cut_passage(name, encoding, self.maxlen, self.overlap, mode):
                row = PassageRow(*window)
                row.passage = number
                rows.append(row)
        return rows

    def _encode_pair(self, question: str, passage: str) -> Encoding:
        return self.tokenizer.encode_with_offsets(question, passage)


def check_question(name: str, item: Any) -> Question:
    """Return a question with its passages; raise if a text is missing, empty or no str.

    Args:
        name: place of the item, for errors.
        item: what the caller gave.
    """
    if isinstance(item, tuple | list) and len(item) == 2:
        item = dict(zip(("question", "context"), item))
    keys = sorted(item, key=str) if isinstance(item, Mapping) else describe(item)
    if keys not in (["context", "question"], ["passages", "question"]):
        kind = ValueError if isinstance(item, Mapping | tuple | list) else TypeError
        raise kind(f"Expected {name} to be a question and what to read, got {keys}. {_FORMS}")
    fields: dict[str, Any] = dict(item)
    question = check_text(f"the question of {name}", fields["question"])
    if "context" in fields:
        return Question(question, [check_text(f"the context of {name}", fields["context"])], False)
    passages = fields["passages"]
    if isinstance(passages, str) or not isinstance(passages, Sequence) or not len(passages):
        raise ValueError(
            f"Expected the passages of {name} to be a list of texts, got {describe(passages)}. "
            "Pass one or more."
        )
    texts = [check_text(f"passage {i} of {name}", text) for i, text in enumerate(passages)]
    return Question(question, texts, True)


def cut_passage(
    name: str, encoding: Encoding, maxlen: int | None, overlap: int | None, truncate: Truncate
) -> list[Encoding]:
    """Return the row of a passage, or its windows.

    Args:
        name: place of the question, for errors.
        encoding: the row; the passage is its last text.
        maxlen: the longest row; None for any.
        overlap: tokens that two windows have in common; half of the passage's part at most.
        truncate: as for ``Pipeline``.

    Raises:
        ValueError: the other tokens leave no room, or the row is longer without ``truncate``.
    """
    length = len(encoding.token_ids)
    if maxlen is None or length <= maxlen:
        return [encoding]
    indices = encoding.text_index or []
    last = max((index for index in indices if index is not None), default=0)
    room = maxlen - sum(index != last for index in indices)
    if room < 1:
        raise ValueError(
            f"Expected the question of {name} to leave room for the passage, got {maxlen - room} "
            f"tokens around the passage in rows of {maxlen}. Shorten the question."
        )
    if truncate is False:
        raise ValueError(
            f"Expected {name} to have at most {maxlen} tokens, got {length}. Pass truncate=True to "
            "cut it, truncate='windows' to read all of it, or shorten it."
        )
    windows = cut_windows(encoding, maxlen, min(overlap or 0, room // 2))
    return windows if truncate == "windows" else windows[:1]


def make_answers(
    question: Question, passage: int, scores: Mapping[tuple[int, int], float]
) -> list[Record]:
    """Return the records of answers in a passage, the best first.

    Args:
        question: the question.
        passage: number of the passage.
        scores: for the first character and the end of each answer its score.
    """
    records: list[Record] = []
    for (start, end), score in scores.items():
        record = {"text": question.passages[passage][start:end], "start": start, "end": end}
        record["score"] = float(score)
        records.append({**record, "passage": passage} if question.has_passages else record)
    return sorted(records, key=lambda record: -record["score"])


def make_empty_answer(question: Question, score: float) -> Record:
    """Return the record of no answer: an empty text at 0, as ``transformers`` has it."""
    record = {"text": "", "start": 0, "end": 0, "score": float(score)}
    return {**record, "passage": None} if question.has_passages else record


def choose_answers(
    question: Question,
    answers: Sequence[Sequence[Record]],
    empty_score: float,
    top_k: int,
    threshold: float,
) -> Any:
    """Return the best answer, or a list of them with ``top_k`` above 1.

    Args:
        question: the question.
        answers: of each passage its answers, the best first. The best one has the vote.
        empty_score: score of no answer, where no answer reaches the threshold.
        top_k: number of answers.
        threshold: smallest score of an answer.
    """
    records = vote(answers) if question.has_passages else answers[0]
    records = [x for x in records if not x["text"] or x["score"] >= threshold][:top_k]
    records = records or [make_empty_answer(question, empty_score)]
    return records[0] if top_k == 1 else records


def vote(answers: Sequence[Sequence[Record]]) -> list[Record]:
    """Return the answers that passages vote for, the best first (kexue.fm/archives/7148).

    Passages with the scores s for an answer give it sum s² / (sum s + 1). Upper case and spaces
    make no other answer. No answer is no vote.

    Args:
        answers: of each passage its answers, the best first.

    Example:
        >>> from bert4keras.pipelines.reading import vote
        >>> rows = [("李明", 0.5), ("王芳", 0.6), ("李明", 0.6), ("", 1.0)]
        >>> [x["text"] for x in vote([[{"text": text, "score": score}] for text, score in rows])]
        ['李明', '王芳']
    """
    groups: dict[str, list[Record]] = {}
    for best in (rows[0] for rows in answers if rows):
        if best["text"]:
            groups.setdefault("".join(best["text"].lower().split()), []).append(best)
    records = []
    for group in groups.values():
        scores = [record["score"] for record in group]
        score = sum(s * s for s in scores) / (sum(scores) + 1)
        records.append({**max(group, key=lambda x: x["score"]), "score": score})
    return sorted(records, key=lambda record: -record["score"])


def _split_samples(samples: Sequence[Any]) -> tuple[list[Any], list[list[str]]]:
    """Return the questions of samples, and the texts of their true answers."""
    questions, answers = [], []
    for i, sample in enumerate(samples):
        if not isinstance(sample, Mapping) or "answers" not in sample:
            raise ValueError(
                f"Expected samples[{i}] to be a dict with a question and its answers, got "
                f"{describe(sample)}. Pass what load_squad or load_webqa gives."
            )
        keys = ("question", "context", "passages")
        questions.append({key: sample[key] for key in keys if key in sample})
        answers.append([x["text"] if isinstance(x, Mapping) else x for x in sample["answers"]])
    return questions, answers
