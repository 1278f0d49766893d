"""Chinese sentences with their triples, composed from wordings and invented names.

Items look like those of LIC2019: {"text": ..., "spo_list": [{"subject", "predicate", "object"}]}.
Names are spelt in characters, so nothing can be learnt by heart: a name of a person, and a word in
a name of another kind, belongs either to the training set or to the validation set. A name does not
tell its role either: the same titles are films, books, songs and albums, the same people write,
direct, act, sing, are fathers and sons, or only stand by. Only the wording tells.
"""

import random
import re
import zlib

from .files import to_json, write_files

PREDICATES = ["作者", "导演", "主演", "歌手", "所属专辑", "出生地", "创始人", "父亲"]

# What names are spelt in. All characters occur in both sets.
SURNAMES = [
    *"王李张刘陈杨赵黄周吴徐孙朱胡郭何林高罗郑梁谢宋唐许邓韩冯曹彭曾肖田董潘袁",
    *["欧阳", "司马", "上官"],
]
GIVEN_NAMES = (
    "伟芳娜敏丽强磊军勇艳杰娟涛明超秀霞平刚桂英华玉兰文清雅思志国庆建燕晓东子浩宇轩欣"
    "怡佳琪涵诗婷莹颖慧蓉薇阳鹏龙凯"
)
KINDS = (
    "春夏秋冬晨夜南北青白红金银长远寒暖孤飞落晚古旧深浅暗轻重浮沉流静空幽荒碧紫蓝素苍"
    "残断冷香淡浓醉醒归独"
)
THINGS = (
    "山河江湖风云雪雨花月星光梦城歌舞路桥门窗灯火船岛海岸林草叶石沙霜露雾虹影声琴弦笛"
    "鼓剑马鹿鹤鸟鱼楼台亭院井巷"
)
PLACES = "安永昌兴隆泰康顺临武德祥嘉太广定靖绥宜延建盛富吉瑞福乐嵩"
SITES = "宁清阳川溪谷原丰通化怀陵州源泉岭峰坪湾浦口关屯堡沟塘坡"

# A wording and the triples it tells: "title1 作者 person1; ...". The direction is in the words.
FACTS = [
    ("《{title1}》的作者是{person1}", "title1 作者 person1"),
    ("{person1}著有《{title1}》一书", "title1 作者 person1"),
    ("《{title1}》是{person1}创作的长篇小说", "title1 作者 person1"),
    ("散文集《{title1}》出自{person1}之手", "title1 作者 person1"),
    ("{person1}写的{title1}终于出版了", "title1 作者 person1"),
    ("《{title1}》，{person1}著，{person2}译", "title1 作者 person1"),
    ("作家{person1}的小说{title1}再版", "title1 作者 person1"),
    ("《{title1}》由{person1}执导", "title1 导演 person1"),
    ("《{title1}》的导演是{person1}", "title1 导演 person1"),
    ("{person1}导演的《{title1}》杀青", "title1 导演 person1"),
    ("{person1}拍摄了电影《{title1}》", "title1 导演 person1"),
    ("影片{title1}是导演{person1}的处女作", "title1 导演 person1"),
    ("《{title1}》导演{person1}接受采访", "title1 导演 person1"),
    ("《{title1}》由{person1}主演", "title1 主演 person1"),
    ("{person1}主演的《{title1}》杀青", "title1 主演 person1"),
    ("《{title1}》的主演是{person1}", "title1 主演 person1"),
    ("{person1}在《{title1}》中饰演女主角", "title1 主演 person1"),
    ("电视剧{title1}由{person1}领衔主演", "title1 主演 person1"),
    ("演员{person1}出演《{title1}》", "title1 主演 person1"),
    ("《{title1}》是{person1}演唱的歌曲", "title1 歌手 person1"),
    ("{person1}的单曲《{title1}》上线", "title1 歌手 person1"),
    ("歌手{person1}唱了一首{title1}", "title1 歌手 person1"),
    ("《{title1}》由{person1}演唱", "title1 歌手 person1"),
    ("《{title1}》的原唱是{person1}", "title1 歌手 person1"),
    ("{person1}推出新歌《{title1}》", "title1 歌手 person1"),
    ("《{title1}》收录于专辑《{title2}》", "title1 所属专辑 title2"),
    ("专辑《{title1}》收录了《{title2}》", "title2 所属专辑 title1"),
    ("《{title1}》是专辑《{title2}》中的一首歌", "title1 所属专辑 title2"),
    ("《{title1}》的主打歌是《{title2}》", "title2 所属专辑 title1"),
    ("《{title1}》选自《{title2}》这张专辑", "title1 所属专辑 title2"),
    ("专辑{title1}里有一首{title2}", "title2 所属专辑 title1"),
    ("{person1}出生于{place1}", "person1 出生地 place1"),
    ("{person1}生在{place1}，长在{place2}", "person1 出生地 place1"),
    ("{place1}是{person1}的出生地", "person1 出生地 place1"),
    ("{person1}的出生地是{place1}", "person1 出生地 place1"),
    ("生于{place1}的{person1}现居{place2}", "person1 出生地 place1"),
    ("{person1}，{place1}出生，演员", "person1 出生地 place1"),
    ("{person1}创办了{company1}", "company1 创始人 person1"),
    ("{company1}的创始人是{person1}", "company1 创始人 person1"),
    ("{company1}由{person1}创立", "company1 创始人 person1"),
    ("{person1}是{company1}的创始人", "company1 创始人 person1"),
    ("{company1}创始人{person1}出席会议", "company1 创始人 person1"),
    ("{person1}离开{company1}后创立了{company2}", "company2 创始人 person1"),
    ("{person1}的父亲是{person2}", "person1 父亲 person2"),
    ("{person1}是{person2}的父亲", "person2 父亲 person1"),
    ("{person1}之父{person2}", "person1 父亲 person2"),
    ("{person1}是{person2}的儿子", "person1 父亲 person2"),
    ("{person1}和儿子{person2}同台", "person2 父亲 person1"),
    ("{person1}与父亲{person2}合影", "person1 父亲 person2"),
    # several triples: one subject or one object shared, chains, the same pair twice
    (
        "《{title1}》由{person1}执导，{person2}、{person3}主演",
        "title1 导演 person1; title1 主演 person2; title1 主演 person3",
    ),
    (
        "{person1}和{person2}共同创办了{company1}",
        "company1 创始人 person1; company1 创始人 person2",
    ),
    ("{person1}著有《{title1}》《{title2}》", "title1 作者 person1; title2 作者 person1"),
    ("{person1}执导了《{title1}》和《{title2}》", "title1 导演 person1; title2 导演 person1"),
    ("《{title1}》由{person1}自导自演", "title1 导演 person1; title1 主演 person1"),
    ("{person1}执导并主演了《{title1}》", "title1 导演 person1; title1 主演 person1"),
    (
        "{person1}演唱的《{title1}》收录于专辑《{title2}》",
        "title1 歌手 person1; title1 所属专辑 title2",
    ),
    ("{person1}、{person2}合唱的《{title1}》", "title1 歌手 person1; title1 歌手 person2"),
    (
        "《{title1}》《{title2}》都收录在专辑《{title3}》中",
        "title1 所属专辑 title3; title2 所属专辑 title3",
    ),
    ("《{title1}》的作者{person1}出生于{place1}", "title1 作者 person1; person1 出生地 place1"),
    ("{company1}创始人{person1}生于{place1}", "company1 创始人 person1; person1 出生地 place1"),
    ("{person1}是{person2}的父亲、{person3}的儿子", "person2 父亲 person1; person1 父亲 person3"),
    ("{person1}和{person2}都出生于{place1}", "person1 出生地 place1; person2 出生地 place1"),
    ("《{title1}》的导演{person1}是{person2}的儿子", "title1 导演 person1; person1 父亲 person2"),
    (
        "《{title1}》改编自{person1}的小说《{title2}》，由{person2}执导",
        "title2 作者 person1; title1 导演 person2",
    ),
]

