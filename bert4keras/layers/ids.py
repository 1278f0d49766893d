"""Ids that follow from the ids of tokens, so that no one has to give them."""

from keras import KerasTensor, ops

from bert4keras.layers.base import Layer, register


class _Ids(Layer):
    """What they share: ids (B, L) in, ids (B, L) in int32 out, exact in any precision."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.autocast = False  # ids stay exact

    def compute_output_spec(self, inputs):
        return KerasTensor(inputs.shape, dtype="int32")


@register
class CountedPositions(_Ids):
    """Positions that count what is no padding, as RoBERTa does (Liu et al., arXiv:1907.11692).

    Args:
        pad_id: the id that is padding.
        first: the position of the first token.

    Call arguments:
        inputs: ids of tokens (B, L), integers or whole floats.

    Returns:
        Positions (B, L), int32; all padding, wherever it stands, is at ``first - 1``.

    Example:
        >>> import numpy as np
        >>> from bert4keras.layers import CountedPositions
        >>> ids = CountedPositions(pad_id=1, first=2)(np.array([[0, 7, 2, 1, 1]]))
        >>> np.array(ids).tolist()
        [[2, 3, 4, 1, 1]]
    """

    def __init__(self, pad_id=1, first=2, **kwargs):
        super().__init__(**kwargs)
        self.pad_id = pad_id
        self.first = first

    def call(self, inputs):
        visible = self._visible(inputs)
        counts = ops.cast(ops.cumsum(visible, axis=1), "int32")
        return counts * visible + (self.first - 1)

    def _visible(self, ids):
        return ops.cast(ops.not_equal(ops.cast(ids, "int32"), self.pad_id), "int32")

    def step(self, context, inputs):
        """The same for a new token of each row."""
        visible = self._visible(inputs)
        return (context.num_tokens + visible) * visible + (self.first - 1)

    def get_config(self):
        return {**super().get_config(), "pad_id": self.pad_id, "first": self.first}


@register
class ConstantIds(_Ids):
    """The same id for every token, such as that of the only segment or task.

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

    def __init__(self, value=0, **kwargs):
        super().__init__(**kwargs)
        self.value = value

    def call(self, inputs):
        return ops.full_like(inputs, self.value, dtype="int32")

    def get_config(self):
        return {**super().get_config(), "value": self.value}
