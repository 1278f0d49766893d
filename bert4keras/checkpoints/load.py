"""Loading is all or nothing: everything is checked before the first weight is written."""

import warnings
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np

from bert4keras.checkpoints.checkpoint import CheckpointError

Read = Callable[[str], np.ndarray]
Fit = Callable[[Any, int, np.ndarray], np.ndarray]
Pair = tuple[Any, Sequence[Any], Sequence[str]]

REMEDY = (
    "Pass keep_tokens=... to select rows, or autoresize_weights=True, "
    "or ignore_invalid_weights=True to leave these as initialised."
)


class Slot(NamedTuple):
    """One weight of the model and the variable that fills it."""

    layer: Any
    index: int
    weight: Any
    name: str


def load_weights(
    pairs: Sequence[Pair],
    read: Read,
    fit: Fit | None = None,
    ignore_invalid: bool = False,
    faults: Sequence[str] = (),
    remedy: str = REMEDY,
) -> None:
    """Fill the weights of layers from named tensors, or change nothing and say all that is wrong.

    Tensors are read twice, one at a time: first to check them all, then to assign them. So memory
    holds the model and one tensor.

    Args:
        pairs: `(layer, weights, names)`: a layer with a `name`, its weights (with `shape` and
            `assign`), and the names of the variables that fill them, in the same order.
        read: name -> array; raises KeyError when there is no such variable.
        fit: `(layer, index, array) -> array`, for instance to resize. Default: as read. A
            ValueError it raises is reported as a fault of that weight.
        ignore_invalid: leave weights as initialised where the variable is missing or of another
            shape, and warn once. Default: False.
        faults: lines of what is known to be wrong already, such as layers without a counterpart.
        remedy: the last words of the report.

    Raises:
        ValueError: a variable is missing or does not fit. No weight has been changed.

    Example:
        >>> from types import SimpleNamespace
        >>> layer = SimpleNamespace(name="Pooler-Dense")
        >>> weight = SimpleNamespace(shape=(4, 4), assign=print)
        >>> load_weights([(layer, [weight], ["pooler/kernel"])], {"pooler/kernel": np.ones(3)}.get)
        Traceback (most recent call last):
        ValueError: Checkpoint does not fit the model (1 of 1 weights):
          Pooler-Dense: `pooler/kernel` has shape (3,), expected (4, 4)
        Pass keep_tokens=... to select rows, or autoresize_weights=True, or
        ignore_invalid_weights=True to leave these as initialised.
    """
    fit = fit or (lambda layer, index, array: array)
    slots = list(_slots(pairs))
    invalid = [_fault(slot, read, fit) for slot in slots]
    lines = [*faults, *_uneven(pairs), *filter(None, invalid)]
    if lines:
        total = sum(len(weights) for _, weights, _ in pairs)
        report = _report(lines, "faults" if faults else f"of {total} weights")
        if not ignore_invalid:
            raise ValueError(f"{report}\n{remedy}")
        warnings.warn(f"{report}\nThese are left as initialised.", stacklevel=2)
    for slot, fault in zip(slots, invalid, strict=True):
        if fault is None:
            slot.weight.assign(fit(slot.layer, slot.index, read(slot.name)))


def _uneven(pairs: Sequence[Pair]) -> list[str]:
    return [
        f"{layer.name}: {len(names)} variables are named for {len(weights)} weights"
        for layer, weights, names in pairs
        if len(weights) != len(names)
    ]


def _slots(pairs: Sequence[Pair]) -> Iterator[Slot]:
    for layer, weights, names in pairs:
        if len(weights) == len(names):
            for index, (weight, name) in enumerate(zip(weights, names, strict=True)):
                yield Slot(layer, index, weight, name)


def _fault(slot: Slot, read: Read, fit: Fit) -> str | None:
    """What is wrong with the variable of a slot, if anything is."""
    try:
        array = fit(slot.layer, slot.index, read(slot.name))
    except KeyError:
        return f"{slot.layer.name}: no variable `{slot.name}`"
    except CheckpointError:
        raise  # a damaged file is no matter of one weight
    except ValueError as error:
        return f"{slot.layer.name}: `{slot.name}`: {error}"
    shape = tuple(slot.weight.shape)
    if array.shape != shape:
        return f"{slot.layer.name}: `{slot.name}` has shape {array.shape}, expected {shape}"
    return None


def _report(lines: Sequence[str], counted: str) -> str:
    head = f"Checkpoint does not fit the model ({len(lines)} {counted}):"
    return "\n  ".join([head, *lines])
