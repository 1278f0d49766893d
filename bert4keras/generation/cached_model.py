"""A functional model run over prompts at once, and then token by token with what it keeps.

It knows no model and no layer: it follows the graph, and asks of each layer that decoded tokens
pass

``is_positionwise``  True if an output position depends on its own input position only;
``step``         ``step(context, *args, **kwargs)``: what it does for a new token of each row;
``prefill``      beside ``step``: what it returns for whole prompts, and what is kept of them,
                 {name: (B, G, P, d)}, as a product of matrices reads it: "k" and others;
``cache_shapes``  beside ``prefill``: {name: (G, d)} of what is kept of a token;
``can_step``     False where it can not, after all.

A class that overrides ``call`` says ``is_positionwise`` or ``step`` itself: what it inherits is not
believed. Layers of Keras and operations that are is_positionwise are listed below.
"""

import keras
from keras import ops

from bert4keras.backend import get_mask, set_mask
from bert4keras.generation.batch import padded
from bert4keras.generation.calls import Calls
from bert4keras.generation.step_context import StepContext

TOKENWISE = {  # of Keras, by name
    *("Activation", "Add", "Average", "Dense", "Dropout", "Identity", "LayerNormalization"),
    *("Maximum", "Multiply", "Rescaling", "Subtract"),
    *("Absolute", "Cast", "Copy", "Exp", "Gelu", "Log", "Negative", "Power", "Relu", "Sigmoid"),
    *("Silu", "Square", "Sqrt", "Tanh", "TrueDivide"),
}
COLUMNS = 16  # prompts are padded to a multiple of it


class IncrementalDecodingError(ValueError):
    """The model cannot be run token by token."""


