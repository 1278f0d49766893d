"""Registry of patches: every attribute that compatibility mode replaces or adds in other modules.

Each module of this package registers its patches here when it is imported; ``apply`` then puts
them in place. ``tensorflow1.patch`` patches TensorFlow when a script imports it. docs/migration.md
lists all patches.
"""

import contextlib
import inspect
import threading
from functools import partial, wraps
from typing import Any

from bert4keras import layers, models, optimizers, snippets, tokenizers

REPLACED: list[Any] = []  # (owner, name, function): called with the original first
ADDED: list[Any] = []  # (owner, name, value)
_STAR_IMPORTED = (layers, models, optimizers, snippets, tokenizers)  # ``import *`` in scripts
_originals = {}  # (owner, name): the attribute before ``apply``


class _ThreadStack(threading.local):
    """A stack for each thread: a server decodes in several at a time."""

    def __init__(self) -> None:
        self.items: list[Any] = []

    def __getitem__(self, index: int) -> Any:
        return self.items[index]

    def __len__(self) -> int:
        return len(self.items)

    def append(self, item: Any) -> None:
        self.items.append(item)

    def pop(self) -> Any:
        return self.items.pop()


# What runs now; the innermost comes last
running_models: list[Any] = []
running_decoders = _ThreadStack()
running_updates: list[Any] = []  # updates of a custom optimizer, see keras_optimizers


def replace(owner: Any, *names: Any) -> Any:
    """Register a function that replaces attributes; its first argument is the original.

    Example::

        @replace(keras.Model, "save")
        def _save(original, self, filepath, **kwargs):
            return original(self, filepath, **kwargs)
    """

    def register(function):
        REPLACED.extend((owner, name, function) for name in names)
        return function

    return register


def add(owner: Any, *names: Any) -> Any:
    """Register a function, or a property, as new attributes of a class or module."""

    def register(value):
        ADDED.extend((owner, name, value) for name in names)
        return value

    return register


def add_names(owner: Any, values: Any) -> None:
    """Register new attributes of a class or module.

    Args:
        values: dict from names to values.
    """
    ADDED.extend((owner, name, value) for name, value in values.items())


def apply() -> None:
    """Put all registered patches in place."""
    # Base classes come first: a subclass may inherit the function that its patch wraps
    for owner, name, replacement in sorted(REPLACED, key=lambda patch: _depth(patch[0])):
        _replace(owner, name, replacement)
    for owner, name, value in ADDED:
        setattr(owner, name, value)
        if owner in _STAR_IMPORTED and name not in owner.__all__:
            owner.__all__ = [*owner.__all__, name]


def _depth(owner):
    return len(owner.__mro__) if isinstance(owner, type) else 0


def _replace(owner, name, replacement):
    original = inspect.getattr_static(owner, name)
    if isinstance(original, property):
        setattr(owner, name, property(partial(replacement, original.fget), original.fset))
        return
    method_kind = type(original) if isinstance(original, staticmethod | classmethod) else None
    original = original.__func__ if method_kind else original
    _originals[owner, name] = original

    @wraps(original)
    def wrapper(*args, **kwargs):
        return replacement(original, *args, **kwargs)

    with contextlib.suppress(ValueError):  # functions written in C have no signature
        # Keras reads the signature and does not look behind wrappers
        wrapper.__signature__ = inspect.signature(original)
    setattr(owner, name, method_kind(wrapper) if method_kind else wrapper)


def get_original(owner: Any, name: Any) -> Any:
    """Return a function as it was before ``apply``."""
    return _originals[owner, name]


# State of the patches


def state_of(thing: Any) -> Any:
    """Return the dict in which patches keep state of a model, layer or optimizer.

    Keras does not look into it when it saves.
    """
    return vars(thing).setdefault("__legacy__", {})


@contextlib.contextmanager
def push(stack, item):
    """Keep an item on one of the stacks above while the block runs."""
    stack.append(item)
    try:
        yield
    finally:
        stack.pop()
