"""Skipped initialization: no random initial values for weights that a checkpoint provides.

To draw the weights of a large model takes longer than to load them. Deferred initialization gives
values to all weights of a model at once, after a look at their shapes.
"""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

import keras
from keras import ops
from keras.src.backend.common import global_state

from bert4keras.backend.types import Tensor

_Initializer = keras.Initializer if TYPE_CHECKING else object  # a mixin before an initializer
_provided_layers: ContextVar[frozenset[str]] = ContextVar("provided_layers", default=frozenset())
_skips: ContextVar[bool] = ContextVar("skips", default=False)


@contextmanager
def skip_initialization(layer_names: Iterable[str]) -> Iterator[None]:
    """Build the layers of these names without random numbers: a checkpoint provides their weights.

    Args:
        layer_names: names of the layers that the checkpoint fills completely.
    """
    token = _provided_layers.set(frozenset(layer_names))
    try:
        yield
    finally:
        _provided_layers.reset(token)


@contextmanager
def call_of_layer(layer: Any) -> Iterator[None]:
    """Call a layer, which then makes its weights; ``skip_initialization`` decides about these."""
    is_conditional = getattr(layer, "conditional", False)  # no checkpoint has maps of a condition
    token = _skips.set(layer.name in _provided_layers.get() and not is_conditional)
    try:
        yield
    finally:
        _skips.reset(token)


@contextmanager
def defer_initialization(check: Callable[[list[Any]], None]) -> Iterator[None]:
    """Make layers whose variables take memory only at the end, if they pass a check.

    Args:
        check: function of the list of all variables; it raises an error for a bad one.
    """
    pending = "uninitialized_variables"
    variables_before = global_state.get_global_attribute(pending) or []
    global_state.set_global_attribute(pending, [])
    try:
        with keras.StatelessScope(initialize_variables=False):
            yield
        check(list(global_state.get_global_attribute(pending)))
        with keras.StatelessScope():  # its end initializes all
            pass
    finally:
        global_state.set_global_attribute(pending, variables_before)


class _Skippable(_Initializer):
    """Initializer whose numbers are zeros where ``skip_initialization`` says so."""

    def __call__(self, shape: Any, dtype: Any = None) -> Tensor:
        if _skips.get():
            return ops.zeros(shape, dtype or keras.config.floatx())
        return super().__call__(shape, dtype)


@keras.saving.register_keras_serializable("bert4keras", name="Initial")  # name in saved models
class SkippableTruncatedNormal(_Skippable, keras.initializers.TruncatedNormal):
    """Initializer of a truncated normal distribution that ``skip_initialization`` can skip."""


@keras.saving.register_keras_serializable("bert4keras", name="ScaledInitial")
class SkippableVarianceScaling(_Skippable, keras.initializers.VarianceScaling):
    """Initializer of a variance that falls with the number of features; it can be skipped."""
