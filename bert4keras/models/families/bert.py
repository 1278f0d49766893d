"""BERT (Devlin et al., arXiv:1810.04805), and RoBERTa in the Chinese checkpoints' sense."""

from keras.layers import Activation, Input

from bert4keras import backend
from bert4keras.checkpoints import attention, dense, hugging_face, norm
from bert4keras.layers import Add, Embedding, FirstToken, PositionEmbedding, ScaleOffset
from bert4keras.models.mixins import LM_Mask, UniLM_Mask
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
    model_type = "bert"
    keys = {"max_position": "max_position_embeddings", "segment_vocab_size": "type_vocab_size"}
    epsilon = 1e-12
    computable = {"position_embedding_type": "absolute"}
    position_dtype = "int32"  # of positions given by the caller
    token_activation = None  # inside the token head, where it is not hidden_act

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

    @property
    def input_names(self):
        """Names of the inputs: tokens, segments if any, positions if given by the caller."""
        segments = ["Input-Segment"] if self.segment_vocab_size > 0 else []
        positions = ["Input-Position"] if self.custom_position_ids else []
        return ["Input-Token", *segments, *positions]

    def get_inputs(self):
        """Ids (B, L) for each name of ``input_names``."""
        positions = {"Input-Position": self.position_dtype}
        dtypes = [positions.get(name, "int32") for name in self.input_names]
        return self.simplify(
            self.apply(layer=Input, shape=(self.sequence_length,), dtype=dtype, name=name)
            for name, dtype in zip(self.input_names, dtypes)
        )

    def apply_embeddings(self, inputs):
        """Sum of token, segment and position; norm, dropout, and a map to the hidden size."""
        x = self.normalize(self.sum_embeddings(inputs), "Embedding-Norm", 1e-12)
        x = self.drop(x, "Embedding-Dropout")
        if self.embedding_size == self.hidden_size:
            return x
        return self.dense(x, self.hidden_size, "Embedding-Mapping")

    def sum_embeddings(self, inputs):
        """Vectors (B, L, embedding_size) of tokens, with those of segments and positions added."""
        tokens, *others = inputs if isinstance(inputs, list) else [inputs]
        x = self.embed(tokens, "Embedding-Token", self.vocab_size)
        if self.segment_vocab_size > 0:
            name = "Token" if self.shared_segment_embeddings else "Segment"
            segments = self.embed(others.pop(0), f"Embedding-{name}", self.segment_vocab_size)
            x = self.apply([x, segments], Add, name="Embedding-Token-Segment")
        return self.embed_positions(self.simplify([x, *others]))

    def embed_positions(self, inputs):
        """Vectors with those of their positions added; a list of both if positions are given."""
        return self.apply(
            inputs,
            PositionEmbedding,
            input_dim=self.max_position,
            output_dim=self.embedding_size,
            hierarchical=self.hierarchical_position,
            embeddings_initializer=self.table_initializer,
            custom_position_ids=isinstance(inputs, list),
            name="Embedding-Position",
        )

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
        activation = self.token_activation or self.hidden_act
        x = self.dense(x, self.embedding_size, "MLM-Dense", activation)
        x = self.normalize(x, "MLM-Norm")
        x = self.apply(x, Embedding, arguments={"mode": "dense"}, name="Embedding-Token")
        x = self.apply(x, ScaleOffset, scale=False, name="MLM-Bias")
        return self.activate(x, "MLM-Activation")

    def activate(self, x, name):
        """Scores of tokens under the activation that ``with_mlm`` asks for."""
        activation = backend.get_activation("softmax" if self.with_mlm is True else self.with_mlm)
        return self.apply(x, Activation, activation=activation, dtype=self.exact, name=name)

    # In transformers

    def beyond_hugging_face(self):
        """What ``transformers`` cannot compute, and whether this model does it."""
        if self.hugging_face is None:
            return super().beyond_hugging_face()
        values = self.num_attention_heads * self.attention_head_size
        return {
            **super().beyond_hugging_face(),
            "a UniLM mask": isinstance(self, UniLM_Mask),
            "hierarchical_position": self.hierarchical_position,
            "shared_segment_embeddings": self.shared_segment_embeddings,
            "segment_vocab_size=0": self.segment_vocab_size == 0,
            "embedding_size other than hidden_size": self.embedding_size != self.hidden_size,
            "heads of other sizes": values != self.hidden_size
            or self.attention_key_size != self.attention_head_size,
            "a pooler other than tanh": self.with_pool not in (False, True, "tanh"),
        }

    def hugging_face_config(self):
        """The ``config.json`` of the same model in ``transformers``."""
        decoder = {} if self.hugging_face is None else {"is_decoder": isinstance(self, LM_Mask)}
        return {**super().hugging_face_config(), **decoder}

    def architecture(self):
        """The class in ``transformers`` with the same heads."""
        if isinstance(self, LM_Mask):
            return "BertLMHeadModel"
        if self.with_mlm:
            return "BertForPreTraining" if self.with_nsp else "BertForMaskedLM"
        return "BertForNextSentencePrediction" if self.with_nsp else "BertModel"
