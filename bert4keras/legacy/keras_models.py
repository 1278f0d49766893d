"""Functional models, Lambda layers, and files of weights and models with any name.

Weights are written in the format of Keras 3 under every name. Files of Keras 2 load too.
"""

import contextlib
import os
import shutil
import sys
import tempfile
import zipfile

import h5py
import keras
from keras import ops
from keras.src.backend.common import global_state
from keras.src.models import model as keras_model
from keras.src.models.functional import Functional
from keras.src.ops.function import Function
from keras.src.saving import saving_lib, serialization_lib
from keras.src.utils import python_utils

from bert4keras import backend
from bert4keras.checkpoints import is_keras2, load_keras2_weights
from bert4keras.files import check_free_space, replace_file
from bert4keras.legacy import patches
from bert4keras.legacy.known_lambdas import find_known_lambda
from bert4keras.legacy.patches import add, add_names, push, replace, state_of
from bert4keras.legacy.report import LegacyError, record_use, script_position, unsupported_error
from bert4keras.models.saved_models import load_keras2_model

# Functional models


@replace(Functional, "__init__")
def _init(original, self, inputs=None, outputs=None, name=None, **kwargs):
    """Accept ``input``, ``output``, and lists of one tensor."""
    if "input" in kwargs or "output" in kwargs:
        record_use("keras 1 argument")
        inputs, outputs = kwargs.pop("input", inputs), kwargs.pop("output", outputs)
    if isinstance(outputs, list | tuple) and len(outputs) == 1:
        record_use("single output")
        (outputs,) = outputs
    if isinstance(inputs, list | tuple) and len(inputs) == 1:
        (inputs,) = inputs
    return original(self, inputs, outputs, name=name, **kwargs)


@replace(keras_model, "functional_init_arguments")
def _functional_init_arguments(original, args, kwargs):
    """Detect a functional model under the old argument names too."""
    return original(args, kwargs) or ("input" in kwargs and "output" in kwargs)


@replace(Functional, "call")
def _call(original, self, inputs, training=None, mask=None, **kwargs):
    """Run the graph together with symbolic losses and metrics of the model."""
    with push(patches.running_models, self):
        if "extras" not in state_of(self):
            return original(self, inputs, training=training, mask=mask, **kwargs)
        inputs = self._standardize_inputs(inputs)
        outputs, losses, metrics = _graph_with_extras(self)._run_through_graph(
            inputs, operation_fn=lambda operation: _with_training(operation, training)
        )
        for loss in losses:
            self.add_loss(loss)
        for name, value in metrics.items():
            self.add_metric(value, name=name)
        is_single = isinstance(outputs, list | tuple) and len(outputs) == 1
        return outputs[0] if is_single else outputs


def _graph_with_extras(model):
    state = state_of(model)
    if "graph" not in state:
        extras = state["extras"]
        outputs = [model._outputs_struct, extras["losses"], extras["metrics"]]
        state["graph"] = Function(model._inputs_struct, outputs)
        for layer in state["graph"].operations:
            if isinstance(layer, keras.layers.Layer) and layer not in model._layers:
                model._layers.append(layer)
    return state["graph"]


def _with_training(operation, training):
    takes_training = getattr(operation, "_call_has_training_arg", False)
    if not takes_training or training is None:
        return operation
    return lambda *args, **kwargs: operation(*args, **{"training": training, **kwargs})


@add(Functional, "add_loss")
def _add_loss(self, losses, inputs=None):
    """Add a loss, where Keras 3 raises an error."""
    keras.layers.Layer.add_loss(self, losses, inputs)


add_names(
    keras.Sequential,
    {
        "output": property(lambda model: model.outputs[0]),
        "input": property(lambda model: model.inputs[0]),
    },
)

# Lambda layers


@replace(keras.layers.Lambda, "call")
def _call_lambda(original, self, inputs, *args, **kwargs):
    """Copy the inputs, because a function may write ``x -= ...``."""
    return original(self, keras.tree.map_structure(ops.copy, inputs), *args, **kwargs)


@replace(keras.layers.Lambda, "compute_output_shape")
def _compute_output_shape(original, self, input_shape):
    """Show the error of the function, in whose place Keras asks for an output_shape."""
    try:
        return original(self, input_shape)
    except NotImplementedError as error:
        raise error.__context__ or error from None


