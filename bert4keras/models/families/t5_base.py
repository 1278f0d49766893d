"""What the halves of T5 share: names in checkpoints, settings, and parts of the graph."""

import numpy as np
from keras.layers import Input

from bert4keras import backend
from bert4keras.checkpoints import dense, expand_blocks, hugging_face, renamed
from bert4keras.layers import RelativePositionEmbeddingT5
from bert4keras.models.config import ACTIVATIONS
from bert4keras.models.mixins import PreNorm, RMSNorm
from bert4keras.models.transformer import Transformer

VERSIONS = ("t5.1.0", "t5.1.1", "mt5.1.1")
SUBLAYERS = {  # here -> in Mesh TensorFlow, and its variables
    "MultiHeadSelfAttention": ("SelfAttention", "qkvo"),
    "MultiHeadCrossAttention": ("EncDecAttention", "qkvo"),
    "FeedForward": ("DenseReluDense", ["wi/kernel", "wo/kernel"]),
}
DISTANCES = "{}/block_000/layer_000/SelfAttention/relative_attention_bias"
LM = "decoder/logits/kernel"
HUGGING_FACE = hugging_face(
    (r"^shared/embedding$", "shared/weight"),
    (f"^{LM}$", "lm_head/kernel"),
    (r"^(encoder|decoder)/rms_norm/", r"\1/final_layer_norm/"),
    (r"/rms_norm/", "/layer_norm/"),
    (r"/wi_(\d)/kernel$", r"/wi_\1.weight^T"),
    (r"/([qkvo])$", r"/\1/kernel"),
    (r"(relative_attention_bias)$", r"\1/weight^T"),
)
OWN_HEAD, TABLE = "lm_head.weight", "shared.weight"  # in a checkpoint of transformers


def table_of(name, *sublayers):
    """The table of the encoder or of the decoder, whose blocks hold these sublayers."""
    stack = name.lower()
    table = {
        "Embedding-Token": ["shared/embedding"],
        f"{name}-Embedding-Relative-Position": [DISTANCES.format(stack)],
        f"{name}-Output-Norm": [f"{stack}/final_layer_norm/scale"],
    }
    for number, sublayer in enumerate(sublayers):
        part, variables = SUBLAYERS[sublayer]
        inside = f"{stack}/block_{{i:03d}}/layer_{number:03d}"
        layer = f"{name}-Transformer-{{i}}-{sublayer}"
        table[layer] = [f"{inside}/{part}/{variable}" for variable in variables]
        table[f"{layer}-Norm"] = [f"{inside}/layer_norm/scale"]
    return table


ENCODER = table_of("Encoder", "MultiHeadSelfAttention", "FeedForward")
DECODER = table_of("Decoder", *SUBLAYERS)
RARE = {  # what some models have
    "Encoder-Embedding-Mapping": dense("encoder/embedding_hidden_mapping_in"),
    "Decoder-Embedding-Mapping": dense("decoder/embedding_hidden_mapping_in"),
    "Decoder-Output-Mapping": dense("decoder/embedding_hidden_mapping_out"),
    "Decoder-Output-LM": [LM],
}


