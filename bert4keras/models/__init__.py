"""Models: one file a family, and ``build_transformer_model`` that opens them all."""

from keras import Model

from bert4keras.layers import *  # noqa: F403
from bert4keras.layers import __all__ as _layers
from bert4keras.models.albert import ALBERT, ALBERT_Unshared
from bert4keras.models.bert import BERT
from bert4keras.models.build import FAMILIES, build_transformer_model
from bert4keras.models.deberta import DeBERTaV2
from bert4keras.models.distilbert import DistilBERT
from bert4keras.models.electra import ELECTRA
from bert4keras.models.ernie import ERNIE
from bert4keras.models.gau_alpha import GAU_alpha
from bert4keras.models.generator import TextGenerator
from bert4keras.models.gpt import GPT
from bert4keras.models.gpt2 import GPT2
from bert4keras.models.gpt2_ml import GPT2_ML
from bert4keras.models.llama import LLaMA, Mistral, Qwen2
from bert4keras.models.masks import (
    LM_Mask,
    UniLM_Mask,
    extend_with_language_model,
    extend_with_unified_language_model,
)
from bert4keras.models.modernbert import ModernBERT
from bert4keras.models.nezha import NEZHA
from bert4keras.models.roberta import RoBERTa
from bert4keras.models.roformer import RoFormer
from bert4keras.models.roformer_v2 import RoFormerV2
from bert4keras.models.t5 import T5, T5_Decoder, T5_Encoder
from bert4keras.models.t5_base import T5_Base
from bert4keras.models.transformer import Transformer

__all__ = [
    *_layers,
    "ALBERT",
    "ALBERT_Unshared",
    "BERT",
    "DeBERTaV2",
    "DistilBERT",
    "ELECTRA",
    "ERNIE",
    "FAMILIES",
    "GAU_alpha",
    "GPT",
    "GPT2",
    "GPT2_ML",
    "LLaMA",
    "LM_Mask",
    "Mistral",
    "Model",
    "ModernBERT",
    "NEZHA",
    "Qwen2",
    "RoBERTa",
    "RoFormer",
    "RoFormerV2",
    "T5",
    "T5_Base",
    "T5_Decoder",
    "T5_Encoder",
    "TextGenerator",
    "Transformer",
    "UniLM_Mask",
    "build_transformer_model",
    "extend_with_language_model",
    "extend_with_unified_language_model",
]
