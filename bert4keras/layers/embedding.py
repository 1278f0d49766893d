"""Embedding of ids, which also makes the padding mask and the tied output layer."""

from typing import Any, Literal

import keras
from keras import ops

from bert4keras import backend
from bert4keras.backend.types import Tensor
from bert4keras.checks import (
    check_arguments,
    check_choice,
    check_integer,
    check_size,
    check_string,
)
from bert4keras.layers.base import register

_Mode = Literal["embedding", "dense"]


@register
class Embedding(keras.layers.Embedding):
    """Embedding of ids; with ``mode="dense"``, scores of ids from vectors by the same table.

    Args:
        input_dim: number of ids n.
        output_dim: size D of a vector.
        embeddings_initializer: "uniform" by default.
        mask_zero: make a padding mask that hides ``pad_id``.
        pad_id: the id of padding.
        padding_side: None hides ``pad_id`` everywhere; "right" hides only the run of it at the end
            of a row, if it is an ordinary token as well.
        pad_is_special: True if ``pad_id`` also begins or ends texts.
        input_role: the role of the ids in decoding, "token_ids" or "segment_ids".
        **kwargs: as for ``keras.layers.Embedding``.

    Call arguments:
        inputs: ids (B, L), integers or whole floats; or vectors (B, L, D) with ``mode="dense"``.
        mode: "embedding" or "dense".

    Returns:
        (B, L, D), or (B, L, n). With ``mask_zero`` ids equal to ``pad_id`` are masked, those at
        the end of a row or all, except in the first position (T5 starts with 0); in dense mode the
        mask of the inputs passes.

    Raises:
        ValueError: an id outside the table.

    Example:
        >>> import numpy as np
        >>> from bert4keras.layers import Embedding
        >>> table = Embedding(10, 4)
        >>> vectors = table(np.array([[1, 2, 3]]))
        >>> tuple(vectors.shape), tuple(table(vectors, mode="dense").shape)
        ((1, 3, 4), (1, 3, 10))
    """

    def __init__(
        self,
        input_dim: int,
        output_dim: int,
        *args: Any,
        pad_id: int = 0,
        padding_side: Literal["right"] | None = None,
        pad_is_special: bool = False,
        input_role: str = "token_ids",
        **kwargs: Any,
    ):
        for name, size in (("input_dim", input_dim), ("output_dim", output_dim)):
            check_size(f"{name} of {type(self).__name__}", size)
        super().__init__(input_dim, output_dim, *args, **kwargs)
        check_choice("padding_side", padding_side, (None, "right"))
        self.pad_id = pad_id
        self.padding_side = padding_side
        self.pad_is_special = pad_is_special
        check_arguments(self, check_integer, "pad_id", is_optional=True)
        check_string(f"input_role of {type(self).__name__}", input_role)
        self.input_roles: tuple[str, ...] = (input_role,)
        self.supports_masking = True
        self.supports_jit: bool = (
            backend.backend_name != "tensorflow"
        )  # XLA compiles each length anew

    def call(self, inputs: Tensor, mode: _Mode = "embedding") -> Tensor:
        table = ops.cast(self.embeddings, self.compute_dtype)
        if mode == "dense":
            return ops.matmul(ops.cast(inputs, self.compute_dtype), ops.transpose(table))
        ids = ops.cast(inputs, "int32")
        low, high = ops.min(ids, initial=0), ops.max(ids, initial=0)
        ids = backend.assert_that(
            ops.logical_and(low >= 0, high < self.input_dim),
            f"Expected ids from 0 to {self.input_dim - 1} in {self.name}. Use the vocabulary of "
            "this model, and the same keep_tokens in tokenizer and model. Got these smallest and "
            "largest ids:",
            low,
            high,
            passthrough=ids,
        )
        return ops.take(table, ids, axis=0)

    def step(self, context: Any, inputs: Tensor, mode: _Mode = "embedding") -> Tensor:
        """Return vectors (R, 1, D) for a new token of each row, or scores (R, 1, n)."""
        if mode == "dense":
            return self._scores_of_few(inputs)
        if self.mask_zero and self.padding_side is None:
            context.mark_padding(ops.equal(ops.cast(inputs, "int32"), self.pad_id))
        return self.call(inputs)

    def _scores_of_few(self, inputs):
        """Compute dense mode for (R, 1, D): with few rows, CPUs are faster with the table first."""
        table = ops.cast(self.embeddings, self.compute_dtype)
        x = ops.cast(ops.squeeze(inputs, 1), self.compute_dtype)
        return ops.expand_dims(ops.transpose(ops.matmul(table, ops.transpose(x))), 1)

    def compute_output_spec(self, inputs: Tensor, mode: _Mode = "embedding") -> keras.KerasTensor:
        if mode == "dense":
            shape = (*inputs.shape[:-1], self.input_dim)
        else:
            shape = (*inputs.shape, self.output_dim)
        return keras.KerasTensor(shape, dtype=self.compute_dtype)

    def compute_mask(self, inputs: Tensor, mask: Any = None) -> Any:
        if not self.mask_zero or len(inputs.shape) != 2:
            return mask
        visible = ops.not_equal(ops.cast(inputs, "int32"), self.pad_id)
        if self.padding_side == "right":  # visible up to the last token of another id
            counts = ops.cumsum(ops.flip(ops.cast(visible, "int32"), axis=1), axis=1)
            visible = ops.flip(counts > 0, axis=1)
        return ops.concatenate([ops.ones_like(visible[:, :1]), visible[:, 1:]], axis=1)

    def get_config(self) -> dict[str, Any]:
        config = {**super().get_config(), "pad_id": self.pad_id}
        if self.padding_side is not None:
            config |= {"padding_side": self.padding_side, "pad_is_special": self.pad_is_special}
        (role,) = self.input_roles
        return config if role == "token_ids" else {**config, "input_role": role}

    @classmethod
    def from_config(cls, config: dict[str, Any], *args: Any, **kwargs: Any) -> "Embedding":
        # Files from before input_role, and those of 0.x, tell segments by the name of the layer.
        if "input_role" not in config and config.get("name", "").endswith("Embedding-Segment"):
            config = {**config, "input_role": "segment_ids"}
        return super().from_config(config, *args, **kwargs)
