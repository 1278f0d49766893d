"""Loading: seconds and memory from a folder of BERT to its first output, beside transformers.

Both open the same folder in turns, each time in a new process; importing the libraries is not
counted. Needs the `bench` extra.
"""

import argparse
import resource
import statistics
import time
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from tempfile import TemporaryDirectory

import numpy as np

BERT_BASE = {
    "vocab_size": 21128,
    "hidden_size": 768,
    "num_hidden_layers": 12,
    "num_attention_heads": 12,
    "intermediate_size": 3072,
    "hidden_act": "gelu",
}
IDS = np.arange(101, 133).reshape(1, 32)  # one row of 32 tokens
COLUMNS = {
    "load, s": "{:.2f}",
    "first output, s": "{:.2f}",
    "both, s": "{:.2f}",
    "memory, MB": "{:.0f}",
}


def make_folder(folder):
    """Write a BERT base with random weights."""
    from bert4keras.models import build_transformer_model

    options = {"with_pool": True, "return_keras_model": False}
    build_transformer_model(BERT_BASE, **options).save_pretrained(folder)


def load_here(folder):
    """Figures of this library."""
    from bert4keras.models import build_transformer_model

    def run(model):
        return model([IDS, np.zeros_like(IDS)])

    return figures(lambda: build_transformer_model(folder, with_pool=True), run)


def load_there(folder):
    """Figures of transformers on PyTorch."""
    import torch
    from transformers import BertModel

    def run(model):
        with torch.no_grad():
            return model(torch.tensor(IDS))

    return figures(lambda: BertModel.from_pretrained(folder), run)


def figures(load, run):
    """Seconds of loading, of the first output, of both; growth of the peak memory in MB."""
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    begin = time.perf_counter()
    model = load()
    loaded = time.perf_counter()
    run(model)
    end = time.perf_counter()
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - memory
    return loaded - begin, end - loaded, end - begin, grown / 1024


def in_new_process(function, folder):
    """What a function returns in a process of its own."""
    with ProcessPoolExecutor(1, get_context("spawn")) as process:
        return process.submit(function, folder).result()


def row(name, forms, values):
    """One line of the table."""
    print(f"| {name} | {' | '.join(form.format(x) for form, x in zip(forms, values))} |")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--folder", help="a folder of BERT as transformers saves it; default: made")
    parser.add_argument("--pairs", type=int, default=5)
    args = parser.parse_args()
    with TemporaryDirectory() as made:
        folder = args.folder or made
        if not args.folder:
            in_new_process(make_folder, made)
        pairs = [
            (in_new_process(load_here, folder), in_new_process(load_there, folder))
            for _ in range(args.pairs)
        ]
    here, there = ([statistics.median(x) for x in zip(*runs)] for runs in zip(*pairs))
    ratios = [[h / t for h, t in zip(*pair)] for pair in pairs]
    print(f"| medians of {args.pairs} pairs | {' | '.join(COLUMNS)} |")
    print("|---|" + "---:|" * len(COLUMNS))
    row("bert4keras", COLUMNS.values(), here)
    row("transformers", COLUMNS.values(), there)
    for name, choose in ("median", statistics.median), ("least", min), ("greatest", max):
        row(f"ratio in a pair, {name}", ["{:.2f}"] * len(COLUMNS), map(choose, zip(*ratios)))


if __name__ == "__main__":
    main()
