"""Readers of reading comprehension: SQuAD, CMRC 2018 and DRCD; WebQA with several passages."""

import warnings
from collections.abc import Iterator, Mapping
from typing import Any

from bert4keras.backend.types import StrPath
from bert4keras.checks import check_boolean
from bert4keras.data.records import check_some, read_json, refuse

Sample = dict[str, Any]
_NO_ANSWER = ("", "no_answer")


def load_squad(path: StrPath, strict: bool = False, encoding: str = "utf-8") -> list[Sample]:
    """Read questions on a context: the form of SQuAD 1 and 2, CMRC 2018 (both forms) and DRCD.

    Args:
        path: the JSON file, or a ``.gz`` of it.
        strict: True refuses an answer that is not at its place in the context. False takes its
            first place. It leaves out an answer that is nowhere, and a question without any other
            answer. A warning counts both.
        encoding: encoding of the file.

    Returns:
        ``{"id", "question", "context", "answers": [{"text", "start"}]}``, ``start`` in characters;
        no answers where ``is_impossible`` is true. CMRC's own form says no places: there the first
        one counts.

    Raises:
        ValueError: the file has another form, or ``strict`` refuses an answer; with file and id.
    """
    check_boolean("strict", strict, "", False)
    data = read_json(path, encoding)
    samples: list[Sample] = []
    faults: list[str] = []
    try:
        rows = _list_squad(data["data"]) if isinstance(data, Mapping) else _list_cmrc(data)
        for question_id, question, context, answers in rows:
            if not isinstance(question, str) or not isinstance(context, str):
                raise TypeError
            sample = {"id": question_id, "question": question, "context": context}
            places = [
                _find_answer(text, start, context, question_id, faults) for text, start in answers
            ]
            unique_places = {(x["start"], x["text"]): x for x in places if x is not None}
            if unique_places or not answers:  # an answer that is nowhere is not "no answer"
                answers = [unique_places[x] for x in sorted(unique_places)]
                samples.append({**sample, "answers": answers})
    except (AttributeError, KeyError, TypeError):
        last_id = samples[-1]["id"] if samples else "the beginning"
        form = "paragraphs with context and qas, each with question, id and answers,"
        refuse(f"{path} behind {last_id}", None, form, str(data)[:60])
    _report_faults(faults, path, strict)
    check_some(samples, path, "questions whose answers are in their contexts")
    return samples


def _report_faults(faults: list[str], path: StrPath, strict: bool) -> None:
    """Raise for the first answer that is not at its place, or warn of all."""
    if not faults:
        return
    num_missing = sum(" at no place " in fault for fault in faults)
    message = f"Expected answers at their places in {path}, got {faults[0]}"
    if strict:
        raise ValueError(f"{message}. Correct it, or pass strict=False to search for it.")
    warnings.warn(
        f"{message}, and {len(faults) - 1} more. {len(faults) - num_missing} get their first "
        f"place, {num_missing} are left out, as the context does not have them. Pass strict=True "
        "to refuse the file.",
        stacklevel=3,
    )


def _list_squad(articles: Any) -> Iterator[tuple[str, str, str, list[Any]]]:
    for article in articles:
        for paragraph in article["paragraphs"]:
            for qa in paragraph["qas"]:
                answers = [] if qa.get("is_impossible") else qa["answers"]
                places = [(answer["text"], answer["answer_start"]) for answer in answers]
                yield str(qa["id"]), qa["question"], paragraph["context"], places


def _list_cmrc(contexts: Any) -> Iterator[tuple[str, str, str, list[Any]]]:
    for context in contexts:
        for qa in context["qas"]:
            answers = [(text, None) for text in qa["answers"]]
            yield str(qa["query_id"]), qa["query_text"], context["context_text"], answers


def _find_answer(
    text: Any, start: int | None, context: str, question_id: str, faults: list[str]
) -> dict[str, Any] | None:
    """Return an answer with its place; None if the context does not have it.

    Args:
        text: the answer. CMRC has some that are numbers, which no context has.
        start: its place as the file says it; None for the first one.
        context: the text to find it in.
        question_id: id for the report.
        faults: the report, which grows by an answer that is not at its place.
    """
    is_place = isinstance(text, str) and text and start is not None and start >= 0
    if is_place and context.startswith(text, start):
        return {"text": text, "start": start}
    first = context.find(text) if isinstance(text, str) and text else -1
    if first < 0:
        faults.append(f"{text!r} at no place of {question_id}")
    elif start is not None:
        faults.append(f"{text!r} at {start} of {question_id}")
    return None if first < 0 else {"text": text, "start": first}


def load_webqa(path: StrPath, encoding: str = "utf-8") -> list[Sample]:
    """Read questions with several passages: WebQA, as published or as a list.

    Forms: ``{id: {"question", "evidences": {id: {"answer": [...], "evidence"}}}}``, or
    ``[{"question", "passages": [{"answer", "passage"}]}]``. An answer "no_answer", or an empty one,
    is none.

    Args:
        path: the JSON file, or a ``.gz`` of it.
        encoding: encoding of the file.

    Returns:
        ``{"id", "question", "passages", "answers", "passage_answers"}``: texts of the passages, all
        answers of the question, and the answers of each passage.

    Raises:
        ValueError: the file has another form; with file and id.
    """
    data = read_json(path, encoding)
    if not isinstance(data, Mapping | list):
        refuse(path, None, "questions with passages", data)
    items = data.items() if isinstance(data, Mapping) else enumerate(data, 1)
    samples = []
    for question_id, item in items:
        try:
            question, rows = _read_question(item)
        except (AttributeError, KeyError, TypeError):
            form = "a question, and passages with their answers,"
            refuse(f"{path}, question {question_id}", None, form, item)
        answers = [answer for _, passage_answers in rows for answer in passage_answers]
        samples.append(
            {
                "id": str(question_id),
                "question": question,
                "passages": [text for text, _ in rows],
                "answers": list(dict.fromkeys(answers)),
                "passage_answers": [passage_answers for _, passage_answers in rows],
            }
        )
    check_some(samples, path, "questions")
    return samples


def _read_question(item: Mapping[str, Any]) -> tuple[str, list[tuple[str, list[str]]]]:
    """Return question and passages; raise a TypeError unless they are texts."""
    question, rows = item["question"], _list_passages(item)
    if not all(isinstance(x, str) for x in (question, *(text for text, _ in rows))):
        raise TypeError
    return question, rows


def _list_passages(item: Mapping[str, Any]) -> list[tuple[str, list[str]]]:
    """Return text and answers of each passage."""
    if "evidences" in item:
        rows = [(row["evidence"], row["answer"]) for row in item["evidences"].values()]
    else:
        rows = [(row["passage"], row["answer"]) for row in item["passages"]]
    return [(text, _list_answers(answers)) for text, answers in rows]


def _list_answers(answers: Any) -> list[str]:
    answers = [answers] if isinstance(answers, str) else list(answers)
    if not all(isinstance(answer, str) for answer in answers):
        raise TypeError
    return [answer for answer in answers if answer not in _NO_ANSWER]
