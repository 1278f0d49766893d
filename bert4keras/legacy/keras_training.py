"""compile, fit, evaluate and predict of Keras 2: arguments, data, and frozen layers."""

import contextlib
import inspect
import itertools

import numpy as np
from keras import ops
from keras.src.trainers.trainer import Trainer

from bert4keras import backend
from bert4keras.backend import backend_name, keras
from bert4keras.data import BatchStream
from bert4keras.legacy import patches
from bert4keras.legacy.bert4keras_text import CachedPrediction
from bert4keras.legacy.keras_gradients import keras3_train_function, temporary_train_function
from bert4keras.legacy.keras_metrics import metrics_for_outputs
from bert4keras.legacy.keras_optimizers import assign_optimizer
from bert4keras.legacy.patches import add, get_original, push, replace, state_of
from bert4keras.legacy.report import record_use, unsupported_error
from bert4keras.legacy.script_functions import wrap_function, wrap_methods

_COMPILE_ARGUMENTS = ("target_tensors", "sample_weight_mode", "weighted_metrics_mode")
_GENERATOR_ARGUMENTS = ("max_queue_size", "workers", "use_multiprocessing", "pickle_safe")
_KERAS_1 = {  # argument of fit, evaluate or predict: new name; None to drop it
    "nb_epoch": "epochs",
    "samples_per_epoch": "steps_per_epoch",
    "nb_val_samples": "validation_steps",
    "val_samples": "steps",
    "show_accuracy": None,
    "max_q_size": None,
    "nb_worker": None,
}

# compile


@replace(Trainer, "compile")
def _compile(original, self, optimizer="rmsprop", loss=None, metrics=None, *args, **kwargs):
    """Accept old arguments; without a loss the model uses add_loss."""
    for name in _COMPILE_ARGUMENTS:
        if kwargs.pop(name, None) is not None:
            record_use("compile argument")
    if isinstance(loss, list) and len(loss) == 1:
        loss = loss[0]
    if loss is None:
        metrics = None
    count = len(getattr(self, "outputs", None) or ())
    if count == 1:
        loss, metrics = _unpack_single(loss), _unpack_single(metrics)
    elif isinstance(loss, dict):
        loss = _losses_in_order(loss, self.output_names)
    if isinstance(metrics, str):
        metrics = [metrics]
    metrics = metrics_for_outputs(metrics, count)
    loss, metrics = keras.tree.map_structure(_prepare_function, (loss, metrics))
    if kwargs.get("weighted_metrics"):
        functions = kwargs["weighted_metrics"]
        kwargs["weighted_metrics"] = keras.tree.map_structure(_prepare_function, functions)
    if backend_name == "tensorflow":
        kwargs.setdefault("jit_compile", False)
    if backend_name == "jax" and len(inspect.signature(self.train_step).parameters) < 2:
        raise unsupported_error("train_step", "JAX passes state through it")
    loss_weights = args[0] if args else kwargs.pop("loss_weights", None)
    if count > 1 and loss_weights is not None:
        loss = loss if isinstance(loss, list | tuple | dict) else [loss] * count
        if isinstance(loss_weights, dict):
            loss_weights = [loss_weights.get(name, 1.0) for name in self.output_names]
    self.train_function = self.test_function = self.predict_function = None
    self._compile_loss = self._compile_metrics = None  # from an earlier call
    for name in ("has_script_train_function", "targets"):
        state_of(self).pop(name, None)
    state_of(self)["trainable"] = _trainable_flags(self)
    assign_optimizer(optimizer, self)
    return original(
        self, optimizer=optimizer, loss=loss, metrics=metrics, loss_weights=loss_weights, **kwargs
    )


def _prepare_function(function):
    """Let a loss or metric of the script run as in tf.keras."""
    if isinstance(function, keras.losses.Loss):
        wrap_methods(function, "call")
    elif isinstance(function, keras.metrics.Metric):
        wrap_methods(function, "update_state", "result")
    return wrap_function(function)


