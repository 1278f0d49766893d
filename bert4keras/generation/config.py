"""What a caller may ask of decoding, under the names that transformers uses."""

import difflib
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields

import numpy as np

from bert4keras.generation.beam_search import Beams
from bert4keras.generation.rows import Rows
from bert4keras.generation.samplers import Shaping


@dataclass(frozen=True)
class Options:
    """How to decode; greedy by default.

    Args:
        max_new_tokens: how many tokens a sequence gets at most, a stop token included.
        min_new_tokens: no stop token comes before a sequence has as many others.
        eos_token_id: the id that ends a sequence, or several.
        num_beams: sequences that a beam search follows for each prompt; 1 for none.
        num_return_sequences: sequences for each prompt: the best beams, or as many draws.
        do_sample: draw tokens by their probability.
        temperature: logits are divided by it before drawing.
        top_k: draw among the k most probable tokens; 0 for all.
        top_p: draw among the fewest tokens with this probability together; 1 for all.
        min_p: draw among tokens at least so probable in relation to the most probable one.
        typical_p: draw among the tokens of most typical surprise with this probability together.
        repetition_penalty: above 1, makes tokens of prompt and sequence less probable.
        no_repeat_ngram_size: no n tokens come twice in prompt and sequence; 0 to let them.
        length_penalty: beams are compared by log probability / length ** length_penalty.
        early_stopping: when beams end: True as soon as ``num_beams`` are finished; False when no
            better one is likely; "never" when none can come.
        seed: of the drawing; None takes one from NumPy's global generator.
        logits_processor: callable(tokens, length, logits) -> logits, in ``keras.ops``, as it is
            compiled; tokens (R, T) int32 are the prompt and what followed, filled up to column
            ``length``, -1 where nothing is; logits (R, V) are log probabilities in a beam search.
            Give the same object again to use the program again.
        prefix_allowed_tokens_fn: callable(prompt, ids) -> ids that may follow; ``prompt`` the
            index in the batch, ``ids`` the list of tokens so far, without the prompt's. It is
            asked at each step, so nothing but single steps can be compiled.

    Raises:
        ValueError: a value out of its range, or options that contradict each other.

    Example:
        >>> from bert4keras.generation import Options
        >>> Options(num_beams=4, eos_token_id=3).num_beams
        4
    """

    max_new_tokens: int = 64
    min_new_tokens: int = 0
    eos_token_id: int | Sequence[int] | None = None
    num_beams: int = 1
    num_return_sequences: int = 1
    do_sample: bool = False
    temperature: float = 1.0
    top_k: int = 0
    top_p: float = 1.0
    min_p: float = 0.0
    typical_p: float = 1.0
    repetition_penalty: float = 1.0
    no_repeat_ngram_size: int = 0
    length_penalty: float = 1.0
    early_stopping: bool | str = False
    seed: int | None = None
    logits_processor: Callable | None = None
    prefix_allowed_tokens_fn: Callable | None = None

    def __post_init__(self):
        for name, (rule, holds) in RULES.items():
            value = getattr(self, name)
            if not holds(value):
                raise ValueError(f"{name} must be {rule}, got {value!r}")
        for holds, message in CONTRADICTIONS:
            if holds(self):
                raise ValueError(message.format(self))

    @classmethod
    def of(cls, **options):
        """Options by name; an unknown one is a TypeError that says which there are."""
        names = [field.name for field in fields(cls)]
        for name in set(options) - set(names):
            near = difflib.get_close_matches(name, names, 1)
            meant = f"did you mean {near[0]!r}?" if near else f"there are {', '.join(names)}"
            raise TypeError(f"decoding has no option {name!r}; {meant}")
        return cls(**options)

    @property
    def stops(self):
        """The stop ids as a list."""
        ids = self.eos_token_id
        return [] if ids is None else [int(i) for i in np.atleast_1d(np.asarray(ids, "int64"))]

    @property
    def looks_back(self):
        """Whether the tokens of the prompts matter."""
        return bool(
            self.repetition_penalty != 1 or self.no_repeat_ngram_size or self.logits_processor
        )

    def check_vocabulary(self, size):
        """Whether the options suit logits (B, size)."""
        if self.num_beams > size:
            raise ValueError(
                f"num_beams must not exceed the vocabulary of {size} tokens, as a prompt has no "
                f"more continuations, got {self.num_beams}"
            )
        outside = [i for i in self.stops if not 0 <= i < size]
        if outside:
            raise ValueError(f"eos_token_id must be ids from 0 to {size - 1}, got {outside}")

    def choice(self):
        """The half that a program is compiled for: who chooses tokens, and how many a prompt."""
        shaping = Shaping(self.top_k, self.no_repeat_ngram_size, self.logits_processor)
        if self.num_beams > 1:
            return Beams(self.num_beams, self.early_stopping, shaping)
        return Rows(self.num_return_sequences, self.do_sample, shaping)

    def numbers(self):
        """The half that programs take as arguments: arrays by name, those that change nothing left
        out."""
        used = {name: getattr(self, name) for name in NEUTRAL}
        used = {name: value for name, value in used.items() if value != NEUTRAL[name]}
        floats = {name: np.float32(used[name]) for name in used}
        if self.min_new_tokens:
            floats["min_new_tokens"] = np.int32(self.min_new_tokens)
        return floats | {
            "length_penalty": np.float32(self.length_penalty),
            "max_new_tokens": np.int32(self.max_new_tokens),
            "stops": np.array(self.stops or [-1], "int32"),
        }


