"""ALBERT (Lan et al., arXiv:1909.11942): BERT with one block used again and again."""

from collections.abc import Mapping
from typing import Any

from bert4keras.checkpoints import Dialect, attention, dense, expand_blocks, hugging_face, norm
from bert4keras.models.families.bert import BERT, EMBEDDINGS, HEADS
from bert4keras.models.heads import (
    AnswerHead,
    MaskedLMHead,
    NextSentenceHead,
    PooledHead,
    TokenHead,
)
from bert4keras.models.hugging_face import CAUSAL_MASK, EMBEDDING_SIZE
from bert4keras.models.specs import CheckpointSpec, ConfigSpec

_GROUP = "bert/encoder/transformer/group_0/inner_group_0"
_SHARED_BLOCK = {
    "Transformer-MultiHeadSelfAttention": attention(
        f"{_GROUP}/attention_1/self", f"{_GROUP}/attention_1/output/dense"
    ),
    "Transformer-MultiHeadSelfAttention-Norm": norm(f"{_GROUP}/LayerNorm"),
    "Transformer-FeedForward": dense(f"{_GROUP}/ffn_1/intermediate/dense")
    + dense(f"{_GROUP}/ffn_1/intermediate/output/dense"),
    "Transformer-FeedForward-Norm": norm(f"{_GROUP}/LayerNorm_1"),
}
_SEPARATE_BLOCKS = {
    name.replace("Transformer", "Transformer-{i}"): names for name, names in _SHARED_BLOCK.items()
}
_HUGGING_FACE = hugging_face(
    (r"^bert/", "albert/"),
    (r"/transformer/group_(\d+)/inner_group_(\d+)/", r"/albert_layer_groups/\1/albert_layers/\2/"),
    (r"/attention_1/(self|output)/", "/attention/"),
    (r"(albert_layers/\d+)/LayerNorm/", r"\1/attention/LayerNorm/"),
    (r"/LayerNorm_1/", "/full_layer_layer_norm/"),
    (r"/ffn_1/intermediate/output/dense/", "/ffn_output/"),
    (r"/ffn_1/intermediate/dense/", "/ffn/"),
    (r"/pooler/dense/", "/pooler/"),
    (r"^cls/predictions/output_embeddings$", "predictions/decoder/weight"),
    (r"^cls/predictions/decoder_bias$", "predictions/decoder/bias"),
    (r"^cls/predictions/(transform/|output_)", "predictions/"),
    (r"^cls/seq_relationship/output_weights$", "sop_classifier/classifier/weight"),
    (r"^cls/seq_relationship/output_bias$", "sop_classifier/classifier/bias"),
    prefix="albert.",
)
_WORDS, _WORD_MAP = "bert/embeddings/word_embeddings", "bert/embeddings/word_embeddings_2"
# brightmart's Chinese ALBERT maps word vectors to the hidden size before it adds the positions
BRIGHTMART = Dialect(
    (
        (r"/transformer/group_0/inner_group_0/", "/layer_shared/"),
        (r"/attention_1/", "/attention/"),
        (r"/layer_shared/LayerNorm/", "/layer_shared/attention/output/LayerNorm/"),
        (r"/LayerNorm_1/", "/output/LayerNorm/"),
        (r"/ffn_1/intermediate/output/", "/output/"),
        (r"/ffn_1/intermediate/", "/intermediate/"),
        (f"^{_WORDS}$", f"{_WORDS} @ {_WORD_MAP}"),
    )
)
_DROPOUT = {
    "settings": {"classifier_dropout_prob": 0.1},
    "dropout_keys": ("classifier_dropout_prob",),
}


class ALBERT(BERT):
    """ALBERT: all blocks share their weights, word vectors are mapped to the hidden size.

    A configuration with more than one group of blocks, or more than one block in a group, is
    refused: no published checkpoint has them.

    Reads Google's checkpoints, Hugging Face's, and brightmart's, whose two tables of word vectors
    are multiplied into one. Arguments and outputs are BERT's.
    """

    checkpoint_spec: CheckpointSpec = BERT.checkpoint_spec.replace(
        weights=EMBEDDINGS | _SHARED_BLOCK | HEADS,
        dialects=(BRIGHTMART,),
        hugging_face=_HUGGING_FACE,
    )
    config_spec: ConfigSpec = BERT.config_spec.replace(
        model_type="albert",
        defaults={"embedding_size": 128, "layer_norm_eps": 1e-12},
        required_values={
            **BERT.config_spec.required_values,
            "num_hidden_groups": 1,
            "inner_group_num": 1,
            "is_decoder": False,
        },
        used_keys=("ln_type", "embedding_size"),
        keys_without_effect=dict.fromkeys(
            ("down_scale_factor", "gap_size", "net_structure_type", "num_memory_blocks"),
            "Google's code does not read them",
        ),
        hf_unsupported=BERT.config_spec.hf_unsupported - {EMBEDDING_SIZE} | {CAUSAL_MASK},
    )
    task_heads: Mapping[str, type[Any]] = {
        "text-classification": PooledHead.replace(**_DROPOUT),
        "token-classification": TokenHead.replace(**_DROPOUT),
        "question-answering": AnswerHead,
        "fill-mask": MaskedLMHead,
        "next-sentence-prediction": NextSentenceHead,
    }
    epsilon: float | None = None  # but for the embeddings

    @classmethod
    def adapt_config(cls, config: dict[str, Any], checkpoint: Mapping[str, Any]) -> dict[str, Any]:
        """Drop the mapping of embeddings for brightmart's tables, which are multiplied."""
        if _WORD_MAP not in checkpoint:
            return config
        if config.get("ln_type", "postln") != "postln":
            raise ValueError(
                f"ALBERT of ln_type {config['ln_type']!r} is another model; need postln"
            )
        return {**config, "embedding_size": config["hidden_size"]}

    def block_name(self, index: int) -> str:
        """Return one name for all blocks."""
        return "Transformer"

    def architecture(self) -> str:
        if self.with_nsp:
            return "AlbertForPreTraining"
        return "AlbertForMaskedLM" if self.with_mlm else "AlbertModel"


class ALBERT_Unshared(ALBERT):
    """ALBERT whose blocks begin equal, from one shared block, and are trained apart.

    It learns faster and ends equal or better (https://kexue.fm/archives/7187). Saved, it has the
    names of a BERT with mapped word vectors; it reads both.
    """

    checkpoint_spec: CheckpointSpec = ALBERT.checkpoint_spec.replace(
        weights=EMBEDDINGS | _SEPARATE_BLOCKS | HEADS,
        dialects=ALBERT.checkpoint_spec.readable_dialects,
        hugging_face=None,  # transformers has no ALBERT with separate blocks
    )
    config_spec: ConfigSpec = ALBERT.config_spec.replace(model_type="albert_unshared")

    def block_name(self, index: int) -> str:
        """Return a name for each block."""
        return f"Transformer-{index}"

    def mapping_to_read(self, checkpoint: Mapping[str, Any]) -> dict[str, list[str]]:
        """Return the table of separate blocks if the checkpoint has such."""
        separate = self.mapping_to_write()
        first = separate["Transformer-0-FeedForward"][0]
        table = separate if first in checkpoint else self.variable_mapping()
        return self.find_head_bias(table, checkpoint)

    def mapping_to_write(self) -> dict[str, list[str]]:
        """Return the table to write by: BERT's, as the blocks' weights differ now."""
        return expand_blocks(BERT.checkpoint_spec.weights, self.num_hidden_layers)
