"""NEZHA (Wei et al., arXiv:1909.00204): BERT with relative positions."""

from collections.abc import Mapping
from typing import Any

from bert4keras.checkpoints import hugging_face
from bert4keras.models.families.bert import BERT, HEAD_RULES
from bert4keras.models.heads import CausalLMHead
from bert4keras.models.mixins import RelativePositions, without_positions
from bert4keras.models.specs import CheckpointSpec, ConfigSpec

_HUGGING_FACE = hugging_face(
    (r"^bert/", "nezha/"),
    *HEAD_RULES,
    prefix="nezha.",
)


class NEZHA(RelativePositions, BERT):
    """NEZHA: vectors of distances on keys and values in place of learnt positions.

    The vectors are sines and cosines and are not trained, so no checkpoint holds them and a text
    may be of any length. Reads Huawei's checkpoints, and folders that ``transformers`` wrote while
    it had the family; a folder written here has the names of the former.

    Args:
        max_relative_position: distances beyond it count as it.
        *args, **kwargs: as for ``BERT``, but for ``hierarchical_position`` and
            ``custom_position_ids``. ``attention_key_size`` must equal ``attention_head_size``.

    Outputs: as of BERT.

    Raises:
        ValueError: one of these arguments, a configuration with ``use_relative_position`` false.
    """

    checkpoint_spec: CheckpointSpec = BERT.checkpoint_spec.replace(
        weights=without_positions(BERT.checkpoint_spec.weights),
        dialects=(_HUGGING_FACE,),
        hugging_face=None,  # transformers does not have the family any more
    )
    config_spec: ConfigSpec = BERT.config_spec.replace(
        model_type="nezha",
        keys={**BERT.config_spec.keys, "max_relative_position": "max_relative_position"},
        required_values={**BERT.config_spec.required_values, "use_relative_position": True},
        unsupported_args=RelativePositions.unsupported_args,
    )
    task_heads: Mapping[str, type[Any]] = {**BERT.task_heads, "text-generation": CausalLMHead}
    epsilon: float | None = None  # but for the embeddings

    def __init__(self, *args: Any, max_relative_position: int = 64, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.max_relative_position = max_relative_position
