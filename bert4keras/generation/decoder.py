"""Decoding by a script's own ``predict``, as in bert4keras 0.x."""

import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import wraps
from typing import Any, Literal

import numpy as np

from bert4keras.backend.types import ArrayLike, NDArray
from bert4keras.checks import check_integer, check_number, describe
from bert4keras.generation.incremental_predictor import IncrementalPredictor


class AutoRegressiveDecoder:
    """Beam search and sampling for one sample, by a subclass's ``predict``.

    ``predict(self, inputs, output_ids, states)`` scores the next token of each row of
    ``output_ids``. It is decorated with ``AutoRegressiveDecoder.wraps``. With
    ``self.last_token(model)`` the model computes the newest tokens only, by its KV cache.

    Args:
        start_id: the id that every output begins with, or None.
        end_id: the id that ends one.
        maxlen: the greatest number of decoded tokens, 1 or more.
        minlen: outputs end when they have as many tokens, the first and the last counted.

    Raises:
        TypeError: an argument of another type, such as no ``maxlen``.
        ValueError: an argument out of its range; scores that are not numbers.

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
        remedy = "It limits the number of tokens to decode."
        self.start_id: int | None = (
            None if start_id is None else check_integer("start_id", start_id)
        )
        self.end_id: int = check_integer(
            "end_id", end_id, remedy="Pass the id that ends an output."
        )
        self.maxlen: int = check_integer("maxlen", maxlen, 1, remedy=remedy)
        self.minlen: int = check_integer("minlen", minlen)
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
        before are answered from the KV cache. Each search has a cache of its own, so several
        threads may ask one decoder at a time.
        """
        predictors = self.__dict__.setdefault("_predictors", {})
        if id(model) not in predictors:
            predictors.setdefault(id(model), IncrementalPredictor(model))
        predictor, search = predictors[id(model)], getattr(self._thread, "search", None)
        if search is None:
            return predictor
        if id(model) not in search:
            search[id(model)] = predictor.start_search()
        return search[id(model)]

    @property
    def _thread(self) -> Any:
        """Attributes of the running thread: the predictors of its search."""
        return self.__dict__.setdefault("_thread_locals", threading.local())

    @contextmanager
    def _search(self) -> Iterator[None]:
        """Give the running search predictors of its own, and drop them when it ends."""
        thread = self._thread
        outer, thread.search = getattr(thread, "search", None), {}
        try:
            yield
        finally:
            thread.search = outer

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
        _check_search(inputs, temperature, min_ends)
        check_integer("topk", topk)
        with self._search():
            return self._search_beams(inputs, topk, states, temperature, min_ends)

    def _search_beams(self, inputs, topk, states, temperature, min_ends):
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
        _check_search(inputs, temperature, min_ends)
        check_integer("n", n, 1)
        if topk is not None:
            check_integer("topk", topk, 1)
        if topp is not None:
            check_number("topp", topp, above=0, maximum=1)
        with self._search():
            return self._draw_outputs(inputs, n, topk, topp, states, temperature, min_ends)

    def _draw_outputs(self, inputs, n, topk, topp, states, temperature, min_ends):
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


def _check_search(inputs, temperature, min_ends):
    """Raise an error for a wrong argument of a search."""
    if isinstance(inputs, str | bytes) or not isinstance(inputs, Iterable):
        raise TypeError(
            f"Expected inputs to be a list of arrays, those of one sample, got {describe(inputs)}."
        )
    check_number("temperature", temperature, above=0)
    check_integer("min_ends", min_ends, 1)


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
