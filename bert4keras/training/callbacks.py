"""What Keras does not do beside training: the best weights by scores of one's own, runs that go on
after a kill, and an end where numbers are none."""

import json
import math
import os
from pathlib import Path

import keras
import numpy as np
from keras import ops

from bert4keras.backend import seed_dropout
from bert4keras.files import atomic_write, replace_file


class BestCheckpoint(keras.callbacks.Callback):
    """Keeps the weights of the epoch whose score is best, as a script computes it.

    The scores join the epoch's logs: the progress bar prints them, and callbacks that come after
    this one (``keras.callbacks.EarlyStopping``, ``CSVLogger``, ``TensorBoard``) see them by name.

    Args:
        path: where the weights go, ``*.weights.h5``; written beside, then renamed.
        evaluate: callable() -> {name: score}, called after each epoch; None for no more than Keras
            computes.
        monitor: name of the score that decides, among those of ``evaluate`` and of Keras, such as
            "val_loss"; by default the first of ``evaluate``.
        mode: whether "max" or "min" is best.
        model: whose weights are kept; by default those of the model that is trained.

    Attributes:
        best: the best score so far, infinitely bad before the first epoch ends.

    Raises:
        ValueError: another ``path`` or ``mode``; no score to decide by.

    Example:
        >>> import os, tempfile
        >>> import numpy as np
        >>> from bert4keras.backend import keras
        >>> from bert4keras.training import BestCheckpoint
        >>> model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
        >>> model.compile("sgd", "mse")
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = os.path.join(folder, "best.weights.h5")
        ...     scores = iter([{"f1": 0.5}, {"f1": 0.4}])
        ...     best = BestCheckpoint(path, lambda: next(scores))
        ...     history = model.fit(
        ...         np.ones((4, 2)), np.ones(4), epochs=2, verbose=0, callbacks=[best]
        ...     )
        ...     os.listdir(folder), best.best, history.history["f1"]
        (['best.weights.h5'], 0.5, [0.5, 0.4])
    """

    def __init__(self, path, evaluate=None, monitor=None, mode="max", model=None):
        super().__init__()
        if not str(path).endswith(".weights.h5"):
            raise ValueError(f"path must end in '.weights.h5', as Keras demands, got {path!r}")
        if mode not in ("max", "min"):
            raise ValueError(f"mode must be 'max' or 'min', got {mode!r}")
        self.path, self.evaluate, self.monitor, self.mode = str(path), evaluate, monitor, mode
        self.kept, self.best = model, float("-inf" if mode == "max" else "inf")

    def on_epoch_end(self, epoch, logs=None):
        """Compute the scores, and keep the weights if there were none better."""
        scores = self.evaluate() if self.evaluate else {}
        logs = {} if logs is None else logs
        logs.update({name: float(score) for name, score in scores.items()})
        name = self.monitor or next(iter(scores), None)
        if name not in logs:
            raise ValueError(
                f"a score must decide which weights are best, got monitor={self.monitor!r} and the "
                f"scores {sorted(logs)}; give evaluate, or the name of one of them as monitor"
            )
        score = logs[name]
        if score > self.best if self.mode == "max" else score < self.best:  # never where it is NaN
            self._keep()
            self.best = score

    def _keep(self):
        with replace_file(self.path, ".weights.h5") as temporary:
            (self.kept or self.model).save_weights(temporary)


