import json

import pytest

from bert4keras.data import load_squad, load_webqa

CONTEXT = "李明著《春山》，春山很高。"


def write(folder, value):
    path = folder / "dev.json"
    path.write_text(json.dumps(value, ensure_ascii=False), "utf-8")
    return path


def make_squad(*answers, **settings):
    qa = {"id": "Q1", "question": "作者？", "answers": list(answers), **settings}
    return {"version": "1", "data": [{"paragraphs": [{"context": CONTEXT, "qas": [qa]}]}]}


class TestLoadSquad:
    def test_answers_have_places(self, tmp_path):
        answer = {"text": "春山", "answer_start": 8}
        (sample,) = load_squad(write(tmp_path, make_squad(answer, answer)))
        assert sample == {
            "id": "Q1",
            "question": "作者？",
            "context": CONTEXT,
            "answers": [{"text": "春山", "start": 8}],
        }

    def test_a_question_without_answer(self, tmp_path):
        answer = {"text": "春山", "answer_start": 8}
        path = write(tmp_path, make_squad(answer, is_impossible=True))
        assert load_squad(path)[0]["answers"] == []

    def test_the_own_form_of_cmrc_has_the_first_places(self, tmp_path):
        qa = {"query_id": "Q1", "query_text": "作者？", "answers": ["春山"]}
        path = write(tmp_path, [{"context_id": "C", "context_text": CONTEXT, "qas": [qa]}])
        assert load_squad(path)[0]["answers"] == [{"text": "春山", "start": 4}]

    @pytest.mark.parametrize("start", [3, -1, 99])
    def test_an_answer_elsewhere_is_searched_for_or_refused(self, tmp_path, start):
        path = write(tmp_path, make_squad({"text": "春山", "answer_start": start}))
        with pytest.raises(ValueError, match=f"got '春山' at {start} of Q1. Correct it, or pass"):
            load_squad(path, strict=True)
        with pytest.warns(UserWarning, match=f"got '春山' at {start} of Q1, and 0 more"):
            assert load_squad(path)[0]["answers"] == [{"text": "春山", "start": 4}]

    @pytest.mark.parametrize("text", ["秋水", 1948.0, ""])
    def test_an_answer_that_is_nowhere_is_left_out_and_counted(self, tmp_path, text):
        answers = {"text": text, "answer_start": 0}, {"text": "春山", "answer_start": 4}
        path = write(tmp_path, make_squad(*answers))
        with pytest.warns(UserWarning, match="0 get their first place, 1 are left out"):
            assert load_squad(path)[0]["answers"] == [{"text": "春山", "start": 4}]

    def test_a_question_whose_answers_are_nowhere_is_not_one_without_answer(self, tmp_path):
        path = write(tmp_path, make_squad({"text": "秋水", "answer_start": 0}))
        with pytest.warns(UserWarning, match="1 are left out"):
            with pytest.raises(ValueError, match="Expected questions whose answers are in their"):
                load_squad(path)

    @pytest.mark.parametrize("value", [{}, {"data": [{}]}, [{"qas": [{}]}], {"data": 3}, 7])
    def test_another_form_is_refused(self, tmp_path, value):
        with pytest.raises(ValueError, match="Expected paragraphs with context and qas.*dev.json"):
            load_squad(write(tmp_path, value))

    def test_a_file_that_is_no_json_or_empty(self, tmp_path):
        path = tmp_path / "dev.json"
        path.write_text("{")
        with pytest.raises(ValueError, match="Expected JSON in .*dev.json, got"):
            load_squad(path)
        with pytest.raises(ValueError, match="Expected questions whose .*dev.json, got an empty"):
            load_squad(write(tmp_path, []))


class TestLoadWebqa:
    def test_a_file_of_another_value(self, tmp_path):
        with pytest.raises(ValueError, match="Expected questions with passages in .*dev.json"):
            load_webqa(write(tmp_path, 7))

    sample = {
        "id": "Q1",
        "question": "作者？",
        "passages": ["李明著", "很高"],
        "answers": ["李明"],
        "passage_answers": [["李明"], []],
    }

    def test_the_form_as_published(self, tmp_path):
        evidences = {
            "Q1#0": {"answer": ["李明"], "evidence": "李明著"},
            "Q1#1": {"answer": ["no_answer"], "evidence": "很高"},
        }
        path = write(tmp_path, {"Q1": {"question": "作者？", "evidences": evidences}})
        assert load_webqa(path) == [self.sample]

    def test_the_form_of_a_list(self, tmp_path):
        passages = [{"answer": "李明", "passage": "李明著"}, {"answer": "", "passage": "很高"}]
        path = write(tmp_path, [{"question": "作者？", "passages": passages}])
        assert load_webqa(path) == [{**self.sample, "id": "1"}]

    @pytest.mark.parametrize(
        "item",
        [
            {},
            {"question": 3, "passages": []},
            {"question": "", "passages": [{}]},
            {"question": "", "passages": [{"passage": "", "answer": [3]}]},
            7,
        ],
    )
    def test_another_form_is_refused(self, tmp_path, item):
        with pytest.raises(ValueError, match="Expected a question, and passages.* question Q1"):
            load_webqa(write(tmp_path, {"Q1": item}))
