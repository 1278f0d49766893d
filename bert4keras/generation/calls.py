"""The calls of layers that make up a functional model, nested models opened, in order."""

from dataclasses import dataclass, field
from functools import cached_property

import keras


@dataclass(eq=False)
class Call:
    """A layer or operation called once in a model.

    Args:
        operation: the layer or operation.
        arguments: what Keras recorded of its arguments.
        inputs: {id of a symbolic tensor: key of its value}.
        outputs: keys of the values that it gives.
        key: its own name among the calls.
    """

    operation: object
    arguments: object
    inputs: dict
    outputs: list
    key: str
    grows: bool = False  # whether it depends on a sequence that grows
    static: list = field(default_factory=list)  # keys of its inputs that do not

    @cached_property
    def steps(self):
        """Whether the layer says itself what it does for a new token."""
        return hasattr(self.operation, "step")

    @cached_property
    def keeps(self):
        """Whether it keeps something of the tokens that came before."""
        return hasattr(self.operation, "prefill")

    @cached_property
    def masks(self):
        """The name of the mask that it makes, by which tokens do not see what follows, or None."""
        return getattr(self.operation, "is_causal_mask", None) and type(self.operation).__name__

    @property
    def is_cross_attention(self):
        """Whether its keys, the second of its inputs, are another sequence, which does not grow."""
        first, *_ = self.arguments.args
        several = self.static and isinstance(first, list | tuple)
        return bool(several) and self.inputs.get(id(first[1])) in self.static

    def takes(self, keys):
        """Whether one of the values is among its inputs."""
        return not keys.isdisjoint(self.inputs.values())

    def filled(self, values):
        """Its arguments, from values by their keys."""
        return self.arguments.fill_in({i: values[key] for i, key in self.inputs.items()})


class Calls:
    """The calls that an output needs, in order.

    Args:
        model: a functional model with one output.
        sequences: numbers of the inputs that grow.
    """

    def __init__(self, model, sequences):
        self.names = {}  # (scope, id of a symbolic tensor) -> key
        self.calls = []
        self.inputs = [self._named((), x) for x in model.inputs]
        self._open(model, ())
        self.output = self._key((), model.outputs[0])
        self._keep_needed()
        growing = {self.inputs[i] for i in sequences}
        for call in self.calls:
            call.static = [key for key in call.inputs.values() if key not in growing]
            if len(call.static) < len(call.inputs):
                call.grows = True
                growing |= set(call.outputs)

    def __iter__(self):
        return iter(self.calls)

    def needed_after(self, call):
        """Keys of growing values made up to a call that later ones use, the output's among them."""
        place = self.calls.index(call)
        made = {key for one in self.calls[: place + 1] if one.grows for key in one.outputs}
        made |= set(self.inputs)
        later = {self.output}.union(*(one.inputs.values() for one in self.calls[place + 1 :]))
        static = {key for one in self.calls for key in one.static if one.grows}
        return (made & later) - static

    def seeing_all(self, keeping):
        """Those calls among ``keeping`` whose tokens see what follows them, or may do so.

        A mask may come straight to a call, or through one that adds it to other biases.
        """
        masked = {key for call in self.calls if call.masks for key in call.outputs}
        for call in self.calls:
            if call.steps and not call.keeps and not call.static and call.takes(masked):
                masked |= set(call.outputs)
        return [x for x in keeping if not (x.is_cross_attention if x.static else x.takes(masked))]

    def _named(self, scope, tensor):
        return self.names.setdefault((scope, id(tensor)), f"{len(self.names)}")

    def _key(self, scope, tensor):
        return self.names[scope, id(tensor)]

    def _open(self, model, scope):
        for depth in sorted(model._nodes_by_depth, reverse=True):
            for node in model._nodes_by_depth[depth]:
                if not node.is_input:
                    self._add(node, scope)

    def _add(self, node, scope):
        if isinstance(node.operation, keras.Model) and hasattr(node.operation, "_nodes_by_depth"):
            inner, model = (*scope, id(node)), node.operation
            for mine, theirs in zip(model.inputs, node.input_tensors):
                self.names[inner, id(mine)] = self._key(scope, theirs)
            self._open(model, inner)
            for mine, theirs in zip(node.outputs, model.outputs):
                self.names[scope, id(mine)] = self._key(inner, theirs)
            return
        self.calls.append(
            Call(
                node.operation,
                node.arguments,
                {id(x): self._key(scope, x) for x in node.input_tensors},
                [self._named(scope, x) for x in node.outputs],
                f"call{len(self.calls)}",
            )
        )

    def _keep_needed(self):
        needed, kept = {self.output}, []
        for call in reversed(self.calls):
            if needed & set(call.outputs):
                needed |= set(call.inputs.values())
                kept.append(call)
        self.calls = kept[::-1]
