"""Data on its way to a model: files, samples in parallel, padding, batches, streams."""

from bert4keras.data.batches import sequence_padding, softmax, to_array, truncate_sequences
from bert4keras.data.corpus import pack_sequences, read_texts, text_files
from bert4keras.data.datasets import samples_dataset
from bert4keras.data.files import load_json_lines, open
from bert4keras.data.generators import DataGenerator
from bert4keras.data.objectives import CausalLM, MaskedLM, PrefixLM
from bert4keras.data.parallel import parallel_apply, parallel_apply_generator
from bert4keras.data.pretraining import PretrainingBatches
from bert4keras.data.shards import Shards, write_shards
from bert4keras.data.stream import Stream, as_batch
from bert4keras.files import atomic_write

__all__ = [
    "DataGenerator",
    "MaskedLM",
    "CausalLM",
    "PretrainingBatches",
    "Shards",
    "PrefixLM",
    "Stream",
    "as_batch",
    "atomic_write",
    "load_json_lines",
    "open",
    "pack_sequences",
    "parallel_apply",
    "parallel_apply_generator",
    "read_texts",
    "samples_dataset",
    "sequence_padding",
    "softmax",
    "text_files",
    "to_array",
    "truncate_sequences",
    "write_shards",
]
