"""GPT-2 (Radford et al., "Language Models are Unsupervised Multitask Learners", 2019)."""

from collections.abc import Mapping
from typing import Any

from bert4keras.backend.types import Tensor
from bert4keras.checkpoints import Dialect, norm, rename_variables
from bert4keras.models.families.bert import BERT
from bert4keras.models.families.gpt import BLOCK_RULES, GPT, HEAD_RULE, TASK_RULES
from bert4keras.models.heads import DECODER_DROPOUT, AnswerHead, TokenHead
from bert4keras.models.hugging_face import NO_SEGMENTS, SHARED_SEGMENTS
from bert4keras.models.mixins import PreNorm
from bert4keras.models.specs import CheckpointSpec, ConfigSpec

_HUGGING_FACE = Dialect(
    (
        (r"^gpt/embeddings/word_embeddings$", "transformer.wte.weight"),
        HEAD_RULE,
        *TASK_RULES,
        (r"^gpt/embeddings/position_embeddings$", "transformer.wpe.weight"),
        (r"^gpt/output/LayerNorm/", "transformer.ln_f."),
        (r"attention/input/LayerNorm/", "ln_1."),
        (r"input/LayerNorm/", "ln_2."),
        *BLOCK_RULES,
    ),
    prefix="transformer.",
)


class GPT2(PreNorm, GPT):
    """GPT-2: a language model that normalizes before each sublayer and at the end; no segments.

    Args:
        *args, **kwargs: as for ``GPT``, but for segments and position ids.

    Output: tokens (B, L, V), the prediction of the next one at each position.

    Raises:
        ValueError: a head of BERT, segments, position ids or a UniLM mask are asked for.
    """

    checkpoint_spec: CheckpointSpec = GPT.checkpoint_spec.replace(
        weights=rename_variables(
            {
                layer: names
                for layer, names in GPT.checkpoint_spec.weights.items()
                if layer != "Embedding-Segment"
            },
            ("output/LayerNorm", "input/LayerNorm"),
        )
        | {"Output-Norm": norm("gpt/output/LayerNorm")},
        hugging_face=_HUGGING_FACE,
    )
    config_spec: ConfigSpec = GPT.config_spec.replace(
        model_type="gpt2",
        keys={
            **{arg: key for arg, key in GPT.config_spec.keys.items() if "segment" not in arg},
            "hidden_act": "activation_function",
            "intermediate_size": "n_inner",
        },
        defaults={
            "pad_token_id": None,
            "hidden_act": "gelu_tanh",
            "max_position": 1024,
            "dropout_rate": 0.1,
            "attention_dropout_rate": 0.1,
        },
        required_values={
            "scale_attn_weights": True,
            "scale_attn_by_inverse_layer_idx": False,
            "add_cross_attention": False,
        },
        unsupported_args=(
            *GPT.config_spec.unsupported_args,
            "segment_vocab_size",
            "shared_segment_embeddings",
            "custom_position_ids",
        ),
        applications=("encoder", "lm"),
        hf_unsupported=BERT.config_spec.hf_unsupported - {NO_SEGMENTS, SHARED_SEGMENTS},
    )
    task_heads: Mapping[str, type[Any]] = {
        **GPT.task_heads,
        "token-classification": TokenHead.replace(**DECODER_DROPOUT),
        "question-answering": AnswerHead,
    }
    epsilon: float | None = 1e-5

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **{**kwargs, "segment_vocab_size": 0})

    def apply_embeddings(self, inputs: Tensor | list[Tensor]) -> Tensor:
        """Sum token and position."""
        return self.sum_embeddings(inputs)

    def apply_final_layers(self, inputs: Tensor) -> Tensor:
        """Apply the last norm, then predict the next token."""
        x = self.dropout(self.normalize(inputs, "Output-Norm"), "Output-Dropout")
        return super().apply_final_layers(x)

    def architecture(self) -> str:
        return "GPT2LMHeadModel"
