"""What an attention mask makes of a model: a language model, or a sequence-to-sequence one."""

from bert4keras.layers import CausalMask, UniLMMask


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
