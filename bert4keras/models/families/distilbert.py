"""DistilBERT (Sanh et al., arXiv:1910.01108): a small BERT taught by a large one."""

from bert4keras.checkpoints import hugging_face
from bert4keras.models.families.bert import BERT
from bert4keras.models.mixins import LM_Mask

LAYER = r"^(distilbert/transformer/layer_\d+)/"
HUGGING_FACE = hugging_face(
    (r"^bert/encoder/", "distilbert/transformer/"),
    (r"^bert/", "distilbert/"),
    (LAYER + "attention/self/(.)[a-z]+/", r"\1/attention/\2_lin/"),
    (LAYER + "attention/output/dense/", r"\1/attention/out_lin/"),
    (LAYER + "attention/output/LayerNorm/", r"\1/sa_layer_norm/"),
    (LAYER + "intermediate/dense/", r"\1/ffn/lin1/"),
    (LAYER + "output/dense/", r"\1/ffn/lin2/"),
    (LAYER + "output/LayerNorm/", r"\1/output_layer_norm/"),
    (r"^cls/predictions/transform/dense/", "vocab_transform/"),
    (r"^cls/predictions/transform/LayerNorm/", "vocab_layer_norm/"),
    (r"^cls/predictions/output_bias$", "vocab_projector/bias"),
    prefix="distilbert.",
)
LACKING = ("Embedding-Segment", "Embedding-Mapping", "Pooler-Dense", "NSP-Proba")


class DistilBERT(BERT):
    """DistilBERT: BERT without segments and without a pooler.

    Args:
        *args, **kwargs: as for ``BERT``, but for segments, ``with_pool`` and ``with_nsp``.

    Outputs: vectors (B, L, D), or with ``with_mlm`` tokens (B, L, V). Padding is masked throughout.

    Raises:
        ValueError: a head that it does not have is asked for, or UniLM, which needs segments.
    """

    weights = {layer: names for layer, names in BERT.weights.items() if layer not in LACKING}
    transposed = ()
    dialects = (HUGGING_FACE,)
    hugging_face = HUGGING_FACE
    model_type = "distilbert"
    keys = {
        "hidden_size": "dim",
        "num_hidden_layers": "n_layers",
        "num_attention_heads": "n_heads",
        "intermediate_size": "hidden_dim",
        "hidden_act": "activation",
        "dropout_rate": "dropout",
        "attention_dropout_rate": "attention_dropout",
        "max_position": "max_position_embeddings",
    }
    refused = ("with_pool", "with_nsp", "segment_vocab_size", "shared_segment_embeddings")
    applications = ("encoder", "lm")

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **{**kwargs, "segment_vocab_size": 0})

    def drop(self, x, name):
        """Dropout, but none behind attention."""
        return x if name.endswith("SelfAttention-Dropout") else super().drop(x, name)

    def beyond_hugging_face(self):
        """What ``transformers`` cannot compute, and whether this model does it."""
        return {
            **super().beyond_hugging_face(),
            "segment_vocab_size=0": False,
            "a causal mask": isinstance(self, LM_Mask),
            "layer_norm_eps other than 1e-12": self.layer_norm_eps not in (None, self.epsilon),
        }

    def architecture(self):
        """The class in ``transformers`` with the same heads."""
        return "DistilBertForMaskedLM" if self.with_mlm else "DistilBertModel"
