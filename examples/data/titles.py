"""Abstracts of papers with their titles, composed: a title says what is done, to what, and how.

Items are (abstract, title). What is done to what belongs, as a pair, either to the training set or
to the validation set, and the abstract names more things and ways than the title takes up.
"""

import random
import zlib

from .files import write_files

THINGS = (
    "桥梁 隧道 水库 锅炉 齿轮 轴承 风机 电网 卫星 雷达 机器人 无人机 土壤 小麦 玉米 森林 地下水 "
    "废水 煤矿 油田 钢材 混凝土 涂料 陶瓷 图像 语音 文本 视频 交通流 心电图 血糖 肺炎 骨折 药材"
).split()
TASKS = "检测 识别 预测 分类 控制 优化 评价 监测 诊断 设计 建模 仿真 定位 加固 制备 修复".split()
WAYS = [
    first + second
    for first in "自适应 改进 动态 多尺度 分布式 模糊 稀疏 随机 双层 混合 局部 轻量".split()
    for second in "神经网络 遗传算法 小波变换 支持向量机 有限元 粒子群 决策树 聚类 滤波".split()
]
AIMS = [
    "针对{thing}{task}中{fault}的问题",
    "为了解决{thing}{task}{fault}的难题",
    "{thing}{task}在工程中十分重要,但{fault}",
    "考虑到现有的{thing}{task}{fault}",
]
FAULTS = "精度不高 速度较慢 成本过大 数据不足 容易受到噪声影响 依赖人工经验 结果不够稳定".split()
MEANS = [
    "提出了一种基于{way}的{kind}",
    "设计了以{way}为核心的{kind}",
    "将{way}引入其中,建立了新的{kind}",
    "采用{way}构造{kind}",
]
KINDS = ["方法", "模型", "系统"]
NEWS = [
    "首先收集了{number}组数据",
    "与{other}相比,误差降低了{number}%",
    "其中{other}用于确定初值",
    "结合{second}的特点给出了参数的取值",
    "并讨论了向{second}推广的可能",
    "在{place}进行了为期{number}天的试验",
    "分析了{number}种影响因素",
]
PLACES = "山东 云南 陕西 江苏 四川 新疆 辽宁 福建".split()
CLOSES = [
    "结果表明,该{kind}能够满足实际需要",
    "实验证明了该{kind}的有效性",
    "仿真结果显示其性能优于{other}",
    "研究结果可为{second}的{task}提供参考",
]
TITLES = ["基于{way}的{thing}{task}{kind}", "{thing}{task}的{way}{kind}"]


def make_files():
    """Write train.tsv and valid.tsv, and return their paths."""
    return write_files(
        "titles",
        train=("tsv", lambda number: map("\t".join, make_titles(number)), 8000),
        valid=("tsv", lambda number: map("\t".join, make_titles(number, "valid")), 200),
    )


def is_for_validation(thing, task):
    """Return True for a pair of the validation set: one of five."""
    return zlib.crc32(f"{thing} {task}".encode()) % 5 == 0


def make_titles(number, split="train", seed=0):
    """Compose abstracts with titles.

    Args:
        number: how many.
        split: "train" or "valid"; what is done to what in the one is not in the other.
        seed: the same seed gives the same items.

    Returns: a list of (abstract, title). Who reads "采用" or "引入" in the abstract knows which of
        the two forms its title has.

    Example:
        >>> [(abstract, title)] = make_titles(1, "valid", seed=3)
        >>> len(title) < len(abstract)
        True
    """
    draw, items = random.Random(f"titles {split} {seed}"), []
    while len(items) < number:
        thing, task = draw.choice(THINGS), draw.choice(TASKS)
        if is_for_validation(thing, task) != (split == "valid"):
            continue
        means = draw.randrange(len(MEANS))
        words = {
            "thing": thing,
            "task": task,
            "way": draw.choice(WAYS),
            "other": draw.choice(WAYS),
            "second": draw.choice(THINGS),
            "fault": draw.choice(FAULTS),
            "kind": draw.choice(KINDS),
            "place": draw.choice(PLACES),
            "number": draw.randint(3, 99),
        }
        sentences = [f"{draw.choice(AIMS)},{MEANS[means]}", *draw.sample(NEWS, draw.randint(0, 2))]
        abstract = ".".join([*sentences, draw.choice(CLOSES)]) + "."
        form = TITLES[means >= 2]
        items.append((abstract.format(**words), form.format(**words)))
    return items
