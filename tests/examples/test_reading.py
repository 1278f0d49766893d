"""The questions that the reading examples learn from."""

import json

import pytest

from bert4keras.tokenizers import Tokenizer
from examples.data import reading
from examples.data.reading import (
    load_questions,
    make_questions,
    same_questions,
    scores,
    vote,
    with_others,
)


@pytest.fixture(scope="module")
def train():
    return make_questions(1500, "train")


@pytest.fixture(scope="module")
def dev():
    return make_questions(300, "dev")


def answers(items):
    return {p["answer"] for item in items for p in item["passages"] if p["answer"]}


def test_the_same_seed_gives_the_same_questions():
    assert make_questions(20, "dev", seed=7) == make_questions(20, "dev", seed=7)
    assert make_questions(20, "dev", seed=7) != make_questions(20, "dev", seed=8)


def test_an_answer_stands_in_its_passage_and_in_no_other(train, dev):
    for item in train + dev:
        [*answers_found] = {p["answer"] for p in item["passages"]} - {""}
        assert len(answers_found) <= 1
        for passage in item["passages"]:
            assert passage["answer"] in passage["passage"]
            is_consistent = passage["answer"] or not any(
                x in passage["passage"] for x in answers_found
            )
            assert is_consistent, item


def test_no_answer_of_dev_occurs_in_training(train, dev):
    texts = "\n".join(p["passage"] for item in train for p in item["passages"])
    assert len(answers(dev)) > 100 and not [name for name in answers(dev) if name in texts]


def test_some_questions_have_no_answer_and_some_are_answered_twice(dev):
    telling = [sum(bool(p["answer"]) for p in item["passages"]) for item in dev]
    assert set(telling) == {0, 1, 2} and min(map(telling.count, {0, 1, 2})) > 30


def test_a_name_that_is_asked_for_stands_in_passages_that_do_not_answer(dev):
    count = 0
    for item in dev:
        name = max(
            (item["question"][i:j] for i in range(12) for j in range(i + 2, i + 9)),
            key=lambda part: (sum(part in p["passage"] for p in item["passages"]), len(part)),
        )
        count += any(name in p["passage"] and not p["answer"] for p in item["passages"])
    assert count > len(dev) / 2


WEBQA = {
    "Q1": {
        "question": "谁写了《春山》",
        "evidences": {"Q1#0": {"answer": ["李明"], "evidence": "《春山》，李明著"}},
    },
    "Q2": {
        "question": "谁唱了《秋水》",
        "evidences": {"Q2#0": {"answer": ["王芳"], "evidence": "王芳唱《秋水》"}},
    },
}


def test_a_file_of_webqa_is_split_by_question(tmp_path):
    file = tmp_path / "webqa.json"
    questions = {f"{name}{i}": x for i in range(10) for name, x in WEBQA.items()}
    file.write_text(json.dumps(questions), encoding="utf-8")
    train, dev = load_questions(file)
    assert len(train) == 18 and len(dev) == 2
    assert train[0]["passages"][0].keys() == {"answer", "passage"}


def test_a_folder_holds_train_and_dev(tmp_path):
    for name, number in ("train", 4), ("dev", 2):
        items = make_questions(number, name)
        (tmp_path / f"{name}.json").write_text(json.dumps(items), encoding="utf-8")
    assert [len(items) for items in load_questions(tmp_path)] == [4, 2]


@pytest.mark.parametrize("content", ["", "[]", "[1]", '[{"question": "?"}]', '{"Q1": 3}', "{"])
def test_a_file_of_another_kind_is_named(tmp_path, content):
    file = tmp_path / "webqa.json"
    file.write_text(content)
    with pytest.raises(ValueError, match=r"webqa.json must be a JSON list of .*'question'"):
        load_questions(file)


def test_passages_of_others_do_not_answer():
    items = [
        {
            "question": x["question"],
            "passages": [{"answer": e["answer"][0], "passage": e["evidence"]}],
        }
        for x in WEBQA.values()
        for e in x["evidences"].values()
    ]
    with_two = with_others(items, 2)
    assert [len(item["passages"]) for item in with_two] == [2, 2]
    assert with_two[0]["passages"][1] == {"answer": "", "passage": "王芳唱《秋水》"}
    same_name = with_others([items[0], {**items[0], "question": "《春山》？"}], 2)
    assert [len(item["passages"]) for item in same_name] == [1, 1]


def test_case_and_spaces_of_an_answer_do_not_count():
    item = {"question": "?", "passages": [{"answer": "Lin Xi", "passage": "Lin Xi"}]}
    assert scores([item], ["lin xi"]) == {"final": 1, "accuracy": 1, "f1": 1}


def test_silence_is_right_where_there_is_no_answer():
    item = {"question": "?", "passages": [{"answer": "", "passage": "某"}]}
    assert scores([item, item], ["", "某"])["accuracy"] == 0.5


def test_a_question_has_other_wordings(dev):
    assert same_questions("谁写了春山这本书？") == {
        "谁写了春山这本书？",
        "《春山》的作者是谁？",
        "《春山》是谁写的？",
    }
    assert same_questions("几点了？") == {"几点了？"}
    for item in dev:
        wordings = same_questions(item["question"])
        assert len(wordings) > 1 and item["question"] in wordings


def test_passages_vote_by_how_sure_they_are():
    assert vote([("甲", 0.9), ("乙", 0.5), ("乙", 0.5)]) == "甲"
    assert vote([("甲", 0.6), ("乙", 0.5), ("乙", 0.5)]) == "乙"
    assert vote([("", 1.0), ("甲", 0.1)]) == "甲" and vote([("", 1.0)]) == ""


def test_rows_for_a_writer_hold_passage_question_and_answer(dev):
    signs = sorted({sign for item in dev for sign in str(item)})
    tokens = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", *signs, *(f"##{digit}" for digit in range(10))]
    tokenizer = Tokenizer({token: number for number, token in enumerate(tokens)})
    ids, segments = reading.answers(40, "dev", tokenizer, 40)
    assert len(ids) == len(segments) == 40 and max(map(len, ids)) <= 40
    for row, marks in zip(ids, segments):
        assert row.count(3) == 3 and row[-1] == 3  # [SEP] behind passage, question and answer
        answer = row[marks.index(1) : -1]
        passage = row[1 : row.index(3)]
        assert answer in [passage[i : i + len(answer)] for i in range(len(passage))]
