"""Base of T5's encoder and decoder: names in checkpoints, settings, and parts of the graph."""

from collections.abc import Mapping
from typing import Any, Literal

import numpy as np

from bert4keras import backend
from bert4keras.backend.types import Tensor
from bert4keras.checkpoints import dense, expand_blocks, hugging_face, rename_variables
from bert4keras.layers import RelativePositionEmbeddingT5
from bert4keras.models.config import translate_activation
from bert4keras.models.hugging_face import ANY_FAMILY, EMBEDDING_SIZE, KEY_SIZE, Unsupported
from bert4keras.models.mixins import PreNorm, RMSNorm
from bert4keras.models.settings import check_gated_activations
from bert4keras.models.specs import CheckpointSpec, ConfigSpec
from bert4keras.models.transformer import Transformer

T5_VERSIONS = ("t5.1.0", "t5.1.1", "mt5.1.1")
_SUBLAYERS = {  # here -> in Mesh TensorFlow, and its variables
    "MultiHeadSelfAttention": ("SelfAttention", "qkvo"),
    "MultiHeadCrossAttention": ("EncDecAttention", "qkvo"),
    "FeedForward": ("DenseReluDense", ["wi/kernel", "wo/kernel"]),
}
_RELATIVE_BIAS = "{}/block_000/layer_000/SelfAttention/relative_attention_bias"
_LM_HEAD = "decoder/logits/kernel"
_HUGGING_FACE = hugging_face(
    (r"^shared/embedding$", "shared/weight"),
    (f"^{_LM_HEAD}$", "lm_head/kernel"),
    (r"^(encoder|decoder)/rms_norm/", r"\1/final_layer_norm/"),
    (r"/rms_norm/", "/layer_norm/"),
    (r"/wi_(\d)/kernel$", r"/wi_\1.weight^T"),
    (r"/([qkvo])$", r"/\1/kernel"),
    (r"(relative_attention_bias)$", r"\1/weight^T"),
)
_HF_ACTIVATIONS = {"t5": "relu", "mt5": "gated-gelu"}  # model_type -> its default
_HF_LM_HEAD, _HF_EMBEDDINGS = "lm_head.weight", "shared.weight"  # in a checkpoint of transformers


def _weight_table(name: str, *sublayers: str) -> dict[str, list[str]]:
    """Return the table of the encoder or of the decoder, whose blocks have these sublayers."""
    stack = name.lower()
    table = {
        "Embedding-Token": ["shared/embedding"],
        f"{name}-Embedding-Relative-Position": [_RELATIVE_BIAS.format(stack)],
        f"{name}-Output-Norm": [f"{stack}/final_layer_norm/scale"],
    }
    for number, sublayer in enumerate(sublayers):
        part, variables = _SUBLAYERS[sublayer]
        inside = f"{stack}/block_{{i:03d}}/layer_{number:03d}"
        layer = f"{name}-Transformer-{{i}}-{sublayer}"
        table[layer] = [f"{inside}/{part}/{variable}" for variable in variables]
        table[f"{layer}-Norm"] = [f"{inside}/layer_norm/scale"]
    return table


ENCODER_WEIGHTS = _weight_table("Encoder", "MultiHeadSelfAttention", "FeedForward")
DECODER_WEIGHTS = _weight_table("Decoder", *_SUBLAYERS)
_GATE = Unsupported(
    "a gate other than linear",
    lambda model: (
        any(
            backend.get_activation(gate) != backend.get_activation("linear")
            for gate in _gates(model.hidden_act)
        )
        or len(_gates(model.hidden_act)) > 1
    ),
)
_OPTIONAL_WEIGHTS = {  # of some models
    "Encoder-Embedding-Mapping": dense("encoder/embedding_hidden_mapping_in"),
    "Decoder-Embedding-Mapping": dense("decoder/embedding_hidden_mapping_in"),
    "Decoder-Output-Mapping": dense("decoder/embedding_hidden_mapping_out"),
    "Decoder-Output-LM": [_LM_HEAD],
}


