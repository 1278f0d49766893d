"""The inherited face of small helpers: text, batches, files, parallel work."""

from bert4keras.arguments import delete_arguments, insert_arguments, is_one_of
from bert4keras.backend import K, keras, np, tf
from bert4keras.checkpoints import orthogonally_resize
from bert4keras.data import (
    DataGenerator,
    open,
    parallel_apply,
    parallel_apply_generator,
    sequence_padding,
    softmax,
    to_array,
    truncate_sequences,
)
from bert4keras.generation import AutoRegressiveDecoder
from bert4keras.layers import ViterbiDecoder
from bert4keras.serving import WebServing
from bert4keras.text import (
    convert_to_str,
    convert_to_unicode,
    is_string,
    longest_common_subsequence,
    longest_common_substring,
    lowercase_and_normalize,
    string_matching,
    strQ2B,
    text_segmentate,
)

uniout = None  # scripts import it to see Chinese printed on Python 2; Python 3 prints it anyway

__all__ = [
    "AutoRegressiveDecoder",
    "DataGenerator",
    "K",
    "ViterbiDecoder",
    "WebServing",
    "convert_to_str",
    "convert_to_unicode",
    "delete_arguments",
    "insert_arguments",
    "is_one_of",
    "is_string",
    "keras",
    "longest_common_subsequence",
    "longest_common_substring",
    "lowercase_and_normalize",
    "np",
    "open",
    "orthogonally_resize",
    "parallel_apply",
    "parallel_apply_generator",
    "sequence_padding",
    "softmax",
    "strQ2B",
    "string_matching",
    "text_segmentate",
    "tf",
    "to_array",
    "truncate_sequences",
    "uniout",
]
