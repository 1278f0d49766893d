"""Decoding that knows no model: greedy, sampling and beam search over a cached step.

``search`` says what a step is, ``graph`` makes one of a model.
"""

from bert4keras.generation.batch import Generated
from bert4keras.generation.cached_model import Graph, IncrementalDecodingError
from bert4keras.generation.config import Options
from bert4keras.generation.decoder import AutoRegressiveDecoder
from bert4keras.generation.decoding_loop import Engine
from bert4keras.generation.last_token import IncrementalPredictor
from bert4keras.generation.step_context import StepContext
from bert4keras.generation.text_generator import TextGenerator

__all__ = [
    "AutoRegressiveDecoder",
    "Engine",
    "Generated",
    "Graph",
    "IncrementalPredictor",
    "IncrementalDecodingError",
    "Options",
    "StepContext",
    "TextGenerator",
]