class T5_Base(PreNorm, RMSNorm, Transformer):
    """Base of T5, its encoder and its decoder: pre-norm, RMS norm, no biases, bucketed distances.

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

    checkpoint_spec: CheckpointSpec = CheckpointSpec(
        vocabulary=("shared/embedding",),
        transposed_variables=tuple(
            _RELATIVE_BIAS.format(stack) for stack in ("encoder", "decoder")
        ),
        hugging_face=_HUGGING_FACE,
    )
    config_spec: ConfigSpec = ConfigSpec(
        model_type="t5",
        keys={
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
        },
        defaults={"dropout_rate": 0.1, "attention_head_size": 64},
        keys_without_effect={
            **dict.fromkeys(("dense_act_fn", "is_gated_act"), "feed_forward_proj says it"),
            "is_decoder": "the encoder and the decoder know it",
            "scale_decoder_outputs": "it is for the decoder, which has an argument of that name",
            "n_positions": "relative positions have no table",
        },
        checks={"hidden_act": check_gated_activations},
        unsupported_args=("with_pool", "with_nsp", "with_mlm"),
        applications=("encoder",),
        hf_unsupported=ANY_FAMILY | {EMBEDDING_SIZE, KEY_SIZE, _GATE},
    )
    stack: Literal["Encoder", "Decoder"] = "Encoder"
    is_encoder_decoder = False
    epsilon: float | None = 1e-6
    use_bias = False
    position_kind: str | None = "t5_relative"

    def __init__(
        self,
        *args: Any,
        version: str = "t5.1.0",
        tie_word_embeddings: bool | None = None,
        num_decoder_layers: int | None = None,
        relative_attention_num_buckets: int = 32,
        relative_attention_max_distance: int = 128,
        **kwargs: Any,
    ) -> None:
        super().__init__(*args, **kwargs)
        if version not in T5_VERSIONS:
            raise ValueError(f"version must be one of {', '.join(T5_VERSIONS)}; got {version!r}")
        self.version = version
        is_tied = version == "t5.1.0" if tie_word_embeddings is None else tie_word_embeddings
        self.tie_word_embeddings = is_tied
        self.num_decoder_layers: int = num_decoder_layers or self.num_hidden_layers
        self.relative_attention_num_buckets = relative_attention_num_buckets
        self.relative_attention_max_distance = relative_attention_max_distance

    # Settings and weights

    @classmethod
    def parse_config(cls, config: Mapping[str, Any]) -> dict[str, Any]:
        """Return the arguments of Google's configurations, or those of ``transformers``."""
        kind, settings = config.get("model_type"), super().parse_config(config)
        if kind in _HF_ACTIVATIONS:
            return _translate_settings(kind, settings)
        if kind in (None, cls.config_spec.model_type):
            if str(settings.get("hidden_act")).startswith("gated-"):
                raise ValueError(
                    f"hidden_act={settings['hidden_act']!r} is a name of transformers, but the "
                    "configuration has no model_type. Add it: t5 or mt5."
                )
            return settings
        raise ValueError(
            f"{cls.__name__} opens configurations of the model_type t5 or mt5, got {kind!r}, "
            "which is another architecture."
        )

    @classmethod
    def adapt_config(cls, config: dict[str, Any], checkpoint: Mapping[str, Any]) -> dict[str, Any]:
        """Untie a head that differs from the embeddings: transformers 5 calls it tied."""
        if not (
            config.get("tie_word_embeddings") and {_HF_LM_HEAD, _HF_EMBEDDINGS} <= set(checkpoint)
        ):
            return config
        is_tied = np.array_equal(checkpoint[_HF_LM_HEAD], checkpoint[_HF_EMBEDDINGS])
        return {**config, "tie_word_embeddings": is_tied}

    def variable_mapping(self) -> dict[str, list[str]]:
        """Return the table in the version's names: kernels of a gated layer, mT5's norms."""
        table = expand_blocks(
            self.checkpoint_spec.weights | _OPTIONAL_WEIGHTS, self.num_hidden_layers
        )
        count = len(_gates(self.hidden_act)) + 1
        for layer, (wi, *wo) in table.items():
            if layer.endswith("FeedForward") and count > 1:
                kernels = [wi.replace("/wi/", f"/wi_{i}/") for i in range(count)]
                table[layer] = [*kernels, *wo]
        if self.version != "mt5.1.1":
            return table
        return rename_variables(table, ("final_layer_norm", "rms_norm"), ("layer_norm", "rms_norm"))

    def mapping_to_read(self, checkpoint: Mapping[str, Any]) -> dict[str, list[str]]:
        """Return the table without the maps between widths that a checkpoint does not have."""
        return {
            layer: names
            for layer, names in self.variable_mapping().items()
            if not layer.endswith("-Mapping") or names[0] in checkpoint
        }

    def load_variable(self, checkpoint: Mapping[str, Any], name: str) -> Any:
        """Read one variable; the head has a column for each id."""
        if name == _LM_HEAD:
            return self.load_embeddings(checkpoint[name].T).T
        return super().load_variable(checkpoint, name)

    # Parts of the graph

    def block_name(self, index: int) -> str:
        """Return the name of a block of this stack."""
        return f"{self.stack}-Transformer-{index}"

    def token_input(self) -> Tensor:
        """Make the input of token ids (B, L)."""
        return self.id_input(f"{self.stack}-Input-Token")

    def embed_tokens(self, ids: Tensor) -> Tensor:
        """Embed tokens, at the hidden size."""
        x = self.embed(ids, "Embedding-Token", self.vocab_size)
        x = self.dropout(x, f"{self.stack}-Embedding-Dropout")
        if self.embedding_size == self.hidden_size:
            return x
        return self.dense(x, self.hidden_size, f"{self.stack}-Embedding-Mapping")

    def relative_position_bias(self, queries: Tensor, keys: Tensor) -> Tensor:
        """Compute biases (Lq, Lk, H) of the distances between tokens."""
        return self.apply(
            [queries, keys],
            RelativePositionEmbeddingT5,
            input_dim=self.relative_attention_num_buckets,
            output_dim=self.num_attention_heads,
            max_distance=self.relative_attention_max_distance,
            bidirectional=self.stack == "Encoder",
            embeddings_initializer=self.initializer,
            name=f"{self.stack}-Embedding-Relative-Position",
        )

    def attention(
        self,
        inputs: Any,
        name: str,
        bias: Tensor | None = None,
        position: Tensor | None = None,
        **options: Any,
    ) -> Tensor:
        """Apply an attention layer whose scores are not scaled."""
        options = {"attention_scale": False, **options}
        return super().attention(inputs, name, bias, position, **options)

    def output_norm(self, x: Tensor) -> Tensor:
        """Apply the last norm of a stack."""
        x = self.normalize(x, f"{self.stack}-Output-Norm")
        return self.dropout(x, f"{self.stack}-Output-Dropout")

    # In transformers

    @property
    def model_type(self) -> str:
        return self.version.partition(".")[0]

    def hugging_face_config(self) -> dict[str, Any]:
        config = super().hugging_face_config()
        if self.checkpoint_spec.hugging_face is None:
            return config
        projection = _feed_forward_proj(config["feed_forward_proj"])
        return {
            **config,
            "feed_forward_proj": projection,
            "decoder_start_token_id": self.pad_token_id,
        }


