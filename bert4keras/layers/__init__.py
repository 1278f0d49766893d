"""Layers. Everything of ``keras.layers`` can be had from here as well, as old scripts expect."""

import keras
from keras.layers import *  # noqa: F403

from bert4keras.backend import K, is_tf_keras, np, tf
from bert4keras.layers.attention import AttentionBias, CausalMask, MultiHeadAttention, UniLMMask
from bert4keras.layers.base import (
    Add,
    BatchConcat,
    BatchSplit,
    Concatenate1D,
    FirstToken,
    Layer,
    integerize_shape,
)
from bert4keras.layers.embedding import Embedding
from bert4keras.layers.feedforward import FeedForward
from bert4keras.layers.loss import Loss
from bert4keras.layers.norm import LayerNormalization, ScaleOffset
from bert4keras.layers.pooling import GlobalAveragePooling1D, GlobalMaxPooling1D
from bert4keras.layers.position import PositionEmbedding

custom_objects = {
    layer.__name__: layer
    for layer in (
        Add,
        AttentionBias,
        BatchConcat,
        BatchSplit,
        CausalMask,
        Concatenate1D,
        Embedding,
        FeedForward,
        FirstToken,
        GlobalAveragePooling1D,
        GlobalMaxPooling1D,
        LayerNormalization,
        Loss,
        MultiHeadAttention,
        PositionEmbedding,
        ScaleOffset,
        UniLMMask,
    )
}

__all__ = [
    *(name for name in dir(keras.layers) if not name.startswith("_")),
    *custom_objects,
    "K",
    "Layer",
    "custom_objects",
    "integerize_shape",
    "is_tf_keras",
    "keras",
    "np",
    "tf",
]
