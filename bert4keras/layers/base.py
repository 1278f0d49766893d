"""The base of all layers here, and the layers that only shape, merge or mark tensors."""

from functools import wraps

import keras
from keras import ops

from bert4keras import backend

register = keras.saving.register_keras_serializable("bert4keras")


class Layer(keras.layers.Layer):
    """A Keras layer that lets masks pass.

    Decoding runs a model token by token. It needs to know of each class that it gives a token what
    the others do not change (``is_positionwise``), or what it does for a new one (``step``); see
    ``generation.graph``.

    Args:
        recompute: gradient checkpointing, where a layer keeps much for the gradient; see
            ``backend.recompute_grad``.
        **kwargs: those of ``keras.layers.Layer``.
    """

    is_positionwise = False

    def __init__(self, recompute=False, **kwargs):
        super().__init__(**kwargs)
        self.supports_masking = True
        self.supports_jit = backend.supports_jit
        self.recompute = recompute

    def get_config(self):
        return {**super().get_config(), **({"recompute": True} if self.recompute else {})}


def integerize_shape(build):
    """Decorator kept for old subclasses: Keras 3 shapes hold integers and None already."""

    @wraps(build)
    def integerized(self, input_shape):
        return build(self, input_shape)

    return integerized


def inner_dense(layer, name, units, input_shape, use_bias=None):
    """A built dense layer inside ``layer``, in its dtype, with its biases and its initializer.

    The initializer is cloned: one instance gives the same numbers each time. A function is not.
    """
    initializer = layer.kernel_initializer
    if isinstance(initializer, keras.Initializer):
        initializer = initializer.clone()
    dense = keras.layers.Dense(
        units,
        use_bias=layer.use_bias if use_bias is None else use_bias,
        kernel_initializer=initializer,
        name=name,
        dtype=layer.dtype_policy,
    )
    dense.build(input_shape)
    return dense


def first_mask(masks):
    """The first mask of a list that exists, or None."""
    return next((mask for mask in masks or () if mask is not None), None)


@register
class Add(Layer):
    """Sum of tensors of one shape; the mask is that of the first input that has one.

    Keras 3's own ``Add`` drops the mask as soon as one input has none.
    """

    is_positionwise = True

    def call(self, inputs):
        total = inputs[0]
        for x in inputs[1:]:
            total = total + x
        return total

    def compute_mask(self, inputs, mask=None):
        return first_mask(mask)


@register
class FirstToken(Layer):
    """The vector of the first token: (B, L, D) to (B, D)."""

    def call(self, inputs):
        return inputs[:, 0]

    def compute_mask(self, inputs, mask=None):
        return None


@register
class WithMask(Layer):
    """A tensor that carries a mask given as numbers, where Keras has lost it or never had one.

    Call arguments:
        inputs: ``[x, mask]``, (B, L, ...) and (B, L); where the mask is 0, x is padding.

    Returns:
        x as it is, with the mask.
    """

    def call(self, inputs):
        return ops.copy(inputs[0])

    def compute_output_spec(self, inputs):
        return keras.KerasTensor(inputs[0].shape, dtype=self.compute_dtype)

    def compute_mask(self, inputs, mask=None):
        return ops.not_equal(inputs[1], 0)


@register
class Concatenate1D(Layer):
    """Join sequences (B, L_i, D) along the sequence; an input without a mask counts as visible.

    Returns:
        A tensor (B, sum of L_i, D) with a mask.
    """

    def call(self, inputs):
        return ops.concatenate(inputs, axis=1)

    def compute_mask(self, inputs, mask=None):
        masks = mask or [None] * len(inputs)
        visible = [
            ops.ones_like(x[:, :, 0], dtype="bool") if m is None else m
            for x, m in zip(inputs, masks)
        ]
        return ops.concatenate(visible, axis=1)


@register
class BatchSplit(Layer):
    """Cut tensors along the batch into parts.

    Args:
        parts: a number of parts, equal but for the last; or a list of their relative sizes.

    Returns:
        A flat list: the parts of the first input, then those of the second, and so on.
    """

    def __init__(self, parts, **kwargs):
        super().__init__(**kwargs)
        self.parts = parts

    def _cuts(self, batch):
        if isinstance(self.parts, int):
            size = (batch + self.parts - 1) // self.parts
            return [size * i for i in range(self.parts + 1)]
        sums = [sum(self.parts[:i]) for i in range(len(self.parts) + 1)]
        return [batch * s // sums[-1] for s in sums]

    @property
    def count(self):
        """How many parts there are."""
        return self.parts if isinstance(self.parts, int) else len(self.parts)

    def _split(self, x):
        if x is None:
            return [None] * self.count
        if isinstance(x, keras.KerasTensor):  # a symbolic mask
            return [keras.KerasTensor((None, *x.shape[1:]), x.dtype) for _ in range(self.count)]
        cuts = self._cuts(ops.shape(x)[0])
        return [x[begin:end] for begin, end in zip(cuts, cuts[1:])]

    def call(self, inputs):
        inputs = inputs if isinstance(inputs, list | tuple) else [inputs]
        return [part for x in inputs for part in self._split(x)]

    def compute_mask(self, inputs, mask=None):
        masks = mask if isinstance(mask, list | tuple) else [mask]
        return [part for m in masks for part in self._split(m)]

    def compute_output_shape(self, input_shape):
        several = input_shape and isinstance(input_shape[0], list | tuple)
        shapes = input_shape if several else [input_shape]
        return [(None, *shape[1:]) for shape in shapes for _ in range(self.count)]

    def get_config(self):
        return {**super().get_config(), "parts": self.parts}


@register
class BatchConcat(Layer):
    """Join tensors along the batch: the inverse of ``BatchSplit``."""

    def call(self, inputs):
        return ops.concatenate(inputs, axis=0)

    def compute_mask(self, inputs, mask=None):
        return None if first_mask(mask) is None else ops.concatenate(mask, axis=0)
