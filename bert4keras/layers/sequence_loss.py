"""Losses of whole label sequences: methods of a layer that refuse weights for single tokens."""

from collections.abc import Callable
from functools import update_wrapper
from typing import Any

import keras
from keras import ops

from bert4keras import backend
from bert4keras.layers.base import register

_NONE = object()


@register
class SequenceLoss(keras.losses.Loss):
    """Method that is a loss on whole rows, as Keras calls it and as scripts do.

    ``loss(y_true, y_pred)`` returns what the method returns. With a third argument it is a loss of
    Keras: the mean over rows, each times its weight.

    Args:
        function: callable(y_true, y_pred) -> losses (B,), or a scalar.
        has_rows: True if there is a loss for each row, which may have a weight.
    """

    def __init__(self, function: Callable[..., Any], has_rows: bool = True) -> None:
        super().__init__(name=function.__name__)
        update_wrapper(self, function)
        self.function = function
        self.has_rows = has_rows

    def __call__(self, y_true: Any, y_pred: Any, sample_weight: Any = _NONE) -> Any:
        if sample_weight is _NONE:
            return self.function(y_true, y_pred)
        if sample_weight is not None:
            sample_weight = self._check_weights(sample_weight, y_pred)
        return super().__call__(y_true, y_pred, sample_weight)

    def call(self, y_true: Any, y_pred: Any) -> Any:
        return self.function(y_true, y_pred)

    def _check_weights(self, weights, y_pred):
        """Return one weight for each row (B,), or raise an error."""
        try:
            shape = tuple(weights.shape)
        except ValueError:  # TensorFlow, once batches had weights of different ranks
            shape = (None, None)
        if not self.has_rows:
            raise ValueError(
                f"Expected no sample_weight and no class_weight for {self.name}, which is one loss "
                f"for a batch, got weights of shape {shape}. Leave them out; padding is hidden by "
                "the mask."
            )
        message = (
            f"Expected one weight for each row in sample_weight, as {self.name} is a loss on whole "
            "rows. Give weights (B,); padding is hidden by the mask."
        )
        if None in shape[1:]:
            count, rows = ops.size(weights), ops.shape(y_pred)[0]
            message += " Got this number of weights and of rows:"
            weights = ops.reshape(weights, (-1,))
            return backend.assert_that(count == rows, message, count, rows, passthrough=weights)
        if any(size != 1 for size in shape[1:]):
            raise ValueError(f"{message} Got weights of shape {shape}.")
        return ops.reshape(weights, (-1,)) if len(shape) > 1 else weights

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Any:
        raise ValueError(
            f"The loss {config.get('name')} is a method of a layer, which a saved model does not "
            "find. Load the model with compile=False, and compile it with the loss of "
            "model.get_layer(...)."
        )


class sequence_loss:
    """Decorator that makes a method of a layer a ``SequenceLoss``; the class has the function.

    Args:
        function: a method (self, y_true, y_pred) -> losses (B,).
    """

    has_rows = True

    def __init__(self, function: Callable[..., Any]) -> None:
        self.function = function
        self.__doc__ = function.__doc__

    def __get__(self, instance: Any, owner: Any = None) -> Any:
        if instance is None:
            return self.function
        return SequenceLoss(self.function.__get__(instance, owner), self.has_rows)


class batch_loss(sequence_loss):
    """The same for a method that returns a scalar: it takes no weights."""

    has_rows = False
