"""Load plan: every weight is checked before any changes, then each variable is read once."""

import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from bert4keras.checkpoints.checkpoint import (
    DICT_PATH,
    WEIGHT_TYPES,
    Checkpoint,
    CheckpointError,
    MismatchError,
    ShapeCheckpoint,
)
from bert4keras.checkpoints.missing_names import explain_missing, is_transformers_h5

LayerWeights = tuple[Any, Sequence[Any], Sequence[str]]  # layer, its weights, their variables
_Load = Callable[[Mapping[str, Any], str], NDArray[Any]]
_Resize = Callable[[Any, int, NDArray[Any]], NDArray[Any]]

_REMEDY = (
    "Pass keep_tokens=... to select rows, or autoresize_weights=True, "
    "or ignore_invalid_weights=True to leave these as initialised."
)


_MAX_EXAMPLES = 8  # lines of the report if nothing fits
_TYPE_REMEDY = (
    "Weights are float32, float16, bfloat16 or float64. Integers and smaller types are a quantized "
    "checkpoint, whose scales are not read here: download the checkpoint that was not quantized, "
    "or save it in float32 where it was made."
)

_TRANSFORMERS_REMEDY = (
    "This file is a tf_model.h5, the TensorFlow format of transformers, which is not read here. "
    "Use the model.safetensors or pytorch_model.bin of the same model. Or convert it, with "
    "transformers 4: AutoModel.from_pretrained(folder, from_tf=True).save_pretrained(folder)."
)


class _Slot(NamedTuple):
    """One weight of the model and the variable that fills it."""

    layer: Any
    position: int
    weight: Any
    name: str


class _Fault(NamedTuple):
    """Line of the report on one weight; ``missing_name`` if the checkpoint has no such name."""

    line: str
    missing_name: str | None = None
    is_type: bool = False


class _WrongType(ValueError):
    """Error for numbers of a type that no weight has."""


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
        remedy: str | None = None,
        is_new_model: bool = False,
    ) -> None:
        """Fill the weights of the model, or report every mismatch and change nothing.

        Args:
            ignore_invalid: leave weights as initialised where the variable is missing or of another
                shape, and warn once.
            mismatches: lines of the report for mismatches that the caller has found, such as layers
                without a counterpart.
            remedy: the last sentence of the report. Default: by the faults.
            is_new_model: True if nobody has the model yet, and an error drops it.

        Raises:
            MismatchError: a variable is missing or of another shape. No weight has been changed.
            CheckpointError: the file is damaged. No weight of a model in use has been changed.
        """
        layer_weights = list(self._layer_weights())
        slots = list(_slots(layer_weights))
        faults = [self._find_fault(slot) for slot in slots]
        lines = [*mismatches, *_uneven_layers(layer_weights), *(x.line for x in faults if x)]
        if lines:
            total = sum(len(weights) for _, weights, _ in layer_weights)
            report = _report(lines, "faults" if mismatches else f"of {total} weights", total)
            if not ignore_invalid:
                advice = self._find_remedy(slots, faults, remedy)
                if self.checkpoint.path not in (DICT_PATH, *advice.split("'")):
                    advice = f"{advice} The file is {self.checkpoint.path}."
                raise MismatchError(f"{report}\n{advice}")
            warnings.warn(f"{report}\nThese are left as initialised.", stacklevel=2)
        slots = [slot for slot, fault in zip(slots, faults, strict=True) if fault is None]
        if self.checkpoint.has_checksums and self._predicts_shapes and not is_new_model:
            for slot in slots:  # damage must show before a weight of a model in use changes
                self._read(self.checkpoint, slot)
        for slot in slots:
            slot.weight.assign(self._read(self.checkpoint, slot))

    def _read(self, checkpoint: Checkpoint, slot: _Slot) -> NDArray[Any]:
        array = np.asarray(self._load(checkpoint, slot.name))
        _check_type(slot, array.dtype.name)
        return self._resize(slot.layer, slot.position, array)

    def _find_fault(self, slot: _Slot) -> _Fault | None:
        """Find what is wrong with a variable: it is missing, of another type or another shape."""
        # A hook of a user may compute anything: what it returns must be seen to be checked.
        checkpoint = ShapeCheckpoint(self.checkpoint) if self._predicts_shapes else self.checkpoint
        start = f"{slot.layer.name}: `{slot.name}`"
        try:
            if self._predicts_shapes:
                _check_type(slot, checkpoint.dtype(slot.name))
            shape = self._read(checkpoint, slot).shape
        except KeyError:
            return _Fault(f"{slot.layer.name}: no variable `{slot.name}`", slot.name)
        except CheckpointError:
            raise  # a damaged file concerns all weights
        except _WrongType as error:
            return _Fault(
                f"{start} has the type {error}, expected float32 or the like", is_type=True
            )
        except ValueError as error:
            return _Fault(f"{start}: {error}")
        expected = tuple(slot.weight.shape)
        if shape != expected:
            return _Fault(f"{start} has shape {shape}, expected {expected}")
        return None

    def _find_remedy(
        self, slots: Sequence[_Slot], faults: Sequence[_Fault | None], remedy: str | None
    ) -> str:
        """Choose the last sentences of a report: by the types, the names, or the shapes."""
        real_faults = [fault for fault in faults if fault]
        if any(fault.is_type for fault in real_faults):
            return _TYPE_REMEDY
        if real_faults and is_transformers_h5(self.checkpoint):
            return _TRANSFORMERS_REMEDY
        missing = [fault.missing_name for fault in real_faults if fault.missing_name]
        is_empty = bool(slots) and len(missing) == len(slots)
        return remedy or explain_missing(self.checkpoint, missing, is_empty) or _REMEDY


def _check_type(slot: _Slot, dtype: str) -> None:
    """Raise an error for integers, booleans or float8 numbers in place of a weight's numbers."""
    if "float" in str(getattr(slot.weight, "dtype", "float32")) and dtype not in WEIGHT_TYPES:
        raise _WrongType(dtype)


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


def _report(lines: Sequence[str], unit: str, total: int) -> str:
    head = f"Checkpoint does not fit the model ({len(lines)} {unit}):"
    if len(lines) == total:  # nothing fits: a few lines are enough
        lines = [
            *lines[:_MAX_EXAMPLES],
            *[f"... {total - _MAX_EXAMPLES} more"] * (total > _MAX_EXAMPLES),
        ]
    return "\n  ".join([head, *lines])
