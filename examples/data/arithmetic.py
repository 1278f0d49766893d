"""Word problems with the equations that solve them, composed; or of a file of Ape210K.

What happens in a problem is told step by step. Two steps that follow each other belong, as a pair,
either to the training set or to the dev set, and numbers are drawn anew for each problem: dev asks
for equations that no training problem has.
"""

import ast
import operator
import random
import re
from fractions import Fraction

from bert4keras.data import load_json_lines

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
OPERATIONS = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.Pow: operator.pow,
}


def value(equation):
    """The value of an equation of numbers, + - * / ** and brackets, as a fraction.

    Raises: ValueError, if it is anything else or has no value.

    Example:
        >>> value("(3+4)/2")
        Fraction(7, 2)
    """

    def of(node):
        if isinstance(node, ast.BinOp) and type(node.op) in OPERATIONS:
            left, right = of(node.left), of(node.right)
            if isinstance(node.op, ast.Pow) and not 0 <= right <= 9:
                raise ValueError("a power beyond 9")
            return OPERATIONS[type(node.op)](left, right)
        if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
            return -of(node.operand)
        if isinstance(node, ast.Constant) and type(node.value) in (int, float):
            return Fraction(str(node.value))
        raise ValueError("neither a number nor an operation")

    try:
        return of(ast.parse(equation, mode="eval").body)
    except (SyntaxError, ArithmeticError, ValueError, RecursionError, MemoryError) as error:
        raise ValueError(
            f"an equation must be numbers, + - * / ** and brackets, and have a value, "
            f"got {equation!r}: {error}"
        ) from None


def of_dev(first, second):
    """Whether two steps follow each other in dev: one pair of four does."""
    return (3 * first + second) % 4 == 0


def make_problem(draw, split):
    """One problem: its text and its equation."""
    who, what, start = draw.choice(PEOPLE), draw.choice(THINGS), draw.randint(5, 99)
    steps, length = [draw.randrange(len(STEPS))], draw.choice([1, 2, 3][split == "dev" :])
    while len(steps) < length:
        step = draw.randrange(len(STEPS))
        if of_dev(steps[-1], step) == (split == "dev"):
            steps.append(step)
    equation, told = str(start), []
    for i in steps:
        wording, sign, low, high = STEPS[i]
        number = draw.randint(low, high)
        equation = f"({equation})" if sign in "*/" and re.search(r"[+-]", equation) else equation
        equation += f"{sign}{number + (wording[0] == '和')}" if sign == "/" else f"{sign}{number}"
        told.append(wording.format(number))
    return f"{who}有{start}个{what}，{'，'.join(told)}，这时{who}有多少个{what}？", equation


def make_problems(number, split="train", seed=0):
    """Compose problems.

    Args:
        number: how many.
        split: "train" or "dev"; no two steps follow each other in both.
        seed: the same seed gives the same problems.

    Returns: a list of (text, equation); values are whole numbers, and not negative.

    Example:
        >>> [(text, equation)] = make_problems(1, "dev", seed=1)
        >>> value(equation).denominator
        1
    """
    draw, items = random.Random(f"arithmetic {split} {seed}"), {}
    while len(items) < number:
        text, equation = make_problem(draw, split)
        if value(equation).denominator == 1 and 0 <= value(equation) < 1000:
            items[text] = equation
    return list(items.items())


def load_problems(path):
    """(text, equation) of the JSON lines {"original_text", "equation", "ans"} of a file of Ape210K;
    those whose equation does not give their answer are passed over, as some there do not.

    Raises: ValueError that names the file, and the line which is something else, or if no problem
        is left.
    """
    items = []
    for number, item in enumerate(load_json_lines(path), 1):
        try:
            text, equation, answer = item["original_text"], item["equation"], str(item["ans"])
        except (TypeError, KeyError) as error:
            raise ValueError(
                f"{path}, problem {number}: it must have 'original_text', 'equation' "
                f"and 'ans', but: {type(error).__name__} {error}"
            ) from None
        equation, answer = plain(equation.removeprefix("x=")), plain(answer)
        try:
            if abs(value(equation) - value(answer)) < 1e-4:
                items.append((text, equation))
        except ValueError:
            continue
    if not items:
        raise ValueError(f"{path} must have problems whose equation gives their answer, got none")
    return items


def plain(equation):
    """An equation in Python's signs: 50% is (50/100), 1(1/2) is (1+1/2), : is /, ^ is **."""
    equation = equation.replace("^", "**").replace(":", "/").replace(" ", "")
    equation = re.sub(r"([\d.]+)%", r"(\1/100)", equation)
    equation = re.sub(r"(?<![\d.])(\d+)\((\d+/\d+)\)", r"(\1+\2)", equation)
    return equation.translate(str.maketrans("[]{}", "()()"))
