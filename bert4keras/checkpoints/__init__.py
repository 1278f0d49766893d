"""Checkpoints: tables of names, readers and writers of every format, dialects, and safe loading."""

from bert4keras.checkpoints.checkpoint import Checkpoint, CheckpointError
from bert4keras.checkpoints.dialects import Dialect, hugging_face, to_foreign_names, to_google_names
from bert4keras.checkpoints.fit import (
    deinterleave_rotary,
    interleave_rotary,
    keep_rows,
    orthogonally_resize,
    resize_attention,
    resize_feed_forward,
)
from bert4keras.checkpoints.hdf5 import check_hdf5, keras_layers
from bert4keras.checkpoints.keras2 import Keras2Checkpoint, is_keras2
from bert4keras.checkpoints.load import load_weights
from bert4keras.checkpoints.maps import attention, dense, expand_blocks, norm, renamed
from bert4keras.checkpoints.readers import open_checkpoint
from bert4keras.checkpoints.writers import write_h5, write_safetensors, write_tf1

__all__ = [
    "Checkpoint",
    "CheckpointError",
    "Dialect",
    "Keras2Checkpoint",
    "to_foreign_names",
    "attention",
    "check_hdf5",
    "deinterleave_rotary",
    "dense",
    "hugging_face",
    "interleave_rotary",
    "is_keras2",
    "keep_rows",
    "keras_layers",
    "load_weights",
    "norm",
    "open_checkpoint",
    "orthogonally_resize",
    "renamed",
    "resize_attention",
    "resize_feed_forward",
    "to_google_names",
    "write_h5",
    "write_safetensors",
    "write_tf1",
    "expand_blocks",
]
