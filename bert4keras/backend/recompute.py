"""Gradient checkpointing: activations are computed again in the backward pass, and not kept."""

from contextlib import contextmanager
from functools import wraps

import keras
from keras import ops
from keras.src import backend as internals
from keras.src.backend.common import global_state

from bert4keras.backend.dispatch import is_env_on

do_recompute = is_env_on("RECOMPUTE")
CALL = "current_call_ctx"  # where Keras keeps what a call knows, such as whether it trains


def recompute_grad(call):
    """Decorator of a layer's ``call``: gradient checkpointing, where it is asked for.

    With the environment variable ``RECOMPUTE=1``, or with ``recompute`` true on the layer, training
    does not keep the activations inside, but computes them again for the gradient (Chen et al.,
    "Training Deep Nets with Sublinear Memory Cost", arXiv:1604.06174), under the same dropout.
    Elsewhere it is ``call`` itself.

    Raises:
        ValueError: in training, if the layer changes another state than that of its dropout.
    """

    @wraps(call)  # keeps the signature, from which Keras finds `mask`
    def recomputed(self, inputs, *args, **kwargs):
        context = global_state.get_global_attribute(CALL)
        wanted = do_recompute or getattr(self, "recompute", False)
        if not wanted or not getattr(context, "training", False):
            return call(self, inputs, *args, **kwargs)
        return _recomputed(self, context, inputs, lambda x: call(self, x, *args, **kwargs))

    return recomputed


def _recomputed(layer, context, inputs, call):
    """``call(inputs)`` as a pure function of floating tensors, the only ones TensorFlow repeats."""
    tensors, weights = keras.tree.flatten(inputs), list(filter(_is_floating, layer.variables))
    places = [i for i, x in enumerate(tensors) if _is_floating(x)]
    states = [x for x in layer.variables if not _is_floating(x)]
    begin = [x.value * 1 for x in states]  # copies: the states move on before the gradient
    variables, changed = [*weights, *states], set()
    autocast = internals.get_autocast_scope()

    def pure(*given):
        floating = dict(zip(places, given))
        x = keras.tree.pack_sequence_as(inputs, [floating.get(i, t) for i, t in enumerate(tensors)])
        scope = keras.StatelessScope([*zip(weights, given[len(places) :]), *zip(states, begin)])
        before = [scope.get_current_value(variable) for variable in variables]
        with _inside(context, autocast), scope:
            outputs = call(x)
        after = [scope.get_current_value(variable) for variable in variables]
        changed.update(i for i, old in enumerate(before) if after[i] is not old)
        return outputs

    with internals.AutocastScope(None):
        # reshaped: TensorFlow counts gradients twice of a variable that is handed on as such
        values = [ops.reshape(x.value, x.shape) for x in weights]
    outputs = keras.remat(pure)(*(tensors[i] for i in places), *values)
    _draw([variables[i] for i in changed])
    return outputs


def _is_floating(x):
    return x is not None and "float" in keras.backend.standardize_dtype(x.dtype)


@contextmanager
def _inside(context, autocast):
    """The call that a layer was in, also when it is long over: TensorFlow and torch come back."""
    now = global_state.get_global_attribute(CALL)
    global_state.set_global_attribute(CALL, context)
    try:
        with internals.AutocastScope(autocast and autocast.dtype):
            yield
    finally:
        global_state.set_global_attribute(CALL, now)


def _draw(states):
    """Move the states of random numbers on, by one draw."""
    for state in states:
        if _is_floating(state) or tuple(state.shape) != (2,):
            raise ValueError(
                "What is computed again must not change anything but the state of dropout, and the "
                f"layer changed {state.path!r}. Leave recompute_grad off its call"
            )
        state.assign(state + ops.convert_to_tensor([0, 1], dtype=state.dtype))
