import json

import pytest

from bert4keras.data import load_math_problems

GOOD = {"original_text": "三加四？", "equation": "x=3+4", "ans": "7"}


def write(folder, *records):
    path = folder / "train.ape.json"
    path.write_text("\n".join(json.dumps(record) for record in records), encoding="utf-8")
    return path


class TestLoadMathProblems:
    def test_lines_and_arrays_are_read(self, tmp_path):
        assert load_math_problems(write(tmp_path, GOOD)) == [("三加四？", "3+4")]
        assert load_math_problems(write(tmp_path, [GOOD, GOOD])) == [("三加四？", "3+4")] * 2

    @pytest.mark.parametrize("record", [{"ans": "8"}, {"equation": "x=3+"}, {"ans": "七"}])
    def test_problems_with_another_answer_are_left_out(self, tmp_path, record):
        path = write(tmp_path, GOOD, {**GOOD, **record})
        with pytest.warns(UserWarning, match="train.ape.json: 1 problems whose equation"):
            assert load_math_problems(path) == [("三加四？", "3+4")]

    def test_answers_may_be_fractions_and_percentages(self, tmp_path):
        record = {"original_text": "？", "equation": "x=50%*(1(1/2))", "ans": "(3/4)"}
        assert load_math_problems(write(tmp_path, record)) == [("？", "(50/100)*((1+1/2))")]

    def test_a_file_without_answers_is_refused(self, tmp_path):
        with pytest.raises(ValueError, match="Expected problems whose equation gives their answer"):
            load_math_problems(write(tmp_path, {**GOOD, "ans": "8"}))

    def test_a_record_of_another_form_is_named(self, tmp_path):
        with pytest.raises(ValueError, match="original_text, equation, ans in .*json, line 2"):
            load_math_problems(write(tmp_path, GOOD, {"ans": 1}))
        with pytest.raises(ValueError, match="Expected a problem in original_text in .*line 2"):
            load_math_problems(write(tmp_path, GOOD, {**GOOD, "original_text": " "}))
