# 卷积核相互正交有没有好处 / Does it help to keep the filters of a layer orthogonal?
# 文章 Article  https://kexue.fm/archives/7169
# 数据 Data     图里有两个有颜色的形状 / pictures of two coloured shapes
# 结果 Expect   没有好处，见 docs/self_orthogonality.md；约 4 分钟
#              no gain, see docs/self_orthogonality.md; 4 minutes

import json
from pathlib import Path

import settings

import keras
import matplotlib
import numpy as np
from data.pictures import COLOURS, SHAPES, make_pictures
from keras import ops
from keras.layers import Conv2D, Dense, GlobalMaxPooling2D
from matplotlib import pyplot

from bert4keras.layers import OrthogonalKernel, SelfOrthogonality

pictures = 3000  # 训练图片的数量  number of pictures for training
filters = 24  # 第一层的卷积核数量  number of filters of the first layer
kernel_strength = 1e-3  # 直接惩罚卷积核的强度  of the penalty on the kernel
module_strength = 1e-7  # 惩罚输出的强度  of the penalty on the outputs, by the module
batch_size = 32
epochs = 25
learning_rate = 2e-3
seeds = 3  # 每种训练几次  number of runs of each kind
folder = "output/self_orthogonality"  # 图存在这里  folder for the picture
settings.override(globals())

# 数据 / Data -----------------------------------------------------------------------------------

if settings.is_smoke():
    pictures, seeds = 64, 1
things = [colour + shape for colour in COLOURS for shape in SHAPES]  # 有色的形状  coloured shapes


def load_data(number, split):
    """图片，以及每张图有哪些形状 / Pictures between 0 and 1, and the things that each one has"""
    images, captions = make_pictures(number, split)
    labels = np.zeros((number, len(things)), "float32")
    for row, (caption, _) in zip(labels, captions):
        row[:] = [thing in caption for thing in things]
    return images / np.float32(255), labels


# 验证集的形状组合没有在训练集出现过
# The validation data has pairs of things that were never seen together
train_data, valid_data = load_data(pictures, "train"), load_data(pictures // 3, "valid")

# 模型 / Model ----------------------------------------------------------------------------------


def build_model(kind):
    """三层卷积；第一层有惩罚或没有 / Three convolutions; a penalty on the first of them, or none"""
    inputs = keras.Input((48, 48, 3))
    penalty = OrthogonalKernel(kernel_strength) if kind == "plain penalty" else None
    x = Conv2D(filters, 5, 2, kernel_regularizer=penalty, name="first")(inputs)
    if kind == "module":  # 自正交模块  self-orthogonality module
        x = SelfOrthogonality(100 * module_strength, module_strength)(x)
    x = keras.activations.relu(x)
    x = Conv2D(32, 3, 2, activation="relu")(x)
    x = Conv2D(64, 3, 2, activation="relu")(x)
    x = GlobalMaxPooling2D()(x)
    return keras.Model(inputs, Dense(len(things), activation="sigmoid")(x))


def compute_cosine(model):
    """第一层两个卷积核夹角的余弦 / Mean absolute cosine of two filters of the first layer"""
    vectors = ops.convert_to_numpy(model.get_layer("first").kernel).reshape(-1, filters)
    vectors = vectors / np.linalg.norm(vectors, axis=0)
    cosines = np.abs(vectors.T @ vectors)
    return float(cosines[~np.eye(filters, dtype=bool)].mean())


def exact(true, scores):
    """全部形状都答对的图片的比例 / Share of the pictures whose things are all right"""
    is_right = ops.equal(true > 0.5, scores > 0.5)
    return ops.mean(ops.cast(ops.all(is_right, axis=-1), "float32"))


# 训练 / Training -------------------------------------------------------------------------------

kinds = ["none", "plain penalty", "module"]
runs = {kind: [] for kind in kinds}
for kind in kinds:
    for seed in range(seeds):
        keras.utils.set_random_seed(seed)
        model = build_model(kind)
        before = compute_cosine(model)
        model.compile(keras.optimizers.Adam(learning_rate), "binary_crossentropy", metrics=[exact])
        options = {"batch_size": batch_size, "epochs": epochs, "verbose": 0}
        history = model.fit(*train_data, validation_data=valid_data, **options).history
        after = compute_cosine(model)
        run = {"before": before, "after": after, "valid": history["val_exact"]}
        runs[kind].append(run)
        print(f"{kind:14} seed {seed}  cosine {before:.3f} -> {after:.3f}", end="  ", flush=True)
        print(f"train {history['exact'][-1]:.3f}  valid {run['valid'][-1]:.3f}", flush=True)

# 结果 / Results --------------------------------------------------------------------------------

matplotlib.use("Agg")
figure, [scores_axis, filters_axis] = pyplot.subplots(1, 2, figsize=(11, 4), layout="constrained")
for place, (kind, kind_runs) in enumerate(runs.items()):
    curves = np.array([run["valid"] for run in kind_runs])
    steps = range(1, epochs + 1)
    scores_axis.plot(steps, curves.mean(axis=0), label=kind)
    scores_axis.fill_between(steps, curves.min(axis=0), curves.max(axis=0), alpha=0.15)
    cosines = [run["after"] for run in kind_runs]
    filters_axis.bar(place, np.mean(cosines), yerr=np.std(cosines), label=kind)
    scores = curves[:, -1]
    print(f"{kind:14} valid {scores.mean():.3f} ± {scores.std():.3f}", end="  ")
    print(f"cosine {np.mean(cosines):.3f}")
before = np.mean([run["before"] for run in runs["none"]])
filters_axis.axhline(before, color="grey", linestyle="--", label="before training")
scores_axis.set_title("Pictures wholly right, mean and range of seeds")
scores_axis.set_xlabel("epoch")
filters_axis.set_title("Mean cosine of two filters after training")
filters_axis.set_xticks([])
for axis in (scores_axis, filters_axis):
    axis.grid(alpha=0.3)
    axis.legend()
Path(folder).mkdir(parents=True, exist_ok=True)
figure.savefig(f"{folder}/self_orthogonality.png", dpi=100)
Path(folder, "runs.json").write_text(json.dumps(runs), encoding="utf-8")
