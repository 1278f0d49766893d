"""Reviews that praise or blame, composed from aspects and opinions, some by saying the opposite.

Items are (text, label), 1 where the text praises. A pair of an aspect and a word about it belongs
either to the training set or to the validation and test sets, and each word comes with and without
a "not": neither a pair nor a word tells by itself.
"""

import random
import zlib

from .files import write_files

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


HEADER = "label\ttext_a"  # of ChnSentiCorp's files


def make_files(number=2000):
    """Write train.tsv, valid.tsv and test.tsv, and return their paths.

    Args:
        number: number of training reviews.
    """
    return write_files(
        f"reviews_{number}",
        train=("tsv", lambda number: make_rows(make_reviews(number)), number),
        valid=("tsv", lambda number: make_rows(make_reviews(number, "valid")), 500),
        test=("tsv", lambda number: make_rows(make_reviews(2 * number, "valid")[number:]), 500),
    )


def make_rows(reviews):
    """Make the rows of a file: the label before the text, below a header."""
    return [HEADER, *(f"{label}\t{text}" for text, label in reviews)]


def is_for_validation(aspect, word):
    """Return True for a pair of the validation set: one of five."""
    return zlib.crc32(f"{aspect} {word}".encode()) % 5 == 0


def make_clause(draw, topic, label, split):
    """Say something of one aspect, in words of a split."""
    aspects, praise, blame = TOPICS[topic]
    is_direct = draw.random() < 0.6
    words = praise if is_direct == bool(label) else blame
    while True:
        aspect, word = draw.choice(aspects), draw.choice(words)
        if is_for_validation(aspect, word) == (split == "valid"):
            return draw.choice(DIRECT if is_direct else OPPOSITE).format(aspect, word)


def make_reviews(number, split="train", seed=0):
    """Compose different reviews.

    Args:
        number: how many, about half of each label.
        split: "train" or "valid"; no pair of aspect and word of the one occurs in the other.
        seed: the same seed gives the same reviews.

    Returns: a list of (text, label).

    Example:
        >>> len(make_reviews(5, "valid"))
        5
    """
    if split not in ("train", "valid"):
        raise ValueError(f"Expected split to be train or valid, got {split!r}.")
    draw, reviews = random.Random(f"reviews {split} {seed}"), {}
    while len(reviews) < number:
        topic, label = draw.choice(sorted(TOPICS)), draw.randint(0, 1)
        number_of_clauses = draw.choice([1, 2, 2, 3])
        clauses = {make_clause(draw, topic, label, split): None for _ in range(number_of_clauses)}
        lead, end = draw.choice(LEADS).format(topic), draw.choice(ENDS[label])
        reviews[lead + "，".join(clauses) + end] = label
    return list(reviews.items())


def find_deciding(text):
    """Find the characters that decide the label of a synthetic review: words of praise and of
    blame, what turns them round, and what is said at the end.

    Returns: the set of their positions.

    Example:
        >>> sorted(find_deciding("房间不怎么干净。"))
        [2, 3, 4, 5, 6]
    """
    words = [word for _, praise, blame in TOPICS.values() for word in praise + blame]
    words += ["一点也不", "不怎么", "不能算", "谈不上", "哪里"]
    words += [end.strip("，。") for ends in ENDS.values() for end in ends if len(end) > 1]
    places = set()
    for word in words:
        start = text.find(word)
        if start >= 0:
            places.update(range(start, start + len(word)))
    return places
