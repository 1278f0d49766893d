"""Word problems with the equations that solve them, composed.

What happens in a problem is told step by step. Two steps that follow each other belong, as a pair,
either to the training set or to the validation set, and numbers are new for each problem: the
validation set asks for equations that no training problem has.
"""

import random
import re

from .files import to_json, write_files

from bert4keras.text import compute_equation

PEOPLE = "小明 小红 小刚 小丽 王老师 李爷爷 张阿姨 班长".split()
THINGS = "苹果 铅笔 邮票 图书 糖果 气球 鸡蛋 贝壳".split()
STEPS = [  # what is told, the operation, and the least and greatest number
    ("又买来{}个", "+", 2, 60),
    ("妈妈送来{}个", "+", 2, 60),
    ("吃掉了{}个", "-", 2, 40),
    ("弄丢了{}个", "-", 2, 40),
    ("后来变成原来的{}倍", "*", 2, 9),
    ("翻了{}倍后", "*", 2, 9),
    ("平均分成{}份，拿走其中一份", "/", 2, 9),
    ("和{}个同学平分，只拿自己的一份", "/", 2, 8),
]


def make_files():
    """Write train.json and valid.json in the form of Ape210K, and return their paths."""
    return write_files(
        "arithmetic",
        train=("json", lambda number: make_lines(number, "train"), 10000),
        valid=("json", lambda number: make_lines(number, "valid"), 300),
    )


def make_lines(number, split):
    """Compose problems as lines of JSON."""
    for text, equation in make_problems(number, split):
        answer = str(compute_equation(equation))
        yield to_json({"original_text": text, "equation": f"x={equation}", "ans": answer})


def is_for_validation(first, second):
    """Return True for two steps that follow each other in the validation set: one pair of four."""
    return (3 * first + second) % 4 == 0


def make_problem(draw, split):
    """Compose one problem: its text and its equation."""
    person, thing, start = draw.choice(PEOPLE), draw.choice(THINGS), draw.randint(5, 99)
    steps, length = [draw.randrange(len(STEPS))], draw.choice([1, 2, 3][split == "valid" :])
    while len(steps) < length:
        step = draw.randrange(len(STEPS))
        if is_for_validation(steps[-1], step) == (split == "valid"):
            steps.append(step)
    equation, events = str(start), []
    for i in steps:
        wording, sign, low, high = STEPS[i]
        number = draw.randint(low, high)
        equation = f"({equation})" if sign in "*/" and re.search(r"[+-]", equation) else equation
        equation += f"{sign}{number + (wording[0] == '和')}" if sign == "/" else f"{sign}{number}"
        events.append(wording.format(number))
    return (
        f"{person}有{start}个{thing}，{'，'.join(events)}，这时{person}有多少个{thing}？",
        equation,
    )


def make_problems(number, split="train", seed=0):
    """Compose problems.

    Args:
        number: how many.
        split: "train" or "valid"; no two steps follow each other in both.
        seed: the same seed gives the same problems.

    Returns: a list of (text, equation); values are whole numbers, and not negative.

    Example:
        >>> [(text, equation)] = make_problems(1, "valid", seed=1)
        >>> compute_equation(equation).denominator
        1
    """
    draw, items = random.Random(f"arithmetic {split} {seed}"), {}
    while len(items) < number:
        text, equation = make_problem(draw, split)
        value = compute_equation(equation)
        if value.denominator == 1 and 0 <= value < 1000:
            items[text] = equation
    return list(items.items())
