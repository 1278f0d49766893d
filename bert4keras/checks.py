"""Checks of arguments: return a valid value, or raise an error that names argument and remedy.

A wrong type is a TypeError, a wrong value a ValueError. Each message reads "Expected {name} to be
{rule}, got {value}." and ends with the remedy of the caller, so it is the same on each backend.
"""

import json
import math
import numbers
import operator
import os
from collections.abc import Callable, Collection, Iterable
from typing import Any, SupportsIndex, TypeVar, cast

import numpy as np

__all__ = [
    "check_arguments",
    "check_boolean",
    "check_callable",
    "check_choice",
    "check_integer",
    "check_json",
    "check_number",
    "check_rank",
    "check_rate",
    "check_size",
    "check_string",
    "check_strings",
    "describe",
]

T = TypeVar("T")
_LONGEST = 60  # characters of a value in a message


def describe(value: Any) -> str:
    """Describe a value in an error: its shape if it has one, else its text cut short, and its type.

    Example:
        >>> from bert4keras.checks import describe
        >>> describe("8"), describe(None)
        ("'8' (str)", 'None')
    """
    if value is None or isinstance(value, bool):
        return repr(value)
    kind = type(value).__name__
    shape = getattr(value, "shape", None)
    if shape is not None and len(shape):
        return f"{kind} of shape {tuple(shape)} and dtype {getattr(value, 'dtype', None)}"
    text = repr(value)
    text = text if len(text) <= _LONGEST else f"{text[: _LONGEST - 3]}..."
    is_plain_number = isinstance(value, int | float)
    return text if is_plain_number else f"{text} ({kind})"


def check_integer(
    name: str, value: Any, minimum: int | None = None, maximum: int | None = None, remedy: str = ""
) -> int:
    """Return a whole number as an int; raise if it is none, or out of range.

    Args:
        name: the argument, as the user writes it.
        value: an int, or a NumPy integer. True and 2.0 are no whole numbers.
        minimum: the least valid value; None: no limit.
        maximum: the largest valid value; None: no limit.
        remedy: a sentence that ends the message.

    Example:
        >>> from bert4keras.checks import check_integer
        >>> check_integer("batch_size", 32, minimum=1)
        32
        >>> check_integer("batch_size", 0, minimum=1)
        Traceback (most recent call last):
        ValueError: Expected batch_size to be a whole number of 1 or more, got 0.
    """
    rule = f"a whole number{_describe_range(minimum, maximum)}"
    is_boolean = isinstance(value, bool | np.bool_)
    if is_boolean or not isinstance(value, SupportsIndex) or np.ndim(cast(Any, value)):
        raise TypeError(_message(name, rule, value, remedy))
    value = operator.index(value)
    if not _is_in_range(value, minimum, maximum):
        raise ValueError(_message(name, rule, value, remedy))
    return value


def check_number(
    name: str,
    value: Any,
    minimum: float | None = None,
    maximum: float | None = None,
    above: float | None = None,
    below: float | None = None,
    remedy: str = "",
) -> float:
    """Return a finite number as it is; raise if it is none, infinite, NaN or out of range.

    Args:
        name: the argument, as the user writes it.
        value: an int, a float, or a NumPy number. True is no number.
        minimum: the least valid value; None: no limit.
        maximum: the largest valid value; None: no limit.
        above: all valid values are larger than this.
        below: all valid values are smaller than this.
        remedy: a sentence that ends the message.

    Example:
        >>> from bert4keras.checks import check_number
        >>> check_number("rate", 1.5, minimum=0, below=1)
        Traceback (most recent call last):
        ValueError: Expected rate to be a finite number of 0 or more and below 1, got 1.5.
    """
    rule = f"a finite number{_describe_range(minimum, maximum, above, below)}"
    if not isinstance(value, numbers.Real) or isinstance(value, bool | np.bool_):
        raise TypeError(_message(name, rule, value, remedy))
    value = cast(Any, value)
    is_valid = math.isfinite(value) and _is_in_range(value, minimum, maximum)
    if not is_valid or (above is not None and value <= above):
        raise ValueError(_message(name, rule, value, remedy))
    if below is not None and value >= below:
        raise ValueError(_message(name, rule, value, remedy))
    return value


def check_arguments(
    thing: Any, check: Callable[..., Any], *arguments: str, is_optional: bool = False, **limits: Any
) -> None:
    """Check arguments that an object has as attributes, and store the valid values.

    Args:
        thing: such as a layer; errors name its class.
        check: one of these functions.
        *arguments: names of the attributes.
        is_optional: True if each of them may be None.
        **limits: further arguments of ``check``.

    Example:
        >>> from types import SimpleNamespace
        >>> from bert4keras.checks import check_arguments, check_size
        >>> check_arguments(SimpleNamespace(units=0), check_size, "units")
        Traceback (most recent call last):
        ValueError: Expected units of SimpleNamespace to be a whole number of 1 or more, got 0.
    """
    for name in arguments:
        value = getattr(thing, name)
        if value is not None or not is_optional:
            value = check(f"{name} of {type(thing).__name__}", value, **limits)
            object.__setattr__(thing, name, value)


