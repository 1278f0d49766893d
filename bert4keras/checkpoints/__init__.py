"""Checkpoints: readers and writers of every format, names of variables, load plans."""

from bert4keras.checkpoints.checkpoint import Checkpoint, CheckpointError, MismatchError
from bert4keras.checkpoints.hdf5 import Keras3Checkpoint, LayerCheckpoint, check_hdf5
from bert4keras.checkpoints.keras2_hdf5 import (
    Keras2Checkpoint,
    is_keras2,
    load_keras2_weights,
    open_keras2,
)
from bert4keras.checkpoints.names import (
    Dialect,
    attention,
    dense,
    expand_blocks,
    hugging_face,
    norm,
    rename_variables,
    to_foreign_names,
    to_google_names,
)
from bert4keras.checkpoints.plan import LoadPlan
from bert4keras.checkpoints.readers import open_checkpoint
from bert4keras.checkpoints.resize import (
    deinterleave_rotary,
    interleave_rotary,
    keep_rows,
    orthogonally_resize,
    resize_attention,
    resize_feed_forward,
)
from bert4keras.checkpoints.writers import write_h5, write_safetensors, write_tf1

__all__ = [
    "Checkpoint",
    "CheckpointError",
    "Dialect",
    "Keras2Checkpoint",
    "Keras3Checkpoint",
    "LayerCheckpoint",
    "LoadPlan",
    "MismatchError",
    "attention",
    "check_hdf5",
    "deinterleave_rotary",
    "dense",
    "expand_blocks",
    "hugging_face",
    "interleave_rotary",
    "is_keras2",
    "keep_rows",
    "load_keras2_weights",
    "norm",
    "open_checkpoint",
    "open_keras2",
    "orthogonally_resize",
    "rename_variables",
    "resize_attention",
    "resize_feed_forward",
    "to_foreign_names",
    "to_google_names",
    "write_h5",
    "write_safetensors",
    "write_tf1",
]
