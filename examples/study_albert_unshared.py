"""Does ALBERT learn better with blocks of their own? (https://kexue.fm/archives/7187)

An ALBERT is pretrained once, on a few made-up texts. From its weights begin a model whose blocks
share theirs and one whose blocks go their own ways, and both learn the same: sentiment, triples by
a GlobalPointer, and answers as a UniLM. With several seeds: the score on dev after one epoch, the
best one, and the processor's time for an epoch. Needs the extra `plot`."""

import json
import os
import time

import keras
import matplotlib
import numpy as np
from data.albert import make_texts, pretrained_albert
from data.command_line import stoppable, warmed_adam
from data.linking import KINDS, linked, triples_of
from data.options import Parser
from data.reading import answers
from data.reviews import make_reviews
from data.triples import exact_match, make_triples
from keras.layers import Dense

from bert4keras.backend import sparse_multilabel_categorical_crossentropy
from bert4keras.data import atomic_write, sequence_padding
from bert4keras.layers import FirstToken, GlobalPointer
from bert4keras.models import build_transformer_model
from bert4keras.tokenizers import Tokenizer
from bert4keras.training import BestCheckpoint

matplotlib.use("Agg")
from matplotlib import pyplot  # noqa: E402

parser = Parser(__doc__)
parser.add_argument("--steps", type=int, default=1000, help="to pretrain, default %(default)s")
parser.add_argument("--items", type=int, default=800, help="of a task, default %(default)s")
parser.add_argument("--seeds", type=int, default=2, help="runs of a model, default %(default)s")
parser.add_argument("--learning_rate", type=float, default=1e-3, help="default %(default)s")
parser.add_argument("--output", default="output/albert_unshared", help="folder of the picture")
parser.add_argument("--smoke", action="store_true", help="few items, one epoch: does it run?")
args = parser.parse_args()
if args.smoke:
    args.steps, args.items, args.seeds = 10, 48, 1
os.makedirs(args.output, exist_ok=True)
folder = pretrained_albert(
    make_texts(300 if args.smoke else 9000), args.steps, layers=2 if args.smoke else 4
)
tokenizer = Tokenizer(f"{folder}/vocab.txt", do_lower_case=True)
LENGTH = 32  # tokens of all rows, longer texts are passed over: one shape, one compilation


def build(task, family):
    """A model of a task from the pretrained one: blocks that share ("albert") or do not."""
    heads = {"application": "unilm", "with_mlm": "linear"} if task == "answers" else {}
    bert = build_transformer_model(f"{folder}/config.json", folder, family, **heads)
    if task == "sentiment":
        return keras.Model(bert.inputs, Dense(2, activation="softmax")(FirstToken()(bert.output)))
    if task == "triples":
        return keras.Model(bert.inputs, GlobalPointer(KINDS, 16, tril_mask=False)(bert.output))
    return bert


def padded(ids, segments=None):
    segments = segments or [[0] * len(row) for row in ids]
    return [sequence_padding(rows, LENGTH) for rows in (ids, segments)]


def reviews(number, split):
    """What is true, inputs, and targets: whether they praise."""
    items = [x for x in make_reviews(3 * number, split) if len(x[0]) < LENGTH - 1][:number]
    labels = np.array([label for _, label in items])
    return labels, padded([tokenizer.encode(text)[0] for text, _ in items]), labels


def sentences(number, split):
    """What is true, inputs, and targets: the pairs of positions that make the triples."""
    items = [x for x in make_triples(3 * number, split) if len(x["text"]) < LENGTH - 1][:number]
    ids, pairs = zip(*(linked(item, tokenizer, LENGTH) for item in items))
    return items, padded(ids), np.array(pairs)


def linking_loss(true, scores):
    scores = keras.ops.reshape(scores, (-1, KINDS, LENGTH * LENGTH))
    return keras.ops.sum(sparse_multilabel_categorical_crossentropy(true, scores, True), axis=1)


