"""Models: one file a family, and ``build_transformer_model`` that opens them all."""

from keras import Model

from bert4keras.layers import *  # noqa: F403
from bert4keras.layers import __all__ as _layers
from bert4keras.models.albert import ALBERT, ALBERT_Unshared
from bert4keras.models.bert import BERT
from bert4keras.models.build import FAMILIES, build_transformer_model
from bert4keras.models.masks import (
    LM_Mask,
    UniLM_Mask,
    extend_with_language_model,
    extend_with_unified_language_model,
)
from bert4keras.models.transformer import Transformer

__all__ = [
    *_layers,
    "ALBERT",
    "ALBERT_Unshared",
    "BERT",
    "FAMILIES",
    "LM_Mask",
    "Model",
    "Transformer",
    "UniLM_Mask",
    "build_transformer_model",
    "extend_with_language_model",
    "extend_with_unified_language_model",
]
