"""The layer calls of a functional model in order, with nested models unfolded."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import keras

# Keras' own layers and operations cannot say ``is_positionwise``, so their names stand here.
_POSITIONWISE_KERAS = {
    *("Activation", "Add", "Average", "Dense", "Dropout", "Identity", "LayerNormalization"),
    *("Maximum", "Multiply", "Rescaling", "Subtract"),
    *("Absolute", "Cast", "Copy", "Exp", "Gelu", "Log", "Negative", "Power", "Relu", "Sigmoid"),
    *("Silu", "Square", "Sqrt", "Tanh", "TrueDivide"),
}


@dataclass(eq=False)
class LayerCall:
    """One call of a layer or operation in a model.

    Args:
        operation: the layer or operation.
        arguments: its symbolic arguments, as Keras records them.
        inputs: {id of a symbolic tensor: key of its value}.
        outputs: keys of its output values.
        key: the key of the call.
        is_sequential: True if it depends on a sequence that grows while decoding.
        static_inputs: keys of its inputs that do not.
    """

    operation: Any
    arguments: Any
    inputs: dict[int, str]
    outputs: list[str]
    key: str
    is_sequential: bool = False
    static_inputs: list[str] = field(default_factory=list)

    @cached_property
    def input_keys(self) -> list[str]:
        """Keys of its inputs, in the order of its arguments."""
        return [self.inputs[id(x)] for x in self.arguments.keras_tensors]

    @cached_property
    def has_step(self) -> bool:
        """True if the layer has a ``step`` for new tokens."""
        return hasattr(self.operation, "step")

    @cached_property
    def has_cache(self) -> bool:
        """True if the layer has a KV cache."""
        return hasattr(self.operation, "prefill")

    @cached_property
    def is_causal_mask(self) -> bool:
        """True if its output is a mask that hides later tokens."""
        return getattr(self.operation, "is_causal_mask", False)

    @cached_property
    def is_keras_positionwise(self) -> bool:
        """True for a position-wise layer or operation of Keras."""
        kind = type(self.operation)
        return kind.__module__.startswith("keras.") and kind.__name__ in _POSITIONWISE_KERAS

    @property
    def can_step(self) -> bool:
        """True if its output for a new token can be computed, and later tokens do not change it."""
        layer = self.operation
        if type(layer).__module__.startswith("keras."):
            return self.is_keras_positionwise
        if self.has_step:
            return _states(layer, "step") and getattr(layer, "can_step", True)
        return getattr(layer, "is_positionwise", False) and _states(layer, "is_positionwise")

    @cached_property
    def source_key(self) -> str | None:
        """Key of the second input, such as the keys of an attention; None if there is none."""
        first = self.arguments.args[0] if self.arguments.args else None
        if getattr(self.operation, "self_attention", False) or not isinstance(first, list | tuple):
            return None
        return self.inputs.get(id(first[1])) if len(first) > 1 else None

    @property
    def is_cross_attention(self) -> bool:
        """True if its keys are another sequence, which does not grow."""
        return self.source_key is not None and self.source_key in self.static_inputs

    def depends_on(self, keys: set[str]) -> bool:
        """True if one of the values is among its inputs."""
        return not keys.isdisjoint(self.inputs.values())

    def fill_in(self, values: dict[str, Any]) -> tuple[Any, Any]:
        """Return its arguments, with values by their keys."""
        return self.arguments.fill_in({i: values[key] for i, key in self.inputs.items()})


def _states(layer, name):
    """True if the class that defines ``call``, or a subclass of it, has an attribute.

    An inherited attribute describes the inherited ``call``, so it says nothing of another one.
    """
    classes = type(layer).__mro__
    return next(name in vars(x) for x in classes if name in vars(x) or "call" in vars(x))


class GraphTrace:
    """The layer calls that a model's output needs, in order.

    Args:
        model: a functional model with one output.
    """

    def __init__(self, model: Any):
        self._keys: dict[tuple[Any, int], str] = {}  # (scope, id of a symbolic tensor) -> key
        self.calls: list[LayerCall] = []
        self.inputs: list[str] = [self._new_key((), x) for x in model.inputs]
        self._trace(model, ())
        self.output: str = self._keys[(), id(model.outputs[0])]
        self._drop_unused()

    def __iter__(self) -> Iterator[LayerCall]:
        return iter(self.calls)

    def mark_sequential(self, inputs: list[int]) -> None:
        """Mark the calls that depend on some of the model's inputs, given by index."""
        sequential = {self.inputs[i] for i in inputs}
        for call in self.calls:
            call.static_inputs = [key for key in call.inputs.values() if key not in sequential]
            if len(call.static_inputs) < len(call.inputs):
                call.is_sequential = True
                sequential |= set(call.outputs)

    def decoder_inputs(self) -> list[int]:
        """Find the inputs, by index, that reach the output without passing a cross-attention.

        An attention whose queries and keys come from different inputs is one: its keys are encoded.
        """
        roots = {key: {i} for i, key in enumerate(self.inputs)}
        for call in self.calls:
            keys = call.input_keys
            if call.has_cache and call.source_key is not None:
                if roots[keys[0]].isdisjoint(roots[call.source_key]):
                    keys = keys[:1]
            roots |= dict.fromkeys(call.outputs, set().union(*(roots[key] for key in keys)))
        return sorted(roots[self.output])

    def input_roles(self) -> list[set[str]]:
        """Collect for each model input the roles that the layers which take it give to it."""
        roles: dict[str, set[str]] = {}
        for call in reversed(self.calls):
            for key, role in zip(call.input_keys, getattr(call.operation, "input_roles", ())):
                if role is not None:
                    roles.setdefault(key, set()).add(role)
            if call.is_keras_positionwise and len(call.input_keys) == 1:  # as a cast of ids
                roles.setdefault(call.input_keys[0], set()).update(roles.get(call.outputs[0], ()))
        return [roles.get(key, set()) for key in self.inputs]

    def live_values_after(self, call: LayerCall) -> set[str]:
        """Find the sequential values made up to a call that later calls or the output use."""
        place = self.calls.index(call)
        before, after = self.calls[: place + 1], self.calls[place + 1 :]
        outputs_before = {key for x in before if x.is_sequential for key in x.outputs} | set(
            self.inputs
        )
        keys_after = {self.output}.union(*(x.inputs.values() for x in after))
        static = {key for x in self.calls for key in x.static_inputs if x.is_sequential}
        return (outputs_before & keys_after) - static

    def non_causal_calls(self, cached_calls: list[LayerCall]) -> list[LayerCall]:
        """Find the attention calls whose tokens may see later ones.

        A causal mask reaches a call directly, or through one that adds it to other biases.
        """
        masks = {key for call in self.calls if call.is_causal_mask for key in call.outputs}
        for call in self.calls:
            adds_biases = call.has_step and not call.has_cache and not call.static_inputs
            if adds_biases and call.depends_on(masks):
                masks |= set(call.outputs)
        return [
            call
            for call in cached_calls
            if not (call.is_cross_attention if call.static_inputs else call.depends_on(masks))
        ]

    def _new_key(self, scope, tensor):
        return self._keys.setdefault((scope, id(tensor)), f"{len(self._keys)}")

    def _trace(self, model, scope):
        for depth in sorted(model._nodes_by_depth, reverse=True):
            for node in model._nodes_by_depth[depth]:
                if not node.is_input:
                    self._add(node, scope)

    def _add(self, node, scope):
        if isinstance(node.operation, keras.Model) and hasattr(node.operation, "_nodes_by_depth"):
            inner, model = (*scope, id(node)), node.operation
            for inside, outside in zip(model.inputs, node.input_tensors):
                self._keys[inner, id(inside)] = self._keys[scope, id(outside)]
            self._trace(model, inner)
            for outside, inside in zip(node.outputs, model.outputs):
                self._keys[scope, id(outside)] = self._keys[inner, id(inside)]
            return
        self.calls.append(
            LayerCall(
                node.operation,
                node.arguments,
                {id(x): self._keys[scope, id(x)] for x in node.input_tensors},
                [self._new_key(scope, x) for x in node.outputs],
                f"call{len(self.calls)}",
            )
        )

    def _drop_unused(self):
        required_keys, calls = {self.output}, []
        for call in reversed(self.calls):
            if required_keys & set(call.outputs):
                required_keys |= set(call.inputs.values())
                calls.append(call)
        self.calls = calls[::-1]
