"""Where a token stands: position embeddings."""

import keras
from keras import ops

from bert4keras import backend
from bert4keras.layers.base import Layer, register


@register
class PositionEmbedding(Layer):
    """A learnt vector for each position.

    Args:
        input_dim: number of positions n.
        output_dim: size of a vector.
        merge_mode: "add"; "mul" for x (e + 1); "zero" for e alone; anything else concatenates.
        hierarchical: reach n^2 positions with n vectors (https://kexue.fm/archives/7947):
            True for the weight 0.4, or a number between 0 and 1.
        embeddings_initializer: "zeros" by default.
        custom_position_ids: take inputs ``[x, ids]`` with ids (B, L), integers or whole floats.

    Call arguments:
        inputs: x (B, L, D), or ``[x, ids]``.

    Returns:
        (B, L, D); with "zero" (1 or B, L, output_dim), with concatenation (B, L, D + output_dim).
        The mask of x passes.

    Raises:
        ValueError: more positions than the table reaches.
    """

    def __init__(
        self,
        input_dim,
        output_dim,
        merge_mode="add",
        hierarchical=None,
        embeddings_initializer="zeros",
        custom_position_ids=False,
        **kwargs,
    ):
        super().__init__(**kwargs)
        self.input_dim = input_dim
        self.output_dim = output_dim
        self.merge_mode = merge_mode
        self.hierarchical = hierarchical
        self.embeddings_initializer = keras.initializers.get(embeddings_initializer)
        self.custom_position_ids = custom_position_ids
        self.autocast = False  # ids stay exact

    def build(self, input_shape):
        self.embeddings = self.add_weight(
            shape=(self.input_dim, self.output_dim),
            initializer=self.embeddings_initializer,
            name="embeddings",
        )

    @property
    def reach(self):
        """How many positions there are."""
        return self.input_dim**2 if self.hierarchical else self.input_dim

    def call(self, inputs):
        x, ids = inputs if self.custom_position_ids else (inputs, None)
        x = ops.cast(x, self.compute_dtype)
        if ids is None:
            length = ops.shape(x)[1]
            self._check(length - 1)
            ids = ops.expand_dims(ops.arange(length, dtype="int32"), 0)
        else:
            ids = ops.cast(ids, "int32")
            self._check(ops.max(ids, initial=0))
        return self._merge(x, ops.cast(self._vectors(ids), self.compute_dtype))

    def _check(self, last):
        message = (
            f"{self.name} has {self.reach} positions, the text is longer: its last position, "
            "counted from 0, is as follows. Cut the text with maxlen=..., or build the model with "
            "hierarchical_position=True."
        )
        backend.check(last < self.reach, message, last)

    def _vectors(self, ids):
        table = ops.convert_to_tensor(self.embeddings)
        if not self.hierarchical:
            return ops.take(table, ids, axis=0)
        alpha = 0.4 if self.hierarchical is True else self.hierarchical
        table = (table - alpha * table[:1]) / (1 - alpha)
        coarse, fine = ids // self.input_dim, ids % self.input_dim
        return alpha * ops.take(table, coarse, axis=0) + (1 - alpha) * ops.take(table, fine, axis=0)

    def _merge(self, x, vectors):
        if self.merge_mode == "add":
            return x + vectors
        if self.merge_mode == "mul":
            return x * (vectors + 1)
        if self.merge_mode == "zero":
            return vectors
        vectors = ops.broadcast_to(vectors, (*ops.shape(x)[:2], self.output_dim))
        return ops.concatenate([x, vectors], axis=-1)

    def compute_output_spec(self, inputs):
        x = inputs[0] if self.custom_position_ids else inputs
        if self.merge_mode == "zero":
            shape = inputs[1].shape if self.custom_position_ids else (1, x.shape[1])
            return keras.KerasTensor((*shape, self.output_dim), dtype=self.compute_dtype)
        grown = 0 if self.merge_mode in ("add", "mul") else self.output_dim
        return keras.KerasTensor((*x.shape[:2], x.shape[2] + grown), dtype=self.compute_dtype)

    def compute_mask(self, inputs, mask=None):
        return mask[0] if self.custom_position_ids and mask is not None else mask

    def get_config(self):
        return {
            **super().get_config(),
            "input_dim": self.input_dim,
            "output_dim": self.output_dim,
            "merge_mode": self.merge_mode,
            "hierarchical": self.hierarchical,
            "embeddings_initializer": keras.initializers.serialize(self.embeddings_initializer),
            "custom_position_ids": self.custom_position_ids,
        }
