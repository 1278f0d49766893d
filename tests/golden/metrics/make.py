"""Write metrics.json: scores by seqeval and scikit-learn, which the tests compare."""

import json
import random
from pathlib import Path

from scipy import stats
from seqeval.metrics.v1 import precision_recall_fscore_support as score_tags
from seqeval.scheme import IOB2
from sklearn import metrics

random.seed(0)
TYPES = ["PER", "LOC", "ORG"]


def draw_tags(length):
    """Return tags of random entities that do not touch each other's tokens."""
    tags = []
    while len(tags) < length:
        kind, size = random.choice(TYPES), random.randint(1, 3)
        entity = [f"B-{kind}"] + [f"I-{kind}"] * (size - 1)
        tags += entity if random.random() < 0.5 else ["O"]
    return tags[:length]


def list_entities(tags):
    """Return (start, end, type) of IOB2 tags."""
    entities = []
    for i, tag in enumerate([*tags, "O"]):
        if entities and entities[-1][1] is None and not tag.startswith("I-"):
            entities[-1][1] = i
        if tag.startswith("B-"):
            entities.append([i, None, tag[2:]])
    return entities


def change(tags):
    return [tag if random.random() < 0.9 else "O" for tag in tags]


def repair(tags):
    """Begin an entity with B where a change has cut its first token off."""
    new_tags = []
    for tag in tags:
        before = new_tags[-1] if new_tags else "O"
        is_broken = tag.startswith("I-") and before[2:] != tag[2:]
        new_tags.append(f"B{tag[1:]}" if is_broken else tag)
    return new_tags


true_tags = [draw_tags(random.randint(1, 20)) for _ in range(60)]
tags = [repair(change(row)) for row in true_tags]
options = {"scheme": IOB2, "zero_division": 0}
micro = score_tags(true_tags, tags, average="micro", **options)
labels = score_tags(true_tags, tags, average=None, **options)
names = [f"label {random.choice('abcd')}" for _ in range(80)]
other_names = [name if random.random() < 0.6 else "label a" for name in names]
relevance = [[random.randint(0, 3) for _ in range(6)] for _ in range(20)]
scores = [[random.choice([0.1, 0.2, 0.5, random.random()]) for _ in range(6)] for _ in range(20)]
first, second = ([random.choice([1, 2, 3, random.random()]) for _ in range(50)] for _ in range(2))


def average(kind):
    row = metrics.precision_recall_fscore_support(names, other_names, average=kind, zero_division=0)
    return dict(zip(("precision", "recall", "f1"), map(float, row)))


record = {
    "entities": {
        "true": [list_entities(row) for row in true_tags],
        "predictions": [list_entities(row) for row in tags],
        "micro": dict(zip(("precision", "recall", "f1"), map(float, micro))),
        "labels": {
            label: dict(zip(("precision", "recall", "f1"), map(float, row)))
            for label, *row in zip(sorted(TYPES), *labels)
        },
    },
    "labels": {
        "true": names,
        "predictions": other_names,
        "accuracy": metrics.accuracy_score(names, other_names),
        "micro": average("micro"),
        "macro": average("macro"),
    },
    "ranking": {
        "relevance": relevance,
        "scores": scores,
        "ndcg": float(metrics.ndcg_score(relevance, scores)),
        "ndcg_3": float(metrics.ndcg_score(relevance, scores, k=3)),
    },
    "correlation": {
        "first": first,
        "second": second,
        "spearman": float(stats.spearmanr(first, second).statistic),
        "pearson": float(stats.pearsonr(first, second).statistic),
    },
}
path = Path(__file__).with_name("metrics.json")
path.write_text(json.dumps(record, ensure_ascii=False) + "\n", encoding="utf-8")
