"""Metrics and callbacks: what models show of metrics, log names, callback arguments of Keras 2."""

import importlib.util
from typing import Any

import keras
from keras import ops
from keras.src.callbacks.history import History
from keras.src.callbacks.monitor_callback import MonitorCallback
from keras.src.losses import loss as keras_loss
from keras.src.metrics import reduction_metrics
from keras.src.trainers.trainer import Trainer
from keras.src.utils import python_utils

from bert4keras.backend import backend_name, tf
from bert4keras.legacy.patches import add, add_names, replace, state_of
from bert4keras.legacy.report import record_use, unsupported_error

# Metrics


def metrics_for_outputs(metrics: Any, count: Any) -> Any:
    """Repeat one list of metrics for each output."""
    is_nested = not isinstance(metrics, list | tuple) or any(isinstance(x, list) for x in metrics)
    if is_nested or count < 2 or not metrics:
        return metrics
    record_use("metrics of outputs")
    return [[_copy_metric(metric) for metric in metrics] for _ in range(count)]


def _copy_metric(metric):
    if not isinstance(metric, keras.metrics.Metric):
        return metric
    return type(metric).from_config(metric.get_config())


@replace(reduction_metrics, "reduce_to_samplewise_values")
def _reduce_to_samplewise_values(original, values, sample_weight, *args, **kwargs):
    """Count one number for a batch without sample weights or masks."""
    values = _with_rank(values)
    return original(values, sample_weight if len(values.shape) else None, *args, **kwargs)


@replace(keras_loss, "reduce_weighted_values")
def _reduce_weighted_values(original, values, *args, **kwargs):
    return original(_with_rank(values), *args, **kwargs)


def _with_rank(values):
    """Return values, or their mean if their rank is unknown (a Python function in a graph)."""
    values = ops.convert_to_tensor(values)
    return tf.reduce_mean(values) if getattr(values.shape, "rank", 0) is None else values


@replace(keras.Variable, "assign", "assign_add", "assign_sub")
def _assign(original, self, value):
    """Assign a value whose rank is unknown (a Python function in a graph)."""
    if getattr(getattr(value, "shape", None), "rank", 0) is None:
        value = tf.ensure_shape(value, self.shape)
    return original(self, value)


@replace(keras.metrics, "sparse_categorical_accuracy")
def _sparse_categorical_accuracy(original, y_true, y_pred):
    """Accept labels (B, 1) whose last size is unknown."""
    if len(y_true.shape) == len(y_pred.shape) and y_true.shape[-1] is None:
        y_true = ops.reshape(y_true, ops.shape(y_pred)[:-1])
    return original(y_true, y_pred)


class _CompiledLoss:
    """model.compiled_loss in a train_step: computes the loss of ``compile`` and counts it."""

    def __init__(self, model):
        record_use("compiled_loss")
        if backend_name != "tensorflow":
            raise unsupported_error("compiled_loss", "the backend is not TensorFlow")
        self.model = model

    def __call__(self, y_true, y_pred, sample_weight=None, regularization_losses=None):
        loss = self.model._compile_loss(y_true, y_pred, sample_weight)
        loss = loss + sum(ops.sum(x) for x in regularization_losses or ())
        self.model._loss_tracker.update_state(loss)
        return loss

    metrics = property(lambda self: [self.model._loss_tracker])


class _CompiledMetrics:
    """model.compiled_metrics in a train_step."""

    def __init__(self, model):
        record_use("compiled_loss")
        self.model = model

    def update_state(self, y_true, y_pred, sample_weight=None):
        if self.model._compile_metrics is not None:
            self.model._compile_metrics.update_state(y_true, y_pred, sample_weight)

    metrics = property(lambda self: list(getattr(self.model._compile_metrics, "metrics", ())))


class _MetricsTensors(list):
    """model.metrics_tensors: an appended tensor becomes a metric of the model."""

    def __init__(self, model):
        super().__init__()
        self.model = model

    def append(self, value):
        record_use("metrics_tensors")
        names = state_of(self.model).get("metric_names") or []
        name = names.pop(0) if names else f"metric_{len(self)}"
        super().append(value)
        self.model.add_metric(value, name=name)


class _MetricsNames(list):
    """model.metrics_names: an appended name belongs to the next tensor, or the last nameless."""

    def __init__(self, names, model):
        super().__init__(names)
        self.model = model

    def append(self, name):
        super().append(name)
        nameless = [x for x in self.model._metrics if x.name.startswith("metric_")]
        if nameless:
            nameless[0].name = name
        else:
            state_of(self.model).setdefault("metric_names", []).append(name)


add_names(
    keras.Model,
    {
        "metrics_tensors": property(
            lambda model: state_of(model).setdefault("metrics_tensors", _MetricsTensors(model))
        ),
        "compiled_loss": property(_CompiledLoss),
        "compiled_metrics": property(_CompiledMetrics),
    },
)
add_names(keras.metrics.Metric, {"reset_states": lambda metric: metric.reset_state()})


