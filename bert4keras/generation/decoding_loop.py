"""The decoding loop: one for greedy decoding, sampling and beam search, over a step."""

from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache, partial
from typing import Any, NamedTuple, Protocol

import keras
import numpy as np
from keras import ops
from tqdm import tqdm

from bert4keras.backend import compile_function
from bert4keras.backend.types import ArrayLike, Tensor
from bert4keras.generation.beam_search import BeamState, batched_take
from bert4keras.generation.config import GenerationConfig
from bert4keras.generation.samplers import SamplerInputs, SamplerState, flatten_rows
from bert4keras.generation.step_context import grow_cache, map_tensors, take_rows, to_tensors

_CAPACITY = 32  # tokens that the KV cache holds at first; doubled when it is full
_CHUNK = 16  # steps of a compiled program between two looks from the host
_PROMPT_COLUMNS = 16  # the width of the prompts is a multiple of it


class StepFunction(Protocol):
    """A step of decoding for B prompts with N rows each; row r of R belongs to prompt r // N.

    A step is compiled: it is written in ``keras.ops``, stores nothing between calls, and asks
    ``ops.shape`` for shapes, as B and the capacity may be unknown on TensorFlow. V is known. Rows
    that have ended still get a valid token, until their prompt is dropped.
    """

    def __call__(
        self, tokens: Tensor, cache_index: Tensor, prompt_cache: Any, generated_cache: Any, /
    ) -> tuple[Tensor, Any]:
        """Return the logits (R, V) of the next token, and the updated KV cache.

        Args:
            tokens: (R,) int32, the newest token of each row.
            cache_index: scalar int32, the index 0, 1, ... of these tokens on axis -2 of
                ``generated_cache``, the same for all rows. Entries above it are unwritten and must
                not count. A token's position is its prompt's length + cache_index.
            prompt_cache: nested tensors (B, ...), computed from the prompts. The loop takes rows of
                it when prompts are finished, and never reorders or repeats it for beams.
            generated_cache: nested tensors (R, ..., capacity, features), computed from generated
                tokens. The loop reorders its rows when beams change places, and pads axis -2 with
                zeros when it is full. A step returns it in the same structure, shapes and dtypes.
        """
        ...


class GenerationOutput(NamedTuple):
    """Decoded sequences: for each prompt a list with an entry for each of its sequences.

    Args:
        tokens: lists of ids without the prompt's; a stop id is the last where one came.
        scores: log probability of the sequence under the model; of a beam, after penalties, divided
            by length ** length_penalty. Beams come best first, and may be fewer than
            ``num_return_sequences`` when there are no more.
    """

    tokens: list[list[list[int]]]
    scores: list[list[float]]


class DecodingState(NamedTuple):
    """State that a chunk of steps changes.

    Args:
        count: scalar int32, the number of tokens generated.
        sampler_state: the state of the sampler or the beam search.
        generated_cache: the KV cache of generated tokens.
    """

    count: Tensor
    sampler_state: SamplerState | BeamState
    generated_cache: Any


def _first_step(sampler, params, inputs, logits, state):
    """The sampler's state after the first token, from the logits (B, V) of the prompts."""
    logits = ops.repeat(ops.cast(logits, "float32"), sampler.rows_per_prompt, axis=0)
    new_state, _ = sampler.select_tokens(state, logits, ops.cast(0, "int32"), params, inputs)
    return _match_structure(new_state, state)


def _decode_chunk(sampler, step, params, inputs, prompt_cache, state, limit):
    """The ``DecodingState`` after steps up to ``limit`` tokens, or until all prompts are done."""

    def cond(count, sampler_state, cache):
        is_sound = ops.logical_not(ops.any(ops.not_equal(sampler_state.error_code, 0)))
        return (count < limit) & is_sound & ops.logical_not(ops.all(sampler_state.is_done))

    def body(count, sampler_state, cache):
        tokens = ops.reshape(sampler_state.last_token, (-1,))
        logits, new_cache = step(tokens, count - 1, prompt_cache, cache)
        logits = ops.cast(logits, "float32")
        new_state, parents = sampler.select_tokens(sampler_state, logits, count, params, inputs)
        cache = _reorder_cache(_match_structure(new_cache, cache), parents)
        return count + 1, _match_structure(new_state, sampler_state), cache

    return DecodingState(*ops.while_loop(cond, body, tuple(state)))


def _reorder_cache(cache, parents):
    """The KV cache with the rows of the parents (B, N), unchanged when no beam has moved."""
    if parents is None or not keras.tree.flatten(cache):
        return cache
    prompts, width = ops.shape(parents)[0], ops.shape(parents)[1]
    has_moved = ops.any(ops.not_equal(parents, ops.arange(width, dtype="int32")))

    def take_parents(x):
        x = ops.reshape(x, (prompts, width, *ops.shape(x)[1:]))
        return flatten_rows(batched_take(x, parents))

    return ops.cond(
        has_moved,
        lambda: _match_structure(keras.tree.map_structure(take_parents, cache), cache),
        lambda: cache,
    )


