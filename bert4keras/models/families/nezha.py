"""NEZHA (Wei et al., arXiv:1909.00204): BERT with relative positions."""

from bert4keras.checkpoints import hugging_face
from bert4keras.models.families.bert import BERT
from bert4keras.models.mixins import RelativePositions, without_positions

HUGGING_FACE = hugging_face(
    (r"^bert/", "nezha/"),
    (r"/output_bias$", "/bias"),
    (r"/output_weights$", "/weight"),
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

    weights = without_positions(BERT.weights)
    dialects = (HUGGING_FACE,)
    hugging_face = None  # transformers has the family no more
    model_type = "nezha"
    keys = {**BERT.keys, "max_relative_position": "max_relative_position"}
    computable = {**BERT.computable, "use_relative_position": True}
    epsilon = None  # but for the embeddings

    def __init__(self, *args, max_relative_position=64, **kwargs):
        super().__init__(*args, **kwargs)
        self.max_relative_position = max_relative_position
