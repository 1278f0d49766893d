"""The questions that the reading examples learn from."""

import json

import pytest

from bert4keras.data import load_webqa
from examples.data.reading import (
    find_same_questions,
    make_files,
    make_questions,
    make_webqa,
)


@pytest.fixture(scope="module")
def train_data():
    return make_questions(1500, "train")


@pytest.fixture(scope="module")
def valid_data():
    return make_questions(300, "valid")


def list_answers(items):
    return {row["answer"] for item in items for row in item["passages"] if row["answer"]}


def test_the_same_seed_gives_the_same_questions():
    assert make_questions(20, "valid", seed=7) == make_questions(20, "valid", seed=7)
    assert make_questions(20, "valid", seed=7) != make_questions(20, "valid", seed=8)


def test_an_answer_stands_in_its_passage_and_in_no_other(train_data, valid_data):
    for item in train_data + valid_data:
        answers = list_answers([item])
        assert len(answers) <= 1
        for row in item["passages"]:
            assert row["answer"] in row["passage"]
            assert row["answer"] or not any(answer in row["passage"] for answer in answers), item


def test_no_answer_of_valid_occurs_in_training(train_data, valid_data):
    text = "\n".join(row["passage"] for item in train_data for row in item["passages"])
    answers = list_answers(valid_data)
    assert len(answers) > 100 and not [answer for answer in answers if answer in text]


def test_some_questions_have_no_answer_and_some_are_answered_twice(valid_data):
    counts = [sum(bool(row["answer"]) for row in item["passages"]) for item in valid_data]
    assert set(counts) == {0, 1, 2} and min(map(counts.count, {0, 1, 2})) > 30


def test_a_name_that_is_asked_for_stands_in_passages_that_do_not_answer(valid_data):
    count = 0
    for item in valid_data:
        question, passages = item["question"], [row["passage"] for row in item["passages"]]
        name = max(
            (question[i:j] for i in range(12) for j in range(i + 2, i + 9)),
            key=lambda part: (sum(part in passage for passage in passages), len(part)),
        )
        count += any(name in row["passage"] and not row["answer"] for row in item["passages"])
    assert count > len(valid_data) / 2


def test_the_reader_of_webqa_reads_what_is_made(tmp_path):
    items = make_questions(30, "valid")
    path = tmp_path / "valid.json"
    path.write_text("\n".join(make_webqa(items)), encoding="utf-8")
    samples = load_webqa(path)
    assert len(samples) == 30
    for sample, item in zip(samples, items):
        assert sample["question"] == item["question"]
        assert sample["passages"] == [row["passage"] for row in item["passages"]]
        assert sample["answers"] == sorted(list_answers([item]))


def test_all_wordings_of_a_question_have_the_same_passages():
    items = make_questions(5, "valid")
    records = json.loads(make_webqa(items, has_all_wordings=True)[0])
    questions = {row["question"] for row in records.values()}
    assert questions == set().union(*(find_same_questions(item["question"]) for item in items))
    assert len(records) > 5


def test_files_are_written_once(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    train_file, valid_file = make_files(40, 33)
    assert [len(load_webqa(file)) for file in (train_file, valid_file)] == [40, 33]
    assert make_files(40, 33) == [train_file, valid_file]


def test_a_question_has_several_wordings(valid_data):
    assert find_same_questions("谁写了春山这本书？") == {
        "谁写了春山这本书？",
        "《春山》的作者是谁？",
        "《春山》是谁写的？",
    }
    assert find_same_questions("几点了？") == {"几点了？"}
    for item in valid_data:
        wordings = find_same_questions(item["question"])
        assert len(wordings) > 1 and item["question"] in wordings