@replace(keras.Model, "metrics_names")
def _metrics_names(original, model):
    """Return names of losses, then of metrics, in the order of the logs."""
    metrics = model._compile_metrics if model.compiled else None
    losses = [x.name for x in model._compile_loss.metrics] if metrics is not None else []
    names = [name for name in original(model) if name not in losses]
    if metrics is not None:
        index = names.index(metrics.name)
        names[index : index + 1] = losses + (list(metrics.result()) if metrics.built else [])
    return _MetricsNames(names, model)


@replace(Trainer, "_flatten_metrics_in_order")
def _flatten_metrics_in_order(original, model, logs):
    """Return results of ``evaluate`` in the order of metrics_names."""
    names = [name for name in model.metrics_names if name in logs]
    values = [logs[name] for name in names + sorted(set(logs) - set(names))]
    return values[0] if len(values) == 1 else values


_METRICS = {  # old name: name of the loss function
    "kullback_leibler_divergence": "kl_divergence",
    "kld": "kl_divergence",
    "KLD": "kl_divergence",
    "mse": "mean_squared_error",
    "MSE": "mean_squared_error",
    "mae": "mean_absolute_error",
    "MAE": "mean_absolute_error",
    "mape": "mean_absolute_percentage_error",
    "msle": "mean_squared_logarithmic_error",
    "logcosh": "log_cosh",
    "cosine_proximity": "cosine_similarity",
    "cosine": "cosine_similarity",
    "bce": "binary_crossentropy",
}
for _module in (keras.losses, keras.metrics):
    add_names(_module, {old: getattr(keras.losses, new) for old, new in _METRICS.items()})


# Callbacks

_LOG_NAMES = {"acc": "accuracy", "lr": "learning_rate"}
_LOG_NAMES |= {new: old for old, new in _LOG_NAMES.items()}
_TENSORBOARD = ("batch_size", "write_grads", "embeddings_layer_names", "embeddings_data")


def _other_name(key):
    """Return the new name for an old one, and the reverse: ``val_acc``, ``val_accuracy``."""
    prefix, _, name = str(key).rpartition("_")
    if name == "rate":
        prefix, name = prefix.removesuffix("learning").removesuffix("_"), "learning_rate"
    if prefix and name in _LOG_NAMES:
        return f"{prefix}_{_LOG_NAMES[name]}"
    return _LOG_NAMES.get(name)


class _Logs(dict):
    """Logs that accept old names too."""

    def __missing__(self, key):
        other_name = _other_name(key)
        if other_name is not None and dict.__contains__(self, other_name):
            record_use("acc")
            return dict.__getitem__(self, other_name)
        raise KeyError(key)

    def __contains__(self, key):
        return dict.__contains__(self, key) or dict.__contains__(self, _other_name(key))

    def get(self, key, default=None):
        return self[key] if key in self else default


@replace(python_utils, "pythonify_logs")
def _pythonify_logs(original, logs):
    return _Logs(original(logs))


@replace(History, "on_train_begin")
def _on_train_begin(original, self, logs=None):
    original(self, logs)
    self.history = _Logs(self.history)


@replace(keras.callbacks.CallbackList, "set_params")
def _set_params(original, self, params):
    """Add the parameters that Keras 2 had."""
    names = list(self._model.metrics_names) if getattr(self, "_model", None) else []
    names = [name for key in names for name in (key, f"val_{key}")]
    original(self, params and {"metrics": names, "do_validation": False, **params})


@replace(keras.callbacks.TensorBoard, "__init__")
def _init_tensorboard(original, self, *args, **kwargs):
    if importlib.util.find_spec("tensorboard") is None:
        raise unsupported_error("TensorBoard", "the package tensorboard is not installed")
    kwargs = {name: value for name, value in kwargs.items() if name not in _TENSORBOARD}
    return original(self, *args, **kwargs)


@replace(keras.callbacks.ReduceLROnPlateau, "__init__")
def _init_reduce_lr(original, self, *args, **kwargs):
    if "epsilon" in kwargs:
        record_use("keras 1 argument")
        kwargs["min_delta"] = kwargs.pop("epsilon")
    return original(self, *args, **kwargs)


@replace(MonitorCallback, "_set_monitor_op")
def _set_monitor_op(original, self):
    """Maximize accuracies with mode "auto"."""
    if self.mode == "auto":
        is_accuracy = "acc" in self.monitor or self.monitor.startswith("fmeasure")
        self.mode = "max" if is_accuracy else "min"
    return original(self)


def _set_model(self, model):
    record_use("callback.model")
    self._model = model


add(keras.callbacks.Callback, "model")(keras.callbacks.Callback.model.setter(_set_model))
