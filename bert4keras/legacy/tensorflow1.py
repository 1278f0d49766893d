"""TensorFlow 1 in scripts: what only sets it up is let pass, what needs its graph is refused.

Names and arguments that TensorFlow has changed since are those of ``tf.compat.v1``.
"""

import importlib
import sys
from functools import wraps

import keras

from bert4keras.backend import backend_name, get_available_gpus
from bert4keras.legacy import sessions, symbolic
from bert4keras.legacy.report import met, refused


def _nothing(*args, **kwargs):
    """Nothing: there is one way of running."""
    met("tf1 session")


SETTINGS = {  # of tf and tf.compat.v1
    "Session": sessions.Session,
    "InteractiveSession": sessions.Session,
    "Graph": sessions.Graph,
    "reset_default_graph": _nothing,
    "disable_eager_execution": _nothing,
    "disable_v2_behavior": _nothing,
    "disable_v2_tensorshape": _nothing,
    "enable_eager_execution": _nothing,
}
OWN_KERAS = (
    "tensorflow.compat.v1.keras",
    "tensorflow.keras",
    "tensorflow.python.keras",
    "tensorflow_core.python.keras",
)
STRATEGIES = "CentralStorageStrategy MirroredStrategy MultiWorkerMirroredStrategy".split()
REFUSED = {  # what is gone -> the idiom that it is
    "contrib": "tf1 name",
    **dict.fromkeys(("train.Saver", "train.write_graph"), "tf1 file"),
    **dict.fromkeys(("saved_model.builder", "saved_model.Builder"), "tf1 file"),
}
PARTS = ("math", "nn", "random", "saved_model", "train", "train.experimental")
KEEP = {"keep_dims": "keepdims", "reduction_indices": "axis"}
RENAMED = {  # function -> {old argument: new one}
    **{f"reduce_{name}": KEEP for name in "all any logsumexp max mean min prod sum".split()},
    **dict.fromkeys(("argmax", "argmin"), {"dimension": "axis"}),
    **dict.fromkeys(("expand_dims", "nn.softmax", "nn.l2_normalize"), {"dim": "axis"}),
    "norm": {"keep_dims": "keepdims"},
    "squeeze": {"squeeze_dims": "axis"},
}
ready = []  # TensorFlow, once it is there with its old names


def _strategy(several):
    """A strategy for several GPUs; where there are not two, the one for a single device."""

    def new(cls, *args, **kwargs):
        if len(get_available_gpus()) > 1:
            return object.__new__(cls)
        met("strategy")
        return ready[0].distribute.get_strategy()

    return type(several.__name__, (several,), {"__new__": new, "__doc__": several.__doc__})


def furnish(tf):
    """Give TensorFlow its old names, and Keras 3 as its keras."""
    ready.append(tf)
    for name in [x for x in sys.modules if x.startswith(OWN_KERAS)]:
        del sys.modules[name]
    tf.keras = keras
    sys.modules["tensorflow.keras"] = keras
    first = tf.compat.v1
    first.keras = keras
    sys.modules["tensorflow.compat"] = tf.compat  # which an import would make a second time
    sys.modules["tensorflow.compat.v1"] = first
    graph_of_function, placeholder_of_function = first.get_default_graph, first.placeholder

    def get_default_graph():
        return sessions.Graph() if tf.executing_eagerly() else graph_of_function()

    def placeholder(*args, **kwargs):
        if tf.executing_eagerly():
            raise refused("tf1 session", "a placeholder is fed to a session, and none runs")
        return placeholder_of_function(*args, **kwargs)  # Keras makes some in graphs of its own

    in_graphs = {"get_default_graph": get_default_graph, "placeholder": placeholder}
    for name, value in {**SETTINGS, **in_graphs}.items():
        setattr(tf, name, value)
        setattr(first, name, value)
    for module in (tf.distribute, tf.distribute.experimental):
        for name in STRATEGIES:
            if hasattr(module, name):
                setattr(module, name, _strategy(getattr(module, name)))
    graph_util = importlib.import_module("tensorflow.python.framework.graph_util")
    for owner in (graph_util, first.graph_util):
        owner.convert_variables_to_constants = sessions.convert_variables_to_constants
    first.saved_model.simple_save = sessions.simple_save
    rewrite = "enable_mixed_precision_graph_rewrite"
    setattr(first.train.experimental, rewrite, lambda optimizer, *args, **kwargs: optimizer)
    for name in ("numpy_function", "py_function"):
        setattr(tf, name, _of_tensorflow(getattr(tf, name)))
    symbolic.install(tf)
    _fall_back(tf, first)
    for part in PARTS:
        _fall_back(_at(tf, part), _at(first, part), part + ".")
    for name, table in RENAMED.items():
        owner, _, last = name.rpartition(".")
        setattr(_at(tf, owner), last, _renaming(_at(tf, name), table))


def _at(module, path):
    for name in filter(None, path.split(".")):
        module = getattr(module, name)
    return module


def _fall_back(module, first, prefix=""):
    """Names that a module has not are those of TensorFlow 1, as far as they can be given."""
    newer = vars(module).get("__getattr__")

    def fall_back(name):
        if prefix + name in REFUSED:
            raise refused(REFUSED[prefix + name], f"tf.{prefix}{name} is gone")
        if newer is not None:
            try:
                return newer(name)
            except AttributeError:
                pass
        if name.startswith("__") or not hasattr(first, name):
            raise AttributeError(f"module 'tensorflow' has no attribute {prefix + name!r}")
        met("tf1 name")
        return getattr(first, name)

    module.__getattr__ = fall_back


def _of_tensorflow(function):
    """A function that computes with TensorFlow's tensors alone."""

    @wraps(function)
    def asked(func=None, inp=None, *args, **kwargs):
        if backend_name != "tensorflow" and any(map(keras.ops.is_tensor, inp or ())):
            raise refused("tf function", "the backend is not TensorFlow")
        return function(func, inp, *args, **kwargs)

    return asked


def _renaming(function, table):
    @wraps(function)
    def renamed(*args, **kwargs):
        for word in [word for word in kwargs if word in table]:
            met("tf1 name")
            kwargs[table[word]] = kwargs.pop(word)
        return function(*args, **kwargs)

    return renamed