def _losses_in_order(losses, names):
    """Return losses by name as a list, with None for outputs without loss."""
    return [losses.get(name) for name in names] if losses.keys() <= set(names) else losses


def _unpack_single(x):
    """Return the value of a dict with one key; other values as they are."""
    return next(iter(x.values())) if isinstance(x, dict) and len(x) == 1 else x


# Frozen layers: ``compile`` fixes what is trained, and later changes have no effect until the next
# ``compile``. Scripts with two adversarial models rely on it.


def _trainable_flags(model):
    layers = [(x, "_trainable", x._trainable) for x in model._flatten_layers()]
    return layers + [(x, "trainable", x.trainable) for x in model.weights]


@contextlib.contextmanager
def _flags_of_compile(model):
    """Restore the trainable flags of ``compile`` while the block runs."""
    flags = [x for x in state_of(model).get("trainable", ()) if getattr(x[0], x[1]) != x[2]]
    before = [(owner, name, getattr(owner, name)) for owner, name, _ in flags]
    try:
        _set_flags(flags)
        yield
    finally:
        _set_flags(before)


def _set_flags(flags):
    for owner, name, value in flags:
        setattr(owner, name, value)


# fit, evaluate, predict


def _new_arguments(kwargs):
    """Return arguments under their new names, without those that have no effect."""
    if not isinstance(kwargs.get("class_weight") or {}, dict):
        record_use("class_weight")
        del kwargs["class_weight"]
    for name in [name for name in kwargs if name in _KERAS_1]:
        record_use("keras 1 argument")
        value, new_name = kwargs.pop(name), _KERAS_1[name]
        if new_name is not None:
            kwargs.setdefault(new_name, value)
    return {name: x for name, x in kwargs.items() if name not in _GENERATOR_ARGUMENTS}


@replace(keras.Model, "fit")
def _fit(
    original, self, x=None, y=None, batch_size=None, epochs=1, verbose=1, callbacks=None, **kwargs
):
    """Accept nested lists, generators of lists, and a train_function of the script."""
    kwargs = _new_arguments(kwargs)
    epochs = kwargs.pop("epochs", epochs)
    kwargs["validation_data"] = _convert_validation_data(self, kwargs)
    if _is_generator(x):
        steps, shuffle = kwargs.pop("steps_per_epoch", None), kwargs.pop("shuffle", True)
        x, kwargs["steps_per_epoch"] = _make_stream(x, self, steps, shuffle)
        batch_size = None
    elif hasattr(x, "element_spec"):
        x = _convert_dataset(x, self)
    elif x is not None:
        x, y = _convert_data(self, x, y)
    _convert_weights_of(kwargs, self)
    if callbacks is not None and not isinstance(callbacks, list | tuple):
        callbacks = [callbacks]
    kwargs.update(batch_size=batch_size, epochs=epochs, verbose=verbose, callbacks=callbacks)
    with _script_train_function(self), _flags_of_compile(self):
        return original(self, x, y, **kwargs)


def _convert_data(model, x, y):
    if not getattr(model, "inputs", None):
        return x, y
    return _convert_inputs(x, model), _convert_targets(y, model)


def _convert_validation_data(model, kwargs):
    data = kwargs.pop("validation_data", None)
    if data is None or hasattr(data, "element_spec"):
        return data if data is None else _convert_dataset(data, model)
    if _is_generator(data):
        steps = kwargs.get("validation_steps")
        data, kwargs["validation_steps"] = _make_stream(data, model, steps, shuffle=False)
        return data
    x, y, *sample_weight = data
    sample_weight = [_convert_weights(weight, model) for weight in sample_weight]
    return (*_convert_data(model, x, y), *sample_weight)


def _script_train_function(model):
    """Make Keras 3 call the train_function that a script has set."""
    if "has_script_train_function" not in state_of(model) or model.train_function is None:
        return contextlib.nullcontext()
    train_function = keras3_train_function(model, model.train_function)
    return temporary_train_function(model, train_function)


