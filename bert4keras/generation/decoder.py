"""Decoding by a script's own ``predict``, as bert4keras 0.x has it."""

from functools import wraps

import numpy as np

from bert4keras.generation.last_token import IncrementalPredictor


class AutoRegressiveDecoder:
    """Beam search and sampling for one sample, by a subclass's ``predict``.

    ``predict(self, inputs, output_ids, states)`` says what may follow each row of ``output_ids``.
    It is decorated with ``AutoRegressiveDecoder.wraps``. With ``self.last_token(model)`` it asks
    the model for no more than the newest tokens, if rows grow as they do here.

    Args:
        start_id: the id that every output begins with, or None.
        end_id: the id that ends one.
        maxlen: how many tokens are decoded at most, a positive number.
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

    def __init__(self, start_id, end_id, maxlen, minlen=1):
        if maxlen < 1:
            raise ValueError(f"maxlen must be at least 1, got {maxlen}: nothing would be decoded")
        self.start_id, self.end_id = start_id, end_id
        self.maxlen, self.minlen = maxlen, minlen
        self.first_output_ids = np.array([[] if start_id is None else [start_id]], dtype=int)

    @staticmethod
    def wraps(default_rtype="probas", use_states=False):
        """A decorator of ``predict``.

        Args:
            default_rtype: what ``predict`` returns: "probas", or "logits".
            use_states: whether it returns a pair of that and the states for its next call.

        Returns:
            A decorator. What it makes is called ``predict(inputs, output_ids, states,
            temperature=1, rtype=default_rtype)`` and returns a pair: probabilities, or with
            ``rtype="logits"`` their logarithms, and the states.
        """

        def decorate(predict):
            @wraps(predict)
            def predicted(self, inputs, output_ids, states, temperature=1, rtype=default_rtype):
                found = predict(self, inputs, output_ids, states)
                scores, states = found if use_states else (found, None)
                probas = _tempered(np.asarray(scores), temperature, default_rtype)
                return (probas if rtype == "probas" else np.log(probas + 1e-12)), states

            return predicted

        return decorate

    def last_token(self, model):
        """A model's output at the last token of each row: ``.predict`` as of a Keras model.

        Rows that go on from those of the call before are answered from a cache.
        """
        known = self.__dict__.setdefault("_last_tokens", {})
        if id(model) not in known:
            known[id(model)] = IncrementalPredictor(model)
        return known[id(model)]

    def predict(self, inputs, output_ids, states=None):
        """What may follow each row of output ids; to be defined by a subclass.

        Args:
            inputs: list of arrays, each with a row for every row of ``output_ids``.
            output_ids: (B, l) ids so far.
            states: what the call before returned.
        """
        raise NotImplementedError(
            f"{type(self).__name__} must define predict(self, inputs, output_ids, states), "
            "decorated with AutoRegressiveDecoder.wraps(...)"
        )

    def beam_search(self, inputs, topk, states=None, temperature=1, min_ends=1):
        """Follow the ``topk`` most probable outputs.

        The best one is returned as soon as it ends. Others that end are dropped, and leave the
        beam narrower.

        Args:
            inputs: list of arrays, those of one sample.
            topk: how many outputs are followed.
            states: for the first call of ``predict``; rows that move do not move them.
            temperature: above 1 evens probabilities out.
            min_ends: how many end ids an output must have to end.

        Returns:
            Ids of one output, a 1-D array, with those of start and end.
        """
        rows = _Rows([np.array([x]) for x in inputs], self.first_output_ids, self.end_id)
        for step in range(self.maxlen):
            scores, states = self._asked(rows, states, temperature, "logits", step)
            if not 1 <= topk <= scores.shape[1]:
                raise ValueError(
                    f"topk must be from 1 to the {scores.shape[1]} tokens that may follow, got "
                    f"{topk}"
                )
            rows = rows.best(scores, topk)
            if rows.ids.shape[1] >= self.minlen:
                ended = rows.ended(min_ends)
                if ended[rows.scores.argmax()]:
                    break
                rows, topk = rows.only(~ended), topk if not ended.any() else (~ended).sum()
        return rows.ids[rows.scores.argmax()]

    def random_sample(
        self, inputs, n, topk=None, topp=None, states=None, temperature=1, min_ends=1
    ):
        """Draw outputs by their probability, by NumPy's global generator.

        Args:
            inputs: list of arrays, those of one sample.
            n: how many outputs.
            topk: draw among so many most probable tokens.
            topp: draw among the fewest tokens that have this probability together.
            states, temperature, min_ends: as for ``beam_search``.

        Returns:
            A list of n 1-D arrays, in the order in which they ended.
        """
        rows = _Rows([np.array([x]) for x in inputs], self.first_output_ids, self.end_id)
        finished = []
        for step in range(self.maxlen):
            probas, states = self._asked(rows, states, temperature, "probas", step)
            if step == 0:
                rows, probas = rows.taken(np.zeros(n, int)), np.repeat(probas, n, axis=0)
            rows = rows.longer(_drawn(probas, topk, topp))
            if rows.ids.shape[1] >= self.minlen:
                ended = rows.ended(min_ends)
                finished += list(rows.ids[ended])
                rows = rows.only(~ended)
                if not len(rows.ids):
                    break
        return finished + list(rows.ids)

    def _asked(self, rows, states, temperature, rtype, step):
        """What ``predict`` says of rows, if these are numbers."""
        scores, states = self.predict(rows.inputs, rows.ids, states, temperature, rtype)
        invalid = np.flatnonzero(np.isnan(scores).any(axis=-1))
        if len(invalid):
            raise ValueError(
                f"scores must be numbers, got NaN at step {step} of row {invalid[0]}; look for "
                "overflow in the weights or in half precision, or an empty row in a mask"
            )
        return scores, states


class _Rows:
    """Outputs under way, the inputs that go with them, and their scores."""

    def __init__(self, inputs, ids, end_id, scores=None):
        self.inputs, self.ids, self.end_id = inputs, ids, end_id
        self.scores = np.zeros(len(ids)) if scores is None else scores

    def ended(self, min_ends):
        """Which outputs end with their last token, and with enough end ids."""
        ends = self.ids == self.end_id
        return ends[:, -1] & (ends.sum(axis=1) >= min_ends)

    def taken(self, index):
        """Rows at an index, repeated where it repeats."""
        inputs = [x[index] for x in self.inputs]
        return _Rows(inputs, self.ids[index], self.end_id, self.scores[index])

    def only(self, which):
        """The rows that a mask says."""
        return self if which.all() else self.taken(np.flatnonzero(which))

    def longer(self, tokens):
        """The rows with a token more."""
        ids = np.concatenate([self.ids, tokens[:, None]], axis=1)
        return _Rows(self.inputs, ids, self.end_id, self.scores)

    def best(self, scores, topk):
        """The topk best continuations of all rows."""
        scores = self.scores[:, None] + scores
        chosen = np.argpartition(scores, -topk, axis=None)[-topk:]
        parents, tokens = np.unravel_index(chosen, scores.shape)
        rows = self.taken(parents).longer(tokens)
        rows.scores = scores[parents, tokens]
        return rows


def _tempered(scores, temperature, kind):
    """Probabilities from logits or probabilities at a temperature."""
    if kind == "logits":
        scores = scores / temperature
        scores = np.exp(scores - scores.max(axis=-1, keepdims=True))
    elif temperature != 1:
        scores = scores ** (1 / temperature)
    else:
        return scores
    return scores / scores.sum(axis=-1, keepdims=True)


def _drawn(probas, topk, topp):
    """A token for each row of probabilities, cut to the most probable ones."""
    order = np.argsort(-probas, axis=1)[:, :topk]
    probas = np.take_along_axis(probas, order, axis=1).astype("float64")
    probas /= probas.sum(axis=1, keepdims=True)
    if topp is not None:
        before = np.cumsum(probas, axis=1) - probas  # the token that crosses topp stays
        probas = np.where(before < topp, probas, 0)
        probas /= probas.sum(axis=1, keepdims=True)
    drawn = (np.cumsum(probas, axis=1) <= np.random.random((len(probas), 1))).sum(axis=1)
    drawn = np.minimum(drawn, (probas > 0).sum(axis=1) - 1)  # rounding may leave the sum below 1
    return np.take_along_axis(order, drawn[:, None], axis=1)[:, 0]
