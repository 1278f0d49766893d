"""Graph of a sentence encoder: a model of token vectors, pooling, dense layers behind it."""

import re
from collections.abc import Sequence
from typing import Any

import keras

from bert4keras.backend import get_mask
from bert4keras.checks import check_choice, check_strings, describe
from bert4keras.layers import SentencePooling
from bert4keras.pipelines.program import check_outputs, find_pad_id

FIRST_LAST = "first-last"
PROMPT_INPUT = "Prompt-Length"
_FIRST_BLOCK = re.compile(r"(^|.*-)Transformer(-0)?-[A-Z]")  # a shared block has no number


def check_pooling(pooling: Any) -> list[str]:
    """Return the names of a pooling as a list; an empty one for None."""
    if pooling is None:
        return []
    names = [pooling] if isinstance(pooling, str) else check_strings("pooling", pooling)
    for name in names:
        check_choice("pooling", name, (*SentencePooling.MODES, FIRST_LAST))
    if not names or (FIRST_LAST in names and len(names) > 1):
        raise ValueError(
            f"Expected pooling to be one or several names, {FIRST_LAST!r} alone, got "
            f"{describe(pooling)}. Pass one of {', '.join((*SentencePooling.MODES, FIRST_LAST))}."
        )
    return names


def build_sentence_model(
    model: Any, pooling: Sequence[str], dense: Sequence[Any] = (), include_prompt: bool = True
) -> Any:
    """Build a model with the output (B, D), a vector of each text.

    Args:
        model: a functional model with the output (B, L, D), or (B, D) if ``pooling`` is empty.
        pooling: names of ``SentencePooling.MODES``, or "first-last".
        dense: layers that are applied to the pooled vector.
        include_prompt: False adds the input "Prompt-Length" (B, 1): so many first tokens are not
            pooled.

    Raises:
        ValueError: the output of the model does not fit the pooling.
    """
    inputs, x = list(model.inputs), _find_vectors(model, pooling)
    if pooling:
        if not include_prompt:
            inputs.append(keras.Input((1,), dtype="int32", name=PROMPT_INPUT))
        modes = ["mean" if name == FIRST_LAST else name for name in pooling]
        pool = SentencePooling(modes, name="Sentence-Pooling")
        x = pool(x if include_prompt else [x, inputs[-1]])
    for layer in dense:
        x = layer(x)
    return keras.Model(inputs, x) if pooling or dense else model


def _find_vectors(model: Any, pooling: Sequence[str]) -> Any:
    """Return what is pooled: the output, or the mean of the first block's output and it."""
    sizes = (None, None, None) if pooling else (None, None)
    shapes = [tuple(x.shape) for x in model.outputs]
    if not pooling and len(shapes) == 1 and len(shapes[0]) == 3:
        raise ValueError(
            f"Expected pooling for a model with the output {shapes[0]}, got None. Pass pooling, "
            "such as 'cls' or 'mean': as the model was trained."
        )
    output = check_outputs("model", model, sizes).outputs[0]
    if pooling and find_pad_id(model) is not None and get_mask(output) is None:
        raise ValueError(
            "Expected the output of the model to carry a padding mask, got none: pooling would "
            "count padding. Set supports_masking = True in its last layers."
        )
    if FIRST_LAST not in pooling:
        return output
    return keras.layers.Average(name="Sentence-FirstLast")([_find_first_block(model), output])


def _find_first_block(model: Any) -> Any:
    """Return the output (B, L, D) of the first block of a model of this library."""
    outputs = [
        layer._inbound_nodes[0].outputs[0]
        for layer in model.layers
        if _FIRST_BLOCK.match(layer.name) and layer._inbound_nodes
    ]
    outputs = [x for x in outputs if tuple(x.shape) == tuple(model.outputs[0].shape)]
    if not outputs:
        raise ValueError(
            f"Expected layers of a first block in the model for pooling={FIRST_LAST!r}, got none. "
            "Build it with build_transformer_model, or pass another pooling."
        )
    return outputs[-1]
