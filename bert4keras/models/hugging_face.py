"""Properties of models that ``transformers`` cannot compute: constants with message and predicate.

A family names those that apply to it as a set, ``ConfigSpec.hf_unsupported``. Those of one family
stand in its file.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from bert4keras import backend
from bert4keras.models.settings import HF_ACTIVATIONS

if TYPE_CHECKING:
    from bert4keras.models.transformer import Transformer


@dataclass(frozen=True, eq=False)
class Unsupported:
    """A property of models that ``transformers`` cannot compute.

    Args:
        message: the property in words, after "transformers has no BERT with".
        applies_to: returns True for a model that has the property.
    """

    message: str
    applies_to: Callable[[Any], bool]


_NORM_CONDITION = Unsupported(
    "a condition of its normalizations", lambda model: model.layer_norm_conds[0] is not None
)
_RESIDUAL_SCORES = Unsupported(
    "residual_attention_scores", lambda model: model.residual_attention_scores
)
CAUSAL_MASK = Unsupported("a causal mask", lambda model: model.mask_kind == "causal")
UNILM_MASK = Unsupported("a UniLM mask", lambda model: model.mask_kind == "unilm")
EMBEDDING_SIZE = Unsupported(
    "embedding_size other than hidden_size", lambda model: model.embedding_size != model.hidden_size
)
KEY_SIZE = Unsupported(
    "keys and values of different sizes",
    lambda model: model.attention_key_size != model.attention_head_size,
)
HEAD_SIZE = Unsupported(
    "heads of other sizes",
    lambda model: (
        model.num_attention_heads * model.attention_head_size != model.hidden_size
        or KEY_SIZE.applies_to(model)
    ),
)
HIERARCHICAL_POSITION = Unsupported(
    "hierarchical_position", lambda model: bool(model.hierarchical_position)
)
CUSTOM_POSITION_IDS = Unsupported("custom_position_ids", lambda model: model.custom_position_ids)
SHARED_SEGMENTS = Unsupported(
    "shared_segment_embeddings", lambda model: model.shared_segment_embeddings
)
NO_SEGMENTS = Unsupported("segment_vocab_size=0", lambda model: model.segment_vocab_size == 0)
POOLER = Unsupported("a pooler", lambda model: bool(model.with_pool))
POOLER_ACTIVATION = Unsupported(
    "a pooler other than tanh", lambda model: model.with_pool not in (False, True, "tanh")
)

_ACTIVATION = Unsupported(
    "an activation that it has no name for, or has another function for",
    lambda model: not all(_has_hf_name(x) for x in _as_list(model.hidden_act)),
)

ANY_FAMILY = frozenset(
    {_NORM_CONDITION, _RESIDUAL_SCORES}
)  # our own folders cannot say them either


def check_writable(model: Transformer) -> None:
    """Raise a ValueError if a folder cannot describe a model.

    Args:
        model: a built ``Transformer``.
    """
    in_transformers = model.checkpoint_spec.hugging_face is not None
    hf_unsupported = model.config_spec.hf_unsupported | {_ACTIVATION}
    candidates = hf_unsupported if in_transformers else ANY_FAMILY
    messages = sorted(x.message for x in candidates if x.applies_to(model))
    if messages:
        raise ValueError(
            f"transformers has no {type(model).__name__} with {', '.join(messages)}. Write the "
            "weights with save_weights_as_checkpoint instead."
        )


def _as_list(activations: Any) -> list[Any]:
    """Return the activations of a layer as a list; a gated layer has two."""
    return list(activations) if isinstance(activations, list | tuple) else [activations]


def _has_hf_name(activation: Any) -> bool:
    """True for an activation of which ``transformers`` has the same function."""
    functions = [backend.get_activation(name) for name in HF_ACTIVATIONS.values()]
    return backend.get_activation(activation) in functions
