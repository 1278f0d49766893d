"""Names that Python and NumPy have dropped since 2020, given back while the door is open."""

import collections
import collections.abc
import importlib.util
import inspect
import json
import sys
import time
import types
from functools import wraps

import numpy as np

from bert4keras.legacy.report import by_a_script, met

NUMPY = {"int": int, "float": float, "bool": bool, "object": object, "str": str, "long": int}
NUMPY |= {"complex": complex, "unicode": str, "asscalar": lambda x: x.item()}
NUMPY |= {"float_": np.float64, "product": np.prod, "cumproduct": np.cumprod, "in1d": np.isin}
NUMPY |= dict.fromkeys(("Inf", "Infinity", "infty", "PINF"), np.inf) | {"NINF": -np.inf}
NUMPY |= {"NaN": np.nan, "NAN": np.nan, "unicode_": np.str_, "string_": np.bytes_}
NUMPY |= {"alltrue": np.all, "sometrue": np.any, "round_": np.round, "mat": np.asmatrix}
NUMPY |= {"asfarray": lambda x, dtype=float: np.asarray(x, dtype), "row_stack": np.vstack}
NUMPY |= {"VisibleDeprecationWarning": np.exceptions.VisibleDeprecationWarning}
ABSTRACT = "Callable Container Hashable Iterable Iterator Mapping MutableMapping Sequence Set"


def furnish():
    """Give them back, where they are gone."""
    for name, value in NUMPY.items():
        if name not in np.__dict__:
            setattr(np, name, value)
    np.array = _of_any_lengths(np.array)
    for name in ABSTRACT.split():
        if not hasattr(collections, name):
            setattr(collections, name, getattr(collections.abc, name))
    if not hasattr(time, "clock"):
        time.clock = time.perf_counter
    if not hasattr(inspect, "getargspec"):
        inspect.getargspec = inspect.getfullargspec
    json.load, json.loads = _without_encoding(json.load), _without_encoding(json.loads)
    if importlib.util.find_spec("distutils") is None:
        _distutils()


def _of_any_lengths(function):
    """numpy.array: in scripts, rows of unequal lengths are an array of objects, as ever."""

    @wraps(function)
    def array(object, dtype=None, **kwargs):
        try:
            return function(object, dtype, **kwargs)
        except ValueError as error:
            if dtype is not None or "inhomogeneous" not in str(error) or not by_a_script():
                raise
            met("ragged array")
            return function(object, np.object_, **kwargs)

    return array


def _without_encoding(function):
    @wraps(function)
    def load(*args, **kwargs):
        kwargs.pop("encoding", None)
        return function(*args, **kwargs)

    return load


def strtobool(value):
    """1 for yes, true, on and 1; 0 for their opposites."""
    words = {"y": 1, "yes": 1, "t": 1, "true": 1, "on": 1, "1": 1}
    words |= {"n": 0, "no": 0, "f": 0, "false": 0, "off": 0, "0": 0}
    if value.lower() not in words:
        raise ValueError(f"a truth value must be one of {', '.join(words)}, got {value!r}")
    return words[value.lower()]


def version(text):
    """A version as a tuple of numbers."""
    return tuple(int(part) if part.isdigit() else 0 for part in text.split("."))


def _distutils():
    """The two parts of distutils that scripts use."""
    parts = {"util": {"strtobool": strtobool}, "version": {"LooseVersion": version}}
    package = sys.modules["distutils"] = types.ModuleType("distutils")
    package.__path__ = []
    for name, names in parts.items():
        module = sys.modules[f"distutils.{name}"] = types.ModuleType(f"distutils.{name}")
        module.__dict__.update(names)
        setattr(package, name, module)
