"""ModernBERT (Warner et al., arXiv:2412.13663): an encoder with windows of attention."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from bert4keras.backend.types import Tensor
from bert4keras.checkpoints import deinterleave_rotary, dense, hugging_face, interleave_rotary
from bert4keras.checks import check_choice, check_number
from bert4keras.layers import (
    FirstToken,
    GlobalAveragePooling1D,
    SinusoidalPositionEmbedding,
    WindowMask,
)
from bert4keras.models.config import translate_activation
from bert4keras.models.families.bert import BERT
from bert4keras.models.heads import AnswerHead, MaskedLMHead, SequenceHead, TokenHead
from bert4keras.models.hugging_face import NO_SEGMENTS
from bert4keras.models.mixins import (
    FULL_ATTENTION,
    SLIDING_ATTENTION,
    PreNorm,
    check_layer_types,
)
from bert4keras.models.specs import CheckpointSpec, ConfigSpec
from bert4keras.models.transformer import Activation

_HUGGING_FACE = hugging_face(
    (r"/query/kernel$", "/Wqkv/weight^T[0 of 3]"),
    (r"/key/kernel$", "/Wqkv/weight^T[1 of 3]"),
    (r"/value/kernel$", "/Wqkv/weight^T[2 of 3]"),
    (r"/inner/kernel$", "/Wi/weight^T[0 of 2]"),
    (r"/gate/kernel$", "/Wi/weight^T[1 of 2]"),
    (r"^decoder/output_embeddings$", "decoder/weight"),
    prefix="model.",
)
_LAYER = "model/layers_{i}"
_ROTARY_KERNELS = ("/query/kernel", "/key/kernel")  # rotary positions pair their features
_POOLING = {"cls": FirstToken, "mean": GlobalAveragePooling1D}
_BASES = {FULL_ATTENTION: "global_rope_theta", SLIDING_ATTENTION: "local_rope_theta"}
_POSITIONS = {
    FULL_ATTENTION: "Embedding-Rotary-Position",
    SLIDING_ATTENTION: "Embedding-Rotary-Position-Local",
}


class _TokenHead(TokenHead):
    """Classifier of each token, or of what is pooled, behind a part of the token head."""

    pretrained_layers = ("MLM-Dense", "MLM-Norm")
    settings: Mapping[str, Any] = {"classifier_dropout": 0.0}
    transform: Callable[[Tensor], Tensor]

    def apply_heads(self, inputs: Tensor) -> Tensor:
        """Score each vector: (B, L, C), or (B, C) for (B, D)."""
        return super().apply_heads(self.transform(inputs))


class _TextHead(_TokenHead):
    """Classifier of texts."""

    architectures = SequenceHead.architectures
    settings: Mapping[str, Any] = {"classifier_dropout": 0.0, "classifier_pooling": "cls"}

    @classmethod
    def check_setting(cls, key: str, value: Any) -> None:
        """Raise a ValueError for a setting of the head that is wrong."""
        if key != "classifier_pooling":
            return super().check_setting(key, value)
        check_choice(key, value, _POOLING, "Correct the configuration.")

    def apply_heads(self, inputs: Tensor) -> Tensor:
        """Pool, and score: (B, C)."""
        pooling = _POOLING[self.head_settings["classifier_pooling"]]
        return super().apply_heads(self.apply(inputs, pooling, name="Classifier-Pooling"))


class ModernBERT(PreNorm, BERT):
    """ModernBERT: norms first, gated feed-forward, rotary positions, no biases, no segments.

    Args:
        local_attention: width of the windows: a position sees half of it on either side.
        global_attn_every_n_layers: one block in so many sees the whole text, the first among them.
        layer_types: "full_attention" or "sliding_attention" for each block, instead of the former.
        global_rope_theta: base of the rotary positions of blocks that see the whole text.
        local_rope_theta: that of the others.
        classifier_activation: activation inside the token head.
        classifier_bias: a bias there, before the activation.
        *args, **kwargs: as for ``BERT``, but for segments, positions, ``with_pool``, ``with_nsp``.

    Outputs: vectors (B, L, D), or with ``with_mlm`` tokens (B, L, V). Padding is masked throughout.

    Raises:
        ValueError: a setting or head that it does not have is asked for.
    """

    checkpoint_spec: CheckpointSpec = BERT.checkpoint_spec.replace(
        weights={
            "Embedding-Token": ["model/embeddings/tok_embeddings"],
            "Embedding-Norm": ["model/embeddings/norm/gamma"],
            "Transformer-{i}-MultiHeadSelfAttention-Norm": [f"{_LAYER}/attn_norm/gamma"],
            "Transformer-{i}-MultiHeadSelfAttention": [
                f"{_LAYER}/attn/{part}/kernel" for part in ("query", "key", "value", "Wo")
            ],
            "Transformer-{i}-FeedForward-Norm": [f"{_LAYER}/mlp_norm/gamma"],
            "Transformer-{i}-FeedForward": [
                f"{_LAYER}/mlp/{part}/kernel" for part in ("inner", "gate", "Wo")
            ],
            "Output-Norm": ["model/final_norm/gamma"],
            "MLM-Dense": dense("head/dense"),
            "MLM-Norm": ["head/norm/gamma"],
            "Output-LM": ["decoder/output_embeddings"],
            "MLM-Bias": ["decoder/bias"],
        },
        vocabulary=("model/embeddings/tok_embeddings", "decoder/output_embeddings", "decoder/bias"),
        transposed_variables=(),
        hugging_face=_HUGGING_FACE,
    )
    config_spec: ConfigSpec = BERT.config_spec.replace(
        model_type="modernbert",
        keys={
            "hidden_act": "hidden_activation",
            "dropout_rate": "mlp_dropout",
            "attention_dropout_rate": "attention_dropout",
            "layer_norm_eps": "norm_eps",
            "max_position": "max_position_embeddings",
            "local_attention": "local_attention",
            "global_attn_every_n_layers": "global_attn_every_n_layers",
            "layer_types": "layer_types",
            "global_rope_theta": "global_rope_theta",
            "local_rope_theta": "local_rope_theta",
            "classifier_activation": "classifier_activation",
            "classifier_bias": "classifier_bias",
        },
        defaults={"hidden_act": "gelu_erf", "pad_token_id": 50283, "max_position": 8192},
        required_values={
            "attention_bias": False,
            "mlp_bias": False,
            "norm_bias": False,
            "decoder_bias": True,
            "rope_scaling": None,
            "partial_rotary_factor": 1.0,
            "position_embedding_type": "absolute",  # an old key: the positions are rotary
            "is_decoder": False,
        },
        used_keys=("rope_parameters",),
        keys_without_effect={
            "embedding_dropout": "one rate of dropout is for all vectors: mlp_dropout",
            "classifier_pooling": "build_task_model reads it",
            "rope_theta": "each kind of block has a base of its own",
            **dict.fromkeys(
                (
                    "deterministic_flash_attn",
                    "reference_compile",
                    "repad_logits_with_grad",
                    "sparse_prediction",
                    "sparse_pred_ignore_index",
                ),
                "they trade memory and time",
            ),
        },
        unsupported_args=(
            "with_pool",
            "with_nsp",
            "embedding_size",
            "segment_vocab_size",
            "shared_segment_embeddings",
            "hierarchical_position",
            "custom_position_ids",
            "attention_caches",
        ),
        applications=("encoder",),
        hf_unsupported=BERT.config_spec.hf_unsupported - {NO_SEGMENTS},
    )
    task_heads: Mapping[str, type[Any]] = {
        "text-classification": _TextHead,
        "token-classification": _TokenHead,
        "question-answering": _TokenHead.replace(
            architectures=AnswerHead.architectures, num_outputs=2, has_labels=False
        ),
        "fill-mask": MaskedLMHead,
    }
    use_bias = False
    norm_options: Mapping[str, Any] = {"offset": False}
    epsilon: float | None = 1e-5
    position_kind: str | None = "rotary"

    def __init__(
        self,
        *args: Any,
        local_attention: int = 128,
        global_attn_every_n_layers: int = 3,
        layer_types: Sequence[str] | None = None,
        global_rope_theta: float = 160000.0,
        local_rope_theta: float | None = 10000.0,
        classifier_activation: Activation = "gelu",
        classifier_bias: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(*args, **{**kwargs, "segment_vocab_size": 0})
        self.local_attention = local_attention
        self.global_attn_every_n_layers = global_attn_every_n_layers
        self.layer_types: Sequence[str] = layer_types or [
            SLIDING_ATTENTION if i % global_attn_every_n_layers else FULL_ATTENTION
            for i in range(self.num_hidden_layers)
        ]
        self.global_rope_theta = global_rope_theta
        self.local_rope_theta: float = local_rope_theta or global_rope_theta
        self.classifier_activation = classifier_activation
        self.classifier_bias = classifier_bias
        self.token_activation: Activation | None = translate_activation(classifier_activation)
        if self.attention_key_size % 2:
            raise ValueError(
                "Rotary positions turn pairs. Expected an even hidden_size / num_attention_heads, "
                f"got {self.attention_key_size}."
            )
        check_layer_types(self.layer_types, self.num_hidden_layers)

    @classmethod
    def parse_config(cls, config: Mapping[str, Any]) -> dict[str, Any]:
        """Return the arguments that a configuration gives, of ``transformers`` 4 or 5."""
        config = dict(config)
        for kind, rope in (config.get("rope_parameters") or {}).items():
            if kind not in _BASES or not _is_plain_rope(rope or {}):
                raise ValueError(
                    f"{cls.__name__} can compute rope_type='default' of {', '.join(_BASES)} alone, "
                    f"the configuration says {kind}={rope!r}: another model."
                )
            base = (rope or {}).get("rope_theta")
            if base is not None:
                config[_BASES[kind]] = check_number(f"rope_theta of {kind}", base, above=0)
        return super().parse_config(config)

    def apply_embeddings(self, inputs: Tensor) -> Tensor:
        """Embed tokens and normalize; make the angles and windows of all blocks."""
        x = super().apply_embeddings(inputs)
        self.angles: dict[str, Tensor] = {
            kind: self.rotary_angles(x, kind) for kind in sorted(set(self.layer_types))
        }
        self.windows: dict[str, Any] = {FULL_ATTENTION: None}
        if SLIDING_ATTENTION in self.layer_types:
            reach = self.local_attention // 2
            self.windows[SLIDING_ATTENTION] = self.apply(
                x, WindowMask, reach=reach, name="Attention-Window"
            )
        return x

    def rotary_angles(self, x: Tensor, kind: str) -> Tensor:
        """Compute sines and cosines (1, L, key_size) for blocks of a kind."""
        return self.apply(
            x,
            SinusoidalPositionEmbedding,
            output_dim=self.attention_key_size,
            merge_mode="zero",
            base=getattr(self, _BASES[kind]),
            name=_POSITIONS[kind],
        )

    def embed_positions(self, inputs: Tensor) -> Tensor:
        """Return the vectors as they are: nothing is added."""
        return inputs

    def self_attention(self, x: Tensor, name: str, index: int) -> Tensor:
        """Apply self-attention to the whole text or in a window."""
        kind = self.layer_types[index]
        return self.attention([x, x, x], name, self.windows[kind], self.angles[kind])

    def feed_forward(self, x: Tensor, name: str, **options: Any) -> Tensor:
        """Apply the feed-forward half of a block, gated."""
        return super().feed_forward(x, name, activation=[self.hidden_act, "linear"], **options)

    def normalize(self, x: Tensor, name: str, epsilon: float | None = None) -> Tensor:
        """Normalize, but not the first block's input, which the embeddings have normalized."""
        if name == f"{self.block_name(0)}-MultiHeadSelfAttention-Norm":
            return x
        return super().normalize(x, name)  # one epsilon for all

    def dense(
        self, x: Tensor, units: int, name: str, activation: Any = None, **kwargs: Any
    ) -> Tensor:
        """Apply a dense layer without bias, but for the token head if it has one."""
        use_bias = name == "MLM-Dense" and self.classifier_bias
        return super().dense(x, units, name, activation, **{"use_bias": use_bias, **kwargs})

    def apply_final_layers(self, inputs: Tensor) -> Tensor:
        """Apply the last norm, and the token head if it was asked for."""
        return super().apply_final_layers(self.normalize(inputs, "Output-Norm"))

    def transform(self, x: Tensor) -> Tensor:
        """Apply the part of the token head that classifiers have too."""
        x = self.dense(x, self.hidden_size, "MLM-Dense", self.token_activation)
        return self.normalize(x, "MLM-Norm")

    # Weights

    def variable_mapping(self) -> dict[str, list[str]]:
        """Return the table of weights, without a bias that the token head does not have."""
        table = super().variable_mapping()
        kernel, bias = table["MLM-Dense"]
        return {**table, "MLM-Dense": [kernel, bias] if self.classifier_bias else [kernel]}

    def load_variable(self, checkpoint: Mapping[str, Any], name: str) -> Any:
        """Read one variable; ours turns neighbouring features, a checkpoint's the halves."""
        variable = super().load_variable(checkpoint, name)
        is_rotary = name.endswith(_ROTARY_KERNELS)
        return interleave_rotary(variable, self.num_attention_heads) if is_rotary else variable

    def create_variable(self, name: str, value: Any, dtype: Any = None) -> Any:
        if name.endswith(_ROTARY_KERNELS):
            value = deinterleave_rotary(value, self.num_attention_heads)
        return super().create_variable(name, value, dtype)

    def hugging_face_config(self) -> dict[str, Any]:
        return {**super().hugging_face_config(), "embedding_dropout": self.dropout_rate}

    def architecture(self) -> str:
        return "ModernBertForMaskedLM" if self.with_mlm else "ModernBertModel"


def _is_plain_rope(rope: Any) -> bool:
    """True for rotary positions that are not scaled, and turn all features of a head."""
    if not isinstance(rope, Mapping):
        return False
    kinds = (rope.get("rope_type"), rope.get("type"))
    return all(kind in (None, "default") for kind in kinds) and rope.get(
        "partial_rotary_factor"
    ) in (None, 1)
