"""LLaMA (Touvron et al., arXiv:2302.13971), and decoders of its kind: Mistral, Qwen2."""

from collections.abc import Mapping
from typing import Any

from bert4keras.backend.types import Tensor
from bert4keras.checkpoints import deinterleave_rotary, dense, hugging_face, interleave_rotary
from bert4keras.models.heads import (
    DECODER_DROPOUT,
    AnswerHead,
    CausalLMHead,
    LastTokenHead,
    TokenHead,
)
from bert4keras.models.hugging_face import ANY_FAMILY, KEY_SIZE
from bert4keras.models.mixins import (
    LanguageModelHead,
    LM_Mask,
    PreNorm,
    RMSNorm,
    RotaryPositions,
    check_embedding_size,
    check_layer_types,
)
from bert4keras.models.rope_scaling import rotary_frequencies
from bert4keras.models.specs import CheckpointSpec, ConfigSpec
from bert4keras.models.transformer import Activation, Transformer

_LAYER = "model/layers_{i}"
_HUGGING_FACE = hugging_face((r"^(model/embed_tokens|lm_head)$", r"\1/weight"), prefix="model.")
_ANSWERS = hugging_face(  # classes of question answering call the model so
    (r"^model/", "transformer/"), (r"^(transformer/embed_tokens)$", r"\1/weight")
)
_OPTIONAL_BIASES = {  # attribute that is True where a model has them -> ends of their names
    "projection_bias": ("/q_proj/bias", "/k_proj/bias", "/v_proj/bias"),
    "output_bias": ("/o_proj/bias",),
    "mlp_bias": ("/gate_proj/bias", "/up_proj/bias", "/down_proj/bias"),
}


