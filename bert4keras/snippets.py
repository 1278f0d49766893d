"""Snippets: the inherited names of small helpers for text, batches, files and parallel work.

``insert_arguments``, ``delete_arguments`` and ``is_one_of`` serve old subclasses only, so they
stand here; everything else comes from other rooms.
"""

import functools
from collections.abc import Callable, Iterable
from typing import Any

from bert4keras.backend import K, keras, np, tf
from bert4keras.checkpoints import orthogonally_resize
from bert4keras.data import (
    DataGenerator,
    open,
    parallel_apply,
    parallel_apply_generator,
    sequence_padding,
    softmax,
    to_array,
    truncate_sequences,
)
from bert4keras.generation import AutoRegressiveDecoder
from bert4keras.layers import ViterbiDecoder
from bert4keras.serving import WebServing
from bert4keras.text import (
    convert_to_str,
    convert_to_unicode,
    is_string,
    longest_common_subsequence,
    longest_common_substring,
    lowercase_and_normalize,
    string_matching,
    strQ2B,
    text_segmentate,
)

uniout = None  # scripts import it to print Chinese on Python 2; Python 3 needs nothing

__all__ = [
    "AutoRegressiveDecoder",
    "DataGenerator",
    "K",
    "ViterbiDecoder",
    "WebServing",
    "convert_to_str",
    "convert_to_unicode",
    "delete_arguments",
    "insert_arguments",
    "is_one_of",
    "is_string",
    "keras",
    "longest_common_subsequence",
    "longest_common_substring",
    "lowercase_and_normalize",
    "np",
    "open",
    "orthogonally_resize",
    "parallel_apply",
    "parallel_apply_generator",
    "sequence_padding",
    "softmax",
    "strQ2B",
    "string_matching",
    "text_segmentate",
    "tf",
    "to_array",
    "truncate_sequences",
    "uniout",
]


def insert_arguments(**defaults: Any) -> Callable:
    """Decorate an ``__init__`` so that it takes more keyword arguments, stored as attributes.

    Args:
        **defaults: name and default of each argument.

    Returns:
        A decorator of ``__init__``; the attributes are set before its body runs.

    Example:
        >>> class Model:
        ...     @insert_arguments(with_pool=False)
        ...     def __init__(self, size):
        ...         self.size = size
        >>> Model(8).with_pool, Model(8, with_pool=True).with_pool
        (False, True)
    """

    def decorator(init):
        @functools.wraps(init)
        def wrapper(self, *args, **kwargs):
            for name, default in defaults.items():
                setattr(self, name, kwargs.pop(name, default))
            return init(self, *args, **kwargs)

        return wrapper

    return decorator


def delete_arguments(*names: str) -> Callable:
    """Decorate an ``__init__`` so that it refuses keyword arguments which it would pass on.

    Args:
        *names: the arguments that it no longer takes.

    Returns:
        A decorator of ``__init__``.

    Raises:
        TypeError: by the decorated ``__init__``, when it gets one of them.

    Example:
        >>> class Model:
        ...     @delete_arguments("with_mlm")
        ...     def __init__(self, **kwargs):
        ...         self.options = kwargs
        >>> Model(with_pool=True).options
        {'with_pool': True}
    """

    def decorator(init):
        @functools.wraps(init)
        def wrapper(self, *args, **kwargs):
            for name in names:
                if name in kwargs:
                    raise TypeError(
                        f"{type(self).__name__} takes no argument {name!r}; leave it out"
                    )
            return init(self, *args, **kwargs)

        return wrapper

    return decorator


def is_one_of(x: Any, ys: Iterable[Any]) -> bool:
    """True if ``x`` is one of ``ys``: the same object, not merely equal to one.

    Args:
        x: any object; tensors too, which cannot be compared for equality.
        ys: the objects to look among.

    Example:
        >>> is_one_of([], [[], []])
        False
    """
    return any(x is y for y in ys)
