"""A step of ten lines whose logits depend on prompt, order and position of every token so far."""

import numpy as np
from keras import ops

from bert4keras.generation import DecodingLoop, GenerationConfig

LOOP_ARGUMENTS = ("prompt_ids", "prompt_mask", "callback", "progress")


class Toy:
    """logits = tanh(prompt + sum of token vectors, each times a vector of its position) W.

    Args:
        size: V.
        prompts: B.
        likely: {token: addend of its logit}.
    """

    def __init__(self, size=11, prompts=3, seed=0, likely=None, features=6):
        random = np.random.default_rng(seed)
        normal = lambda *shape: random.normal(size=shape).astype("float32")  # noqa: E731
        self.vectors, self.places = normal(size, features), normal(600, features)
        self.prompts, self.weights = normal(prompts, features), 2 * normal(features, size)
        self.bias = np.zeros(size, "float32")
        for token, addend in (likely or {}).items():
            self.bias[token] = addend
        self.calls = []  # rows and capacity of each call, traced or run
        self.loop = DecodingLoop(self.step, self.init_cache)

    def step(self, tokens, cache_index, prompt_cache, generated_cache):
        self.calls.append((tokens.shape[0], generated_cache["entry"].shape[1]))
        indices = ops.arange(ops.shape(generated_cache["entry"])[1])
        entry = ops.take(self.vectors, tokens, axis=0) * ops.take(self.places, cache_index, axis=0)
        is_new = ops.equal(indices, cache_index)[:, None]
        entries = ops.where(is_new, entry[:, None], generated_cache["entry"])
        total = ops.sum(ops.where((indices <= cache_index)[:, None], entries, 0.0), axis=1)
        prompts = ops.shape(prompt_cache)[0]
        total = ops.reshape(total, (prompts, -1, entries.shape[-1])) + prompt_cache[:, None]
        total = ops.reshape(total, (-1, entries.shape[-1]))
        return ops.matmul(ops.tanh(total), self.weights) + self.bias, {"entry": entries}

    def init_cache(self, rows, capacity):
        return {"entry": ops.zeros((rows, capacity, self.vectors.shape[1]))}

    def logits(self, prompt, ids):
        """The logits after one row of ids, in NumPy and from the beginning."""
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

    def start(self, *rows):
        """Logits and prompt cache of all prompts, or of some."""
        rows = list(rows or range(len(self.prompts)))
        logits = np.stack([self.logits(row, []) for row in rows])
        return ops.convert_to_tensor(logits), ops.convert_to_tensor(self.prompts[rows])

    def generate(self, *rows, **options):
        """Decode all prompts, or some, with one loop for all calls."""
        return generate(self.loop, *self.start(*rows), **options)

    def stream(self, **options):
        """Stream all prompts."""
        return self.loop.stream(*self.start(), GenerationConfig(**options))

    def greedy(self, prompt, length, stops=()):
        """Decode greedily by brute force."""
        ids = []
        while len(ids) < length and not set(ids) & set(stops):
            ids.append(int(self.logits(prompt, ids).argmax()))
        return ids


def generate(loop, logits, prompt_cache=(), **options):
    """Decode with options by name."""
    arguments = {name: options.pop(name) for name in LOOP_ARGUMENTS if name in options}
    return loop.generate(logits, prompt_cache, GenerationConfig(**options), **arguments)
