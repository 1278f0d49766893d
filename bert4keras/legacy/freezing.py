"""What is trained is settled by ``compile``, as Keras 2 had it: later freezing changes nothing.

Adversarial nets of two models rely on it: the judge is frozen inside the whole, and trains alone.
"""

import contextlib

from bert4keras.legacy import running


def settle(model):
    """Remember which layers and variables of a model train now."""
    running.notes(model)["trained"] = _state(model)


def _state(model):
    layers = [(x, "_trainable", x._trainable) for x in model._flatten_layers()]
    return layers + [(x, "trainable", x.trainable) for x in model.weights]


@contextlib.contextmanager
def settled(model):
    """While a model trains, what trained when it was compiled does, and nothing else."""
    wanted = [x for x in running.notes(model).get("trained", ()) if getattr(x[0], x[1]) != x[2]]
    now = [(owner, name, getattr(owner, name)) for owner, name, _ in wanted]
    try:
        _set(wanted)
        yield
    finally:
        _set(now)


def _set(state):
    for owner, name, value in state:
        setattr(owner, name, value)
