"""Layers of this library, and those of ``keras.layers``, which old scripts import from here."""

from typing import Any

import keras
from keras.layers import *  # noqa: F403

from bert4keras.backend import K, is_tf_keras, np, tf
from bert4keras.layers.attention import MultiHeadAttention
from bert4keras.layers.base import Layer, integerize_shape
from bert4keras.layers.convolution import MaskedConv1D
from bert4keras.layers.crf import ConditionalRandomField
from bert4keras.layers.disentangled import DisentangledAttention, DistanceEmbedding
from bert4keras.layers.embedding import Embedding
from bert4keras.layers.feedforward import FeedForward
from bert4keras.layers.gau import GatedAttentionUnit
from bert4keras.layers.ids import ConstantIds, PaddingAwarePositions
from bert4keras.layers.initializers import VarianceScalingByName
from bert4keras.layers.loss import Loss
from bert4keras.layers.masks import AttentionBias, CausalMask, UniLMMask, WindowMask
from bert4keras.layers.memm import MaximumEntropyMarkovModel
from bert4keras.layers.merging import (
    Add,
    AttachMask,
    BatchConcat,
    BatchSplit,
    Concatenate1D,
    FirstToken,
)
from bert4keras.layers.norm import LayerNormalization, ScaleOffset
from bert4keras.layers.pointer import EfficientGlobalPointer, GlobalPointer
from bert4keras.layers.pooling import GlobalAveragePooling1D, GlobalMaxPooling1D, SentencePooling
from bert4keras.layers.position import PositionEmbedding, SinusoidalPositionEmbedding
from bert4keras.layers.regularizers import OrthogonalKernel, OrthonormalKernel, SelfOrthogonality
from bert4keras.layers.relative import RelativePositionEmbedding, RelativePositionEmbeddingT5
from bert4keras.layers.viterbi import ViterbiDecoder, viterbi_decode

# by the names that saved files hold, which are older than those of some classes
custom_objects: dict[str, Any] = {
    keras.saving.get_registered_name(layer).removeprefix("bert4keras>"): layer
    for layer in (
        Add,
        AttachMask,
        AttentionBias,
        BatchConcat,
        BatchSplit,
        CausalMask,
        Concatenate1D,
        ConditionalRandomField,
        ConstantIds,
        DisentangledAttention,
        EfficientGlobalPointer,
        Embedding,
        FeedForward,
        FirstToken,
        GatedAttentionUnit,
        GlobalAveragePooling1D,
        GlobalMaxPooling1D,
        GlobalPointer,
        LayerNormalization,
        Loss,
        MaskedConv1D,
        MaximumEntropyMarkovModel,
        MultiHeadAttention,
        PaddingAwarePositions,
        PositionEmbedding,
        DistanceEmbedding,
        RelativePositionEmbedding,
        RelativePositionEmbeddingT5,
        ScaleOffset,
        SelfOrthogonality,
        SentencePooling,
        SinusoidalPositionEmbedding,
        UniLMMask,
        WindowMask,
    )
}

__all__ = [
    *(name for name in dir(keras.layers) if not name.startswith("_")),
    *(layer.__name__ for layer in custom_objects.values()),
    "K",
    "Layer",
    "OrthogonalKernel",
    "OrthonormalKernel",
    "VarianceScalingByName",
    "ViterbiDecoder",
    "custom_objects",
    "integerize_shape",
    "is_tf_keras",
    "keras",
    "np",
    "tf",
    "viterbi_decode",
]
