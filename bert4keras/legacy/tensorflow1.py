"""TensorFlow 1: its names and settings work, its graphs and sessions raise errors.

Names and arguments that TensorFlow has changed since come from ``tf.compat.v1``.
"""

import importlib
import sys
from functools import reduce, wraps
from typing import Any

import keras
from keras import tree

from bert4keras.backend import K, backend_name, get_available_gpus, tf
from bert4keras.legacy.report import record_use, unsupported_error

TF_KERAS = (  # Keras inside of TensorFlow: replaced by Keras 3
    "tensorflow.compat.v1.keras",
    "tensorflow.keras",
    "tensorflow.python.keras",
    "tensorflow_core.python.keras",
)
_EAGER = "models run eagerly, without a graph"
_STRATEGIES = "CentralStorageStrategy MirroredStrategy MultiWorkerMirroredStrategy".split()
_UNSUPPORTED = {  # name: key of IDIOMS
    "contrib": "tf1 name",
    **dict.fromkeys(("train.Saver", "train.write_graph"), "tf1 file"),
    **dict.fromkeys(("saved_model.builder", "saved_model.Builder"), "tf1 file"),
}
_SUBMODULES = ("math", "nn", "random", "saved_model", "train", "train.experimental")
_REDUCTION = {"keep_dims": "keepdims", "reduction_indices": "axis"}
_OLD_ARGUMENTS = {  # function: {old argument: new one}
    **{f"reduce_{name}": _REDUCTION for name in "all any logsumexp max mean min prod sum".split()},
    **dict.fromkeys(("argmax", "argmin"), {"dimension": "axis"}),
    **dict.fromkeys(("expand_dims", "nn.softmax", "nn.l2_normalize"), {"dim": "axis"}),
    "norm": {"keep_dims": "keepdims"},
    "squeeze": {"squeeze_dims": "axis"},
}
_modules = []  # TensorFlow, as soon as it is patched


def is_patched() -> Any:
    """True if TensorFlow is imported and patched."""
    return bool(_modules)


def patch(tf: Any) -> None:
    """Add the names of TensorFlow 1 to TensorFlow, and make Keras 3 its ``tf.keras``."""
    _modules.append(tf)
    for name in [x for x in sys.modules if x.startswith(TF_KERAS)]:
        del sys.modules[name]
    tf1 = tf.compat.v1
    tf.keras = tf1.keras = keras
    sys.modules["tensorflow.keras"] = keras
    sys.modules["tensorflow.compat"] = tf.compat  # an import would make a second module
    sys.modules["tensorflow.compat.v1"] = tf1
    for name, value in {**_SESSION_NAMES, **_graph_functions(tf)}.items():
        setattr(tf, name, value)
        setattr(tf1, name, value)
    for module in (tf.distribute, tf.distribute.experimental):
        for name in _STRATEGIES:
            if hasattr(module, name):
                setattr(module, name, _strategy(getattr(module, name)))
    graph_util = importlib.import_module("tensorflow.python.framework.graph_util")
    for owner in (graph_util, tf1.graph_util):
        owner.convert_variables_to_constants = _convert_variables_to_constants
    tf1.saved_model.simple_save = _simple_save
    tf1.train.experimental.enable_mixed_precision_graph_rewrite = lambda optimizer, *_, **__: (
        optimizer
    )
    for name in ("numpy_function", "py_function"):
        setattr(tf, name, _tensorflow_only(getattr(tf, name)))
    _register_dispatcher(tf)
    _fall_back(tf, tf1)
    for path in _SUBMODULES:
        _fall_back(_get(tf, path), _get(tf1, path), path + ".")
    for path, table in _OLD_ARGUMENTS.items():
        owner, _, name = path.rpartition(".")
        setattr(_get(tf, owner), name, _with_old_arguments(_get(tf, path), table))


def _get(module, path):
    return reduce(getattr, filter(None, path.split(".")), module)


# Sessions and graphs


class Session:
    """Session of TensorFlow 1: accepts settings and computes nothing."""

    def __init__(self, target: Any = "", graph: Any = None, config: Any = None) -> None:
        record_use("tf1 session")
        self.graph: Any = graph or (self if isinstance(self, _Graph) else _Graph())

    def run(self, fetches: Any = None, feed_dict: Any = None, **_kwargs: Any) -> Any:
        """Return the value of a variable, or None for None, such as an initializer."""
        if fetches is None or (
            isinstance(fetches, list) and not any(x is not None for x in fetches)
        ):
            return fetches
        if isinstance(fetches, keras.Variable):
            return K.get_value(fetches)
        raise unsupported_error("tf1 session", _EAGER)

    def __enter__(self) -> Any:
        return self

    def __exit__(self, *_exception: Any) -> Any:
        return False

    def as_default(self) -> Any:
        """Return the session."""
        return self

    def close(self) -> None:
        """Do nothing."""


class _Graph(Session):
    """Default graph of TensorFlow 1, which threads ask for."""

    def finalize(self):
        """Do nothing."""

    def as_graph_def(self, *_args):
        """Raise an error: a graph cannot be saved."""
        raise unsupported_error("tf1 file", _EAGER)


