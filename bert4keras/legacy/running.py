"""What is going on: which model runs, which decoder asks, and what Keras did before the door."""

import contextlib

models = []  # those that compute now, the innermost last
updates = []  # of optimizers of one's own, while they say them
decoders = []  # those that ask for scores now
originals = {}  # (owner, name) -> what was there before
nothing = contextlib.nullcontext()


def notes(thing):
    """What the door keeps of a model or layer, where Keras does not look when it saves."""
    return vars(thing).setdefault("__legacy__", {})


def original(owner, name):
    """A function as it was before the door."""
    return originals[owner, name]


@contextlib.contextmanager
def within(stack, item):
    """While something runs, it is the last of a stack."""
    stack.append(item)
    try:
        yield
    finally:
        stack.pop()


@contextlib.contextmanager
def function(model, train_function):
    """A model with another training function, for a while."""
    before = model.train_function
    model.train_function = train_function
    try:
        yield
    finally:
        model.train_function = before
