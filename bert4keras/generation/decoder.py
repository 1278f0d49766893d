"""Decoding by a script's own ``predict``, as in bert4keras 0.x, and the KV cache behind it."""

from collections.abc import Callable
from functools import wraps
from typing import Any, Literal

import keras
import numpy as np
from keras import ops

from bert4keras.backend import compile_function
from bert4keras.backend.types import ArrayLike, NDArray
from bert4keras.generation.cached_model import CachedModel, IncrementalDecodingError
from bert4keras.generation.step_context import grow_cache, take_rows, to_tensors

_CAPACITY = 32  # tokens that the KV cache holds at first; doubled when it is full


class AutoRegressiveDecoder:
    """Beam search and sampling for one sample, by a subclass's ``predict``.

    ``predict(self, inputs, output_ids, states)`` scores the next token of each row of
    ``output_ids``. It is decorated with ``AutoRegressiveDecoder.wraps``. With
    ``self.last_token(model)`` the model computes the newest tokens only, by its KV cache.

    Args:
        start_id: the id that every output begins with, or None.
        end_id: the id that ends one.
        maxlen: the greatest number of decoded tokens, a positive number.
        minlen: outputs end when they have as many tokens, the first and the last counted.

    Raises:
        ValueError: ``maxlen`` below 1; scores that are not numbers.

    Example:
        >>> import numpy as np
        >>> from bert4keras.generation import AutoRegressiveDecoder
        >>> class Counting(AutoRegressiveDecoder):
        ...     @AutoRegressiveDecoder.wraps("probas")
        ...     def predict(self, inputs, output_ids, states):
        ...         return np.eye(9)[output_ids[:, -1] + 1]
        >>> Counting(start_id=2, end_id=5, maxlen=8).beam_search([np.array([0])], topk=1).tolist()
        [2, 3, 4, 5]
    """

    def __init__(self, start_id: int | None, end_id: int, maxlen: int, minlen: int = 1):
        if maxlen < 1:
            raise ValueError(f"maxlen must be at least 1, got {maxlen}: nothing would be decoded")
        self.start_id: int | None = start_id
        self.end_id: int = end_id
        self.maxlen: int = maxlen
        self.minlen: int = minlen
        self.first_output_ids: NDArray[Any] = np.array(
            [[] if start_id is None else [start_id]], dtype=int
        )

    @staticmethod
    def wraps(
        default_rtype: Literal["probas", "logits"] = "probas", use_states: bool = False
    ) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
        """Return a decorator of ``predict``.

        Args:
            default_rtype: what ``predict`` returns: "probas", or "logits".
            use_states: True if it returns a pair of that and the states for its next call.

        Returns:
            A decorator. The decorated ``predict(inputs, output_ids, states, temperature=1,
            rtype=default_rtype)`` returns a pair: probabilities, or with ``rtype="logits"`` their
            logarithms, and the states.
        """

        def decorate(predict):
            @wraps(predict)
            def decorated_predict(
                self, inputs, output_ids, states, temperature=1, rtype=default_rtype
            ):
                result = predict(self, inputs, output_ids, states)
                scores, states = result if use_states else (result, None)
                probas = _apply_temperature(np.asarray(scores), temperature, default_rtype)
                return (probas if rtype == "probas" else np.log(probas + 1e-12)), states

            return decorated_predict

        return decorate

    def last_token(self, model: Any) -> "IncrementalPredictor":
        """Return a predictor of the model's output at the last token of each row.

        Its ``predict`` is called like that of a Keras model. Rows that continue those of the call
        before are answered from the KV cache.
        """
        predictors = self.__dict__.setdefault("_predictors", {})
        if id(model) not in predictors:
            predictors[id(model)] = IncrementalPredictor(model)
        return predictors[id(model)]

    def predict(
        self, inputs: list[NDArray[Any]], output_ids: NDArray[Any], states: Any = None
    ) -> Any:
        """Score the next token of each row of output ids; a subclass defines it.

        Args:
            inputs: list of arrays, each with a row for every row of ``output_ids``.
            output_ids: (B, l) ids so far.
            states: the states that the call before returned.
        """
        raise NotImplementedError(
            f"{type(self).__name__} must define predict(self, inputs, output_ids, states), "
            "decorated with AutoRegressiveDecoder.wraps(...)"
        )

    def beam_search(
        self,
        inputs: list[ArrayLike],
        topk: int,
        states: Any = None,
        temperature: float = 1,
        min_ends: int = 1,
    ) -> NDArray[Any]:
        """Decode by beam search: follow the ``topk`` most probable outputs.

        The best one is returned as soon as it ends. Others that end are dropped, and leave the
        beam narrower.

        Args:
            inputs: list of arrays, those of one sample.
            topk: the number of beams.
            states: for the first call of ``predict``; they are not reordered with the rows.
            temperature: above 1 makes probabilities more equal.
            min_ends: the number of end ids that end an output.

        Returns:
            Ids of one output, a 1-D array, with those of start and end.
        """
        rows = _Outputs([np.array([x]) for x in inputs], self.first_output_ids, self.end_id)
        for step in range(self.maxlen):
            scores, states = self._predict_scores(rows, states, temperature, "logits", step)
            if not 1 <= topk <= scores.shape[1]:
                raise ValueError(
                    f"topk must be from 1 to the {scores.shape[1]} tokens that may follow, got "
                    f"{topk}"
                )
            rows = rows.extend_best(scores, topk)
            if rows.ids.shape[1] >= self.minlen:
                has_ended = rows.has_ended(min_ends)
                if has_ended[rows.scores.argmax()]:
                    break
                topk = topk if not has_ended.any() else (~has_ended).sum()
                rows = rows.filter(~has_ended)
        return rows.ids[rows.scores.argmax()]

    def random_sample(
        self,
        inputs: list[ArrayLike],
        n: int,
        topk: int | None = None,
        topp: float | None = None,
        states: Any = None,
        temperature: float = 1,
        min_ends: int = 1,
    ) -> list[NDArray[Any]]:
        """Draw outputs by their probability, with NumPy's global generator.

        Args:
            inputs: list of arrays, those of one sample.
            n: the number of outputs.
            topk: draw among this number of most probable tokens.
            topp: top-p: draw among the fewest tokens that have this probability together.
            states, temperature, min_ends: as for ``beam_search``.

        Returns:
            A list of n 1-D arrays, in the order in which they ended.
        """
        rows = _Outputs([np.array([x]) for x in inputs], self.first_output_ids, self.end_id)
        outputs = []
        for step in range(self.maxlen):
            probas, states = self._predict_scores(rows, states, temperature, "probas", step)
            if step == 0:
                rows, probas = rows.take(np.zeros(n, int)), np.repeat(probas, n, axis=0)
            rows = rows.extend(_sample_tokens(probas, topk, topp))
            if rows.ids.shape[1] >= self.minlen:
                has_ended = rows.has_ended(min_ends)
                outputs += list(rows.ids[has_ended])
                rows = rows.filter(~has_ended)
                if not len(rows.ids):
                    break
        return outputs + list(rows.ids)

    def _predict_scores(self, rows, states, temperature, rtype, step):
        predict: Any = self.predict  # decorated with ``wraps``
        scores, states = predict(rows.inputs, rows.ids, states, temperature, rtype)
        invalid = np.flatnonzero(np.isnan(scores).any(axis=-1))
        if len(invalid):
            raise ValueError(
                f"scores must be numbers, got NaN at step {step} of row {invalid[0]}; look for "
                "overflow in the weights or in half precision, or an empty row in a mask"
            )
        return scores, states


