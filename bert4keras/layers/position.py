"""Position embeddings, learnt and sinusoidal; ``relative`` has those of distances."""

from collections.abc import Sequence
from typing import Any

import keras
from keras import ops

from bert4keras import backend
from bert4keras.backend.types import Initializer, Shape, Tensor
from bert4keras.checks import (
    check_arguments,
    check_boolean,
    check_choice,
    check_number,
    check_size,
)
from bert4keras.layers.base import Layer, register


def get_initializer(identifier: Initializer) -> Any:
    """Return the initializer of a name, of Keras or of this library, such as "Sinusoidal"."""
    with keras.saving.custom_object_scope(backend.custom_objects):
        return keras.initializers.get(identifier)


_MERGE_MODES = ("add", "mul", "zero", "concat", "concatenate", None)


class _PositionEmbedding(Layer):
    """Base of position embeddings: takes position ids, and merges their vectors with the input.

    A subclass defines ``_vectors(ids)``, from ids (1 or B, L) to (1 or B, L, output_dim).
    """

    def __init__(
        self,
        output_dim: int,
        merge_mode: str = "add",
        custom_position_ids: bool = False,
        **kwargs: Any,
    ):
        super().__init__(**kwargs)
        self.output_dim = output_dim
        self.merge_mode = merge_mode
        self.custom_position_ids = custom_position_ids
        self.autocast = False  # ids stay exact
        check_arguments(self, check_size, "output_dim")
        check_arguments(self, check_choice, "merge_mode", choices=_MERGE_MODES)
        check_arguments(self, check_boolean, "custom_position_ids")

    def call(self, inputs: Any) -> Tensor:
        x, ids = inputs if self.custom_position_ids else (inputs, None)
        x = ops.cast(x, self.compute_dtype)
        if ids is None:
            ids = ops.expand_dims(ops.arange(ops.shape(x)[1], dtype="int32"), 0)
        return self._merge(x, ops.cast(self._vectors(ids), self.compute_dtype))

    def step(self, context: Any, inputs: Any) -> Tensor:
        """Return the output (R, 1, ...) for a new token of each row."""
        if self.custom_position_ids:
            return self.call(inputs)
        vectors = ops.cast(self._look_up(context.position), self.compute_dtype)
        return self._merge(ops.cast(inputs, self.compute_dtype), vectors)

    @property
    def input_roles(self):
        """The roles of the inputs, as decoding asks for them."""
        return (None, "position_ids") if self.custom_position_ids else ()

    def _look_up(self, ids):
        """Return the vectors of ids that are below the number of positions."""
        return self._vectors(ids)

    def _merge(self, x, vectors):
        if self.merge_mode == "add":
            return x + vectors
        if self.merge_mode == "mul":
            return x * (vectors + 1)
        if self.merge_mode == "zero":
            return vectors
        vectors = ops.broadcast_to(vectors, (*ops.shape(x)[:2], self.output_dim))
        return ops.concatenate([x, vectors], axis=-1)

    def compute_output_spec(self, inputs: Any) -> keras.KerasTensor:
        x = inputs[0] if self.custom_position_ids else inputs
        if self.merge_mode == "zero":
            shape = inputs[1].shape if self.custom_position_ids else (1, x.shape[1])
            return keras.KerasTensor((*shape, self.output_dim), dtype=self.compute_dtype)
        extra = 0 if self.merge_mode in ("add", "mul") else self.output_dim
        return keras.KerasTensor((*x.shape[:2], x.shape[2] + extra), dtype=self.compute_dtype)

    def compute_mask(self, inputs: Any, mask: Any = None) -> Any:
        return mask[0] if self.custom_position_ids and mask is not None else mask

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "output_dim": self.output_dim,
            "merge_mode": self.merge_mode,
            "custom_position_ids": self.custom_position_ids,
        }


