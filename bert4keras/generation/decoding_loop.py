"""The decoding loop, one for greedy, sampling and beam search, over a step that it is given.

The protocol of a step, for B prompts and N rows (beams or samples) of each, R = B N, where row r
belongs to prompt r // N:

    step(tokens, slot, shared, own) -> logits, own

    tokens  (R,) int32: the newest token of each row.
    slot    scalar int32: the place 0, 1, ... on axis -2 of ``own`` where the entries of these
            tokens belong, the same for all rows. The first generated token has slot 0; slots above
            are unwritten, and must not count. A token's position is its prompt's length + slot.
    shared  nested tensors (B, ...): what was computed of the prompts. The engine takes rows of it
            when prompts are finished, and never reorders or repeats it for beams: a step looks at
            queries as (B, N, ...).
    own     nested tensors (R, ..., capacity, features): what was computed of generated tokens. The
            engine reorders its rows when beams change places, and lengthens axis -2 (zeros) when
            needed.
            A step returns it in the same structure, shapes and dtypes.
    logits  (R, V) for the next token.

A step is compiled: it is in ``keras.ops``, keeps nothing between calls, and asks shapes of
``ops.shape``, as B and capacity may be unknown on TensorFlow. V is known. Rows that have ended are
passed along with a valid token until their prompt is dropped. All leaves are tensors; structures
may be empty.
"""

from functools import lru_cache, partial

import keras
from keras import ops
from tqdm import tqdm

from bert4keras.backend import compile_function
from bert4keras.generation.batch import Batch, right_aligned
from bert4keras.generation.beam_search import pick
from bert4keras.generation.config import Options
from bert4keras.generation.rows import flat

SEGMENT = 16  # steps of a compiled program between two looks from the host


def begin(choice, numbers, given, state, logits):
    """The state after the first token, from the logits (B, V) of the prompts."""
    logits = ops.repeat(ops.cast(logits, "float32"), choice.width, axis=0)
    chosen, _ = choice.choose(state, logits, ops.cast(0, "int32"), numbers, given)
    return alike(chosen, state)


def segment(choice, step, numbers, given, state, own, count, limit):
    """Go on from ``count`` tokens to ``limit``, or until all prompts are done."""

    def going(count, state, own):
        sound = ops.logical_not(ops.any(ops.not_equal(state["fault"], 0)))
        return (count < limit) & sound & ops.logical_not(ops.all(state["done"]))

    def one_more(count, state, own):
        tokens = ops.reshape(state["last"], (-1,))
        logits, entries = step(tokens, count - 1, given["shared"], own)
        logits = ops.cast(logits, "float32")
        chosen, parents = choice.choose(state, logits, count, numbers, given)
        own = reordered(alike(entries, own), parents)
        return count + 1, alike(chosen, state), own

    return ops.while_loop(going, one_more, (count, state, own))


def reordered(own, parents):
    """``own`` with the rows of the parents (B, N), untouched when no beam has moved."""
    if parents is None or not keras.tree.flatten(own):
        return own
    rows, width = ops.shape(parents)[0], ops.shape(parents)[1]
    moved = ops.any(ops.not_equal(parents, ops.arange(width, dtype="int32")))

    def taken(x):
        shape = ops.shape(x)
        return flat(pick(ops.reshape(x, (rows, width, *shape[1:])), parents))

    return ops.cond(moved, lambda: alike(keras.tree.map_structure(taken, own), own), lambda: own)


def alike(new, old):
    """``new`` in the structure, shapes and dtypes of ``old``, as a compiled loop demands."""
    leaves = [
        ops.cast(ops.reshape(x, ops.shape(like)), like.dtype)
        for x, like in zip(keras.tree.flatten(new), keras.tree.flatten(old))
    ]
    return keras.tree.pack_sequence_as(old, leaves)


