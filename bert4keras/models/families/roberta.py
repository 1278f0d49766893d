"""RoBERTa (Liu et al., arXiv:1907.11692), XLM-RoBERTa (arXiv:1911.02116) and CamemBERT."""

from bert4keras.checkpoints import hugging_face
from bert4keras.layers import ConstantIds, CountedPositions
from bert4keras.models.families.bert import BERT

HUGGING_FACE = hugging_face(
    (r"^bert/", "roberta/"),
    (r"^cls/predictions/transform/dense/", "lm_head/dense/"),
    (r"^cls/predictions/transform/LayerNorm/", "lm_head/layer_norm/"),
    (r"^cls/predictions/output_bias$", "lm_head/bias"),
    prefix="roberta.",
)


class RoBERTa(BERT):
    """RoBERTa as ``transformers`` has it: positions count tokens and begin behind the padding id.

    The Chinese checkpoints of that name are BERT's in all but their training: ``model="roberta"``
    opens them as such. A configuration whose ``model_type`` is roberta, xlm-roberta or camembert
    opens as this.

    Args:
        segment_vocab_size: number of segments; 1 adds the vector of the only one without an input
            for it, 0 adds none.
        max_position: rows of the table of positions, those before the first one included.
        pad_token_id: the id that is padding.
        first_position: position of the first token. By default the padding id of the configuration
            and 1, so that ``keep_tokens`` may give the padding another id, ``pad_token_id=...``.
        *args, **kwargs: as for ``BERT``; positions given by the caller count from
            ``first_position``.

    Outputs: as of BERT.

    Raises:
        ValueError: NSP, UniLM or shared segments are asked for; there is no ``pad_token_id``; the
            first position leaves none for the padding.
    """

    dialects = (HUGGING_FACE,)
    hugging_face = HUGGING_FACE
    model_type = "roberta"
    config_defaults = {"segment_vocab_size": 2, "max_position": 512, "pad_token_id": 1}
    refused = ("with_nsp", "shared_segment_embeddings")
    applications = ("encoder", "lm")
    token_activation = "gelu_erf"

    def __init__(
        self,
        *args,
        segment_vocab_size=1,
        max_position=514,
        pad_token_id=1,
        first_position=None,
        **kwargs,
    ):
        if pad_token_id is None:
            raise ValueError(
                "RoBERTa counts the tokens that are no padding: pad_token_id must be an id, got "
                "None. Give one that no text has, if there is no padding."
            )
        first = pad_token_id + 1 if first_position is None else first_position
        if first < 1:
            raise ValueError(
                "first_position must be at least 1, as the one before it is the padding's; got "
                f"{first}"
            )
        super().__init__(
            *args,
            segment_vocab_size=segment_vocab_size,
            max_position=max_position,
            pad_token_id=pad_token_id,
            **kwargs,
        )
        self.first_position = first

    @classmethod
    def arguments_of(cls, config):
        """The arguments that a configuration gives; its padding id says where positions begin."""
        settings = super().arguments_of(config)
        if settings.get("pad_token_id") is not None:
            settings.setdefault("first_position", settings["pad_token_id"] + 1)
        return settings

    @property
    def input_names(self):
        """Names of the inputs; one segment needs none."""
        one = self.segment_vocab_size == 1
        return [name for name in super().input_names if not (one and name == "Input-Segment")]

    def apply_embeddings(self, inputs):
        """BERT's, with segments and positions that follow from the tokens."""
        tokens, *others = inputs if isinstance(inputs, list) else [inputs]
        if self.segment_vocab_size == 1:
            others.insert(0, self.apply(tokens, ConstantIds, name="Segment-Ids"))
        if not self.custom_position_ids:
            counted = {"pad_id": self.pad_token_id, "first": self.first_position}
            others.append(self.apply(tokens, CountedPositions, **counted, name="Position-Ids"))
        return super().apply_embeddings([tokens, *others])

    def beyond_hugging_face(self):
        """What ``transformers`` cannot compute, and whether this model does it."""
        elsewhere = self.first_position != self.pad_token_id + 1
        return {
            **super().beyond_hugging_face(),
            "positions that begin elsewhere than at pad_token_id + 1": elsewhere,
        }

    def architecture(self):
        """The class in ``transformers`` with the same heads."""
        head = super().architecture().removeprefix("Bert")
        return "Roberta" + head.replace("LMHeadModel", "ForCausalLM")
