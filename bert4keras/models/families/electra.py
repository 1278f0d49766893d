"""ELECTRA (Clark et al., arXiv:2003.10555): an encoder that has learnt to tell replaced tokens."""

from bert4keras.checkpoints import dense, hugging_face, norm, renamed
from bert4keras.models.families.bert import BERT, BLOCKS, EMBEDDINGS

HUGGING_FACE = hugging_face(
    (r"^discriminator_predictions/dense_1/", "discriminator_predictions/dense_prediction/"),
    (r"^generator_predictions/output_bias$", "generator_lm_head/bias"),
    prefix="electra.",
)


class ELECTRA(BERT):
    """ELECTRA: BERT without its heads, with those of the discriminator and the generator.

    Args:
        with_discriminator: tell for each token whether it was replaced: True for the probability,
            or an activation such as "linear".
        with_generator: predict tokens: True for softmax, or an activation. Folders of
            ``transformers`` with a generator have this head.
        *args, **kwargs: as for ``BERT``, but for ``with_pool``, ``with_nsp`` and ``with_mlm``.

    Outputs: vectors (B, L, D) when no head is asked for; of the discriminator (B, L, 1); of the
    generator (B, L, V); a list of both when both are asked for. Padding is masked throughout.

    Raises:
        ValueError: a head of BERT is asked for, or a language model.
    """

    weights = renamed(
        EMBEDDINGS | BLOCKS,
        ("bert/encoder/embedding_hidden_mapping_in", "electra/embeddings_project"),
        ("bert/", "electra/"),
    ) | {
        "Discriminator-Dense": dense("discriminator_predictions/dense"),
        "Discriminator-Prediction": dense("discriminator_predictions/dense_1"),
        "MLM-Dense": dense("generator_predictions/dense"),
        "MLM-Norm": norm("generator_predictions/LayerNorm"),
        "MLM-Bias": ["generator_predictions/output_bias"],
    }
    vocabulary = ("electra/embeddings/word_embeddings", "generator_predictions/output_bias")
    transposed = ()
    dialects = (HUGGING_FACE,)
    hugging_face = HUGGING_FACE
    model_type = "electra"
    config_defaults = {"embedding_size": 128}
    refused = ("with_pool", "with_nsp", "with_mlm")
    applications = ("encoder",)
    token_activation = "gelu_erf"

    def __init__(self, *args, with_discriminator=False, with_generator=False, **kwargs):
        super().__init__(*args, **kwargs)
        self.with_discriminator = with_discriminator
        self.with_mlm = self.with_generator = with_generator

    def apply_final_layers(self, inputs):
        """The heads that were asked for, or the vectors as they are."""
        if not self.with_discriminator:
            return super().apply_final_layers(inputs)
        replaced = self.discriminate(inputs)
        return [replaced, self.predict_tokens(inputs)] if self.with_generator else replaced

    def discriminate(self, x):
        """Scores or probabilities (B, L, 1) that a token was replaced."""
        x = self.dense(x, self.hidden_size, "Discriminator-Dense", self.hidden_act)
        activation = "sigmoid" if self.with_discriminator is True else self.with_discriminator
        return self.dense(x, 1, "Discriminator-Prediction", activation, dtype=self.exact)

    def beyond_hugging_face(self):
        """What ``transformers`` cannot compute, and whether this model does it."""
        return {
            **super().beyond_hugging_face(),
            "embedding_size other than hidden_size": False,
            "both heads": bool(self.with_discriminator and self.with_generator),
        }

    def architecture(self):
        """The class in ``transformers`` with the same heads."""
        if self.with_discriminator:
            return "ElectraForPreTraining"
        return "ElectraForMaskedLM" if self.with_generator else "ElectraModel"
