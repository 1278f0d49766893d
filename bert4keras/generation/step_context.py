"""State of one decoding step, as a layer sees it: positions, masks and the KV cache."""

from keras import ops

from bert4keras.backend import write_row


class StepContext:
    """State of one decoding step, as a layer sees it.

    Args:
        cache_index: scalar int32, the index of the new tokens in the cache of generated tokens.
        prompts: see ``CachedModel.prefill``.
        cache: the KV cache of generated tokens, see ``CachedModel.init_cache``; ``update_cache``
            and ``mark_padding`` change it.
    """

    def __init__(self, cache_index, prompts, cache):
        self.cache_index, self.prompts, self.cache = cache_index, prompts, dict(cache)
        count = ops.shape(prompts["lengths"])[0]
        self.rows_per_prompt = ops.shape(cache["padding"])[0] // count  # N
        position = prompts["lengths"][:, None] + cache_index
        self.position = ops.repeat(position, self.rows_per_prompt, axis=0)  # (R, 1)
        self.has_padding = False

    def for_call(self, call):
        """Return this context, bound to the layer of a call."""
        self.call, self.is_cross_attention = call, call.is_cross_attention
        return self

    @property
    def prompt_cache(self):
        """The layer's KV cache of prompts, tensors (B, G, P, d)."""
        return self.prompts["cache"][self.call.key]

    @property
    def generated_cache(self):
        """The layer's KV cache of generated tokens, tensors (R, G, C, d)."""
        return self.cache[self.call.key]

    def update_cache(self, entries):
        """Write the keys and values of the new tokens, tensors (R, G, 1, d), into the KV cache."""
        self.cache[self.call.key] = {
            name: self._write(self.generated_cache[name], entry) for name, entry in entries.items()
        }

    def mark_padding(self, padding):
        """Mark which new tokens (R, 1) are padding; only the first call in a step has an effect."""
        if not self.has_padding:
            row = ops.expand_dims(padding, -1)
            self.cache["padding"] = self._write(self.cache["padding"], row)
        self.has_padding = True

    def _write(self, x, entry):
        return write_row(x, self.cache_index, ops.cast(entry, x.dtype))

    @property
    def padding(self):
        """The padding among generated tokens, (R, C), 0 or 1."""
        return ops.squeeze(self.cache["padding"], -1)

    @property
    def attention_mask(self):
        """The keys that a new token sees, (B, N, K), or (B, 1, K) in cross-attention."""
        if self.is_cross_attention:
            return ops.expand_dims(self.prompt_cache["visible"], 1)
        padding = self.padding
        capacity = ops.shape(padding)[1]
        slots = ops.arange(capacity, dtype="int32")
        generated = ops.logical_and(slots <= self.cache_index, ops.equal(padding, 0))
        generated = ops.reshape(generated, (-1, self.rows_per_prompt, capacity))
        prompt = ops.expand_dims(self.prompts["visible"], 1)
        prompt = ops.repeat(prompt, self.rows_per_prompt, axis=1)
        return ops.concatenate([prompt, generated], axis=2)

    @property
    def num_tokens(self):
        """The number of tokens before the new one that are not padding, (R, 1) int32."""
        padding = self.padding
        slots = ops.arange(ops.shape(padding)[1], dtype="int32")
        generated = ops.where(slots < self.cache_index, 1 - padding, 0)
        prompt = ops.sum(ops.cast(self.prompts["visible"], "int32"), axis=1, keepdims=True)
        prompt = ops.repeat(prompt, self.rows_per_prompt, axis=0)
        return ops.cast(prompt + ops.sum(generated, axis=1, keepdims=True), "int32")

    def relative_positions(self, length=None):
        """Positions of all keys relative to the new tokens, (B, K).

        Args:
            length: length of another sequence; None for the row's own.
        """
        position = self.prompts["lengths"][:, None] + self.cache_index
        if length is not None:
            return ops.arange(length, dtype="int32") - position
        prompt = ops.arange(ops.shape(self.prompts["visible"])[1], dtype="int32")
        generated = ops.arange(ops.shape(self.cache["padding"])[1], dtype="int32")
        generated = generated - self.cache_index + 0 * position
        return ops.concatenate([prompt - position, generated], axis=1)
