"""Reviews that praise or blame, composed from aspects and opinions, some by saying the opposite.

Items are (text, label), 1 where the text praises. A pair of an aspect and a word about it belongs
either to the training set or to the dev set, and each word comes with and without a "not": neither
a pair nor a word tells by itself.
"""

import os
import random
import zlib

from bert4keras.data import open

TOPICS = {  # of each topic: aspects, words of praise, words of blame
    "酒店": (
        ["房间", "床铺", "大堂", "早餐", "前台", "浴室", "位置", "服务"],
        ["干净", "舒服", "周到", "宽敞", "安静"],
        ["脏乱", "陈旧", "吵闹", "简陋", "马虎"],
    ),
    "小说": (
        ["情节", "文笔", "人物", "结尾", "开头", "对话", "想象", "翻译"],
        ["精彩", "动人", "细腻", "流畅", "新颖"],
        ["乏味", "俗套", "混乱", "啰嗦", "生硬"],
    ),
    "手机": (
        ["屏幕", "电池", "外壳", "声音", "系统", "按键", "相机", "信号"],
        ["清晰", "耐用", "灵敏", "稳定", "漂亮"],
        ["模糊", "粗糙", "迟钝", "卡顿", "难看"],
    ),
    "餐馆": (
        ["汤", "面条", "烤鸭", "米饭", "点心", "小菜", "上菜", "店面"],
        ["可口", "新鲜", "地道", "实惠", "讲究"],
        ["油腻", "难吃", "冰凉", "昂贵", "敷衍"],
    ),
}
DIRECT = ["{}很{}", "{}非常{}", "{}真是{}", "{}特别{}", "{}太{}了", "{}比想的还要{}"]
OPPOSITE = ["{}一点也不{}", "{}不怎么{}", "{}不能算{}", "{}谈不上{}", "{}哪里{}了"]
LEADS = ["", "", "这家{}，", "这次的{}，", "朋友推荐的{}，", "说说这个{}，", "第二次来写这个{}，"]
ENDS = {
    1: ["。", "。", "，值得推荐。", "，下次还选它。", "，很满意。", "，物有所值。"],
    0: ["。", "。", "，不值得买。", "，再也不会选它。", "，很失望。", "，后悔极了。"],
}


def of_dev(aspect, word):
    """Whether a pair is for dev: one of five is."""
    return zlib.crc32(f"{aspect} {word}".encode()) % 5 == 0


def clause(draw, topic, label, split):
    """What is said of one aspect, in words of this set."""
    aspects, praise, blame = TOPICS[topic]
    straight = draw.random() < 0.6
    words = praise if straight == bool(label) else blame
    while True:
        aspect, word = draw.choice(aspects), draw.choice(words)
        if of_dev(aspect, word) == (split == "dev"):
            return draw.choice(DIRECT if straight else OPPOSITE).format(aspect, word)


def make_reviews(number, split="train", seed=0):
    """Compose different reviews.

    Args:
        number: how many, about half of each label.
        split: "train" or "dev"; no pair of aspect and word of the one occurs in the other.
        seed: the same seed gives the same reviews.

    Returns: a list of (text, label).

    Example:
        >>> len(make_reviews(5, "dev"))
        5
    """
    draw, items = random.Random(f"reviews {split} {seed}"), {}
    while len(items) < number:
        topic, label = draw.choice(sorted(TOPICS)), draw.randint(0, 1)
        number_of_clauses = draw.choice([1, 2, 2, 3])
        clauses = {clause(draw, topic, label, split): None for _ in range(number_of_clauses)}
        lead, end = draw.choice(LEADS).format(topic), draw.choice(ENDS[label])
        items[lead + "，".join(clauses) + end] = label
    return list(items.items())


def deciding(text):
    """Positions of the characters that tell the label of a made-up review: words of praise and of
    blame, what turns them round, and what is said at the end.

    Example:
        >>> sorted(deciding("房间不怎么干净。"))
        [2, 3, 4, 5, 6]
    """
    words = [word for _, praise, blame in TOPICS.values() for word in praise + blame]
    words += ["一点也不", "不怎么", "不能算", "谈不上", "哪里"]
    words += [end.strip("，。") for ends in ENDS.values() for end in ends if len(end) > 1]
    found = ((text.find(word), len(word)) for word in words)
    return {begin + i for begin, length in found if begin >= 0 for i in range(length)}


HEADER = "label\ttext_a\n"  # of ChnSentiCorp's files, whose rows begin with the label


def load_reviews(path):
    """(text, label) of the rows `text<tab>label` of a file, or `label<tab>text` under a header.

    Raises: ValueError that names file and line, where a row is something else, or there is none.
    """
    items = []
    with open(path) as file:
        rows = list(file)
    turned = rows[:1] == [HEADER]
    for number, row in enumerate(rows[turned:], 1 + turned):
        row = row.rstrip("\n")
        label, _, text = row.partition("\t") if turned else row.rpartition("\t")[::-1]
        if not text or label not in ("0", "1"):
            form = "0 or 1, a tab, and a text" if turned else "a text, a tab, and 0 or 1"
            raise ValueError(f"{path}, line {number}: a row must be {form}, got {row[:60]!r}")
        items.append((text, int(label)))
    if not items:
        raise ValueError(f"{path} must have a row `text<tab>label` for each review, but is empty")
    return items


def load_sets(folder):
    """The reviews for training, of the dev set and of the test set of a folder.

    Args:
        folder: of train.tsv, dev.tsv and test.tsv, or of sentiment.train.data, sentiment.valid.data
            and sentiment.test.data.

    Raises: ValueError that names what is not there, or file and line of a wrong row.
    """
    forms = [
        [f"{name}.tsv" for name in ("train", "dev", "test")],
        [f"sentiment.{name}.data" for name in ("train", "valid", "test")],
    ]
    for names in forms:
        paths = [os.path.join(folder, name) for name in names]
        if all(map(os.path.exists, paths)):
            return [load_reviews(path) for path in paths]
    raise ValueError(f"{folder} must hold {' or '.join(', '.join(names) for names in forms)}")