# The same things named, and no relation among them that is asked for.
NO_FACTS = """
{person1}与{person2}在{place1}合影
《{title1}》在{place1}举行首映礼
{person1}读过《{title1}》
《{title1}》的制片人是{person1}
《{title1}》由{person1}作曲、{person2}作词
《{title1}》不是{person1}写的
{person1}没有参演《{title1}》
{person1}现居{place1}
{person1}在{place1}工作
{person1}的祖籍是{place1}
{person1}的老师是{person2}
{person1}是{person2}的同学
{person1}和妻子{person2}同台
{person1}收购了{company1}
{company1}的董事长是{person1}
{person1}加入{company1}
{company1}的总部位于{place1}
《{title1}》由{person1}翻译
{person1}是{person2}的叔父
《{title1}》和《{title2}》同日上映
专辑《{title1}》的销量超过《{title2}》
{person1}翻唱了《{title2}》
{company1}投资了电影《{title1}》
{person1}为《{title1}》撰写影评
{place1}今年粮食丰收
会议在{place1}召开
""".split()

# Clauses that go on about one topic: far apart, the first name still is the subject or object.
TOPICS = {
    "person": (
        ["{topic}", "演员{topic}", "作家{topic}", "歌手{topic}", "企业家{topic}"],
        [
            ("出生于{place1}", "topic 出生地 place1"),
            ("{place1}出生", "topic 出生地 place1"),
            ("父亲是{person1}", "topic 父亲 person1"),
            ("是{person1}的儿子", "topic 父亲 person1"),
            ("著有《{title1}》", "title1 作者 topic"),
            ("执导过《{title1}》", "title1 导演 topic"),
            ("主演电影《{title1}》", "title1 主演 topic"),
            ("演唱过《{title1}》", "title1 歌手 topic"),
            ("创办了{company1}", "company1 创始人 topic"),
            ("曾在{company1}任职", ""),
            ("毕业后来到{place1}", ""),
            ("师从{person1}", ""),
            ("喜欢读《{title1}》", ""),
        ],
    ),
    "title": (
        ["《{topic}》", "这部《{topic}》"],
        [
            ("由{person1}执导", "topic 导演 person1"),
            ("{person1}主演", "topic 主演 person1"),
            ("导演为{person1}", "topic 导演 person1"),
            ("{person1}担任主演", "topic 主演 person1"),
            ("由{person1}执导并主演", "topic 导演 person1; topic 主演 person1"),
            ("根据{person1}的小说《{title1}》改编", "title1 作者 person1"),
            ("主题曲是{person1}演唱的《{title1}》", "title1 歌手 person1"),
            ("制片人为{person1}", ""),
            ("由{company1}出品", ""),
            ("{year}年上映", ""),
            ("在{place1}取景", ""),
        ],
    ),
}
LEADS = ["", "", "", "", "据报道，", "近日，", "{year}年，", "众所周知，", "记者获悉，"]


