"""BERT (Devlin et al., arXiv:1810.04805), and RoBERTa in the Chinese checkpoints' sense."""

from collections.abc import Mapping
from typing import Any

import keras

from bert4keras import backend
from bert4keras.backend.types import Tensor
from bert4keras.checkpoints import attention, dense, hugging_face, norm
from bert4keras.checks import check_integer
from bert4keras.layers import Add, FirstToken, PositionEmbedding, ScaleOffset
from bert4keras.models.heads import (
    AnswerHead,
    CausalLMHead,
    MaskedLMHead,
    NextSentenceHead,
    PooledHead,
    TokenHead,
)
from bert4keras.models.hugging_face import (
    ANY_FAMILY,
    EMBEDDING_SIZE,
    HEAD_SIZE,
    HIERARCHICAL_POSITION,
    NO_SEGMENTS,
    POOLER_ACTIVATION,
    SHARED_SEGMENTS,
    UNILM_MASK,
)
from bert4keras.models.specs import CheckpointSpec, ConfigSpec
from bert4keras.models.transformer import Activation, Transformer, head_activation

EMBEDDINGS = {
    "Embedding-Token": ["bert/embeddings/word_embeddings"],
    "Embedding-Segment": ["bert/embeddings/token_type_embeddings"],
    "Embedding-Position": ["bert/embeddings/position_embeddings"],
    "Embedding-Norm": norm("bert/embeddings/LayerNorm"),
    "Embedding-Mapping": dense("bert/encoder/embedding_hidden_mapping_in"),
}
HEADS = {
    "Pooler-Dense": dense("bert/pooler/dense"),
    "NSP-Proba": ["cls/seq_relationship/output_weights", "cls/seq_relationship/output_bias"],
    "MLM-Dense": dense("cls/predictions/transform/dense"),
    "MLM-Norm": norm("cls/predictions/transform/LayerNorm"),
    "Output-LM": ["cls/predictions/output_embeddings"],
    "MLM-Bias": ["cls/predictions/output_bias"],
}
HEAD_TABLES = tuple(
    f"cls/predictions/{name}" for name in ("output_embeddings", "output_bias", "decoder_bias")
)
_LAYER = "bert/encoder/layer_{i}"
BLOCKS = {
    "Transformer-{i}-MultiHeadSelfAttention": attention(
        f"{_LAYER}/attention/self", f"{_LAYER}/attention/output/dense"
    ),
    "Transformer-{i}-MultiHeadSelfAttention-Norm": norm(f"{_LAYER}/attention/output/LayerNorm"),
    "Transformer-{i}-FeedForward": dense(f"{_LAYER}/intermediate/dense")
    + dense(f"{_LAYER}/output/dense"),
    "Transformer-{i}-FeedForward-Norm": norm(f"{_LAYER}/output/LayerNorm"),
}
HEAD_RULES = (  # an untied head has a table and a bias in one layer, "decoder"
    (r"^cls/predictions/output_embeddings$", "cls/predictions/decoder/weight"),
    (r"^cls/predictions/decoder_bias$", "cls/predictions/decoder/bias"),
    (r"/output_bias$", "/bias"),
    (r"/output_weights$", "/weight"),
)
_HUGGING_FACE = hugging_face(*HEAD_RULES, prefix="bert.")


