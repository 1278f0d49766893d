"""GPT (Radford et al., "Improving Language Understanding by Generative Pre-Training", 2018)."""

from collections.abc import Mapping
from typing import Any

from bert4keras import backend
from bert4keras.backend.types import Tensor
from bert4keras.checkpoints import Dialect, rename_variables
from bert4keras.models.families.bert import BERT, BLOCKS, EMBEDDINGS
from bert4keras.models.heads import CausalLMHead, LastTokenHead
from bert4keras.models.hugging_face import NO_SEGMENTS, SHARED_SEGMENTS, Unsupported
from bert4keras.models.mixins import LanguageModelHead, LM_Mask, check_embedding_size
from bert4keras.models.specs import CheckpointSpec, ConfigSpec
from bert4keras.models.transformer import Activation

HEAD_RULE = (r"^gpt/output_embeddings$", "lm_head.weight")
TASK_RULES = (  # layers of transformers, not of GPT: their kernels are transposed
    (r"^(score|classifier|qa_outputs)/kernel$", r"\1.weight^T"),
    (r"^(classifier|qa_outputs)/bias$", r"\1.bias"),
)
BLOCK_RULES = (  # kernels lie as Google's do, those of queries, keys and values in one
    (r"^gpt/transformer/layer_(\d+)/", r"transformer.h.\1."),
    (r"attention/self/query/(\w+)$", r"attn.c_attn.\1[0 of 3]"),
    (r"attention/self/key/(\w+)$", r"attn.c_attn.\1[1 of 3]"),
    (r"attention/self/value/(\w+)$", r"attn.c_attn.\1[2 of 3]"),
    (r"attention/output/dense/", "attn.c_proj."),
    (r"intermediate/dense/", "mlp.c_fc."),
    (r"output/dense/", "mlp.c_proj."),
    (r"\b(kernel|gamma)\b", "weight"),
    (r"\bbeta$", "bias"),
)
_HUGGING_FACE = Dialect(
    (
        (r"^gpt/embeddings/word_embeddings$", "transformer.tokens_embed.weight"),
        HEAD_RULE,
        *TASK_RULES,
        (r"^gpt/embeddings/position_embeddings$", "transformer.positions_embed.weight"),
        (r"attention/output/LayerNorm/", "ln_1."),
        (r"output/LayerNorm/", "ln_2."),
        *BLOCK_RULES,
    ),
    prefix="transformer.",
)
_OWN_SEGMENTS = Unsupported(
    "segments of their own",
    lambda model: model.segment_vocab_size > 0 and not model.shared_segment_embeddings,
)
_INTERMEDIATE_SIZE = Unsupported(
    "intermediate_size other than 4 * hidden_size",
    lambda model: model.intermediate_size != 4 * model.hidden_size,
)
_ACTIVATION = Unsupported(
    "hidden_act other than gelu_tanh, relu or silu",
    lambda model: (
        backend.get_activation(model.hidden_act)
        not in [backend.get_activation(x) for x in ("gelu_tanh", "relu", "silu")]
    ),
)


class GPT(LM_Mask, LanguageModelHead, BERT):
    """GPT: a language model; BERT's blocks, each position seeing what came before.

    Args:
        final_activation: of the scores of tokens: "softmax" for probabilities, "linear" for none.
        *args, **kwargs: as for ``BERT``, but for ``with_pool``, ``with_nsp`` and ``with_mlm``.

    Output: tokens (B, L, V), the prediction of the next one at each position. A UniLM mask is
    possible (``application="unilm"``). Segments are added as in BERT; a folder of ``transformers``
    has none, or with ``shared_segment_embeddings=True, segment_vocab_size=2`` takes ids of tokens
    for them, as dialogue models do. Its "gelu" is the approximation by tanh.

    Raises:
        ValueError: a head of BERT is asked for, or an ``embedding_size`` other than
            ``hidden_size``: the scores come from the embeddings.
    """

    checkpoint_spec: CheckpointSpec = BERT.checkpoint_spec.replace(
        weights=rename_variables(
            {
                layer: names
                for layer, names in (EMBEDDINGS | BLOCKS).items()
                if layer not in ("Embedding-Norm", "Embedding-Mapping")
            },
            ("bert/", "gpt/"),
            ("/encoder/", "/transformer/"),
        )
        | {"Output-LM": ["gpt/output_embeddings"]},
        vocabulary=("gpt/embeddings/word_embeddings", "gpt/output_embeddings"),
        transposed_variables=(),
        hugging_face=_HUGGING_FACE,
    )
    config_spec: ConfigSpec = BERT.config_spec.replace(
        model_type="openai-gpt",
        keys={
            "hidden_size": "n_embd",
            "num_hidden_layers": "n_layer",
            "num_attention_heads": "n_head",
            "hidden_act": "afn",
            "dropout_rate": "resid_pdrop",
            "attention_dropout_rate": "attn_pdrop",
            "max_position": "n_positions",
            "layer_norm_eps": "layer_norm_epsilon",
            "segment_vocab_size": "type_vocab_size",
            "shared_segment_embeddings": "shared_segment_embeddings",
        },
        defaults={
            "pad_token_id": None,
            "segment_vocab_size": 0,
            "layer_norm_eps": 1e-5,
            "dropout_rate": 0.1,
            "attention_dropout_rate": 0.1,
        },
        required_values={},
        keys_without_effect={
            "embd_pdrop": "one rate of dropout is for all vectors: resid_pdrop",
            "n_ctx": "it is n_positions",
            "is_decoder": "the family is always causal",
            "reorder_and_upcast_attn": "attention weights are computed in float32 in any case",
            **dict.fromkeys(
                ("n_special", "predict_special_tokens"), "the tokens are in vocab_size"
            ),
        },
        unsupported_args=("with_pool", "with_nsp", "with_mlm"),
        hf_unsupported=BERT.config_spec.hf_unsupported - {NO_SEGMENTS, SHARED_SEGMENTS}
        | {_OWN_SEGMENTS, _INTERMEDIATE_SIZE, _ACTIVATION},
    )
    task_heads: Mapping[str, type[Any]] = {
        "text-classification": LastTokenHead,
        "text-generation": CausalLMHead.replace(
            architectures=("LMHeadModel", "ForCausalLM"), arguments={"final_activation": "linear"}
        ),
    }

    def __init__(self, *args: Any, final_activation: Activation = "softmax", **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.final_activation = final_activation
        check_embedding_size(self)

    @classmethod
    def parse_config(cls, config: Mapping[str, Any]) -> dict[str, Any]:
        """Return the arguments that a configuration gives; some follow from others."""
        settings = super().parse_config(config)
        if config.get("afn") == "gelu":
            settings["hidden_act"] = "gelu_tanh"
        if config.get("n_embd") and settings.get("intermediate_size") is None:
            settings["intermediate_size"] = 4 * config["n_embd"]
        return settings

    def apply_embeddings(self, inputs: Tensor | list[Tensor]) -> Tensor:
        """Sum token, segment and position, and apply dropout."""
        return self.dropout(self.sum_embeddings(inputs), "Embedding-Dropout")

    # In transformers

    def hugging_face_config(self) -> dict[str, Any]:
        config = super().hugging_face_config()
        if config.get("afn") == "gelu_new":
            config["afn"] = "gelu"
        return config

    def architecture(self) -> str:
        return "OpenAIGPTLMHeadModel"
