"""Models: one file a family, and ``build_transformer_model`` that opens them all."""

from keras import Model

from bert4keras.layers import *  # noqa: F403
from bert4keras.layers import __all__ as _layers
from bert4keras.models.build import FAMILIES, build_transformer_model
from bert4keras.models.families.albert import ALBERT, ALBERT_Unshared
from bert4keras.models.families.bert import BERT
from bert4keras.models.families.deberta import DeBERTaV2
from bert4keras.models.families.distilbert import DistilBERT
from bert4keras.models.families.electra import ELECTRA
from bert4keras.models.families.ernie import ERNIE
from bert4keras.models.families.gau_alpha import GAU_alpha
from bert4keras.models.families.gpt import GPT
from bert4keras.models.families.gpt2 import GPT2
from bert4keras.models.families.gpt2_ml import GPT2_ML
from bert4keras.models.families.llama import LLaMA, Mistral, Qwen2
from bert4keras.models.families.modernbert import ModernBERT
from bert4keras.models.families.nezha import NEZHA
from bert4keras.models.families.roberta import RoBERTa
from bert4keras.models.families.roformer import RoFormer
from bert4keras.models.families.roformer_v2 import RoFormerV2
from bert4keras.models.families.t5 import T5, T5_Decoder, T5_Encoder
from bert4keras.models.families.t5_base import T5_Base
from bert4keras.models.mixins import (
    LM_Mask,
    UniLM_Mask,
    extend_with_language_model,
    extend_with_unified_language_model,
)
from bert4keras.models.saved_models import load_keras2_model
from bert4keras.models.task_heads import TaskModel, build_task_model
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
    "TaskModel",
    "Transformer",
    "UniLM_Mask",
    "build_task_model",
    "build_transformer_model",
    "extend_with_language_model",
    "extend_with_unified_language_model",
    "load_keras2_model",
]
