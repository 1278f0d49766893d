"""Gradient checkpointing: compute activations again in the backward pass instead of storing them.

``keras.remat`` repeats pure functions of tensors. The ``call`` of a layer is not one: it reads and
writes variables and the state of the call (training or not, dropout). This file makes it pure.
"""

from collections.abc import Callable
from contextlib import contextmanager
from functools import wraps
from typing import Any

import keras
from keras import ops
from keras.src import backend as internals
from keras.src.backend.common import global_state

from bert4keras.backend.dispatch import is_env_on

do_recompute: bool = is_env_on("RECOMPUTE")
_CALL_CONTEXT = "current_call_ctx"  # name of Keras' state of a call, such as ``training``


def recompute_grad(call: Callable[..., Any]) -> Callable[..., Any]:
    """Decorate a layer's ``call`` with gradient checkpointing, for layers that ask for it.

    With the environment variable ``RECOMPUTE=1``, or with ``recompute`` true on the layer, training
    does not store the activations inside, but computes them again for the gradient (Chen et al.,
    "Training Deep Nets with Sublinear Memory Cost", arXiv:1604.06174), under the same dropout.
    Otherwise ``call`` runs as it is.

    Raises:
        ValueError: in training, if the layer changes a state other than that of its dropout.
    """

    @wraps(call)  # with its signature, in which Keras looks for `mask`
    def wrapper(self, inputs, *args, **kwargs):
        context = global_state.get_global_attribute(_CALL_CONTEXT)
        is_on = do_recompute or getattr(self, "recompute", False)
        if not is_on or not getattr(context, "training", False):
            return call(self, inputs, *args, **kwargs)
        return _recompute(self, context, inputs, lambda x: call(self, x, *args, **kwargs))

    return wrapper


def _recompute(layer: Any, context: Any, inputs: Any, call: Callable) -> Any:
    """Run ``call(inputs)`` as a pure function of floating tensors: inputs and weights.

    TensorFlow repeats functions of floating tensors only. Integer inputs and the states of dropout
    are constants of the function, so that each run gives the same numbers.
    """
    tensors, weights = keras.tree.flatten(inputs), list(filter(_is_floating, layer.variables))
    indices = [i for i, x in enumerate(tensors) if _is_floating(x)]
    states = [x for x in layer.variables if not _is_floating(x)]
    # copies: the states change after this call, and before the gradient runs it again
    initial_states = [x.value * 1 for x in states]
    variables, changed_indices = [*weights, *states], set()
    autocast = internals.get_autocast_scope()

    def pure(*args):
        floating = dict(zip(indices, args))
        x = keras.tree.pack_sequence_as(inputs, [floating.get(i, t) for i, t in enumerate(tensors)])
        values = [*zip(weights, args[len(indices) :]), *zip(states, initial_states)]
        scope = keras.StatelessScope(values)  # the call writes into the scope, not into variables
        before = [scope.get_current_value(variable) for variable in variables]
        with _call_scope(context, autocast), scope:
            outputs = call(x)
        after = [scope.get_current_value(variable) for variable in variables]
        changed_indices.update(i for i, value in enumerate(before) if after[i] is not value)
        return outputs

    with internals.AutocastScope(None):
        # reshape, because TensorFlow counts the gradient of a variable twice if it is an argument
        values = [ops.reshape(x.value, x.shape) for x in weights]
    outputs = keras.remat(pure)(*(tensors[i] for i in indices), *values)
    _advance_dropout([variables[i] for i in changed_indices])
    return outputs


def _is_floating(x):
    return x is not None and "float" in keras.backend.standardize_dtype(x.dtype)


@contextmanager
def _call_scope(context, autocast):
    """Restore the call that a layer was in: TensorFlow and torch repeat it after its end."""
    current = global_state.get_global_attribute(_CALL_CONTEXT)
    global_state.set_global_attribute(_CALL_CONTEXT, context)
    try:
        with internals.AutocastScope(autocast and autocast.dtype):
            yield
    finally:
        global_state.set_global_attribute(_CALL_CONTEXT, current)


def _advance_dropout(states):
    """Advance the states of dropout by one draw, since the pure function left them unchanged."""
    for state in states:
        if _is_floating(state) or tuple(state.shape) != (2,):
            raise ValueError(
                "Expected a layer with recompute_grad to change no state but that of its dropout, "
                f"the layer changed {state.path!r}. Leave recompute_grad off its call."
            )
        state.assign(state + ops.convert_to_tensor([0, 1], dtype=state.dtype))
