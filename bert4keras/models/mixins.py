"""Mixins that families are composed of: attention masks, heads, normalizations, positions.

Each defines hooks of ``Transformer`` that the others do not, and calls no ``super()``.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal

from keras.layers import Activation

from bert4keras.backend import Sinusoidal, get_activation
from bert4keras.backend.types import Tensor
from bert4keras.layers import (
    Add,
    CausalMask,
    RelativePositionEmbedding,
    SinusoidalPositionEmbedding,
    UniLMMask,
)

if TYPE_CHECKING:
    from bert4keras.models.transformer import Transformer as _Base
else:
    _Base = object  # each mixin stands before a Transformer


# Attention masks


class LM_Mask(_Base):
    """Causal mask: each position sees itself and those before it, as in a language model."""

    mask_kind: Literal["full", "causal", "unilm"] = "causal"

    def compute_attention_bias(self, index: Any = None) -> Tensor:
        """Return the causal mask."""
        if self.attention_bias is None:
            self.attention_bias: Tensor | None = self.apply(
                self.inputs[0], CausalMask, name="Attention-LM-Mask"
            )
        return self.attention_bias


class UniLM_Mask(_Base):
    """UniLM mask: segment 0 sees itself, segment 1 also what came before: sequence to sequence.

    From "Unified Language Model Pre-training" (arXiv:1905.03197, https://kexue.fm/archives/6933).
    """

    mask_kind: Literal["full", "causal", "unilm"] = "unilm"

    def compute_attention_bias(self, index: Any = None) -> Tensor:
        """Return the UniLM mask."""
        if self.attention_bias is None:
            segments = self.layers.get(self.prefix + "Input-Segment")
            if segments is None:
                raise ValueError(
                    "application='unilm' tells source from target by segment ids, but the model "
                    "has no input of segments. Leave segment_vocab_size above 0, or use 'lm'."
                )
            self.attention_bias: Tensor | None = self.apply(
                segments, UniLMMask, name="Attention-UniLM-Mask"
            )
        return self.attention_bias


def extend_with_language_model(BaseModel: type) -> type:
    """Return a subclass of ``BaseModel`` that is a language model, with its token head."""
    if issubclass(BaseModel, LM_Mask):
        return BaseModel
    return _add_mask(LM_Mask, BaseModel, "LanguageModel")


def extend_with_unified_language_model(BaseModel: type) -> type:
    """Return a subclass of ``BaseModel`` that is a UniLM, with its token head."""
    return _add_mask(UniLM_Mask, BaseModel, "UnifiedLanguageModel")


def extend_with_causal_mask(BaseModel: type) -> type:
    """Return a subclass of ``BaseModel`` with a causal mask, and the same heads."""
    if issubclass(BaseModel, LM_Mask):
        return BaseModel
    return type("CausalModel", (LM_Mask, BaseModel), {"__doc__": LM_Mask.__doc__})


def _add_mask(mask: type, base: type, name: str) -> type:
    def __init__(self: Any, *args: Any, **kwargs: Any) -> None:
        super(subclass, self).__init__(*args, **kwargs)
        self.with_mlm = self.with_mlm or True

    subclass = type(name, (mask, base), {"__init__": __init__, "__doc__": mask.__doc__})
    return subclass


# Heads


class LanguageModelHead(_Base):
    """Scores of the next token, from the table of embeddings, under ``final_activation``."""

    final_activation: Any

    def apply_heads(self, inputs: Tensor) -> Tensor:
        """Predict the next token at each position: (B, L, V)."""
        return self.apply(
            self.score_tokens(inputs),
            Activation,
            activation=get_activation(self.final_activation),
            dtype=self.output_dtype,
            name="LM-Activation",
        )


def check_embedding_size(model: Any) -> None:
    """Raise a ValueError if embeddings have another size than the blocks, whose scores need one."""
    if model.embedding_size != model.hidden_size:
        raise ValueError(
            f"{type(model).__name__} has no map between embeddings and blocks: embedding_size "
            f"must be hidden_size, got {model.embedding_size} and {model.hidden_size}"
        )


# Windows


FULL_ATTENTION, SLIDING_ATTENTION = "full_attention", "sliding_attention"  # kinds of blocks


def check_layer_types(kinds: Sequence[str], depth: int | None) -> None:
    """Raise a ValueError unless each block has one of the known kinds of attention.

    Args:
        kinds: the kind of each block.
        depth: number of blocks, if it is known.
    """
    unknown = [kind for kind in kinds if kind not in (FULL_ATTENTION, SLIDING_ATTENTION)]
    if unknown or len(kinds) != (depth or len(kinds)):
        raise ValueError(
            f"layer_types must name one of {FULL_ATTENTION}, {SLIDING_ATTENTION} for each of the "
            f"{depth} blocks, got {kinds}"
        )


# Normalizations


class PreNorm(_Base):
    """Norm before each sublayer; the residual sum is not normalized."""

    def residual(self, x: Tensor, name: str, sublayer: Callable[[Tensor, str], Tensor]) -> Tensor:
        """Join a sublayer to its input: norm, sublayer, dropout, sum."""
        y = sublayer(self.normalize(x, f"{name}-Norm"), name)
        return self.apply([x, self.dropout(y, f"{name}-Dropout")], Add, name=f"{name}-Add")


class RMSNorm(_Base):
    """Root mean square normalization, without centering and offset (arXiv:1910.07467)."""

    norm_options: Mapping[str, Any] = {"zero_mean": False, "offset": False}


# Positions


def without_positions(weights: dict[str, list[str]]) -> dict[str, list[str]]:
    """Return a table of weights without learnt absolute positions."""
    return {layer: names for layer, names in weights.items() if layer != "Embedding-Position"}


def check_equal_sizes(model: Any, reason: str) -> None:
    """Raise a ValueError unless keys and values have one size.

    Args:
        reason: why they must, for the message; "keys and values" come before it.
    """
    if model.attention_key_size != model.attention_head_size:
        raise ValueError(
            f"keys and values {reason}: attention_key_size must equal attention_head_size, got "
            f"{model.attention_key_size} and {model.attention_head_size}"
        )


class RotaryPositions(_Base):
    """Rotary positions: queries and keys turn by an angle that grows with the position.

    RoPE, arXiv:2104.09864. The arguments in ``unsupported_args`` mean nothing with them.
    """

    position_kind: str | None = "rotary"
    position_dtype = "float32"  # fractions are positions too
    rotary_options: Mapping[str, Any] = {}  # further arguments of the sines and cosines
    unsupported_args: tuple[str, ...] = ("hierarchical_position",)
    custom_position_ids: bool

    def embed_positions(self, inputs: Any) -> Tensor:
        """Return the vectors as they are: nothing is added."""
        return inputs[0] if isinstance(inputs, list) else inputs

    def compute_position_bias(self, inputs: Any = None) -> Tensor:
        """Return sines and cosines (1 or B, L, key_size)."""
        if self.attention_key_size % 2:
            raise ValueError(
                "rotary positions turn pairs of features: attention_key_size must be even, got "
                f"{self.attention_key_size}"
            )
        if self.position_bias is None:
            ids = [self.layers[self.prefix + "Input-Position"]] if self.custom_position_ids else []
            self.position_bias: Any = self.apply(
                self.simplify([inputs, *ids]),
                SinusoidalPositionEmbedding,
                output_dim=self.attention_key_size,
                merge_mode="zero",
                custom_position_ids=self.custom_position_ids,
                name="Embedding-Rotary-Position",
                **self.rotary_options,
            )
        return self.position_bias


class RelativePositions(_Base):
    """Relative positions: clipped distances have vectors, added to keys and values.

    From arXiv:1803.02155. The arguments in ``unsupported_args`` mean nothing with them.
    """

    position_kind: str | None = "typical_relative"
    max_relative_position: int = 64  # distances beyond it count as it
    unsupported_args: tuple[str, ...] = ("hierarchical_position", "custom_position_ids")

    def embed_positions(self, inputs: Any) -> Tensor:
        """Return the vectors as they are: nothing is added."""
        return inputs

    def compute_position_bias(self, inputs: Any = None) -> Tensor:
        """Return vectors of distances (L, L, key_size): sines and cosines that are not trained."""
        check_equal_sizes(self, "have vectors of distances in common")
        if self.position_bias is None:
            self.position_bias: Any = self.apply(
                [inputs, inputs],
                RelativePositionEmbedding,
                input_dim=2 * self.max_relative_position + 1,
                output_dim=self.attention_key_size,
                embeddings_initializer=Sinusoidal(),
                trainable=False,
                name="Embedding-Relative-Position",
            )
        return self.position_bias
