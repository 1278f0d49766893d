"""Layers that ``Transformer.apply`` makes or calls in a special way: dropout and attention.

Attention layers get the ``attention_caches`` of ``build`` and, with ``residual_attention_scores``,
the scores of the block before (RealFormer, arXiv:2012.11747).
"""

from __future__ import annotations

from functools import singledispatch
from typing import TYPE_CHECKING, Any

from keras.layers import Dropout

from bert4keras.backend.types import Tensor
from bert4keras.layers import AttentionBias, Concatenate1D, MultiHeadAttention

if TYPE_CHECKING:
    from bert4keras.models.transformer import Transformer


def is_skipped(transformer: Transformer, layer: Any) -> bool:
    """True for dropout at rate 0: the model does not get such a layer."""
    return layer is Dropout and not transformer.dropout_rate


def make_layer(transformer: Transformer, layer: Any, arguments: dict[str, Any]) -> Any:
    """Make a layer, with what the model's settings ask of its class.

    Args:
        layer: a class of layers, or a function such as ``keras.Input``.
        arguments: its keyword arguments.
    """
    is_attention = isinstance(layer, type) and issubclass(layer, MultiHeadAttention)
    if is_attention and transformer.residual_attention_scores:
        # a layer's number of outputs is fixed when it is made
        arguments = {**arguments, "return_attention_scores": True}
    result = layer(**arguments)
    if transformer.recompute:
        result.recompute = True  # read by those of our layers that use much memory
    return result


@singledispatch
def call_layer(layer: Any, transformer: Transformer, inputs: Any, arguments: dict[str, Any]) -> Any:
    """Call a layer of a model; classes of layers register their own way.

    Args:
        layer: the layer.
        transformer: the model that it is part of.
        inputs: its inputs.
        arguments: keyword arguments of the call.
    """
    return layer(inputs, **arguments)


@call_layer.register(MultiHeadAttention)
def _call_attention(
    layer: MultiHeadAttention, transformer: Transformer, inputs: Any, arguments: dict[str, Any]
) -> Any:
    """Call an attention layer with its caches and the scores of the block before."""
    name = layer.name.removeprefix(transformer.prefix)
    inputs = _add_caches(layer, name, transformer, list(inputs), arguments)
    if not transformer.residual_attention_scores:
        return layer(inputs, **arguments)
    kind = name.rpartition("-")[2]  # self-attention and cross-attention have scores of their own
    bias = transformer.attention_scores.get(kind)
    if bias is not None:
        inputs = _add_bias(bias, name, transformer, inputs, arguments)
        arguments["a_bias"] = True
    output, transformer.attention_scores[kind] = layer(inputs, **arguments)
    return output


def _add_caches(
    layer: MultiHeadAttention,
    name: str,
    transformer: Transformer,
    inputs: list[Tensor],
    arguments: dict[str, Any],
) -> list[Tensor]:
    """Put the cached keys and values of an attention layer before its own."""
    caches = transformer.attention_caches.get(layer.name)
    if caches is None:
        return inputs
    if arguments.get("a_bias"):
        raise ValueError("attention_caches cannot be used with a causal or UniLM mask")
    query, *keys_values = inputs[:3]
    keys_values = [
        transformer.apply([cache, x], Concatenate1D, name=f"{name}-{part}")
        for cache, x, part in zip(caches, keys_values, ("Cached-Key", "Cached-Value"))
    ]
    return [query, *keys_values, *inputs[3:]]


def _add_bias(
    bias: Tensor,
    name: str,
    transformer: Transformer,
    inputs: list[Tensor],
    arguments: dict[str, Any],
) -> list[Tensor]:
    """Add a bias to the one that an attention layer has, or put it in its place."""
    query_key_value, biases = inputs[:3], inputs[3:]
    if arguments.get("a_bias"):
        bias = transformer.apply(
            [bias, biases.pop(0)], AttentionBias, name=f"{name}-Attention-Bias"
        )
    return [*query_key_value, bias, *biases]
