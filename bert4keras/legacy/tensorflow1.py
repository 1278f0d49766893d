"""TensorFlow 1 in scripts: what only sets it up is let pass, what needs its graph is refused.

Names and arguments that TensorFlow has changed since are those of ``tf.compat.v1``.
"""

import importlib
import sys
from functools import wraps

import keras

from bert4keras.legacy import symbolic
from bert4keras.legacy.functions import Graph, Session
from bert4keras.legacy.report import met, refused


def _nothing(*args, **kwargs):
    """Nothing: there is one way of running."""
    met("tf1 session")


SETTINGS = {  # of tf and tf.compat.v1
    "Session": Session,
    "InteractiveSession": Session,
    "Graph": Graph,
    "reset_default_graph": _nothing,
    "disable_eager_execution": _nothing,
    "disable_v2_behavior": _nothing,
    "disable_v2_tensorshape": _nothing,
    "enable_eager_execution": _nothing,
}
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
OWN_KERAS = ("tensorflow.keras", "tensorflow.python.keras", "tensorflow_core.python.keras")
ready = []  # TensorFlow, once it is there with its old names


def furnish(tf):
    """Give TensorFlow its old names, and Keras 3 as its keras."""
    ready.append(tf)
    for name in [x for x in sys.modules if x.startswith(OWN_KERAS)]:
        del sys.modules[name]
    tf.keras = keras
    sys.modules["tensorflow.keras"] = keras
    first = tf.compat.v1
    first.keras = keras
    graph_of_function, placeholder_of_function = first.get_default_graph, first.placeholder

    def get_default_graph():
        return Graph() if tf.executing_eagerly() else graph_of_function()

    def placeholder(*args, **kwargs):
        if tf.executing_eagerly():
            raise refused("tf1 session", "a placeholder is fed to a session, and none runs")
        return placeholder_of_function(*args, **kwargs)  # Keras makes some in graphs of its own

    in_graphs = {"get_default_graph": get_default_graph, "placeholder": placeholder}
    for name, value in {**SETTINGS, **in_graphs}.items():
        setattr(tf, name, value)
        setattr(first, name, value)
    graph_util = importlib.import_module("tensorflow.python.framework.graph_util")
    for owner in (graph_util, first.graph_util):
        owner.convert_variables_to_constants = convert_variables_to_constants
    first.saved_model.simple_save = simple_save
    rewrite = "enable_mixed_precision_graph_rewrite"
    setattr(first.train.experimental, rewrite, lambda optimizer, *args, **kwargs: optimizer)
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


def _renaming(function, table):
    @wraps(function)
    def renamed(*args, **kwargs):
        for word in [word for word in kwargs if word in table]:
            met("tf1 name")
            kwargs[table[word]] = kwargs.pop(word)
        return function(*args, **kwargs)

    return renamed


def convert_variables_to_constants(session, graph_def=None, *args, **kwargs):
    """An error: there is no graph to freeze."""
    raise refused("tf1 file", "models compute at once, and no graph is kept")


def simple_save(session, export_dir, inputs, outputs, legacy_init_op=None):
    """The model from some tensors to others, for TensorFlow Serving, under their names."""
    met("tf1 file")
    tf, model = ready[0], keras.Model(list(inputs.values()), dict(outputs))
    signature = {name: tf.TensorSpec(x.shape, x.dtype, name) for name, x in inputs.items()}
    archive = keras.export.ExportArchive()
    archive.track(model)
    archive.add_endpoint(
        "serving_default", lambda given: model([given[name] for name in inputs]), [signature]
    )
    archive.write_out(export_dir, verbose=False)
