"""The synthetic word problems that an example learns from."""

from bert4keras.data import load_math_problems
from bert4keras.text import compute_equation
from examples.data.arithmetic import STEPS, make_files, make_problems


def test_the_same_seed_gives_the_same_problems():
    assert make_problems(20, "valid", seed=7) == make_problems(20, "valid", seed=7)
    assert make_problems(20, "valid", seed=7) != make_problems(20, "valid", seed=8)


def list_pairs(problems):
    """List the kinds of steps that follow each other."""
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


def test_steps_of_the_validation_set_never_follow_each_other_in_training():
    train, valid = list_pairs(make_problems(2000)), list_pairs(make_problems(300, "valid"))
    assert len(train) > 30 and len(valid) > 10 and not train & valid


def test_the_first_number_of_an_equation_is_in_its_text():
    for text, equation in make_problems(200, "valid"):
        value = compute_equation(equation)
        assert value >= 0 and value.denominator == 1
        assert equation.split("+")[0].split("-")[0].strip("(").split("*")[0].split("/")[0] in text


def test_files_are_read_as_math_problems(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("BERT4KERAS_SMOKE", "1")
    train_file, valid_file = make_files()
    assert load_math_problems(train_file) == make_problems(100)
    assert load_math_problems(valid_file) == make_problems(32, "valid")