@replace(python_utils, "func_load")
def _func_load(original, code, defaults=None, closure=None, globs=None):
    """Give a loaded function the names K, keras, np, tf and the custom objects."""
    if globs is None:
        names = {"K": backend.K, "keras": keras, "np": backend.np, "tf": backend.tf}
        globs = {**vars(python_utils), **names, **_custom_objects()}
    return original(code, defaults, closure, globs)


@replace(keras.layers.Lambda, "from_config")
def _from_config(original, cls, config, custom_objects=None, safe_mode=None):
    """Build a saved Lambda layer; never run code from a file that is not trusted.

    The script's own function takes its place, by the name of the function or of the layer. A few
    short functions, such as ``lambda x: x[:, 0]``, are known by their bytes.
    """
    is_trusted = safe_mode is False or serialization_lib.in_safe_mode() is False
    kind = isinstance(config["function"], dict) and config["function"].get("class_name")
    if is_trusted or kind != "__lambda__":
        with contextlib.suppress(TypeError):  # no function has that name
            return original(cls, dict(config), custom_objects=custom_objects, safe_mode=safe_mode)
    name = config["name"]
    function = {**_custom_objects(), **(custom_objects or {})}.get(name)
    function = function if callable(function) else find_known_lambda(config["function"])
    if function is None:
        raise unsupported_error("Lambda", f"the script has no function for the layer {name!r}")
    record_use("Lambda")
    return cls(**{**config, "function": function, "output_shape": None})


def _custom_objects():
    scope = global_state.get_global_attribute("custom_objects_scope_dict", {})
    return {**keras.saving.get_custom_objects(), **scope}


def _script_definitions():
    """Return the functions and classes that the running script has defined, by name."""
    file, _ = script_position()
    frame = sys._getframe(1)
    while frame is not None and frame.f_code.co_filename != file:
        frame = frame.f_back
    names = frame.f_globals if frame is not None else {}
    module = names.get("__name__")
    return {name: x for name, x in names.items() if getattr(x, "__module__", None) == module}


# Files of weights


@replace(keras.Model, "save_weights")
def _save_weights(original, self, filepath, overwrite=True, **kwargs):
    kwargs.pop("save_format", None)
    path = _path(filepath)
    if path.endswith(".weights.h5"):
        return original(self, path, overwrite=overwrite, **kwargs)
    record_use("weights name")
    with replace_file(path, ".weights.h5") as temporary:
        check_free_space(temporary, 4 * self.count_params() if self.built else 0)
        original(self, temporary, overwrite=True, **kwargs)


@replace(keras.Model, "load_weights")
def _load_weights(original, self, filepath, by_name=False, skip_mismatch=False, **kwargs):
    """Load weights of Keras 3 or Keras 2."""
    kwargs.pop("reshape", None)
    path = _existing_file(filepath)
    if zipfile.is_zipfile(path):
        with _with_extension(path, ".keras") as file:
            return original(self, file, skip_mismatch=skip_mismatch, **kwargs)
    if not h5py.is_hdf5(path):
        raise LegacyError(
            f"Expected weights of Keras (HDF5, or a model of Keras 3), got {path}. Pass a "
            "pretrained checkpoint to build_transformer_model(config, checkpoint)."
        )
    if is_keras2(path):
        return load_keras2_weights(self, path, by_name, skip_mismatch)
    if by_name:
        record_use("by_name")
        return _load_weights_by_name(self, path, skip_mismatch)
    with _with_extension(path, ".weights.h5") as file:
        return original(self, file, skip_mismatch=skip_mismatch, **kwargs)


def _load_weights_by_name(model, path, skip_mismatch=False):
    """Load weights of Keras 3 into the layers with the same names.

    Raises:
        ValueError: a layer's weights have other shapes, and ``skip_mismatch`` is false. No weight
            changes then.
    """
    before = model.get_weights()
    with h5py.File(path, "r") as file:
        groups = {str(group["vars"].attrs["name"]): key for key, group in file["layers"].items()}
    reports = {"failed_saveables": set(), "error_msgs": {}} if skip_mismatch else {}
    with _with_extension(path, ".weights.h5") as file:
        store = saving_lib.H5IOStore(file, mode="r")
        try:
            for layer in model.layers:
                if layer.name in groups:
                    group = f"layers/{groups[layer.name]}"
                    saving_lib._load_state(layer, store, None, group, skip_mismatch, **reports)
        except ValueError as error:
            model.set_weights(before)
            raise ValueError(
                f"Expected the shapes of the layer {layer.name!r} in {path}, got others: {error}. "
                "Pass skip_mismatch=True to skip such layers."
            ) from error
        finally:
            store.close()