@register
class PositionEmbedding(_PositionEmbedding):
    """Position embedding with a learnt vector for each position.

    Args:
        input_dim: number of positions n.
        output_dim: size of a vector.
        merge_mode: "add"; "mul" for x (e + 1); "zero" for e alone; "concat".
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
        ValueError: more positions than ``max_positions``.
    """

    def __init__(
        self,
        input_dim: int,
        output_dim: int,
        merge_mode: str = "add",
        hierarchical: bool | float | None = None,
        embeddings_initializer: Initializer = "zeros",
        custom_position_ids: bool = False,
        **kwargs: Any,
    ):
        super().__init__(output_dim, merge_mode, custom_position_ids, **kwargs)
        self.input_dim = input_dim
        self.hierarchical = hierarchical
        self.embeddings_initializer: Any = get_initializer(embeddings_initializer)
        check_arguments(self, check_size, "input_dim")
        if not isinstance(hierarchical, bool | None):
            check_arguments(self, check_number, "hierarchical", minimum=0, below=1)

    def build(self, input_shape: Shape) -> None:
        self.embeddings: Any = self.add_weight(
            shape=(self.input_dim, self.output_dim),
            initializer=self.embeddings_initializer,
            name="embeddings",
        )

    @property
    def max_positions(self) -> int:
        """Number of positions."""
        return self.input_dim**2 if self.hierarchical else self.input_dim

    def _vectors(self, ids):
        ids = ops.cast(ids, "int32")
        last = ops.max(ids, initial=0) if self.custom_position_ids else ops.shape(ids)[1] - 1
        if not isinstance(last, int):
            last = ops.convert_to_tensor(last, "int32")  # JAX exports with a length that is unknown
        return self._look_up(self._check_range(ids, last))

    def _look_up(self, ids):
        table = ops.convert_to_tensor(self.embeddings)
        if not self.hierarchical:
            return ops.take(table, ids, axis=0)
        alpha = 0.4 if self.hierarchical is True else self.hierarchical
        table = (table - alpha * table[:1]) / (1 - alpha)
        coarse, fine = ids // self.input_dim, ids % self.input_dim
        return alpha * ops.take(table, coarse, axis=0) + (1 - alpha) * ops.take(table, fine, axis=0)

    def _check_range(self, ids, last):
        message = (
            f"Expected at most {self.max_positions} positions, the text is longer than {self.name} "
            "allows. Cut the text with maxlen=..., or build the model with "
            "hierarchical_position=True. Got this last position, counted from 0:"
        )
        return backend.assert_that(last < self.max_positions, message, last, passthrough=ids)

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "input_dim": self.input_dim,
            "hierarchical": self.hierarchical,
            "embeddings_initializer": keras.initializers.serialize(self.embeddings_initializer),
        }


@register
class SinusoidalPositionEmbedding(_PositionEmbedding):
    """Sinusoidal position embedding (Vaswani et al., arXiv:1706.03762), without weights.

    Args:
        output_dim: size of a vector, even.
        merge_mode: "add"; "mul" for x (e + 1); "zero" for e alone, as rotary embedding takes it;
            "concat".
        custom_position_ids: take inputs ``[x, ids]`` with ids (B, L); fractions are positions too.
        base: the longest wavelength is ``2 pi base``.
        frequencies: radians from one position to the next, one for each pair of features,
            instead of ``base``.

    Call arguments:
        inputs: x (B, L, D), or ``[x, ids]``.

    Returns:
        (B, L, D); with "zero" (1 or B, L, output_dim), with concatenation (B, L, D + output_dim).
        The mask of x passes.

    Raises:
        ValueError: an odd ``output_dim``.

    Example:
        >>> import numpy as np
        >>> from bert4keras.layers import SinusoidalPositionEmbedding
        >>> tuple(SinusoidalPositionEmbedding(4, "zero")(np.ones((2, 5, 8), "float32")).shape)
        (1, 5, 4)
    """

    def __init__(
        self,
        output_dim: int,
        merge_mode: str = "add",
        custom_position_ids: bool = False,
        base: float = 10000,
        frequencies: Sequence[float] | None = None,
        **kwargs: Any,
    ):
        super().__init__(output_dim, merge_mode, custom_position_ids, **kwargs)
        self.base = base
        self.frequencies = frequencies
        check_arguments(self, check_number, "base", above=0)
        for number, frequency in enumerate([] if frequencies is None else frequencies):
            check_number(f"frequencies[{number}] of {type(self).__name__}", frequency, minimum=0)

    def _vectors(self, ids):
        if self.frequencies is None:
            return backend.sinusoidal_embeddings(ids, self.output_dim, self.base)
        return backend.sin_cos(ids, self.frequencies)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "base": self.base, "frequencies": self.frequencies}
