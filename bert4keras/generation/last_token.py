"""Scores of the next token for rows of tokens, from the cache where rows go on by a token."""

import keras
import numpy as np
from keras import ops

from bert4keras.backend import compile_function
from bert4keras.generation.batch import CAPACITY, tensors
from bert4keras.generation.cached_model import Graph, IncrementalDecodingError


class IncrementalPredictor:
    """A model's output at the last token of each row.

    Asked with rows of which each is an earlier one and a token more, in any order and any number
    of times, it computes the new tokens only. Anything else is computed whole, with equal results.

    Args:
        model: a functional Keras model with one output (B, L, ...).

    Example:
        >>> import numpy as np
        >>> from bert4keras.generation import IncrementalPredictor
        >>> from bert4keras.models import build_transformer_model
        >>> config = dict(vocab_size=9, hidden_size=8, num_hidden_layers=1, num_attention_heads=2,
        ...               intermediate_size=16, hidden_act="gelu")
        >>> model = build_transformer_model(config, model="gpt2")
        >>> last = IncrementalPredictor(model)
        >>> last.predict([np.array([[3, 1, 4]])]).shape
        (1, 9)
        >>> last.predict([np.array([[3, 1, 4, 7], [3, 1, 4, 8]])]).shape  # two tokens are computed
        (2, 9)
    """

    def __init__(self, model):
        self.model = model
        self.rows = None  # what the rows of the last call were, while they can be gone on from
        try:
            self.graph = Graph(model)
        except IncrementalDecodingError:
            self.graph = None
            return
        variables = model.variables
        self.prefill = compile_function(self.graph.prefill, variables)
        self.step = compile_function(self.graph.step, variables)

    def predict(self, inputs, *args, **kwargs):
        """The output at the last token of each row, an array (B, ...).

        Args:
            inputs: an array or a list of arrays, as the model takes them.
            *args, **kwargs: of ``keras.Model.predict``, for the scripts that give them; ignored.
        """
        arrays = [np.asarray(x) for x in (inputs if isinstance(inputs, list | tuple) else [inputs])]
        if self.graph is None or not self._fits(arrays):
            self.rows = None
            given = keras.tree.pack_sequence_as(self.model.input, arrays)
            return self.model.predict_on_batch(given)[:, -1]
        parents = self._parents(arrays)
        output = self._begin(arrays) if parents is None else self._go_on(arrays, parents)
        self.rows, self.length = _keys(arrays), arrays[self.graph.sequences[0]].shape[1]
        return ops.convert_to_numpy(output)

    def _fits(self, arrays):
        """Whether the cache can serve: rows of tokens, no more of them than positions."""
        if len(arrays) != len(self.model.inputs):
            return False
        shapes = {arrays[i].shape for i in self.graph.sequences}
        count, length = shapes.pop()
        within = self.graph.max_positions is None or length <= self.graph.max_positions
        return bool(not shapes and count and length and within)

    def _parents(self, arrays):
        """The number of the earlier row that each row goes on from; None if one does not."""
        if self.rows is None:
            return None
        growing = self.graph.sequences
        if any(arrays[i].shape[1] != self.length + 1 for i in growing):
            return None
        if any((arrays[i][:, -1] < 1).any() for i in self.graph.segments):
            return None  # earlier tokens would see a new one of the source
        before = [x[:, :-1] if i in growing else x for i, x in enumerate(arrays)]
        known = {key: number for number, key in enumerate(self.rows)}
        parents = [known.get(key) for key in _keys(before)]
        return None if None in parents else np.array(parents)

    def _begin(self, arrays):
        """Compute rows whole, and keep what there is to keep."""
        count, length = arrays[self.graph.sequences[0]].shape
        extra = self.graph.padded(length) - length
        padded = [
            np.pad(x, [(0, 0), (0, extra)]) if i in self.graph.sequences else x
            for i, x in enumerate(arrays)
        ]
        output, self.shared = self.prefill(*tensors((padded, np.full(count, length, "int32"))))
        self.prompts, self.slot, self.capacity = np.arange(count), 0, CAPACITY
        self.own = self.graph.empty(count, CAPACITY)
        return output

    def _go_on(self, arrays, parents):
        """Compute the last token of rows whose parents' tokens are kept."""
        if not np.array_equal(parents, np.arange(len(self.rows))):
            self.own = _taken(self.own, parents)
        self._arrange(self.prompts[parents])
        if self.slot == self.capacity:
            self.own, self.capacity = self.graph.widened(self.own, self.capacity), 2 * self.capacity
        tokens, *others = (arrays[i][:, -1] for i in self.graph.sequences)
        given = tensors((tokens.astype("int32"), np.int32(self.slot), others))
        output, self.own = self.step(given[0], given[1], self.shared, self.own, given[2])
        self.slot += 1
        return output

    def _arrange(self, prompts):
        """See to it that the prompts kept have equal numbers of rows, one prompt after another."""
        kept = len(ops.convert_to_numpy(self.shared["lengths"]))
        width = len(prompts) // kept
        if not np.array_equal(prompts, np.repeat(np.arange(kept), width)):
            chosen = prompts[:1] if (prompts == prompts[0]).all() else prompts
            self.shared = _taken(self.shared, chosen)
            prompts = np.zeros_like(prompts) if len(chosen) == 1 else np.arange(len(prompts))
        self.prompts = prompts


def _keys(arrays):
    """The rows of several arrays as bytes."""
    return [b"".join(x[i].tobytes() for x in arrays) for i in range(len(arrays[0]))]


def _taken(structure, index):
    index = ops.convert_to_tensor(np.asarray(index, "int32"))
    return keras.tree.map_structure(lambda x: ops.take(x, index, axis=0), structure)
