"""The prompts under way, from the host: room for tokens, finished prompts out, results."""

from typing import NamedTuple

import keras
import numpy as np
from keras import ops

CAPACITY = 32  # tokens that there is room for at first; doubled when full
PROMPT_COLUMNS = 16  # the width of the prompts is a multiple of it


class Generated(NamedTuple):
    """What was decoded, for each prompt a list with an entry for each of its sequences.

    Args:
        tokens: lists of ids without the prompt's; a stop id is the last where one came.
        scores: log probability of the sequence under the model; of a beam, after penalties, over
            length ** length_penalty. Beams come best first, and may be fewer than asked for when
            there are no more.
    """

    tokens: list
    scores: list


def bucket(n):
    """The smallest power of 2 that is not below n."""
    return 1 << (n - 1).bit_length()


def right_aligned(prompt_ids, prompt_mask, rows):
    """Prompts as one array (B, P), their visible ids at the right end, -1 before."""
    if len(prompt_ids) != rows:
        raise ValueError(
            f"prompt_ids must have a row for each of the {rows} rows of logits, "
            f"got {len(prompt_ids)}"
        )
    visible = [np.asarray(ids, "int32") for ids in prompt_ids]
    if prompt_mask is not None:
        masks = np.asarray(prompt_mask, bool)
        visible = [ids[mask] for ids, mask in zip(visible, masks)]
    longest = max((len(ids) for ids in visible), default=0)
    aligned = np.full((rows, -(-longest // PROMPT_COLUMNS) * PROMPT_COLUMNS), -1, "int32")
    for row, ids in zip(aligned, visible):
        row[len(row) - len(ids) :] = ids
    return aligned


def padded(x, axis, extra, value=0):
    """A tensor with an axis lengthened."""
    pads = [[0, extra if i == axis % len(x.shape) else 0] for i in range(len(x.shape))]
    return ops.pad(x, pads, constant_values=value)


def tensors(arrays):
    """Arrays in nested structures as tensors."""
    return keras.tree.map_structure(ops.convert_to_tensor, arrays)


class Batch:
    """Rows that are decoded together, and the results of those that have left.

    Args:
        options: ``Options``.
        programs: the pair of ``Engine.programs``.
        logits: (B, V) after the prompts.
        shared: nested tensors (B, ...).
        empty: callable(rows, capacity) -> nested tensors (rows, ..., capacity, features).
        prompts: (B, P) ids, right-aligned.
    """

    def __init__(self, options, programs, logits, shared, empty, prompts):
        self.options, self.choice = options, options.choice()
        self.begin, self.segment = programs
        self.size, self.vocabulary = len(prompts), logits.shape[-1]
        self.offset, self.capacity, self.count, self.shown = prompts.shape[1], CAPACITY, 0, 0
        self.prompts = np.arange(self.size)  # which prompt each row is of, -1 once it is finished
        self.results = [None] * self.size
        self.numbers = tensors(options.numbers() | {"offset": np.int32(self.offset)})
        seed = np.random.randint(2**31) if options.seed is None else options.seed
        self.random = [np.random.default_rng([seed, i]) for i in range(self.size)]
        self.given = {"shared": shared} | self._noise(self.capacity)
        self.own = empty(self.size * self.choice.width, self.capacity)
        self.state = tensors(self.choice.begin(self._unfilled(prompts)))
        self.logits = logits

    def _unfilled(self, prompts):
        tokens = np.full((self.size, self.choice.width, self.offset + self.capacity), -1, "int32")
        tokens[..., : self.offset] = prompts[:, None]
        return tokens

    def _noise(self, columns):
        """Random numbers (B, N, columns) for further steps, each prompt from a generator of its
        own, so that no prompt's numbers depend on its neighbours."""
        if not self.options.do_sample:
            return {}
        noise = np.zeros((len(self.prompts), columns, self.choice.width), "float32")
        for row in np.flatnonzero(self.prompts >= 0):
            noise[row] = self.random[self.prompts[row]].random(noise.shape[1:], "float32")
        return {"noise": ops.convert_to_tensor(noise.swapaxes(1, 2))}

    def advance(self, steps):
        """Take the first token of every row, or up to ``steps`` further ones."""
        given = self.given | self._allowed()
        if self.count == 0:
            self.state = self.begin(self.numbers, given, self.state, self.logits)
            self.count, self.logits = 1, None
        else:
            if self.count == self.capacity:
                self._grow()
                given = given | self.given
            steps = 1 if self.options.prefix_allowed_tokens_fn else steps
            limit = min(self.count + steps, self.capacity, self.options.max_new_tokens)
            count, limit = tensors((np.int32(self.count), np.int32(limit)))
            count, self.state, self.own = self.segment(
                self.numbers, given, self.state, self.own, count, limit
            )
            self.count = int(count)
        self._check()

    def _grow(self):
        """Double the room for tokens."""
        extra = self.capacity

        self.own = keras.tree.map_structure(lambda x: padded(x, -2, extra), self.own)
        for name in {"tokens", "pool"} & set(self.state):
            self.state[name] = padded(self.state[name], -1, extra, -1)
        for name, more in self._noise(extra).items():
            self.given[name] = ops.concatenate([self.given[name], more], axis=2)
        self.capacity += extra

    def _allowed(self):
        """Which tokens may follow, by the caller's function: bools (B, N, V)."""
        allow = self.options.prefix_allowed_tokens_fn
        if allow is None:
            return {}
        state = keras.tree.map_structure(ops.convert_to_numpy, self.state)
        allowed = np.ones((*state["last"].shape, self.vocabulary), bool)
        for row, sample in self._live(state):
            prompt = int(self.prompts[row])
            ids = self._generated(state["tokens"][row, sample])
            following = np.asarray(list(allow(prompt, ids)), "int64")
            if not len(following) or not np.isin(following, np.arange(self.vocabulary)).all():
                raise ValueError(
                    f"prefix_allowed_tokens_fn must give one or more ids from 0 to "
                    f"{self.vocabulary - 1}, got {following.tolist()} for prompt {prompt} after "
                    f"{ids}; give a stop id where a sequence has to end"
                )
            allowed[row, sample] = False
            allowed[row, sample, following] = True
        return {"allowed": ops.convert_to_tensor(allowed)}

    def _live(self, state):
        """The rows (row, sample) that still get tokens."""
        live = (self.prompts >= 0)[:, None] & ~state["done"][:, None] & (state["score"] > -np.inf)
        return np.argwhere(live & ~state.get("ended", np.zeros_like(live)))

    def _generated(self, tokens):
        tokens = tokens[self.offset :]
        return tokens[tokens >= 0].tolist()

    def _check(self):
        fault = ops.convert_to_numpy(self.state["fault"])
        for row, sample in np.argwhere((fault != 0) & (self.prompts >= 0)[:, None]):
            step = abs(int(fault[row, sample])) - 1
            place = f"at step {step} of prompt {self.prompts[row]}, row {sample} of its rows"
            if fault[row, sample] > 0:
                raise ValueError(
                    f"logits must be numbers, got NaN {place}; look for overflow in the weights "
                    "or in half precision, or an empty row in an attention mask"
                )
            raise ValueError(
                f"a token must be possible, got logits of -inf alone {place}; the model, a logits "
                "processor or no_repeat_ngram_size forbids them all"
            )

    def news(self):
        """The tokens since the last call: (prompt, sequence, ids), by prompt and sequence."""
        tokens = ops.convert_to_numpy(self.state["tokens"])[..., self.offset + self.shown :]
        self.shown = self.count
        for row in np.flatnonzero(self.prompts >= 0):
            for sample, ids in enumerate(tokens[row]):
                if (ids >= 0).any():
                    yield int(self.prompts[row]), sample, ids[ids >= 0].tolist()

    def settle(self):
        """Collect what is finished and go on with the rest; returns how many prompts finished."""
        done = ops.convert_to_numpy(self.state["done"]) | (
            self.count >= self.options.max_new_tokens
        )
        finished = np.flatnonzero(done & (self.prompts >= 0))
        if len(finished):
            state = keras.tree.map_structure(ops.convert_to_numpy, self.state)
            for row in finished:
                self._collect(state, row)
            self.prompts[finished] = -1
            self._drop()
        return len(finished)

    def _collect(self, state, row):
        prompt, number = self.prompts[row], self.options.num_return_sequences
        tokens, scores = self.choice.results(state, row, number)
        if not len(tokens):
            raise ValueError(
                f"a sequence must be possible, but every beam of prompt {prompt} came to an end "
                "where no token is; the model, a logits processor or no_repeat_ngram_size forbids "
                "them all"
            )
        self.results[prompt] = [self._generated(ids) for ids in tokens], scores.tolist()

    def _drop(self):
        """Leave finished prompts out, as far as the number of rows stays a power of 2."""
        live = np.flatnonzero(self.prompts >= 0)
        if not len(live) or bucket(len(live)) >= len(self.prompts):
            return
        fillers = np.flatnonzero(self.prompts < 0)[: bucket(len(live)) - len(live)]
        kept = np.sort(np.concatenate([live, fillers]))
        rows = kept[:, None] * self.choice.width + np.arange(self.choice.width)

        def taken(structure, index):
            index = ops.convert_to_tensor(index.ravel().astype("int32"))
            return keras.tree.map_structure(lambda x: ops.take(x, index, axis=0), structure)

        self.given, self.state = taken((self.given, self.state), kept)
        self.own, self.prompts = taken(self.own, rows), self.prompts[kept]

    @property
    def unfinished(self):
        return bool((self.prompts >= 0).any())

    def generated(self):
        return Generated(*map(list, zip(*self.results))) if self.results else Generated([], [])
