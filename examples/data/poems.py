"""Poems of four lines, composed; or of a folder of chinese-poetry, or the couplets of two files.

A made-up poem has lines of five or of seven characters, all of which rhyme but the third. There are
so many possible poems that none comes twice: form and rhyme can be learnt, poems cannot.
"""

import json
import random
import re
from pathlib import Path

from bert4keras.data import open

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


def line(draw, width, ending):
    """A line of a width that ends in a word."""
    double = draw.choice(DOUBLES) if width == 7 else ""
    words = draw.choice(FIRST) + draw.choice(SECOND) + draw.choice(VERBS) + draw.choice(FIRST)
    return double + words + ending


def make_poems(number, split="train", seed=0):
    """Compose different poems.

    Args:
        number: how many.
        split: "train" or "dev".
        seed: the same seed gives the same poems.

    Returns: a list of texts.

    Example:
        >>> well_formed(make_poems(1, "dev", seed=1)[0]), rhymes(make_poems(1, "dev", seed=1)[0])
        (True, True)
    """
    draw, poems = random.Random(f"poems {split} {seed}"), {}
    while len(poems) < number:
        ends = draw.sample(RHYMES[draw.choice(sorted(RHYMES))], 3)
        ends.insert(2, draw.choice(OPEN))
        width = draw.choice([5, 7])
        lines = [line(draw, width, word) for word in ends]
        poems["{}，{}。{}，{}。".format(*lines)] = None
    return list(poems)


def load_poems(path):
    """Texts of a folder: chinese-poetry's `poet.*.json`, or couplets in `in.txt` and `out.txt`.

    Raises: ValueError that names the file which is something else.
    """
    folder, poems = Path(path), []
    for file in sorted(folder.glob("poet.*.json")):
        try:
            poems += ["".join(poem["paragraphs"]) for poem in json.loads(file.read_bytes())]
        except (ValueError, TypeError, KeyError) as error:
            raise ValueError(
                f"{file} must be a JSON list of poems with 'paragraphs', but: "
                f"{type(error).__name__} {error}"
            ) from None
    if not poems and (folder / "in.txt").exists():
        halves = [list(_rows(folder / name)) for name in ("in.txt", "out.txt")]
        if len(halves[0]) != len(halves[1]):
            raise ValueError(
                f"{folder}: in.txt and out.txt must have a line for each couplet, got "
                f"{len(halves[0])} and {len(halves[1])}"
            )
        poems = ["。".join(couplet).replace(" ", "") + "。" for couplet in zip(*halves)]
    poems = [poem for poem in poems if poem]
    if not poems:
        raise ValueError(f"{path} must be a folder of poet.*.json, or of in.txt and out.txt")
    return poems


def _rows(path):
    with open(path) as file:
        yield from (row.strip("\n") for row in file)


def lines(poem):
    """The lines of a poem, without their signs."""
    return [part for part in re.split("[，。？！；,?!;]", poem) if part]


def well_formed(poem):
    """Whether a poem has an even number of lines, all of one length, and comes to an end."""
    found = lines(poem)
    whole = poem.endswith(("。", "？", "！"))
    return whole and len(found) % 2 == 0 and len(set(map(len, found))) == 1


def rhymes(poem):
    """Whether the lines of a made-up poem, but the third, end in one rhyme, in different words."""
    ends = {x[-1] for i, x in enumerate(lines(poem)) if i != 2}
    return len(ends) == 3 and any(ends <= set(rhyme) for rhyme in RHYMES.values())
