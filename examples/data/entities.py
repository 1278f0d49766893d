"""Sentences with the persons, places, companies and titles in them, composed; or of files with one
character and its tag a line.

No name of dev occurs in training, and many characters stand in names of all kinds as well as in
common words ("安" in a person, a place, and 安静), so a character does not tell: what is around it
does. Some names hold another one, as the company 安阳市春山食品公司 does; the outer one counts.
"""

import random
import re
from pathlib import Path

from bert4keras.data import open

from .triples import FACTS, LEADS, OTHERS, Names, fill

TYPES = {"person": "人名", "place": "地名", "company": "公司", "title": "作品"}
PLAIN = [  # the same characters in common words, and no name
    "青山绿水之间十分安静", "大家兴高采烈地唱着歌", "春风吹过长长的河岸", "他们在灯下读书",
    "冬夜里落了一场雪", "林中的小路通向湖边", "今年的收成比去年好", "天上飘着白云", "窗外传来琴声",
]
WORDINGS = [wording for wording, _ in FACTS] + OTHERS


def clause(names):
    """A wording with names in its slots: its text, and [(start, end, type)]."""
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
        split: "train" or "dev"; no name of the one occurs in the other.
        seed: the same seed gives the same sentences.

    Returns: a list of (text, [(start, end, type), ...]): `text[start:end]` is a name.

    Example:
        >>> [(text, entities)] = make_entities(1, "dev", seed=2)
        >>> all(0 <= start < end <= len(text) for start, end, _ in entities)
        True
    """
    names, items = Names(split, random.Random(f"entities {split} {seed}")), []
    for _ in range(number):
        text, entities = fill(names.choice(LEADS), "", names)[0], []
        for i in range(names.choice([1, 1, 2])):
            text += "，" if i else ""
            part, found = clause(names)
            entities += [(len(text) + a, len(text) + b, kind) for a, b, kind in found]
            text += part
        items.append((text + "。", entities))
    return items


def load_entities(folder, split):
    """Sentences of `train*` or `dev*` in a folder: a line for each character, with its tag behind
    a space, and an empty line after each sentence. Tags are O, or a type behind B-, then I-, M- or
    E- inside a name, or S- for a name of one character.

    Returns: as `make_entities`.

    Raises: ValueError that names file and line which is something else; or the folder, where no
        file or several are for the split.
    """
    files = sorted(Path(folder).glob(f"{split}*"))
    if len(files) != 1:
        raise ValueError(f"{folder} must hold one file {split}*, got {[x.name for x in files]}")
    items, characters, tags = [], [], []
    with open(files[0]) as file:
        for number, row in enumerate([*file, "\n"], 1):
            if fields := row.split():
                if len(fields) != 2 or not re.fullmatch(r"O|[BIMES]-.+", fields[1]):
                    raise ValueError(f"{files[0]}, line {number}: a row must be a character and a "
                                     f"tag, O or B-TYPE and the like, got {row.strip()[:60]!r}")
                characters.append(fields[0])
                tags.append((len("".join(characters[:-1])), len("".join(characters)), fields[1]))
            elif characters:
                items.append(("".join(characters), joined(tags)))
                characters, tags = [], []
    if not items:
        raise ValueError(f"{files[0]} must have a row `character tag` for each, but is empty")
    return items


def joined(tags):
    """Entities of the tags of characters, [(start, end, tag)]."""
    entities = []
    for start, end, tag in tags:
        mark, _, kind = tag.partition("-")
        goes_on = entities and entities[-1][1:] == (start, kind)
        if mark in "IME" and goes_on:
            entities[-1] = (entities[-1][0], end, kind)
        elif mark != "O":
            entities.append((start, end, kind))
    return entities


def positions(entities, places):
    """Entities as tokens have them.

    Args:
        entities: [(start, end, type)], in characters.
        places: of each token its characters, as `tokenizer.rematch` gives them.

    Returns: [(first, last, type)]; those that are cut off, or begin or end within a token, are not
        among them.
    """
    first = {place[0]: i for i, place in enumerate(places) if place}
    last = {place[-1] + 1: i for i, place in enumerate(places) if place}
    return [(first[a], last[b], kind) for a, b, kind in entities if a in first and b in last]


def scores(true, found):
    """F1, precision and recall of predicted entities, over all texts.

    Example:
        >>> scores([[(0, 2, "人名")]], [[(0, 2, "人名"), (3, 4, "地名")]])["precision"]
        0.5
    """
    right = sum(len({*x} & {*y}) for x, y in zip(true, found))
    predicted, wanted = (sum(len({*x}) for x in many) for many in (found, true))
    return {"f1": 2 * right / max(predicted + wanted, 1), "precision": right / max(predicted, 1),
            "recall": right / max(wanted, 1)}