class BERT(Transformer):
    """BERT: an encoder with learnt positions and segments, and heads to choose from.

    Args:
        max_position: number of positions.
        segment_vocab_size: number of segments; 0 for a model without segment input.
        with_pool: pool the first token: True for tanh, or an activation.
        with_nsp: predict whether two sentences follow each other; implies pooling.
        with_mlm: predict tokens: True for softmax, or an activation such as "linear".
        hierarchical_position: reach max_position^2 positions (https://kexue.fm/archives/7947):
            True for the weight 0.4, or a number.
        custom_position_ids: take position ids as a further input, "Input-Position".
        shared_segment_embeddings: segment ids are token ids.
        tie_word_embeddings: score tokens by the table of their embeddings, not by another table.
        *args, **kwargs: as for ``Transformer``.

    Outputs: vectors (B, L, D) when no head is asked for; pooled (B, D), or (B, 2) with NSP;
    tokens (B, L, V); a list of both when both are asked for. Padding is masked throughout.
    """

    checkpoint_spec: CheckpointSpec = CheckpointSpec(
        weights=EMBEDDINGS | BLOCKS | HEADS,
        vocabulary=("bert/embeddings/word_embeddings", *HEAD_TABLES),
        transposed_variables=("cls/seq_relationship/output_weights",),
        hugging_face=_HUGGING_FACE,
    )
    config_spec: ConfigSpec = ConfigSpec(
        model_type="bert",
        keys={"max_position": "max_position_embeddings", "segment_vocab_size": "type_vocab_size"},
        defaults={"dropout_rate": 0.1, "attention_dropout_rate": 0.1},
        required_values={"position_embedding_type": "absolute"},
        hf_unsupported=ANY_FAMILY
        | {
            UNILM_MASK,
            HIERARCHICAL_POSITION,
            SHARED_SEGMENTS,
            NO_SEGMENTS,
            EMBEDDING_SIZE,
            HEAD_SIZE,
            POOLER_ACTIVATION,
        },
    )
    epsilon: float | None = 1e-12
    task_heads: Mapping[str, type[Any]] = {
        "text-classification": PooledHead,
        "token-classification": TokenHead,
        "question-answering": AnswerHead,
        "fill-mask": MaskedLMHead,
        "next-sentence-prediction": NextSentenceHead,
        "text-generation": CausalLMHead.replace(architectures=("LMHeadModel", "ForCausalLM")),
    }
    sentence_activation: Activation = "softmax"  # of the head of NSP
    token_activation: Activation | None = None  # inside the token head; None for hidden_act

    def __init__(
        self,
        *args: Any,
        max_position: int = 512,
        segment_vocab_size: int = 2,
        with_pool: Activation | bool = False,
        with_nsp: bool = False,
        with_mlm: Activation | bool = False,
        hierarchical_position: float | bool | None = None,
        custom_position_ids: bool = False,
        shared_segment_embeddings: bool = False,
        tie_word_embeddings: bool = True,
        **kwargs: Any,
    ) -> None:
        super().__init__(*args, **kwargs)
        self.max_position = max_position
        self.segment_vocab_size = segment_vocab_size
        self.with_nsp = with_nsp
        self.with_pool: Activation | bool = with_pool or bool(with_nsp)
        self.with_mlm = with_mlm
        self.hierarchical_position = hierarchical_position
        self.custom_position_ids = custom_position_ids
        self.shared_segment_embeddings = shared_segment_embeddings
        self.tie_word_embeddings: bool = tie_word_embeddings

    @property
    def input_names(self) -> list[str]:
        """Names of the inputs: tokens; segments if any; positions if they are an input."""
        segments = ["Input-Segment"] if self.segment_vocab_size > 0 else []
        positions = ["Input-Position"] if self.custom_position_ids else []
        return ["Input-Token", *segments, *positions]

    def get_inputs(self) -> Tensor | list[Tensor]:
        """Make an input of ids (B, L) for each name of ``input_names``."""
        return self.simplify(self.id_input(name) for name in self.input_names)

    def apply_embeddings(self, inputs: Tensor | list[Tensor]) -> Tensor:
        """Sum token, segment and position; norm, dropout, and a map to the hidden size."""
        x = self.normalize(self.sum_embeddings(inputs), "Embedding-Norm", 1e-12)
        x = self.dropout(x, "Embedding-Dropout")
        if self.embedding_size == self.hidden_size:
            return x
        return self.dense(x, self.hidden_size, "Embedding-Mapping")

    def sum_embeddings(self, inputs: Tensor | list[Tensor]) -> Tensor:
        """Sum vectors (B, L, embedding_size) of tokens, segments and positions."""
        tokens, *ids = inputs if isinstance(inputs, list) else [inputs]
        x = self.embed(tokens, "Embedding-Token", self.vocab_size)
        if self.segment_vocab_size > 0:
            name = "Token" if self.shared_segment_embeddings else "Segment"
            size, role = self.segment_vocab_size, "segment_ids"
            segments = self.embed(ids.pop(0), f"Embedding-{name}", size, input_role=role)
            x = self.apply([x, segments], Add, name="Embedding-Token-Segment")
        return self.embed_positions(self.simplify([x, *ids]))

    def embed_positions(self, inputs: Tensor | list[Tensor]) -> Tensor:
        """Add vectors of positions.

        Args:
            inputs: vectors, or a list of vectors and position ids.
        """
        return self.apply(
            inputs,
            PositionEmbedding,
            input_dim=check_integer("max_position", self.max_position, 1),
            output_dim=self.embedding_size,
            hierarchical=self.hierarchical_position,
            embeddings_initializer=self.table_initializer,
            custom_position_ids=isinstance(inputs, list),
            name="Embedding-Position",
        )

    def apply_heads(self, inputs: Tensor) -> Any:
        """Apply the heads that were asked for; without any, return the vectors."""
        outputs = []
        if self.with_pool:
            outputs.append(self.pool(inputs))
        if self.with_mlm:
            outputs.append(self.predict_tokens(inputs))
        return self.simplify(outputs) if outputs else inputs

    def pool(self, x: Tensor) -> Tensor:
        """Pool the first token; with NSP, compute the probabilities from it."""
        x = self.apply(x, FirstToken, name="Pooler")
        activation = head_activation(self.with_pool, "tanh")
        x = self.dense(x, self.hidden_size, "Pooler-Dense", activation)
        if not self.with_nsp:
            return x
        return self.dense(x, 2, "NSP-Proba", self.sentence_activation, dtype=self.output_dtype)

    def predict_tokens(self, x: Tensor) -> Tensor:
        """Predict tokens: (B, L, V)."""
        activation = self.token_activation or self.hidden_act
        x = self.dense(x, self.embedding_size, "MLM-Dense", activation)
        x = self.normalize(x, "MLM-Norm")
        x = self.score_tokens(x)
        x = self.apply(x, ScaleOffset, scale=False, name="MLM-Bias")
        return self.activate(x, "MLM-Activation")

    def activate(self, x: Tensor, name: str) -> Tensor:
        """Apply the activation that ``with_mlm`` asks for to scores of tokens."""
        activation = backend.get_activation(head_activation(self.with_mlm, "softmax"))
        return self.apply(
            x, keras.layers.Activation, activation=activation, dtype=self.output_dtype, name=name
        )

    # Weights

    def mapping_to_read(self, checkpoint: Mapping[str, Any]) -> dict[str, list[str]]:
        """Return the table to read a checkpoint by; an untied head may have its bias elsewhere."""
        return self.find_head_bias(super().mapping_to_read(checkpoint), checkpoint)

    def mapping_to_write(self) -> dict[str, list[str]]:
        """Return the table to write by."""
        return self.find_head_bias(super().mapping_to_write())

    def find_head_bias(
        self, table: dict[str, list[str]], checkpoint: Mapping[str, Any] | None = None
    ) -> dict[str, list[str]]:
        """Return a table in which the bias of an untied head has the name that counts.

        ``transformers`` 5 writes two biases then, of which it adds that of the decoder.

        Args:
            table: layer name -> variable names.
            checkpoint: where to look for the name; None to write it.
        """
        names = [name.replace("output_bias", "decoder_bias") for name in table.get("MLM-Bias", [])]
        is_absent = checkpoint is not None and any(name not in checkpoint for name in names)
        if self.tie_word_embeddings or not names or is_absent:
            return table
        return {**table, "MLM-Bias": names}

    # In transformers

    def hugging_face_config(self) -> dict[str, Any]:
        config = super().hugging_face_config()
        if self.checkpoint_spec.hugging_face is None:
            return config
        return {**config, "is_decoder": self.mask_kind == "causal"}

    def architecture(self) -> str:
        if self.mask_kind == "causal" and self.with_mlm:
            return "BertLMHeadModel"
        if self.with_mlm:
            return "BertForPreTraining" if self.with_nsp else "BertForMaskedLM"
        return "BertForNextSentencePrediction" if self.with_nsp else "BertModel"
