"""GAU-alpha (https://kexue.fm/archives/9052): RoFormerV2 of gated attention units."""

from functools import partial

from bert4keras.backend.types import Tensor
from bert4keras.layers import GatedAttentionUnit
from bert4keras.models.families.roformer_v2 import RoFormerV2
from bert4keras.models.specs import CheckpointSpec, ConfigSpec

_GAU = "GAU_alpha/encoder/layer_{i}/gau"


class GAU_alpha(RoFormerV2):
    """GAU-alpha: each block is one gated attention unit (arXiv:2202.10447) and an RMS norm.

    Reads the release of ZhuiyiTechnology and writes its names: the embeddings are BERT's, the
    units are ``GAU_alpha/encoder/layer_0/gau/...``. The release has 24 units, one head, keys of
    size 128, and "swish"; its configuration says so.

    Args:
        intermediate_size: features of the gate and the values.
        attention_key_size: features of queries and keys, even.
        hidden_act: activation of the projections.
        *args, **kwargs: as for ``RoFormerV2``, but for ``residual_attention_scores`` and
            ``attention_caches``. The number of heads is not used but for the size of keys where
            ``attention_key_size`` is not given.

    Outputs: as of RoFormerV2.

    Raises:
        ValueError: one of these arguments, and as for ``RoFormerV2``.
    """

    checkpoint_spec: CheckpointSpec = RoFormerV2.checkpoint_spec.replace(
        weights={
            "Embedding-Token": ["bert/embeddings/word_embeddings"],
            "Embedding-Segment": ["bert/embeddings/token_type_embeddings"],
            "Embedding-Mapping": ["bert/encoder/embedding_hidden_mapping_in/kernel"],
            "Transformer-{i}-GatedAttentionUnit": [
                f"{_GAU}/i_dense/kernel",
                f"{_GAU}/q_scaleoffset/gamma",
                f"{_GAU}/k_scaleoffset/gamma",
                f"{_GAU}/o_dense/kernel",
            ],
            "Output-Mapping": ["cls/predictions/transform/dense/kernel"],
            "Output-LM": ["cls/predictions/output_embeddings"],
        },
        dialects=(),
    )
    config_spec: ConfigSpec = RoFormerV2.config_spec.replace(
        model_type="gau_alpha",
        unsupported_args=(
            *RoFormerV2.config_spec.unsupported_args,
            "residual_attention_scores",
            "attention_caches",
        ),
    )
    depth_order = 3

    def apply_main_layers(self, inputs: Tensor, index: int) -> Tensor:
        """Apply one block: a gated attention unit joined to its input."""
        name = f"{self.block_name(index)}-GatedAttentionUnit"
        return self.residual(inputs, name, partial(self.self_attention, index=index))

    def self_attention(self, x: Tensor, name: str, index: int) -> Tensor:
        """Apply a gated attention unit: attention of one head, and what feed-forward does."""
        bias, position = self.compute_attention_bias(index), self.compute_position_bias(x)
        return self.apply(
            self.simplify([x, bias, position]),
            GatedAttentionUnit,
            {"a_bias": None if bias is None else True, "p_bias": self.position_kind},
            units=self.intermediate_size,
            key_size=self.attention_key_size,
            activation=self.hidden_act,
            use_bias=self.use_bias,
            normalization="softmax_plus",
            attention_dropout=self.attention_dropout_rate,
            kernel_initializer=self.initializer,
            name=name,
            **self.mask_options,
        )
