"""LLaMA (Touvron et al., arXiv:2302.13971), and decoders of its kind: Mistral, Qwen2."""

from bert4keras.checkpoints import deinterleave_rotary, dense, hugging_face, interleave_rotary
from bert4keras.layers import Embedding
from bert4keras.models.families.gpt import GPT
from bert4keras.models.mixins import PreNorm, RMSNorm, RotaryPositions
from bert4keras.models.rope_scaling import rotary_frequencies

LAYER = "model/layers_{i}"
HUGGING_FACE = hugging_face((r"^(model/embed_tokens|lm_head)$", r"\1/weight"), prefix="model.")
BIASES = {  # what says whether there are some -> endings of their names
    "projection_bias": ("/q_proj/bias", "/k_proj/bias", "/v_proj/bias"),
    "output_bias": ("/o_proj/bias",),
    "mlp_bias": ("/gate_proj/bias", "/up_proj/bias", "/down_proj/bias"),
}


class LLaMA(RMSNorm, PreNorm, RotaryPositions, GPT):
    """LLaMA: a language model of rotary positions, RMS norms and gated feed-forward layers.

    Args:
        key_value_heads: heads of keys and values, each shared by as many heads of queries
            (arXiv:2305.13245); ``num_attention_heads`` by default.
        rope_theta: base of the rotary positions.
        rope_scaling: how these are changed for longer texts; see ``rotary_frequencies``.
        projection_bias: biases in attention.
        mlp_bias: biases in feed-forward layers.
        tie_word_embeddings: score tokens by the table of their embeddings, not by one of their own.
        *args, **kwargs: as for ``GPT``, but for segments; ``hidden_act`` is that of the gate.

    Output: tokens (B, L, V), the prediction of the next one at each position.

    Raises:
        ValueError: heads that do not divide; a sliding window or a change of rotary positions that
            is not computed here; a head of BERT, segments or a UniLM mask.
    """

    weights = {
        "Embedding-Token": ["model/embed_tokens"],
        "Transformer-{i}-MultiHeadSelfAttention-Norm": [f"{LAYER}/input_layernorm/gamma"],
        "Transformer-{i}-MultiHeadSelfAttention": [
            name for part in "qkvo" for name in dense(f"{LAYER}/self_attn/{part}_proj")
        ],
        "Transformer-{i}-FeedForward-Norm": [f"{LAYER}/post_attention_layernorm/gamma"],
        "Transformer-{i}-FeedForward": [
            name for part in ("gate", "up", "down") for name in dense(f"{LAYER}/mlp/{part}_proj")
        ],
        "Output-Norm": ["model/norm/gamma"],
        "Output-LM": ["lm_head"],
    }
    vocabulary = ("model/embed_tokens", "lm_head")
    dialects = (HUGGING_FACE,)
    hugging_face = HUGGING_FACE
    model_type = "llama"
    keys = {
        "attention_head_size": "head_dim",
        "attention_dropout_rate": "attention_dropout",
        "key_value_heads": "num_key_value_heads",
        "layer_norm_eps": "rms_norm_eps",
        "max_position": "max_position_embeddings",
        "rope_theta": "rope_theta",
        "projection_bias": "attention_bias",
        "mlp_bias": "mlp_bias",
    }
    config_defaults = {"pad_token_id": None}
    computable = {"partial_rotary_factor": 1.0}
    refused = (
        *GPT.refused,
        "segment_vocab_size",
        "shared_segment_embeddings",
        "hierarchical_position",
    )
    applications = ("encoder", "lm")
    tie_word_embeddings = False
    epsilon = 1e-6
    slides = False  # whether a sliding window is in use if no one says so

    def __init__(
        self,
        *args,
        key_value_heads=None,
        rope_theta=10000.0,
        rope_scaling=None,
        projection_bias=False,
        mlp_bias=False,
        tie_word_embeddings=False,
        **kwargs,
    ):
        super().__init__(*args, **{**kwargs, "segment_vocab_size": 0})
        self.key_value_heads = key_value_heads or self.num_attention_heads
        self.rope_theta = rope_theta
        self.rope_scaling = rope_scaling
        frequencies = rotary_frequencies(self.attention_key_size, rope_theta, rope_scaling)
        self.rotary = {"frequencies": frequencies}
        self.use_bias = self.projection_bias = self.output_bias = projection_bias
        self.mlp_bias = mlp_bias
        self.tie_word_embeddings = tie_word_embeddings

    @classmethod
    def arguments_of(cls, config):
        """The arguments that a configuration gives, in its older and its newer way."""
        settings = super().arguments_of(config)
        cls.check_window(settings)
        rope = dict(config.get("rope_scaling") or config.get("rope_parameters") or {})
        if "rope_theta" in rope:
            settings["rope_theta"] = rope.pop("rope_theta")
        return {**settings, "rope_scaling": rope or None}

    @classmethod
    def check_window(cls, settings):
        """Raise a ValueError if positions do not see all that came before."""
        window, longest = settings.get("sliding_window"), settings.get("max_position")
        slides = settings.get("use_sliding_window", cls.slides)
        if settings.get("layer_types"):
            slides = any(kind != "full_attention" for kind in settings["layer_types"])
        if slides and window and not (longest and window >= longest):
            raise ValueError(
                f"{cls.__name__} can compute sliding_window=None alone, the configuration says "
                f"{window}. For texts no longer than that they are the same: set it to null there."
            )

    # Parts of the graph

    def apply_embeddings(self, inputs):
        """Vectors of tokens."""
        return self.sum_embeddings(inputs)

    def attention(self, inputs, name, bias=None, position=None, **options):
        """An attention layer of the family's sizes, with heads in groups."""
        groups = {"key_value_heads": self.key_value_heads, "output_bias": self.output_bias}
        return super().attention(inputs, name, bias, position, **groups, **options)

    def feed_forward(self, x, name, **options):
        """The feed-forward half of a block, gated."""
        gated = {"activation": [self.hidden_act, "linear"], "use_bias": self.mlp_bias}
        return super().feed_forward(x, name, **gated, **options)

    def apply_final_layers(self, inputs):
        """The last norm, then scores or probabilities of the next token."""
        return super().apply_final_layers(self.normalize(inputs, "Output-Norm"))

    def score_tokens(self, x):
        """Scores (B, L, V), from the table of embeddings or from one of their own."""
        if self.tie_word_embeddings:
            return super().score_tokens(x)
        return self.apply(
            x,
            Embedding,
            arguments={"mode": "dense"},
            input_dim=self.vocab_size,
            output_dim=self.hidden_size,
            embeddings_initializer=self.initializer,
            name="Output-LM",
        )

    # Weights

    def variable_mapping(self):
        """Layer name -> variables, without the biases that this model does not have."""
        absent = [endings for which, endings in BIASES.items() if not getattr(self, which)]
        lacking = tuple(ending for endings in absent for ending in endings)
        return {
            layer: [name for name in names if not name.endswith(lacking)]
            for layer, names in super().variable_mapping().items()
        }

    def turned_heads(self, name):
        """Number of heads that a variable makes, if rotary positions turn them; else 0."""
        parts = {"q_proj": self.num_attention_heads, "k_proj": self.key_value_heads}
        return next((heads for part, heads in parts.items() if f"/{part}/" in name), 0)

    def load_variable(self, checkpoint, name):
        """One variable; ours turns neighbouring features, the checkpoint's the halves of a head."""
        variable, heads = super().load_variable(checkpoint, name), self.turned_heads(name)
        return interleave_rotary(variable, heads) if heads else variable

    def create_variable(self, name, value, dtype=None):
        """One weight as a checkpoint holds it."""
        heads = self.turned_heads(name)
        value = deinterleave_rotary(value, heads) if heads else value
        return super().create_variable(name, value, dtype)

    # In transformers

    def beyond_hugging_face(self):
        """What ``transformers`` cannot compute, and whether this model does it."""
        return {**super().beyond_hugging_face(), "heads of other sizes": False}

    def fixed(self):
        """What the family fixes there, and whether this model differs."""
        keys = self.attention_key_size != self.attention_head_size
        return {"keys and values of different sizes": keys}

    def hugging_face_config(self):
        """The ``config.json`` of the same model in ``transformers``, older and newer."""
        scaling = {"rope_type": "default", **(self.rope_scaling or {})}
        scaled = scaling.get("type", scaling["rope_type"]) != "default"
        return {
            **super().hugging_face_config(),
            "rope_parameters": {**scaling, "rope_theta": self.rope_theta},
            "rope_scaling": scaling if scaled else None,
            "sliding_window": None,
        }

    def architecture(self):
        """The class in ``transformers`` with the same head."""
        return f"{self.model_type.capitalize()}ForCausalLM"


class Mistral(LLaMA):
    """Mistral (Jiang et al., arXiv:2310.06825): LLaMA without biases, here without windows.

    Args:
        *args, **kwargs: as for ``LLaMA``, but for biases.
    """

    model_type = "mistral"
    config_defaults = {**LLaMA.config_defaults, "sliding_window": 4096}
    computable = {**LLaMA.computable, "attention_bias": False, "mlp_bias": False}
    refused = (*LLaMA.refused, "projection_bias", "mlp_bias")
    slides = True


class Qwen2(LLaMA):
    """Qwen2 (arXiv:2407.10671) and Qwen2.5: LLaMA with biases of queries, keys and values.

    Args:
        *args, **kwargs: as for ``LLaMA``, but for biases.
    """

    model_type = "qwen2"
    computable = {**LLaMA.computable, "mlp_bias": False}
    refused = (*LLaMA.refused, "projection_bias", "mlp_bias")

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **{**kwargs, "projection_bias": True})
        self.output_bias = False
