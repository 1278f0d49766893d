"""ALBERT (Lan et al., arXiv:1909.11942): BERT with one block used again and again."""

from bert4keras.checkpoints import Dialect, attention, dense, expand_blocks, hugging_face, norm
from bert4keras.models.families.bert import BERT, EMBEDDINGS, HEADS
from bert4keras.models.mixins import LM_Mask

GROUP = "bert/encoder/transformer/group_0/inner_group_0"
BLOCK = {
    "Transformer-MultiHeadSelfAttention": attention(
        f"{GROUP}/attention_1/self", f"{GROUP}/attention_1/output/dense"
    ),
    "Transformer-MultiHeadSelfAttention-Norm": norm(f"{GROUP}/LayerNorm"),
    "Transformer-FeedForward": dense(f"{GROUP}/ffn_1/intermediate/dense")
    + dense(f"{GROUP}/ffn_1/intermediate/output/dense"),
    "Transformer-FeedForward-Norm": norm(f"{GROUP}/LayerNorm_1"),
}
HUGGING_FACE = hugging_face(
    (r"^bert/", "albert/"),
    (r"/transformer/group_(\d+)/inner_group_(\d+)/", r"/albert_layer_groups/\1/albert_layers/\2/"),
    (r"/attention_1/(self|output)/", "/attention/"),
    (r"(albert_layers/\d+)/LayerNorm/", r"\1/attention/LayerNorm/"),
    (r"/LayerNorm_1/", "/full_layer_layer_norm/"),
    (r"/ffn_1/intermediate/output/dense/", "/ffn_output/"),
    (r"/ffn_1/intermediate/dense/", "/ffn/"),
    (r"/pooler/dense/", "/pooler/"),
    (r"^cls/predictions/(transform/|output_)", "predictions/"),
    (r"^cls/seq_relationship/output_weights$", "sop_classifier/classifier/weight"),
    (r"^cls/seq_relationship/output_bias$", "sop_classifier/classifier/bias"),
    prefix="albert.",
)
FIRST, SECOND = "bert/embeddings/word_embeddings", "bert/embeddings/word_embeddings_2"
# brightmart's Chinese ALBERT maps word vectors to the hidden size before it adds the positions
BRIGHTMART = Dialect(
    (
        (r"/transformer/group_0/inner_group_0/", "/layer_shared/"),
        (r"/attention_1/", "/attention/"),
        (r"/layer_shared/LayerNorm/", "/layer_shared/attention/output/LayerNorm/"),
        (r"/LayerNorm_1/", "/output/LayerNorm/"),
        (r"/ffn_1/intermediate/output/", "/output/"),
        (r"/ffn_1/intermediate/", "/intermediate/"),
        (f"^{FIRST}$", f"{FIRST} @ {SECOND}"),
    )
)


class ALBERT(BERT):
    """ALBERT: all blocks share their weights, word vectors are mapped to the hidden size.

    Reads Google's checkpoints, Hugging Face's, and brightmart's, whose two tables of word vectors
    are multiplied into one. Arguments and outputs are BERT's.
    """

    weights = EMBEDDINGS | BLOCK | HEADS
    dialects = (BRIGHTMART, HUGGING_FACE)
    hugging_face = HUGGING_FACE
    model_type = "albert"
    epsilon = None  # but for the embeddings

    @classmethod
    def config_for(cls, config, checkpoint):
        """The config that fits a checkpoint: brightmart's tables, multiplied, need no mapping."""
        if SECOND not in checkpoint:
            return config
        if config.get("ln_type", "postln") != "postln":
            raise ValueError(
                f"ALBERT of ln_type {config['ln_type']!r} is another model; need postln"
            )
        return {**config, "embedding_size": config["hidden_size"]}

    def block(self, index):
        """All blocks are one."""
        return "Transformer"

    def beyond_hugging_face(self):
        """What ``transformers`` cannot compute, and whether this model does it."""
        ours = super().beyond_hugging_face()
        if self.hugging_face is None:
            return ours
        ours["embedding_size other than hidden_size"] = False
        return {**ours, "a causal mask": isinstance(self, LM_Mask)}

    def architecture(self):
        """The class in ``transformers`` with the same heads."""
        if self.with_nsp:
            return "AlbertForPreTraining"
        return "AlbertForMaskedLM" if self.with_mlm else "AlbertModel"


class ALBERT_Unshared(ALBERT):  # noqa: N801  (inherited name)
    """ALBERT whose blocks begin equal, from one shared block, and then go their own ways.

    It learns faster and ends equal or better (https://kexue.fm/archives/7187). Saved, it has the
    names of a BERT with mapped word vectors; it reads both.
    """

    weights = (
        EMBEDDINGS
        | {name.replace("Transformer", "Transformer-{i}"): names for name, names in BLOCK.items()}
        | HEADS
    )
    own_weights = BERT.weights
    hugging_face = None  # transformers has no ALBERT with blocks of their own
    model_type = "albert_unshared"

    def block(self, index):
        """Each block is its own."""
        return f"Transformer-{index}"

    def mapping_of(self, checkpoint):
        """The table of blocks of their own if the checkpoint has such."""
        own = self.written_mapping()
        first = own["Transformer-0-FeedForward"][0]
        return own if first in checkpoint else self.variable_mapping()

    def written_mapping(self):
        """The table to write by: a block's weights no longer have one name."""
        return expand_blocks(self.own_weights, self.num_hidden_layers)
