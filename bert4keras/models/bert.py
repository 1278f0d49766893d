"""BERT (Devlin et al., arXiv:1810.04805), and RoBERTa in the Chinese checkpoints' sense."""

import keras
from keras.layers import Activation, Dense, Input

from bert4keras import backend
from bert4keras.checkpoints import attention, dense, hugging_face, norm
from bert4keras.layers import Add, Embedding, FirstToken, PositionEmbedding, ScaleOffset
from bert4keras.models.config import hugging_face_keys
from bert4keras.models.masks import LM_Mask, UniLM_Mask
from bert4keras.models.transformer import Transformer

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
    "MLM-Bias": ["cls/predictions/output_bias"],
}
LAYER = "bert/encoder/layer_{i}"
BLOCKS = {
    "Transformer-{i}-MultiHeadSelfAttention": attention(
        f"{LAYER}/attention/self", f"{LAYER}/attention/output/dense"
    ),
    "Transformer-{i}-MultiHeadSelfAttention-Norm": norm(f"{LAYER}/attention/output/LayerNorm"),
    "Transformer-{i}-FeedForward": dense(f"{LAYER}/intermediate/dense")
    + dense(f"{LAYER}/output/dense"),
    "Transformer-{i}-FeedForward-Norm": norm(f"{LAYER}/output/LayerNorm"),
}
HUGGING_FACE = hugging_face(
    (r"/output_bias$", "/bias"), (r"/output_weights$", "/weight"), prefix="bert."
)


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
        *args, **kwargs: as for ``Transformer``.

    Outputs: vectors (B, L, D) when no head is asked for; pooled (B, D), or (B, 2) with NSP;
    tokens (B, L, V); a list of both when both are asked for. Padding is masked throughout.
    """

    weights = EMBEDDINGS | BLOCKS | HEADS
    vocabulary = ("bert/embeddings/word_embeddings", "cls/predictions/output_bias")
    transposed = ("cls/seq_relationship/output_weights",)
    dialects = (HUGGING_FACE,)
    hugging_face = HUGGING_FACE
    epsilon = 1e-12

    def __init__(
        self,
        *args,
        max_position=512,
        segment_vocab_size=2,
        with_pool=False,
        with_nsp=False,
        with_mlm=False,
        hierarchical_position=None,
        custom_position_ids=False,
        shared_segment_embeddings=False,
        **kwargs,
    ):
        super().__init__(*args, **kwargs)
        self.max_position = max_position
        self.segment_vocab_size = segment_vocab_size
        self.with_nsp = with_nsp
        self.with_pool = with_pool or bool(with_nsp)
        self.with_mlm = with_mlm
        self.hierarchical_position = hierarchical_position
        self.custom_position_ids = custom_position_ids
        self.shared_segment_embeddings = shared_segment_embeddings

    def get_inputs(self):
        """Ids of tokens, of segments if any, of positions if given by the caller."""
        names = ["Input-Token"]
        names += ["Input-Segment"] if self.segment_vocab_size > 0 else []
        names += ["Input-Position"] if self.custom_position_ids else []
        return self.simplify(
            self.apply(layer=Input, shape=(self.sequence_length,), dtype="int32", name=name)
            for name in names
        )

    def apply_embeddings(self, inputs):
        """Sum of token, segment and position; norm, dropout, and a map to the hidden size."""
        tokens, *others = inputs if isinstance(inputs, list) else [inputs]
        x = self.embed(tokens, "Embedding-Token", self.vocab_size)
        if self.segment_vocab_size > 0:
            name = "Token" if self.shared_segment_embeddings else "Segment"
            segments = self.embed(others.pop(0), f"Embedding-{name}", self.segment_vocab_size)
            x = self.apply([x, segments], Add, name="Embedding-Token-Segment")
        x = self.embed_positions(self.simplify([x, *others]))
        x = self.drop(self.normalize(x, "Embedding-Norm", 1e-12), "Embedding-Dropout")
        if self.embedding_size == self.hidden_size:
            return x
        return self.dense(x, self.hidden_size, "Embedding-Mapping")

    def embed(self, ids, name, size):
        """Vectors of ids; tokens carry the padding mask."""
        return self.apply(
            ids,
            Embedding,
            input_dim=size,
            output_dim=self.embedding_size,
            embeddings_initializer=self.initializer,
            mask_zero=name == "Embedding-Token" and self.pad_token_id is not None,
            pad_id=self.pad_token_id,
            name=name,
        )

    def embed_positions(self, inputs):
        """Vectors with those of their positions added."""
        return self.apply(
            inputs,
            PositionEmbedding,
            input_dim=self.max_position,
            output_dim=self.embedding_size,
            hierarchical=self.hierarchical_position,
            embeddings_initializer=self.initializer,
            custom_position_ids=self.custom_position_ids,
            name="Embedding-Position",
        )

    def dense(self, x, units, name, activation=None, **kwargs):
        """A dense layer in the family's initialisation."""
        return self.apply(
            x,
            Dense,
            units=units,
            activation=backend.get_activation(activation),
            kernel_initializer=self.initializer,
            name=name,
            **kwargs,
        )

    def normalize(self, x, name, epsilon=None):
        """Layer normalization with the family's epsilon."""
        return super().normalize(x, name, epsilon or self.epsilon)

    def apply_final_layers(self, inputs):
        """The heads that were asked for, or the vectors as they are."""
        outputs = []
        if self.with_pool:
            outputs.append(self.pool(inputs))
        if self.with_mlm:
            outputs.append(self.predict_tokens(inputs))
        return self.simplify(outputs) if outputs else inputs

    def pool(self, x):
        """The first token's vector, or with NSP the probabilities made of it."""
        x = self.apply(x, FirstToken, name="Pooler")
        activation = "tanh" if self.with_pool is True else self.with_pool
        x = self.dense(x, self.hidden_size, "Pooler-Dense", activation)
        if not self.with_nsp:
            return x
        return self.dense(x, 2, "NSP-Proba", "softmax", dtype=self.exact)

    def predict_tokens(self, x):
        """Scores or probabilities of tokens, from the table of their embeddings."""
        x = self.dense(x, self.embedding_size, "MLM-Dense", self.hidden_act)
        x = self.normalize(x, "MLM-Norm")
        x = self.apply(x, Embedding, arguments={"mode": "dense"}, name="Embedding-Token")
        x = self.apply(x, ScaleOffset, scale=False, name="MLM-Bias")
        activation = backend.get_activation("softmax" if self.with_mlm is True else self.with_mlm)
        return self.apply(
            x, Activation, activation=activation, dtype=self.exact, name="MLM-Activation"
        )

    @property
    def exact(self):
        """The dtype of probabilities: float32 under mixed precision."""
        return keras.config.dtype_policy().variable_dtype

    # In transformers

    def hugging_face_config(self):
        """The ``config.json`` of the same model in ``transformers``."""
        differences = [what for what, differs in self.beyond_hugging_face().items() if differs]
        if differences:
            raise ValueError(
                f"transformers has no {type(self).__name__} with {', '.join(differences)}. Write "
                "the weights with save_weights_as_checkpoint instead."
            )
        return {
            "architectures": [self.architecture()],
            "model_type": "bert",
            "is_decoder": isinstance(self, LM_Mask),
            **hugging_face_keys(self),
            "layer_norm_eps": self.layer_norm_eps or self.epsilon or 1e-12,
        }

    def beyond_hugging_face(self):
        """What ``transformers`` cannot compute, and whether this model does it."""
        values = self.num_attention_heads * self.attention_head_size
        return {
            "a UniLM mask": isinstance(self, UniLM_Mask),
            "a condition of its normalizations": self.layer_norm_conds[0] is not None,
            "residual_attention_scores": self.residual_attention_scores,
            "hierarchical_position": self.hierarchical_position,
            "shared_segment_embeddings": self.shared_segment_embeddings,
            "segment_vocab_size=0": self.segment_vocab_size == 0,
            "embedding_size other than hidden_size": self.embedding_size != self.hidden_size,
            "heads of other sizes": values != self.hidden_size
            or self.attention_key_size != self.attention_head_size,
            "a pooler other than tanh": self.with_pool not in (False, True, "tanh"),
        }

    def architecture(self):
        """The class in ``transformers`` with the same heads."""
        if isinstance(self, LM_Mask):
            return "BertLMHeadModel"
        if self.with_mlm:
            return "BertForPreTraining" if self.with_nsp else "BertForMaskedLM"
        return "BertForNextSentencePrediction" if self.with_nsp else "BertModel"