class BackupAndResume(keras.callbacks.Callback):
    """Keeps a whole run after each epoch: one that was killed goes on as if it had not been.

    One file holds weights, state of dropout, the optimizer's variables, logs and the number of
    epochs; it is written beside, then renamed. ``keras.callbacks.BackupAndRestore`` writes several,
    over the old ones. An epoch may be any number of batches: choose ``steps_per_epoch`` by what may
    be computed again. The data must know where to begin, as ``PretrainingBatches`` does. PyTorch's
    dropout draws from a state outside the model, which is therefore seeded in each epoch.

    Args:
        path: of the file, ``*.npz``.
        seed: of an epoch is this and the number of the epoch.
        about: dict for JSON, what the run depends on; another run's file is then refused.

    Attributes:
        history: list of {name: value}, the logs of each epoch from the very first on.

    Raises:
        ValueError: another ending of ``path``; when restoring, the file is of a run that was told
            otherwise, or of another model or optimizer.

    Example:
        >>> import tempfile
        >>> import numpy as np
        >>> from bert4keras.backend import keras
        >>> from bert4keras.training import BackupAndResume
        >>> def train(path, epochs):
        ...     model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
        ...     model.compile("adam", "mse")
        ...     resume = BackupAndResume(path)
        ...     done = resume.restore(model)
        ...     model.fit(np.ones((4, 2)), np.ones(4), initial_epoch=done, epochs=epochs,
        ...               verbose=0, callbacks=[resume])
        ...     return done, len(resume.history)
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     train(f"{folder}/run.npz", epochs=2), train(f"{folder}/run.npz", epochs=3)
        ((0, 2), (2, 3))
    """

    def __init__(self, path, seed=0, about=None):
        super().__init__()
        if not str(path).endswith(".npz"):
            raise ValueError(f"path must end in '.npz', the format of NumPy, got {path!r}")
        self.path, self.seed, self.about, self.history = str(path), seed, about, []

    def restore(self, model):
        """Put a compiled model where the file says it was, and return how many epochs are done.

        Without a file nothing is changed, and 0 returned. The model must be built. What a kill in
        the middle of writing has left beside the file is removed.
        """
        for part in Path(self.path).parent.glob(f".{Path(self.path).name}.*.part"):
            part.unlink()
        if not os.path.exists(self.path):
            return 0
        variables = _all_variables(model)
        with np.load(self.path) as file:
            record = json.loads(str(file["record"]))
            self._check(record, variables)
            for number, variable in enumerate(variables):
                variable.assign(file[f"variable_{number}"])
        self.history = record["history"]
        return len(self.history)

    def _check(self, record, variables):
        if record["about"] != self.about:
            raise ValueError(
                f"{self.path} must be of a run like this one, {self.about}, but is of "
                f"{record['about']}; go on with the same settings, or delete it to begin anew"
            )
        wanted, found = _shapes(variables), record["shapes"]
        if found != wanted:
            pairs = zip(variables, found, wanted)
            other = [f"; {x.path} is {y}, not {z}" for x, y, z in pairs if y != z][:1]
            raise ValueError(
                f"{self.path} must hold the {len(wanted)} variables of this model and optimizer, "
                f"but holds {len(found)}{''.join(other)}; build both as they were, or delete it"
            )

    def on_train_batch_begin(self, batch, logs=None):
        """Make dropout that of this epoch, once the loading of its data has drawn a seed."""
        if batch == 0:
            seed_dropout(self.seed + len(self.history))

    def on_epoch_end(self, epoch, logs=None):
        """Write the file."""
        self.history.append({name: float(value) for name, value in (logs or {}).items()})
        variables = _all_variables(self.model)
        record = {"history": self.history, "about": self.about, "shapes": _shapes(variables)}
        arrays = {f"variable_{number}": _array(x) for number, x in enumerate(variables)}
        with atomic_write(self.path, "wb") as file:
            np.savez(file, record=json.dumps(record), **arrays)


def _all_variables(model):
    """Weights, states of random numbers, and the optimizer's variables, in a fixed order."""
    model.optimizer.build(model.trainable_variables)
    return [*model.variables, *model.optimizer.variables]


def _shapes(variables):
    return [list(variable.shape) for variable in variables]


def _array(variable):
    if keras.backend.standardize_dtype(variable.dtype) == "bfloat16":  # NumPy has no such type
        variable = ops.cast(variable, "float32")
    return ops.convert_to_numpy(variable)


class RaiseOnNaN(keras.callbacks.Callback):
    """Ends training with an error when the loss is no number, or infinite.

    What other callbacks have kept is of an epoch before it.

    Raises:
        FloatingPointError: naming epoch and batch, and what to look at.

    Example:
        >>> import numpy as np
        >>> from bert4keras.backend import keras
        >>> from bert4keras.training import RaiseOnNaN
        >>> model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
        >>> model.compile("sgd", "mse")
        >>> try:
        ...     model.fit(np.ones((4, 2)), np.full(4, np.nan), verbose=0, callbacks=[RaiseOnNaN()])
        ... except FloatingPointError as error:
        ...     print(str(error)[:48])
        The loss must be a finite number, but is nan in
    """

    def on_epoch_begin(self, epoch, logs=None):
        """Remember the number of the epoch."""
        self.epoch = epoch

    def on_train_batch_end(self, batch, logs=None):
        """Look at the loss."""
        loss = float((logs or {}).get("loss", 0.0))
        if not math.isfinite(loss):
            updates = int(self.model.optimizer.iterations)
            raise FloatingPointError(
                f"The loss must be a finite number, but is {loss} in epoch {self.epoch + 1}, batch "
                f"{batch + 1}, after {updates} updates. Look at the learning rate (lower it, or "
                "warm it up), at clipnorm, at half precision (try float32), and at that batch: "
                "rows without targets, ids beyond the vocabulary"
            )
