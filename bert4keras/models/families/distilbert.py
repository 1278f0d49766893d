"""DistilBERT (Sanh et al., arXiv:1910.01108): a small BERT taught by a large one."""

from collections.abc import Mapping
from typing import Any

from bert4keras.backend.types import Tensor
from bert4keras.checkpoints import dense, hugging_face
from bert4keras.models.families.bert import BERT
from bert4keras.models.heads import AnswerHead, DenseHead, MaskedLMHead, TokenHead
from bert4keras.models.hugging_face import CAUSAL_MASK, NO_SEGMENTS, Unsupported
from bert4keras.models.specs import CheckpointSpec, ConfigSpec
from bert4keras.models.transformer import Activation

_LAYER = r"^(distilbert/transformer/layer_\d+)/"
_HUGGING_FACE = hugging_face(
    (r"^bert/encoder/", "distilbert/transformer/"),
    (r"^bert/", "distilbert/"),
    (_LAYER + "attention/self/(.)[a-z]+/", r"\1/attention/\2_lin/"),
    (_LAYER + "attention/output/dense/", r"\1/attention/out_lin/"),
    (_LAYER + "attention/output/LayerNorm/", r"\1/sa_layer_norm/"),
    (_LAYER + "intermediate/dense/", r"\1/ffn/lin1/"),
    (_LAYER + "output/dense/", r"\1/ffn/lin2/"),
    (_LAYER + "output/LayerNorm/", r"\1/output_layer_norm/"),
    (r"^cls/predictions/transform/dense/", "vocab_transform/"),
    (r"^cls/predictions/transform/LayerNorm/", "vocab_layer_norm/"),
    (r"^cls/predictions/output_embeddings$", "vocab_projector/weight"),
    (r"^cls/predictions/(output|decoder)_bias$", "vocab_projector/bias"),
    prefix="distilbert.",
)
_ABSENT_LAYERS = ("Embedding-Segment", "Embedding-Mapping", "Pooler-Dense", "NSP-Proba")
_LAYER_NORM_EPS = Unsupported(
    "layer_norm_eps other than 1e-12",
    lambda model: model.layer_norm_eps not in (None, model.epsilon),
)


class _ClassifierHead(DenseHead):
    """Classifier of two layers on the first token; dropout between them only."""

    weights = {"Classifier-Dense": dense("pre_classifier"), "Classifier": dense("classifier")}
    settings: Mapping[str, Any] = {"seq_classif_dropout": 0.2}
    dropout_keys = ("seq_classif_dropout",)
    input_dropout: float | None = 0.0
    inner_activation: Activation | None = "relu"


class DistilBERT(BERT):
    """DistilBERT: BERT without segments and without a pooler.

    Args:
        *args, **kwargs: as for ``BERT``, but for segments, ``with_pool`` and ``with_nsp``.

    Outputs: vectors (B, L, D), or with ``with_mlm`` tokens (B, L, V). Padding is masked throughout.

    Raises:
        ValueError: a head that it does not have is asked for, or UniLM, which needs segments.
    """

    checkpoint_spec: CheckpointSpec = BERT.checkpoint_spec.replace(
        weights={
            layer: names
            for layer, names in BERT.checkpoint_spec.weights.items()
            if layer not in _ABSENT_LAYERS
        },
        transposed_variables=(),
        hugging_face=_HUGGING_FACE,
    )
    config_spec: ConfigSpec = BERT.config_spec.replace(
        model_type="distilbert",
        keys={
            "hidden_size": "dim",
            "num_hidden_layers": "n_layers",
            "num_attention_heads": "n_heads",
            "intermediate_size": "hidden_dim",
            "hidden_act": "activation",
            "dropout_rate": "dropout",
            "attention_dropout_rate": "attention_dropout",
            "max_position": "max_position_embeddings",
        },
        required_values={
            **BERT.config_spec.required_values,
            "layer_norm_eps": 1e-12,
            "is_decoder": False,
        },
        keys_without_effect={
            "sinusoidal_pos_embds": "they are initial values: a checkpoint holds the positions",
            **dict.fromkeys(("qa_dropout", "seq_classif_dropout"), "build_task_model reads them"),
            "tie_weights_": "tie_word_embeddings says it",
        },
        unsupported_args=(
            "with_pool",
            "with_nsp",
            "segment_vocab_size",
            "shared_segment_embeddings",
        ),
        applications=("encoder", "lm"),
        hf_unsupported=BERT.config_spec.hf_unsupported - {NO_SEGMENTS}
        | {CAUSAL_MASK, _LAYER_NORM_EPS},
    )

    task_heads: Mapping[str, type[Any]] = {
        "text-classification": _ClassifierHead,
        "token-classification": TokenHead.replace(settings={}),
        "question-answering": AnswerHead.replace(
            settings={"qa_dropout": 0.1}, dropout_keys=("qa_dropout",)
        ),
        "fill-mask": MaskedLMHead,
    }

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **{**kwargs, "segment_vocab_size": 0})

    def dropout(self, x: Tensor, name: str) -> Tensor:
        """Apply dropout, but none behind attention."""
        return x if name.endswith("SelfAttention-Dropout") else super().dropout(x, name)

    def architecture(self) -> str:
        return "DistilBertForMaskedLM" if self.with_mlm else "DistilBertModel"