@replace(keras.Model, "evaluate")
def _evaluate(original, self, x=None, y=None, batch_size=None, verbose=1, *args, **kwargs):
    kwargs = _new_arguments(kwargs)
    if _is_generator(x):
        steps = kwargs.pop("steps", None)
        x, kwargs["steps"] = _make_stream(x, self, steps, shuffle=False)
    elif hasattr(x, "element_spec"):
        x = _convert_dataset(x, self)
    elif x is not None:
        x, y = _convert_data(self, x, y)
    args = (_convert_weights(args[0], self), *args[1:]) if args else ()
    _convert_weights_of(kwargs, self)
    return original(self, x, y, batch_size, verbose, *args, **kwargs)


@replace(keras.Model, "predict")
def _predict(original, self, x, batch_size=None, verbose=0, steps=None, **kwargs):
    """Predict without output; in a decoder, answer from the KV cache."""
    kwargs = _new_arguments(kwargs)
    if _is_generator(x):
        x, steps = _make_stream(x, self, steps, shuffle=False, convert=_predict_batch)
    elif not hasattr(x, "element_spec") and getattr(self, "inputs", None):
        x = _convert_inputs(x, self)
    if patches.running_decoders and CachedPrediction.supports(self):
        return CachedPrediction(patches.running_decoders[-1], self, x, original)
    return original(self, x, batch_size=batch_size, verbose=verbose, steps=steps, **kwargs)


@replace(keras.Model, "train_on_batch", "test_on_batch")
def _run_on_batch(original, self, x, *args, **kwargs):
    """Return metrics of this batch alone."""
    if kwargs.pop("reset_metrics", True):
        self.reset_metrics()
    y = kwargs.pop("y", None) if not args else args[0]
    x, y = _convert_data(self, x, y)
    args = [_convert_weights(weights, self) for weights in args[1:2]] + list(args[2:])
    _convert_weights_of(kwargs, self)
    is_training = original is get_original(keras.Model, "train_on_batch")
    function = _script_train_function(self) if is_training else contextlib.nullcontext()
    with function, _flags_of_compile(self):
        return original(self, x, y, *args, **kwargs)


@replace(keras.Model, "predict_on_batch")
def _predict_on_batch(original, self, x):
    return original(self, _convert_inputs(x, self) if getattr(self, "inputs", None) else x)


@replace(keras.Model, "_compute_loss")
def _compute_loss(original, self, x=None, y=None, y_pred=None, *args, **kwargs):
    """Compute the loss, then update the metrics of add_metric."""
    with push(patches.running_models, self):
        loss = original(self, x, y, keras.tree.map_structure(_as_batch, y_pred), *args, **kwargs)
    for layer in self._flatten_layers():
        for metric, value in state_of(layer).pop("metric_values", {}).values():
            metric.update_state(value)
    return loss


def _as_batch(prediction):
    """Return a scalar prediction, such as a loss, as a batch of one."""
    return prediction if len(prediction.shape) else ops.reshape(prediction, (1,))


@add(keras.Model, "fit_generator")
def _fit_generator(self, generator, steps_per_epoch=None, epochs=1, verbose=1, *args, **kwargs):
    record_use("fit_generator")
    kwargs.update(zip(("callbacks", "validation_data", "validation_steps", "class_weight"), args))
    return self.fit(
        generator, steps_per_epoch=steps_per_epoch, epochs=epochs, verbose=verbose, **kwargs
    )


@add(keras.Model, "evaluate_generator")
def _evaluate_generator(self, generator, steps=None, *args, verbose=0, **kwargs):
    record_use("evaluate_generator")
    return self.evaluate(generator, steps=steps, verbose=verbose, **kwargs)


@add(keras.Model, "predict_generator")
def _predict_generator(self, generator, steps=None, *args, **kwargs):
    record_use("predict_generator")
    return self.predict(generator, steps=steps, **kwargs)


@add(keras.Model, "predict_classes")
def _predict_classes(self, x, batch_size=None, verbose=0):
    record_use("predict_classes")
    probas = self.predict(x, batch_size=batch_size, verbose=verbose)
    return probas.argmax(axis=-1) if probas.shape[-1] > 1 else (probas > 0.5).astype("int32")


