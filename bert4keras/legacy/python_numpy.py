"""Names and arguments that Python and NumPy have removed since 2020, and silenced warnings."""

import collections
import collections.abc
import importlib.util
import inspect
import json
import logging
import sys
import time
import types
import warnings
from functools import wraps

import numpy as np

from bert4keras.legacy.patches import add, add_names, replace
from bert4keras.legacy.report import is_called_by_script, record_use

_NUMPY = {
    **{"int": int, "float": float, "bool": bool, "object": object, "str": str, "long": int},
    **{"complex": complex, "unicode": str, "asscalar": lambda x: x.item()},
    **{"float_": np.float64, "product": np.prod, "cumproduct": np.cumprod, "in1d": np.isin},
    **dict.fromkeys(("Inf", "Infinity", "infty", "PINF"), np.inf),
    **{"NINF": -np.inf, "NaN": np.nan, "NAN": np.nan, "unicode_": np.str_, "string_": np.bytes_},
    **{"alltrue": np.all, "sometrue": np.any, "round_": np.round, "mat": np.asmatrix},
    **{"asfarray": lambda x, dtype=float: np.asarray(x, dtype), "row_stack": np.vstack},
    "VisibleDeprecationWarning": np.exceptions.VisibleDeprecationWarning,
}
_ABSTRACT = "Callable Container Hashable Iterable Iterator Mapping MutableMapping Sequence Set"
_WARNINGS = (  # about old code: the report lists it on request
    r"Layer '.*' \(of type .*\) was passed an input with a mask",
    r"The structure of `inputs` doesn't match",
    r"Do not pass an `input_shape`/`input_dim` argument",
    r"`shuffle=True` was passed",
    r"Your `PyDataset` class should call",
    r"`build\(\)` was called on layer",
    r"Argument `decay` is no longer supported",
    r"You are saving your model as an HDF5 file",
)


def _add_missing(module, names):
    add_names(module, {name: x for name, x in names.items() if name not in vars(module)})


_add_missing(np, _NUMPY)
_add_missing(collections, {name: getattr(collections.abc, name) for name in _ABSTRACT.split()})
_add_missing(time, {"clock": time.perf_counter})
_add_missing(inspect, {"getargspec": inspect.getfullargspec})


_np_array = np.array


@add(np, "array")  # not ``replace``: arrays are made often, and each wrapper costs time
@wraps(np.array)
def _array(object, dtype=None, **kwargs):
    """Make an array of objects from rows with different lengths, for scripts alone."""
    try:
        return _np_array(object, dtype, **kwargs)
    except ValueError as error:
        if dtype is not None or "inhomogeneous" not in str(error) or not is_called_by_script():
            raise
        record_use("ragged array")
        return _np_array(object, np.object_, **kwargs)


@replace(json, "load", "loads")
def _load_json(original, *args, **kwargs):
    """Ignore ``encoding``."""
    kwargs.pop("encoding", None)
    return original(*args, **kwargs)


@replace(json.JSONEncoder, "default")
def _default(original, self, value):
    """Write np.float32 and np.float16, which sums of such numbers were not before NumPy 2."""
    return float(value) if isinstance(value, np.floating) else original(self, value)


# distutils


def strtobool(value: str) -> int:
    """Return 1 for a word of consent, 0 for one of refusal."""
    words = dict.fromkeys(("y", "yes", "t", "true", "on", "1"), 1)
    words |= dict.fromkeys(("n", "no", "f", "false", "off", "0"), 0)
    if value.lower() not in words:
        raise ValueError(f"Expected one of {', '.join(words)}, got {value!r}.")
    return words[value.lower()]


def _version(text):
    return tuple(int(part) if part.isdigit() else 0 for part in text.split("."))


def _add_distutils():
    """Add the two parts of distutils that scripts use."""
    submodules = {"util": {"strtobool": strtobool}, "version": {"LooseVersion": _version}}
    package = sys.modules["distutils"] = types.ModuleType("distutils")
    package.__path__ = []
    for name, names in submodules.items():
        module = sys.modules[f"distutils.{name}"] = types.ModuleType(f"distutils.{name}")
        module.__dict__.update(names)
        setattr(package, name, module)


def install() -> None:
    """Add distutils where Python lacks it, and silence warnings about old code."""
    if importlib.util.find_spec("distutils") is None:
        _add_distutils()
    for message in _WARNINGS:
        warnings.filterwarnings("ignore", message)
    logging.getLogger("tensorflow").setLevel(logging.ERROR)
