"""What happens after an epoch, beside what Keras has: the best weights by scores of one's own."""

import os

import keras


class BestWeights(keras.callbacks.Callback):
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
        >>> from bert4keras.callbacks import BestWeights
        >>> model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
        >>> model.compile("sgd", "mse")
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = os.path.join(folder, "best.weights.h5")
        ...     scores = iter([{"f1": 0.5}, {"f1": 0.4}])
        ...     best = BestWeights(path, lambda: next(scores))
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
        beside = self.path.removesuffix(".weights.h5") + ".part.weights.h5"
        try:
            (self.kept or self.model).save_weights(beside)
            os.replace(beside, self.path)
        finally:
            if os.path.exists(beside):
                os.remove(beside)
