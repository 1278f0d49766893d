"""Data for a model: files, parallel work, padding, generators of batches, pretraining corpora."""

from bert4keras.data.captions import load_captions
from bert4keras.data.classification import load_clue, load_table
from bert4keras.data.corpus import find_text_files, pack_sequences, read_texts
from bert4keras.data.entities import load_cluener, load_conll, load_words
from bert4keras.data.generators import DataGenerator
from bert4keras.data.lines import load_json_lines, open
from bert4keras.data.math_problems import load_math_problems
from bert4keras.data.objectives import CausalLM, MaskedLM, PrefixLM
from bert4keras.data.padding import sequence_padding, softmax, to_array, truncate_sequences
from bert4keras.data.parallel import parallel_apply, parallel_apply_generator
from bert4keras.data.reading import load_squad, load_webqa
from bert4keras.data.shards import ShardedDataset, write_shards
from bert4keras.data.stream import BatchStream, PretrainingDataset
from bert4keras.data.tag_scheme import TagScheme
from bert4keras.data.triples import load_triples
from bert4keras.files import atomic_write

__all__ = [
    "BatchStream",
    "CausalLM",
    "DataGenerator",
    "MaskedLM",
    "PrefixLM",
    "PretrainingDataset",
    "ShardedDataset",
    "TagScheme",
    "atomic_write",
    "find_text_files",
    "load_captions",
    "load_clue",
    "load_cluener",
    "load_conll",
    "load_json_lines",
    "load_math_problems",
    "load_squad",
    "load_table",
    "load_triples",
    "load_webqa",
    "load_words",
    "open",
    "pack_sequences",
    "parallel_apply",
    "parallel_apply_generator",
    "read_texts",
    "sequence_padding",
    "softmax",
    "to_array",
    "truncate_sequences",
    "write_shards",
]
