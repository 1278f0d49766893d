"""What decoding tells a layer that a new token passes."""

from keras import ops

from bert4keras.backend import with_row


class Now:
    """What a layer is told of the step that it takes part in.

    Args:
        slot: scalar int32, the place of the new tokens among the generated ones.
        shared: see ``Graph.prefill``.
        own: see ``Graph.empty``; changed by ``keep`` and ``hide``.
    """

    def __init__(self, slot, shared, own):
        self.slot, self.all_shared, self.all_own = slot, shared, dict(own)
        prompts = ops.shape(shared["lengths"])[0]
        self.width = ops.shape(own["hidden"])[0] // prompts  # N, rows of a prompt
        self.position = ops.repeat(shared["lengths"][:, None] + slot, self.width, axis=0)  # (R, 1)
        self.seen = False

    def of(self, call):
        """Itself, for the layer of a call."""
        self.call, self.cross = call, call.cross
        return self

    @property
    def shared(self):
        """What the layer keeps of prompts, tensors (B, G, P, d)."""
        return self.all_shared["kept"][self.call.key]

    @property
    def own(self):
        """What the layer keeps of generated tokens, tensors (R, G, C, d)."""
        return self.all_own[self.call.key]

    def keep(self, entries):
        """Put what is kept of the new tokens, tensors (R, G, 1, d), in its place."""
        self.all_own[self.call.key] = {
            name: self._written(self.own[name], entry) for name, entry in entries.items()
        }

    def hide(self, padding):
        """Say which of the new tokens (R, 1) are padding to later ones; the first word counts."""
        if not self.seen:
            hidden = ops.expand_dims(padding, -1)
            self.all_own["hidden"] = self._written(self.all_own["hidden"], hidden)
        self.seen = True

    def _written(self, x, entry):
        return with_row(x, self.slot, ops.cast(entry, x.dtype))

    @property
    def hidden(self):
        """Which generated tokens are padding, (R, C), 0 or 1."""
        return ops.squeeze(self.all_own["hidden"], -1)

    @property
    def visible(self):
        """Which keys count, (B, N, K), or (B, 1, K) of another sequence."""
        if self.cross:
            return ops.expand_dims(self.shared["visible"], 1)
        hidden = self.hidden
        capacity = ops.shape(hidden)[1]
        slots = ops.arange(capacity, dtype="int32")
        own = ops.logical_and(slots <= self.slot, ops.equal(hidden, 0))
        own = ops.reshape(own, (-1, self.width, capacity))
        shared = ops.expand_dims(self.all_shared["visible"], 1)
        return ops.concatenate([ops.repeat(shared, self.width, axis=1), own], axis=2)

    @property
    def count(self):
        """How many tokens of each row before the new one are no padding, (R, 1) int32."""
        hidden = self.hidden
        slots = ops.arange(ops.shape(hidden)[1], dtype="int32")
        own = ops.where(slots < self.slot, 1 - hidden, 0)
        prompt = ops.sum(ops.cast(self.all_shared["visible"], "int32"), axis=1, keepdims=True)
        prompt = ops.repeat(prompt, self.width, axis=0)
        return ops.cast(prompt + ops.sum(own, axis=1, keepdims=True), "int32")

    def distances(self, length=None):
        """How far after the new tokens all keys stand, (B, K).

        Args:
            length: that of another sequence; None for the row's own.
        """
        here = self.all_shared["lengths"][:, None] + self.slot
        if length is not None:
            return ops.arange(length, dtype="int32") - here
        prompt = ops.arange(ops.shape(self.all_shared["visible"])[1], dtype="int32")
        own = ops.arange(ops.shape(self.all_own["hidden"])[1], dtype="int32")
        return ops.concatenate([prompt - here, own - self.slot + 0 * here], axis=1)
