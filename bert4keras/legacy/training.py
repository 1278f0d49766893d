"""compile, fit, evaluate, predict and their kin as Keras 2 had them.

Each function takes first what was there before it; see ``patches``.
"""

from inspect import signature

from keras import ops

from bert4keras import backend
from bert4keras.backend import keras
from bert4keras.legacy import batches, freezing, gradients, optimizers, running
from bert4keras.legacy.decoding import LastScores
from bert4keras.legacy.metrics import of_each_output
from bert4keras.legacy.report import met, refused

GONE = ("target_tensors", "sample_weight_mode", "weighted_metrics_mode")
GENERATOR_ARGUMENTS = ("max_queue_size", "workers", "use_multiprocessing", "pickle_safe")
KERAS_1 = {
    "nb_epoch": "epochs",
    "samples_per_epoch": "steps_per_epoch",
    "nb_val_samples": "validation_steps",
    "val_samples": "steps",
    "show_accuracy": None,
    "max_q_size": None,
    "nb_worker": None,
}


def compile(old, self, optimizer="rmsprop", loss=None, metrics=None, *args, **kwargs):
    """Without a loss: then the model has it, by add_loss."""
    for name in GONE:
        if kwargs.pop(name, None) is not None:
            met("compile argument")
    if isinstance(loss, list) and len(loss) == 1:
        loss = loss[0]
    if loss is None:
        metrics = None
    count = len(getattr(self, "outputs", None) or ())
    if count == 1:
        loss, metrics = batches.of_only_output(loss), batches.of_only_output(metrics)
    elif isinstance(loss, dict):
        loss = _of_some(loss, self.output_names)
    if isinstance(metrics, str):
        metrics = [metrics]
    metrics = of_each_output(metrics, count)
    if backend.backend_name == "tensorflow":
        kwargs.setdefault("jit_compile", False)
    if backend.backend_name == "jax" and len(signature(self.train_step).parameters) < 2:
        raise refused("train_step", "JAX hands state through it")
    loss_weights = args[0] if args else kwargs.pop("loss_weights", None)
    self.train_function = self.test_function = self.predict_function = None
    self._compile_loss = self._compile_metrics = None  # those of an earlier call
    for name in ("scripted", "targets"):
        running.notes(self).pop(name, None)
    freezing.settle(self)
    optimizers.handed_over(optimizer, self)
    return old(
        self, optimizer=optimizer, loss=loss, metrics=metrics, loss_weights=loss_weights, **kwargs
    )


def _of_some(losses, names):
    """Losses by name as a list, where some outputs have none: then no targets either."""
    if not losses.keys() <= set(names) or all(losses.get(name) for name in names):
        return losses
    return [losses.get(name) for name in names]


def _modern(kwargs):
    """Arguments with the names of today, those without a use left out."""
    if not isinstance(kwargs.get("class_weight") or {}, dict):
        met("class_weight")
        del kwargs["class_weight"]
    for name in [name for name in kwargs if name in KERAS_1]:
        met("keras 1 argument")
        value, new = kwargs.pop(name), KERAS_1[name]
        if new is not None:
            kwargs.setdefault(new, value)
    return {name: x for name, x in kwargs.items() if name not in GENERATOR_ARGUMENTS}


def fit(old, self, x=None, y=None, batch_size=None, epochs=1, verbose=1, callbacks=None, **kwargs):
    """Arrays in lists, generators of lists, a training function of the script's own."""
    kwargs = _modern(kwargs)
    epochs = kwargs.pop("epochs", epochs)
    kwargs["validation_data"] = _validation(self, kwargs)
    if batches.is_generator(x):
        steps, shuffle = kwargs.pop("steps_per_epoch", None), kwargs.pop("shuffle", True)
        x, kwargs["steps_per_epoch"] = batches.stream(x, self, steps, shuffle)
        batch_size = None
    elif x is not None and not hasattr(x, "element_spec"):
        x, y = _arrays(self, x, y)
    if callbacks is not None and not isinstance(callbacks, list | tuple):
        callbacks = [callbacks]
    with _scripted(self), freezing.settled(self):
        return old(
            self,
            x,
            y,
            batch_size=batch_size,
            epochs=epochs,
            verbose=verbose,
            callbacks=callbacks,
            **kwargs,
        )


def _arrays(model, x, y):
    if not getattr(model, "inputs", None):
        return x, y
    return batches.inputs(x, model), batches.targets(y, model)


