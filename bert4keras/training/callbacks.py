"""Callbacks: best checkpoint by any score, exact resume after an interruption, error on NaN."""

import json
import math
import os
import zlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Literal
from weakref import WeakSet

import h5py
import keras
import numpy as np
from keras import ops

from bert4keras.backend import seed_dropout
from bert4keras.backend.dispatch import raise_failed_checks
from bert4keras.backend.types import StrPath
from bert4keras.checks import check_callable, check_integer, check_json, check_string, describe
from bert4keras.files import check_free_space, remove_dead_parts, replace_file
from bert4keras.training.run_file import RunFile, write_run

_BEST = "best_checkpoint"  # attribute of a weights file: the score of the weights, as JSON
_TRAINED_MODELS: WeakSet[keras.Model] = WeakSet()  # by a fit with BestCheckpoint, in this process


class BestCheckpoint(keras.callbacks.Callback):
    """Saves the weights of the epoch with the best score, computed by any function.

    The scores join the epoch's logs: the progress bar prints them, and later callbacks
    (``keras.callbacks.EarlyStopping``, ``CSVLogger``, ``TensorBoard``) find them by name.

    The file holds the score of its weights. A run that goes on compares with it: a second ``fit``
    of the same model, a run that ``BackupAndResume`` or ``initial_epoch`` continues, or a model
    that begins with the weights of the file. Another run begins anew, and replaces the file.

    Args:
        path: file of the weights, ``*.weights.h5``. A failed write leaves the old file.
        evaluate: callable() -> {name: score}, called after each epoch; None to use only the scores
            of Keras.
        monitor: name of the score to compare, from ``evaluate`` or from Keras, such as "val_loss";
            by default the first of ``evaluate``.
        mode: "max" if a higher score is better, "min" if a lower one is.
        model: model to save; by default the model that is trained.

    Attributes:
        best: the best score until now; minus or plus infinity before the first epoch ends.
        saved_model: ``model``, or None for the model that is trained.

    Raises:
        ValueError: ``path`` or ``mode`` is invalid, or the score ``monitor`` does not exist.
        TypeError: ``evaluate`` returns something else than names and numbers.

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

    def __init__(
        self,
        path: StrPath,
        evaluate: Callable[[], Mapping[str, float]] | None = None,
        monitor: str | None = None,
        mode: Literal["max", "min"] = "max",
        model: keras.Model | None = None,
    ) -> None:
        super().__init__()
        if not str(path).endswith(".weights.h5"):
            raise ValueError(
                f"Expected path to end in '.weights.h5', got {path!r}. Keras saves weights only "
                "under such a name"
            )
        if mode not in ("max", "min"):
            raise ValueError(f"Expected mode to be 'max' or 'min', got {mode!r}")
        self.path: str = str(path)
        self.evaluate: Callable[[], Mapping[str, float]] | None = (
            None if evaluate is None else check_callable("evaluate", evaluate)
        )
        self.monitor: str | None = None if monitor is None else check_string("monitor", monitor)
        self.mode: str = mode
        self.saved_model: keras.Model | None = model
        self.best: float = float("-inf" if mode == "max" else "inf")
        self._is_first_epoch = True  # of a call of fit
        self._goes_on = False  # True until the score in the file is read

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        self._is_first_epoch = True

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Find out if the run goes on; at ``on_train_begin`` other callbacks may restore it yet."""
        if self._is_first_epoch:
            self._is_first_epoch = False
            self._goes_on = math.isinf(self.best) and self._is_continued(epoch)
            _TRAINED_MODELS.add(self.model)

    def _is_continued(self, epoch):
        iterations = getattr(getattr(self.model, "optimizer", None), "iterations", 0)
        if epoch > 0 or int(iterations) > 0 or self.model in _TRAINED_MODELS:
            return True
        record = _read_score(self.path)
        return record is not None and record["weights"] == _checksum(self._model_to_save())

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Compute the scores, and save the weights if they are the best until now."""
        scores = self._evaluate()
        logs = {} if logs is None else logs
        logs.update(scores)
        name = self.monitor or next(iter(scores), None)
        if name not in logs:
            raise ValueError(
                f"Expected monitor to be one of the scores {sorted(logs)}, got "
                f"monitor={self.monitor!r}. Give evaluate, or the name of a score"
            )
        self._recall_best(name)
        score = logs[name]
        # a comparison with NaN is false, so NaN is never the best
        if score > self.best if self.mode == "max" else score < self.best:
            self._save_weights(name, score)
            self.best = score

    def _evaluate(self):
        scores = self.evaluate() if self.evaluate else {}
        try:
            return {name: float(score) for name, score in scores.items()}
        except (AttributeError, TypeError, ValueError):
            raise TypeError(
                "Expected evaluate to return a dict of numbers such as {'f1': 0.5}, got "
                f"{describe(scores)}. Give each score a name."
            ) from None

    def _recall_best(self, name):
        """Take the score of the file as the best, if the run goes on."""
        record = _read_score(self.path) if self._goes_on else None
        if record and (record["monitor"], record["mode"]) == (name, self.mode):
            self.best = record["score"]
        self._goes_on = False

    def _model_to_save(self):
        return self.saved_model or self.model

    def _save_weights(self, name, score):
        model = self._model_to_save()
        record = {"monitor": name, "mode": self.mode, "score": float(score)}
        with replace_file(self.path, ".weights.h5") as temporary:
            # HDF5 may end the process if a write fails
            check_free_space(temporary, 4 * model.count_params())
            model.save_weights(temporary)
            with h5py.File(temporary, "r+") as file:
                text = json.dumps({**record, "weights": _checksum(model)})
                # of fixed length: such a text is in the header, not in HDF5's global heap
                file.attrs.create(_BEST, np.bytes_(text))


def _read_score(path):
    """Read the score that BestCheckpoint wrote into a weights file; None if there is none."""
    try:
        with h5py.File(path, "r") as file:
            attribute = file.attrs.get_id(_BEST)
            if attribute.dtype.kind != "S":
                return None
            record = json.loads(bytes(file.attrs[_BEST]))
        valid = isinstance(record["score"], float) and math.isfinite(record["score"])
        return record if valid and {"monitor", "mode", "weights"} <= record.keys() else None
    except (OSError, RuntimeError, KeyError, TypeError, ValueError, RecursionError):
        return None


def _checksum(model):
    """Return a checksum of the weights of a model."""
    checksum = 0
    for weight in model.weights:
        checksum = zlib.crc32(_to_numpy(weight).tobytes(), checksum)
    return checksum


class BackupAndResume(keras.callbacks.Callback):
    """Saves a whole run after each epoch, and resumes it exactly where it stopped.

    One file holds weights, dropout states, the optimizer's variables, logs and the number of
    epochs. An interrupted write leaves the previous file, unlike
    ``keras.callbacks.BackupAndRestore``, which overwrites several files. Work since the last save
    is lost, so choose an epoch of few enough batches (``steps_per_epoch``). The data must start at
    the right batch, as ``PretrainingDataset`` can. PyTorch's dropout draws from a global state, so
    it is seeded in each epoch.

    Args:
        path: name of the file, ``*.npz``.
        seed: seed of epoch n is ``seed + n``.
        metadata: dict for JSON that identifies the run, such as its settings. A file with other
            metadata is refused. Tuples and lists are equal, and so are the keys 1 and "1".

    Attributes:
        history: list of {name: value}, the logs of each epoch from the first one on.

    Raises:
        ValueError: ``path`` has another ending; when restoring, the file has other metadata,
            belongs to another model or optimizer, or is damaged (``CheckpointError``). The model
            is unchanged then.
        TypeError: the metadata is no JSON value.

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

    def __init__(
        self, path: StrPath, seed: int = 0, metadata: dict[str, Any] | None = None
    ) -> None:
        super().__init__()
        if not str(path).endswith(".npz"):
            raise ValueError(f"Expected path to end in '.npz' (NumPy's format), got {path!r}")
        self.path: str = str(path)
        self.seed: int = check_integer("seed", seed, minimum=0)
        self.metadata: Any = check_json("metadata", metadata)
        self.history: list[dict[str, float]] = []

    def restore(self, model: keras.Model) -> int:
        """Restore a built and compiled model from the file, and return the number of epochs done.

        Without a file it returns 0 and changes nothing. Temporary files of killed writes are
        removed.
        """
        remove_dead_parts(Path(self.path).parent)
        variables = _all_variables(model)
        if not os.path.exists(self.path):
            return 0
        with RunFile(self.path) as run:
            record = run.record
            self._check_record(record, variables)
            arrays = run.read_variables([_kind(variable) for variable in variables])
        for variable, array in zip(variables, arrays):  # after all are read: whole or not at all
            variable.assign(array)
        self.history = record["history"]
        return len(self.history)

    def _check_record(self, record, variables):
        texts = [json.dumps(x, sort_keys=True) for x in (record["about"], self.metadata)]
        if texts[0] != texts[1]:  # as texts, because NaN is not equal to itself
            raise ValueError(
                f"Expected {self.path} to have the metadata {self.metadata}, got "
                f"{record['about']}. Resume with the same settings, or delete the file to restart"
            )
        expected, shapes = _shapes(variables), record["shapes"]
        if shapes != expected:
            triples = zip(variables, shapes, expected)
            first = [f"; {v.path} is {got}, not {want}" for v, got, want in triples if got != want]
            raise ValueError(
                f"Expected {self.path} to hold the {len(expected)} variables of this model and "
                f"optimizer, got {len(shapes)}{''.join(first[:1])}. Build both as before, or "
                "delete the file to restart"
            )

    def on_train_batch_begin(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        """Seed dropout for the epoch.

        Not ``on_epoch_begin``: the data loader draws a seed from the same generator after it.
        """
        if batch == 0:
            seed_dropout(self.seed + len(self.history))

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        self.history.append({name: float(value) for name, value in (logs or {}).items()})
        variables = _all_variables(self.model)
        record = {"history": self.history, "about": self.metadata, "shapes": _shapes(variables)}
        write_run(self.path, record, [_to_numpy(variable) for variable in variables])


def _all_variables(model):
    """Return weights, seeds of dropout, and the optimizer's variables, in a fixed order."""
    optimizer = getattr(model, "optimizer", None)
    if optimizer is None or not model.built:
        raise ValueError(
            f"Expected a built and compiled model, got {model!r}. Build it with an Input, and call "
            "compile before restore."
        )
    optimizer.build(model.trainable_variables)
    return [*model.variables, *optimizer.variables]


def _shapes(variables):
    return [list(variable.shape) for variable in variables]


def _kind(variable):
    """Return the kind of a variable, "b", "f" or "i": it holds bools, floats or integers."""
    dtype = keras.backend.standardize_dtype(variable.dtype)
    if dtype == "bool":
        return "b"
    return "f" if keras.backend.is_float_dtype(dtype) else "i"


def _to_numpy(variable):
    if keras.backend.standardize_dtype(variable.dtype) == "bfloat16":  # not a type of npz files
        variable = ops.cast(variable, "float32")
    return ops.convert_to_numpy(variable)


class RaiseOnNaN(keras.callbacks.Callback):
    """Stops training with an error if the loss is NaN or infinite.

    By default ``keras.callbacks.TerminateOnNaN`` ends training without an error, as if it were
    complete. Files that other callbacks saved are from earlier epochs.

    Raises:
        FloatingPointError: names epoch and batch, and likely causes.

    Example:
        >>> import numpy as np
        >>> from bert4keras.backend import keras
        >>> from bert4keras.training import RaiseOnNaN
        >>> model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
        >>> model.compile("sgd", "mse")
        >>> try:
        ...     model.fit(np.ones((4, 2)), np.full(4, np.nan), verbose=0, callbacks=[RaiseOnNaN()])
        ... except FloatingPointError as error:
        ...     print(str(error)[:43])
        Expected a finite loss, got nan in epoch 1,
    """

    epoch: int

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        self.epoch = epoch

    def on_train_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        loss = float((logs or {}).get("loss", 0.0))
        if not math.isfinite(loss):
            raise_failed_checks()  # a wrong id makes the loss NaN on JAX, and says more
            updates = int(self.model.optimizer.iterations)
            raise FloatingPointError(
                f"Expected a finite loss, got {loss} in epoch {self.epoch + 1}, batch {batch + 1}, "
                f"after {updates} updates. Check the learning rate (lower it, or warm it up), "
                "clipnorm, half precision (try float32), and that batch: rows without targets, ids "
                "beyond the vocabulary"
            )
