# 从几何视角看初始化，用数值检验 / A geometric view of initialisation, tested by numbers
# 文章 Article  https://kexue.fm/archives/7180
# 数据 Data     随机数 / random numbers
# 结果 Expect   四个命题都成立，见 docs/initialization.md；约 10 秒
#              its four propositions hold, see docs/initialization.md; 10 seconds

from pathlib import Path

import settings

import matplotlib
import numpy as np
from keras import ops
from matplotlib import pyplot

from bert4keras.layers import VarianceScalingByName

width = 512  # 网络的宽度  features of a layer
depth = 40  # 网络的层数  number of layers
largest = 2048  # 向量的最大维数  most numbers of a vector
seed = 0  # 随机种子  of random numbers
folder = "output/initialization"  # 图存在这里  folder for the picture
settings.override(globals())

if settings.is_smoke():
    width, depth, largest = 32, 5, 32
sizes = [2**power for power in range(1, 12) if 2**power <= largest]
random = np.random.default_rng(seed)
matplotlib.use("Agg")
figure, axes = pyplot.subplots(2, 2, figsize=(11, 8), layout="constrained")


def make_kernel(variance, distribution, n, m):
    """n 维到 m 维的矩阵，"1/n" 是方差 / A kernel from n to m features; "1/n" is a variance"""
    initializer = VarianceScalingByName(variance, distribution, int(random.integers(2**31)))
    return ops.convert_to_numpy(initializer((n, m)))


# 命题一 / First proposition --------------------------------------------------------------------

# 两个随机向量几乎垂直：夹角偏离 90 度约 1/sqrt(n) 弧度
# Two random vectors are nearly at right angles: they stray by about 1/sqrt(n) radians
print("angles between random vectors, in degrees")
print("      n    mean  strays by  1 / sqrt(n)")
expected = np.degrees(np.array(sizes) ** -0.5)
deviations = []
for n, expected_deviation in zip(sizes, expected):
    a, b = random.normal(size=(2, 2000, n))
    products = (a * b).sum(axis=1)
    lengths = np.linalg.norm(a, axis=1) * np.linalg.norm(b, axis=1)
    angles = np.degrees(np.arccos(products / lengths))
    mean, deviation = angles.mean(), angles.std()
    deviations.append(deviation)
    print(f"{n:7} {mean:7.2f} {deviation:10.3f} {expected_deviation:12.3f}")
axis = axes[0, 0]
axis.loglog(sizes, deviations, "o-", label="2000 pairs")
axis.loglog(sizes, expected, "--", label="1 / sqrt(n)")
axis.set_title("1. How far angles stray from 90 degrees")
axis.set_xlabel("n")
axis.set_ylabel("degrees")

# 命题二 / Second proposition -------------------------------------------------------------------

# 所以方差为 1/n 的随机方阵几乎正交，与分布无关：W'W - I 的均方约 1/n
# So a kernel of variance 1/n is nearly orthogonal, whatever the distribution: the mean square of
# W'W - I is about 1/n
print("mean square of W'W - I")
print("      n       normal      uniform   orthogonal        1 / n")
errors = {"normal": [], "uniform": [], "orthogonal": []}
for n in sizes:
    row = []
    for distribution in errors:
        w = make_kernel("1/n", distribution, n, n)
        row.append(np.mean((w.T @ w - np.eye(n)) ** 2))
        errors[distribution].append(row[-1])
    print(f"{n:7}", *(f"{error:12.2e}" for error in [*row, 1 / n]))
axis = axes[0, 1]
axis.loglog(sizes, errors["normal"], "o-", label="normal")
axis.loglog(sizes, errors["uniform"], "o-", label="uniform")
axis.loglog(sizes, 1 / np.array(sizes), "--", label="1 / n")
axis.set_title("2. How far kernels are from orthogonal")
axis.set_xlabel("n")
axis.set_ylabel("mean square of W'W - I")

# 命题三 / Third proposition --------------------------------------------------------------------


def measure_lengths(widths, variance, distribution, has_relu):
    """向量经过各层后的长度，与开始时之比 / Lengths of a vector behind each layer, as a ratio"""
    x = random.normal(size=(32, widths[0]))
    lengths = [np.linalg.norm(x, axis=1).mean()]
    for n, m in zip(widths, widths[1:]):
        x = x @ make_kernel(variance, distribution, n, m)
        if has_relu:
            x = np.maximum(x, 0)
        lengths.append(np.linalg.norm(x, axis=1).mean())
    return np.array(lengths) / lengths[0]


# 所以这样的网络保持向量的长度；ReLU 去掉一半平方和，方差要用 2/m
# So stacks of such layers keep lengths; a ReLU takes half of the square, which a variance of 2/m
# makes up for
cases = [("1/n", "normal"), ("1/n", "orthogonal"), ("2/m", "normal")]
print(f"lengths after {depth} layers, in proportion")
axis = axes[1, 0]
axis.set_title(f"3. Lengths through layers of width {width}")
for has_relu, suffix, line in [(False, "", "-"), (True, " + ReLU", "--")]:
    for variance, distribution in cases:
        lengths = measure_lengths([width] * (depth + 1), variance, distribution, has_relu)
        name = f"{variance} {distribution}{suffix}"
        print(f"{lengths[-1]:12.2e}  {name}, width {width}")
        axis.semilogy(lengths, line, label=name)

# 命题四 / Fourth proposition -------------------------------------------------------------------

# 宽度不同的层之间，方差 1/m 才保持长度，m 是输出的宽度
# Between layers of different widths it is 1/m that keeps lengths, m the width that comes out
widths = [width, 2 * width] * depth
widths = widths[: depth + 1]
axis = axes[1, 1]
axis.set_title(f"4. Lengths through widths {widths[:2]} in turn")
for variance, has_relu, suffix in [
    ("1/n", False, ""),
    ("1/m", False, ""),
    ("2/m", True, " + ReLU"),
]:
    lengths = measure_lengths(widths, variance, "normal", has_relu)
    name = f"{variance} normal{suffix}"
    smallest, greatest = lengths[1:].min(), lengths[1:].max()
    print(f"{smallest:12.2e} to {greatest:.2e}  {name}, widths {widths[:2]} in turn")
    axis.semilogy(lengths, label=name)

# 图 / Picture ----------------------------------------------------------------------------------

for axis in axes[1]:
    axis.set_xlabel("layer")
    axis.set_ylabel("in proportion")
for axis in axes.flat:
    axis.grid(alpha=0.3)
    axis.legend()
Path(folder).mkdir(parents=True, exist_ok=True)
figure.savefig(f"{folder}/initialization.png", dpi=100)
print(f"{folder}/initialization.png shows it")
