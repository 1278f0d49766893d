"""RoFormer (Su et al., arXiv:2104.09864): BERT with rotary positions."""

from bert4keras.checkpoints import hugging_face
from bert4keras.models.families.bert import BERT
from bert4keras.models.mixins import LM_Mask, RotaryPositions, check_equal_sizes, without_positions

HUGGING_FACE = hugging_face(
    (r"^bert/encoder/embedding_hidden_mapping_in/", "bert/embeddings_project/"),
    (r"^bert/", "roformer/"),
    (r"/output_bias$", "/bias"),
    (r"/output_weights$", "/weight"),
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

    weights = without_positions(BERT.weights)
    dialects = (HUGGING_FACE,)
    hugging_face = HUGGING_FACE
    model_type = "roformer"
    keys = {**BERT.keys, "rotary_value": "rotary_value"}
    computable = {**BERT.computable, "norm_type": "layer_norm", "use_bias": True}
    config_defaults = {"max_position": 1536}
    epsilon = None  # but for the embeddings

    def __init__(self, *args, rotary_value=False, **kwargs):
        super().__init__(*args, **kwargs)
        self.rotary_value = rotary_value
        if rotary_value:
            check_equal_sizes(self, "are turned alike with rotary_value")
            self.position_kind = "rotary_value"

    def beyond_hugging_face(self):
        """What ``transformers`` cannot compute, and whether this model does it."""
        ours = super().beyond_hugging_face()
        if self.hugging_face is None:
            return ours
        ours["embedding_size other than hidden_size"] = False
        return {
            **ours,
            "a pooler": bool(self.with_pool),
            "custom_position_ids": self.custom_position_ids,
        }

    def architecture(self):
        """The class in ``transformers`` with the same heads."""
        if isinstance(self, LM_Mask):
            return "RoFormerForCausalLM"
        return "RoFormerForMaskedLM" if self.with_mlm else "RoFormerModel"
