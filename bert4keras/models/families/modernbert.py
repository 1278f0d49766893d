"""ModernBERT (Warner et al., arXiv:2412.13663): an encoder of long texts, mostly by windows."""

from bert4keras.checkpoints import deinterleave_rotary, hugging_face, interleave_rotary
from bert4keras.layers import SinusoidalPositionEmbedding, WindowMask
from bert4keras.models.config import ACTIVATIONS
from bert4keras.models.families.bert import BERT
from bert4keras.models.mixins import PreNorm

HUGGING_FACE = hugging_face(
    (r"/query/kernel$", "/Wqkv/weight^T[0 of 3]"),
    (r"/key/kernel$", "/Wqkv/weight^T[1 of 3]"),
    (r"/value/kernel$", "/Wqkv/weight^T[2 of 3]"),
    (r"/inner/kernel$", "/Wi/weight^T[0 of 2]"),
    (r"/gate/kernel$", "/Wi/weight^T[1 of 2]"),
    prefix="model.",
)
LAYER = "model/layers_{i}"
TURNED = ("/query/kernel", "/key/kernel")  # rotary positions pair their features
FULL, SLIDING = "full_attention", "sliding_attention"
BASES = {FULL: "global_rope_theta", SLIDING: "local_rope_theta"}
POSITIONS = {FULL: "Embedding-Rotary-Position", SLIDING: "Embedding-Rotary-Position-Local"}