class Engine:
    """Decodes by a step, and keeps the programs that were compiled for it.

    Args:
        step: see the module's docstring.
        empty: callable(rows, capacity) -> ``own`` before any token: nested tensors
            (rows, ..., capacity, features), () for a step that keeps nothing.
        variables: Keras variables that the step reads. Programs take them as arguments, so later
            training is seen; they need not be given on TensorFlow and torch.

    Example:
        >>> import numpy as np
        >>> from keras import ops
        >>> from bert4keras.generation import Engine
        >>> following = ops.convert_to_tensor(np.eye(5, k=1, dtype="float32"))  # 0, 1, 2, ...
        >>> def step(tokens, slot, shared, own):
        ...     return ops.take(following, tokens, axis=0), own
        >>> engine = Engine(step, empty=lambda rows, capacity: ())
        >>> engine(following[:2], max_new_tokens=9, eos_token_id=[3, 4]).tokens
        [[[1, 2, 3]], [[2, 3]]]
        >>> for prompt, sequence, ids in engine.stream(following[2:3], eos_token_id=4):
        ...     print(prompt, ids)
        0 [3]
        0 [4]
    """

    def __init__(self, step, empty, variables=()):
        self.step = step
        self.empty = empty
        self.variables = list(variables)
        self.programs = lru_cache(maxsize=16)(self._compile)

    def _compile(self, choice):
        """The programs of a choice of tokens: for the first token and for further ones."""
        further = partial(segment, choice, self.step)
        return compile_function(partial(begin, choice)), compile_function(further, self.variables)

    def __call__(
        self,
        logits,
        shared=(),
        prompt_ids=None,
        prompt_mask=None,
        callback=None,
        progress=False,
        **options,
    ):
        """Decode a batch to its end.

        Args:
            logits: (B, V) after the last token of each prompt.
            shared: nested tensors (B, ...) for the step.
            prompt_ids: B lists of ids, or (B, P), for ``repetition_penalty``,
                ``no_repeat_ngram_size`` and ``logits_processor``, which see generated tokens alone
                without it.
            prompt_mask: (B, P), true where ``prompt_ids`` are no padding, which may lie anywhere.
            callback: callable(prompt, sequence, ids), called with new tokens as they come.
            progress: show a bar that counts finished prompts.
            **options: see ``Options``.

        Returns:
            ``Generated``.

        Raises:
            TypeError: an unknown option.
            ValueError: an option out of its range, or for the vocabulary; NaN logits; a step at
                which no token is possible.
        """
        batch = self._batch(logits, shared, prompt_ids, prompt_mask, callback is not None, options)
        with tqdm(total=batch.size, unit="prompt", disable=not progress) as bar:
            while batch.unfinished:
                batch.advance(SEGMENT if callback is None else 1)
                for news in batch.news() if callback else ():
                    callback(*news)
                bar.update(batch.settle())
        return batch.generated()

    def stream(self, logits, shared=(), prompt_ids=None, prompt_mask=None, **options):
        """Iterate over new tokens as they come: (prompt, sequence, ids), by prompt and sequence.

        The arguments and errors are those of a call. A beam search cannot be streamed.
        """
        batch = self._batch(logits, shared, prompt_ids, prompt_mask, True, options)

        def tokens():
            while batch.unfinished:
                batch.advance(1)
                yield from batch.news()
                batch.settle()

        return tokens()

    def _batch(self, logits, shared, prompt_ids, prompt_mask, streamed, options):
        options = Options.of(**options)
        logits = ops.convert_to_tensor(logits)
        if len(logits.shape) != 2:
            raise ValueError(f"logits must be (prompts, vocabulary), got shape {logits.shape}")
        options.check_vocabulary(logits.shape[1])
        if streamed and options.num_beams > 1:
            raise ValueError(
                f"tokens can be streamed when num_beams is 1, got {options.num_beams}: beams are "
                "settled at the end; leave out the callback, or the beams"
            )
        rows = logits.shape[0]
        ids = prompt_ids if prompt_ids is not None and options.looks_back else [[]] * rows
        prompts = right_aligned(ids, prompt_mask if ids is prompt_ids else None, rows)
        programs = self.programs(options.choice())
        return Batch(options, programs, logits, shared, self.empty, prompts)