class Graph:
    """A functional Keras model whose sequences of tokens grow.

    Args:
        model: it has one output, (B, L, V).
        sequences: numbers of the inputs that grow, the tokens' first; by default those named
            ``Decoder-Input-...``, or else ``Input-Token`` and all others (B, L) of any length L.
            The rest stays as it is: an encoded source, a condition.

    Raises:
        IncrementalDecodingError: a layer that the tokens pass is not known to work token by token.
    """

    def __init__(self, model, sequences=None):
        if len(model.outputs) != 1:
            raise IncrementalDecodingError(
                f"{model.name} must have one output, the scores of tokens, got "
                f"{len(model.outputs)}. Give keras.Model(model.inputs, model.outputs[i])"
            )
        self.model = model
        self.sequences = growing(model) if sequences is None else list(sequences)
        if not self.sequences:
            raise IncrementalDecodingError(
                f"{model.name} has no input of tokens: none of "
                f"{', '.join(x.name for x in model.inputs)} is an Input-Token"
            )
        self.calls = Calls(model, self.sequences)
        self.keeping = [call for call in self.calls if call.grows and call.keeps]
        for call in self.calls:
            if call.grows and not _can_step(call):
                raise IncrementalDecodingError(
                    f"{model.name} cannot be decoded token by token: it is not known whether "
                    f"{call.operation.name} ({type(call.operation).__name__}) gives a token what "
                    "later ones do not change"
                )
        if not self.keeping:
            raise IncrementalDecodingError(f"{model.name} has no attention to keep anything of")
        for call in self.calls.seeing_all(self.keeping):
            raise IncrementalDecodingError(
                f"{model.name} is no language model: in {call.operation.name} its tokens see what "
                "follows them. Build it with application='lm' or 'unilm', or take a family such as "
                "'gpt2'"
            )

    @property
    def max_positions(self):
        """How many positions the model has; None for any number."""
        found = [
            getattr(call.operation, "max_positions", None) for call in self.calls if call.grows
        ]
        return min((x for x in found if x), default=None)

    def padded(self, length):
        """A length to pad prompts to, so that few of them ask for a program of their own."""
        rounded = -(-length // COLUMNS) * COLUMNS
        return (
            rounded if self.max_positions is None else max(length, min(rounded, self.max_positions))
        )

    @property
    def segment(self):
        """The segment of generated tokens: 1 where it tells source from target, else None."""
        return 1 if any(call.masks == "UniLMMask" for call in self.calls) else None

    @property
    def segments(self):
        """Numbers of the inputs that tell source from target, if it is so."""
        names = [(i, self.model.inputs[i].name) for i in self.sequences]
        return [i for i, name in names if name.endswith("Segment")] if self.segment else []

    def prefill(self, inputs, lengths):
        """Run prompts whole.

        Args:
            inputs: tensors, one for each input; sequences (B, P), padded on the right.
            lengths: (B,) int32, how many tokens each prompt has, at least one.

        Returns:
            The output at each prompt's last token, (B, V), and ``shared``: nested tensors (B, ...)
            of what a step needs to know of the prompts.
        """
        values = dict(zip(self.calls.inputs, inputs))
        kept, static, last = {}, {}, self.keeping[-1]
        visible = ops.arange(ops.shape(inputs[self.sequences[0]])[1]) < lengths[:, None]
        for call in self.calls:
            if call.grows:
                static |= {key: values[key] for key in call.static}
            args, kwargs = call.filled(values)
            if call in self.keeping:
                outputs, kept[call.key] = _prefilled(call, args, kwargs)
                mask = kept[call.key].pop("mask")
                if call.is_cross_attention:
                    kept[call.key]["visible"] = mask
                else:
                    visible = ops.logical_and(visible, mask)
            else:
                outputs = call.operation(*args, **kwargs)
            values |= zip(call.outputs, keras.tree.flatten(outputs))
            if call is last:  # from here on the last tokens are enough
                for key in self.calls.needed_after(call):
                    values[key] = _at(values[key], lengths - 1)
        output = ops.squeeze(values[self.calls.output], 1)
        return output, {
            "lengths": lengths,
            "visible": visible,
            "cache": kept,
            "static": static,
            "others": [ops.squeeze(_at(inputs[i], lengths - 1), 1) for i in self.sequences[1:]],
        }

    def empty(self, rows, capacity):
        """What is kept of generated tokens before there are any: tensors (rows, ..., C, d)."""
        own = {"padding": ops.zeros((rows, capacity, 1), "int32")}
        for call in self.keeping:
            if not call.is_cross_attention:
                layer = call.operation
                own[call.key] = {
                    name: ops.zeros((rows, heads, capacity, size), layer.compute_dtype)
                    for name, (heads, size) in layer.cache_shapes.items()
                }
        return own

    def widened(self, own, extra):
        """What is kept of generated tokens, with room for more of them."""
        return keras.tree.map_structure(lambda x: padded(x, -2, extra), own)

    def step(self, tokens, slot, shared, own, others=None):
        """Go on by a token of each row; the protocol of ``generation.search``.

        Args:
            others: what the other sequences hold for the new tokens, tensors (R,); by default
                segments as ``segment`` says, positions that go on counting, and what the prompt's
                last token has of anything else.
        """
        context = StepContext(slot, shared, own)
        fed = [tokens, *(self._others(context) if others is None else others)]
        values = {self.calls.inputs[i]: ops.expand_dims(x, 1) for i, x in zip(self.sequences, fed)}
        for call in self.calls:
            if not call.grows:
                continue
            here = {key: shared["static"][key] for key in call.static}
            if not call.steps:  # a static tensor of a prompt concerns each of its rows
                here = {
                    key: ops.repeat(x, context.rows_per_prompt, axis=0) for key, x in here.items()
                }
            args, kwargs = call.filled(values | here)
            if call.steps:
                outputs = call.operation.step(context.for_call(call), *args, **kwargs)
            else:
                outputs = call.operation(*args, **kwargs)
            values |= zip(call.outputs, [None] if outputs is None else keras.tree.flatten(outputs))
        return ops.squeeze(values[self.calls.output], 1), context.cache

    def _others(self, context):
        """What the other sequences hold for the new tokens."""
        shared = context.prompts
        for i, last in zip(self.sequences[1:], shared["others"]):
            name, last = (
                self.model.inputs[i].name,
                ops.repeat(last, context.rows_per_prompt, axis=0),
            )
            if name.endswith("Position"):
                last = last + ops.cast(context.cache_index + 1, last.dtype)
            elif name.endswith("Segment") and self.segment is not None:
                last = ops.full_like(last, self.segment)
            yield last


def growing(model):
    """Numbers of the inputs that grow when a model decodes, the tokens' first."""
    names = [x.name for x in model.inputs]
    decoder = [i for i, name in enumerate(names) if "Decoder-Input-" in name]
    if decoder:
        return decoder
    tokens = [i for i, name in enumerate(names) if name.endswith("Input-Token")][:1]
    shapes = [tuple(x.shape) for x in model.inputs]
    return tokens + [i for i, shape in enumerate(shapes) if shape == (None, None) and [i] != tokens]


def _can_step(call):
    layer = call.operation
    if type(layer).__module__.startswith("keras."):
        return type(layer).__name__ in TOKENWISE
    if hasattr(layer, "step"):
        return _says(layer, "step") and getattr(layer, "can_step", True)
    return getattr(layer, "is_positionwise", False) and _says(layer, "is_positionwise")


def _says(layer, name):
    """Whether the class that a layer has its ``call`` of says something, or one below it."""
    classes = type(layer).__mro__
    return next(name in vars(x) for x in classes if name in vars(x) or "call" in vars(x))


def _prefilled(call, args, kwargs):
    """Outputs of a layer for whole prompts, with their mask, and what is kept of them."""
    inputs, *rest = args
    masks = [get_mask(x) for x in (inputs if isinstance(inputs, list | tuple) else [inputs])]
    masks = masks if isinstance(inputs, list | tuple) else masks[0]
    outputs, kept = call.operation.prefill(inputs, masks, *rest, **kwargs)
    mask = masks[2] if isinstance(masks, list) and len(masks) > 2 else _first(masks)
    batch, _, length, _ = ops.shape(kept["k"])
    kept["mask"] = ops.ones((batch, length), "bool") if mask is None else ops.cast(mask, "bool")
    first = keras.tree.flatten(outputs)[0]
    if _first(masks) is not None:
        set_mask(first, _first(masks))
    return outputs, kept


def _first(masks):
    return masks[0] if isinstance(masks, list) else masks


def _at(x, place):
    """Entries (B, 1, ...) of x (B, P, ...) at places (B,)."""
    place = ops.reshape(ops.cast(place, "int32"), (-1, *[1] * (len(x.shape) - 1)))
    return ops.take_along_axis(x, place, axis=1)
