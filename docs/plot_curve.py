"""Draw the curve of a run: `python docs/plot_curve.py LOG PICTURE`; needs the extra `plot`.

LOG is what `examples/task_relation_extraction.py` printed.
"""

import re
import sys
from pathlib import Path

import matplotlib

matplotlib.use("Agg")
from matplotlib import pyplot  # noqa: E402

LINE = re.compile(r"f1 (\S+) precision (\S+) recall (\S+) best")


def draw(log, picture):
    """Read F1, precision and recall of each epoch from a log and draw them."""
    text = Path(log).read_text(encoding="utf-8", errors="replace")
    rows = [[float(number) for number in found] for found in LINE.findall(text)]
    epochs = range(1, len(rows) + 1)
    figure, axes = pyplot.subplots(figsize=(6, 4), layout="constrained")
    for name, values in zip(("F1", "precision", "recall"), zip(*rows)):
        axes.plot(epochs, values, marker="o", label=name)
    axes.set(xlabel="epoch", ylabel="dev score, exact match", ylim=(0, 1), xticks=list(epochs))
    axes.grid(alpha=0.3)
    axes.legend()
    figure.savefig(picture, dpi=120)


if __name__ == "__main__":
    draw(*sys.argv[1:])
