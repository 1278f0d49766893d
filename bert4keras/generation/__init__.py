"""Decoding with a KV cache: greedy, sampling and beam search, for text and for a script's decoder.

``text_generator`` and ``decoder`` are for users, ``decoding_loop`` decodes over a step,
``cached_model`` makes a step of a Keras model.
"""

from bert4keras.generation.beam_search import BeamSearch
from bert4keras.generation.cached_model import CachedModel, IncrementalDecodingError, InputRole
from bert4keras.generation.config import GenerationConfig
from bert4keras.generation.decoder import AutoRegressiveDecoder
from bert4keras.generation.decoding_loop import DecodingLoop, GenerationOutput, StepFunction
from bert4keras.generation.incremental_predictor import IncrementalPredictor
from bert4keras.generation.samplers import LogitsProcessors, Sampler
from bert4keras.generation.step_context import (
    GeneratedCache,
    PromptCache,
    StepContext,
    SupportsPrefill,
    SupportsStep,
)
from bert4keras.generation.text_generator import TextGenerator

__all__ = [
    "AutoRegressiveDecoder",
    "BeamSearch",
    "CachedModel",
    "DecodingLoop",
    "GeneratedCache",
    "GenerationConfig",
    "GenerationOutput",
    "IncrementalDecodingError",
    "IncrementalPredictor",
    "InputRole",
    "LogitsProcessors",
    "PromptCache",
    "Sampler",
    "StepContext",
    "StepFunction",
    "SupportsPrefill",
    "SupportsStep",
    "TextGenerator",
]
