"""Text in, text out: decoding with a built model and its tokenizer."""

import numpy as np
from keras import activations, ops
from tqdm import tqdm

from bert4keras.backend import compile_function
from bert4keras.generation.batch import tensors
from bert4keras.generation.cached_model import Graph
from bert4keras.generation.config import Options
from bert4keras.generation.decoding_loop import Engine

TINY = 1e-30  # below any probability that counts, with a logarithm


class TextGenerator:
    """Writes on from texts, or answers them, whatever kind of generative model it is given.

    A language model goes on with a text. A UniLM takes it as the source and writes a target, a T5
    encodes it and decodes. Keys and values of what came before are kept, and batches decoded
    together, by one program.

    Args:
        model: a functional Keras model of one output (B, L, V), scores or probabilities; its tokens
            do not see what follows them. Or what ``build_transformer_model`` gives with
            ``return_keras_model=False``; a T5 whole.
        tokenizer: ``Tokenizer`` or ``SpTokenizer``, or anything with ``encode(text)``, which gives
            ids or a pair of ids and segments, and ``decode(ids)``. None for ids in and out.
        start_id: what a decoder begins with, where the model has an encoder.

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
        >>> write = TextGenerator(model, tokenizer)
        >>> len(write(["床前", "明月光"], max_new_tokens=4, num_beams=3))
        2
    """

    def __init__(self, model, tokenizer=None, start_id=0):
        self.model = getattr(model, "model", model)
        self.tokenizer, self.start_id = tokenizer, start_id
        self.graph = Graph(self.model)
        self.growing = [self.model.inputs[i].name for i in self.graph.sequences]
        self.encodes = "Decoder-Input-" in self.growing[0]
        variables = self.model.variables
        self.engine = Engine(self._step, self.graph.empty, variables)
        self.probabilities = self._gives_probabilities()
        self._prefill = compile_function(self._begin, variables)

    def __call__(self, texts, **options):
        """What the model writes for each text.

        Args:
            texts: a list of texts, or one.
            **options: as for ``generate``.

        Returns:
            A list of texts; of lists of them with ``num_return_sequences`` above 1. One text, or
            list, where one was given. Without a tokenizer lists of ids in place of texts.
        """
        one = isinstance(texts, str)
        tokens = self.generate([texts] if one else texts, **options).tokens
        found = [[self._text(ids, options) for ids in rows] for rows in tokens]
        if options.get("num_return_sequences", 1) == 1:
            found = [rows[0] for rows in found]
        return found[0] if one else found

    def generate(self, texts, conditions=(), batch_size=32, progress=False, **options):
        """Tokens with their scores.

        Args:
            texts: a list of texts, or of lists of ids.
            conditions: arrays with a row for each text, for the further inputs of the model.
            batch_size: texts decoded together; those of about equal length are, if there are more
                than a batch. Texts that fit in one keep their order in a ``logits_processor``.
            progress: show a bar that counts texts.
            **options: as for ``generation.Options``; ``eos_token_id`` is the tokenizer's by
                default.

        Returns:
            ``Generated``: of each text ``tokens``, a list of lists of ids, and ``scores``.

        Raises:
            ValueError: an empty prompt, or one that leaves no room among the model's positions; an
                option out of its range.
            TypeError: an unknown option.
        """
        prompts, options = [self._prompt(text) for text in texts], self._options(options)
        self._check(prompts, options)
        order = list(range(len(prompts)))
        if len(prompts) > batch_size:
            order.sort(key=lambda i: len(prompts[i]))
        tokens, scores = [None] * len(prompts), [None] * len(prompts)
        with tqdm(total=len(prompts), unit="text", disable=not progress) as bar:
            for begin in range(0, len(order), batch_size):
                chosen = order[begin : begin + batch_size]
                found = self.engine(**self._start(prompts, conditions, chosen), **options)
                for i, ids, score in zip(chosen, found.tokens, found.scores):
                    tokens[i], scores[i] = ids, score
                bar.update(len(chosen))
        return type(found)(tokens, scores)

    def stream(self, text, conditions=(), **options):
        """Iterate over what the model writes for one text, as it comes: pieces of text, or ids."""
        prompts, options = [self._prompt(text)], self._options(options)
        self._check(prompts, options)
        written, shown = [], ""
        for _, _, ids in self.engine.stream(**self._start(prompts, conditions, [0]), **options):
            written += ids
            if self.tokenizer is None:
                yield from ids
                continue
            whole = self._text(written, options)
            if whole[len(shown) :] and whole.startswith(shown):
                yield whole[len(shown) :]
                shown = whole

    def _options(self, options):
        options = {"eos_token_id": getattr(self.tokenizer, "_token_end_id", None), **options}
        Options.of(**options)  # what is wrong with them is said before anything is computed
        return options

    def _prompt(self, text):
        """The ids that a text begins with; of a language model without the end."""
        if not isinstance(text, str):
            return list(text)
        ids = self.tokenizer.encode(text)
        ids = list(ids[0] if isinstance(ids, tuple) else ids)
        ends = getattr(self.tokenizer, "_token_end_id", None)
        goes_on = not self.encodes and self.graph.segment is None
        return ids[:-1] if goes_on and ids and ids[-1] == ends else ids

    def _check(self, prompts, options):
        if not prompts or not all(prompts):
            raise ValueError(
                "a prompt must have at least one token, and there must be at least one prompt; "
                f"got {[len(ids) for ids in prompts]} tokens"
            )
        new, reach = options.get("max_new_tokens", 64), self.graph.max_positions
        longest = 1 if self.encodes else max(map(len, prompts))
        if reach is not None and longest + new - 1 > reach:
            raise ValueError(
                f"prompt and new tokens must fit in the model's {reach} positions, got a prompt of "
                f"{longest} tokens and max_new_tokens={new}. Cut the prompt, or ask for fewer"
            )

    def _start(self, prompts, conditions, chosen):
        """Arguments of the engine for some of the prompts."""
        ids = [prompts[i] for i in chosen]
        lengths = np.array([1 if self.encodes else len(x) for x in ids], "int32")
        given = iter([np.asarray(x)[chosen] for x in conditions])
        inputs = [self._input(x.name, ids, given) for x in self.model.inputs]
        logits, shared = self._prefill(*tensors((inputs, lengths)))
        return {"logits": logits, "shared": shared, "prompt_ids": None if self.encodes else ids}

    def _input(self, name, ids, given):
        """An input of the model for prompts."""
        length = self.graph.padded(max(map(len, ids)))
        if self.encodes and name in self.growing:
            return np.full((len(ids), 1), self.start_id, "int32")
        if name.endswith("Input-Token"):
            rows = np.zeros((len(ids), length), "int32")
            for row, x in zip(rows, ids):
                row[: len(x)] = x
            return rows
        if name.endswith("Input-Segment"):
            return np.zeros((len(ids), length), "int32")
        if name.endswith("Input-Position"):
            return np.tile(np.arange(length, dtype="float32"), (len(ids), 1))
        if name in self.growing:
            raise ValueError(
                f"{self.model.name} takes {name!r} for each token, and it is not known what new "
                "ones have. Build it without that input, as task_id=... does for tasks"
            )
        found = next(given, None)
        if found is None:
            raise ValueError(
                f"{self.model.name} has a further input {name!r}: give an array with a row for "
                "each text in conditions=[...]"
            )
        return found

    def _begin(self, inputs, lengths):
        output, shared = self.graph.prefill(inputs, lengths)
        return self._logits(output), shared

    def _step(self, tokens, slot, shared, own):
        output, own = self.graph.step(tokens, slot, shared, own)
        return self._logits(output), own

    def _logits(self, output):
        output = ops.cast(output, "float32")
        return ops.log(ops.maximum(output, TINY)) if self.probabilities else output

    def _gives_probabilities(self):
        """Whether the last activation on the way to the output is a softmax."""
        found = [getattr(call.operation, "activation", None) for call in self.graph.calls]
        return [x for x in found if x is not None][-1:] == [activations.softmax]

    def _text(self, ids, options):
        if self.tokenizer is None:
            return ids
        stops = np.atleast_1d(options.get("eos_token_id", self._options({})["eos_token_id"]))
        return self.tokenizer.decode([i for i in ids if i not in stops])