def check_rate(name: str, value: Any, remedy: str = "") -> float | None:
    """Return a rate from 0 to 1, such as one of dropout, or None; raise for anything else."""
    return value if value is None else check_number(name, value, 0, 1, remedy=remedy)


def check_size(name: str, value: Any, remedy: str = "") -> int:
    """Return a size, a whole number of 1 or more; raise for anything else."""
    return check_integer(name, value, minimum=1, remedy=remedy)


def check_boolean(name: str, value: Any, remedy: str = "", is_optional: bool = True) -> Any:
    """Return True, False, or what files hold in their place: 1, 0, None; raise for anything else.

    Args:
        name: the argument, as the user writes it.
        value: the value.
        remedy: a sentence that ends the message.
        is_optional: False: None is refused too.

    Example:
        >>> from bert4keras.checks import check_boolean
        >>> check_boolean("use_bias", "False")
        Traceback (most recent call last):
        TypeError: Expected use_bias to be True or False, got 'False' (str).
    """
    is_number = isinstance(value, bool | np.bool_ | int | float) and value in (0, 1)
    if not is_number and not (value is None and is_optional):
        raise TypeError(_message(name, "True or False", value, remedy))
    return value


def check_choice(name: str, value: T, choices: Collection[Any], remedy: str = "") -> T:
    """Return one of the choices; raise with the list of all if it is none of them."""
    try:
        is_valid = value in choices
    except (TypeError, ValueError):  # not hashable, or an array
        is_valid = False
    if not is_valid:
        rule = f"one of {', '.join(repr(choice) for choice in choices)}"
        raise ValueError(_message(name, rule, value, remedy))
    return value


def check_string(name: str, value: Any, remedy: str = "") -> str:
    """Return a string; raise if it is bytes, a number, None or anything else."""
    if not isinstance(value, str):
        raise TypeError(_message(name, "a str", value, remedy))
    return value


def check_strings(name: str, values: Any, remedy: str = "") -> list[str]:
    """Return a list of strings; raise for one string in its place, and name the row of a wrong one.

    Example:
        >>> from bert4keras.checks import check_strings
        >>> check_strings("texts", ["今天", None])
        Traceback (most recent call last):
        TypeError: Expected texts[1] to be a str, got None.
    """
    if isinstance(values, str | bytes) or not isinstance(values, Iterable):
        raise TypeError(_message(name, "a list of str", values, remedy))
    strings = list(values)
    if set(map(type, strings)) <= {str}:
        return strings
    for i, value in enumerate(strings):
        if not isinstance(value, str):
            check_string(f"{name}[{i}]", value, remedy)
    return strings


def check_callable(name: str, value: Callable[..., T], remedy: str = "") -> Callable[..., T]:
    """Return a function; raise if it cannot be called."""
    if not callable(value):
        raise TypeError(_message(name, "a function", value, remedy))
    return value


def check_json(name: str, value: Any, remedy: str = "") -> Any:
    """Return a value as JSON reads it back: tuples are lists, keys are strings, numbers are plain.

    Args:
        name: the argument, as the user writes it.
        value: dicts, lists, strings, numbers, None; also tuples, paths, and what NumPy has.
        remedy: a sentence that ends the message.

    Example:
        >>> from bert4keras.checks import check_json
        >>> check_json("metadata", {1: ("a", np.float32(0.5))})
        {'1': ['a', 0.5]}
    """
    try:
        return json.loads(json.dumps(value, default=_to_plain))
    except (TypeError, ValueError, RecursionError) as error:
        got = f"{type(value).__name__}: {error}"
        message = f"Expected {name} to be a JSON value, got {got}.{remedy and ' '}{remedy}"
        raise TypeError(message) from None


def _to_plain(value):
    if isinstance(value, np.ndarray | np.generic):
        return value.tolist()
    if isinstance(value, os.PathLike):
        return os.fspath(value)
    raise TypeError(f"{describe(value)} is none")


def check_rank(name: str, x: T, rank: int, axes: str, remedy: str = "") -> T:
    """Return a tensor of ``rank`` axes; raise with its shape if it has fewer or more.

    Args:
        name: the argument, as the user writes it.
        x: a tensor, symbolic or not.
        rank: the number of axes.
        axes: the axes as the docstring writes them, such as "(B, L, D)".
        remedy: a sentence that ends the message.
    """
    shape = getattr(x, "shape", None)
    if shape is None:
        raise TypeError(_message(name, f"a tensor {axes}", x, remedy))
    if len(shape) != rank:
        raise ValueError(_message(name, f"a tensor {axes}", x, remedy))
    return x


def _message(name, rule, value, remedy):
    return f"Expected {name} to be {rule}, got {describe(value)}.{remedy and ' '}{remedy}"


def _is_in_range(value, minimum, maximum):
    return (minimum is None or value >= minimum) and (maximum is None or value <= maximum)


def _describe_range(minimum, maximum, above=None, below=None):
    if minimum is not None and maximum is not None:
        return f" from {minimum} to {maximum}"
    limits = []
    limits += [f"of {minimum} or more"] if minimum is not None else []
    limits += [f"above {above}"] if above is not None else []
    limits += [f"of at most {maximum}"] if maximum is not None else []
    limits += [f"below {below}"] if below is not None else []
    return f" {' and '.join(limits)}" if limits else ""