def set_session(session: Any) -> None:
    """Do nothing."""
    record_use("tf1 session")


def _do_nothing(*args, **kwargs):
    record_use("tf1 session")


_SESSION_NAMES = {  # of tf and of tf.compat.v1
    "Session": Session,
    "InteractiveSession": Session,
    "Graph": _Graph,
    "reset_default_graph": _do_nothing,
    "disable_eager_execution": _do_nothing,
    "disable_v2_behavior": _do_nothing,
    "disable_v2_tensorshape": _do_nothing,
    "enable_eager_execution": _do_nothing,
}


def _graph_functions(tf):
    """Return functions that work in the graphs of Keras, and are replaced outside of them."""
    original_graph, original_placeholder = tf.compat.v1.get_default_graph, tf.compat.v1.placeholder

    def get_default_graph():
        return _Graph() if tf.executing_eagerly() else original_graph()

    def placeholder(*args, **kwargs):
        if tf.executing_eagerly():
            raise unsupported_error("tf1 session", "a placeholder needs a session")
        return original_placeholder(*args, **kwargs)

    return {"get_default_graph": get_default_graph, "placeholder": placeholder}


def _convert_variables_to_constants(session, graph_def=None, *args, **kwargs):
    raise unsupported_error("tf1 file", _EAGER)


def _simple_save(session, export_dir, inputs, outputs, legacy_init_op=None):
    """Save the model between tensors for TensorFlow Serving, under the names of the tensors."""
    record_use("tf1 file")
    model = keras.Model(list(inputs.values()), dict(outputs))
    signature = {name: tf.TensorSpec(x.shape, x.dtype, name) for name, x in inputs.items()}
    archive = keras.export.ExportArchive()
    archive.track(model)
    archive.add_endpoint(
        "serving_default", lambda tensors: model([tensors[name] for name in inputs]), [signature]
    )
    archive.write_out(export_dir, verbose=False)


def _strategy(strategy):
    """Return a subclass that becomes the default strategy with fewer than two GPUs."""

    def new(cls, *args, **kwargs):
        if len(get_available_gpus()) > 1:
            return object.__new__(cls)
        record_use("strategy")
        return tf.distribute.get_strategy()

    return type(strategy.__name__, (strategy,), {"__new__": new, "__doc__": strategy.__doc__})


# Names and arguments


def _fall_back(module, tf1_module, prefix=""):
    """Give a module the names that only TensorFlow 1 has."""
    original = vars(module).get("__getattr__")

    def get_name(name):
        if prefix + name in _UNSUPPORTED:
            raise unsupported_error(
                _UNSUPPORTED[prefix + name], f"tf.{prefix}{name} does not exist"
            )
        if original is not None:
            try:
                return original(name)
            except AttributeError:
                pass
        if name.startswith("__") or not hasattr(tf1_module, name):
            raise AttributeError(f"module 'tensorflow' has no attribute {prefix + name!r}")
        record_use("tf1 name")
        return getattr(tf1_module, name)

    module.__getattr__ = get_name


def _tensorflow_only(function):
    """Refuse tensors of other backends."""

    @wraps(function)
    def call(func=None, inp=None, *args, **kwargs):
        if backend_name != "tensorflow" and any(map(keras.ops.is_tensor, inp or ())):
            raise unsupported_error("tf function", "the backend is not TensorFlow")
        return function(func, inp, *args, **kwargs)

    return call


def _with_old_arguments(function, table):
    @wraps(function)
    def call(*args, **kwargs):
        for name in [name for name in kwargs if name in table]:
            record_use("tf1 name")
            kwargs[table[name]] = kwargs.pop(name)
        return function(*args, **kwargs)

    return call


# TensorFlow functions on symbolic tensors, which tf.keras turned into layers


@keras.saving.register_keras_serializable("bert4keras")
class TensorFlowFunction(keras.Operation):
    """TensorFlow function as a step of a functional model.

    Args:
        path: path below ``tf``, such as "math.reduce_sum".
    """

    def __init__(self, path: Any, name: Any = None) -> None:
        super().__init__(name=name)
        self.path = path

    def call(self, *args, **kwargs):
        """Call the function."""
        return _get(importlib.import_module("tensorflow"), self.path)(*args, **kwargs)

    def compute_output_spec(self, *args, **kwargs):
        """Return shapes and dtypes."""
        return keras.src.backend.compute_output_spec(self.call, *args, **kwargs)


def _register_dispatcher(tf):
    """Make TensorFlow functions accept symbolic tensors of Keras."""
    from tensorflow.python.util.tf_export import get_canonical_name_for_symbol

    class Dispatcher(tf.__internal__.dispatch.GlobalOpDispatcher):
        def handle(self, function, args, kwargs):
            path = get_canonical_name_for_symbol(function)
            is_symbolic = any(map(keras.backend.is_keras_tensor, tree.flatten((args, kwargs))))
            if path is None or not is_symbolic:
                return self.NOT_SUPPORTED
            if backend_name != "tensorflow":
                raise unsupported_error("tf function", "the backend is not TensorFlow")
            record_use("tf function")
            return TensorFlowFunction(path)(*args, **kwargs)

    Dispatcher().register()
