"""A functional model with a KV cache: it reads prompts whole, then one token of each row a step.

It knows no family and no layer. A layer between the tokens and the output describes itself by

``is_positionwise``       True if an output position depends on its own input position only;
``step``                  its computation for a new token of each row, see ``SupportsStep``;
``prefill``               for an attention with a KV cache, see ``SupportsPrefill``;
``cache_shapes``          with ``prefill``: the shapes of its cache entries;
``can_step``              False if an instance cannot ``step`` after all;
``self_attention``        True if its first input holds queries, keys and values at once;
``is_causal_mask``        True if its output is a mask that hides later tokens;
``generated_segment_id``  on such a mask: the segment id of generated tokens;
``input_roles``           the roles of its inputs, such as ``("token_ids",)``, None for no role;
``max_positions``         the number of positions that it has;
``padding_side``          on embeddings of ids: "right" if only the end of a row is padding; they
                          have ``pad_id``, ``pad_is_special``, ``mask_zero``, ``input_dim`` too.

An inherited attribute is ignored if a subclass overrides ``call``.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Literal, get_args

import keras
from keras import activations, ops

from bert4keras.backend import get_mask, set_mask
from bert4keras.backend.types import Tensor
from bert4keras.generation.graph_trace import GraphTrace, LayerCall
from bert4keras.generation.step_context import GeneratedCache, PromptCache, StepContext

InputRole = Literal["token_ids", "segment_ids", "position_ids"]
_COLUMNS = 16  # prompts are padded to a multiple of it, so that few lengths are compiled
_TINY = 1e-30  # below any probability that counts, with a finite logarithm


class IncrementalDecodingError(ValueError):
    """The model cannot be run token by token."""


class CachedModel:
    """A functional Keras model that decodes token by token with a KV cache.

    Args:
        model: a functional model with one output (B, L, V).
        sequence_inputs: indices of the inputs that grow with each token, the token ids first. By
            default all inputs (B, L) of the token ids' shape that reach the output without
            cross-attention. The others stay as they are: a source, a condition.
        input_roles: ``{name of an input: role}``, "token_ids", "segment_ids" or "position_ids",
            for inputs whose layers do not say it.
        as_logits: return logits, where the model returns probabilities.

    Raises:
        IncrementalDecodingError: a layer is not known to work token by token; the model is no
            language model.
        ValueError: an unknown input or role.

    Example:
        >>> import numpy as np
        >>> from keras import ops
        >>> from bert4keras.generation import CachedModel
        >>> from bert4keras.models import build_transformer_model
        >>> config = dict(vocab_size=9, hidden_size=8, num_hidden_layers=1, num_attention_heads=2,
        ...               intermediate_size=16, hidden_act="gelu")
        >>> model = CachedModel(build_transformer_model(config, model="gpt2"))
        >>> prompts = ops.convert_to_tensor(np.array([[3, 1, 4], [1, 5, 0]], "int32"))
        >>> outputs, prompt_cache = model.prefill([prompts], np.array([3, 2], "int32"))
        >>> tokens = ops.cast(ops.argmax(outputs, axis=-1), "int32")
        >>> cache = model.init_cache(rows=2, capacity=8)
        >>> outputs, cache = model.step(tokens, ops.cast(0, "int32"), prompt_cache, cache)
        >>> tuple(outputs.shape)
        (2, 9)
    """

    def __init__(
        self,
        model: Any,
        sequence_inputs: Sequence[int] | None = None,
        input_roles: Mapping[str, InputRole] | None = None,
        as_logits: bool = False,
    ):
        if len(model.outputs) != 1:
            raise IncrementalDecodingError(
                f"{model.name} must have one output, the scores of tokens, got "
                f"{len(model.outputs)}. Give keras.Model(model.inputs, model.outputs[i])"
            )
        self.model: Any = model
        self.trace: GraphTrace = GraphTrace(model)
        self.input_roles: list[Any] = self._find_roles(dict(input_roles or {}))
        self.sequence_inputs: list[int] = list(
            self._find_sequences() if sequence_inputs is None else sequence_inputs
        )
        self._keep_one_role()
        self.trace.mark_sequential(self.sequence_inputs)
        self.cached_calls: list[LayerCall] = [
            x for x in self.trace if x.is_sequential and x.has_cache
        ]
        self._check_calls()
        self._softmax = self._find_softmax() if as_logits else None

    def _find_roles(self, explicit_roles):
        """The role of each input: as given, or as the layers that take it say; or None."""
        names = [x.name for x in self.model.inputs]
        if unknown := set(explicit_roles) - set(names):
            raise ValueError(
                f"input_roles must name inputs of {self.model.name}, {', '.join(names)}, got "
                f"{', '.join(sorted(unknown))}"
            )
        if unknown := set(explicit_roles.values()) - set(get_args(InputRole)):
            raise ValueError(
                f"input_roles must be among {', '.join(get_args(InputRole))}, got "
                f"{', '.join(map(repr, unknown))}"
            )
        roles = []
        for name, layer_roles in zip(names, self.trace.input_roles()):
            # an embedding takes any ids, so another layer's word weighs more
            role = min(layer_roles, key=lambda role: (role == "token_ids", role), default=None)
            roles.append(explicit_roles.get(name, role))
        return roles

    def _find_sequences(self):
        """Indices of the inputs that grow, the token ids first."""
        shapes, roles = self._shapes, self.input_roles
        inputs = [i for i in self.trace.decoder_inputs() if len(shapes[i]) == 2]
        tokens = [i for i in inputs if roles[i] == "token_ids"]
        if not tokens:
            tokens = [i for i in inputs if roles[i] is None and shapes[i][1] is None]
            if len(tokens) != 1:
                raise IncrementalDecodingError(
                    f"{self.model.name} has no input that is known to hold token ids, among "
                    f"{', '.join(x.name for x in self.model.inputs)}. Name it with "
                    "input_roles={name: 'token_ids'}"
                )
        first = min(tokens, key=lambda i: (shapes[i][1] is not None, i))
        return [first] + [i for i in inputs if i != first and shapes[i] == shapes[first]]

    @property
    def _shapes(self):
        return [tuple(x.shape) for x in self.model.inputs]

    def _keep_one_role(self):
        """Leave one input of token ids among those that grow, and one among the others."""
        tokens = self.sequence_inputs[0]
        static_inputs = [i for i in range(len(self._shapes)) if i not in self.sequence_inputs]
        sources = [i for i in static_inputs if self.input_roles[i] == "token_ids"]
        sources = [i for i in sources if self._shapes[i][1:] == self._shapes[tokens][1:]][:1]
        for i, role in enumerate(self.input_roles):
            if role == "token_ids" and i != tokens and i not in sources:
                self.input_roles[i] = None
        self.input_roles[tokens] = "token_ids"
        self.has_encoder: bool = bool(
            sources
        )  # True if it takes a source besides the decoded tokens

    def _check_calls(self):
        name = self.model.name
        for call in self.trace:
            if call.is_sequential and not call.can_step:
                raise IncrementalDecodingError(
                    f"{name} cannot be decoded token by token: it is not known whether "
                    f"{call.operation.name} ({type(call.operation).__name__}) gives a token what "
                    "later ones do not change"
                )
        if not self.cached_calls:
            raise IncrementalDecodingError(f"{name} has no attention to keep anything of")
        for call in self.trace.non_causal_calls(self.cached_calls):
            raise IncrementalDecodingError(
                f"{name} is no language model: in {call.operation.name} its tokens see what "
                "follows them. Build it with application='lm' or 'unilm', or take a family such as "
                "'gpt2'"
            )

    def _find_softmax(self):
        """Return the call of the last softmax on the path to the output, and the layer without it.

        Logits are then what enters the softmax. None if the last activation is another one.
        """
        calls = [call for call in self.trace if hasattr(call.operation, "activation")]
        layer = calls[-1].operation if calls else None
        if layer is None or layer.activation != activations.softmax:
            return None
        linear_layer = object.__new__(type(layer))  # with the same weights
        vars(linear_layer).update(vars(layer), activation=activations.linear)
        return calls[-1], linear_layer

    @property
    def vocab_size(self) -> int:
        """The number of token ids that the model scores, V."""
        return self.model.outputs[0].shape[-1]

    @property
    def max_positions(self) -> int | None:
        """The number of positions of the model; None for any number."""
        values = [
            getattr(call.operation, "max_positions", None)
            for call in self.trace
            if call.is_sequential
        ]
        return min((x for x in values if x), default=None)

    @property
    def generated_segment_id(self) -> int | None:
        """The segment id of generated tokens, if a mask tells source from target by segments."""
        values = [getattr(call.operation, "generated_segment_id", None) for call in self.trace]
        return next((x for x in values if x is not None), None)

    @property
    def segment_inputs(self) -> list[int]:
        """Indices of the inputs that tell source from target."""
        has_source = self.generated_segment_id is not None
        return [
            i for i in self.sequence_inputs if self.input_roles[i] == "segment_ids" and has_source
        ]

    def padded_length(self, length: int) -> int:
        """Return a length to pad prompts to, so that few of them need a program of their own."""
        multiple = -(-length // _COLUMNS) * _COLUMNS
        return (
            multiple
            if self.max_positions is None
            else max(length, min(multiple, self.max_positions))
        )

    @property
    def _token_embeddings(self):
        """Layers that take the ids of a token input."""
        keys = {x for x, role in zip(self.trace.inputs, self.input_roles) if role == "token_ids"}
        calls = [call for call in self.trace if hasattr(call.operation, "padding_side")]
        return [call.operation for call in calls if call.input_keys[0] in keys]

    @property
    def pad_id(self) -> int | None:
        """The id that is nothing but padding; None if texts have it too, or there is none."""
        for layer in self._token_embeddings:
            if layer.mask_zero:
                return None if layer.pad_is_special else layer.pad_id
        return None

    @property
    def num_input_ids(self) -> int | None:
        """The number of ids that prompts are made of; None if no layer tells it."""
        return min((layer.input_dim for layer in self._token_embeddings), default=None)

    def prefill(
        self, inputs: Sequence[Tensor], lengths: Tensor, source_lengths: Tensor | None = None
    ) -> tuple[Tensor, PromptCache]:
        """Run whole prompts and fill their KV cache.

        Args:
            inputs: tensors, one for each model input; sequences (B, P), padded on the right.
            lengths: (B,) int32, an array or a tensor: the number of tokens of each prompt, one or
                more.
            source_lengths: (B,) int32, the same for the source of an encoder, for models whose
                padding id may end a source.

        Returns:
            The output at each prompt's last token, (B, V), and the KV cache of the prompts.
        """
        values = dict(zip(self.trace.inputs, inputs))
        entries, static, last = {}, {}, self.cached_calls[-1]
        length = ops.shape(inputs[self.sequence_inputs[0]])[1]
        lengths = ops.convert_to_tensor(lengths, "int32")
        visible = ops.arange(length) < lengths[:, None]
        for call in self.trace:
            if call.is_sequential:
                static |= {key: values[key] for key in call.static_inputs}
            args, kwargs = call.fill_in(values)
            if call in self.cached_calls:
                outputs, entries[call.key], mask = _prefill_call(call, args, kwargs)
                if call.is_cross_attention:
                    entries[call.key]["visible"] = mask
                else:
                    visible = ops.logical_and(visible, mask)
            else:
                outputs = call.operation(*args, **kwargs)
                if _is_unmasked_embedding(call.operation, args):
                    _mask_by_length(outputs, lengths if call.is_sequential else source_lengths)
            values |= zip(call.outputs, keras.tree.flatten(outputs))
            self._add_logits(call, args, kwargs, values)
            if call is last:  # no later call needs other tokens than the last
                for key in self.trace.live_values_after(call):
                    values[key] = _take_positions(values[key], lengths - 1)
        aux_inputs = [_take_positions(inputs[i], lengths - 1) for i in self.sequence_inputs[1:]]
        aux_inputs = [ops.squeeze(x, 1) for x in aux_inputs]
        prompt_cache = PromptCache(lengths, visible, entries, static, aux_inputs)
        return self._output(values), prompt_cache

    def init_cache(self, rows: int, capacity: int) -> GeneratedCache:
        """Return the empty KV cache of generated tokens."""
        entries = {}
        for call in self.cached_calls:
            if not call.is_cross_attention:
                layer = call.operation
                entries[call.key] = {
                    name: ops.zeros((rows, heads, capacity, size), layer.compute_dtype)
                    for name, (heads, size) in layer.cache_shapes.items()
                }
        return GeneratedCache(ops.zeros((rows, capacity, 1), "int32"), entries)

    def step(
        self,
        tokens: Tensor,
        cache_index: Tensor,
        prompt_cache: PromptCache,
        generated_cache: GeneratedCache,
        aux_inputs: Sequence[Tensor] | None = None,
    ) -> tuple[Tensor, GeneratedCache]:
        """Run one new token of each row and update the KV cache; a ``StepFunction``.

        Args:
            tokens: (R,) int32.
            cache_index: scalar int32, the index of the new tokens in the KV cache.
            prompt_cache: from ``prefill``.
            generated_cache: from ``init_cache`` or the step before.
            aux_inputs: tensors (R,) for the other sequence inputs. By default positions count on,
                segment ids are ``generated_segment_id`` if the model has one, and all else is as
                for the prompt's last token.

        Returns:
            The output (R, V), and the KV cache with the new tokens.
        """
        context = StepContext(cache_index, prompt_cache, generated_cache)
        if aux_inputs is None:
            aux_inputs = self._next_aux_inputs(context)
        values = {
            self.trace.inputs[i]: ops.expand_dims(x, 1)
            for i, x in zip(self.sequence_inputs, [tokens, *aux_inputs])
        }
        for call in self.trace:
            if not call.is_sequential:
                continue
            static = {key: prompt_cache.static[key] for key in call.static_inputs}
            if not call.has_step:  # it knows of rows only, so each gets the values of its prompt
                static = {
                    key: ops.repeat(x, context.rows_per_prompt, axis=0) for key, x in static.items()
                }
            args, kwargs = call.fill_in(values | static)
            if call.has_step:
                context.for_call(call.key, call.is_cross_attention)
                outputs = call.operation.step(context, *args, **kwargs)
            else:
                outputs = call.operation(*args, **kwargs)
            values |= zip(call.outputs, [None] if outputs is None else keras.tree.flatten(outputs))
            self._add_logits(call, args, kwargs, values)
        return self._output(values), context.cache

    def _next_aux_inputs(self, context):
        aux_inputs = []
        for i, last in zip(self.sequence_inputs[1:], context.prompts.aux_inputs):
            last = ops.repeat(last, context.rows_per_prompt, axis=0)
            if self.input_roles[i] == "position_ids":
                last = last + ops.cast(context.cache_index + 1, last.dtype)
            elif self.input_roles[i] == "segment_ids" and self.generated_segment_id is not None:
                last = ops.full_like(last, self.generated_segment_id)
            aux_inputs.append(last)
        return aux_inputs

    def _add_logits(self, call, args, kwargs, values):
        """Add what enters the last softmax to the values, if ``call`` is it."""
        if self._softmax is not None and call is self._softmax[0]:
            values["logits"] = self._softmax[1](*args, **kwargs)

    def _output(self, values):
        output = values[self.trace.output]
        if self._softmax is None:
            return ops.squeeze(output, 1)
        if output is values[self._softmax[0].outputs[0]]:
            return ops.squeeze(values["logits"], 1)
        output = ops.squeeze(output, 1)  # something follows the softmax
        return ops.log(ops.maximum(ops.cast(output, "float32"), _TINY))


def _prefill_call(call: LayerCall, args, kwargs):
    """Outputs of an attention layer, with their mask; its cache entries; the mask of its keys."""
    inputs, *arguments = args
    is_list = isinstance(inputs, list | tuple)
    masks = [get_mask(x) for x in (inputs if is_list else [inputs])]
    outputs, entries = call.operation.prefill(
        inputs, masks if is_list else masks[0], *arguments, **kwargs
    )
    mask = masks[2] if call.source_key is not None and len(masks) > 2 else masks[0]
    batch, _, length, _ = ops.shape(entries["k"])
    visible = ops.ones((batch, length), "bool") if mask is None else ops.cast(mask, "bool")
    if masks[0] is not None:
        set_mask(keras.tree.flatten(outputs)[0], masks[0])
    return outputs, entries, visible


def _is_unmasked_embedding(layer, args):
    """True if a layer embeds ids and cannot tell from them alone where padding begins."""
    if not hasattr(layer, "padding_side") or len(args[0].shape) != 2:
        return False
    return layer.padding_side == "right" or not layer.mask_zero


def _mask_by_length(outputs, lengths):
    """Put a padding mask on vectors (B, P, D) of rows whose lengths (B,) are known."""
    if lengths is not None:
        set_mask(outputs, ops.arange(ops.shape(outputs)[1]) < lengths[:, None])


def _take_positions(x, index):
    """Entries (B, 1, ...) of x (B, P, ...) at positions (B,)."""
    index = ops.reshape(ops.cast(index, "int32"), (-1, *[1] * (len(x.shape) - 1)))
    return ops.take_along_axis(x, index, axis=1)
