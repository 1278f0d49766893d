"""GPT2-ML (https://github.com/imcaspar/gpt2-ml), whose blocks are Grover's (arXiv:1905.12616)."""

from bert4keras.checkpoints import dense, norm
from bert4keras.layers import Add
from bert4keras.models.families.gpt import GPT
from bert4keras.models.families.gpt2 import GPT2

LAYER = "newslm/layer{i:02d}"
PROJECTIONS = ("query_layer", "key_layer", "value_layer", "context_projection_layer")


class GPT2_ML(GPT):  # noqa: N801  (inherited name)
    """GPT2-ML: a language model with a norm before and a norm behind each feed-forward layer.

    Args:
        *args, **kwargs: as for ``GPT2``.

    Output: tokens (B, L, V), the prediction of the next one at each position. ``transformers`` has
    no such family; folders are our own.

    Raises:
        ValueError: a head of BERT, segments, position ids or a UniLM mask are asked for.
    """

    weights = {
        "Embedding-Token": ["newslm/embeddings/word_embed"],
        "Embedding-Position": ["newslm/embeddings/pos_embed"],
        "Embedding-Norm": norm("newslm/embeddings/LayerNorm_embed_norm"),
        "Transformer-{i}-MultiHeadSelfAttention": [
            name for part in PROJECTIONS for name in dense(f"{LAYER}/{part}")
        ],
        "Transformer-{i}-FeedForward-Norm-0": norm(f"{LAYER}/LayerNorm_mlp_ln0"),
        "Transformer-{i}-FeedForward": dense(f"{LAYER}/intermediate") + dense(f"{LAYER}/output"),
        "Transformer-{i}-FeedForward-Norm-1": norm(f"{LAYER}/LayerNorm_mlp_ln1"),
    }
    vocabulary = ("newslm/embeddings/word_embed",)
    dialects = ()
    hugging_face = None  # transformers has no such family
    model_type = "gpt2_ml"
    keys = {"max_position": "max_position_embeddings"}
    config_defaults = {}
    refused = GPT2.refused
    applications = GPT2.applications
    epsilon = 1e-5

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **{**kwargs, "segment_vocab_size": 0})

    def apply_embeddings(self, inputs):
        """Sum of token and position, normalized."""
        return self.normalize(self.sum_embeddings(inputs), "Embedding-Norm")

    def apply_main_layers(self, inputs, index):
        """One block; its one norm outside the residual sums is the last."""
        x = super().apply_main_layers(inputs, index)
        return self.normalize(x, f"{self.block(index)}-FeedForward-Norm-1")

    def feed_forward(self, x, name, **options):
        """The feed-forward half of a block, its input normalized."""
        return super().feed_forward(self.normalize(x, f"{name}-Norm-0"), name, **options)

    def residual(self, x, name, sublayer):
        """Join a sublayer to its input: dropout and sum."""
        y = self.drop(sublayer(x, name), f"{name}-Dropout")
        return self.apply([x, y], Add, name=f"{name}-Add")
