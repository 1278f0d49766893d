"""KV caches, the state of one decoding step, and the protocols of layers that take part in it."""

from typing import Any, NamedTuple, Protocol

import keras
import numpy as np
from keras import ops

from bert4keras.backend import write_row
from bert4keras.backend.types import Tensor


class PromptCache(NamedTuple):
    """KV cache of B prompts, and what else a step needs to know of them; tensors (B, ...).

    Args:
        lengths: (B,) int32, the number of tokens of each prompt.
        visible: (B, P), True where a token is no padding.
        entries: the KV cache of each attention layer: {key of a call: {name: (B, G, P, d)}}.
        static: values that do not depend on generated tokens, by key.
        aux_inputs: ids (B,) that the other sequence inputs hold for the last token.
    """

    lengths: Tensor
    visible: Tensor
    entries: dict[str, dict[str, Tensor]]
    static: dict[str, Tensor]
    aux_inputs: list[Tensor]


class GeneratedCache(NamedTuple):
    """KV cache of the generated tokens of R rows, with a capacity of C tokens.

    Args:
        padding: (R, C, 1) int32, 1 where a token is padding.
        entries: the KV cache of each self-attention layer: {key of a call: {name: (R, G, C, d)}}.
    """

    padding: Tensor
    entries: dict[str, dict[str, Tensor]]


class StepContext:
    """State of one decoding step, as a layer sees it.

    Args:
        cache_index: scalar int32, the index of the new tokens in the KV cache of generated tokens.
        prompts: the ``PromptCache``.
        cache: the ``GeneratedCache``; ``update_cache`` and ``mark_padding`` change it.
    """

    def __init__(self, cache_index: Tensor, prompts: PromptCache, cache: GeneratedCache):
        self.cache_index: Tensor = cache_index
        self.prompts: PromptCache = prompts
        self.cache: GeneratedCache = cache._replace(entries=dict(cache.entries))
        count = ops.shape(prompts.lengths)[0]
        self.rows_per_prompt: Any = ops.shape(cache.padding)[0] // count  # N
        position = prompts.lengths[:, None] + cache_index
        self.position: Tensor = ops.repeat(position, self.rows_per_prompt, axis=0)  # (R, 1)
        self.has_padding: bool = False
        self.key: str = ""
        self.is_cross_attention: bool = False

    def for_call(self, key: str, is_cross_attention: bool) -> "StepContext":
        """Return this context, bound to one call of a layer."""
        self.key, self.is_cross_attention = key, is_cross_attention
        return self

    @property
    def prompt_cache(self) -> dict[str, Tensor]:
        """The layer's KV cache of prompts, tensors (B, G, P, d)."""
        return self.prompts.entries[self.key]

    @property
    def generated_cache(self) -> dict[str, Tensor]:
        """The layer's KV cache of generated tokens, tensors (R, G, C, d)."""
        return self.cache.entries[self.key]

    def update_cache(self, entries: dict[str, Tensor]) -> None:
        """Write the keys and values of the new tokens, tensors (R, G, 1, d), into the KV cache.

        ``transformers`` calls this cache ``past_key_values``.
        """
        self.cache.entries[self.key] = {
            name: self._write(self.generated_cache[name], entry) for name, entry in entries.items()
        }

    def mark_padding(self, padding: Tensor) -> None:
        """Mark which new tokens (R, 1) are padding; only the first call in a step has an effect."""
        if not self.has_padding:
            row = ops.expand_dims(padding, -1)
            self.cache = self.cache._replace(padding=self._write(self.cache.padding, row))
        self.has_padding = True

    def _write(self, x, entry):
        return write_row(x, self.cache_index, ops.cast(entry, x.dtype))

    @property
    def padding(self) -> Tensor:
        """The padding among generated tokens, (R, C), 0 or 1."""
        return ops.squeeze(self.cache.padding, -1)

    @property
    def attention_mask(self) -> Tensor:
        """Padding and causal mask of a step: the keys that a new token sees, (B, N, K).

        In cross-attention (B, 1, K).
        """
        if self.is_cross_attention:
            return ops.expand_dims(self.prompt_cache["visible"], 1)
        padding = self.padding
        capacity = ops.shape(padding)[1]
        indices = ops.arange(capacity, dtype="int32")
        generated_mask = ops.logical_and(indices <= self.cache_index, ops.equal(padding, 0))
        generated_mask = ops.reshape(generated_mask, (-1, self.rows_per_prompt, capacity))
        prompt = ops.expand_dims(self.prompts.visible, 1)
        prompt = ops.repeat(prompt, self.rows_per_prompt, axis=1)
        return ops.concatenate([prompt, generated_mask], axis=2)

    @property
    def num_tokens(self) -> Tensor:
        """The number of tokens before the new one that are not padding, (R, 1) int32."""
        padding = self.padding
        indices = ops.arange(ops.shape(padding)[1], dtype="int32")
        num_generated = ops.where(indices < self.cache_index, 1 - padding, 0)
        num_prompt = ops.sum(ops.cast(self.prompts.visible, "int32"), axis=1, keepdims=True)
        num_prompt = ops.repeat(num_prompt, self.rows_per_prompt, axis=0)
        return ops.cast(num_prompt + ops.sum(num_generated, axis=1, keepdims=True), "int32")

    def relative_positions(self, length: Any = None) -> Tensor:
        """Positions of all keys relative to the new tokens, (B, K).

        Args:
            length: length of another sequence; None for the row's own.
        """
        position = self.prompts.lengths[:, None] + self.cache_index
        if length is not None:
            return ops.arange(length, dtype="int32") - position
        prompt_positions = ops.arange(ops.shape(self.prompts.visible)[1], dtype="int32")
        generated_positions = ops.arange(ops.shape(self.cache.padding)[1], dtype="int32")
        generated_positions = generated_positions - self.cache_index + 0 * position
        return ops.concatenate([prompt_positions - position, generated_positions], axis=1)