@add(keras.Model, "predict_proba")
def _predict_proba(self, x, batch_size=None, verbose=0):
    record_use("predict_classes")
    return self.predict(x, batch_size=batch_size, verbose=verbose)


# Data: lists, nested lists, generators of lists, targets that are None


def _to_arrays(data, count):
    """Return arrays for the inputs or outputs of a model.

    Args:
        data: an array, a list (of arrays, of lists, of numbers), a dict, or None.
        count: number of arrays that the model takes.
    """
    if data is None or isinstance(data, dict):
        return data and {name: _to_array(x) for name, x in data.items()}
    if not isinstance(data, list | tuple):
        return _to_array(data)
    if len(data) == count and (count > 1 or _is_batch(data[0])):
        if any(isinstance(x, list) for x in data):
            record_use("nested lists")
        arrays = tuple(_to_array(x) for x in data)
        return arrays if count > 1 else arrays[0]
    record_use("nested lists")
    return _to_array(data)


def _is_batch(x):
    """True if the only item of a list is the array of the only input, not a sample."""
    return np.ndim(x) > 1 or (hasattr(x, "shape") and np.ndim(x) > 0)


def _to_array(x):
    return x if x is None or (hasattr(x, "shape") and hasattr(x, "dtype")) else np.array(x)


def _convert_inputs(x, model):
    """Return inputs with the dtypes of a model's inputs."""
    x = _to_arrays(x, len(model.inputs))
    if x is None or isinstance(x, dict):
        return x
    if not isinstance(x, tuple):
        return _cast(x, model.inputs[0].dtype)
    return tuple(_cast(array, tensor.dtype) for array, tensor in zip(x, model.inputs))


def _convert_targets(y, model):
    """Return targets as floats; one number for each sample becomes a column."""
    if y is None or getattr(model, "_compile_loss", None) is None:
        return None
    y = _in_order(y, model)
    return keras.tree.map_structure(_to_column, _to_arrays(y, len(model.outputs)))


def _in_order(values, model):
    """Return a dict by names of outputs as a list in the order of the outputs."""
    if len(model.outputs) == 1:
        return _unpack_single(values)
    if not isinstance(values, dict) or values.keys() != set(model.output_names):
        return values  # Keras finds the outputs of some names by itself
    return [values[name] for name in model.output_names]


def _convert_weights(weights, model):
    """Return sample weights as Keras 3 takes them: a tuple with those of each output."""
    if weights is None or not getattr(model, "outputs", None):
        return weights
    if isinstance(weights, dict) and len(model.outputs) > 1:
        ones = next(iter(weights.values())) * 0 + 1
        weights = {name: weights.get(name, ones) for name in model.output_names} | weights
    weights = _in_order(weights, model)
    return tuple(weights) if isinstance(weights, list) and len(model.outputs) > 1 else weights


def _convert_weights_of(kwargs, model):
    if "sample_weight" in kwargs:
        kwargs["sample_weight"] = _convert_weights(kwargs["sample_weight"], model)


def _convert_dataset(data, model):
    """Return a tf.data.Dataset whose targets and weights have the order of the outputs."""
    spec = data.element_spec
    has_names = isinstance(spec, tuple) and any(isinstance(part, dict) for part in spec[1:])
    if not has_names or not getattr(model, "outputs", None):
        return data

    def convert(x, y, *weights):
        y = _in_order(y, model)
        weights = [_convert_weights(weight, model) for weight in weights]
        return (x, tuple(y) if isinstance(y, list) else y, *weights)

    return data.map(convert)


def _to_column(x):
    x = _cast(x, "float32")
    return x[:, None] if isinstance(x, np.ndarray) and x.ndim == 1 else x


def _cast(x, dtype):
    is_numeric = isinstance(x, np.ndarray) and x.dtype.kind in "biuf"
    return x.astype(dtype, copy=False) if is_numeric else x