class _Outputs:
    """Unfinished outputs, the inputs that belong to them, and their scores."""

    def __init__(self, inputs, ids, end_id, scores=None):
        self.inputs, self.ids, self.end_id = inputs, ids, end_id
        self.scores = np.zeros(len(ids)) if scores is None else scores

    def has_ended(self, min_ends):
        """True for outputs that end with their last token, and have enough end ids."""
        is_end = self.ids == self.end_id
        return is_end[:, -1] & (is_end.sum(axis=1) >= min_ends)

    def take(self, index):
        inputs = [x[index] for x in self.inputs]
        return _Outputs(inputs, self.ids[index], self.end_id, self.scores[index])

    def filter(self, mask):
        return self if mask.all() else self.take(np.flatnonzero(mask))

    def extend(self, tokens):
        ids = np.concatenate([self.ids, tokens[:, None]], axis=1)
        return _Outputs(self.inputs, ids, self.end_id, self.scores)

    def extend_best(self, scores, topk):
        scores = self.scores[:, None] + scores
        index = np.argpartition(scores, -topk, axis=None)[-topk:]
        parents, tokens = np.unravel_index(index, scores.shape)
        rows = self.take(parents).extend(tokens)
        rows.scores = scores[parents, tokens]
        return rows


def _apply_temperature(scores, temperature, rtype):
    """Probabilities from logits or probabilities at a temperature."""
    if rtype == "logits":
        scores = scores / temperature
        scores = np.exp(scores - scores.max(axis=-1, keepdims=True))
    elif temperature != 1:
        scores = scores ** (1 / temperature)
    else:
        return scores
    return scores / scores.sum(axis=-1, keepdims=True)


