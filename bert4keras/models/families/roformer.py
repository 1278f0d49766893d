"""RoFormer (Su et al., arXiv:2104.09864): BERT with rotary positions."""

from collections.abc import Mapping
from typing import Any

from bert4keras.checkpoints import hugging_face
from bert4keras.models.families.bert import BERT, HEAD_RULES
from bert4keras.models.heads import (
    AnswerHead,
    CausalLMHead,
    DenseHead,
    MaskedLMHead,
    TokenHead,
)
from bert4keras.models.hugging_face import CUSTOM_POSITION_IDS, EMBEDDING_SIZE, POOLER
from bert4keras.models.mixins import RotaryPositions, check_equal_sizes, without_positions
from bert4keras.models.specs import CheckpointSpec, ConfigSpec

_HUGGING_FACE = hugging_face(
    (r"^bert/encoder/embedding_hidden_mapping_in/", "bert/embeddings_project/"),
    (r"^bert/", "roformer/"),
    *HEAD_RULES,
    prefix="roformer.",
)


class RoFormer(RotaryPositions, BERT):
    """RoFormer: queries and keys are turned by their positions; a text may be of any length.

    Args:
        rotary_value: turn values as well, as ``transformers`` can.
        custom_position_ids: take positions as a further input, "Input-Position"; fractions are
            positions too.
        *args, **kwargs: as for ``BERT``, but for ``hierarchical_position``. The size of a head's
            keys must be even, and equal to that of its values with ``rotary_value``.

    Outputs: as of BERT.

    Raises:
        ValueError: ``hierarchical_position``, a configuration of RoFormerV2 in PyTorch, keys of an
            odd size.
    """

    checkpoint_spec: CheckpointSpec = BERT.checkpoint_spec.replace(
        weights=without_positions(BERT.checkpoint_spec.weights), hugging_face=_HUGGING_FACE
    )
    config_spec: ConfigSpec = BERT.config_spec.replace(
        model_type="roformer",
        keys={**BERT.config_spec.keys, "rotary_value": "rotary_value"},
        defaults={
            **BERT.config_spec.defaults,
            "max_position": 1536,
            "layer_norm_eps": 1e-12,
        },
        required_values={
            **BERT.config_spec.required_values,
            "norm_type": "layer_norm",
            "use_bias": True,
        },
        used_keys=("embedding_size",),
        unsupported_args=RotaryPositions.unsupported_args,
        hf_unsupported=BERT.config_spec.hf_unsupported - {EMBEDDING_SIZE}
        | {POOLER, CUSTOM_POSITION_IDS},
    )
    task_heads: Mapping[str, type[Any]] = {
        "text-classification": DenseHead.replace(settings={}, inner_activation=None),
        "token-classification": TokenHead.replace(settings={}),
        "question-answering": AnswerHead,
        "fill-mask": MaskedLMHead,
        "text-generation": CausalLMHead,
    }
    epsilon: float | None = None  # but for the embeddings

    def __init__(self, *args: Any, rotary_value: bool = False, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.rotary_value = rotary_value
        if rotary_value:
            check_equal_sizes(self, "are turned alike with rotary_value")
            self.position_kind: str | None = "rotary_value"

    def architecture(self) -> str:
        if self.mask_kind == "causal" and self.with_mlm:
            return "RoFormerForCausalLM"
        return "RoFormerForMaskedLM" if self.with_mlm else "RoFormerModel"