NEUTRAL = {"repetition_penalty": 1, "temperature": 1, "top_p": 1, "min_p": 0, "typical_p": 1}
DRAWING = ("temperature", "top_k", "top_p", "min_p", "typical_p")


def _whole(least):
    def holds(value):
        return isinstance(value, int | np.integer) and value >= least

    return f"a whole number of {least} or more", holds


def _share(value):
    return 0 < value <= 1


RULES = {
    "max_new_tokens": _whole(1),
    "min_new_tokens": _whole(0),
    "num_beams": _whole(1),
    "num_return_sequences": _whole(1),
    "top_k": _whole(0),
    "no_repeat_ngram_size": _whole(0),
    "temperature": ("above 0", lambda value: 0 < value < math.inf),
    "repetition_penalty": ("above 0", lambda value: 0 < value < math.inf),
    "top_p": ("above 0 and at most 1", _share),
    "typical_p": ("above 0 and at most 1", _share),
    "min_p": ("from 0 to 1", lambda value: 0 <= value <= 1),
    "length_penalty": ("a finite number", math.isfinite),
    "early_stopping": (
        'True, False or "never"',
        lambda value: isinstance(value, bool) or value == "never",
    ),
}
CONTRADICTIONS = [
    (
        lambda given: given.min_new_tokens > given.max_new_tokens,
        "min_new_tokens must not exceed max_new_tokens, got {0.min_new_tokens} and "
        "{0.max_new_tokens}",
    ),
    (
        lambda given: given.do_sample and given.num_beams > 1,
        "do_sample draws and num_beams searches, so only one can be given, got num_beams="
        "{0.num_beams}; num_return_sequences gives several draws",
    ),
    (
        lambda given: not given.do_sample and given.num_return_sequences > given.num_beams,
        "num_return_sequences must not exceed num_beams, got {0.num_return_sequences} and "
        "{0.num_beams}; raise num_beams, or draw with do_sample=True",
    ),
    (
        lambda given: (
            not given.do_sample and any(getattr(given, n) != getattr(Options, n) for n in DRAWING)
        ),
        "temperature, top_k, top_p, min_p and typical_p shape what is drawn, but nothing is; "
        "give do_sample=True with them, got {0}",
    ),
]