def _match_structure(new, old):
    """``new`` in the structure, shapes and dtypes of ``old``, as a compiled loop demands."""
    leaves = [
        ops.cast(ops.reshape(x, ops.shape(like)), like.dtype)
        for x, like in zip(keras.tree.flatten(new), keras.tree.flatten(old))
    ]
    return keras.tree.pack_sequence_as(old, leaves)


class DecodingLoop:
    """Decodes batches of prompts by a step, and reuses the programs compiled for it.

    Args:
        step: a ``StepFunction``.
        init_cache: callable(rows, capacity) -> the empty KV cache of generated tokens, nested
            tensors (rows, ..., capacity, features); () for a step without a cache.
        variables: Keras variables that the step reads. Programs take them as arguments, so later
            training is seen; they may be left out on TensorFlow and torch.

    Example:
        >>> import numpy as np
        >>> from keras import ops
        >>> from bert4keras.generation import DecodingLoop, GenerationConfig
        >>> table = ops.convert_to_tensor(np.eye(5, k=1, dtype="float32"))  # 0, 1, 2, ...
        >>> def step(tokens, cache_index, prompt_cache, generated_cache):
        ...     return ops.take(table, tokens, axis=0), generated_cache
        >>> loop = DecodingLoop(step, init_cache=lambda rows, capacity: ())
        >>> config = GenerationConfig(max_new_tokens=9, eos_token_id=[3, 4])
        >>> loop.generate(table[:2], (), config).tokens
        [[[1, 2, 3]], [[2, 3]]]
        >>> for prompt, sequence, ids in loop.stream(table[1:2], (), config):
        ...     print(prompt, ids)
        0 [2]
        0 [3]
    """

    def __init__(
        self,
        step: StepFunction,
        init_cache: Callable[[int, int], Any],
        variables: Sequence[Any] = (),
    ):
        self.step = step
        self.init_cache = init_cache
        self.variables: list[Any] = list(variables)
        self._programs = lru_cache(maxsize=16)(self._compile)

    def _compile(self, sampler):
        """Programs of a sampler: for the first token, and for a chunk of further ones."""
        decode_chunk = partial(_decode_chunk, sampler, self.step)
        return (
            compile_function(partial(_first_step, sampler)),
            compile_function(decode_chunk, self.variables),
        )

    def generate(
        self,
        logits: Tensor,
        prompt_cache: Any = (),
        config: GenerationConfig = GenerationConfig(),  # noqa: B008  (frozen)
        prompt_ids: Sequence[ArrayLike] | None = None,
        prompt_mask: ArrayLike | None = None,
        callback: Callable[[int, int, list[int]], Any] | None = None,
        progress: bool = False,
    ) -> GenerationOutput:
        """Decode a batch to its end.

        Args:
            logits: (B, V) after the last token of each prompt.
            prompt_cache: nested tensors (B, ...) for the step.
            config: the options.
            prompt_ids: B lists of ids, or (B, P), for ``repetition_penalty``,
                ``no_repeat_ngram_size`` and ``logits_processor``, which see generated tokens alone
                without it.
            prompt_mask: (B, P), True where ``prompt_ids`` are no padding, which may be anywhere.
            callback: callable(prompt, sequence, ids), called with new tokens at each step.
            progress: show a bar that counts finished prompts.

        Raises:
            ValueError: an option that does not suit the vocabulary; NaN logits; a step at which no
                token is possible.
        """
        streams = callback is not None
        batch = self._batch(logits, prompt_cache, config, prompt_ids, prompt_mask, streams)
        with tqdm(total=batch.num_prompts, unit="prompt", disable=not progress) as bar:
            while batch.is_unfinished:
                batch.run(1 if streams else _CHUNK)
                if callback is not None:
                    for prompt, sequence, ids in batch.new_tokens():
                        callback(prompt, sequence, ids)
                bar.update(batch.collect_finished())
        return batch.output()

    def stream(
        self,
        logits: Tensor,
        prompt_cache: Any = (),
        config: GenerationConfig = GenerationConfig(),  # noqa: B008  (frozen)
        prompt_ids: Sequence[ArrayLike] | None = None,
        prompt_mask: ArrayLike | None = None,
    ) -> Iterator[tuple[int, int, list[int]]]:
        """Iterate over new tokens, step by step: (prompt, sequence, ids), by prompt and sequence.

        The arguments and errors are those of ``generate``. A beam search cannot be streamed.
        """
        batch = self._batch(logits, prompt_cache, config, prompt_ids, prompt_mask, True)

        def tokens():
            while batch.is_unfinished:
                batch.run(1)
                yield from batch.new_tokens()
                batch.collect_finished()

        return tokens()

    def _batch(self, logits, prompt_cache, config, prompt_ids, prompt_mask, streams):
        logits = ops.convert_to_tensor(logits)
        if len(logits.shape) != 2:
            raise ValueError(f"logits must be (prompts, vocabulary), got shape {logits.shape}")
        config.check_vocabulary(logits.shape[1])
        if streams and config.num_beams > 1:
            raise ValueError(
                f"tokens can be streamed when num_beams is 1, got {config.num_beams}: a beam "
                "search chooses its sequences at the end. Leave out the callback, or the beams"
            )
        rows = logits.shape[0]
        if prompt_ids is None or not config.uses_prompt_ids:
            prompt_ids, prompt_mask = [[]] * rows, None
        prompts = _align_right(prompt_ids, prompt_mask, rows)
        return _DecodingBatch(self, config, logits, prompt_cache, prompts)


