"""Load plan: every weight is checked before any changes, then each variable is read once."""

import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from numpy.typing import NDArray

from bert4keras.checkpoints.checkpoint import (
    Checkpoint,
    CheckpointError,
    MismatchError,
    ShapeCheckpoint,
)

LayerWeights = tuple[Any, Sequence[Any], Sequence[str]]  # layer, its weights, their variables
_Load = Callable[[Mapping[str, Any], str], NDArray[Any]]
_Resize = Callable[[Any, int, NDArray[Any]], NDArray[Any]]

_REMEDY = (
    "Pass keep_tokens=... to select rows, or autoresize_weights=True, "
    "or ignore_invalid_weights=True to leave these as initialised."
)


class _Slot(NamedTuple):
    """One weight of the model and the variable that fills it."""

    layer: Any
    position: int
    weight: Any
    name: str


class LoadPlan:
    """Load plan of a checkpoint: which variables fill which weights, checked whole, then applied.

    The check needs shapes alone, which checkpoints give without reading. So each tensor is read
    once, and memory holds the model and one tensor.

    Args:
        checkpoint: an open checkpoint, in the names that the plan uses.
        layer_weights: callable() -> triples ``(layer, weights, names)``: a layer with a ``name``,
            its weights (with ``shape`` and ``assign``), and the names of the variables that fill
            them, in the same order. It is called when the plan is applied, so that a plan can be
            made before the model is built.
        layer_names: names of the layers that the plan fills completely. Default: none.
        load: callable(checkpoint, name) -> array, one variable made ready for its weight. Default:
            ``checkpoint[name]``.
        resize: callable(layer, index, array) -> array. Default: no change. A ValueError of ``load``
            or ``resize`` is reported as a mismatch of that weight.
        predicts_shapes: True if the shapes that ``load`` and ``resize`` return follow from the
            shapes that they get. False: tensors are read twice, first to check them.

    Example:
        >>> from types import SimpleNamespace
        >>> from bert4keras.checkpoints import open_checkpoint
        >>> layer = SimpleNamespace(name="Pooler-Dense")
        >>> weight = SimpleNamespace(shape=(4, 4), assign=print)
        >>> checkpoint = open_checkpoint({"pooler/kernel": [1.0, 1.0, 1.0]})
        >>> LoadPlan(checkpoint, lambda: [(layer, [weight], ["pooler/kernel"])]).apply()
        Traceback (most recent call last):
        bert4keras.checkpoints.checkpoint.MismatchError: Checkpoint does not fit the model (1 of 1
        weights):
          Pooler-Dense: `pooler/kernel` has shape (3,), expected (4, 4)
        Pass keep_tokens=... to select rows, or autoresize_weights=True, or
        ignore_invalid_weights=True to leave these as initialised.
    """

    def __init__(
        self,
        checkpoint: Checkpoint,
        layer_weights: Callable[[], Iterable[LayerWeights]],
        layer_names: Iterable[str] = (),
        load: _Load | None = None,
        resize: _Resize | None = None,
        predicts_shapes: bool = True,
    ) -> None:
        self.checkpoint: Checkpoint = checkpoint
        self.layer_names: frozenset[str] = frozenset(layer_names)
        self._layer_weights = layer_weights
        self._load = load or (lambda checkpoint, name: checkpoint[name])
        self._resize = resize or (lambda layer, index, array: array)
        self._predicts_shapes = predicts_shapes

    def apply(
        self,
        ignore_invalid: bool = False,
        mismatches: Sequence[str] = (),
        remedy: str = _REMEDY,
        is_new_model: bool = False,
    ) -> None:
        """Fill the weights of the model, or report every mismatch and change nothing.

        Args:
            ignore_invalid: leave weights as initialised where the variable is missing or of another
                shape, and warn once.
            mismatches: lines of the report for mismatches that the caller has found, such as layers
                without a counterpart.
            remedy: the last sentence of the report.
            is_new_model: True if nobody has the model yet, and an error drops it.

        Raises:
            MismatchError: a variable is missing or of another shape. No weight has been changed.
            CheckpointError: the file is damaged. No weight of a model in use has been changed.
        """
        layer_weights = list(self._layer_weights())
        slots = list(_slots(layer_weights))
        faults = [self._mismatch(slot) for slot in slots]
        lines = [*mismatches, *_uneven_layers(layer_weights), *filter(None, faults)]
        if lines:
            total = sum(len(weights) for _, weights, _ in layer_weights)
            report = _report(lines, "faults" if mismatches else f"of {total} weights")
            if not ignore_invalid:
                raise MismatchError(f"{report}\n{remedy}")
            warnings.warn(f"{report}\nThese are left as initialised.", stacklevel=2)
        slots = [slot for slot, fault in zip(slots, faults, strict=True) if fault is None]
        if self.checkpoint.has_checksums and self._predicts_shapes and not is_new_model:
            for slot in slots:  # damage must show before a weight of a model in use changes
                self._read(self.checkpoint, slot)
        for slot in slots:
            slot.weight.assign(self._read(self.checkpoint, slot))

    def _read(self, checkpoint: Checkpoint, slot: _Slot) -> NDArray[Any]:
        return self._resize(slot.layer, slot.position, self._load(checkpoint, slot.name))

    def _mismatch(self, slot: _Slot) -> str | None:
        """Return the line that reports a weight whose variable is missing or of another shape."""
        # A hook of a user may compute anything: what it returns must be seen to be checked.
        checkpoint = ShapeCheckpoint(self.checkpoint) if self._predicts_shapes else self.checkpoint
        try:
            shape = self._read(checkpoint, slot).shape
        except KeyError:
            return f"{slot.layer.name}: no variable `{slot.name}`"
        except CheckpointError:
            raise  # a damaged file concerns all weights
        except ValueError as error:
            return f"{slot.layer.name}: `{slot.name}`: {error}"
        expected = tuple(slot.weight.shape)
        if shape != expected:
            return f"{slot.layer.name}: `{slot.name}` has shape {shape}, expected {expected}"
        return None


def _slots(layer_weights: Iterable[LayerWeights]) -> Iterator[_Slot]:
    for layer, weights, names in layer_weights:
        if len(weights) == len(names):
            for position, (weight, name) in enumerate(zip(weights, names, strict=True)):
                yield _Slot(layer, position, weight, name)


def _uneven_layers(layer_weights: Iterable[LayerWeights]) -> list[str]:
    return [
        f"{layer.name}: {len(names)} variables are named for {len(weights)} weights"
        for layer, weights, names in layer_weights
        if len(weights) != len(names)
    ]


def _report(lines: Sequence[str], unit: str) -> str:
    head = f"Checkpoint does not fit the model ({len(lines)} {unit}):"
    return "\n  ".join([head, *lines])
