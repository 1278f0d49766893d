"""Sentences with the persons, places, companies and titles in them, in CoNLL's format.

No name of the validation set occurs in training, and many characters stand in names of all kinds as
well as in common words ("安" in a person, a place, and 安静). So a character does not tell: what is
around it does. Some names hold another one, as the company 安阳市春山食品公司 does; the outer one
counts.
"""

import random
import re

from .files import write_files
from .triples import FACTS, LEADS, NO_FACTS, Names, fill

TYPES = {"person": "人名", "place": "地名", "company": "公司", "title": "作品"}
PLAIN = [  # the same characters in common words, and no name
    "青山绿水之间十分安静",
    "大家兴高采烈地唱着歌",
    "春风吹过长长的河岸",
    "他们在灯下读书",
    "冬夜里落了一场雪",
    "林中的小路通向湖边",
    "今年的收成比去年好",
    "天上飘着白云",
    "窗外传来琴声",
]
WORDINGS = [wording for wording, _ in FACTS] + NO_FACTS


def make_files():
    """Write train.txt and valid.txt, and return their paths."""
    return write_files(
        "entities",
        train=("txt", lambda number: list_rows(make_entities(number)), 6000),
        valid=("txt", lambda number: list_rows(make_entities(number, "valid")), 500),
    )


def list_rows(samples):
    """Iterate over the rows of samples: a character and its tag, an empty row behind each text."""
    for text, entities in samples:
        tags = ["O"] * len(text)
        for start, end, kind in entities:
            tags[start:end] = [f"B-{kind}"] + [f"I-{kind}"] * (end - start - 1)
        for character, tag in zip(text, tags):
            yield f"{character} {tag}"
        yield ""


def make_clause(names):
    """Compose a wording with names in its slots: its text, and [(start, end, type)]."""
    if names.random.random() < 0.15:
        return names.choice(PLAIN), []
    text, entities = "", []
    for piece in re.split(r"({\w+})", names.choice(WORDINGS)):
        kind = piece.strip("{}").rstrip("0123456789")
        if piece.startswith("{") and kind in TYPES:
            name = getattr(names, kind)()
            entities.append((len(text), len(text) + len(name), TYPES[kind]))
            piece = name
        text += piece
    return text, entities


def make_entities(number, split="train", seed=0):
    """Compose sentences.

    Args:
        number: how many.
        split: "train" or "valid"; no name of the one occurs in the other.
        seed: the same seed gives the same sentences.

    Returns: a list of (text, [(start, end, type), ...]): `text[start:end]` is a name.

    Example:
        >>> [(text, entities)] = make_entities(1, "valid", seed=2)
        >>> all(0 <= start < end <= len(text) for start, end, _ in entities)
        True
    """
    names, samples = Names(split, random.Random(f"entities {split} {seed}")), []
    for _ in range(number):
        text, entities = fill(names.choice(LEADS), "", names)[0], []
        for i in range(names.choice([1, 1, 2])):
            text += "，" if i else ""
            clause, spans = make_clause(names)
            entities += [(len(text) + a, len(text) + b, kind) for a, b, kind in spans]
            text += clause
        samples.append((text + "。", entities))
    return samples
