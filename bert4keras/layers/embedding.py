"""The embedding of ids, which can also serve as the output layer tied to it."""

import keras
from keras import ops

from bert4keras import backend
from bert4keras.layers.base import register


@register
class Embedding(keras.layers.Embedding):
    """Vectors for ids; or, with ``mode="dense"``, scores for ids from vectors by the same table.

    Args:
        input_dim: number of ids n.
        output_dim: size D of a vector.
        embeddings_initializer: "uniform" by default.
        mask_zero: hide ``pad_id``.
        pad_id: the id that is padding.
        **kwargs: as for ``keras.layers.Embedding``.

    Call arguments:
        inputs: ids (B, L), integers or whole floats; or vectors (B, L, D) with ``mode="dense"``.
        mode: "embedding" or "dense".

    Returns:
        (B, L, D), or (B, L, n). With ``mask_zero`` ids equal to ``pad_id`` are masked, save in the
        first position (T5 begins with 0); in dense mode the mask of the inputs passes.

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

    def __init__(self, input_dim, output_dim, *args, pad_id=0, **kwargs):
        super().__init__(input_dim, output_dim, *args, **kwargs)
        self.pad_id = pad_id
        self.supports_masking = True
        self.supports_jit = backend.supports_jit

    def call(self, inputs, mode="embedding"):
        table = ops.cast(self.embeddings, self.compute_dtype)
        if mode == "dense":
            return ops.matmul(ops.cast(inputs, self.compute_dtype), ops.transpose(table))
        ids = ops.cast(inputs, "int32")
        low, high = ops.min(ids, initial=0), ops.max(ids, initial=0)
        ids = backend.assert_that(
            ops.logical_and(low >= 0, high < self.input_dim),
            f"{self.name} takes ids from 0 to {self.input_dim - 1}; the smallest and the largest "
            "given are as follows. Is the vocabulary the one of this model, or was keep_tokens "
            "forgotten on one side?",
            low,
            high,
            passthrough=ids,
        )
        return ops.take(table, ids, axis=0)

    def step(self, context, inputs, mode="embedding"):
        """The same for a new token of each row."""
        if mode == "dense":
            return self._scores_of_few(inputs)
        if self.mask_zero:
            context.mark_padding(ops.equal(ops.cast(inputs, "int32"), self.pad_id))
        return self.call(inputs)

    def _scores_of_few(self, inputs):
        """As in dense mode, for (R, 1, D): for few rows CPUs are quicker with the table first."""
        table = ops.cast(self.embeddings, self.compute_dtype)
        x = ops.cast(ops.squeeze(inputs, 1), self.compute_dtype)
        return ops.expand_dims(ops.transpose(ops.matmul(table, ops.transpose(x))), 1)

    def compute_output_spec(self, inputs, mode="embedding"):
        if mode == "dense":
            shape = (*inputs.shape[:-1], self.input_dim)
        else:
            shape = (*inputs.shape, self.output_dim)
        return keras.KerasTensor(shape, dtype=self.compute_dtype)

    def compute_mask(self, inputs, mask=None):
        if not self.mask_zero or len(inputs.shape) != 2:
            return mask
        visible = ops.not_equal(ops.cast(inputs, "int32"), self.pad_id)
        return ops.concatenate([ops.ones_like(visible[:, :1]), visible[:, 1:]], axis=1)

    def get_config(self):
        return {**super().get_config(), "pad_id": self.pad_id}