def make_files():
    """Write train.json and valid.json, and return their paths."""
    return write_files(
        "triples",
        train=("json", lambda number: map(to_json, make_triples(number)), 16000),
        valid=("json", lambda number: map(to_json, make_triples(number, "valid")), 500),
    )


def belongs(name, split):
    """Return True for a name of a split: one of five, by chance, is for "valid"."""
    return (zlib.crc32(name.encode()) % 5 == 0) == (split == "valid")


class Names:
    """Draws names of every kind for one set."""

    def __init__(self, split, generator):
        self.split, self.random, self.choice = split, generator, generator.choice

    def spell(self, *alphabets):
        """One character of each alphabet, together a name of this set."""
        while not belongs(name := "".join(map(self.choice, alphabets)), self.split):
            pass
        return name

    def person(self):
        return self.spell(SURNAMES, GIVEN_NAMES, GIVEN_NAMES)

    def place(self):
        return self.spell(PLACES, SITES) + self.choice("市县镇省")

    def company(self):
        place = self.choice(["", "", "", "", self.place()])  # a name within a name
        trade = self.choice(["科技", "传媒", "食品", "软件", "影业", "教育"])
        return place + self.spell(KINDS, THINGS) + trade + self.choice(["公司", "集团", ""])

    def title(self):
        if self.random.random() < 0.1:  # a name within a name
            return self.person() + self.choice(["传", "往事"])
        first, second = self.spell(KINDS, THINGS), self.spell(KINDS, THINGS)
        ends = ["", "", "记", "曲", second, second, f"的{second}", f"与{second}"]
        return first + self.choice(ends)

    def year(self):
        return str(self.random.randint(1950, 2024))


def fill(wording, triples, names, **fixed_names):
    """Fill the slots of a wording with fresh names, but those of ``fixed_names``.

    Returns: `(text, [(subject, predicate, object), ...])`.
    """
    slots = dict(fixed_names)
    for kind, number in re.findall(r"{(\w+?)(\d?)}", wording):
        if kind + number not in slots:
            slots[kind + number] = getattr(names, kind)()
    parts = [triple.split() for triple in triples.split(";") if triple]
    return wording.format(**slots), [(slots[s], p, slots[o]) for s, p, o in parts]


def chain(names):
    """A topic and one to three clauses about it."""
    kind = names.choice(sorted(TOPICS))
    heads, clauses = TOPICS[kind]
    topic = getattr(names, kind)()
    parts = [(names.choice(heads).format(topic=topic), [])]
    for wording, triples in names.random.sample(clauses, names.random.randint(1, 3)):
        parts.append(fill(wording, triples, names, topic=topic))
    return parts


def compose(names):
    """One sentence: a chain, a fact, two, a fact and something else, or no fact at all."""
    shape = names.choice(["chain", "fact", "fact", "facts", "mixed", "none"])
    if shape == "chain":
        parts = chain(names)
    else:
        facts, no_facts = {"fact": (1, 0), "facts": (2, 0), "mixed": (1, 1), "none": (0, 1)}[shape]
        parts = [fill(*names.choice(FACTS), names) for _ in range(facts)]
        parts += [fill(names.choice(NO_FACTS), "", names) for _ in range(no_facts)]
        names.random.shuffle(parts)
    lead, _ = fill(names.choice(LEADS), "", names)
    text = lead + "，".join(part for part, _ in parts) + names.choice(["。", "。", ""])
    return text, [triple for _, triples in parts for triple in triples]


def make_triples(number, split="train", seed=0):
    """Compose `number` different sentences with their triples.

    Args:
        number: how many.
        split: "train" or "valid"; no name of the one occurs in the sentences of the other.
        seed: the same seed gives the same sentences.

    Returns: a list of {"text", "spo_list": [{"subject", "predicate", "object"}, ...]}; about one
        sentence in five holds no triple. Every subject and object stands exactly once in its text.

    Example:
        >>> [item] = make_triples(1, "valid", seed=3)
        >>> all(triple["subject"] in item["text"] for triple in item["spo_list"])
        True
    """
    names, items = Names(split, random.Random(f"{split} {seed}")), {}
    while len(items) < number:
        text, triples = compose(names)
        if all(text.count(name) == 1 for s, _, o in triples for name in (s, o)):
            spo_list = [{"subject": s, "predicate": p, "object": o} for s, p, o in triples]
            items[text] = {"text": text, "spo_list": spo_list}
    return list(items.values())
