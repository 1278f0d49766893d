"""Poems of four lines, composed; or of a folder of chinese-poetry, or the couplets of two files.

A made-up poem has lines of five or of seven characters, and its even lines rhyme. A rhyming word
with the word before it belongs either to the training set or to the dev set.
"""

import json
import random
import re
import zlib
from pathlib import Path

RHYMES = {  # the words that lines end in, by rhyme
    "an": "山 关 间 还 闲 颜 湾 寒".split(),
    "ang": "霜 凉 光 乡 长 香 房 阳".split(),
    "eng": "风 声 灯 城 生 情 明 程".split(),
    "ou": "楼 秋 舟 流 头 愁 州 游".split(),
    "ian": "天 烟 船 年 眠 前 莲 泉".split(),
    "ei": "飞 归 衣 微 扉 稀 晖 依".split(),
}
OPEN = "月 水 雪 路 树 鸟 酒 夜 雨 草 柳 梦 马 剑 笛 客".split()  # odd lines end in these
FIRST = "春 秋 夜 晓 寒 孤 青 白 古 故 远 晚 空 清 江 南".split()
SECOND = "山 水 风 云 月 花 林 城 舟 人 雁 灯 钟 村 楼 桥".split()
VERBS = "照 满 入 过 落 上 生 隔 送 对 随 伴 绕 依 映 带".split()
DOUBLES = "悠悠 茫茫 处处 年年 依依 寂寂 迟迟 萧萧 渺渺 皎皎".split()


def before(ending, split):
    """The words that may stand before a rhyming word in a set: one of five is for dev."""
    of_dev = {word: zlib.crc32(f"{word} {ending}".encode()) % 5 == 0 for word in FIRST}
    return [word for word in FIRST if of_dev[word] == (split == "dev")]


def line(draw, width, words, ending):
    """A line of a width that ends in one of some words and an ending."""
    double = draw.choice(DOUBLES) if width == 7 else ""
    head = double + draw.choice(FIRST) + draw.choice(SECOND) + draw.choice(VERBS)
    return head + draw.choice(words) + ending


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
        width, rhyming = draw.choice([5, 7]), RHYMES[draw.choice(sorted(RHYMES))]
        rhyming = draw.sample([word for word in rhyming if before(word, split)], 2)
        halves = [line(draw, width, FIRST, draw.choice(OPEN)) + "，"
                  + line(draw, width, before(word, split), word) + "。" for word in rhyming]
        poems["".join(halves)] = None
    return list(poems)


def load_poems(path):
    """Texts of a folder: chinese-poetry's `poet.*.json`, or couplets in `in.txt` and `out.txt`.

    Raises: ValueError that names the file which is something else.
    """
    folder, poems = Path(path), []
    for file in sorted(folder.glob("poet.*.json")):
        try:
            poems += ["".join(poem["paragraphs"]) for poem in json.loads(file.read_text("utf-8"))]
        except (ValueError, TypeError, KeyError) as error:
            raise ValueError(f"{file} must be a JSON list of poems with 'paragraphs', but: "
                             f"{type(error).__name__} {error}") from None
    if not poems and (folder / "in.txt").exists():
        halves = [(folder / name).read_text("utf-8").splitlines() for name in ("in.txt", "out.txt")]
        if len(halves[0]) != len(halves[1]):
            raise ValueError(f"{folder}: in.txt and out.txt must have a line for each couplet, got "
                             f"{len(halves[0])} and {len(halves[1])}")
        poems = ["。".join(couplet).replace(" ", "") + "。" for couplet in zip(*halves)]
    poems = [poem for poem in poems if poem]
    if not poems:
        raise ValueError(f"{path} must be a folder of poet.*.json, or of in.txt and out.txt")
    return poems


def lines(poem):
    """The lines of a poem, without their signs."""
    return [part for part in re.split("[，。？！；,?!;]", poem) if part]


def well_formed(poem):
    """Whether a poem has an even number of lines, all of one length, and comes to an end."""
    found = lines(poem)
    whole = poem.endswith(("。", "？", "！"))
    return whole and len(found) % 2 == 0 and len(set(map(len, found))) == 1


def rhymes(poem):
    """Whether the even lines of a made-up poem end in one rhyme, but in different words."""
    ends = [x[-1] for x in lines(poem)[1::2]]
    return len(set(ends)) == len(ends) and any(set(ends) <= set(x) for x in RHYMES.values())
