"""Sentences with spaces between their words, in the format of SIGHAN.

Nouns of two characters are invented, and those of validation occur in no training sentence. Their
characters also stand alone as words (新 and 书 in 新 的 书, but 新书 is one noun), and nouns meet
without anything between, so neither a list of words nor a character tells where a word ends.
"""

import random

from .files import write_files
from .triples import Names

BEFORE = "新旧红青金木水火石云月春冬山花铁"  # first characters of nouns, and adjectives alone
BEHIND = "书桥灯船车门树鸟桌琴剑房鞋帽碗伞"  # last characters of nouns, and nouns alone
NUMBERS, UNITS = "二三四五六七八九", "个只座件"
VERBS = "看见 喜欢 买 卖 找到 画 写 修 说起 忘记 丢 送来".split()
ADVERBS = "又 就 也 已经 常常 终于 悄悄 高高兴兴 认认真真".split()
TIMES = "今天 昨天 去年 下午 春天 后来".split()
ENDS = ["了", "过", "着"]


def make_files():
    """Write train.txt and valid.txt, and return their paths."""
    return write_files(
        "words",
        train=("txt", lambda number: map("  ".join, make_words(number)), 6000),
        valid=("txt", lambda number: map("  ".join, make_words(number, "valid")), 500),
    )


def noun(names):
    """A noun by itself or invented, or two together."""
    kind = names.random.random()
    if kind < 0.25:
        return [names.choice(BEHIND)]
    first = names.spell(BEFORE, BEHIND)
    return [first] if kind < 0.8 else [first, names.spell(BEFORE, BEHIND)]


def number(names):
    """A number, which is one word however long."""
    tens = names.choice(["", "十", names.choice(NUMBERS) + "十", names.choice(NUMBERS) + "百"])
    return tens + names.choice(NUMBERS)


def thing(names):
    """Draw the thing that a sentence is about, as words."""
    kind = names.random.random()
    if kind < 0.25:
        return [names.person()]
    if kind < 0.5:
        return [number(names), names.choice(UNITS), *noun(names)]
    if kind < 0.7:
        return [names.choice(BEFORE), "的", *noun(names)]
    return [names.place()] if kind < 0.8 else noun(names)


def make_words(count, split="train", seed=0):
    """Compose sentences.

    Args:
        count: how many.
        split: "train" or "valid"; no invented word of the one occurs in the other.
        seed: the same seed gives the same sentences.

    Returns: a list of lists of words.

    Example:
        >>> len(make_words(3, "valid"))
        3
    """
    names, sentences = Names(split, random.Random(f"words {split} {seed}")), []
    for _ in range(count):
        words = [names.choice(TIMES)] if names.random.random() < 0.3 else []
        words += thing(names)
        words += [names.choice(ADVERBS)] if names.random.random() < 0.5 else []
        words += [names.choice(VERBS)]
        words += [names.choice(ENDS)] if names.random.random() < 0.5 else []
        sentences.append([*words, *thing(names), "。"])
    return sentences
