"""Old module paths, and the names that ``from bert4keras.layers import *`` brought in 0.x.

One finder in front of all others answers imports of the modules in the tables below.
"""

import importlib
import importlib.machinery
import importlib.util
import inspect
import json
import logging
import os
import re
import sys
import types
import unicodedata
import warnings
from collections import defaultdict

import keras
import numpy as np
from keras import activations, initializers

from bert4keras import backend, layers, models, optimizers, snippets, tokenizers
from bert4keras.backend import K, LazyModule, tf
from bert4keras.legacy import bert4keras_models, tensorflow1
from bert4keras.legacy.keras_backend import smart_cond
from bert4keras.legacy.patches import add_names
from bert4keras.legacy.python_numpy import strtobool
from bert4keras.legacy.report import LegacyImportError, record_use, unsupported_error

# Modules that have moved

_LAYERS = (
    "advanced_activations convolutional core cudnn_recurrent embeddings local merge noise "
    "normalization pooling preprocessing recurrent recurrent_v2 wrappers experimental "
    "experimental.preprocessing"
).split()
_UTILS = (
    "data_utils generic_utils io_utils layer_utils multi_gpu_utils np_utils training_utils "
    "vis_utils"
).split()
_MOVED = {  # old module: module with its names
    **{f"keras.layers.{name}": "keras.layers" for name in _LAYERS},
    **{f"keras.utils.{name}": "keras.utils" for name in _UTILS},
    "keras.backend.tensorflow_backend": "keras.backend",
    "keras.backend.common": "keras.backend",
    "keras.callbacks.callbacks": "keras.callbacks",
    "keras.objectives": "keras.losses",
    "keras.initializations": "keras.initializers",
    "keras.optimizers.adam": "keras.optimizers",
    "keras.optimizers.adam_v2": "keras.optimizers",
    "keras.optimizers.optimizer_v2": "keras.optimizers",
    "keras.experimental": "keras.optimizers.schedules",
    "keras_preprocessing": "keras.preprocessing",
    "keras_preprocessing.sequence": "keras.preprocessing.sequence",
    "keras_preprocessing.text": "keras.src.legacy.preprocessing.text",
    "keras.preprocessing.text": "keras.src.legacy.preprocessing.text",
    "keras.optimizers.experimental": "keras.optimizers",
}

# Modules that no longer exist


def _engine():
    def expand_1d(data):
        return data

    unpack = keras.utils.unpack_x_y_sample_weight
    return {
        "InputLayer": keras.layers.InputLayer,
        "InputSpec": keras.InputSpec,
        "Input": keras.Input,
        "Layer": keras.layers.Layer,
        "Model": keras.Model,
        "Network": keras.Model,
        "Sequential": keras.Sequential,
        "data_adapter": types.SimpleNamespace(unpack_x_y_sample_weight=unpack, expand_1d=expand_1d),
        "unpack_x_y_sample_weight": unpack,
        "expand_1d": expand_1d,
    }


def _interfaces():
    """Return decorators of keras.legacy.interfaces, which translated arguments."""
    names = "legacy_dense_support legacy_get_updates_support legacy_add_weight_support"
    return {name: lambda function: function for name in names.split()}


def _scikit_learn():
    def wrapper(*args, **kwargs):
        raise unsupported_error("scikit-learn", "keras.wrappers.scikit_learn does not exist")

    return {"KerasClassifier": wrapper, "KerasRegressor": wrapper}


_ENGINE = (
    "keras.engine keras.engine.topology keras.engine.training keras.engine.base_layer "
    "keras.engine.input_layer keras.engine.network keras.engine.data_adapter "
    "keras.engine.sequential keras.engine.base_layer_v1"
).split()
_MODULE_FACTORIES = {  # old module: function that returns its names
    **{name: _engine for name in _ENGINE},
    "keras.legacy.interfaces": _interfaces,
    "keras.utils.tf_utils": lambda: {**vars(keras.utils), "smart_cond": smart_cond},
    "keras.wrappers.scikit_learn": _scikit_learn,
    "tensorflow_core": dict,
    "tensorflow_core.python": dict,
    **bert4keras_models.MODULES,
}
_PACKAGES = ("keras.engine", "tensorflow_core", "tensorflow_core.python")


# The finder


class _Finder:
    """Import finder for old modules."""

    @staticmethod
    def find_spec(name, path=None, target=None):
        """Return a spec for a module of the tables, or None."""
        if name == "tensorflow":
            return _tensorflow_spec()
        if name == "tensorflow.contrib":
            raise unsupported_error("tf1 name", "tf.contrib does not exist", LegacyImportError)
        source = _source_of(name)
        if source is None or (source not in _MODULE_FACTORIES and not _exists(source)):
            return None
        is_package = source in _PACKAGES
        return importlib.machinery.ModuleSpec(name, _Loader(source), is_package=is_package)


def _source_of(name):
    """Return the module with the names of an old one, or None."""
    for prefix in tensorflow1.TF_KERAS:
        if name == prefix or name.startswith(prefix + "."):
            if "python" in prefix and not tensorflow1.is_patched():
                return None  # TensorFlow imports parts of its own Keras
            name = "keras" + name[len(prefix) :]
            return _MOVED.get(name, name)
    return _MOVED.get(name, name if name in _MODULE_FACTORIES else None)


