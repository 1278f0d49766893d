"""The word problems that the example learns from, and the values of equations."""

import json
from fractions import Fraction

import pytest

from examples.data.arithmetic import STEPS, load_problems, make_problems, plain, value


def test_the_same_seed_gives_the_same_problems():
    assert make_problems(20, "dev", seed=7) == make_problems(20, "dev", seed=7)
    assert make_problems(20, "dev", seed=7) != make_problems(20, "dev", seed=8)


def pairs(problems):
    """The kinds of steps that follow each other."""
    marks = [wording.split("{}")[-1] for wording, *_ in STEPS]
    begins = [wording.split("{}")[0] for wording, *_ in STEPS]
    step_pairs = set()
    for text, _ in problems:
        steps = [
            i
            for part in text.split("，")
            for i, (a, b) in enumerate(zip(begins, marks))
            if part.startswith(a) and b.split("，")[0] in part and "有" not in part
        ]
        step_pairs |= set(zip(steps, steps[1:]))
    return step_pairs


def test_steps_of_dev_never_followed_each_other_in_training():
    train, dev = pairs(make_problems(2000)), pairs(make_problems(300, "dev"))
    assert len(train) > 30 and len(dev) > 10 and not train & dev


def test_numbers_of_an_equation_stand_in_its_text():
    for text, equation in make_problems(200, "dev"):
        assert value(equation) >= 0 and value(equation).denominator == 1
        assert equation.split("+")[0].split("-")[0].strip("(").split("*")[0].split("/")[0] in text


def test_equations_have_values():
    assert value("(3+4)*2-1/2") == Fraction(27, 2) and value("0.1+0.2") == Fraction(3, 10)
    assert value("-2**3") == -8


@pytest.mark.parametrize("equation", ["", "1+", "1/0", "x", "__import__('os')", "9**99", "'1'"])
def test_a_string_that_is_not_an_equation_has_no_value(equation):
    with pytest.raises(ValueError, match="an equation must be numbers, .*got "):
        value(equation)


def test_signs_of_ape210k_are_made_plain():
    assert plain("[3+4]*50%") == "(3+4)*(50/100)"
    assert value(plain("1(1/2)^2")) == Fraction(9, 4)


def test_problems_are_read_and_wrong_ones_passed_over(tmp_path):
    file = tmp_path / "train.ape.json"
    good = {"original_text": "三加四？", "equation": "x=3+4", "ans": "7"}
    file.write_text("\n".join(json.dumps(x) for x in (good, {**good, "ans": "8"})))
    assert load_problems(file) == [("三加四？", "3+4")]
    file.write_text(json.dumps({**good, "ans": "8"}))
    with pytest.raises(ValueError, match="train.ape.json must have problems .*got none"):
        load_problems(file)
    file.write_text(json.dumps(good) + '\n{"ans": 1}')
    with pytest.raises(ValueError, match="train.ape.json, problem 2: it must have 'original_text'"):
        load_problems(file)
