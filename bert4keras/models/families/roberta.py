"""RoBERTa (Liu et al., arXiv:1907.11692), XLM-RoBERTa (arXiv:1911.02116) and CamemBERT."""

from collections.abc import Mapping
from typing import Any

from bert4keras.backend.types import Tensor
from bert4keras.checkpoints import hugging_face
from bert4keras.layers import ConstantIds, PaddingAwarePositions
from bert4keras.models.families.bert import BERT
from bert4keras.models.heads import (
    AnswerHead,
    CausalLMHead,
    DenseHead,
    MaskedLMHead,
    TokenHead,
)
from bert4keras.models.hugging_face import Unsupported
from bert4keras.models.specs import CheckpointSpec, ConfigSpec
from bert4keras.models.transformer import Activation

_HUGGING_FACE = hugging_face(
    (r"^bert/", "roberta/"),
    (r"^cls/predictions/transform/dense/", "lm_head/dense/"),
    (r"^cls/predictions/transform/LayerNorm/", "lm_head/layer_norm/"),
    (r"^cls/predictions/output_embeddings$", "lm_head/decoder/weight"),
    (r"^cls/predictions/decoder_bias$", "lm_head/decoder/bias"),
    (r"^cls/predictions/output_bias$", "lm_head/bias"),
    prefix="roberta.",
)
_FIRST_POSITION = Unsupported(
    "positions that begin elsewhere than at pad_token_id + 1",
    lambda model: model.first_position != model.pad_token_id + 1,
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
        *args, **kwargs: as for ``BERT``; position ids that are an input count from
            ``first_position``.

    Outputs: as of BERT.

    Raises:
        ValueError: NSP, UniLM or shared segments are asked for; there is no ``pad_token_id``; the
            first position leaves none for the padding.
    """

    checkpoint_spec: CheckpointSpec = BERT.checkpoint_spec.replace(hugging_face=_HUGGING_FACE)
    config_spec: ConfigSpec = BERT.config_spec.replace(
        model_type="roberta",
        defaults={
            **BERT.config_spec.defaults,
            "segment_vocab_size": 2,
            "max_position": 512,
            "pad_token_id": 1,
        },
        unsupported_args=("with_nsp", "shared_segment_embeddings"),
        applications=("encoder", "lm"),
        hf_unsupported=BERT.config_spec.hf_unsupported | {_FIRST_POSITION},
    )
    task_heads: Mapping[str, type[Any]] = {
        "text-classification": DenseHead,
        "token-classification": TokenHead,
        "question-answering": AnswerHead,
        "fill-mask": MaskedLMHead,
        "text-generation": CausalLMHead,
    }
    token_activation: Activation | None = "gelu_erf"

    def __init__(
        self,
        *args: Any,
        segment_vocab_size: int = 1,
        max_position: int = 514,
        pad_token_id: int | None = 1,
        first_position: int | None = None,
        **kwargs: Any,
    ) -> None:
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
    def parse_config(cls, config: Mapping[str, Any]) -> dict[str, Any]:
        """Return the arguments that a configuration gives, and where its positions begin."""
        settings = super().parse_config(config)
        if settings.get("pad_token_id") is not None:
            settings.setdefault("first_position", settings["pad_token_id"] + 1)
        return settings

    @property
    def input_names(self) -> list[str]:
        """Names of the inputs; a single segment needs none."""
        names = super().input_names
        if self.segment_vocab_size == 1:
            names.remove("Input-Segment")
        return names

    def apply_embeddings(self, inputs: Tensor | list[Tensor]) -> Tensor:
        """Embed as BERT does, with segments and positions that follow from the tokens."""
        tokens, *ids = inputs if isinstance(inputs, list) else [inputs]
        if self.segment_vocab_size == 1:
            ids.insert(0, self.apply(tokens, ConstantIds, name="Segment-Ids"))
        if not self.custom_position_ids:
            options = {"pad_id": self.pad_token_id, "first": self.first_position}
            ids.append(self.apply(tokens, PaddingAwarePositions, **options, name="Position-Ids"))
        return super().apply_embeddings([tokens, *ids])

    def architecture(self) -> str:
        head = super().architecture().removeprefix("Bert")
        return "Roberta" + head.replace("LMHeadModel", "ForCausalLM")
