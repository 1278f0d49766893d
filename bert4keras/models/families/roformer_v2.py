"""RoFormerV2 (https://kexue.fm/archives/8998): RoFormer without biases, and simpler norms."""

from collections.abc import Mapping
from typing import Any, Literal

import keras

from bert4keras.backend.types import Tensor
from bert4keras.models.families.bert import BERT, BLOCKS, EMBEDDINGS
from bert4keras.models.families.roformer import RoFormer
from bert4keras.models.mixins import RotaryPositions, without_positions
from bert4keras.models.skip_initialization import SkippableVarianceScaling
from bert4keras.models.specs import CheckpointSpec, ConfigSpec


class RoFormerV2(RotaryPositions, BERT):
    """RoFormerV2: no biases, RMS norms without weights, no pooler.

    Reads checkpoints in Google's names, of which those of biases and norms are not there, and in
    the names of RoFormer in ``transformers``, which has not this family itself.

    Args:
        with_mlm: predict tokens: True for softmax, or an activation such as "linear". Where
            ``embedding_size`` is not ``hidden_size``, a layer "Output-Mapping" stands before them;
            checkpoints of bert4keras 0.x do not hold it, so it stays as initialised, with a
            warning.
        with_pool, with_nsp: ignored with a warning, as in bert4keras 0.x.
        *args, **kwargs: as for ``RoFormer``, but for ``rotary_value`` and conditions of the norms,
            which have no weights to condition.

    Outputs: vectors (B, L, D), or of tokens (B, L, V). Padding is masked throughout.

    Raises:
        ValueError: ``layer_norm_cond`` or ``hierarchical_position``, a configuration with layer
            norms or biases, keys of an odd size.
    """

    checkpoint_spec: CheckpointSpec = BERT.checkpoint_spec.replace(
        weights={
            layer: [name for name in names if not name.endswith(("/bias", "/beta", "/gamma"))]
            for layer, names in without_positions(EMBEDDINGS | BLOCKS).items()
        }
        | {
            "Output-Mapping": ["cls/predictions/transform/dense/kernel"],
            "Output-LM": ["cls/predictions/output_embeddings"],
        },
        vocabulary=("bert/embeddings/word_embeddings", "cls/predictions/output_embeddings"),
        transposed_variables=(),
        dialects=RoFormer.checkpoint_spec.readable_dialects,
        hugging_face=None,  # transformers does not have the family
        optional=("Output-Mapping",),
    )
    config_spec: ConfigSpec = BERT.config_spec.replace(
        model_type="roformer_v2",
        required_values={
            **BERT.config_spec.required_values,
            "norm_type": "rms_norm",
            "use_bias": False,
            "rotary_value": False,
        },
        unsupported_args=(*RotaryPositions.unsupported_args, "layer_norm_cond"),
        ignored_args=("with_pool", "with_nsp"),
    )
    task_heads: Mapping[str, type[Any]] = RoFormer.task_heads
    epsilon: float | None = None
    use_bias = False
    norm_options: Mapping[str, Any] = {"zero_mean": False, "scale": False, "offset": False}
    depth_order = 2  # the deeper, the smaller the initial weights: by depth^(-1/2)

    @property
    def initializer(self) -> keras.Initializer:
        """A new initializer of kernels: a deviation of 1 / sqrt(inputs), less by the depth."""
        return self._scaled_initializer("fan_in")

    @property
    def table_initializer(self) -> keras.Initializer:
        """A new initializer of tables: the same for the size of their vectors."""
        return self._scaled_initializer("fan_out")

    def _scaled_initializer(self, mode: Literal["fan_in", "fan_out"]) -> keras.Initializer:
        return SkippableVarianceScaling(self.num_hidden_layers ** (-2 / self.depth_order), mode)

    def apply_embeddings(self, inputs: Tensor | list[Tensor]) -> Tensor:
        """Sum token and segment; dropout, norm, and a map to the hidden size."""
        x = self.dropout(self.sum_embeddings(inputs), "Embedding-Dropout")
        x = self.normalize(x, "Embedding-Norm")
        if self.embedding_size == self.hidden_size:
            return x
        return self.dense(x, self.hidden_size, "Embedding-Mapping")

    def dense(
        self, x: Tensor, units: int, name: str, activation: Any = None, **kwargs: Any
    ) -> Tensor:
        """Apply a dense layer without bias."""
        return super().dense(x, units, name, activation, **{"use_bias": False, **kwargs})

    def apply_heads(self, inputs: Tensor) -> Tensor:
        """Predict tokens if asked for; else return the vectors."""
        return self.predict_tokens(inputs) if self.with_mlm else inputs

    def predict_tokens(self, x: Tensor) -> Tensor:
        """Score tokens by the table of their embeddings: (B, L, V)."""
        if self.embedding_size != self.hidden_size:
            x = self.dense(x, self.embedding_size, "Output-Mapping")
        x = self.dropout(x, "Output-MLM-Dropout")
        x = self.score_tokens(x)
        return self.activate(x, "Output-MLM-Activation")
