"""Text generation: decoding with a built model and its tokenizer."""

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from tqdm import tqdm

from bert4keras.backend import compile_function, sync_weights
from bert4keras.backend.types import ArrayLike
from bert4keras.checks import check_integer, describe
from bert4keras.generation.cached_model import CachedModel, InputRole
from bert4keras.generation.config import GenerationConfig
from bert4keras.generation.decoding_loop import DecodingLoop, GenerationOutput
from bert4keras.generation.step_context import to_tensors


class TextGenerator:
    """Generates text with a language model, a UniLM or an encoder-decoder.

    A language model continues a text. A UniLM takes it as the source and writes a target, a T5
    encodes it and decodes. Batches are decoded together with a KV cache, by one program.

    Args:
        model: a functional Keras model with one output (B, L, V), logits or probabilities, whose
            tokens do not see later ones. Or the result of ``build_transformer_model`` with
            ``return_keras_model=False``; a T5 whole.
        tokenizer: ``Tokenizer``, ``SpTokenizer`` or ``HuggingFaceTokenizer``, or any object with
            ``encode(text)``, which gives ids or a pair of ids and segment ids, and
            ``decode(ids)``. None for ids in and out.
        start_id: the first id of a decoder, if the model has an encoder.
        input_roles: roles of inputs whose layers do not say it, see ``CachedModel``.

    Raises:
        IncrementalDecodingError: the model is no language model, or a layer cannot decode token by
            token.

    Example:
        >>> from bert4keras.generation import TextGenerator
        >>> from bert4keras.models import build_transformer_model
        >>> from bert4keras.tokenizers import Tokenizer
        >>> words = "[PAD] [UNK] [CLS] [SEP] 床 前 明 月 光".split()
        >>> tokenizer = Tokenizer({word: i for i, word in enumerate(words)})
        >>> config = dict(vocab_size=9, hidden_size=8, num_hidden_layers=1, num_attention_heads=2,
        ...               intermediate_size=16, hidden_act="gelu")
        >>> model = build_transformer_model(config, application="unilm")
        >>> generate = TextGenerator(model, tokenizer)
        >>> len(generate(["床前", "明月光"], max_new_tokens=4, num_beams=3))
        2
    """

    def __init__(
        self,
        model: Any,
        tokenizer: Any = None,
        start_id: int = 0,
        input_roles: Mapping[str, InputRole] | None = None,
    ):
        self.model: Any = getattr(model, "model", model)
        self.tokenizer: Any = tokenizer
        self.start_id: int = start_id
        self.cached_model: CachedModel = CachedModel(
            self.model, input_roles=input_roles, as_logits=True
        )
        self._compile()

    def _compile(self):
        """Compile the programs of the model as it is: LoRA adds variables that they must read."""
        cached_model, variables = self.cached_model, self.model.variables
        self.loop: DecodingLoop = DecodingLoop(
            cached_model.step, cached_model.init_cache, variables
        )
        self._prefill: Any = compile_function(cached_model.prefill, variables)
        self._num_variables: int = len(variables)

    def __call__(
        self,
        texts: str | Sequence[Any],
        conditions: Sequence[ArrayLike] = (),
        batch_size: int = 32,
        progress: bool = False,
        **options: Any,
    ) -> Any:
        """Generate text for each text.

        Args:
            texts: a list of texts or of lists of ids, or one text.
            conditions, batch_size, progress, **options: as for ``generate``.

        Returns:
            A list of texts; of lists of them with ``num_return_sequences`` above 1. One text, or
            list, where one was given. Without a tokenizer lists of ids in place of texts.
        """
        is_one, config = isinstance(texts, str), self._config(options)
        prompts = self._encode_all([texts] if is_one else texts, config)
        output = self._generate(prompts, config, conditions, batch_size, progress)
        results = [
            [self._decode(ids, config, prompt) for ids in rows]
            for prompt, rows in zip(prompts, output.tokens, strict=True)
        ]
        if config.num_return_sequences == 1:
            results = [rows[0] for rows in results]
        return results[0] if is_one else results

    def generate(
        self,
        texts: Sequence[Any],
        conditions: Sequence[ArrayLike] = (),
        batch_size: int = 32,
        progress: bool = False,
        **options: Any,
    ) -> GenerationOutput:
        """Generate ids with their scores.

        Args:
            texts: a list of texts, or of lists of ids. Padding at the ends of ids is left out,
                unless its id is a token of texts too.
            conditions: arrays with a row for each text, for the further inputs of the model.
            batch_size: the number of texts decoded together. More texts than that are sorted by
                length first; fewer keep their order in a ``logits_processor``.
            progress: show a bar that counts texts.
            **options: those of ``GenerationConfig``; ``eos_token_id`` is the tokenizer's by
                default.

        Returns:
            ``GenerationOutput``: of each text ``tokens``, a list of lists of ids, and ``scores``.

        Raises:
            ValueError: an empty prompt, or one that leaves no room among the model's positions; an
                option out of its range.
            TypeError: an unknown option.
        """
        config = self._config(options)
        prompts = self._encode_all(texts, config)
        return self._generate(prompts, config, conditions, batch_size, progress)

    def stream(
        self, text: str | Sequence[int], conditions: Sequence[ArrayLike] = (), **options: Any
    ) -> Iterator[Any]:
        """Iterate over the generated text of one text, step by step: pieces of text, or ids.

        The pieces together are the text that a call returns. What later tokens may still change,
        such as an incomplete character, comes with them.

        Raises:
            ValueError: several sequences are asked for; a tokenizer of your own whose ``decode``
                changes the text of tokens that are long past.
        """
        config = self._config(options)
        if config.num_return_sequences > 1:
            raise ValueError(
                "Expected num_return_sequences=1 to stream one sequence, got "
                f"{config.num_return_sequences}. Call generate for several."
            )
        prompts = [self._encode(text, config)]
        self._check(prompts, config)
        steps = self.loop.stream(**self._start(prompts, config, conditions, [0]))
        if self.tokenizer is None:
            return (token_id for _, _, ids in steps for token_id in ids)
        return self._stream_text(steps, config, prompts[0])

    def _stream_text(self, steps, config, prompt):
        all_ids, text, shown = [], "", ""
        for _, _, ids in steps:
            all_ids += ids
            text_before, text = text, self._decode(all_ids, config, prompt)
            complete_text = self._find_complete_text(text, text_before)
            if len(complete_text) > len(shown) and complete_text.startswith(shown):
                yield complete_text[len(shown) :]
                shown = complete_text
        if not text.startswith(shown):
            raise ValueError(
                f"Expected decode of {type(self.tokenizer).__name__} to leave the beginning of a "
                f"text as it is when tokens follow, got {text!r} after {shown!r}. Call the "
                "generator instead of stream."
            )
        if text[len(shown) :]:
            yield text[len(shown) :]

    def _find_complete_text(self, text, text_before):
        """Find the part of a text that does not change when further tokens follow."""
        classes = type(self.tokenizer).__mro__
        names = ("decode", "complete_text")
        owner = next((x for x in classes if any(name in vars(x) for name in names)), None)
        if owner is not None and "complete_text" in vars(owner):
            return self.tokenizer.complete_text(text)
        return os.path.commonprefix([text, text_before]).rstrip("\ufffd")

    def _encode_all(self, texts, config):
        if isinstance(texts, str) or not isinstance(texts, Iterable):
            raise TypeError(f"Expected texts to be a list of texts or ids, got {describe(texts)}.")
        return [self._encode(x, config, f"texts[{i}]") for i, x in enumerate(texts)]

    def _generate(self, prompts, config, conditions, batch_size, progress):
        check_integer("batch_size", batch_size, minimum=1)
        self._check(prompts, config)
        order = list(range(len(prompts)))
        if len(prompts) > batch_size:
            order.sort(key=lambda i: len(prompts[i]))
        tokens, scores = [[]] * len(prompts), [[]] * len(prompts)
        with tqdm(total=len(prompts), unit="text", disable=not progress) as bar:
            for start in range(0, len(order), batch_size):
                indices = order[start : start + batch_size]
                output = self.loop.generate(**self._start(prompts, config, conditions, indices))
                for i, ids, score in zip(indices, output.tokens, output.scores):
                    tokens[i], scores[i] = ids, score
                bar.update(len(indices))
        return GenerationOutput(tokens, scores)

    def _config(self, options):
        return GenerationConfig.from_options(
            **{"eos_token_id": getattr(self.tokenizer, "end_id", None), **options}
        )

    def encode(self, text: str, maxlen: int | None = None) -> list[int]:
        """Convert a text to the ids of its prompt: a language model continues it without end id.

        Args:
            text: a text.
            maxlen: maximum number of ids; a longer text is cut.
        """
        if self._drops_end and hasattr(self.tokenizer, "encode_prompt"):
            return self.tokenizer.encode_prompt(text, maxlen)
        options = {} if maxlen is None else {"maxlen": maxlen + self._drops_end}
        ids = self.tokenizer.encode(text, **options)
        ids = list(ids[0] if isinstance(ids, tuple) else ids)
        return ids[:-1] if self._drops_end and ids[-1:] == [self._end_id] else ids

    def decode(self, ids: Sequence[int], prompt: Sequence[int] = ()) -> str:
        """Return the text of generated ids; one that continues its prompt keeps its first space.

        Args:
            ids: ids, without those that end a text.
            prompt: ids of the prompt.
        """
        if self._drops_end and hasattr(self.tokenizer, "decode_continuation"):
            return self.tokenizer.decode_continuation(prompt, ids)
        return self.tokenizer.decode(ids)

    @property
    def _drops_end(self):
        """True if a prompt is continued, so that no end id may stand behind it."""
        model = self.cached_model
        return not model.has_encoder and model.generated_segment_id is None

    @property
    def _end_id(self):
        return getattr(self.tokenizer, "end_id", None)

    def _encode(self, text, config=None, name="text"):
        """Ids of a prompt; a language model that continues it gets no end id."""
        if not isinstance(text, str):
            return self._trim_padding(
                _check_ids(name, text, self.cached_model.num_input_ids), config
            )
        if self.tokenizer is None:
            raise TypeError(
                f"Expected {name} to be ids, as there is no tokenizer, got {describe(text)}. Pass "
                "a tokenizer to TextGenerator, or a list of ids."
            )
        return self.encode(text)

    def _trim_padding(self, ids, config):
        """Cut padding from both ends of a prompt, unless the padding id is a token of texts too."""
        ends = (getattr(self.tokenizer, name, None) for name in ("start_id", "end_id"))
        pad_id = self.cached_model.pad_id
        if pad_id is None or pad_id in (*config.stop_ids, *ends):
            return ids
        token_places = [i for i, token in enumerate(ids) if token != pad_id]
        return ids[token_places[0] : token_places[-1] + 1] if token_places else []

    def _decode(self, ids, config, prompt) -> Any:
        if self.tokenizer is None:
            return ids
        return self.decode([i for i in ids if i not in config.stop_ids], prompt)

    def _check(self, prompts, config):
        """Raise a ValueError before anything is computed if prompts or options do not suit."""
        sync_weights(self.model)
        if len(self.model.variables) != self._num_variables:
            self._compile()
        if not prompts or not all(prompts):
            raise ValueError(
                "a prompt must have at least one token, and there must be at least one prompt; "
                f"got {[len(ids) for ids in prompts]} tokens"
            )
        config.check_vocabulary(self.cached_model.vocab_size)
        new, positions = config.max_new_tokens, self.cached_model.max_positions
        longest = 1 if self.cached_model.has_encoder else max(map(len, prompts))
        if positions is not None and longest + new - 1 > positions:
            raise ValueError(
                f"prompt and new tokens must fit in the model's {positions} positions, got a "
                f"prompt of {longest} tokens and max_new_tokens={new}. Cut the prompt, or ask for "
                "fewer"
            )

    def _start(self, prompts, config, conditions, indices):
        """Run some of the prompts; return the arguments of the decoding loop."""
        ids = [prompts[i] for i in indices]
        has_encoder = self.cached_model.has_encoder
        lengths = np.array([1 if has_encoder else len(x) for x in ids], "int32")
        condition_arrays = iter([np.asarray(x)[indices] for x in conditions])
        inputs = [self._input(i, ids, condition_arrays) for i in range(len(self.model.inputs))]
        source_lengths = np.array([len(x) for x in ids], "int32") if has_encoder else None
        logits, prompt_cache = self._prefill(*to_tensors((inputs, lengths, source_lengths)))
        return {
            "logits": logits,
            "prompt_cache": prompt_cache,
            "config": config,
            "prompt_ids": None if has_encoder else ids,
        }

    def _input(self, index, ids, condition_arrays):
        model, name = self.cached_model, self.model.inputs[index].name
        role, is_sequence = model.input_roles[index], index in model.sequence_inputs
        if model.has_encoder and is_sequence:
            return self._decoder_start(role, name, len(ids))
        shape = len(ids), model.padded_length(max(map(len, ids)))
        if role == "token_ids":
            rows = np.full(shape, max(model.pad_id or 0, 0), "int32")
            for row, x in zip(rows, ids):
                row[: len(x)] = x
            return rows
        if role == "segment_ids":
            return np.zeros(shape, "int32")
        if role == "position_ids":
            return np.tile(np.arange(shape[1], dtype="float32"), (shape[0], 1))
        if is_sequence:
            raise self._unknown_role(name)
        condition = next(condition_arrays, None)
        if condition is None:
            raise ValueError(
                f"{self.model.name} has a further input {name!r}: give an array with a row for "
                "each text in conditions=[...]"
            )
        return condition

    def _decoder_start(self, role, name, count):
        if role is None:
            raise self._unknown_role(name)
        return np.full((count, 1), self.start_id if role == "token_ids" else 0, "int32")

    def _unknown_role(self, name):
        return ValueError(
            f"{self.model.name} takes {name!r} for each token, and it is not known what new ones "
            "have. Build it without that input, as task_id=... does for tasks, or say "
            f"input_roles={{{name!r}: 'segment_ids'}} if these are segments"
        )


def _check_ids(name, ids, size):
    """Return a prompt as a list of ids; raise for anything else."""
    is_list = isinstance(ids, Iterable) and not isinstance(ids, bytes | Mapping)
    if not is_list or (isinstance(ids, np.ndarray) and ids.ndim != 1):
        raise TypeError(f"Expected {name} to be a text or a list of ids, got {describe(ids)}.")
    ids = ids.tolist() if isinstance(ids, np.ndarray) else list(ids)
    largest = None if size is None else size - 1
    are_ints = ids and all(type(x) is int for x in ids)
    if are_ints and min(ids) >= 0 and (largest is None or max(ids) <= largest):
        return ids
    remedy = "Use the vocabulary of the model."
    return [check_integer(f"{name}[{i}]", x, 0, largest, remedy) for i, x in enumerate(ids)]
