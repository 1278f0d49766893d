"""Pairs of questions that mean the same or not, composed.

Names of the validation set occur in no training pair, and which two wordings stand in a pair
belongs to one of the sets: neither a name nor a pair of wordings can be learnt by heart. Questions
that differ in meaning have the same name and another wish, or the same wish and a similar name.
"""

import random
import re

from .files import write_files
from .triples import Names

WISHES = {  # five ways to ask for the same thing
    "写作": [
        "{title}的作者是谁",
        "{title}是谁写的",
        "谁写了{title}",
        "{title}出自哪位作家之手",
        "请问谁著有{title}",
    ],
    "演唱": [
        "{title}是谁唱的",
        "谁演唱了{title}",
        "{title}的歌手叫什么",
        "{title}由哪位歌手演唱",
        "想知道谁唱过{title}",
    ],
    "导演": [
        "{title}的导演是谁",
        "谁执导了{title}",
        "{title}是谁导演的",
        "{title}由哪位导演拍摄",
        "请问谁拍了{title}",
    ],
    "年份": [
        "{title}是哪年出的",
        "{title}什么时候问世",
        "{title}哪一年推出",
        "{title}诞生于哪年",
        "想知道{title}的年份",
    ],
    "出生": [
        "{person}出生在哪里",
        "{person}的出生地是哪",
        "{person}是哪里人",
        "{person}在什么地方出生",
        "请问{person}生在哪",
    ],
    "父亲": [
        "{person}的父亲是谁",
        "谁是{person}的爸爸",
        "{person}的爸爸叫什么",
        "{person}是谁的孩子",
        "请问谁生了{person}",
    ],
    "妻子": [
        "{person}的妻子是谁",
        "{person}和谁结了婚",
        "{person}娶了谁",
        "谁嫁给了{person}",
        "想知道谁是{person}的太太",
    ],
    "年龄": [
        "{person}今年多大",
        "{person}几岁了",
        "{person}的年龄是多少",
        "请问{person}多少岁",
        "想知道{person}的岁数",
    ],
    "创办": [
        "{company}的创始人是谁",
        "谁创办了{company}",
        "{company}是谁创立的",
        "{company}由谁建立",
        "请问谁开了{company}",
    ],
    "地址": [
        "{company}在哪里",
        "{company}的总部设在哪",
        "{company}位于什么地方",
        "怎么去{company}",
        "请问{company}的地址",
    ],
    "招聘": [
        "{company}招人吗",
        "怎样进{company}工作",
        "{company}有职位吗",
        "如何应聘{company}",
        "想去{company}上班怎么办",
    ],
    "天气": [
        "{place}天气怎么样",
        "{place}今天下雨吗",
        "{place}冷不冷",
        "{place}的气温是多少",
        "请问{place}出太阳吗",
    ],
    "景点": [
        "{place}有什么好玩的",
        "去{place}玩什么",
        "{place}有哪些景点",
        "{place}哪里值得看",
        "想去{place}旅游看什么",
    ],
}


def make_files(number=10000):
    """Write train.tsv and valid.tsv in the form of LCQMC, and return their paths.

    Args:
        number: number of training pairs.
    """
    return write_files(
        f"pairs_{number}",
        train=("tsv", lambda number: make_rows(make_pairs(number)), number),
        valid=("tsv", lambda number: make_rows(make_pairs(number, "valid")), 1000),
    )


def make_rows(pairs):
    """Make the rows of a file: two texts and their label."""
    return [f"{first}\t{second}\t{label}" for first, second, label in pairs]


def get_kind(wish):
    """Return what a wish is about: "title", "person", "company" or "place"."""
    return re.search(r"{(\w+)}", WISHES[wish][0])[1]


def find_similar(name, kind, names):
    """Find another name of the kind with many of the same characters."""
    candidates = [getattr(names, kind)() for _ in range(30)]
    candidates = [candidate for candidate in candidates if candidate != name]
    return max(candidates, key=lambda candidate: len(set(candidate) & set(name)))


def draw_wordings(first, second, split, names):
    """Draw different wordings of two wishes: one pair of five is for validation."""
    while True:
        i, j = names.random.randrange(5), names.random.randrange(5)
        if (first, i) != (second, j) and ((i + j) % 5 == 0) == (split == "valid"):
            return WISHES[first][i], WISHES[second][j]


def make_pairs(number, split="train", seed=0):
    """Compose pairs.

    Args:
        number: how many, about half of which mean the same.
        split: "train" or "valid".
        seed: the same seed gives the same pairs.

    Returns: a list of (question, question, label), 1 where they mean the same.

    Example:
        >>> len(make_pairs(3, "valid"))
        3
    """
    names, pairs = Names(split, random.Random(f"pairs {split} {seed}")), []
    while len(pairs) < number:
        wish, label = names.choice(sorted(WISHES)), names.choice([0, 1])
        kind = get_kind(wish)
        first_name = second_name = getattr(names, kind)()
        second_wish = wish
        if not label and names.random.random() < 0.5:
            second_name = find_similar(first_name, kind, names)
        elif not label:
            wishes = [x for x in sorted(WISHES) if x != wish and get_kind(x) == kind]
            second_wish = names.choice(wishes)
        wordings = draw_wordings(wish, second_wish, split, names)
        texts = [
            wording.format(**{kind: name}) + names.choice(["？", ""])
            for wording, name in zip(wordings, (first_name, second_name))
        ]
        pairs.append((*texts, label))
    return pairs


def find_meaning(question):
    """Find the wish and the name of a question in one of the ways above; None for others."""
    for wish, wordings in WISHES.items():
        for wording in wordings:
            pattern = re.sub(r"{\w+}", "(.+?)", wording) + "？?"
            match = re.fullmatch(pattern, question)
            if match:
                return wish, match[1]
    return None
