"""Poems of four lines, composed.

A poem has lines of five or of seven characters, all of which rhyme but the third. There are so many
possible poems that none comes twice: form and rhyme can be learnt, poems cannot.
"""

import random
import re

from .files import write_files

RHYMES = {  # the words that lines end in, by rhyme
    "an": "山 关 间 还 闲 颜 湾 寒".split(),
    "ang": "霜 凉 光 乡 长 香 房 阳".split(),
    "eng": "风 声 灯 城 生 情 明 程".split(),
    "ou": "楼 秋 舟 流 头 愁 州 游".split(),
    "ian": "天 烟 船 年 眠 前 莲 泉".split(),
    "ei": "飞 归 衣 微 扉 稀 晖 依".split(),
}
OPEN = "月 水 雪 路 树 鸟 酒 夜 雨 草 柳 梦 马 剑 笛 客".split()  # of the third line
FIRST = "春 秋 夜 晓 寒 孤 青 白 古 故 远 晚 空 清 江 南".split()
SECOND = "山 水 风 云 月 花 林 城 舟 人 雁 灯 钟 村 楼 桥".split()
VERBS = "照 满 入 过 落 上 生 隔 送 对 随 伴 绕 依 映 带".split()
DOUBLES = "悠悠 茫茫 处处 年年 依依 寂寂 迟迟 萧萧 渺渺 皎皎".split()


def make_files():
    """Write train.txt and valid.txt, a poem on each line, and return their paths."""
    return write_files(
        "poems",
        train=("txt", lambda number: make_poems(number, "train"), 8000),
        valid=("txt", lambda number: make_poems(number, "valid"), 400),
    )


def make_line(draw, width, ending):
    """Compose a line of a width that ends in a word."""
    double = draw.choice(DOUBLES) if width == 7 else ""
    words = draw.choice(FIRST) + draw.choice(SECOND) + draw.choice(VERBS) + draw.choice(FIRST)
    return double + words + ending


def make_poems(number, split="train", seed=0):
    """Compose different poems.

    Args:
        number: how many.
        split: "train" or "valid".
        seed: the same seed gives the same poems.

    Returns: a list of texts.

    Example:
        >>> [poem] = make_poems(1, "valid", seed=1)
        >>> is_regular(poem), has_rhyme(poem)
        (True, True)
    """
    draw, poems = random.Random(f"poems {split} {seed}"), {}
    while len(poems) < number:
        ends = draw.sample(RHYMES[draw.choice(sorted(RHYMES))], 3)
        ends.insert(2, draw.choice(OPEN))
        width = draw.choice([5, 7])
        lines = [make_line(draw, width, word) for word in ends]
        poems["{}，{}。{}，{}。".format(*lines)] = None
    return list(poems)


def split_lines(poem):
    """Split a poem into its lines, without their signs."""
    return [part for part in re.split("[，。？！；,?!;]", poem) if part]


def is_regular(poem):
    """Return True if a poem has an even number of lines, all of one length, and comes to an end."""
    lines = split_lines(poem)
    is_complete = poem.endswith(("。", "？", "！"))
    return is_complete and len(lines) % 2 == 0 and len(set(map(len, lines))) == 1


def has_rhyme(poem):
    """Return True if the lines, but the third, end in one rhyme, in different words."""
    ends = {line[-1] for number, line in enumerate(split_lines(poem)) if number != 2}
    return len(ends) == 3 and any(ends <= set(rhyme) for rhyme in RHYMES.values())
