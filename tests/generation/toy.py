"""A step of ten lines whose logits depend on prompt, order and place of every token so far."""

import numpy as np
from keras import ops

from bert4keras.generation import Engine


class Toy:
    """logits = tanh(prompt + sum of token vectors, each times a vector of its place) W.

    Args:
        size: V.
        prompts: B.
        likely: {token: what is added to its logit}.
    """

    def __init__(self, size=11, prompts=3, seed=0, likely=None, features=6):
        random = np.random.default_rng(seed)
        normal = lambda *shape: random.normal(size=shape).astype("float32")  # noqa: E731
        self.vectors, self.places = normal(size, features), normal(600, features)
        self.prompts, self.weights = normal(prompts, features), 2 * normal(features, size)
        self.bias = np.zeros(size, "float32")
        for token, more in (likely or {}).items():
            self.bias[token] = more
        self.calls = []  # rows and capacity of each call, traced or run

    def step(self, tokens, slot, shared, own):
        self.calls.append((tokens.shape[0], own["seen"].shape[1]))
        slots = ops.arange(ops.shape(own["seen"])[1])
        entry = ops.take(self.vectors, tokens, axis=0) * ops.take(self.places, slot, axis=0)
        seen = ops.where(ops.equal(slots, slot)[:, None], entry[:, None], own["seen"])
        total = ops.sum(ops.where((slots <= slot)[:, None], seen, 0.0), axis=1)
        prompts = ops.shape(shared)[0]
        total = ops.reshape(total, (prompts, -1, seen.shape[-1])) + shared[:, None]
        total = ops.reshape(total, (-1, seen.shape[-1]))
        return ops.matmul(ops.tanh(total), self.weights) + self.bias, {"seen": seen}

    def empty(self, rows, capacity):
        return {"seen": ops.zeros((rows, capacity, self.vectors.shape[1]))}

    def logits(self, prompt, ids):
        """The same for one row, in NumPy and from the beginning."""
        places = self.places[: len(ids)]
        total = self.prompts[prompt] + (self.vectors[list(ids)] * places).sum(0)
        return np.tanh(total) @ self.weights + self.bias

    def logs(self, prompt, ids):
        """Log probabilities of the next token."""
        logits = self.logits(prompt, ids)
        peak = logits.max()
        return logits - peak - np.log(np.exp(logits - peak).sum())

    def score(self, prompt, ids):
        """The log probability of a sequence."""
        return sum(self.logs(prompt, ids[:i])[token] for i, token in enumerate(ids))

    def engine(self):
        return Engine(self.step, self.empty)

    def start(self, *rows):
        """What a call begins with: logits and shared of all prompts, or of some."""
        rows = list(rows or range(len(self.prompts)))
        logits = np.stack([self.logits(row, []) for row in rows])
        return ops.convert_to_tensor(logits), ops.convert_to_tensor(self.prompts[rows])

    def greedy(self, prompt, length, stops=()):
        """The most probable token after each other, by brute force."""
        ids = []
        while len(ids) < length and not set(ids) & set(stops):
            ids.append(int(self.logits(prompt, ids).argmax()))
        return ids
