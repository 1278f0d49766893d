"""What Keras and TensorFlow say of old ways of doing things: the report says it, if asked."""

import logging
import warnings

MESSAGES = (
    r"Layer '.*' \(of type .*\) was passed an input with a mask",  # as Keras 2 did without a word
    r"The structure of `inputs` doesn't match",
    r"Do not pass an `input_shape`/`input_dim` argument",
    r"`shuffle=True` was passed",
    r"Your `PyDataset` class should call",
    r"`build\(\)` was called on layer",
    r"Argument `decay` is no longer supported",
    r"You are saving your model as an HDF5 file",
)


def hush():
    """Ignore those messages, and TensorFlow's advice on compiling."""
    for message in MESSAGES:
        warnings.filterwarnings("ignore", message)
    logging.getLogger("tensorflow").setLevel(logging.ERROR)
