"""A geometric view of initialisation (https://kexue.fm/archives/7180), its propositions as figures.

1. Two random vectors of many numbers are nearly at right angles: the angle strays from 90 degrees
   by about 1 / sqrt(n) radians.
2. So a kernel of n x n random numbers of variance 1 / n is nearly orthogonal, the nearer the larger
   it is, whatever the distribution: the mean square of W'W - I is about 1 / n.
3. So stacks of such layers keep the length of vectors; a ReLU takes half of its square away, for
   which a variance of 2 / m makes up.
4. Between layers of different widths it is 1 / m that keeps lengths, m the width that comes out.

Prints tables and draws a picture; needs the extra `plot`."""

import os

import matplotlib
import numpy as np
from data.options import SEED, Parser
from keras import ops

from bert4keras.layers import VarianceScalingByName

matplotlib.use("Agg")
from matplotlib import pyplot  # noqa: E402

parser = Parser(__doc__)
parser.add_argument("--width", type=int, default=512, help="of stacks, default %(default)s")
parser.add_argument("--depth", type=int, default=40, help="of stacks, default %(default)s")
parser.add_argument("--seed", type=int, default=0, **SEED)
parser.add_argument("--output", default="output/initialization", help="folder of the picture")
parser.add_argument("--smoke", action="store_true", help="small sizes: does it run?")
args = parser.parse_args()
sizes = [2**i for i in range(1, 6 if args.smoke else 12)]
if args.smoke:
    args.width, args.depth = 32, 5
draw = np.random.default_rng(args.seed)
figure, axes = pyplot.subplots(2, 2, figsize=(11, 8), layout="constrained")
DISTRIBUTIONS = ["normal", "uniform", "orthogonal"]


def kernel(variance, distribution, n, m):
    """A kernel from n to m features."""
    initializer = VarianceScalingByName(variance, distribution, int(draw.integers(2**31)))
    return ops.convert_to_numpy(initializer((n, m)))


def lengths(widths, variance, distribution, relu):
    """The length of a vector through a stack of layers, in proportion to its first."""
    x = draw.normal(size=(32, widths[0]))
    found = [np.linalg.norm(x, axis=1).mean()]
    for n, m in zip(widths, widths[1:]):
        x = x @ kernel(variance, distribution, n, m)
        x = np.maximum(x, 0) if relu else x
        found.append(np.linalg.norm(x, axis=1).mean())
    return np.array(found) / found[0]


print("angles between random vectors, in degrees\n      n    mean  strays by  1 / sqrt(n)")
strays = []
for n in sizes:
    a, b = draw.normal(size=(2, 2000, n))
    cosines = (a * b).sum(1) / np.linalg.norm(a, axis=1) / np.linalg.norm(b, axis=1)
    angles = np.degrees(np.arccos(cosines))
    strays.append(angles.std())
    print(f"{n:7} {angles.mean():7.2f} {strays[-1]:10.3f} {np.degrees(n**-0.5):12.3f}")
axes[0, 0].loglog(sizes, strays, "o-", label="2000 pairs")
axes[0, 0].loglog(sizes, np.degrees(np.array(sizes) ** -0.5), "--", label="1 / sqrt(n)")
axes[0, 0].set(title="1. How far angles stray from 90 degrees", xlabel="n", ylabel="degrees")

print("mean square of W'W - I\n      n", *(f"{x:>12}" for x in [*DISTRIBUTIONS, "1 / n"]))
errors = {distribution: [] for distribution in DISTRIBUTIONS}
for n in sizes:
    for distribution, found in errors.items():
        w = kernel("1/n", distribution, n, n)
        found.append(np.mean((w.T @ w - np.eye(n)) ** 2))
    print(f"{n:7}", *(f"{found[-1]:12.2e}" for found in errors.values()), f"{1 / n:12.2e}")
for distribution in DISTRIBUTIONS[:2]:
    axes[0, 1].loglog(sizes, errors[distribution], "o-", label=distribution)
axes[0, 1].loglog(sizes, 1 / np.array(sizes), "--", label="1 / n")
axes[0, 1].set(
    title="2. How far kernels are from orthogonal", xlabel="n", ylabel="mean square of W'W - I"
)

print(f"lengths after {args.depth} layers, in proportion")
for relu in False, True:
    for variance, distribution in ("1/n", "normal"), ("1/n", "orthogonal"), ("2/m", "normal"):
        found = lengths([args.width] * (args.depth + 1), variance, distribution, relu)
        name = f"{variance} {distribution}{' + ReLU' if relu else ''}"
        print(f"{found[-1]:12.2e}  {name}, width {args.width}")
        axes[1, 0].semilogy(found, "--" if relu else "-", label=name)
axes[1, 0].set(
    title=f"3. Lengths through layers of width {args.width}", xlabel="layer", ylabel="in proportion"
)

widths = [args.width * (1 + i % 2) for i in range(args.depth + 1)]
for variance in "1/n", "1/m", "2/m":
    found = lengths(widths, variance, "normal", relu=variance == "2/m")
    name = f"{variance} normal{' + ReLU' if variance == '2/m' else ''}"
    print(f"{found[1:].min():12.2e} to {found[1:].max():.2e}  {name}, widths {widths[:2]} in turn")
    axes[1, 1].semilogy(found, label=name)
axes[1, 1].set(
    title=f"4. Lengths through widths {widths[:2]} in turn", xlabel="layer", ylabel="in proportion"
)

for one in axes.flat:
    one.grid(alpha=0.3)
    one.legend()
os.makedirs(args.output, exist_ok=True)
figure.savefig(f"{args.output}/initialization.png", dpi=100)
print(f"{args.output}/initialization.png shows it")
