"""Pretraining data: seconds and memory to write and read a corpus, and ten times that corpus.

Without arguments it draws texts of random characters. Each size runs in a new process.
"""

import argparse
import resource
import time
from concurrent.futures import ProcessPoolExecutor
from itertools import chain, repeat
from multiprocessing import get_context
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from bert4keras.data import (
    MaskedLM,
    PretrainingDataset,
    ShardedDataset,
    find_text_files,
    pack_sequences,
    read_texts,
    write_shards,
)
from bert4keras.tokenizers import Tokenizer, load_vocab

SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
SIGNS = [chr(0x4E00 + number) for number in range(3000)] + ["。"] * 100


def make_texts(folder):
    """Write a vocabulary, and a file of 50,000 texts of 60 characters; return both paths."""
    tokens = dict.fromkeys(SPECIAL + SIGNS)
    Path(folder, "vocab.txt").write_text("\n".join(tokens), encoding="utf-8")
    draws = np.random.default_rng(0).choice(SIGNS, (50_000, 60))
    Path(folder, "texts.txt").write_text("\n".join(map("".join, draws)), encoding="utf-8")
    return f"{folder}/texts.txt", f"{folder}/vocab.txt"


def measure(data, vocab, times, workers):
    """Return MB of texts, rows, tokens/s written, rows/s read, and growth of memory in MB."""
    tokenizer = Tokenizer(load_vocab(vocab), do_lower_case=True)
    files, before = find_text_files(data), peak()
    texts = chain.from_iterable(map(read_texts, repeat(files, times)))
    with TemporaryDirectory() as folder:
        begin = time.perf_counter()
        write_shards(pack_sequences(texts, tokenizer, 128, workers=workers), folder, 256)
        write_end, shards = time.perf_counter(), ShardedDataset(folder)
        batches = PretrainingDataset(shards, MaskedLM(tokenizer), batch_size=64)
        token_count = sum(int((batches[n][1] > 0).sum()) for n in range(len(shards) // 64))
        read_end = time.perf_counter()
    size = times * sum(Path(file).stat().st_size for file in files) / 1e6
    return (
        size,
        len(shards),
        token_count / (write_end - begin),
        len(shards) / (read_end - write_end),
        peak() - before,
    )


def peak():
    """Return the peak memory of this process, in MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", help="pattern of text files, in quotes; default: random texts")
    parser.add_argument("--vocab", help="vocab.txt for these texts")
    parser.add_argument("--workers", type=int, default=0, help="number of processes that tokenize")
    args = parser.parse_args()
    print("| corpus | texts, MB | rows | tokens/s written | rows/s read | memory, MB |")
    print("|---|---:|---:|---:|---:|---:|")
    with TemporaryDirectory() as folder:
        data = (args.data, args.vocab) if args.data else make_texts(folder)
        for times in 1, 10:
            with ProcessPoolExecutor(1, get_context("spawn")) as process:
                figures = process.submit(measure, *data, times, args.workers).result()
            print(f"| {times}x | " + " | ".join(f"{x:,.0f}" for x in figures) + " |", flush=True)


if __name__ == "__main__":
    main()
