"""Does it help to keep filters orthogonal? The Self-Orthogonality Module and a plain penalty beside
none (https://kexue.fm/archives/7169).

A small convolutional network says which coloured shapes a picture holds; pictures of dev show pairs
that were never seen together. With several seeds: how much filters of the first layer correlate
before and after training, and how many pictures are wholly right. Needs the extra `plot`."""

import json
import os

import keras
import matplotlib
import numpy as np
from data.options import Parser
from data.pictures import COLOURS, SHAPES, make_pictures
from keras import ops

from bert4keras.layers import OrthogonalKernel, SelfOrthogonality

matplotlib.use("Agg")
from matplotlib import pyplot  # noqa: E402

parser = Parser(__doc__)
parser.add_argument("--pictures", type=int, default=3000, help="to learn, default %(default)s")
parser.add_argument("--epochs", type=int, default=25, help="default %(default)s")
parser.add_argument("--seeds", type=int, default=3, help="runs of each kind, default %(default)s")
parser.add_argument("--filters", type=int, default=24, help="default %(default)s")
parser.add_argument(
    "--plain",
    type=float,
    default=1e-3,
    minimum=0,
    help="strength of the plain penalty, default %(default)s",
)
parser.add_argument(
    "--module",
    type=float,
    default=1e-7,
    minimum=0,
    help="strength of the module, times its authors' 100 and 1, %(default)s",
)
parser.add_argument("--output", default="output/self_orthogonality", help="folder of the picture")
parser.add_argument("--smoke", action="store_true", help="few pictures, one epoch: does it run?")
args = parser.parse_args()
if args.smoke:
    args.pictures, args.epochs, args.seeds = 64, 1, 1
THINGS = [colour + shape for colour in COLOURS for shape in SHAPES]


def examples(number, split):
    """Pictures between 0 and 1, and which things each holds."""
    pictures, captions = make_pictures(number, split)
    return pictures / np.float32(255), np.array(
        [[float(thing in caption) for thing in THINGS] for caption, _ in captions]
    )


def network(kind):
    """Three convolutions and a dense layer; the filters of the first are kept apart, or not."""
    inputs = keras.Input((48, 48, 3))
    penalty = OrthogonalKernel(args.plain) if kind == "plain penalty" else None
    x = keras.layers.Conv2D(args.filters, 5, 2, kernel_regularizer=penalty, name="first")(inputs)
    if kind == "module":
        x = SelfOrthogonality(100 * args.module, args.module)(x)
    x = keras.layers.Conv2D(32, 3, 2, activation="relu")(keras.activations.relu(x))
    x = keras.layers.Conv2D(64, 3, 2, activation="relu")(x)
    x = keras.layers.GlobalMaxPooling2D()(x)
    return keras.Model(inputs, keras.layers.Dense(len(THINGS), activation="sigmoid")(x))


def correlation(model):
    """Mean cosine, without sign, of two filters of the first layer."""
    filters = ops.convert_to_numpy(model.get_layer("first").kernel).reshape(-1, args.filters)
    filters = filters / np.linalg.norm(filters, axis=0)
    return np.abs(filters.T @ filters)[~np.eye(args.filters, dtype=bool)].mean()


def exact(true, found):
    """The share of pictures of which all things are found, and no others."""
    same = ops.cast(ops.equal(true > 0.5, found > 0.5), "float32")
    return ops.mean(ops.min(same, axis=-1))


train_data, dev_data = examples(args.pictures, "train"), examples(args.pictures // 3, "dev")
records = []
for kind in "none", "plain penalty", "module":
    for seed in range(args.seeds):
        keras.utils.set_random_seed(seed)
        model = network(kind)
        before = correlation(model)
        model.compile(keras.optimizers.Adam(2e-3), "binary_crossentropy", metrics=[exact])
        history = model.fit(
            *train_data, batch_size=32, epochs=args.epochs, verbose=0, validation_data=dev_data
        ).history
        records.append(
            {
                "kind": kind,
                "seed": seed,
                "before": float(before),
                "after": float(correlation(model)),
                "dev": history["val_exact"],
                "train": history["exact"],
            }
        )
        print(
            f"{kind:14} seed {seed}  correlation {before:.3f} -> {records[-1]['after']:.3f}  "
            f"train {history['exact'][-1]:.3f}  dev {history['val_exact'][-1]:.3f}",
            flush=True,
        )

figure, [left, right] = pyplot.subplots(1, 2, figsize=(11, 4), layout="constrained")
for place, kind in enumerate(dict.fromkeys(x["kind"] for x in records)):
    own = [x for x in records if x["kind"] == kind]
    curves = np.array([x["dev"] for x in own])
    epochs = range(1, args.epochs + 1)
    left.plot(epochs, curves.mean(axis=0), label=kind)
    left.fill_between(epochs, curves.min(axis=0), curves.max(axis=0), alpha=0.15)
    after = [x["after"] for x in own]
    right.bar(place, np.mean(after), yerr=np.std(after), label=kind)
    print(
        f"{kind:14} dev {curves[:, -1].mean():.3f} +- {curves[:, -1].std():.3f}  "
        f"correlation {np.mean(after):.3f}"
    )
right.axhline(
    np.mean([x["before"] for x in records]), color="grey", linestyle="--", label="before training"
)
left.set(title="Dev pictures wholly right, mean and range of seeds", xlabel="epoch")
right.set(title="Mean cosine of two filters after training", xticks=[])
for one in left, right:
    one.grid(alpha=0.3)
    one.legend()
os.makedirs(args.output, exist_ok=True)
figure.savefig(f"{args.output}/self_orthogonality.png", dpi=100)
with open(f"{args.output}/runs.json", "w") as file:
    json.dump(records, file)
