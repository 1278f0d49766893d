"""ELECTRA (Clark et al., arXiv:2003.10555): an encoder trained to detect replaced tokens."""

from collections.abc import Mapping
from typing import Any

from bert4keras.backend.types import Tensor
from bert4keras.checkpoints import dense, hugging_face, norm, rename_variables
from bert4keras.models.families.bert import BERT, BLOCKS, EMBEDDINGS, HEAD_TABLES
from bert4keras.models.heads import AnswerHead, DenseHead, MaskedLMHead, TokenHead
from bert4keras.models.hugging_face import EMBEDDING_SIZE, Unsupported
from bert4keras.models.specs import CheckpointSpec, ConfigSpec
from bert4keras.models.transformer import Activation, head_activation

_HUGGING_FACE = hugging_face(
    (r"^discriminator_predictions/dense_1/", "discriminator_predictions/dense_prediction/"),
    (r"^generator_predictions/output_embeddings$", "generator_lm_head/weight"),
    (r"^generator_predictions/(output|decoder)_bias$", "generator_lm_head/bias"),
    prefix="electra.",
)
_HEAD_TABLES = tuple(
    name.replace("cls/predictions/", "generator_predictions/") for name in HEAD_TABLES
)
_BOTH_HEADS = Unsupported(
    "both heads", lambda model: bool(model.with_discriminator and model.with_generator)
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

    checkpoint_spec: CheckpointSpec = BERT.checkpoint_spec.replace(
        weights=rename_variables(
            EMBEDDINGS | BLOCKS,
            ("bert/encoder/embedding_hidden_mapping_in", "electra/embeddings_project"),
            ("bert/", "electra/"),
        )
        | {
            "Discriminator-Dense": dense("discriminator_predictions/dense"),
            "Discriminator-Prediction": dense("discriminator_predictions/dense_1"),
            "MLM-Dense": dense("generator_predictions/dense"),
            "MLM-Norm": norm("generator_predictions/LayerNorm"),
            "Output-LM": ["generator_predictions/output_embeddings"],
            "MLM-Bias": ["generator_predictions/output_bias"],
        },
        vocabulary=("electra/embeddings/word_embeddings", *_HEAD_TABLES),
        transposed_variables=(),
        hugging_face=_HUGGING_FACE,
    )
    config_spec: ConfigSpec = BERT.config_spec.replace(
        model_type="electra",
        defaults={**BERT.config_spec.defaults, "embedding_size": 128},
        required_values={**BERT.config_spec.required_values, "is_decoder": False},
        used_keys=("embedding_size",),
        unsupported_args=("with_pool", "with_nsp", "with_mlm"),
        applications=("encoder",),
        hf_unsupported=BERT.config_spec.hf_unsupported - {EMBEDDING_SIZE} | {_BOTH_HEADS},
    )
    task_heads: Mapping[str, type[Any]] = {
        "text-classification": DenseHead.replace(inner_activation="gelu_erf"),
        "token-classification": TokenHead,
        "question-answering": AnswerHead,
        "fill-mask": MaskedLMHead.replace(
            architectures=("ForMaskedLM",), arguments={"with_generator": "linear"}
        ),
    }
    token_activation: Activation | None = "gelu_erf"

    def __init__(
        self,
        *args: Any,
        with_discriminator: Activation | bool = False,
        with_generator: Activation | bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(*args, **kwargs)
        self.with_discriminator = with_discriminator
        self.with_generator = with_generator
        self.with_mlm = with_generator

    def apply_heads(self, inputs: Tensor) -> Any:
        if not self.with_discriminator:
            return super().apply_heads(inputs)
        scores = self.discriminate(inputs)
        return [scores, self.predict_tokens(inputs)] if self.with_generator else scores

    def discriminate(self, x: Tensor) -> Tensor:
        """Score each token as replaced or not: (B, L, 1)."""
        x = self.dense(x, self.hidden_size, "Discriminator-Dense", self.hidden_act)
        activation = head_activation(self.with_discriminator, "sigmoid")
        return self.dense(x, 1, "Discriminator-Prediction", activation, dtype=self.output_dtype)

    def architecture(self) -> str:
        if self.with_discriminator:
            return "ElectraForPreTraining"
        return "ElectraForMaskedLM" if self.with_generator else "ElectraModel"
