"""DeBERTa of the second and third version (He et al., arXiv:2006.03654 and arXiv:2111.09543)."""

from keras.layers import Activation

from bert4keras import backend
from bert4keras.checkpoints import dense, hugging_face, norm, renamed
from bert4keras.layers import (
    Add,
    DisentangledAttention,
    DistanceEmbedding,
    LayerNormalization,
    MaskedConv1D,
)
from bert4keras.models.config import ACTIVATIONS
from bert4keras.models.families.bert import BERT

NAMES = (
    (r"/self/(query|key|value)/", r"/self/\1_proj/"),
    (r"^deberta/pooler/", "pooler/"),
    (r"/output_bias$", "/bias"),
)
HUGGING_FACE = hugging_face(*NAMES, prefix="deberta.")
# the third version's own token head, which transformers reads with legacy=False alone
OWN_HEAD = hugging_face(
    (r"^cls/predictions/(transform/)?", "lm_predictions/lm_head/"), *NAMES, prefix="deberta."
)
PROJECTIONS = "deberta/encoder/layer_{i}/attention/self/"
ATTENTION = "Transformer-{i}-MultiHeadSelfAttention"


class DeBERTaV2(BERT):
    """DeBERTa-v2 and v3: attention compares content with content and with distances, apart.

    Args:
        segment_vocab_size: number of segments; 0, the default, for a model without segment input.
        position_buckets: buckets of distances on either side; 0 or less for one for each distance.
        max_relative_positions: where distances end; 0 or less for ``max_position``.
        pos_att_type: terms of the scores beside content: a list of "c2p" and "p2c".
        share_att_key: distances are projected as queries and keys are.
        norm_rel_ebd: "layer_norm" to normalize the vectors of distances, or "none".
        position_biased_input: add vectors of positions to those of the tokens.
        conv_kernel_size: width of a convolution beside the first block; 0 for none.
        conv_act: its activation.
        pooler_hidden_act: activation of the pooler for ``with_pool=True``.
        *args, **kwargs: as for ``BERT``; ``embedding_size`` other than ``hidden_size`` is mapped
            before the normalization.

    Outputs: as of BERT. The pooler of ``with_pool`` is that of the classifiers: pretrained
    checkpoints have none, those of ``DebertaV2ForSequenceClassification`` have. Padding is masked
    throughout.

    Raises:
        ValueError: a setting or head that it does not have is asked for.
    """

    weights = renamed(BERT.weights, ("bert/", "deberta/")) | {
        "Embedding-Mapping": ["deberta/embeddings/embed_proj/kernel"],
        "Embedding-Relative-Position": ["deberta/encoder/rel_embeddings"],
        "Embedding-Relative-Position-Norm": norm("deberta/encoder/LayerNorm"),
        "Convolution": dense("deberta/encoder/conv/conv"),
        "Convolution-Norm": norm("deberta/encoder/conv/LayerNorm"),
    }
    vocabulary = ("deberta/embeddings/word_embeddings", "cls/predictions/output_bias")
    transposed = ()
    dialects = (OWN_HEAD, HUGGING_FACE)
    hugging_face = HUGGING_FACE
    model_type = "deberta-v2"
    own = {  # what transformers takes a setting for that is not there
        "position_buckets": -1,
        "max_relative_positions": -1,
        "pos_att_type": (),
        "share_att_key": False,
        "norm_rel_ebd": "none",
        "position_biased_input": True,
        "conv_kernel_size": 0,
        "conv_act": "tanh",
        "pooler_hidden_act": "gelu",
    }
    keys = BERT.keys | {name: name for name in own}
    config_defaults = {**own, "segment_vocab_size": 0, "layer_norm_eps": 1e-7}
    computable = {"relative_attention": True, "conv_groups": 1, "tie_word_embeddings": True}
    refused = (
        "with_nsp",
        "hierarchical_position",
        "custom_position_ids",
        "shared_segment_embeddings",
        "attention_caches",
    )
    applications = ("encoder",)
    epsilon = 1e-7
    position_kind = "disentangled"

    def __init__(
        self,
        *args,
        segment_vocab_size=0,
        position_buckets=256,
        max_relative_positions=-1,
        pos_att_type=("p2c", "c2p"),
        share_att_key=True,
        norm_rel_ebd="layer_norm",
        position_biased_input=False,
        conv_kernel_size=0,
        conv_act="gelu",
        pooler_hidden_act="gelu",
        **kwargs,
    ):
        super().__init__(*args, segment_vocab_size=segment_vocab_size, **kwargs)
        self.position_buckets = position_buckets
        self.max_relative_positions = max_relative_positions
        self.pos_att_type = _terms(pos_att_type)
        self.share_att_key = share_att_key
        self.norm_rel_ebd = norm_rel_ebd
        self.position_biased_input = position_biased_input
        self.conv_kernel_size = conv_kernel_size
        self.conv_act = conv_act
        self.pooler_hidden_act = pooler_hidden_act
        if self.with_pool is True:
            self.with_pool = ACTIVATIONS.get(pooler_hidden_act, pooler_hidden_act)
        if self.autoresize_weights and not share_att_key:
            raise ValueError(
                "autoresize_weights needs share_att_key=True: it knows no scale for projections of "
                "distances alone. Train at the checkpoint's width."
            )

    @classmethod
    def arguments_of(cls, config):
        """The arguments that a configuration gives; plain attention is left to BERT."""
        if "model_type" in config:
            config = {"relative_attention": False, **config}
        return super().arguments_of(config)

    def apply_embeddings(self, inputs):
        """Sum of token, segment and position; a map to the hidden size, norm, dropout."""
        x = self.sum_embeddings(inputs)
        if self.embedding_size != self.hidden_size:
            x = self.dense(x, self.hidden_size, "Embedding-Mapping", use_bias=False)
        return self.drop(self.normalize(x, "Embedding-Norm"), "Embedding-Dropout")

    def embed_positions(self, inputs):
        """Vectors with those of their positions added, if the model has such."""
        return super().embed_positions(inputs) if self.position_biased_input else inputs

    @property
    def max_distance(self):
        """Where distances end."""
        return self.max_relative_positions if self.max_relative_positions > 0 else self.max_position

    def compute_position_bias(self, inputs=None):
        """Vectors of all distances (1, 2n, D)."""
        if self.position_bias is None:
            span = self.position_buckets if self.position_buckets > 0 else self.max_distance
            self.position_bias = self.apply(
                inputs,
                DistanceEmbedding,
                input_dim=2 * span,
                output_dim=self.hidden_size,
                embeddings_initializer=self.initializer,
                name="Embedding-Relative-Position",
            )
            if "layer_norm" in self.norm_rel_ebd:  # whatever the text, so of no condition
                self.position_bias = self.apply(
                    self.position_bias,
                    LayerNormalization,
                    epsilon=self.layer_norm_eps or self.epsilon,
                    name="Embedding-Relative-Position-Norm",
                )
        return self.position_bias

    def attend(self, x, name, index):
        """Self-attention to content and distances."""
        return self.attention(
            [x, x, x],
            name,
            position=self.drop(self.compute_position_bias(x), f"{name}-Position-Dropout"),
            layer=DisentangledAttention,
            position_buckets=self.position_buckets,
            max_distance=self.max_distance,
            terms=self.pos_att_type,
            share_projections=self.share_att_key,
        )

    def apply_main_layers(self, inputs, index):
        """One block; the first has the convolution beside it."""
        x = super().apply_main_layers(inputs, index)
        return self.convolve(inputs, x) if index == 0 and self.conv_kernel_size > 0 else x

    def convolve(self, inputs, x):
        """What the first block gives, with a convolution of what it takes added."""
        y = self.apply(
            inputs,
            MaskedConv1D,
            filters=self.hidden_size,
            kernel_size=self.conv_kernel_size,
            kernel_initializer=self.initializer,
            name="Convolution",
        )
        activation = backend.get_activation(ACTIVATIONS.get(self.conv_act, self.conv_act))
        y = self.drop(y, "Convolution-Dropout")
        y = self.apply(y, Activation, activation=activation, name="Convolution-Activation")
        return self.normalize(self.apply([x, y], Add, name="Convolution-Add"), "Convolution-Norm")

    def variable_mapping(self):
        """Layer name -> names of its variables; projections of distances if there are such."""
        mapping = super().variable_mapping()
        terms = [] if self.share_att_key else sorted(self.pos_att_type)
        parts = {"c2p": "pos_key_proj", "p2c": "pos_query_proj"}
        for i in range(self.num_hidden_layers):
            names = mapping[ATTENTION.format(i=i)]
            names += [n for term in terms for n in dense(PROJECTIONS.format(i=i) + parts[term])]
        return mapping

    def beyond_hugging_face(self):
        """What ``transformers`` cannot compute, and whether this model does it."""
        own = ACTIVATIONS.get(self.pooler_hidden_act, self.pooler_hidden_act)
        return {
            **super().beyond_hugging_face(),
            "segment_vocab_size=0": False,
            "embedding_size other than hidden_size": False,
            "a pooler other than tanh": False,
            "a pooler other than pooler_hidden_act": self.with_pool not in (False, own),
        }

    def hugging_face_config(self):
        """The ``config.json`` of the same model in ``transformers``."""
        return {**super().hugging_face_config(), "relative_attention": True}

    def architecture(self):
        """The class in ``transformers`` with the same heads; a pooler is part of a classifier."""
        if self.with_mlm:
            return "DebertaV2ForMaskedLM"
        return "DebertaV2ForSequenceClassification" if self.with_pool else "DebertaV2Model"


def _terms(pos_att_type):
    """Terms as a list; older configurations write them in one string."""
    if isinstance(pos_att_type, str):
        return [term.strip() for term in pos_att_type.lower().split("|")]
    return list(pos_att_type or ())
