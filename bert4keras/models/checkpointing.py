"""Checkpoints of a model: load plans, loading and writing; methods of ``Transformer``."""

from __future__ import annotations

import json
import warnings
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from bert4keras.backend.types import NDArray, StrPath
from bert4keras.checkpoints import (
    Checkpoint,
    LayerCheckpoint,
    LoadPlan,
    expand_blocks,
    open_checkpoint,
    orthogonally_resize,
    resize_attention,
    resize_feed_forward,
    to_foreign_names,
    to_google_names,
    write_h5,
    write_safetensors,
    write_tf1,
)
from bert4keras.checkpoints.plan import LayerWeights
from bert4keras.checks import check_choice
from bert4keras.files import atomic_write
from bert4keras.layers import FeedForward, MultiHeadAttention, ScaleOffset
from bert4keras.models.skip_initialization import skip_initialization
from bert4keras.models.stored_weights import (
    check_loadable_layer,
    check_writable_layer,
    merge_lora,
)

if TYPE_CHECKING:
    from bert4keras.models.transformer import Transformer

_Table = Mapping[str, Sequence[str]]


def load_weights_from_checkpoint(
    self: Transformer, checkpoint: StrPath | Mapping[str, Any], mapping: _Table | None = None
) -> None:
    """Load all weights from a checkpoint, or report every mismatch and change nothing.

    Args:
        checkpoint: a path of any format that ``open_checkpoint`` reads, {name: array}, or an
            open checkpoint, which stays open.
        mapping: layer name -> variable names; ``variable_mapping()`` by default.

    Raises:
        ValueError: variables are missing or of another shape, the file is missing, damaged or
            not safe to open.
    """
    with open_checkpoint(checkpoint) as opened_checkpoint:
        plan = self.plan_loading(opened_checkpoint, mapping)
        plan.apply(self.ignore_invalid_weights, remedy=self.find_remedy(plan.checkpoint))


def build_from_checkpoint(self: Transformer, checkpoint: Checkpoint, **arguments: Any) -> None:
    """Build the model and load its weights by one plan, made before the model is built.

    Args:
        checkpoint: an open checkpoint.
        **arguments: arguments of ``build``.

    Raises:
        MismatchError: as ``LoadPlan.apply``. No weight has been changed.
    """
    load = type(self).load_weights_from_checkpoint
    if load is not load_weights_from_checkpoint:  # a script loads its own way
        self.build(**arguments)
        self.load_weights_from_checkpoint(checkpoint)
        return
    plan = self.plan_loading(checkpoint)
    is_new_model = not self.layers  # layers shared with another model have their weights
    skips = is_new_model and not self.ignore_invalid_weights
    with skip_initialization(plan.layer_names if skips else ()):
        self.build(**arguments)
    remedy = self.find_remedy(plan.checkpoint)
    plan.apply(self.ignore_invalid_weights, remedy=remedy, is_new_model=is_new_model)


def plan_loading(
    self: Transformer, checkpoint: Checkpoint, mapping: _Table | None = None
) -> LoadPlan:
    """Return the load plan of a checkpoint; the model may still be unbuilt.

    Args:
        checkpoint: an open checkpoint.
        mapping: layer name -> variable names; by default that of the family, or of the file
            where Keras wrote it.
    """
    if mapping is None and isinstance(checkpoint, LayerCheckpoint):
        return LoadPlan(
            checkpoint,
            partial(_weights_by_file, self, checkpoint),
            checkpoint.layer_names,
            resize=partial(_resize, self),
        )
    optional = () if mapping else self.checkpoint_spec.optional
    for dialect in self.checkpoint_spec.readable_dialects:
        checkpoint = to_google_names(checkpoint, dialect)
    table = mapping or self.mapping_to_read(checkpoint)
    return LoadPlan(
        checkpoint,
        lambda: _weights_by_table(self, _drop_missing(self, table, optional, checkpoint)),
        [f"{self.prefix}{name}" for name in table if name not in optional],
        self.load_variable,
        partial(_resize, self),
        _has_known_hooks(self),
    )


def save_weights_as_checkpoint(
    self: Transformer, filename: StrPath, mapping: _Table | None = None, dtype: str | None = None
) -> None:
    """Write the weights under the names of pretrained checkpoints.

    Args:
        filename: ``*.safetensors`` is written with Hugging Face's names, ``*.h5`` with
            Google's; anything else is the prefix of a TF1 checkpoint.
        mapping: layer name -> variable names; that of the family by default.
        dtype: type of the numbers; that of the weights by default.
    """
    tensors = _create_variables(self, mapping or self.mapping_to_write(), dtype)
    suffix = Path(filename).suffix
    if suffix == ".safetensors":
        if self.checkpoint_spec.hugging_face is not None:
            tensors = to_foreign_names(tensors, self.checkpoint_spec.hugging_face)
        write_safetensors(filename, tensors)
    elif suffix == ".h5":
        write_h5(filename, tensors)
    else:
        write_tf1(filename, tensors)


