"""The options of decoding, under the names that transformers gives them."""

import difflib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from functools import partial
from typing import Any, Literal

import numpy as np

from bert4keras.checks import check_callable, check_choice, check_integer, check_number
from bert4keras.generation.beam_search import BeamSearch
from bert4keras.generation.samplers import LogitsProcessors, Sampler, SamplingParams


@dataclass(frozen=True)
class GenerationConfig:
    """Options of decoding, checked when it is built; greedy by default.

    Args:
        max_new_tokens: the greatest number of tokens of a sequence, a stop id included.
        min_new_tokens: the number of other tokens before a stop id is allowed.
        eos_token_id: the id that ends a sequence, or several.
        num_beams: sequences that a beam search follows for each prompt; 1 for none.
        num_return_sequences: sequences for each prompt: the best beams, or as many draws.
        do_sample: draw tokens by their probability.
        temperature: divisor of the logits before drawing.
        top_k: draw among the k most probable tokens; 0 for all.
        top_p: draw among the fewest tokens with this probability together; 1 for all.
        min_p: draw among tokens with at least this share of the greatest probability.
        typical_p: draw among the tokens of most typical surprise with this probability together.
        repetition_penalty: above 1, makes tokens of prompt and sequence less probable.
        no_repeat_ngram_size: size of n-grams that may not repeat in prompt and sequence; 0 for
            none.
        length_penalty: beams are compared by log probability / length ** length_penalty.
        early_stopping: when a beam search ends: True as soon as ``num_beams`` are finished; False
            when no better one is likely; "never" when none is possible.
        seed: of the drawing; None takes one from NumPy's global generator.
        logits_processor: callable(tokens, length, logits) -> logits, in ``keras.ops``, as it is
            compiled; tokens (R, T) int32 are the prompt and what followed, filled up to column
            ``length``, the rest -1; logits (R, V) are log probabilities in a beam search.
            Give the same object again to use the program again.
        prefix_allowed_tokens_fn: callable(prompt, ids) -> ids that may follow; ``prompt`` is the
            index in the batch, ``ids`` the list of generated tokens. It is called before each
            step, which makes decoding slower.

    Raises:
        TypeError: a value of another type.
        ValueError: a value out of its range, or options that contradict each other.

    Example:
        >>> from bert4keras.generation import GenerationConfig
        >>> GenerationConfig(num_beams=4, eos_token_id=3).num_beams
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
    early_stopping: bool | Literal["never"] = False
    seed: int | None = None
    logits_processor: Callable[..., Any] | None = None
    prefix_allowed_tokens_fn: Callable[[int, list[int]], Any] | None = None

    def __post_init__(self) -> None:
        for name, check in _CHECKS.items():
            check(name, getattr(self, name))
        for is_contradiction, message in _CONTRADICTIONS:
            if is_contradiction(self):
                raise ValueError(message.format(self))

    @classmethod
    def from_options(cls, **options: Any) -> "GenerationConfig":
        """Build a config; raise a TypeError that names an unknown option and the known ones."""
        names = [field.name for field in fields(cls)]
        for name in set(options) - set(names):
            near = difflib.get_close_matches(name, names, 1)
            hint = f"did you mean {near[0]!r}?" if near else f"there are {', '.join(names)}"
            raise TypeError(f"decoding has no option {name!r}; {hint}")
        return cls(**options)

    @property
    def stop_ids(self) -> list[int]:
        """The ids that end a sequence."""
        ids = self.eos_token_id
        return [] if ids is None else [int(i) for i in np.atleast_1d(np.asarray(ids, "int64"))]

    @property
    def uses_prompt_ids(self) -> bool:
        """True if the tokens of the prompts matter to a logits processor."""
        return bool(
            self.repetition_penalty != 1 or self.no_repeat_ngram_size or self.logits_processor
        )

    def check_vocabulary(self, size: int) -> None:
        """Raise a ValueError unless the options suit a vocabulary of ``size`` ids."""
        if self.num_beams > size:
            raise ValueError(
                f"num_beams must not exceed the vocabulary of {size} tokens, as a prompt has no "
                f"more continuations, got {self.num_beams}"
            )
        outside = [i for i in self.stop_ids if not 0 <= i < size]
        if outside:
            raise ValueError(f"eos_token_id must be ids from 0 to {size - 1}, got {outside}")

    def sampler(self) -> Sampler | BeamSearch:
        """Build the sampler, of the static options: a new value compiles another program."""
        processors = LogitsProcessors(self.top_k, self.no_repeat_ngram_size, self.logits_processor)
        if self.num_beams > 1:
            return BeamSearch(self.num_beams, self.early_stopping, processors)
        return Sampler(self.num_return_sequences, self.do_sample, processors)

    def sampling_params(self, prompt_columns: int) -> SamplingParams:
        """Return the options that programs take as arguments; None for those without effect."""

        def scalar(name, neutral, dtype="float32"):
            value = getattr(self, name)
            return None if value == neutral else np.asarray(value, dtype)

        return SamplingParams(
            prompt_columns=np.int32(prompt_columns),
            max_new_tokens=np.int32(self.max_new_tokens),
            stop_ids=np.array(self.stop_ids or [-1], "int32"),
            length_penalty=np.float32(self.length_penalty),
            min_new_tokens=scalar("min_new_tokens", 0, "int32"),
            repetition_penalty=scalar("repetition_penalty", 1),
            temperature=scalar("temperature", 1),
            top_p=scalar("top_p", 1),
            min_p=scalar("min_p", 0),
            typical_p=scalar("typical_p", 1),
        )


_DRAWING = ("temperature", "top_k", "top_p", "min_p", "typical_p")


def _check_ids(name, value):
    if value is None:
        return
    is_list = isinstance(value, list | tuple | np.ndarray) and np.ndim(value)
    for item in value if is_list else [value]:
        check_integer(name, item, remedy="Pass one id, a list of ids, or None.")


def _check_optional(check, **limits):
    return lambda name, value: None if value is None else check(name, value, **limits)


_count, _number = partial(check_integer, minimum=1), partial(check_number, above=0)
_CHECKS = {
    "max_new_tokens": _count,
    "min_new_tokens": partial(check_integer, minimum=0),
    "eos_token_id": _check_ids,
    "num_beams": _count,
    "num_return_sequences": _count,
    "temperature": _number,
    "repetition_penalty": _number,
    "top_k": partial(check_integer, minimum=0),
    "top_p": partial(_number, maximum=1),
    "typical_p": partial(_number, maximum=1),
    "min_p": partial(check_number, minimum=0, maximum=1),
    "no_repeat_ngram_size": partial(check_integer, minimum=0),
    "length_penalty": check_number,
    "do_sample": partial(check_choice, choices=(True, False)),
    "early_stopping": partial(check_choice, choices=(True, False, "never")),
    "seed": _check_optional(check_integer, minimum=0),
    "logits_processor": _check_optional(check_callable),
    "prefix_allowed_tokens_fn": _check_optional(check_callable),
}
_CONTRADICTIONS = [
    (
        lambda config: config.min_new_tokens > config.max_new_tokens,
        "min_new_tokens must not exceed max_new_tokens, got {0.min_new_tokens} and "
        "{0.max_new_tokens}",
    ),
    (
        lambda config: config.do_sample and config.num_beams > 1,
        "do_sample draws and num_beams searches, so only one can be given, got num_beams="
        "{0.num_beams}; num_return_sequences gives several draws",
    ),
    (
        lambda config: not config.do_sample and config.num_return_sequences > config.num_beams,
        "num_return_sequences must not exceed num_beams, got {0.num_return_sequences} and "
        "{0.num_beams}; raise num_beams, or draw with do_sample=True",
    ),
    (
        lambda config: (
            not config.do_sample
            and any(getattr(config, n) != getattr(GenerationConfig, n) for n in _DRAWING)
        ),
        "temperature, top_k, top_p, min_p and typical_p shape what is drawn, but nothing is; "
        "give do_sample=True with them, got {0}",
    ),
]
