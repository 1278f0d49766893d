"""The last position of a model's output, row by row, from the KV cache of the call before."""

import copy
import threading
from typing import Any

import keras
import numpy as np
from keras import ops

from bert4keras.backend import compile_function, sync_weights
from bert4keras.backend.types import ArrayLike
from bert4keras.generation.cached_model import CachedModel, IncrementalDecodingError
from bert4keras.generation.step_context import grow_cache, take_rows, to_tensors

_CAPACITY = 32  # tokens that the KV cache holds at first; doubled when it is full


class IncrementalPredictor:
    """Predicts a model's output at the last token of each row, from the KV cache if it can.

    Called with rows that each continue a row of the call before by one token, in any order and any
    number of times, it computes the new tokens only. Anything else is computed whole, with equal
    results; so are rows whose KV cache older weights have made. Threads may share it.

    Args:
        model: a functional Keras model with an output (B, L, ...). One with several is computed
            whole.

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
        self._lock = threading.Lock()
        self._weights: bytes | None = None  # a summary of those that made the cache
        self._is_search = False
        try:
            self.cached_model = CachedModel(model)
        except IncrementalDecodingError:
            return
        self._segment_inputs = self.cached_model.segment_inputs
        self._max_positions = self.cached_model.max_positions
        self._compile()

    def _compile(self):
        """Compile the programs of the model as it is: LoRA adds variables that they must read."""
        variables, weights = self.model.variables, self.model.weights
        self._compiled_prefill = compile_function(self.cached_model.prefill, variables)
        self.step: Any = compile_function(self.cached_model.step, variables)
        self._compiled_summary = compile_function(lambda: _summarize_weights(weights), weights)
        self._num_variables: int = len(variables)

    def start_search(self) -> "IncrementalPredictor":
        """Return a predictor with an empty KV cache and the same programs, for one search.

        It takes the weights as they are for the whole search, which saves a look at all of them in
        each call.
        """
        self._update_programs()
        predictor = copy.copy(self)
        predictor.rows, predictor._lock, predictor._is_search = None, threading.Lock(), True
        predictor._prompt_cache = predictor._generated_cache = None
        return predictor

    def predict(self, inputs: ArrayLike | list[ArrayLike], *args: Any, **kwargs: Any) -> Any:
        """Return the output at the last token of each row, an array (B, ...).

        Args:
            inputs: an array or a list of arrays, as the model takes them.
            *args, **kwargs: of ``keras.Model.predict``, for the scripts that give them; ignored.

        Returns:
            An array; of a model with several outputs a list of arrays.
        """
        sync_weights(self.model)
        items = list(inputs) if isinstance(inputs, list | tuple) else [inputs]
        if items and len(self.model.inputs) == 1 and np.ndim(items[0]) == 1:
            items = [inputs]  # rows as lists
        arrays = [np.asarray(x) for x in items]
        with self._lock:
            if not self._is_search:
                self._update_programs()
            if self.cached_model is not None and self._can_use_cache(arrays):
                return self._predict_cached(arrays)
            self.rows = None
        structure = keras.tree.pack_sequence_as(self.model.input, arrays)
        outputs = keras.tree.flatten(self.model.predict_on_batch(structure))
        last_rows = [output[:, -1] for output in outputs]
        return last_rows if len(last_rows) > 1 else last_rows[0]

    def _update_programs(self):
        is_cached = self.cached_model is not None
        if is_cached and len(self.model.variables) != self._num_variables:
            self._compile()
            self.rows = None

    def _predict_cached(self, arrays):
        """Return the output at the last tokens, and remember the rows for the next call."""
        weights = None if self._is_search else self._summary()
        parents = self._find_parents(arrays) if weights == self._weights else None
        self.rows = None  # if a step fails the cache is worth nothing
        output = self._prefill(arrays) if parents is None else self._step(arrays, parents)
        length = arrays[self.cached_model.sequence_inputs[0]].shape[1]
        self.rows, self._length, self._weights = _row_bytes(arrays), length, weights
        return ops.convert_to_numpy(output)

    def _summary(self):
        arrays = map(ops.convert_to_numpy, self._compiled_summary())
        return b"".join(array.tobytes() for array in arrays)

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


def _summarize_weights(weights):
    """Multiply each weight by a fixed vector: other weights give other numbers.

    All weights are read once, as in a step. What differs by less than rounding goes unnoticed.
    """
    sums = []
    for weight in weights:
        x = ops.cast(ops.convert_to_tensor(weight), "float32")
        x = ops.reshape(x, (-1, x.shape[-1] if len(x.shape) else 1))
        vector = np.cos(np.arange(1, x.shape[-1] + 1)).astype("float32")
        sums.append(ops.matmul(x, vector[:, None]) if x.shape[0] > 1 else x)
    return sums
