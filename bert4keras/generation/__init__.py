"""Decoding that knows no model: greedy, sampling and beam search over a cached step.

``search`` says what a step is, ``graph`` makes one of a model.
"""

from bert4keras.generation.batch import Generated
from bert4keras.generation.decoder import AutoRegressiveDecoder
from bert4keras.generation.graph import Graph, NotCacheable
from bert4keras.generation.last_token import LastToken
from bert4keras.generation.options import Options
from bert4keras.generation.search import Engine

__all__ = [
    "AutoRegressiveDecoder",
    "Engine",
    "Generated",
    "Graph",
    "LastToken",
    "NotCacheable",
    "Options",
]