def f1(items, scores):
    found = [triples_of(x["text"], y, tokenizer, LENGTH) for x, y in zip(items, scores)]
    return exact_match(items, found, tokenizer.tokenize)[0]


def questions(number, split):
    """What is true, inputs, and targets: this and, before answers, the tokens read."""
    ids, segments = padded(*answers(number, split, tokenizer, LENGTH))
    following = np.pad((ids * segments)[:, 1:], ((0, 0), (0, 1)))
    return following, [ids, segments], np.where(following, following, ids)


def exact(targets, scores):
    """The share of answers all of whose tokens are the likeliest: greedy decoding finds them."""
    return np.mean(((scores.argmax(axis=2) == targets) | (targets == 0)).all(axis=1))


writing_loss = keras.losses.SparseCategoricalCrossentropy(True, ignore_class=0)
TASKS = {
    "sentiment": (
        reviews,
        "sparse_categorical_crossentropy",  # loss, score, and epochs
        lambda labels, scores: np.mean(scores.argmax(axis=1) == labels),
        3,
    ),
    "triples": (sentences, linking_loss, f1, 5),
    "answers": (questions, writing_loss, exact, 7),
}


def runs(task, family):
    """Of each seed, what `fit` tells. The model is compiled once, and begun anew for each."""
    load, loss, score, epochs = TASKS[task]
    epochs = 1 if args.smoke else epochs
    (_, inputs, targets), (true, dev, _) = load(args.items, "train"), load(args.items // 3, "dev")
    model = build(task, family)
    model.compile(warmed_adam(args.learning_rate, -(-len(targets) // 16) * epochs), loss)
    began = []  # the processor's time when an epoch began: it is ours alone, whatever else runs
    mark = keras.callbacks.LambdaCallback(lambda *_: began.append(time.process_time()))
    best = BestCheckpoint(
        f"{args.output}/{task}.{family}.weights.h5",
        lambda: {
            "seconds": time.process_time() - began[-1],
            "dev": score(true, model.predict(dev, verbose=0)),
        },
        monitor="dev",
    )
    for seed in range(args.seeds):
        print(f"{task}, {family}, seed {seed}")
        keras.utils.set_random_seed(seed)
        for weight, fresh in zip(model.weights, build(task, family).weights):
            weight.assign(fresh)
        for variable in model.optimizer.variables:
            variable.assign(np.zeros(variable.shape))
        yield model.fit(inputs, targets, 16, epochs, callbacks=[mark, best]).history


with stoppable(args.output):
    done = {
        f"{task}, {family}": [*runs(task, family)]
        for task in TASKS
        for family in ("albert", "albert_unshared")
    }
figure, axes = pyplot.subplots(1, 3, figsize=(13, 4), layout="constrained")
table = ["| task, model | epoch 1 | middle | best | seconds |", "|---|" + "---:|" * 4]
for number, (name, histories) in enumerate(done.items()):
    axis, curves = axes[number // 2], np.array([x["dev"] for x in histories])
    means = [
        f"{x.mean():.3f} ± {x.std():.3f}"
        for x in (curves[:, 0], curves[:, curves.shape[1] // 2], curves.max(axis=1))
    ]
    seconds = np.median([x["seconds"][-1] for x in histories])
    table.append(f"| {name} | {' | '.join(means)} | {seconds:.1f} |")
    axis.plot(epochs := range(1, curves.shape[1] + 1), curves.mean(axis=0), "o-", label=name)
    axis.fill_between(epochs, curves.min(axis=0), curves.max(axis=0), alpha=0.15)
    axis.set(xlabel="epoch", ylabel="dev, mean and range of seeds", xticks=epochs)
    axis.legend()
figure.savefig(f"{args.output}/albert_unshared.png", dpi=100)
for name, text in ("table.md", "\n".join(table)), ("runs.json", json.dumps(done)):
    with atomic_write(f"{args.output}/{name}") as file:
        file.write(text + "\n")
print(*table, sep="\n")
