"""The losses of a run in a file, and drawn where matplotlib is installed."""

import csv

from bert4keras.data import atomic_write


def write_history(history, folder, steps):
    """Write history.csv and loss.png to a folder.

    Args:
        history: the logs of all epochs, as `BackupAndResume` keeps them over interruptions.
        folder: folder to write to.
        steps: number of batches of an epoch.
    """
    with atomic_write(f"{folder}/history.csv") as file:
        rows = csv.writer(file)
        rows.writerow(["step", *history[0]])
        for number, logs in enumerate(history, 1):
            rows.writerow([number * steps, *(f"{value:.6g}" for value in logs.values())])
    draw_losses([logs["loss"] for logs in history], f"{folder}/loss.png", steps)


def draw_losses(losses, picture, steps):
    """Draw losses over steps, unless matplotlib is missing."""
    try:
        import matplotlib
    except ImportError:
        return
    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(figsize=(6, 4), layout="constrained")
    axes.plot([number * steps for number in range(1, len(losses) + 1)], losses)
    axes.set(xlabel="step", ylabel="loss of pretraining")
    axes.grid(alpha=0.3)
    figure.savefig(picture, dpi=120)
    pyplot.close(figure)
