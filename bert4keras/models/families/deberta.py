"""DeBERTa of the second and third version (He et al., arXiv:2006.03654 and arXiv:2111.09543)."""

from collections.abc import Iterable, Mapping
from typing import Any

import keras

from bert4keras import backend
from bert4keras.backend.types import Tensor
from bert4keras.checkpoints import dense, hugging_face, norm, rename_variables
from bert4keras.checks import check_choice
from bert4keras.layers import (
    Add,
    DisentangledAttention,
    DistanceEmbedding,
    FirstToken,
    LayerNormalization,
    MaskedConv1D,
)
from bert4keras.models.config import translate_activation
from bert4keras.models.families.bert import BERT, HEAD_RULES, HEAD_TABLES
from bert4keras.models.heads import AnswerHead, MaskedLMHead, SequenceHead, TokenHead
from bert4keras.models.hugging_face import (
    EMBEDDING_SIZE,
    NO_SEGMENTS,
    POOLER_ACTIVATION,
    Unsupported,
)
from bert4keras.models.settings import whole_number
from bert4keras.models.specs import CheckpointSpec, ConfigSpec
from bert4keras.models.transformer import Activation

_NAME_RULES = (
    (r"/self/(query|key|value)/", r"/self/\1_proj/"),
    (r"^deberta/pooler/", "pooler/"),
    *HEAD_RULES,
)
_HUGGING_FACE = hugging_face(*_NAME_RULES, prefix="deberta.")
# token head of the third version, which transformers reads with legacy=False alone
_V3_TOKEN_HEAD = hugging_face(
    (r"^cls/predictions/(transform/)?", "lm_predictions/lm_head/"), *_NAME_RULES, prefix="deberta."
)
_PROJECTIONS = "deberta/encoder/layer_{i}/attention/self/"
_ATTENTION = "Transformer-{i}-MultiHeadSelfAttention"
_HF_DEFAULTS = {  # of settings that a config.json of transformers leaves out
    "position_buckets": -1,
    "max_relative_positions": -1,
    "pos_att_type": (),
    "share_att_key": False,
    "norm_rel_ebd": "none",
    "position_biased_input": True,
    "conv_kernel_size": 0,
    "conv_act": "tanh",
    "pooler_hidden_act": "gelu",
}
_POOLER_HIDDEN_ACT = Unsupported(
    "a pooler other than pooler_hidden_act",
    lambda model: model.with_pool not in (False, translate_activation(model.pooler_hidden_act)),
)


class _ClassifierHead(SequenceHead):
    """Classifier on a pooler with dropout before it."""

    pretrained_layers = ("Pooler-Dense",)
    settings: Mapping[str, Any] = {"pooler_dropout": 0.0, "cls_dropout": None}
    dropout_keys = ("cls_dropout",)
    pooler_hidden_act: Activation

    def apply_heads(self, inputs: Tensor) -> Tensor:
        """Score the pooled first token: (B, C)."""
        x = self.apply(inputs, FirstToken, name="Pooler")
        x = self.drop(x, "Pooler-Dropout", self.head_settings["pooler_dropout"] or 0.0)
        activation = translate_activation(self.pooler_hidden_act)
        x = self.dense(x, self.hidden_size, "Pooler-Dense", activation)
        return self.score_outputs(self.drop(x, "Classifier-Dropout"))