class SupportsStep(Protocol):
    """A layer that computes its output for one new token of each row."""

    def step(self, context: StepContext, inputs: Any, /, *args: Any, **kwargs: Any) -> Any:
        """Return what ``call`` returns for the new tokens, tensors (R, 1, ...).

        The arguments are those of ``call``, after the context. None stands for a mask that hides
        nothing from new tokens.
        """
        ...


class SupportsPrefill(SupportsStep, Protocol):
    """An attention layer with a KV cache."""

    @property
    def cache_shapes(self) -> dict[str, tuple[int, int]]:
        """Shapes (G, d) of the cache entries of one token, by name; "k" is one of the names."""
        ...

    def prefill(self, inputs: Any, mask: Any = None, /, *args: Any, **kwargs: Any) -> Any:
        """Return the outputs for whole prompts, and their cache entries {name: (B, G, P, d)}."""
        ...


def map_tensors(function: Any, structure: Any) -> Any:
    """Apply a function to each tensor of a nested structure; None stays None."""
    return keras.tree.map_structure(lambda x: None if x is None else function(x), structure)


def to_tensors(structure: Any) -> Any:
    """Convert the arrays of a nested structure to tensors."""
    return map_tensors(ops.convert_to_tensor, structure)


def take_rows(structure: Any, index: Any) -> Any:
    """Take rows of all tensors of a nested structure."""
    index = ops.convert_to_tensor(np.asarray(index, "int32").ravel())
    return map_tensors(lambda x: ops.take(x, index, axis=0), structure)


def pad_axis(x: Tensor, axis: int, extra: int, value: Any = 0) -> Tensor:
    """Pad a tensor at the end of one axis."""
    pads = [[0, extra if i == axis % len(x.shape) else 0] for i in range(len(x.shape))]
    return ops.pad(x, pads, constant_values=value)


def grow_cache(cache: Any, extra: int) -> Any:
    """Pad the KV cache of generated tokens, (R, ..., C, d), so that it holds more tokens."""
    return map_tensors(lambda x: pad_axis(x, -2, extra), cache)
