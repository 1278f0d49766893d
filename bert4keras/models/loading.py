"""What stands between a model's layers and a checkpoint's variables, both ways."""

import json
import warnings
from functools import partial
from pathlib import Path

import numpy as np
from keras import ops

from bert4keras.checkpoints import (
    Keras2Checkpoint,
    expand_blocks,
    keras_layers,
    load_weights,
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
from bert4keras.files import atomic_write
from bert4keras.layers import FeedForward, MultiHeadAttention, ScaleOffset


def read(transformer, source, mapping=None):
    """Fill a model from a checkpoint; see ``Transformer.load_weights_from_checkpoint``."""
    with open_checkpoint(source) as checkpoint:
        if mapping is None and str(checkpoint.path).endswith(".weights.h5"):
            mapping = keras_mapping(transformer, keras_layers(checkpoint.path))
            variable = checkpoint.__getitem__
        elif mapping is None and isinstance(checkpoint, Keras2Checkpoint):
            mapping = keras2_mapping(transformer, checkpoint.flat)
            variable = checkpoint.__getitem__
        else:
            for dialect in transformer.checkpoint_spec.readable_dialects:
                checkpoint = to_google_names(checkpoint, dialect)
            mapping = mapping or held(transformer, checkpoint)
            variable = partial(transformer.load_variable, checkpoint)
        load_weights(
            list(slots(transformer, mapping)),
            variable,
            partial(fit, transformer),
            transformer.ignore_invalid_weights,
        )


def held(transformer, checkpoint):
    """The table to read by, without optional layers that a checkpoint lacks."""
    mapping = transformer.mapping_of(checkpoint)
    for name in transformer.checkpoint_spec.optional:
        lacks = any(variable not in checkpoint for variable in mapping[name])
        if lacks and transformer.prefixed(name) in transformer.layers:
            warnings.warn(
                f"Checkpoint does not fit the model: it has no weights of {name}, which stay as "
                "initialised. Train them before use.",
                stacklevel=2,
            )
        if lacks:
            del mapping[name]
    return mapping


def resemblance(family, checkpoint):
    """How like a family a checkpoint is: its variables there, less those its block lacks."""
    checkpoints = [
        checkpoint,
        *(to_google_names(checkpoint, d) for d in family.checkpoint_spec.readable_dialects),
    ]
    score = 0
    for layer, names in expand_blocks(family.checkpoint_spec.weights, 1).items():
        for name in names:
            held = any(name in one for one in checkpoints)
            score += held or -("Transformer" in layer)  # a head or a mapping may well be lacking
    return score


def slots(transformer, mapping):
    """Each layer of a mapping that is in the model, its weights and their variables."""
    for name, variables in mapping.items():
        layer = transformer.layers.get(transformer.prefixed(name))
        if layer is not None:
            weights = layer.weights
            if isinstance(layer, ScaleOffset) and layer.conditional:
                weights = weights[: len(variables)]  # the maps of the condition begin at zero
            yield layer, weights, variables


def fit(transformer, layer, index, array):
    """An array in float32, at the width of the weight if it may be resized."""
    array = np.asarray(array).astype("float32", copy=False)
    count, shape = len(layer.weights), tuple(layer.weights[index].shape)
    if array.shape == shape or not transformer.autoresize_weights:
        return array
    if isinstance(layer, MultiHeadAttention):
        return resize_attention(array, shape, index, count)
    if isinstance(layer, FeedForward):
        return resize_feed_forward(array, shape, index, count, transformer.hidden_act)
    return orthogonally_resize(array, shape)


def keras_mapping(transformer, stored):
    """Layer name -> data sets of a ``*.weights.h5``, in the order of the layer's weights.

    Args:
        stored: what ``keras_layers`` tells of the file: layer name -> {place: data set}.
    """
    mapping = {}
    for name, layer in transformer.layers.items():
        if getattr(layer, "weights", None):
            found = stored.get(name, {})
            mapping[name.removeprefix(transformer.prefix)] = [
                found.get(place, f"{name}/{place}") for place in places(layer)
            ]
    return mapping


def keras2_mapping(transformer, stored):
    """Layer name -> data sets of a file of Keras 2, which have the order of the layer's weights.

    Args:
        stored: ``Keras2Checkpoint.flat``: layer name -> data sets.
    """
    return {
        name.removeprefix(transformer.prefix): stored.get(
            name, [f"{name}/{place}" for place in places(layer)]
        )
        for name, layer in transformer.layers.items()
        if getattr(layer, "weights", None)
    }


def places(layer):
    """Where Keras keeps each weight of a layer: its number behind the sub-layer it is in."""
    counts = {}
    for weight in layer.weights:
        inner = weight.path.removeprefix(f"{layer.path}/").rpartition("/")[0]
        counts[inner] = counts.get(inner, -1) + 1
        yield f"{inner}/{counts[inner]}".lstrip("/")


def tensors(transformer, mapping=None, dtype=None):
    """Names and arrays of all weights of a model, one at a time."""
    for _, weights, names in slots(transformer, mapping or transformer.written_mapping()):
        for weight, name in zip(weights, names, strict=True):
            yield name, transformer.create_variable(name, ops.convert_to_numpy(weight), dtype)


def write(transformer, filename, mapping=None, dtype=None):
    """Write weights in the format that the file's name asks for."""
    named = tensors(transformer, mapping, dtype)
    suffix = Path(filename).suffix
    if suffix == ".safetensors":
        dialect = transformer.checkpoint_spec.hugging_face
        write_safetensors(filename, named if dialect is None else to_foreign_names(named, dialect))
    elif suffix == ".h5":
        write_h5(filename, named)
    else:
        write_tf1(filename, named)


def write_folder(transformer, folder, dtype=None, tokenizer=None):
    """Write ``config.json``, ``model.safetensors`` and a tokenizer's vocabulary."""
    config, folder = transformer.hugging_face_config(), Path(folder)
    write(transformer, folder / "model.safetensors", dtype=dtype)
    if tokenizer is not None:
        tokenizer.save(folder)
    with atomic_write(folder / "config.json") as file:
        file.write(json.dumps(config, indent=2, ensure_ascii=False) + "\n")