# Files of models

_trusted_files = set()  # (path, size, time) of models that this process saved: Lambda code may run


@replace(keras.Model, "save")
def _save(original, self, filepath, overwrite=True, **kwargs):
    kwargs.pop("include_optimizer", None)
    kwargs.pop("save_format", None)
    path = _path(filepath)
    if not path.endswith(".keras"):
        record_use("model name")
    with replace_file(path, ".keras") as temporary:
        check_free_space(temporary, 4 * self.count_params() if self.built else 0)
        original(self, temporary, overwrite=True, **kwargs)
    _trusted_files.add(_identity(path))


@replace(keras.models, "load_model")
@replace(keras.saving, "load_model")
def _load_model(original, filepath, custom_objects=None, compile=True, safe_mode=None, **kwargs):
    """Load a model of Keras 3, or one of Keras 2 without its optimizer.

    Lambda layers run the code of files that this process saved. For other files they run the
    functions that the script defines.
    """
    path = _existing_file(filepath)
    custom_objects = {**_script_definitions(), **(custom_objects or {})}
    if is_keras2(path):
        record_use("whole model")
        return load_keras2_model(path, custom_objects)
    if safe_mode is None:
        safe_mode = _identity(path) not in _trusted_files
    with _with_extension(path, ".keras" if zipfile.is_zipfile(path) else ".h5") as file:
        return original(file, custom_objects=custom_objects, compile=compile, safe_mode=safe_mode)


def _identity(path):
    state = os.stat(path)
    return os.path.realpath(path), state.st_size, state.st_mtime_ns


def _path(filepath):
    return os.fspath(filepath) if isinstance(filepath, os.PathLike) else str(filepath)


def _existing_file(filepath):
    path = _path(filepath)
    if os.path.isfile(path):
        return path
    if os.path.exists(path + ".index"):
        raise LegacyError(
            f"Expected a file of weights, got {path}, a TensorFlow checkpoint without layer names, "
            "from save_weights of tf.keras. Load it with the old library and save it as .h5."
        )
    raise FileNotFoundError(f"Expected a file of weights or a model, got no file {path}.")


@contextlib.contextmanager
def _with_extension(path, extension):
    """Yield a name for the same file with an extension that Keras accepts."""
    if path.endswith(extension):
        yield path
        return
    with tempfile.TemporaryDirectory() as folder:
        name = os.path.join(folder, f"file{extension}")
        try:
            os.symlink(os.path.abspath(path), name)
        except OSError:  # systems without symbolic links
            shutil.copyfile(path, name)
        yield name


# ModelCheckpoint


@replace(keras.callbacks.ModelCheckpoint, "__init__")
def _init_checkpoint(original, self, filepath, *args, period=None, **kwargs):
    if period not in (None, 1):
        record_use("period")
    weights_only = kwargs.get("save_weights_only", args[3] if len(args) > 3 else False)
    extension = ".weights.h5" if weights_only else ".keras"
    path = _path(filepath)
    original(self, path if path.endswith(extension) else path + extension, *args, **kwargs)
    self.filepath, self.period = path, period or 1
    self.epochs_since = 0


@replace(keras.callbacks.ModelCheckpoint, "on_epoch_end")
def _on_epoch_end(original, self, epoch, logs=None):
    """Save each ``period`` epochs."""
    self.epochs_since += 1
    if self.epochs_since >= self.period:
        self.epochs_since = 0
        original(self, epoch, logs)


@replace(keras.callbacks.ModelCheckpoint, "_get_file_path")
def _get_file_path(original, self, epoch, batch, logs):
    """Format the path with metrics under old names too."""
    logs = logs if logs is not None else {}
    values = {**logs, "epoch": epoch + 1, **({} if batch is None else {"batch": batch + 1})}
    return self.filepath.format_map(type(logs)(values)) if "{" in self.filepath else self.filepath