def _validation(model, kwargs):
    """Validation data as a tuple of arrays or a stream."""
    data = kwargs.pop("validation_data", None)
    if data is None or hasattr(data, "element_spec"):
        return data
    if batches.is_generator(data):
        steps = kwargs.get("validation_steps")
        data, kwargs["validation_steps"] = batches.stream(data, model, steps, shuffle=False)
        return data
    x, y, *weights = data
    return (*_arrays(model, x, y), *weights)


def _scripted(model):
    """Where a script has put a training function of its own, have Keras 3 call it."""
    if "scripted" not in running.notes(model) or model.train_function is None:
        return running.nothing
    return running.function(model, gradients.stepping(model, model.train_function))


def evaluate(old, self, x=None, y=None, batch_size=None, verbose=1, *args, **kwargs):
    """As ``fit`` takes data."""
    kwargs = _modern(kwargs)
    if batches.is_generator(x):
        x, kwargs["steps"] = batches.stream(x, self, kwargs.pop("steps", None), shuffle=False)
    elif x is not None and not hasattr(x, "element_spec"):
        x, y = _arrays(self, x, y)
    return old(self, x, y, batch_size, verbose, *args, **kwargs)


def predict(old, self, x, batch_size=None, verbose=0, steps=None, **kwargs):
    """Silent; nested lists; within a decoder answered from the cache."""
    kwargs = _modern(kwargs)
    if batches.is_generator(x):
        x, steps = batches.stream(x, self, steps, shuffle=False, form=batches.sample)
    elif not hasattr(x, "element_spec") and getattr(self, "inputs", None):
        x = batches.inputs(x, self)
    if running.decoders and LastScores.can_answer(self):
        return LastScores(running.decoders[-1], self, x, old)
    return old(self, x, batch_size=batch_size, verbose=verbose, steps=steps, **kwargs)


def on_batch(old, self, x, *args, **kwargs):
    """train_on_batch, test_on_batch: metrics of this batch alone."""
    if kwargs.pop("reset_metrics", True):
        self.reset_metrics()
    y = kwargs.pop("y", None) if not args else args[0]
    x, y = _arrays(self, x, y)
    with freezing.settled(self):
        return old(self, x, y, *args[1:], **kwargs)


def predict_on_batch(old, self, x):
    """Nested lists."""
    return old(self, batches.inputs(x, self) if getattr(self, "inputs", None) else x)


def fit_generator(self, generator, steps_per_epoch=None, epochs=1, verbose=1, *args, **kwargs):
    """fit of a generator."""
    met("fit_generator")
    names = ("callbacks", "validation_data", "validation_steps", "class_weight")
    kwargs.update(zip(names, args))
    return self.fit(
        generator, steps_per_epoch=steps_per_epoch, epochs=epochs, verbose=verbose, **kwargs
    )


def evaluate_generator(self, generator, steps=None, *args, verbose=0, **kwargs):
    """evaluate of a generator."""
    met("evaluate_generator")
    return self.evaluate(generator, steps=steps, verbose=verbose, **kwargs)


def predict_generator(self, generator, steps=None, *args, **kwargs):
    """predict of a generator."""
    met("predict_generator")
    return self.predict(generator, steps=steps, **kwargs)


def predict_classes(self, x, batch_size=None, verbose=0):
    """The class of each sample."""
    met("predict_classes")
    probas = self.predict(x, batch_size=batch_size, verbose=verbose)
    return probas.argmax(axis=-1) if probas.shape[-1] > 1 else (probas > 0.5).astype("int32")


def predict_proba(self, x, batch_size=None, verbose=0):
    """predict."""
    met("predict_classes")
    return self.predict(x, batch_size=batch_size, verbose=verbose)


def computing(old, self, x=None, y=None, y_pred=None, *args, **kwargs):
    """_compute_loss: known as the model that runs; then what add_metric was given is counted."""
    with running.within(running.models, self):
        loss = old(self, x, y, keras.tree.map_structure(_of_a_batch, y_pred), *args, **kwargs)
    for layer in self._flatten_layers():
        for metric, value in running.notes(layer).pop("values", {}).values():
            metric.update_state(value)
    return loss


def _of_a_batch(prediction):
    """A prediction that is one number, such as a loss, as a batch of one."""
    return prediction if len(prediction.shape) else ops.reshape(prediction, (1,))