def save_pretrained(
    self: Transformer, folder: StrPath, dtype: str | None = None, tokenizer: Any = None
) -> None:
    """Write a folder that ``build_transformer_model`` opens in one argument.

    It holds ``config.json`` and ``model.safetensors``; ``transformers`` opens it too, where it
    has the family.

    Args:
        folder: the folder, created if it is missing.
        dtype: type of the numbers; that of the weights by default.
        tokenizer: a tokenizer whose vocabulary is written too; none by default.

    Raises:
        ValueError: ``transformers`` has the family, but cannot compute what this model does.
    """
    config, folder = self.hugging_face_config(), Path(folder)
    self.save_weights_as_checkpoint(folder / "model.safetensors", dtype=dtype)
    if tokenizer is not None:
        tokenizer.save(folder)
    with atomic_write(folder / "config.json") as file:
        file.write(json.dumps(config, indent=2, ensure_ascii=False) + "\n")


def _weights_by_table(model: Transformer, table: _Table) -> Iterator[LayerWeights]:
    """Iterate over the layers of a table that are in the model, with weights and variables."""
    for name, variables in table.items():
        layer = model.layers.get(f"{model.prefix}{name}")
        if layer is not None:
            check_loadable_layer(layer)
            yield layer, _named_weights(layer, layer.weights, variables), variables


def _named_weights(layer: Any, weights: list[Any], variables: Sequence[str]) -> list[Any]:
    """Drop the weights of a conditional norm that no checkpoint has: its maps begin at zero."""
    is_conditional = isinstance(layer, ScaleOffset) and layer.conditional
    return weights[: len(variables)] if is_conditional else weights


def _weights_by_file(model: Transformer, checkpoint: LayerCheckpoint) -> Iterator[LayerWeights]:
    """Iterate over all layers with weights, and their data sets in a file that Keras wrote."""
    for name, layer in model.layers.items():
        if getattr(layer, "weights", None):
            check_loadable_layer(layer)
            yield layer, layer.weights, checkpoint.layer_tensors(name, _places(layer))


def _resize(model: Transformer, layer: Any, index: int, array: NDArray[Any]) -> NDArray[Any]:
    """Convert an array to float32, and resize it to its weight if it may be resized."""
    array = np.asarray(array).astype("float32", copy=False)
    count, shape = len(layer.weights), tuple(layer.weights[index].shape)
    if array.shape == shape or not model.autoresize_weights:
        return array
    if isinstance(layer, MultiHeadAttention):
        return resize_attention(array, shape, index, count)
    if isinstance(layer, FeedForward):
        return resize_feed_forward(array, shape, index, count, model.hidden_act)
    return orthogonally_resize(array, shape)


def _create_variables(
    model: Transformer, table: _Table, dtype: str | None
) -> Iterator[tuple[str, NDArray[Any]]]:
    """Return an iterator over names and arrays of all weights, after checking all.

    It creates one array at a time.
    """
    if dtype is not None:
        name = dtype if isinstance(dtype, str) else np.dtype(dtype).name
        check_choice("dtype", name, ("float64", "float32", "float16", "bfloat16"))
    pairs = []
    for name, variables in table.items():
        layer = model.layers.get(f"{model.prefix}{name}")
        if layer is not None:
            weights = _named_weights(layer, merge_lora(layer), variables)
            check_writable_layer(layer, variables, weights)
            pairs += zip(variables, weights, strict=True)
    return ((name, model.create_variable(name, x.read(), dtype)) for name, x in pairs)


def family_match_score(family: type[Transformer], checkpoint: Checkpoint) -> int:
    """Count the variables of a family in a checkpoint, minus those missing in a block."""
    spec = family.checkpoint_spec
    views = [checkpoint, *(to_google_names(checkpoint, x) for x in spec.readable_dialects)]
    score = 0
    for layer, names in expand_blocks(spec.weights, 1).items():
        for name in names:
            is_present = any(name in view for view in views)
            score += is_present or -("Transformer" in layer)  # heads may well be missing
    return score


def _drop_missing(
    model: Transformer, table: _Table, optional: Sequence[str], checkpoint: Checkpoint
) -> _Table:
    """Drop optional layers that a checkpoint does not have from a table, and warn of them."""
    missing = {name for name in optional if any(x not in checkpoint for x in table[name])}
    for name in sorted(missing):
        if model.prefixed(name) in model.layers:
            warnings.warn(
                f"Checkpoint does not fit the model: it has no weights of {name}, which stay as "
                "initialised. Train them before use.",
                stacklevel=2,
            )
    return {name: variables for name, variables in table.items() if name not in missing}


def _has_known_hooks(model: Transformer) -> bool:
    """True if the hooks of loading are this library's, whose shapes follow from their inputs."""
    hooks = (model.load_variable, model.load_embeddings)
    return all(hook.__module__.startswith("bert4keras.") for hook in hooks)


def _places(layer: Any) -> list[str]:
    """Return the place in which Keras stores each weight: its number after its sub-layer."""
    counts: dict[str, int] = {}
    places = []
    for weight in layer.weights:
        inner = weight.path.removeprefix(f"{layer.path}/").rpartition("/")[0]
        counts[inner] = counts.get(inner, -1) + 1
        places.append(f"{inner}/{counts[inner]}".lstrip("/"))
    return places
