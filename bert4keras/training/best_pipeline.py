"""Best pipeline: the callback that scores a pipeline after each epoch and saves the best one."""

import math
from typing import Any, Literal

import keras

from bert4keras.backend.types import StrPath
from bert4keras.checks import check_boolean, check_choice, check_string, describe


class BestPipeline(keras.callbacks.Callback):
    """Scores a pipeline after each epoch, and saves its folder whenever the score is the best.

    So a run that Ctrl-C or a crash ends leaves the folder of its best epoch, and ``load_pipeline``
    opens it. An older folder stays until the first save. The scores, but not counts and tables,
    join the logs of the epoch: the progress bar shows them, and later callbacks find them by name.

    Args:
        pipeline: a pipeline of ``bert4keras.pipelines`` whose layers are those that are trained.
        samples: samples for ``pipeline.evaluate``, kept from training.
        folder: folder to save to.
        monitor: name of the score to compare, or of a metric of Keras such as "val_loss"; by
            default the first number that ``evaluate`` gives.
        mode: "max" if a higher score is better, "min" if a lower one is.
        uses_ema: True scores and saves the moving averages of the weights, which an optimizer by
            ``extend_with_exponential_moving_average`` has; training goes on with the weights.
        verbose: True prints each score that is saved.
        **options: options of ``pipeline.evaluate``, such as ``num_beams``.

    Attributes:
        best: the best score until now; minus or plus infinity before the first epoch ends.

    Raises:
        TypeError: ``pipeline`` is no pipeline.
        ValueError: there is no score ``monitor``; the optimizer has no averages.

    Example:
        >>> import tempfile
        >>> import numpy as np
        >>> from bert4keras.backend import keras
        >>> from bert4keras.models import build_transformer_model
        >>> from bert4keras.pipelines import TextClassifier, load_pipeline
        >>> from bert4keras.tokenizers import Tokenizer
        >>> from bert4keras.training import BestPipeline
        >>> words = "[PAD] [UNK] [CLS] [SEP] 好 坏".split()
        >>> tokenizer = Tokenizer({word: i for i, word in enumerate(words)})
        >>> config = dict(vocab_size=6, hidden_size=8, num_hidden_layers=1, num_attention_heads=2,
        ...               intermediate_size=16, hidden_act="gelu")
        >>> model = build_transformer_model(config, with_nsp=True)
        >>> model.compile("adam", "sparse_categorical_crossentropy")
        >>> classify = TextClassifier(model, tokenizer, ["bad", "good"])
        >>> inputs = tokenizer.encode_batch(["好", "坏"])
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     samples = [("好", "good"), ("坏", "bad")]
        ...     best = BestPipeline(classify, samples, folder, verbose=False)
        ...     history = model.fit(list(inputs), np.array([1, 0]), verbose=0, callbacks=[best])
        ...     type(load_pipeline(folder)).__name__, "accuracy" in history.history
        ('TextClassifier', True)
    """

    def __init__(
        self,
        pipeline: Any,
        samples: Any,
        folder: StrPath,
        monitor: str | None = None,
        mode: Literal["max", "min"] = "max",
        uses_ema: bool = False,
        verbose: bool = True,
        **options: Any,
    ) -> None:
        super().__init__()
        methods = ("evaluate", "save", "stream")
        if not all(callable(getattr(pipeline, name, None)) for name in methods):
            raise TypeError(
                f"Expected a pipeline with {', '.join(methods)}, got {describe(pipeline)}. Pass "
                "one of bert4keras.pipelines, such as TextClassifier(model, tokenizer, labels)."
            )
        self.pipeline: Any = pipeline
        self.samples: Any = samples
        self.folder: StrPath = folder
        self.monitor: str | None = None if monitor is None else check_string("monitor", monitor)
        self.mode: str = check_choice("mode", mode, ("max", "min"))
        self.uses_ema: bool = check_boolean("uses_ema", uses_ema)
        self.verbose: bool = check_boolean("verbose", verbose)
        self.options: dict[str, Any] = options
        self.best: float = -math.inf if mode == "max" else math.inf

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        if self.uses_ema and not hasattr(self.model.optimizer, "apply_ema_weights"):
            raise ValueError(
                "Expected an optimizer with moving averages for uses_ema=True, got "
                f"{type(self.model.optimizer).__name__}. Make its class by "
                "extend_with_exponential_moving_average, or leave out uses_ema."
            )

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Compute the scores, and save the pipeline if they are the best until now."""
        if not self.uses_ema:
            return self._score({} if logs is None else logs)
        self.model.optimizer.apply_ema_weights()
        try:
            self._score({} if logs is None else logs)
        finally:
            self.model.optimizer.reset_old_weights()

    def _score(self, logs: dict[str, Any]) -> None:
        scores = self.pipeline.evaluate(self.samples, **self.options)
        numbers = {name: score for name, score in scores.items() if isinstance(score, float)}
        name = self.monitor or next(iter(numbers), None)
        logs.update(numbers)
        if name not in logs:
            raise ValueError(
                f"Expected monitor to be one of the scores {sorted(logs)}, got {name!r}. Pass "
                "the name of one of them."
            )
        score = logs[name]
        # a comparison with NaN is false, so NaN is never the best
        if score > self.best if self.mode == "max" else score < self.best:
            self.pipeline.save(self.folder, scores)
            self.best = score
            if self.verbose:
                print(f"\n{name} {score:.4f}: saved to {self.folder}")
