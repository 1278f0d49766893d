"""Ids that follow from token ids, so that a model needs no input for them."""

from typing import Any

import keras
from keras import KerasTensor, ops

from bert4keras.backend.types import Tensor
from bert4keras.checks import check_arguments, check_integer
from bert4keras.layers.base import Layer, register


class _Ids(Layer):
    """Base of both: ids (B, L) to ids (B, L) in int32, exact in any precision."""

    def __init__(self, **kwargs: Any):
        super().__init__(**kwargs)
        self.autocast = False  # ids stay exact

    def compute_output_spec(self, inputs: Tensor) -> KerasTensor:
        return KerasTensor(inputs.shape, dtype="int32")


@keras.saving.register_keras_serializable("bert4keras", name="CountedPositions")
class PaddingAwarePositions(_Ids):
    """Position ids that count tokens but not padding, as in RoBERTa (arXiv:1907.11692).

    Args:
        pad_id: the id of padding.
        first: the position of the first token.

    Call arguments:
        inputs: ids of tokens (B, L), integers or whole floats.

    Returns:
        Position ids (B, L), int32; ``first - 1`` for all padding.

    Example:
        >>> import numpy as np
        >>> from bert4keras.layers import PaddingAwarePositions
        >>> ids = PaddingAwarePositions(pad_id=1, first=2)(np.array([[0, 7, 2, 1, 1]]))
        >>> np.array(ids).tolist()
        [[2, 3, 4, 1, 1]]
    """

    def __init__(self, pad_id: int = 1, first: int = 2, **kwargs: Any):
        super().__init__(**kwargs)
        self.pad_id = pad_id
        self.first = first
        check_arguments(self, check_integer, "pad_id", "first")

    @property
    def first_position(self) -> int:
        """The position of the first token: so many positions before it have none."""
        return self.first

    def call(self, inputs: Tensor) -> Tensor:
        visible = self._visible(inputs)
        counts = ops.cast(ops.cumsum(visible, axis=1), "int32")
        return counts * visible + (self.first - 1)

    def _visible(self, ids):
        return ops.cast(ops.not_equal(ops.cast(ids, "int32"), self.pad_id), "int32")

    def step(self, context: Any, inputs: Tensor) -> Tensor:
        """Return position ids (R, 1) for a new token of each row."""
        visible = self._visible(inputs)
        return (context.num_tokens + visible) * visible + (self.first - 1)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "pad_id": self.pad_id, "first": self.first}


@register
class ConstantIds(_Ids):
    """One id for every token, such as the only segment id or task id.

    Args:
        value: the id.

    Call arguments:
        inputs: ids of tokens (B, L).

    Returns:
        Ids (B, L), int32.

    Example:
        >>> import numpy as np
        >>> from bert4keras.layers import ConstantIds
        >>> np.array(ConstantIds(3)(np.array([[5, 7]]))).tolist()
        [[3, 3]]
    """

    is_positionwise = True

    def __init__(self, value: int = 0, **kwargs: Any):
        super().__init__(**kwargs)
        self.value = value
        check_arguments(self, check_integer, "value", minimum=0)

    def call(self, inputs: Tensor) -> Tensor:
        return ops.full_like(inputs, self.value, dtype="int32")

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "value": self.value}
