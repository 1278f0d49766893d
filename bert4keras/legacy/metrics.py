"""Metrics: of several outputs, of one number for a batch, and what models showed of them."""

import keras
from keras import ops

from bert4keras import backend
from bert4keras.backend import tf
from bert4keras.legacy import running
from bert4keras.legacy.report import met, refused


def of_each_output(metrics, count):
    """One list of metrics was that of every output."""
    nested = not isinstance(metrics, list | tuple) or any(isinstance(x, list) for x in metrics)
    if nested or count < 2 or not metrics:
        return metrics
    met("metrics of outputs")
    return [[_another(metric) for metric in metrics] for _ in range(count)]


def _another(metric):
    if not isinstance(metric, keras.metrics.Metric):
        return metric
    return type(metric).from_config(metric.get_config())


def samplewise(old, values, sample_weight, *args, **kwargs):
    """What a metric counts: of one number for a batch that number, whatever is masked."""
    values = of_known_rank(values)
    return old(values, sample_weight if len(values.shape) else None, *args, **kwargs)


def of_known_rank(values):
    """Values, or the mean of what a Python function gives in TensorFlow's graph."""
    values = ops.convert_to_tensor(values)
    return tf.reduce_mean(values) if getattr(values.shape, "rank", 0) is None else values


def reduced(old, values, *args, **kwargs):
    """The same of a loss."""
    return old(of_known_rank(values), *args, **kwargs)


def assign(old, self, value):
    """A variable, from what a Python function gives in TensorFlow's graph."""
    if getattr(getattr(value, "shape", None), "rank", 0) is None:
        value = tf.ensure_shape(value, self.shape)
    return old(self, value)


def sparse_accuracy(old, y_true, y_pred):
    """keras.metrics.sparse_categorical_accuracy of labels (B, 1) whose last size is not known."""
    if len(y_true.shape) == len(y_pred.shape) and y_true.shape[-1] is None:
        y_true = ops.reshape(y_true, ops.shape(y_pred)[:-1])
    return old(y_true, y_pred)


class CompiledLoss:
    """model.compiled_loss, in a train_step: the loss of ``compile``, which is counted, too.

    Args:
        model: that was compiled.
    """

    def __init__(self, model):
        met("compiled_loss")
        if backend.backend_name != "tensorflow":
            raise refused("compiled_loss", "the backend is not TensorFlow")
        self.model = model

    def __call__(self, y_true, y_pred, sample_weight=None, regularization_losses=None):
        loss = self.model._compile_loss(y_true, y_pred, sample_weight)
        loss = loss + sum(ops.sum(x) for x in regularization_losses or ())
        self.model._loss_tracker.update_state(loss)
        return loss

    metrics = property(lambda self: [self.model._loss_tracker])


class CompiledMetrics:
    """model.compiled_metrics, in a train_step.

    Args:
        model: that was compiled.
    """

    def __init__(self, model):
        met("compiled_loss")
        self.model = model

    def update_state(self, y_true, y_pred, sample_weight=None):
        """Count a batch."""
        if self.model._compile_metrics is not None:
            self.model._compile_metrics.update_state(y_true, y_pred, sample_weight)

    metrics = property(lambda self: list(getattr(self.model._compile_metrics, "metrics", ())))


class Printed(list):
    """metrics_tensors of a model: what is appended becomes a metric of it."""

    def __init__(self, model):
        super().__init__()
        self.model = model

    def append(self, value):
        """Show a tensor with the loss."""
        met("metrics_tensors")
        names = running.notes(self.model).get("names") or []
        name = names.pop(0) if names else f"metric_{len(self)}"
        super().append(value)
        self.model.add_metric(value, name=name)


class Names(list):
    """metrics_names of a model: a name that is appended is that of the next of its tensors."""

    def __init__(self, names, model):
        super().__init__(names)
        self.model = model

    def append(self, name):
        """Name the next tensor, or the last if it has no name yet."""
        super().append(name)
        unnamed = [x for x in self.model._metrics if x.name.startswith("metric_")]
        if unnamed:
            unnamed[0].name = name
        else:
            running.notes(self.model).setdefault("names", []).append(name)


def metrics_tensors(model):
    """model.metrics_tensors."""
    return running.notes(model).setdefault("tensors", Printed(model))


def metrics_names(old, model):
    """model.metrics_names: of losses first, then of metrics, as the logs have them."""
    metrics = model._compile_metrics if model.compiled else None
    of_losses = [x.name for x in model._compile_loss.metrics] if metrics is not None else []
    names = [name for name in old(model) if name not in of_losses]
    if metrics is not None:
        at = names.index(metrics.name)
        names[at : at + 1] = of_losses + (list(metrics.result()) if metrics.built else [])
    return Names(names, model)


def in_order(old, model, logs):
    """What evaluate gives, in the order of metrics_names."""
    names = [name for name in model.metrics_names if name in logs]
    found = [logs[name] for name in names + sorted(set(logs) - set(names))]
    return found[0] if len(found) == 1 else found
