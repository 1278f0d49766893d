"""Layers. Everything of ``keras.layers`` can be had from here as well, as old scripts expect."""

import keras
from keras.layers import *  # noqa: F403

from bert4keras.backend import K, is_tf_keras, np, tf
from bert4keras.layers.attention import MultiHeadAttention
from bert4keras.layers.base import (
    Add,
    BatchConcat,
    BatchSplit,
    Concatenate1D,
    FirstToken,
    Layer,
    WithMask,
    integerize_shape,
)
from bert4keras.layers.crf import ConditionalRandomField
from bert4keras.layers.disentangled import DisentangledAttention, DistanceEmbedding
from bert4keras.layers.embedding import Embedding
from bert4keras.layers.feedforward import FeedForward
from bert4keras.layers.gau import GatedAttentionUnit
from bert4keras.layers.ids import ConstantIds, CountedPositions
from bert4keras.layers.initializers import Geometric
from bert4keras.layers.loss import Loss
from bert4keras.layers.masks import AttentionBias, CausalMask, UniLMMask
from bert4keras.layers.memm import MaximumEntropyMarkovModel
from bert4keras.layers.norm import LayerNormalization, ScaleOffset
from bert4keras.layers.pointer import EfficientGlobalPointer, GlobalPointer
from bert4keras.layers.pooling import GlobalAveragePooling1D, GlobalMaxPooling1D
from bert4keras.layers.position import PositionEmbedding, SinusoidalPositionEmbedding
from bert4keras.layers.regularizers import OrthogonalKernel, OrthonormalKernel, SelfOrthogonality
from bert4keras.layers.relative import RelativePositionEmbedding, RelativePositionEmbeddingT5
from bert4keras.layers.viterbi import ViterbiDecoder, viterbi_decode
from bert4keras.layers.window import MaskedConv1D, WindowMask

custom_objects = {
    layer.__name__: layer
    for layer in (
        Add,
        AttentionBias,
        BatchConcat,
        BatchSplit,
        CausalMask,
        Concatenate1D,
        ConditionalRandomField,
        ConstantIds,
        CountedPositions,
        DisentangledAttention,
        DistanceEmbedding,
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
        PositionEmbedding,
        RelativePositionEmbedding,
        RelativePositionEmbeddingT5,
        ScaleOffset,
        SelfOrthogonality,
        SinusoidalPositionEmbedding,
        UniLMMask,
        WindowMask,
        WithMask,
    )
}

__all__ = [
    *(name for name in dir(keras.layers) if not name.startswith("_")),
    *custom_objects,
    "Geometric",
    "K",
    "Layer",
    "OrthogonalKernel",
    "OrthonormalKernel",
    "ViterbiDecoder",
    "custom_objects",
    "integerize_shape",
    "is_tf_keras",
    "keras",
    "np",
    "tf",
    "viterbi_decode",
]