class ModernBERT(PreNorm, BERT):
    """ModernBERT: norms first, gated feed-forward, rotary positions, no biases, no segments.

    Args:
        local_attention: width of the windows: a position sees half of it on either side.
        global_attn_every_n_layers: one block in so many sees the whole text, the first among them.
        layer_types: "full_attention" or "sliding_attention" for each block, instead of the former.
        global_rope_theta: base of the rotary positions of blocks that see the whole text.
        local_rope_theta: that of the others.
        classifier_activation: activation inside the token head.
        *args, **kwargs: as for ``BERT``, but for segments, positions, ``with_pool``, ``with_nsp``.

    Outputs: vectors (B, L, D), or with ``with_mlm`` tokens (B, L, V). Padding is masked throughout.

    Raises:
        ValueError: a setting or head that it does not have is asked for.
    """

    weights = {
        "Embedding-Token": ["model/embeddings/tok_embeddings"],
        "Embedding-Norm": ["model/embeddings/norm/gamma"],
        "Transformer-{i}-MultiHeadSelfAttention-Norm": [f"{LAYER}/attn_norm/gamma"],
        "Transformer-{i}-MultiHeadSelfAttention": [
            f"{LAYER}/attn/{part}/kernel" for part in ("query", "key", "value", "Wo")
        ],
        "Transformer-{i}-FeedForward-Norm": [f"{LAYER}/mlp_norm/gamma"],
        "Transformer-{i}-FeedForward": [
            f"{LAYER}/mlp/{part}/kernel" for part in ("inner", "gate", "Wo")
        ],
        "Output-Norm": ["model/final_norm/gamma"],
        "MLM-Dense": ["head/dense/kernel"],
        "MLM-Norm": ["head/norm/gamma"],
        "MLM-Bias": ["decoder/bias"],
    }
    vocabulary = ("model/embeddings/tok_embeddings", "decoder/bias")
    transposed = ()
    dialects = (HUGGING_FACE,)
    hugging_face = HUGGING_FACE
    model_type = "modernbert"
    keys = {
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
    }
    config_defaults = {"hidden_act": "gelu_erf"}
    computable = {
        "attention_bias": False,
        "mlp_bias": False,
        "norm_bias": False,
        "classifier_bias": False,
        "decoder_bias": True,
        "tie_word_embeddings": True,
        "rope_scaling": None,
    }
    refused = (
        "with_pool",
        "with_nsp",
        "embedding_size",
        "segment_vocab_size",
        "shared_segment_embeddings",
        "hierarchical_position",
        "custom_position_ids",
        "attention_caches",
    )
    applications = ("encoder",)
    use_bias = False
    norm = {"offset": False}
    epsilon = 1e-5
    position_kind = "rotary"

    def __init__(
        self,
        *args,
        local_attention=128,
        global_attn_every_n_layers=3,
        layer_types=None,
        global_rope_theta=160000.0,
        local_rope_theta=10000.0,
        classifier_activation="gelu",
        **kwargs,
    ):
        super().__init__(*args, **{**kwargs, "segment_vocab_size": 0})
        self.local_attention = local_attention
        self.global_attn_every_n_layers = global_attn_every_n_layers
        self.layer_types = layer_types or [
            SLIDING if i % global_attn_every_n_layers else FULL
            for i in range(self.num_hidden_layers)
        ]
        self.global_rope_theta = global_rope_theta
        self.local_rope_theta = local_rope_theta or global_rope_theta
        self.classifier_activation = classifier_activation
        self.token_activation = ACTIVATIONS.get(classifier_activation, classifier_activation)
        self._check()

    def _check(self):
        unknown = [kind for kind in self.layer_types if kind not in BASES]
        if unknown or len(self.layer_types) != self.num_hidden_layers:
            raise ValueError(
                f"layer_types must name one of {', '.join(BASES)} for each of the "
                f"{self.num_hidden_layers} blocks, got {self.layer_types}"
            )

    @classmethod
    def arguments_of(cls, config):
        """The arguments that a configuration gives, from its newer way to tell the bases too."""
        config = dict(config)
        for kind, rope in (config.get("rope_parameters") or {}).items():
            if kind not in BASES or rope.get("rope_type", "default") != "default":
                raise ValueError(
                    f"{cls.__name__} can compute rope_type='default' of {', '.join(BASES)} alone, "
                    f"the configuration says {kind}={rope!r}: another model."
                )
            if "rope_theta" in rope:
                config[BASES[kind]] = rope["rope_theta"]
        return super().arguments_of(config)

    def apply_embeddings(self, inputs):
        """Vectors of tokens, normalized; and what their attention needs: angles and windows."""
        x = super().apply_embeddings(inputs)
        self.angles = {kind: self.turns(x, kind) for kind in sorted(set(self.layer_types))}
        self.windows = {FULL: None}
        if SLIDING in self.layer_types:
            reach = self.local_attention // 2
            self.windows[SLIDING] = self.apply(x, WindowMask, reach=reach, name="Attention-Window")
        return x

    def turns(self, x, kind):
        """Sines and cosines (1, L, key_size) for blocks of a kind."""
        return self.apply(
            x,
            SinusoidalPositionEmbedding,
            output_dim=self.attention_key_size,
            merge_mode="zero",
            base=getattr(self, BASES[kind]),
            name=POSITIONS[kind],
        )

    def embed_positions(self, inputs):
        """Nothing is added."""
        return inputs

    def attend(self, x, name, index):
        """Self-attention, to the whole text or in a window."""
        kind = self.layer_types[index]
        return self.attention([x, x, x], name, self.windows[kind], self.angles[kind])

    def feed_forward(self, x, name, **options):
        """The feed-forward half of a block, gated."""
        return super().feed_forward(x, name, activation=[self.hidden_act, "linear"], **options)

    def normalize(self, x, name, epsilon=None):
        """Normalization, but not of the first block's input, which has it from the embeddings."""
        if name == f"{self.block(0)}-MultiHeadSelfAttention-Norm":
            return x
        return super().normalize(x, name)  # one epsilon for all

    def dense(self, x, units, name, activation=None, **kwargs):
        """A dense layer without biases."""
        return super().dense(x, units, name, activation, use_bias=False, **kwargs)

    def apply_final_layers(self, inputs):
        """A last normalization; the token head if it was asked for."""
        return super().apply_final_layers(self.normalize(inputs, "Output-Norm"))

    # Weights

    def load_variable(self, checkpoint, name):
        """One variable; ours turns neighbouring features, the checkpoint's the two halves."""
        variable = super().load_variable(checkpoint, name)
        turned = name.endswith(TURNED)
        return interleave_rotary(variable, self.num_attention_heads) if turned else variable

    def create_variable(self, name, value, dtype=None):
        """One weight as a checkpoint holds it."""
        if name.endswith(TURNED):
            value = deinterleave_rotary(value, self.num_attention_heads)
        return super().create_variable(name, value, dtype)

    def beyond_hugging_face(self):
        """What ``transformers`` cannot compute, and whether this model does it."""
        return {**super().beyond_hugging_face(), "segment_vocab_size=0": False}

    def hugging_face_config(self):
        """The ``config.json`` of the same model in ``transformers``."""
        return {**super().hugging_face_config(), "embedding_dropout": self.dropout_rate}

    def architecture(self):
        """The class in ``transformers`` with the same heads."""
        return "ModernBertForMaskedLM" if self.with_mlm else "ModernBertModel"