def _align_right(prompt_ids, prompt_mask, rows):
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
    prompts = np.full((rows, -(-longest // _PROMPT_COLUMNS) * _PROMPT_COLUMNS), -1, "int32")
    for row, ids in zip(prompts, visible):
        row[len(row) - len(ids) :] = ids
    return prompts


def _next_power_of_two(n):
    return 1 << (n - 1).bit_length()


class _DecodingBatch:
    """Prompts that are decoded together, seen from the host, and the results of finished ones."""

    def __init__(self, loop, config, logits, prompt_cache, prompts):
        self.config, self.sampler = config, config.sampler()
        self.first_step, self.decode_chunk = loop._programs(self.sampler)
        self.num_prompts, self.vocab_size = len(prompts), logits.shape[-1]
        self.columns, self.capacity = prompts.shape[1], _CAPACITY
        self.count = self.shown_count = 0  # tokens generated, and given out by ``new_tokens``
        self.row_prompts = np.arange(self.num_prompts)  # the prompt of each row; -1: finished
        self.results: list[Any] = [None] * self.num_prompts
        self.params = to_tensors(config.sampling_params(self.columns))
        seed = np.random.randint(2**31) if config.seed is None else config.seed
        self.generators = [np.random.default_rng([seed, i]) for i in range(self.num_prompts)]
        self.uniform = self._draw_uniform(self.capacity)
        self.logits, self.prompt_cache = logits, prompt_cache
        rows = self.num_prompts * self.sampler.rows_per_prompt
        self.generated_cache = loop.init_cache(rows, self.capacity)
        shape = (self.num_prompts, self.sampler.rows_per_prompt, self.columns + self.capacity)
        tokens = np.full(shape, -1, "int32")
        tokens[..., : self.columns] = prompts[:, None]
        self.state = to_tensors(self.sampler.init_state(tokens))

    def _draw_uniform(self, columns):
        """Random numbers (B, N, columns); each prompt has its own generator."""
        if not self.config.do_sample:
            return None
        shape = (len(self.row_prompts), columns, self.sampler.rows_per_prompt)
        numbers = np.zeros(shape, "float32")
        for row in np.flatnonzero(self.row_prompts >= 0):
            generator = self.generators[self.row_prompts[row]]
            numbers[row] = generator.random(shape[1:], "float32")
        return ops.convert_to_tensor(numbers.swapaxes(1, 2))

    def run(self, steps):
        """Take the first token of every row, or up to ``steps`` further ones."""
        allowed_mask = self._allowed_tokens()
        if self.count == 0:
            inputs = SamplerInputs(self.uniform, allowed_mask)
            self.state = self.first_step(self.params, inputs, self.logits, self.state)
            self.count, self.logits = 1, None
        else:
            if self.count == self.capacity:
                self._grow()
            inputs = SamplerInputs(self.uniform, allowed_mask)
            steps = 1 if self.config.prefix_allowed_tokens_fn else steps
            limit = min(self.count + steps, self.capacity, self.config.max_new_tokens)
            count, limit = to_tensors((np.int32(self.count), np.int32(limit)))
            state = DecodingState(count, self.state, self.generated_cache)
            state = self.decode_chunk(self.params, inputs, self.prompt_cache, state, limit)
            self.count = int(state.count)
            self.state, self.generated_cache = state.sampler_state, state.generated_cache
        self._check_errors()

    def _grow(self):
        extra = self.capacity
        self.generated_cache = grow_cache(self.generated_cache, extra)
        self.state = self.sampler.grow_state(self.state, extra)
        if self.uniform is not None:
            self.uniform = ops.concatenate([self.uniform, self._draw_uniform(extra)], axis=2)
        self.capacity += extra

    def _allowed_tokens(self):
        """The tokens that the caller's function allows: bools (B, N, V), or None."""
        allow = self.config.prefix_allowed_tokens_fn
        if allow is None:
            return None
        state = map_tensors(ops.convert_to_numpy, self.state)
        is_live = self.sampler.is_live(state) & (self.row_prompts >= 0)[:, None]
        allowed_mask = np.ones((*is_live.shape, self.vocab_size), bool)
        for row, sequence in np.argwhere(is_live):
            prompt = int(self.row_prompts[row])
            ids = self._generated_ids(state.tokens[row, sequence])
            following = np.asarray(list(allow(prompt, ids)), "int64")
            if not len(following) or not np.isin(following, np.arange(self.vocab_size)).all():
                raise ValueError(
                    f"prefix_allowed_tokens_fn must give one or more ids from 0 to "
                    f"{self.vocab_size - 1}, got {following.tolist()} for prompt {prompt} after "
                    f"{ids}; give a stop id where a sequence has to end"
                )
            allowed_mask[row, sequence] = False
            allowed_mask[row, sequence, following] = True
        return ops.convert_to_tensor(allowed_mask)

    def _generated_ids(self, tokens):
        tokens = tokens[self.columns :]
        return tokens[tokens >= 0].tolist()

    def _check_errors(self):
        codes = ops.convert_to_numpy(self.state.error_code)
        for row, sequence in np.argwhere((codes != 0) & (self.row_prompts >= 0)[:, None]):
            step = abs(int(codes[row, sequence])) - 1
            place = f"at step {step} of prompt {self.row_prompts[row]}, row {sequence} of its rows"
            if codes[row, sequence] > 0:
                raise ValueError(
                    f"logits must be numbers, got NaN {place}; look for overflow in the weights "
                    "or in half precision, or an empty row in an attention mask"
                )
            raise ValueError(
                f"a token must be possible, got logits of -inf alone {place}; the model, a logits "
                "processor or no_repeat_ngram_size forbids them all"
            )

    def new_tokens(self):
        """Yield the tokens since the last call: (prompt, sequence, ids), by prompt and sequence."""
        tokens = ops.convert_to_numpy(self.state.tokens)[..., self.columns + self.shown_count :]
        self.shown_count = self.count
        for row in np.flatnonzero(self.row_prompts >= 0):
            for sequence, ids in enumerate(tokens[row]):
                if (ids >= 0).any():
                    yield int(self.row_prompts[row]), sequence, ids[ids >= 0].tolist()

    def collect_finished(self):
        """Collect the results of finished prompts and drop them; return their number."""
        is_done = ops.convert_to_numpy(self.state.is_done)
        is_done = is_done | (self.count >= self.config.max_new_tokens)
        finished_rows = np.flatnonzero(is_done & (self.row_prompts >= 0))
        if len(finished_rows):
            state = map_tensors(ops.convert_to_numpy, self.state)
            for row in finished_rows:
                self._collect(state, row)
            self.row_prompts[finished_rows] = -1
            self._drop_finished()
        return len(finished_rows)

    def _collect(self, state, row):
        prompt = self.row_prompts[row]
        tokens, scores = self.sampler.results(state, row, self.config.num_return_sequences)
        if not len(tokens):
            raise ValueError(
                f"a sequence must be possible, but every beam of prompt {prompt} came to an end "
                "where no token is; the model, a logits processor or no_repeat_ngram_size forbids "
                "them all"
            )
        self.results[prompt] = [self._generated_ids(ids) for ids in tokens], scores.tolist()

    def _drop_finished(self):
        """Drop finished prompts, while the number of prompts stays a power of 2."""
        live = np.flatnonzero(self.row_prompts >= 0)
        if not len(live) or _next_power_of_two(len(live)) >= len(self.row_prompts):
            return
        fillers = np.flatnonzero(self.row_prompts < 0)[: _next_power_of_two(len(live)) - len(live)]
        index = np.sort(np.concatenate([live, fillers]))
        width = self.sampler.rows_per_prompt
        rows = index[:, None] * width + np.arange(width)
        self.prompt_cache, self.uniform, self.state = take_rows(
            (self.prompt_cache, self.uniform, self.state), index
        )
        self.generated_cache = take_rows(self.generated_cache, rows)
        self.row_prompts = self.row_prompts[index]

    @property
    def is_unfinished(self):
        return bool((self.row_prompts >= 0).any())

    def output(self):
        if not self.results:
            return GenerationOutput([], [])
        tokens, scores = zip(*self.results)
        return GenerationOutput(list(tokens), list(scores))
