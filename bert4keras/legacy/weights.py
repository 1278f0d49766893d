"""Files of weights and models under any name.

Weights are written in the format of Keras 3, whatever the name says; files of Keras 2 are read by
``bert4keras.checkpoints.load_keras2_weights``.
"""

import contextlib
import os
import shutil
import tempfile
import zipfile

import h5py
from keras.src.saving import saving_lib

from bert4keras.checkpoints import is_keras2, load_keras2_weights
from bert4keras.files import replace_file
from bert4keras.legacy import lambdas
from bert4keras.legacy.report import LegacyError, met
from bert4keras.models.saved_models import load_keras2_model

trusted = set()  # (path, size, time) of models that this process wrote: their Lambda may run


def save_weights(old, self, filepath, overwrite=True, **kwargs):
    """Under any name."""
    kwargs.pop("save_format", None)
    path = _path(filepath)
    if path.endswith(".weights.h5"):
        return old(self, path, overwrite=overwrite, **kwargs)
    met("weights name")
    with replace_file(path, ".weights.h5") as temporary:
        old(self, temporary, overwrite=True, **kwargs)


def load_weights(old, self, filepath, by_name=False, skip_mismatch=False, **kwargs):
    """From a file of any name, of Keras 3 or Keras 2."""
    kwargs.pop("reshape", None)
    path = _existing(_path(filepath))
    if zipfile.is_zipfile(path):
        with _named(path, ".keras") as file:
            return old(self, file, skip_mismatch=skip_mismatch, **kwargs)
    if not h5py.is_hdf5(path):
        raise LegacyError(
            f"{path} holds no weights of Keras: neither HDF5 nor a model of Keras 3. A checkpoint "
            "of a pretrained model is given to build_transformer_model(config, checkpoint)"
        )
    if is_keras2(path):
        return load_keras2_weights(self, path, by_name, skip_mismatch)
    if by_name:
        met("by_name")
        return load_by_name(self, path, skip_mismatch)
    with _named(path, ".weights.h5") as file:
        return old(self, file, skip_mismatch=skip_mismatch, **kwargs)


def load_by_name(model, path, skip_mismatch=False):
    """From a file of Keras 3 the weights of those layers whose names are the model's.

    Raises:
        ValueError: a layer's weights have other shapes, and ``skip_mismatch`` is false. Nothing
            is changed then.
    """
    before = model.get_weights()
    with h5py.File(path, "r") as file:
        stored = {str(group["vars"].attrs["name"]): key for key, group in file["layers"].items()}
    reports = {"failed_saveables": set(), "error_msgs": {}} if skip_mismatch else {}
    with _named(path, ".weights.h5") as file:
        store = saving_lib.H5IOStore(file, mode="r")
        try:
            for layer in model.layers:
                if layer.name in stored:
                    place = f"layers/{stored[layer.name]}"
                    saving_lib._load_state(layer, store, None, place, skip_mismatch, **reports)
        except ValueError as error:
            model.set_weights(before)
            raise ValueError(
                f"{path} has other weights for {layer.name!r}: {error}. Pass skip_mismatch=True "
                "to leave such layers as they are"
            ) from error
        finally:
            store.close()


def save(old, self, filepath, overwrite=True, **kwargs):
    """Under any name, as Keras 3 writes models."""
    kwargs.pop("include_optimizer", None)
    kwargs.pop("save_format", None)
    path = _path(filepath)
    if not path.endswith(".keras"):
        met("model name")
    with replace_file(path, ".keras") as temporary:
        old(self, temporary, overwrite=True, **kwargs)
    trusted.add(_identity(path))


def load_model(old, filepath, custom_objects=None, compile=True, safe_mode=None, **kwargs):
    """From a file of any name. A model that this run has written may have Lambda layers, another
    those whose functions the script has. One of Keras 2 comes uncompiled, and executes nothing that
    is stored.
    """
    path = _existing(_path(filepath))
    custom_objects = {**lambdas.defined_by_script(), **(custom_objects or {})}
    if is_keras2(path):
        met("whole model")
        return load_keras2_model(path, custom_objects)
    if safe_mode is None:
        safe_mode = _identity(path) not in trusted
    with _named(path, ".keras" if zipfile.is_zipfile(path) else ".h5") as file:
        return old(file, custom_objects=custom_objects, compile=compile, safe_mode=safe_mode)


def _identity(path):
    state = os.stat(path)
    return os.path.realpath(path), state.st_size, state.st_mtime_ns


def _path(filepath):
    return os.fspath(filepath) if isinstance(filepath, os.PathLike) else str(filepath)


def _existing(path):
    if os.path.isfile(path):
        return path
    if os.path.exists(path + ".index"):
        raise LegacyError(
            f"{path} is a checkpoint of TensorFlow, which save_weights of tf.keras wrote. It names "
            "no layers: load it once with the old library and save it as .h5"
        )
    raise FileNotFoundError(f"There is no file {path} to load weights or a model from")


@contextlib.contextmanager
def _named(path, ending):
    """The same file under a name with an ending that Keras takes."""
    if path.endswith(ending):
        yield path
        return
    with tempfile.TemporaryDirectory() as folder:
        name = os.path.join(folder, f"file{ending}")
        try:
            os.symlink(os.path.abspath(path), name)
        except OSError:  # where links are not allowed
            shutil.copyfile(path, name)
        yield name


def checkpoint(old, self, filepath, *args, period=None, **kwargs):
    """ModelCheckpoint under any name, and with ``period``."""
    if period not in (None, 1):
        met("period")
    weights_only = kwargs.get("save_weights_only", args[3] if len(args) > 3 else False)
    ending = ".weights.h5" if weights_only else ".keras"
    path = _path(filepath)
    old(self, path if path.endswith(ending) else path + ending, *args, **kwargs)
    self.filepath, self.period = path, period or 1
    self.epochs_since = 0


def checkpoint_epoch(old, self, epoch, logs=None):
    """Every ``period`` epochs."""
    self.epochs_since += 1
    if self.epochs_since >= self.period:
        self.epochs_since = 0
        old(self, epoch, logs)


def checkpoint_path(old, self, epoch, batch, logs):
    """The path with values of old names in it."""
    logs = logs if logs is not None else {}
    values = {**logs, "epoch": epoch + 1, **({} if batch is None else {"batch": batch + 1})}
    return self.filepath.format_map(type(logs)(values)) if "{" in self.filepath else self.filepath
