"""Merge, split and mark sequences, with their padding masks.

Keras 3 carries the padding mask of a tensor as an attribute of it. Its own merging layers drop the
mask when one input has none; these keep it.
"""

from typing import Any

import keras
from keras import ops

from bert4keras.backend.types import Shape, Tensor
from bert4keras.checks import check_arguments, check_number, check_size
from bert4keras.layers.base import Layer, register


def _first_mask(masks):
    return next((mask for mask in masks or () if mask is not None), None)


_SAME_LENGTH = "Give each text as many segment ids as token ids."
_EXPORT = (
    "JAX exports each input with a length of its own. Build the model with sequence_length=..., or "
    "save it as .keras and export it under TensorFlow."
)


@register
class Add(Layer):
    """Sum of tensors of one shape; the padding mask is that of the first input that has one.

    ``Add`` of Keras 3 drops the mask as soon as one input has none.

    Raises:
        ValueError: inputs of different lengths.
    """

    is_positionwise = True

    def call(self, inputs: list[Tensor]) -> Tensor:
        # strings, because a model that JAX exports has lengths such as `a` and `b`
        lengths = {str(x.shape[1]): x for x in inputs if len(x.shape) > 1}
        lengths = [length for length in lengths if length not in ("None", "1")]
        if len(lengths) > 1:
            are_numbers = all(length.isdigit() for length in lengths)
            raise ValueError(
                f"Expected inputs of one length in {self.name}, got the lengths "
                f"{' and '.join(lengths)}. {_SAME_LENGTH if are_numbers else _EXPORT}"
            )
        total = inputs[0]
        for x in inputs[1:]:
            total = total + x
        return total

    def compute_mask(self, inputs: Any, mask: Any = None) -> Any:
        return _first_mask(mask)


@register
class FirstToken(Layer):
    """The vector of the first token: (B, L, D) to (B, D)."""

    def call(self, inputs: Tensor) -> Tensor:
        return inputs[:, 0]

    def compute_mask(self, inputs: Any, mask: Any = None) -> Any:
        return None


@keras.saving.register_keras_serializable("bert4keras", name="WithMask")
class AttachMask(Layer):
    """Attach a padding mask, given as numbers, where Keras lost it or never had one.

    Call arguments:
        inputs: ``[x, mask]``, (B, L, ...) and (B, L); x is padding where the mask is 0.

    Returns:
        x, unchanged, with the mask.
    """

    def call(self, inputs: list[Tensor]) -> Tensor:
        return ops.copy(inputs[0])

    def compute_output_spec(self, inputs: list[Tensor]) -> keras.KerasTensor:
        return keras.KerasTensor(inputs[0].shape, dtype=self.compute_dtype)

    def compute_mask(self, inputs: Any, mask: Any = None) -> Any:
        return ops.not_equal(inputs[1], 0)


@register
class Concatenate1D(Layer):
    """Concatenate sequences (B, L_i, D) along L; an input without a mask counts as visible.

    Returns:
        A tensor (B, sum of L_i, D) with a mask.
    """

    def call(self, inputs: list[Tensor]) -> Tensor:
        return ops.concatenate(inputs, axis=1)

    def compute_mask(self, inputs: Any, mask: Any = None) -> Any:
        masks = mask or [None] * len(inputs)
        visible = [
            ops.ones_like(x[:, :, 0], dtype="bool") if m is None else m
            for x, m in zip(inputs, masks)
        ]
        return ops.concatenate(visible, axis=1)


@register
class BatchSplit(Layer):
    """Split tensors along the batch into parts.

    Args:
        parts: a number of parts, of equal size except the last; or a list of their relative sizes.

    Returns:
        A flat list: the parts of the first input, then those of the second, and so on.
    """

    def __init__(self, parts: int | list[float], **kwargs: Any):
        super().__init__(**kwargs)
        self.parts = parts
        if isinstance(parts, list | tuple):
            for number, part in enumerate(parts):
                check_number(f"parts[{number}] of {type(self).__name__}", part, minimum=0)
            check_number(f"the sum of parts of {type(self).__name__}", sum(parts), above=0)
        else:
            check_arguments(self, check_size, "parts")

    def _cuts(self, batch):
        if isinstance(self.parts, int):
            size = (batch + self.parts - 1) // self.parts
            return [size * i for i in range(self.parts + 1)]
        sums = [sum(self.parts[:i]) for i in range(len(self.parts) + 1)]
        return [batch * s // sums[-1] for s in sums]

    @property
    def count(self) -> int:
        """Number of parts."""
        return self.parts if isinstance(self.parts, int) else len(self.parts)

    def _split(self, x):
        if x is None:
            return [None] * self.count
        if isinstance(x, keras.KerasTensor):  # a symbolic mask
            return [keras.KerasTensor((None, *x.shape[1:]), x.dtype) for _ in range(self.count)]
        cuts = self._cuts(ops.shape(x)[0])
        return [x[start:end] for start, end in zip(cuts, cuts[1:])]

    def call(self, inputs: Any) -> list[Tensor]:
        inputs = inputs if isinstance(inputs, list | tuple) else [inputs]
        return [part for x in inputs for part in self._split(x)]

    def compute_mask(self, inputs: Any, mask: Any = None) -> Any:
        masks = mask if isinstance(mask, list | tuple) else [mask]
        return [part for m in masks for part in self._split(m)]

    def compute_output_shape(self, input_shape: Shape) -> list[tuple[int | None, ...]]:
        is_list = input_shape and isinstance(input_shape[0], list | tuple)
        shapes = input_shape if is_list else [input_shape]
        return [(None, *shape[1:]) for shape in shapes for _ in range(self.count)]

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "parts": self.parts}


@register
class BatchConcat(Layer):
    """Concatenate tensors along the batch: the inverse of ``BatchSplit``."""

    def call(self, inputs: list[Tensor]) -> Tensor:
        return ops.concatenate(inputs, axis=0)

    def compute_mask(self, inputs: Any, mask: Any = None) -> Any:
        return None if _first_mask(mask) is None else ops.concatenate(mask, axis=0)
