"""GPT (Radford et al., "Improving Language Understanding by Generative Pre-Training", 2018)."""

from keras.layers import Activation

from bert4keras import backend
from bert4keras.checkpoints import Dialect, renamed
from bert4keras.layers import Embedding
from bert4keras.models.families.bert import BERT, BLOCKS, EMBEDDINGS
from bert4keras.models.mixins import LM_Mask

NATIVE = ("bert/", "gpt/"), ("/encoder/", "/transformer/")  # from BERT's names to GPT's
PARTS = (  # kernels lie as Google's do, those of queries, keys and values in one
    (r"^gpt/transformer/layer_(\d+)/", r"transformer.h.\1."),
    (r"attention/self/query/(\w+)$", r"attn.c_attn.\1[0 of 3]"),
    (r"attention/self/key/(\w+)$", r"attn.c_attn.\1[1 of 3]"),
    (r"attention/self/value/(\w+)$", r"attn.c_attn.\1[2 of 3]"),
    (r"attention/output/dense/", "attn.c_proj."),
    (r"intermediate/dense/", "mlp.c_fc."),
    (r"output/dense/", "mlp.c_proj."),
    (r"\b(kernel|gamma)\b", "weight"),
    (r"\bbeta$", "bias"),
)
HUGGING_FACE = Dialect(
    (
        (r"^gpt/embeddings/word_embeddings$", "transformer.tokens_embed.weight"),
        (r"^gpt/embeddings/position_embeddings$", "transformer.positions_embed.weight"),
        (r"attention/output/LayerNorm/", "ln_1."),
        (r"output/LayerNorm/", "ln_2."),
        *PARTS,
    ),
    prefix="transformer.",
)


class GPT(LM_Mask, BERT):
    """GPT: a language model; BERT's blocks, each position seeing what came before.

    Args:
        final_activation: of the scores of tokens: "softmax" for probabilities, "linear" for none.
        *args, **kwargs: as for ``BERT``, but for ``with_pool``, ``with_nsp`` and ``with_mlm``.

    Output: tokens (B, L, V), the prediction of the next one at each position. A UniLM mask is
    possible (``application="unilm"``). Segments are added as in BERT; a folder of ``transformers``
    has none, or with ``shared_segment_embeddings=True, segment_vocab_size=2`` takes ids of tokens
    for them, as dialogue models do. Its "gelu" is the approximation by tanh.

    Raises:
        ValueError: a head of BERT is asked for, or an ``embedding_size`` other than
            ``hidden_size``: the scores come from the embeddings.
    """

    weights = renamed(
        {
            layer: names
            for layer, names in (EMBEDDINGS | BLOCKS).items()
            if layer not in ("Embedding-Norm", "Embedding-Mapping")
        },
        *NATIVE,
    )
    vocabulary = ("gpt/embeddings/word_embeddings",)
    transposed = ()
    dialects = (HUGGING_FACE,)
    hugging_face = HUGGING_FACE
    model_type = "openai-gpt"
    keys = {
        "hidden_size": "n_embd",
        "num_hidden_layers": "n_layer",
        "num_attention_heads": "n_head",
        "hidden_act": "afn",
        "dropout_rate": "resid_pdrop",
        "attention_dropout_rate": "attn_pdrop",
        "max_position": "n_positions",
        "layer_norm_eps": "layer_norm_epsilon",
        "segment_vocab_size": "type_vocab_size",
        "shared_segment_embeddings": "shared_segment_embeddings",
    }
    config_defaults = {"pad_token_id": None, "segment_vocab_size": 0, "layer_norm_eps": 1e-5}
    computable = {"tie_word_embeddings": True}
    refused = ("with_pool", "with_nsp", "with_mlm")

    def __init__(self, *args, final_activation="softmax", **kwargs):
        super().__init__(*args, **kwargs)
        self.final_activation = final_activation
        if self.embedding_size != self.hidden_size:
            raise ValueError(
                f"{type(self).__name__} has no map between embeddings and blocks: embedding_size "
                f"must be hidden_size, got {self.embedding_size} and {self.hidden_size}"
            )

    @classmethod
    def arguments_of(cls, config):
        """The arguments that a configuration gives; in that of ``transformers`` some follow."""
        settings = super().arguments_of(config)
        if config.get("afn") == "gelu":
            settings["hidden_act"] = "gelu_tanh"
        if config.get("n_embd") and settings.get("intermediate_size") is None:
            settings["intermediate_size"] = 4 * config["n_embd"]
        return settings

    def apply_embeddings(self, inputs):
        """Sum of token, segment and position, and dropout."""
        return self.drop(self.sum_embeddings(inputs), "Embedding-Dropout")

    def apply_final_layers(self, inputs):
        """Scores or probabilities of the next token."""
        x = self.score_tokens(inputs)
        activation = backend.get_activation(self.final_activation)
        return self.apply(
            x, Activation, activation=activation, dtype=self.exact, name="LM-Activation"
        )

    def score_tokens(self, x):
        """Scores (B, L, V), from the table of embeddings."""
        return self.apply(x, Embedding, arguments={"mode": "dense"}, name="Embedding-Token")

    # In transformers

    def beyond_hugging_face(self):
        """What ``transformers`` cannot compute, and whether this model does it."""
        ours = super().beyond_hugging_face()
        if self.hugging_face is None:
            return ours
        return {
            **ours,
            **dict.fromkeys(("shared_segment_embeddings", "segment_vocab_size=0"), False),
            **self.fixed(),
        }

    def fixed(self):
        """What the family fixes there, and whether this model differs."""
        known = [backend.get_activation(x) for x in ("gelu_tanh", "relu", "silu")]
        own_segments = self.segment_vocab_size > 0 and not self.shared_segment_embeddings
        return {
            "segments of their own": own_segments,
            "intermediate_size other than 4 * hidden_size": self.intermediate_size
            != 4 * self.hidden_size,
            "hidden_act other than gelu_tanh, relu or silu": backend.get_activation(self.hidden_act)
            not in known,
        }

    def hugging_face_config(self):
        """The ``config.json`` of the same model in ``transformers``."""
        config = super().hugging_face_config()
        if config.get("afn") == "gelu_new":
            config["afn"] = "gelu"
        return config

    def architecture(self):
        """The class in ``transformers`` with the same head."""
        return "OpenAIGPTLMHeadModel"
