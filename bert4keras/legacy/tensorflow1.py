"""TensorFlow 1 in scripts: what only sets it up is let pass, what needs its graph is refused."""

import sys

import keras

from bert4keras.backend import get_available_gpus, tf
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
REFUSED = ("contrib",)
OWN_KERAS = (
    "tensorflow.compat.v1.keras",
    "tensorflow.keras",
    "tensorflow.python.keras",
    "tensorflow_core.python.keras",
)
STRATEGIES = "CentralStorageStrategy MirroredStrategy MultiWorkerMirroredStrategy".split()
ready = []  # TensorFlow, once it is there with its old names


def _strategy(several):
    """A strategy for several GPUs; where there are not two, the one for a single device."""

    def new(cls, *args, **kwargs):
        if len(get_available_gpus()) > 1:
            return object.__new__(cls)
        met("strategy")
        return tf.distribute.get_strategy()

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
    for module in (tf.distribute, tf.distribute.experimental):
        for name in STRATEGIES:
            if hasattr(module, name):
                setattr(module, name, _strategy(getattr(module, name)))
    symbolic.listen(tf)
    newer = tf.__dict__.get("__getattr__")

    def fall_back(name):
        if newer is not None:
            try:
                return newer(name)
            except AttributeError:
                pass
        if name in REFUSED:
            raise refused("tf1 name", f"tf.{name} is gone")
        if name.startswith("__") or not hasattr(first, name):
            raise AttributeError(f"module 'tensorflow' has no attribute {name!r}")
        met("tf1 name")
        return getattr(first, name)

    tf.__dict__["__getattr__"] = fall_back