class DeBERTaV2(BERT):
    """DeBERTa-v2 and v3: attention compares content with content, and content with distances.

    Args:
        segment_vocab_size: number of segments; 0, the default, for a model without segment input.
        position_buckets: buckets of distances on either side; 0 or less for one for each distance.
        max_relative_positions: where distances end; 0 or less for ``max_position``.
        pos_att_type: terms of the scores added to content: a list of "c2p" and "p2c".
        share_att_key: distances are projected as queries and keys are.
        norm_rel_ebd: "layer_norm" to normalize the vectors of distances, or "none".
        position_biased_input: add vectors of positions to those of the tokens.
        conv_kernel_size: width of a convolution next to the first block; 0 for none.
        conv_act: its activation.
        pooler_hidden_act: activation of the pooler for ``with_pool=True``.
        *args, **kwargs: as for ``BERT``; ``embedding_size`` other than ``hidden_size`` is mapped
            before the normalization.

    Outputs: as of BERT. The pooler of ``with_pool`` is that of the classifiers: pretrained
    checkpoints have none, those of ``DebertaV2ForSequenceClassification`` have. Padding is masked
    throughout.

    Raises:
        ValueError: a setting or head that it does not have is asked for.
    """

    checkpoint_spec: CheckpointSpec = BERT.checkpoint_spec.replace(
        weights=rename_variables(BERT.checkpoint_spec.weights, ("bert/", "deberta/"))
        | {
            "Embedding-Mapping": ["deberta/embeddings/embed_proj/kernel"],
            "Embedding-Relative-Position": ["deberta/encoder/rel_embeddings"],
            "Embedding-Relative-Position-Norm": norm("deberta/encoder/LayerNorm"),
            "Convolution": dense("deberta/encoder/conv/conv"),
            "Convolution-Norm": norm("deberta/encoder/conv/LayerNorm"),
        },
        vocabulary=("deberta/embeddings/word_embeddings", *HEAD_TABLES),
        transposed_variables=(),
        dialects=(_V3_TOKEN_HEAD,),
        hugging_face=_HUGGING_FACE,
    )
    config_spec: ConfigSpec = BERT.config_spec.replace(
        model_type="deberta-v2",
        keys={**BERT.config_spec.keys, **{name: name for name in _HF_DEFAULTS}},
        defaults={
            **BERT.config_spec.defaults,
            **_HF_DEFAULTS,
            "segment_vocab_size": 0,
            "layer_norm_eps": 1e-7,
        },
        required_values={
            **BERT.config_spec.required_values,
            "relative_attention": True,
            "conv_groups": 1,
            "is_decoder": False,
        },
        used_keys=("pooler_hidden_size", "attention_head_size", "embedding_size"),
        keys_without_effect={
            **dict.fromkeys(("pooler_dropout", "cls_dropout"), "build_task_model reads them"),
            "legacy": "both token heads are read, each by its names",
        },
        checks={"max_position": whole_number(0)},  # not used where distances have their own limit
        unsupported_args=(
            "with_nsp",
            "hierarchical_position",
            "custom_position_ids",
            "shared_segment_embeddings",
            "attention_caches",
        ),
        applications=("encoder",),
        hf_unsupported=BERT.config_spec.hf_unsupported
        - {NO_SEGMENTS, EMBEDDING_SIZE, POOLER_ACTIVATION}
        | {_POOLER_HIDDEN_ACT},
    )
    task_heads: Mapping[str, type[Any]] = {
        "text-classification": _ClassifierHead,
        "token-classification": TokenHead.replace(settings={}),
        "question-answering": AnswerHead,
        "fill-mask": MaskedLMHead,
    }
    epsilon: float | None = 1e-7
    position_kind: str | None = "disentangled"

    def __init__(
        self,
        *args: Any,
        segment_vocab_size: int = 0,
        position_buckets: int = 256,
        max_relative_positions: int = -1,
        pos_att_type: str | Iterable[str] | None = ("p2c", "c2p"),
        share_att_key: bool = True,
        norm_rel_ebd: str = "layer_norm",
        position_biased_input: bool = False,
        conv_kernel_size: int = 0,
        conv_act: Activation = "gelu",
        pooler_hidden_act: Activation = "gelu",
        **kwargs: Any,
    ) -> None:
        super().__init__(*args, segment_vocab_size=segment_vocab_size, **kwargs)
        self.position_buckets = position_buckets
        self.max_relative_positions = max_relative_positions
        self.pos_att_type: list[str] = _split_terms(pos_att_type)
        self.share_att_key = share_att_key
        self.norm_rel_ebd: str = check_choice(
            "norm_rel_ebd", norm_rel_ebd.lower(), ("none", "layer_norm")
        )
        self.position_biased_input = position_biased_input
        self.conv_kernel_size = conv_kernel_size
        self.conv_act = conv_act
        self.pooler_hidden_act = pooler_hidden_act
        if self.with_pool is True:
            self.with_pool: Activation | bool = translate_activation(pooler_hidden_act)
        if self.autoresize_weights and not share_att_key:
            raise ValueError(
                "autoresize_weights needs share_att_key=True: it knows no scale for projections of "
                "distances alone. Train at the checkpoint's width."
            )

    @classmethod
    def parse_config(cls, config: Mapping[str, Any]) -> dict[str, Any]:
        """Return the arguments that a configuration gives; plain attention is left to BERT."""
        if "model_type" in config:
            config = {"relative_attention": False, **config}
        pooler_size = config.get("pooler_hidden_size")
        if pooler_size not in (None, config.get("hidden_size")):
            raise ValueError(
                f"{cls.__name__} can compute pooler_hidden_size={config.get('hidden_size')} alone, "
                f"which is hidden_size; the configuration says {pooler_size!r}: another model."
            )
        return super().parse_config(config)

    def apply_embeddings(self, inputs: Tensor | list[Tensor]) -> Tensor:
        """Sum token, segment and position; a map to the hidden size, norm, dropout."""
        x = self.sum_embeddings(inputs)
        if self.embedding_size != self.hidden_size:
            x = self.dense(x, self.hidden_size, "Embedding-Mapping", use_bias=False)
        return self.dropout(self.normalize(x, "Embedding-Norm"), "Embedding-Dropout")

    def embed_positions(self, inputs: Tensor) -> Tensor:
        """Add vectors of positions, if the model has such."""
        return super().embed_positions(inputs) if self.position_biased_input else inputs

    @property
    def max_distance(self) -> int:
        """The distance beyond which all are equal."""
        return self.max_relative_positions if self.max_relative_positions > 0 else self.max_position

    def compute_position_bias(self, inputs: Any = None) -> Tensor:
        """Return vectors of all distances (1, 2n, D)."""
        if self.position_bias is None:
            span = self.position_buckets if self.position_buckets > 0 else self.max_distance
            self.position_bias: Any = self.apply(
                inputs,
                DistanceEmbedding,
                input_dim=2 * span,
                output_dim=self.hidden_size,
                embeddings_initializer=self.initializer,
                name="Embedding-Relative-Position",
            )
            if self.norm_rel_ebd == "layer_norm":  # without the condition of a text
                self.position_bias = self.apply(
                    self.position_bias,
                    LayerNormalization,
                    epsilon=self.layer_norm_eps or self.epsilon,
                    name="Embedding-Relative-Position-Norm",
                )
        return self.position_bias

    def self_attention(self, x: Tensor, name: str, index: int) -> Tensor:
        """Apply self-attention to content and distances."""
        return self.attention(
            [x, x, x],
            name,
            position=self.dropout(self.compute_position_bias(x), f"{name}-Position-Dropout"),
            layer=DisentangledAttention,
            position_buckets=self.position_buckets,
            max_distance=self.max_distance,
            terms=self.pos_att_type,
            share_projections=self.share_att_key,
        )

    def apply_main_layers(self, inputs: Tensor, index: int) -> Tensor:
        """Apply one block; the first has a convolution next to it."""
        x = super().apply_main_layers(inputs, index)
        return self.convolve(inputs, x) if index == 0 and self.conv_kernel_size > 0 else x

    def convolve(self, inputs: Tensor, x: Tensor) -> Tensor:
        """Add a convolution of the first block's inputs to its outputs.

        Args:
            inputs: inputs of the block.
            x: its outputs.
        """
        y = self.apply(
            inputs,
            MaskedConv1D,
            filters=self.hidden_size,
            kernel_size=self.conv_kernel_size,
            kernel_initializer=self.initializer,
            name="Convolution",
        )
        activation = backend.get_activation(translate_activation(self.conv_act))
        y = self.dropout(y, "Convolution-Dropout")
        y = self.apply(
            y, keras.layers.Activation, activation=activation, name="Convolution-Activation"
        )
        return self.normalize(self.apply([x, y], Add, name="Convolution-Add"), "Convolution-Norm")

    def variable_mapping(self) -> dict[str, list[str]]:
        """Return the table of weights, with projections of distances if there are such."""
        mapping = super().variable_mapping()
        terms = [] if self.share_att_key else sorted(self.pos_att_type)
        parts = {"c2p": "pos_key_proj", "p2c": "pos_query_proj"}
        for i in range(self.num_hidden_layers):
            names = mapping[_ATTENTION.format(i=i)]
            names += [n for term in terms for n in dense(_PROJECTIONS.format(i=i) + parts[term])]
        return mapping

    def hugging_face_config(self) -> dict[str, Any]:
        return {**super().hugging_face_config(), "relative_attention": True}

    def architecture(self) -> str:
        """Return the class of ``transformers`` with the same heads: a classifier has a pooler."""
        if self.with_mlm:
            return "DebertaV2ForMaskedLM"
        return "DebertaV2ForSequenceClassification" if self.with_pool else "DebertaV2Model"


def _split_terms(pos_att_type: str | Iterable[str] | None) -> list[str]:
    """Return terms as a list; older configurations write them in one string."""
    if isinstance(pos_att_type, str):
        return [term.strip() for term in pos_att_type.lower().split("|")]
    return list(pos_att_type or ())
