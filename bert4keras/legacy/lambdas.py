"""Lambda layers: their calls, and what stands for the function of one that was saved.

Functions whose first argument is ``old`` go around what was there; see ``patches``.
"""

import contextlib
import sys

import keras
from keras import ops
from keras.src.backend.common import global_state
from keras.src.saving import serialization_lib
from keras.src.utils import python_utils

from bert4keras import backend
from bert4keras.legacy.report import place, refused


def call(old, self, inputs, *args, **kwargs):
    """A function that writes ``x -= ...`` has never changed what others see of x."""
    return old(self, keras.tree.map_structure(ops.copy, inputs), *args, **kwargs)


def func_load(old, code, defaults=None, closure=None, globs=None):
    """Names in a function of a Lambda that is loaded, as ever: K, and custom objects."""
    if globs is None:
        names = {"K": backend.K, "keras": keras, "np": backend.np, "tf": backend.tf}
        globs = {**vars(python_utils), **names, **_custom_objects()}
    return old(code, defaults, closure, globs)


def from_config(old, cls, config, custom_objects=None, safe_mode=None):
    """A Lambda as it was saved. Of a file that is not trusted nothing is executed: the function is
    the script's own, which it gives by the name of the function, or of the layer.
    """
    trusted = safe_mode is False or serialization_lib.in_safe_mode() is False
    code = isinstance(config["function"], dict) and config["function"].get("class_name")
    if trusted or code != "__lambda__":
        with contextlib.suppress(TypeError):  # a function of that name is nowhere
            return old(cls, dict(config), custom_objects=custom_objects, safe_mode=safe_mode)
    name = config["name"]
    function = {**_custom_objects(), **(custom_objects or {})}.get(name)
    if not callable(function):
        raise refused("Lambda", f"the function of {name!r} is not here, and no code is executed")
    return cls(**{**config, "function": function, "output_shape": None})


def _custom_objects():
    scope = global_state.get_global_attribute("custom_objects_scope_dict", {})
    return {**keras.saving.get_custom_objects(), **scope}


def defined_by_script():
    """The functions and classes that the script which runs now has defined itself, by name."""
    file, _ = place()
    frame = sys._getframe(1)
    while frame is not None and frame.f_code.co_filename != file:
        frame = frame.f_back
    names = frame.f_globals if frame is not None else {}
    own = names.get("__name__")
    return {name: x for name, x in names.items() if getattr(x, "__module__", None) == own}
