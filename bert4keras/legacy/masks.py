"""Masks of layers, and the layer ``Sequence-Mask`` of the first releases."""

import keras
from keras import ops
from keras.src.backend.common.masking import get_keras_mask

from bert4keras.legacy.layers import get_output_at
from bert4keras.legacy.report import met


def _masks(tensors):
    return keras.tree.map_structure(get_keras_mask, tensors)


def output_mask(self):
    """layer.output_mask."""
    met("output_mask")
    return _masks(self.output)


def input_mask(self):
    """layer.input_mask."""
    met("output_mask")
    return _masks(self.input)


def get_output_mask_at(self, index):
    """The mask of what the layer gave when it was called for the index-th time."""
    met("output_mask")
    return _masks(get_output_at(self, index))


class SequenceMask:
    """The layer of that name in releases up to 0.5: 1 for tokens, 0 for padding.

    Args:
        model: whose first inputs are ids.
    """

    name = "Sequence-Mask"

    def __init__(self, model):
        self.output = ops.cast(ops.greater(model.inputs[0], 0), "float32")
        self.output_mask = self.output


def get_layer(old, self, name=None, index=None):
    """A layer by its name, or the mask of sequences, which was one."""
    names = {layer.name for layer in self.layers}
    if name == SequenceMask.name and name not in names:
        met("output_mask")
        return SequenceMask(self)
    return old(self, name, index)
