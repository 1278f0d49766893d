"""Modules that scripts import and Keras 3 has elsewhere, or not at all.

One finder before all others answers for the names in the tables below, and for nothing else.
"""

import importlib
import importlib.machinery
import importlib.util
import sys
import types

import keras

from bert4keras.backend import LazyModule
from bert4keras.legacy import earliest, functions, old, tensorflow1
from bert4keras.legacy.report import met, refused_import

LAYERS = (
    "advanced_activations convolutional core cudnn_recurrent embeddings local merge noise "
    "normalization pooling preprocessing recurrent recurrent_v2 wrappers experimental "
    "experimental.preprocessing"
).split()
UTILS = (
    "data_utils generic_utils io_utils layer_utils multi_gpu_utils np_utils training_utils "
    "vis_utils"
).split()
PLACES = {  # old module -> where its names are now
    **{f"keras.layers.{name}": "keras.layers" for name in LAYERS},
    **{f"keras.utils.{name}": "keras.utils" for name in UTILS},
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
PREFIXES = tensorflow1.OWN_KERAS


def _engine():
    """What keras.engine and its parts held."""
    return {
        "InputLayer": keras.layers.InputLayer,
        "InputSpec": keras.InputSpec,
        "Input": keras.Input,
        "Layer": keras.layers.Layer,
        "Model": keras.Model,
        "Network": keras.Model,
        "Sequential": keras.Sequential,
        "data_adapter": types.SimpleNamespace(
            unpack_x_y_sample_weight=keras.utils.unpack_x_y_sample_weight,
            expand_1d=lambda data: data,
        ),
        "unpack_x_y_sample_weight": keras.utils.unpack_x_y_sample_weight,
        "expand_1d": lambda data: data,
    }


def _interfaces():
    """Decorators of keras.legacy.interfaces, which translated arguments."""
    names = "legacy_dense_support legacy_get_updates_support legacy_add_weight_support"
    return {name: lambda function: function for name in names.split()}


ENGINE = (
    "keras.engine keras.engine.topology keras.engine.training keras.engine.base_layer "
    "keras.engine.input_layer keras.engine.network keras.engine.data_adapter "
    "keras.engine.sequential keras.engine.base_layer_v1"
).split()
MADE = {  # module -> what makes its names
    **{name: _engine for name in ENGINE},
    "keras.legacy.interfaces": _interfaces,
    "keras.utils.tf_utils": lambda: {**vars(keras.utils), "smart_cond": functions.smart_cond},
    "keras.wrappers.scikit_learn": lambda: {
        name: earliest.wrapper for name in ("KerasClassifier", "KerasRegressor")
    },
    "tensorflow_core": dict,
    "tensorflow_core.python": dict,
    **old.MODULES,
}
PACKAGES = ("keras.engine", "tensorflow_core", "tensorflow_core.python")


class Finder:
    """Answers imports of old modules."""

    @staticmethod
    def find_spec(name, path=None, target=None):
        """A spec for a name in the tables, or None."""
        if name == "tensorflow":
            return _tensorflow()
        if name == "tensorflow.contrib":
            raise refused_import("tf1 name", "tf.contrib is gone")
        place = place_of(name)
        if place is None:
            return None
        if place not in MADE and not _exists(place):
            return None
        loader = Loader(place)
        return importlib.machinery.ModuleSpec(name, loader, is_package=place in PACKAGES)


def place_of(name):
    """The module that stands for an old one, or None for a name that is none."""
    for prefix in PREFIXES:
        if name == prefix or name.startswith(prefix + "."):
            if "python" in prefix and not tensorflow1.ready:
                return None  # TensorFlow imports parts of its own Keras
            name = "keras" + name[len(prefix) :]
            return PLACES.get(name, name)
    return PLACES.get(name, name if name in MADE else None)


def _exists(place):
    return place in sys.modules or importlib.util.find_spec(place) is not None


class Loader:
    """Puts the module of today, or one made of names, in the place of an old one."""

    def __init__(self, place):
        self.place = place

    def create_module(self, spec):
        """The usual empty one."""
        return None

    def exec_module(self, module):
        """Fill it, or put another in its place."""
        _note(module.__name__)
        if self.place in MADE:
            module.__dict__.update(MADE[self.place]())
            if self.place in PACKAGES:
                module.__path__ = []
                parts = [x for x in MADE if x.startswith(self.place + ".")]
                module.__dict__.update({x.rpartition(".")[2]: module for x in parts})
        else:
            sys.modules[module.__name__] = importlib.import_module(self.place)


def _note(name):
    if name.startswith("bert4keras."):
        met("old bert4keras")
    elif name.startswith("tensorflow"):
        met("tensorflow.keras")
    else:
        met("old module")


def _tensorflow():
    """TensorFlow's own spec, whose module is then given its old names."""
    spec = importlib.machinery.PathFinder.find_spec("tensorflow")
    if spec is None or spec.loader is None:
        return spec
    run = spec.loader.exec_module

    def exec_module(module):
        run(module)
        tensorflow1.furnish(module)

    spec.loader.exec_module = exec_module
    return spec


def install():
    """Put the finder before all others, and old modules where their packages show them."""
    if _exists("keras_preprocessing"):  # a package of its own
        for name in [x for x in PLACES if x.startswith("keras_preprocessing")]:
            del PLACES[name]
    if Finder not in sys.meta_path:
        sys.meta_path.insert(0, Finder)
    for name, place in PLACES.items():
        owner, _, last = name.rpartition(".")
        if owner in sys.modules and place in sys.modules and not hasattr(sys.modules[owner], last):
            setattr(sys.modules[owner], last, sys.modules[place])
    keras.engine = LazyModule("keras.engine")
    if "tensorflow" in sys.modules:
        tensorflow1.furnish(sys.modules["tensorflow"])