class LLaMA(LM_Mask, LanguageModelHead, RMSNorm, PreNorm, RotaryPositions, Transformer):
    """LLaMA: a language model of rotary positions, RMS norms and gated feed-forward layers.

    Args:
        max_position: number of positions that the model was trained on.
        custom_position_ids: take position ids as a further input, "Input-Position".
        final_activation: of the scores of tokens: "softmax" for probabilities, "linear" for none.
        key_value_heads: heads of keys and values, each shared by as many heads of queries
            (arXiv:2305.13245); ``num_attention_heads`` by default.
        rope_theta: base of the rotary positions.
        rope_scaling: how these are changed for longer texts; see ``rotary_frequencies``.
        projection_bias: biases in attention.
        mlp_bias: biases in feed-forward layers.
        tie_word_embeddings: score tokens by the table of their embeddings, not by another table.
        *args, **kwargs: as for ``Transformer``; ``hidden_act`` is that of the gate.

    Output: tokens (B, L, V), the prediction of the next one at each position. Padding is masked
    throughout.

    Raises:
        ValueError: heads that do not divide; a sliding window or a change of rotary positions that
            is not computed here; a head of BERT, segments or a UniLM mask.
    """

    checkpoint_spec: CheckpointSpec = CheckpointSpec(
        weights={
            "Embedding-Token": ["model/embed_tokens"],
            "Transformer-{i}-MultiHeadSelfAttention-Norm": [f"{_LAYER}/input_layernorm/gamma"],
            "Transformer-{i}-MultiHeadSelfAttention": [
                name for part in "qkvo" for name in dense(f"{_LAYER}/self_attn/{part}_proj")
            ],
            "Transformer-{i}-FeedForward-Norm": [f"{_LAYER}/post_attention_layernorm/gamma"],
            "Transformer-{i}-FeedForward": [
                name
                for part in ("gate", "up", "down")
                for name in dense(f"{_LAYER}/mlp/{part}_proj")
            ],
            "Output-Norm": ["model/norm/gamma"],
            "Output-LM": ["lm_head"],
        },
        vocabulary=("model/embed_tokens", "lm_head"),
        hugging_face=_HUGGING_FACE,
    )
    config_spec: ConfigSpec = ConfigSpec(
        model_type="llama",
        keys={
            "attention_head_size": "head_dim",
            "attention_dropout_rate": "attention_dropout",
            "key_value_heads": "num_key_value_heads",
            "layer_norm_eps": "rms_norm_eps",
            "max_position": "max_position_embeddings",
            "rope_theta": "rope_theta",
            "projection_bias": "attention_bias",
            "mlp_bias": "mlp_bias",
        },
        defaults={"pad_token_id": None, "max_position": 2048},
        required_values={"partial_rotary_factor": 1.0, "original_max_position_embeddings": None},
        used_keys=(
            "rope_scaling",
            "rope_parameters",
            "sliding_window",
            "use_sliding_window",
            "layer_types",
        ),
        keys_without_effect={
            "pretraining_tp": "it cuts products of matrices, which gives the same numbers",
            "max_sequence_length": "rotary positions have no table",
            "max_window_layers": "a window in use is refused",
            "is_decoder": "the family is always causal",
        },
        unsupported_args=(
            "with_pool",
            "with_nsp",
            "with_mlm",
            "segment_vocab_size",
            "shared_segment_embeddings",
            "hierarchical_position",
        ),
        applications=("encoder", "lm"),
        hf_unsupported=ANY_FAMILY | {KEY_SIZE},
    )
    task_heads: Mapping[str, type[Any]] = {
        "text-classification": LastTokenHead,
        "token-classification": TokenHead.replace(
            weights={"Classifier": dense("score")}, **DECODER_DROPOUT
        ),
        "question-answering": AnswerHead.replace(dialect=_ANSWERS),
        "text-generation": CausalLMHead.replace(arguments={"final_activation": "linear"}),
    }
    tie_word_embeddings = False
    epsilon: float | None = 1e-6
    uses_sliding_window = False  # where a configuration does not say it

    def __init__(
        self,
        *args: Any,
        max_position: int = 512,
        custom_position_ids: bool = False,
        final_activation: Activation = "softmax",
        key_value_heads: int | None = None,
        rope_theta: float = 10000.0,
        rope_scaling: Mapping[str, Any] | None = None,
        projection_bias: bool = False,
        mlp_bias: bool = False,
        tie_word_embeddings: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(*args, **kwargs)
        check_embedding_size(self)
        self.max_position = max_position
        self.custom_position_ids = custom_position_ids
        self.final_activation = final_activation
        self.key_value_heads: int = key_value_heads or self.num_attention_heads
        self.rope_theta = rope_theta
        self.rope_scaling = rope_scaling
        frequencies = rotary_frequencies(self.attention_key_size, rope_theta, rope_scaling)
        self.rotary_options: Mapping[str, Any] = {"frequencies": frequencies}
        self.use_bias = projection_bias
        self.projection_bias: bool = projection_bias
        self.output_bias: bool = projection_bias
        self.mlp_bias = mlp_bias
        self.tie_word_embeddings: bool = tie_word_embeddings

    @classmethod
    def parse_config(cls, config: Mapping[str, Any]) -> dict[str, Any]:
        """Return the arguments that a configuration gives, of ``transformers`` 4 or 5."""
        settings = super().parse_config(config)
        cls.check_window(settings)
        rope = dict(config.get("rope_scaling") or config.get("rope_parameters") or {})
        theta = rope.pop("rope_theta", None)
        if theta is not None:
            settings["rope_theta"] = theta
        try:
            rotary_frequencies(2, settings.get("rope_theta", 10000.0), rope)
        except TypeError as error:
            raise ValueError(f"{error} Correct the configuration.") from None
        return {**settings, "rope_scaling": rope or None}

    @classmethod
    def check_window(cls, settings: Mapping[str, Any]) -> None:
        """Raise a ValueError if positions do not see all that came before."""
        window, longest = settings.get("sliding_window"), settings.get("max_position")
        is_used = settings.get("use_sliding_window", cls.uses_sliding_window)
        kinds = settings.get("layer_types")
        if kinds:
            check_layer_types(kinds, settings.get("num_hidden_layers"))
            is_used = any(kind != "full_attention" for kind in kinds)
        if is_used and window and not (longest and window >= longest):
            raise ValueError(
                f"{cls.__name__} can compute sliding_window=None alone, the configuration says "
                f"{window}. For texts no longer than that they are the same: set it to null there."
            )

    # Parts of the graph

    def get_inputs(self) -> Tensor | list[Tensor]:
        """Make the input of token ids (B, L), and that of position ids if wanted."""
        positions = ["Input-Position"] if self.custom_position_ids else []
        return self.simplify(self.id_input(name) for name in ["Input-Token", *positions])

    def apply_embeddings(self, inputs: Tensor | list[Tensor]) -> Tensor:
        """Embed tokens."""
        tokens = inputs[0] if isinstance(inputs, list) else inputs
        return self.embed(tokens, "Embedding-Token", self.vocab_size)

    def attention(
        self,
        inputs: Any,
        name: str,
        bias: Tensor | None = None,
        position: Tensor | None = None,
        **options: Any,
    ) -> Tensor:
        """Apply an attention layer of the family's sizes, with heads in groups."""
        groups = {"key_value_heads": self.key_value_heads, "output_bias": self.output_bias}
        return super().attention(inputs, name, bias, position, **groups, **options)

    def feed_forward(self, x: Tensor, name: str, **options: Any) -> Tensor:
        """Apply the feed-forward half of a block, gated."""
        gate = {"activation": [self.hidden_act, "linear"], "use_bias": self.mlp_bias}
        return super().feed_forward(x, name, **gate, **options)

    def apply_final_layers(self, inputs: Tensor) -> Tensor:
        """Apply the last norm, then predict the next token."""
        return super().apply_final_layers(self.normalize(inputs, "Output-Norm"))

    # Weights

    def variable_mapping(self) -> dict[str, list[str]]:
        """Return the table of weights, without the biases that this model does not have."""
        absent = tuple(
            ending
            for attribute, endings in _OPTIONAL_BIASES.items()
            for ending in endings
            if not getattr(self, attribute)
        )
        return {
            layer: [name for name in names if not name.endswith(absent)]
            for layer, names in super().variable_mapping().items()
        }

    def rotary_heads(self, name: str) -> int:
        """Return the number of heads of a variable that makes queries or keys; 0 for others."""
        parts = {"q_proj": self.num_attention_heads, "k_proj": self.key_value_heads}
        return next((heads for part, heads in parts.items() if f"/{part}/" in name), 0)

    def load_variable(self, checkpoint: Mapping[str, Any], name: str) -> Any:
        """Read one variable; ours turns neighbouring features, a checkpoint's the halves."""
        variable, heads = super().load_variable(checkpoint, name), self.rotary_heads(name)
        return interleave_rotary(variable, heads) if heads else variable

    def create_variable(self, name: str, value: Any, dtype: Any = None) -> Any:
        heads = self.rotary_heads(name)
        value = deinterleave_rotary(value, heads) if heads else value
        return super().create_variable(name, value, dtype)

    # In transformers

    def hugging_face_config(self) -> dict[str, Any]:
        """Return the ``config.json`` of the same model, for ``transformers`` 4 and 5."""
        scaling = {"rope_type": "default", **(self.rope_scaling or {})}
        is_scaled = scaling.get("type", scaling["rope_type"]) != "default"
        return {
            **super().hugging_face_config(),
            "is_decoder": True,
            "rope_parameters": {**scaling, "rope_theta": self.rope_theta},
            "rope_scaling": scaling if is_scaled else None,
            "sliding_window": None,
        }

    def architecture(self) -> str:
        return f"{str(self.model_type).capitalize()}ForCausalLM"


class Mistral(LLaMA):
    """Mistral (Jiang et al., arXiv:2310.06825): LLaMA without biases, here without windows.

    Args:
        *args, **kwargs: as for ``LLaMA``, but for biases.
    """

    config_spec: ConfigSpec = LLaMA.config_spec.replace(
        model_type="mistral",
        defaults={
            **LLaMA.config_spec.defaults,
            "sliding_window": 4096,
            "key_value_heads": 8,
            "max_position": 131072,
        },
        required_values={
            **LLaMA.config_spec.required_values,
            "attention_bias": False,
            "mlp_bias": False,
        },
        unsupported_args=(*LLaMA.config_spec.unsupported_args, "projection_bias", "mlp_bias"),
    )
    task_heads: Mapping[str, type[Any]] = {**LLaMA.task_heads, "question-answering": AnswerHead}
    uses_sliding_window = True


class Qwen2(LLaMA):
    """Qwen2 (arXiv:2407.10671) and Qwen2.5: LLaMA with biases of queries, keys and values.

    Args:
        *args, **kwargs: as for ``LLaMA``, but for biases.
    """

    config_spec: ConfigSpec = LLaMA.config_spec.replace(
        model_type="qwen2",
        defaults={**LLaMA.config_spec.defaults, "key_value_heads": 32, "max_position": 32768},
        required_values={
            **LLaMA.config_spec.required_values,
            "mlp_bias": False,
            "use_mrope": False,
        },
        unsupported_args=(*LLaMA.config_spec.unsupported_args, "projection_bias", "mlp_bias"),
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **{**kwargs, "projection_bias": True})
        self.output_bias = False