def _sample_tokens(probas, topk, topp):
    """Sample a token for each row after top-k and top-p, with NumPy's draws as in 0.x.

    ``samplers.keep_top_p`` filters for ``TextGenerator``.
    """
    order = np.argsort(-probas, axis=1)[:, :topk]
    probas = np.take_along_axis(probas, order, axis=1).astype("float64")
    probas /= probas.sum(axis=1, keepdims=True)
    if topp is not None:
        before = np.cumsum(probas, axis=1) - probas  # the token that crosses topp stays
        probas = np.where(before < topp, probas, 0)
        probas /= probas.sum(axis=1, keepdims=True)
    index = (np.cumsum(probas, axis=1) <= np.random.random((len(probas), 1))).sum(axis=1)
    index = np.minimum(index, (probas > 0).sum(axis=1) - 1)  # rounding may leave the sum below 1
    return np.take_along_axis(order, index[:, None], axis=1)[:, 0]


class IncrementalPredictor:
    """Predicts a model's output at the last token of each row, from the KV cache if it can.

    Called with rows that each continue a row of the call before by one token, in any order and any
    number of times, it computes the new tokens only. Anything else is computed whole, with equal
    results.

    Args:
        model: a functional Keras model with one output (B, L, ...).

    Example:
        >>> import numpy as np
        >>> from bert4keras.generation import IncrementalPredictor
        >>> from bert4keras.models import build_transformer_model
        >>> config = dict(vocab_size=9, hidden_size=8, num_hidden_layers=1, num_attention_heads=2,
        ...               intermediate_size=16, hidden_act="gelu")
        >>> model = build_transformer_model(config, model="gpt2")
        >>> predictor = IncrementalPredictor(model)
        >>> predictor.predict([np.array([[3, 1, 4]])]).shape
        (1, 9)
        >>> predictor.predict([np.array([[3, 1, 4, 7], [3, 1, 4, 8]])]).shape  # computes two tokens
        (2, 9)
    """

    def __init__(self, model: Any):
        self.model = model
        self.rows: list[bytes] | None = None  # rows of the call before, if the cache holds them
        self.cached_model: Any = None
        try:
            self.cached_model = CachedModel(model)
        except IncrementalDecodingError:
            return
        self._segment_inputs = self.cached_model.segment_inputs
        self._max_positions = self.cached_model.max_positions
        self._compiled_prefill = compile_function(self.cached_model.prefill, model.variables)
        self.step: Any = compile_function(self.cached_model.step, model.variables)

    def predict(
        self, inputs: ArrayLike | list[ArrayLike], *args: Any, **kwargs: Any
    ) -> NDArray[Any]:
        """Return the output at the last token of each row, an array (B, ...).

        Args:
            inputs: an array or a list of arrays, as the model takes them.
            *args, **kwargs: of ``keras.Model.predict``, for the scripts that give them; ignored.
        """
        arrays = [np.asarray(x) for x in (inputs if isinstance(inputs, list | tuple) else [inputs])]
        if self.cached_model is None or not self._can_use_cache(arrays):
            self.rows = None
            structure = keras.tree.pack_sequence_as(self.model.input, arrays)
            return self.model.predict_on_batch(structure)[:, -1]
        parents = self._find_parents(arrays)
        output = self._prefill(arrays) if parents is None else self._step(arrays, parents)
        self.rows, self._length = (
            _row_bytes(arrays),
            arrays[self.cached_model.sequence_inputs[0]].shape[1],
        )
        return ops.convert_to_numpy(output)

    def _can_use_cache(self, arrays):
        """True if the arrays are rows of tokens, no longer than the model has positions."""
        if len(arrays) != len(self.model.inputs):
            return False
        shapes = {arrays[i].shape for i in self.cached_model.sequence_inputs}
        count, length = shapes.pop()
        is_within = self._max_positions is None or length <= self._max_positions
        return bool(not shapes and count and length and is_within)

    def _find_parents(self, arrays):
        """The index of the earlier row that each row continues; None if one continues none."""
        if self.rows is None:
            return None
        if any(arrays[i].shape[1] != self._length + 1 for i in self.cached_model.sequence_inputs):
            return None
        if any((arrays[i][:, -1] < 1).any() for i in self._segment_inputs):
            return None  # earlier tokens would see a new one of the source
        before = [
            x[:, :-1] if i in self.cached_model.sequence_inputs else x for i, x in enumerate(arrays)
        ]
        row_indices = {row: index for index, row in enumerate(self.rows)}
        parents = [row_indices.get(row) for row in _row_bytes(before)]
        return None if None in parents else np.array(parents)

    def _prefill(self, arrays):
        count, length = arrays[self.cached_model.sequence_inputs[0]].shape
        extra = self.cached_model.padded_length(length) - length
        inputs = [
            np.pad(x, [(0, 0), (0, extra)]) if i in self.cached_model.sequence_inputs else x
            for i, x in enumerate(arrays)
        ]
        lengths = np.full(count, length, "int32")
        output, self._prompt_cache = self._compiled_prefill(*to_tensors((inputs, lengths)))
        self._prompts, self._cache_index, self._capacity = np.arange(count), 0, _CAPACITY
        self._generated_cache = self.cached_model.init_cache(count, _CAPACITY)
        return output

    def _step(self, arrays, parents):
        """Compute the last token of rows whose parents are in the KV cache, and update it."""
        if not np.array_equal(parents, np.arange(len(self._prompts))):
            self._generated_cache = take_rows(self._generated_cache, parents)
        self._arrange_prompts(self._prompts[parents])
        if self._cache_index == self._capacity:
            self._generated_cache = grow_cache(self._generated_cache, self._capacity)
            self._capacity *= 2
        tokens, *aux_inputs = (arrays[i][:, -1] for i in self.cached_model.sequence_inputs)
        tokens, cache_index, aux_inputs = to_tensors(
            (tokens.astype("int32"), np.int32(self._cache_index), aux_inputs)
        )
        output, self._generated_cache = self.step(
            tokens, cache_index, self._prompt_cache, self._generated_cache, aux_inputs
        )
        self._cache_index += 1
        return output

    def _arrange_prompts(self, prompts):
        """Give all cached prompts equal numbers of rows, one prompt after the other."""
        count = len(ops.convert_to_numpy(self._prompt_cache.lengths))
        width = len(prompts) // count
        if not np.array_equal(prompts, np.repeat(np.arange(count), width)):
            index = prompts[:1] if (prompts == prompts[0]).all() else prompts
            self._prompt_cache = take_rows(self._prompt_cache, index)
            prompts = np.zeros_like(prompts) if len(index) == 1 else np.arange(len(prompts))
        self._prompts = prompts


def _row_bytes(arrays):
    return [b"".join(x[i].tobytes() for x in arrays) for i in range(len(arrays[0]))]
