"""Pretraining data: seconds and memory to write and to read a corpus, and ten times that corpus.

Without arguments the texts are made up, characters drawn at random. Each size has a new process.
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
    PretrainingBatches,
    Shards,
    pack_sequences,
    read_texts,
    text_files,
    write_shards,
)
from bert4keras.tokenizers import Tokenizer, load_vocab

SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
SIGNS = [chr(0x4E00 + number) for number in range(3000)] + ["。"] * 100


def make_texts(folder):
    """A vocabulary, and a file of 50,000 texts of 60 characters."""
    tokens = dict.fromkeys(SPECIAL + SIGNS)
    Path(folder, "vocab.txt").write_text("\n".join(tokens), encoding="utf-8")
    draws = np.random.default_rng(0).choice(SIGNS, (50_000, 60))
    Path(folder, "texts.txt").write_text("\n".join(map("".join, draws)), encoding="utf-8")
    return f"{folder}/texts.txt", f"{folder}/vocab.txt"


def measure(data, vocab, times, workers):
    """Texts in MB, rows, tokens a second written and rows a second read, growth of memory in MB."""
    tokenizer = Tokenizer(load_vocab(vocab), do_lower_case=True)
    files, before = text_files(data), peak()
    texts = chain.from_iterable(map(read_texts, repeat(files, times)))
    with TemporaryDirectory() as folder:
        begin = time.perf_counter()
        write_shards(pack_sequences(texts, tokenizer, 128, workers=workers), folder, 256)
        written, shards = time.perf_counter(), Shards(folder)
        batches = PretrainingBatches(shards, MaskedLM(tokenizer), batch_size=64)
        real = sum(int((batches[n][1] > 0).sum()) for n in range(len(shards) // 64))
        read = time.perf_counter()
    size = times * sum(Path(file).stat().st_size for file in files) / 1e6
    return (
        size,
        len(shards),
        real / (written - begin),
        len(shards) / (read - written),
        peak() - before,
    )


def peak():
    """The most memory that this process has had, in MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", help="text files, a pattern in quotes; default: made up")
    parser.add_argument("--vocab", help="vocab.txt for them")
    parser.add_argument("--workers", type=int, default=0, help="processes that tokenize")
    args = parser.parse_args()
    print("| corpus | texts, MB | rows | tokens/s written | rows/s read | memory, MB |")
    print("|---|---:|---:|---:|---:|---:|")
    with TemporaryDirectory() as made:
        data = (args.data, args.vocab) if args.data else make_texts(made)
        for times in 1, 10:
            with ProcessPoolExecutor(1, get_context("spawn")) as process:
                found = process.submit(measure, *data, times, args.workers).result()
            print(f"| {times}x | " + " | ".join(f"{x:,.0f}" for x in found) + " |", flush=True)


if __name__ == "__main__":
    main()
