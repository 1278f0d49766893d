"""Rows of ids that continue each other, and their comparison with the whole pass."""

import keras
import numpy as np
from keras import ops
from support import assert_close, randomize_weights

from bert4keras.generation import IncrementalPredictor
from bert4keras.models import build_transformer_model

CONFIG = {
    "vocab_size": 30,
    "hidden_size": 16,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 24,
    "hidden_act": "gelu",
    "max_position_embeddings": 60,
}


def build(**options):
    return randomize_weights(build_transformer_model(CONFIG, **options))


def rows(count, length, seed=0):
    return np.random.default_rng(seed).integers(1, 30, (count, length))


def extend(ids, parents, seed=1):
    """Return rows that continue others by a token."""
    new = np.random.default_rng(seed).integers(1, 30, (len(parents), 1))
    return np.concatenate([ids[list(parents)], new], axis=1)


class Comparison:
    """An ``IncrementalPredictor``, compared with the whole pass, whose steps are counted."""

    def __init__(self, model, inputs=lambda ids: [ids]):
        self.model, self.inputs = model, inputs
        self.predictor, self.steps = IncrementalPredictor(model), 0
        self.has_cache = self.predictor.cached_model is not None
        if self.has_cache:
            step = self.predictor.step
            self.predictor.step = lambda *args: self._count(step, args)

    def _count(self, step, args):
        self.steps += 1
        return step(*args)

    def __call__(self, ids, compare=True):
        inputs = self.inputs(ids)
        got = self.predictor.predict(inputs)
        if compare:
            tensors = list(map(ops.convert_to_tensor, inputs))
            outputs = self.model(keras.tree.pack_sequence_as(self.model.input, tensors))
            assert_close(got, ops.convert_to_numpy(outputs)[:, -1], 1e-5)


def with_segments(ids, source=5):
    """Return ids and segment ids of a UniLM, whose first tokens are the source."""
    return [ids, np.broadcast_to(np.arange(ids.shape[1]) >= source, ids.shape).astype(int)]
