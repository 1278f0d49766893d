"""Functions of a script that compute with tensors: losses, metrics, and ``call`` of layers.

On TensorFlow, tf.keras ran them through AutoGraph, so ``if``, ``for`` and ``len`` took tensors.
Keras 3 does not. A function that fails for this reason is converted, and runs once more. On JAX and
PyTorch, functions of TensorFlow raise an error with the line of the script.
"""

import functools
import inspect
from typing import Any

import keras

from bert4keras.backend import backend_name, tf
from bert4keras.legacy.report import is_library_file, record_use, unsupported_error

_ON_TENSORS = (  # parts of TensorFlow's errors
    "len is not well defined for a symbolic Tensor",
    "object cannot be interpreted as an integer",
    "Iterating over a symbolic",
    "as a Python `bool` is not allowed",
)


def wrap_function(function: Any) -> Any:
    """Return a function of the script that runs as in tf.keras; other objects as they are."""
    if not inspect.isfunction(function) or not _is_of_script(function):
        return function

    @functools.wraps(function)
    def call(*args, **kwargs):
        return run(function, *args, **kwargs)

    return call


def wrap_methods(thing: Any, *names: str) -> None:
    """Let methods of the script's class run as in tf.keras, for one loss, metric or layer."""
    for name in names:
        method = getattr(type(thing), name, None)
        if inspect.isfunction(method) and _is_of_script(method) and name not in vars(thing):
            vars(thing)[name] = functools.partial(run, method, thing)


def run(function: Any, *args: Any, **kwargs: Any) -> Any:
    """Call a function of the script, through AutoGraph if Python cannot run it on tensors."""
    if function in _CONVERTED:
        return _CONVERTED[function](*args, **kwargs)
    try:
        result = function(*args, **kwargs)
    except Exception as error:
        position = _position(error)
        if backend_name != "tensorflow":
            if _passed_tensorflow(error):
                raise _tensorflow_error(position) from error
            raise
        if not isinstance(error, TypeError) or not any(x in str(error) for x in _ON_TENSORS):
            raise
        record_use("python on tensors", position=position)
        _CONVERTED[function] = tf.autograph.to_graph(function)
        return _CONVERTED[function](*args, **kwargs)
    if backend_name != "tensorflow" and any(map(_is_of_tensorflow, keras.tree.flatten(result))):
        raise _tensorflow_error((function.__code__.co_filename, function.__code__.co_firstlineno))
    return result


_CONVERTED: dict[Any, Any] = {}  # function: what AutoGraph has made of it


def _is_of_script(function):
    return not is_library_file(function.__code__.co_filename)


def _frames(error):
    traceback = error.__traceback__
    while traceback is not None:
        yield traceback.tb_frame.f_code.co_filename, traceback.tb_lineno
        traceback = traceback.tb_next


def _position(error):
    """Return file and line of the script's innermost frame that the error passed."""
    frames = [frame for frame in _frames(error) if not is_library_file(frame[0])]
    return frames[-1] if frames else None


def _passed_tensorflow(error):
    return any("/tensorflow/" in file.replace("\\", "/") for file, _ in _frames(error))


def _is_of_tensorflow(value):
    return type(value).__module__.startswith("tensorflow.")


def _tensorflow_error(position):
    reason = f"the backend is {backend_name}, not TensorFlow"
    return unsupported_error("tf function on tensors", reason, position=position)
