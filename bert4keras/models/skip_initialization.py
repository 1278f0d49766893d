"""Skipped initialization: no random initial values for weights that a checkpoint provides.

To draw the weights of a large model takes longer than to load them.
"""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

import keras
from keras import ops

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
