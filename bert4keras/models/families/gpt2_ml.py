"""GPT2-ML (https://github.com/imcaspar/gpt2-ml), whose blocks are Grover's (arXiv:1905.12616)."""

from collections.abc import Callable
from typing import Any

from bert4keras.backend.types import Tensor
from bert4keras.checkpoints import dense, norm
from bert4keras.layers import Add
from bert4keras.models.families.gpt import GPT
from bert4keras.models.families.gpt2 import GPT2
from bert4keras.models.specs import CheckpointSpec, ConfigSpec

_LAYER = "newslm/layer{i:02d}"
_PROJECTIONS = ("query_layer", "key_layer", "value_layer", "context_projection_layer")


class GPT2_ML(GPT):
    """GPT2-ML: a language model with a norm before and a norm behind each feed-forward layer.

    Args:
        *args, **kwargs: as for ``GPT2``.

    Output: tokens (B, L, V), the prediction of the next one at each position. ``transformers`` has
    no such family; folders are our own.

    Raises:
        ValueError: a head of BERT, segments, position ids or a UniLM mask are asked for.
    """

    checkpoint_spec: CheckpointSpec = GPT.checkpoint_spec.replace(
        weights={
            "Embedding-Token": ["newslm/embeddings/word_embed"],
            "Embedding-Position": ["newslm/embeddings/pos_embed"],
            "Embedding-Norm": norm("newslm/embeddings/LayerNorm_embed_norm"),
            "Transformer-{i}-MultiHeadSelfAttention": [
                name for part in _PROJECTIONS for name in dense(f"{_LAYER}/{part}")
            ],
            "Transformer-{i}-FeedForward-Norm-0": norm(f"{_LAYER}/LayerNorm_mlp_ln0"),
            "Transformer-{i}-FeedForward": dense(f"{_LAYER}/intermediate")
            + dense(f"{_LAYER}/output"),
            "Transformer-{i}-FeedForward-Norm-1": norm(f"{_LAYER}/LayerNorm_mlp_ln1"),
            "Output-LM": ["newslm/output_embeddings"],
        },
        vocabulary=("newslm/embeddings/word_embed", "newslm/output_embeddings"),
        hugging_face=None,  # transformers has no such family
    )
    config_spec: ConfigSpec = GPT.config_spec.replace(
        model_type="gpt2_ml",
        keys={"max_position": "max_position_embeddings"},
        defaults={},
        unsupported_args=GPT2.config_spec.unsupported_args,
        applications=GPT2.config_spec.applications,
    )
    epsilon: float | None = 1e-5

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **{**kwargs, "segment_vocab_size": 0})

    def apply_embeddings(self, inputs: Tensor | list[Tensor]) -> Tensor:
        """Sum token and position, and normalize."""
        return self.normalize(self.sum_embeddings(inputs), "Embedding-Norm")

    def apply_main_layers(self, inputs: Tensor, index: int) -> Tensor:
        """Apply one block; its one norm outside the residual sums is the last."""
        x = super().apply_main_layers(inputs, index)
        return self.normalize(x, f"{self.block_name(index)}-FeedForward-Norm-1")

    def feed_forward(self, x: Tensor, name: str, **options: Any) -> Tensor:
        """Apply the feed-forward half of a block to its normalized input."""
        return super().feed_forward(self.normalize(x, f"{name}-Norm-0"), name, **options)

    def residual(self, x: Tensor, name: str, sublayer: Callable[[Tensor, str], Tensor]) -> Tensor:
        """Join a sublayer to its input: dropout and sum."""
        y = self.dropout(sublayer(x, name), f"{name}-Dropout")
        return self.apply([x, y], Add, name=f"{name}-Add")