class T5_Base(PreNorm, RMSNorm, Transformer):  # noqa: N801  (inherited name)
    """What the two halves of a T5 share: pre-norm, RMS norm, no biases, bucketed distances.

    Args:
        version: "t5.1.0", "t5.1.1" or "mt5.1.1": names in checkpoints, and whose head it is.
        tie_word_embeddings: score tokens by the table of their embeddings; by default t5.1.0 does,
            the others have a head of their own.
        num_decoder_layers: number of the decoder's blocks; ``num_hidden_layers`` by default.
        relative_attention_num_buckets: number of buckets of distances.
        relative_attention_max_distance: where the last bucket ends.
        *args, **kwargs: as for ``Transformer``; a list as ``hidden_act`` makes a gated layer:
            ``["gelu", "linear"]``.

    A checkpoint may lack the maps between an ``embedding_size`` and ``hidden_size``: no published
    one has them, so they begin as they are initialised.
    """

    vocabulary = ("shared/embedding",)
    transposed = tuple(DISTANCES.format(stack) for stack in ("encoder", "decoder"))
    dialects = (HUGGING_FACE,)
    hugging_face = HUGGING_FACE
    is_encoder_decoder = False
    keys = {
        "hidden_size": "d_model",
        "intermediate_size": "d_ff",
        "num_hidden_layers": "num_layers",
        "num_decoder_layers": "num_decoder_layers",
        "num_attention_heads": "num_heads",
        "attention_head_size": "d_kv",
        "hidden_act": "feed_forward_proj",
        "dropout_rate": "dropout_rate",
        "layer_norm_eps": "layer_norm_epsilon",
        "relative_attention_num_buckets": "relative_attention_num_buckets",
        "relative_attention_max_distance": "relative_attention_max_distance",
        "is_encoder_decoder": "is_encoder_decoder",
    }
    config_defaults = {"dropout_rate": 0.1}
    epsilon = 1e-6
    use_bias = False
    position_kind = "t5_relative"
    applications = ("encoder",)
    refused = ("with_pool", "with_nsp", "with_mlm")

    def __init__(
        self,
        *args,
        version="t5.1.0",
        tie_word_embeddings=None,
        num_decoder_layers=None,
        relative_attention_num_buckets=32,
        relative_attention_max_distance=128,
        **kwargs,
    ):
        super().__init__(*args, **kwargs)
        if version not in VERSIONS:
            raise ValueError(f"version must be one of {', '.join(VERSIONS)}; got {version!r}")
        self.version = version
        tied = version == "t5.1.0" if tie_word_embeddings is None else tie_word_embeddings
        self.tie_word_embeddings = tied
        self.num_decoder_layers = num_decoder_layers or self.num_hidden_layers
        self.relative_attention_num_buckets = relative_attention_num_buckets
        self.relative_attention_max_distance = relative_attention_max_distance

    # Settings and weights

    @classmethod
    def arguments_of(cls, config):
        """The settings of Google's configurations; those of ``transformers`` in its meaning."""
        kind, found = config.get("model_type"), super().arguments_of(config)
        if kind in (None, cls.model_type):
            return found
        if kind not in ("t5", "mt5"):
            raise ValueError(
                f"{cls.__name__} opens configurations of the model_type t5 or mt5, got {kind!r}, "
                "which is another architecture."
            )
        activation = found.get("hidden_act") or {"t5": "relu", "mt5": "gated-gelu"}[kind]
        gated = not isinstance(activation, str) or activation.startswith("gated-")
        tied = found.get("tie_word_embeddings", kind == "t5")
        return {
            "version": "mt5.1.1" if kind == "mt5" else "t5.1.1" if gated else "t5.1.0",
            "cross_position_bias": False,
            "tie_word_embeddings": tied,
            "scale_decoder_outputs": tied and kind == "t5",
            "attention_dropout_rate": found["dropout_rate"],
            **found,
            "hidden_act": _activations(activation),
        }

    @classmethod
    def config_for(cls, config, checkpoint):
        """A head that differs from the embeddings is its own: transformers 5 calls it tied."""
        if not (config.get("tie_word_embeddings") and {OWN_HEAD, TABLE} <= set(checkpoint)):
            return config
        tied = np.array_equal(checkpoint[OWN_HEAD], checkpoint[TABLE])
        return {**config, "tie_word_embeddings": tied}

    def variable_mapping(self):
        """The table in the version's names: several kernels in a gated layer, mT5's norms."""
        table = expand_blocks(self.weights | RARE, self.num_hidden_layers)
        gates = len(self.hidden_act) if isinstance(self.hidden_act, list | tuple) else 1
        for layer, (wi, *rest) in table.items():
            if layer.endswith("FeedForward") and gates > 1:
                kernels = [wi.replace("/wi/", f"/wi_{i}/") for i in range(gates)]
                table[layer] = [*kernels, *rest]
        if self.version != "mt5.1.1":
            return table
        return renamed(table, ("final_layer_norm", "rms_norm"), ("layer_norm", "rms_norm"))

    def mapping_of(self, checkpoint):
        """The table without the maps between widths that a checkpoint lacks."""
        return {
            layer: names
            for layer, names in self.variable_mapping().items()
            if not layer.endswith("-Mapping") or names[0] in checkpoint
        }

    def load_variable(self, checkpoint, name):
        """One variable as its weight holds it; the head has a column for each id."""
        if name == LM:
            return self.load_embeddings(checkpoint[name].T).T
        return super().load_variable(checkpoint, name)

    # Parts of the graph

    def block(self, index):
        """Name of a block of this half."""
        return f"{self.half}-Transformer-{index}"

    def ids(self):
        """The input of token ids."""
        name = f"{self.half}-Input-Token"
        return self.apply(layer=Input, shape=(self.sequence_length,), dtype="int32", name=name)

    def embed_tokens(self, ids):
        """Vectors of tokens, at the hidden size."""
        x = self.embed(ids, "Embedding-Token", self.vocab_size)
        x = self.drop(x, f"{self.half}-Embedding-Dropout")
        if self.embedding_size == self.hidden_size:
            return x
        return self.dense(x, self.hidden_size, f"{self.half}-Embedding-Mapping")

    def distances(self, queries, keys):
        """Biases (Lq, Lk, H) of the distances between tokens."""
        return self.apply(
            [queries, keys],
            RelativePositionEmbeddingT5,
            input_dim=self.relative_attention_num_buckets,
            output_dim=self.num_attention_heads,
            max_distance=self.relative_attention_max_distance,
            bidirectional=self.half == "Encoder",
            embeddings_initializer=self.initializer,
            name=f"{self.half}-Embedding-Relative-Position",
        )

    def attention(self, inputs, name, bias=None, position=None, **options):
        """An attention layer whose scores are not scaled."""
        options = {"attention_scale": False, **options}
        return super().attention(inputs, name, bias, position, **options)

    def finish(self, x):
        """The last norm of a half."""
        x = self.normalize(x, f"{self.half}-Output-Norm")
        return self.drop(x, f"{self.half}-Output-Dropout")

    # In transformers

    @property
    def model_type(self):
        """The family's name in a config.json."""
        return self.version.partition(".")[0]

    def beyond_hugging_face(self):
        """What ``transformers`` cannot compute, and whether this model does it."""
        if self.hugging_face is None:
            return super().beyond_hugging_face()
        several = isinstance(self.hidden_act, list | tuple)
        gates = [backend.get_activation(x) for x in self.hidden_act[1:]] if several else []
        linear = backend.get_activation("linear")
        return {
            **super().beyond_hugging_face(),
            "embedding_size other than hidden_size": self.embedding_size != self.hidden_size,
            "keys and values of different sizes": self.attention_key_size
            != self.attention_head_size,
            "a gate other than linear": gates not in ([], [linear]),
        }

    def hugging_face_config(self):
        """The ``config.json`` of the same model."""
        config = super().hugging_face_config()
        if self.hugging_face is None:
            return config
        activation = _projection(config["feed_forward_proj"])
        more = {"decoder_start_token_id": self.pad_token_id}
        return {**config, "feed_forward_proj": activation, **more}


def _activations(projection):
    """From ``feed_forward_proj`` to ``hidden_act``; "gated-gelu" has the approximation by tanh."""
    if not isinstance(projection, str) or not projection.startswith("gated-"):
        return projection
    name = projection.removeprefix("gated-")
    return ["gelu_tanh" if name == "gelu" else ACTIVATIONS.get(name, name), "linear"]


def _projection(activations):
    """The reverse, from names of ``transformers``."""
    if isinstance(activations, str):
        return activations
    first, *gates = activations
    gated = {"gelu_new": "gated-gelu", "gelu": "gated-gelu_python"}.get(first, f"gated-{first}")
    return gated if gates else first
