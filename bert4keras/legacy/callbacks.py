"""Callbacks: their model, old names in their logs, old arguments."""

from bert4keras.legacy.report import met

NAMES = {"acc": "accuracy", "lr": "learning_rate"}
NAMES |= {new: old for old, new in NAMES.items()}
DROPPED = {  # arguments that callbacks of Keras 2 took
    "TensorBoard": ("batch_size", "write_grads", "embeddings_layer_names", "embeddings_data"),
    "ReduceLROnPlateau": (),
    "EarlyStopping": (),
}
RENAMED = {"ReduceLROnPlateau": {"epsilon": "min_delta"}}


def other_name(key):
    """The name of today for an old one, and the reverse: ``val_acc`` and ``val_accuracy``."""
    head, _, last = str(key).rpartition("_")
    if last == "rate":
        head, last = head.removesuffix("learning").removesuffix("_"), "learning_rate"
    return f"{head}_{NAMES[last]}" if head and last in NAMES else NAMES.get(last)


class Logs(dict):
    """Logs that are found by old names too."""

    def __missing__(self, key):
        other = other_name(key)
        if other is not None and dict.__contains__(self, other):
            met("acc")
            return dict.__getitem__(self, other)
        raise KeyError(key)

    def __contains__(self, key):
        return dict.__contains__(self, key) or dict.__contains__(self, other_name(key))

    def get(self, key, default=None):
        """The value of a name, new or old."""
        return self[key] if key in self else default


def pythonified(old, logs):
    """What callbacks are given."""
    return Logs(old(logs))


def set_params(old, self, params):
    """The parameters of callbacks, with those that Keras 2 had too."""
    names = list(self._model.metrics_names) if getattr(self, "_model", None) else []
    names = [name for key in names for name in (key, f"val_{key}")]
    old(self, params and {"metrics": names, "do_validation": False, **params})


def history(old, self, logs=None):
    """History, whose dict knows old names."""
    old(self, logs)
    self.history = Logs(self.history)


def initialised(old, self, *args, **kwargs):
    """Old arguments of callbacks."""
    name = type(self).__name__
    for word, new in RENAMED.get(name, {}).items():
        if word in kwargs:
            met("keras 1 argument")
            kwargs[new] = kwargs.pop(word)
    for word in DROPPED.get(name, ()):
        kwargs.pop(word, None)
    return old(self, *args, **kwargs)


def set_model(self, model):
    """callback.model = ..., as callbacks of their own did."""
    met("callback.model")
    self._model = model


def best_is_high(old, self):
    """EarlyStopping and its kin with mode "auto": of accuracies the highest is best, as ever."""
    if self.mode == "auto":
        accuracy = "acc" in self.monitor or self.monitor.startswith("fmeasure")
        self.mode = "max" if accuracy else "min"
    return old(self)
