"""Mixins for families: attention masks, normalizations and positions."""

from bert4keras.backend import Sinusoidal
from bert4keras.layers import (
    Add,
    CausalMask,
    RelativePositionEmbedding,
    SinusoidalPositionEmbedding,
    UniLMMask,
)


class LM_Mask:  # noqa: N801  (inherited name)
    """Each position sees itself and what came before: a language model."""

    def compute_attention_bias(self, inputs=None):
        if self.attention_bias is None:
            self.attention_bias = self.apply(self.inputs[0], CausalMask, name="Attention-LM-Mask")
        return self.attention_bias


class UniLM_Mask:  # noqa: N801  (inherited name)
    """Segment 0 sees itself, segment 1 also what came before: sequence to sequence.

    From "Unified Language Model Pre-training" (arXiv:1905.03197, https://kexue.fm/archives/6933).
    """

    def compute_attention_bias(self, inputs=None):
        if self.attention_bias is None:
            segments = self.layers.get(self.prefixed("Input-Segment"))
            if segments is None:
                raise ValueError(
                    "application='unilm' tells source from target by segment ids, but the model "
                    "has no input of segments. Leave segment_vocab_size above 0, or use 'lm'."
                )
            self.attention_bias = self.apply(segments, UniLMMask, name="Attention-UniLM-Mask")
        return self.attention_bias


def _with_a_head(mask, base, name):
    def __init__(self, *args, **kwargs):
        super(extended, self).__init__(*args, **kwargs)
        self.with_mlm = self.with_mlm or True

    extended = type(name, (mask, base), {"__init__": __init__, "__doc__": mask.__doc__})
    return extended


def extend_with_language_model(BaseModel):  # noqa: N803  (inherited name)
    """A subclass of ``BaseModel`` that is a language model, with its token head."""
    if issubclass(BaseModel, LM_Mask):
        return BaseModel
    return _with_a_head(LM_Mask, BaseModel, "LanguageModel")


def extend_with_unified_language_model(BaseModel):  # noqa: N803  (inherited name)
    """A subclass of ``BaseModel`` that is a UniLM, with its token head."""
    return _with_a_head(UniLM_Mask, BaseModel, "UnifiedLanguageModel")


class PreNorm:
    """Each sublayer normalizes its input, and the sum goes on as it is."""

    def residual(self, x, name, sublayer):
        """Join a sublayer to its input: norm, sublayer, dropout, sum."""
        y = sublayer(self.normalize(x, f"{name}-Norm"), name)
        return self.apply([x, self.drop(y, f"{name}-Dropout")], Add, name=f"{name}-Add")


class RMSNorm:
    """Normalizations divide by the root mean square, and neither center nor offset."""

    norm = {"zero_mean": False, "offset": False}


def without_positions(weights):
    """A table of a checkpoint's variables without the row of learnt positions."""
    return {layer: names for layer, names in weights.items() if layer != "Embedding-Position"}


def check_equal_sizes(model, common):
    """Raise a ValueError unless keys and values have one size, as what they have in common needs.

    Args:
        common: what that is, for the message.
    """
    if model.attention_key_size != model.attention_head_size:
        raise ValueError(
            f"keys and values {common}: attention_key_size must equal attention_head_size, got "
            f"{model.attention_key_size} and {model.attention_head_size}"
        )


class RotaryPositions:
    """Queries and keys are turned by an angle that grows with the position (arXiv:2104.09864)."""

    position_kind = "rotary"
    rotary = {}  # further arguments of the sines and cosines
    position_dtype = "float32"  # fractions are positions too
    refused = ("hierarchical_position",)

    def embed_positions(self, inputs):
        """Nothing is added."""
        return inputs[0] if isinstance(inputs, list) else inputs

    def compute_position_bias(self, inputs=None):
        """Sines and cosines (1 or B, L, key_size)."""
        if self.attention_key_size % 2:
            raise ValueError(
                "rotary positions turn pairs of features: attention_key_size must be even, got "
                f"{self.attention_key_size}"
            )
        if self.position_bias is None:
            ids = [self.layers[self.prefixed("Input-Position")]] if self.custom_position_ids else []
            self.position_bias = self.apply(
                self.simplify([inputs, *ids]),
                SinusoidalPositionEmbedding,
                output_dim=self.attention_key_size,
                merge_mode="zero",
                custom_position_ids=self.custom_position_ids,
                name="Embedding-Rotary-Position",
                **self.rotary,
            )
        return self.position_bias


class RelativePositions:
    """Clipped distances have vectors, added to keys and values (arXiv:1803.02155)."""

    position_kind = "typical_relative"
    max_relative_position = 64  # distances beyond it count as it
    refused = ("hierarchical_position", "custom_position_ids")

    def embed_positions(self, inputs):
        """Nothing is added."""
        return inputs

    def compute_position_bias(self, inputs=None):
        """Vectors of distances (L, L, key_size), sines and cosines that are not trained."""
        check_equal_sizes(self, "have vectors of distances in common")
        if self.position_bias is None:
            self.position_bias = self.apply(
                [inputs, inputs],
                RelativePositionEmbedding,
                input_dim=2 * self.max_relative_position + 1,
                output_dim=self.attention_key_size,
                embeddings_initializer=Sinusoidal(),
                trainable=False,
                name="Embedding-Relative-Position",
            )
        return self.position_bias