def _train_batch(item, model):
    """Convert an item of a generator to a tuple (inputs, targets, weights) for Keras 3."""
    if isinstance(item, list):
        record_use("generator items")
    parts = list(item) if isinstance(item, list | tuple) else [item]
    if len(parts) > 3:  # the arrays of the inputs alone
        parts = [tuple(parts)]
    x, y, sample_weight = (*parts, None, None)[:3]
    x, y = _convert_inputs(x, model), _convert_targets(y, model)
    sample_weight = _convert_weights(sample_weight, model)
    parts = (x if isinstance(x, tuple | dict) else (x,), y, sample_weight)
    return parts if sample_weight is not None else parts[:2] if y is not None else parts[:1]


def _predict_batch(item, model):
    """Convert an item of a generator for ``predict``: the first part of a tuple is the inputs."""
    has_several = len(model.inputs) > 1
    if isinstance(item, tuple) and not (has_several and hasattr(item[0], "shape")):
        item = item[0]
    x = _convert_inputs(item, model)
    return (x if isinstance(x, tuple | dict) else (x,),)


class _Batches(BatchStream):
    """Stream of a generator's batches with any lengths.

    Args:
        items: iterator.
        model: its inputs say which axes have any length.
        convert: function (item, model) -> tuple for Keras.
    """

    def __init__(self, items, model, convert):
        super().__init__(items, convert=lambda item: convert(item, model))
        self.model = model

    def _shape_probe(self, number):
        self.lookahead.extend(itertools.islice(self.items, 1 - len(self.lookahead)))
        first = self._to_keras(self.lookahead[0])
        return first if number == 0 else _with_other_lengths(first, self.model)


def _with_other_lengths(batch, model):
    """Return zeros for a batch, with another length in each axis of any length."""
    x, *targets = batch
    if isinstance(x, tuple):
        x = tuple(_lengthen(array, tensor.shape) for array, tensor in zip(x, model.inputs))
    return (x, *keras.tree.map_structure(_lengthen_target, tuple(targets)))


def _lengthen(array, shape):
    sizes = [
        size + (axis > 0 and shape[axis] is None) if axis < len(shape) else size
        for axis, size in enumerate(np.shape(array))
    ]
    return np.zeros(sizes, getattr(array, "dtype", "float32"))


def _lengthen_target(array):
    """Lengthen every axis of a target; a last axis of 1 stays, because losses squeeze it."""
    sizes = np.shape(array)
    last = len(sizes) - 1
    sizes = [
        size + (axis > 0 and not (axis == last and size == 1)) for axis, size in enumerate(sizes)
    ]
    return np.zeros(sizes, array.dtype)


def _repeat_sequence(sequence, shuffle):
    """Yield the batches of a keras.utils.Sequence without end."""
    while True:
        order = np.random.permutation(len(sequence)) if shuffle else range(len(sequence))
        for number in order:
            yield sequence[int(number)]
        sequence.on_epoch_end()


def _is_generator(x):
    """True if Python yields the data batch by batch."""
    if isinstance(x, keras.utils.PyDataset):
        return True
    if hasattr(x, "element_spec") or isinstance(x, list | tuple | dict | str):
        return False  # tf.data, or arrays
    return hasattr(x, "__next__") or (hasattr(x, "__iter__") and not hasattr(x, "shape"))


def _make_stream(x, model, steps=None, shuffle=True, convert=_train_batch):
    """Return a stream of a generator or Sequence, and its number of steps."""
    if isinstance(x, keras.utils.PyDataset) and not isinstance(x, BatchStream):
        return _Batches(_repeat_sequence(x, shuffle), model, convert), steps or len(x)
    if steps is None and inspect.isgenerator(x) and not backend.is_env_on("TF_KERAS"):
        raise unsupported_error("endless", "the end of a generator is unknown")
    if steps is None and not isinstance(x, BatchStream):
        x = list(x)
        return _Batches(itertools.cycle(x), model, convert), len(x)
    return _Batches(iter(x), model, convert), steps