def _exists(name):
    return name in sys.modules or importlib.util.find_spec(name) is not None


class _Loader:
    """Import loader that puts a module of Keras 3, or a new one, in the place of an old module."""

    def __init__(self, source):
        self.source = source

    def create_module(self, spec):
        """Let Python make an empty module."""
        return None

    def exec_module(self, module):
        """Fill the module, or put another in its place."""
        _record_import(module.__name__)
        if self.source not in _MODULE_FACTORIES:
            sys.modules[module.__name__] = importlib.import_module(self.source)
            return
        module.__dict__.update(_MODULE_FACTORIES[self.source]())
        if self.source in _PACKAGES:
            module.__path__ = []
            submodules = [x for x in _MODULE_FACTORIES if x.startswith(self.source + ".")]
            module.__dict__.update({x.rpartition(".")[2]: module for x in submodules})


def _record_import(name):
    if name.startswith("bert4keras."):
        record_use("old bert4keras")
    elif name.startswith("tensorflow"):
        record_use("tensorflow.keras")
    else:
        record_use("old module")


def _tensorflow_spec():
    """Return TensorFlow's own spec, with a loader that patches the module."""
    spec = importlib.machinery.PathFinder.find_spec("tensorflow")
    if spec is None or spec.loader is None:
        return spec
    original = spec.loader.exec_module

    def exec_module(module):
        original(module)
        tensorflow1.patch(module)

    spec.loader.exec_module = exec_module
    return spec


def install() -> None:
    """Make old modules and star imports work, and patch TensorFlow if it is loaded."""
    if _exists("keras_preprocessing"):  # the real package is installed
        for name in [x for x in _MOVED if x.startswith("keras_preprocessing")]:
            del _MOVED[name]
    if _Finder not in sys.meta_path:
        sys.meta_path.insert(0, _Finder)
    for name, source in _MOVED.items():
        owner, _, attribute = name.rpartition(".")
        if owner in sys.modules and source in sys.modules:
            if not hasattr(sys.modules[owner], attribute):
                setattr(sys.modules[owner], attribute, sys.modules[source])
    _extend_star_imports()
    if "tensorflow" in sys.modules:
        tensorflow1.patch(sys.modules["tensorflow"])


add_names(keras, {"engine": LazyModule("keras.engine")})
add_names(keras.utils, {name: keras.utils for name in ("np_utils", "generic_utils", "vis_utils")})
add_names(
    keras.mixed_precision,
    {
        "experimental": types.SimpleNamespace(
            Policy=keras.mixed_precision.Policy,
            set_policy=keras.mixed_precision.set_global_policy,
        )
    },
)

add_names(backend, {"os": os, "strtobool": strtobool, "sys": sys})

# Star imports: ``from bert4keras.layers import *`` brought what that module imported itself


def _names_of(module, names):
    return {name: getattr(module, name) for name in names.split() if hasattr(module, name)}


_BASIC = {"K": K, "keras": keras, "np": np, "tf": tf, "is_tf_keras": backend.is_tf_keras}
_MATCHING = _names_of(
    snippets,
    "delete_arguments insert_arguments is_one_of is_string orthogonally_resize string_matching",
)
_IN_LAYERS = {
    **_BASIC,
    **_names_of(
        backend,
        "align apply_rotary_position_embeddings attention_normalize flatten recompute_grad "
        "search_layer sequence_masking sinusoidal_embeddings",
    ),
    "activations": activations,
    "initializers": initializers,
}
_IN_LAYERS |= {"inspect": inspect, "is_string": snippets.is_string, "Model": keras.Model}
_IN_MODELS = {**_IN_LAYERS, **_MATCHING, "json": json, "os": os, "warnings": warnings}
_IN_MODELS["get_available_gpus"] = backend.get_available_gpus
_RATES = _names_of(backend, "piecewise_linear root_mean_square")
_RATES["rms"] = backend.root_mean_square
_TEXT = _names_of(
    snippets, "convert_to_unicode is_string lowercase_and_normalize open truncate_sequences"
)
_IN_TOKENIZERS = {
    **_names_of(tokenizers, "load_vocab save_vocab"),
    **_TEXT,
    "is_py2": False,
    "re": re,
    "unicodedata": unicodedata,
}
_IN_SNIPPETS = {
    **_names_of(snippets, "K keras np tf"),
    **{"json": json, "logging": logging, "os": os, "re": re, "sys": sys},
    **{"basestring": str, "defaultdict": defaultdict, "unicodedata": unicodedata},
}
_STAR_NAMES = (
    (layers, _IN_LAYERS),
    (models, _IN_MODELS),
    (optimizers, {**_BASIC, **_MATCHING, **_RATES, "re": re}),
    (snippets, _IN_SNIPPETS),
    (tokenizers, _IN_TOKENIZERS),
)
for _module, _names in _STAR_NAMES:
    add_names(_module, {name: x for name, x in _names.items() if name not in vars(_module)})


def _extend_star_imports():
    for module, names in _STAR_NAMES:
        module.__all__ = sorted({*module.__all__, *names})