def _gates(hidden_act: Any) -> list[Any]:
    """Return the activations of a gated layer behind the first one."""
    return list(hidden_act[1:]) if isinstance(hidden_act, list | tuple) else []


def _translate_settings(kind: str, settings: dict[str, Any]) -> dict[str, Any]:
    """Return settings of ``transformers`` as arguments.

    Args:
        kind: their ``model_type``.
    """
    activation = settings.get("hidden_act") or _HF_ACTIVATIONS[kind]
    is_gated = not isinstance(activation, str) or activation.startswith("gated-")
    is_tied = settings.get("tie_word_embeddings", kind == "t5")
    return {
        "version": "mt5.1.1" if kind == "mt5" else "t5.1.1" if is_gated else "t5.1.0",
        "cross_position_bias": False,
        "tie_word_embeddings": is_tied,
        "scale_decoder_outputs": is_tied and kind == "t5",
        "attention_dropout_rate": settings["dropout_rate"],
        **settings,
        "hidden_act": _activations(activation),
    }


def _activations(projection: Any) -> Any:
    """Return ``hidden_act`` of ``feed_forward_proj``; "gated-gelu" is the approximation by tanh."""
    if not isinstance(projection, str) or not projection.startswith("gated-"):
        return translate_activation(projection)
    name = projection.removeprefix("gated-")
    return ["gelu_tanh" if name == "gelu" else translate_activation(name), "linear"]


def _feed_forward_proj(activations: Any) -> str:
    """Return ``feed_forward_proj`` of activations in names of ``transformers``."""
    if isinstance(activations, str):
        return activations
    first, *gates = activations
    projection = {"gelu_new": "gated-gelu", "gelu": "gated-gelu_python"}.get(
        first, f"gated-{first}"
    )
    return projection if gates else first
