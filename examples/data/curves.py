"""The losses of a run in a file, and drawn where matplotlib is installed."""

import csv

import keras

from bert4keras.data import atomic_write


def keep_history(resume, folder, steps):
    """A callback that writes `history.csv` and `loss.png` to a folder after each epoch.

    Both are of all epochs that a `bert4keras.training.BackupAndResume`, which comes before
    it, knows of: whatever a run went through, no epoch is missing and none comes twice.

    Args:
        resume: whose history it is.
        folder: where to.
        steps: batches of an epoch.
    """

    def write(epoch, logs):
        names = list(resume.history[0])
        with atomic_write(f"{folder}/history.csv") as file:
            rows = csv.writer(file)
            rows.writerow(["step", *names])
            for number, epoch in enumerate(resume.history, 1):
                rows.writerow([number * steps, *(f"{epoch[name]:.6g}" for name in names)])

    def finish(logs):
        if resume.history:
            draw(resume.history, f"{folder}/loss.png", steps)

    return keras.callbacks.LambdaCallback(on_epoch_end=write, on_train_end=finish)


def draw(history, picture, steps):
    """Draw losses over steps; say so where that needs the extra `plot`."""
    try:
        import matplotlib
    except ImportError:
        print(f"no {picture}: pip install matplotlib")
        return
    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(figsize=(6, 4), layout="constrained")
    axes.plot(
        [number * steps for number in range(1, len(history) + 1)],
        [epoch["loss"] for epoch in history],
    )
    axes.set(xlabel="step", ylabel="loss of pretraining")
    axes.grid(alpha=0.3)
    figure.savefig(picture, dpi=120)
    pyplot.close(figure)
