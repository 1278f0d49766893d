"""Loading: seconds and memory from a folder of BERT to its first output, next to transformers.

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


def load_bert4keras(folder):
    """Measure this library."""
    from bert4keras.models import build_transformer_model

    def run(model):
        return model([IDS, np.zeros_like(IDS)])

    return measure(lambda: build_transformer_model(folder, with_pool=True), run)


def load_transformers(folder):
    """Measure transformers on PyTorch."""
    import torch
    from transformers import BertModel

    def run(model):
        with torch.no_grad():
            return model(torch.tensor(IDS))

    return measure(lambda: BertModel.from_pretrained(folder), run)


def measure(load, run):
    """Measure seconds of loading, of the first output, of both; growth of peak memory in MB."""
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    start = time.perf_counter()
    model = load()
    load_end = time.perf_counter()
    run(model)
    end = time.perf_counter()
    growth = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - memory
    return load_end - start, end - load_end, end - start, growth / 1024


def in_new_process(function, folder):
    """Call a function in a new process and return its result."""
    with ProcessPoolExecutor(1, get_context("spawn")) as process:
        return process.submit(function, folder).result()


def row(name, forms, values):
    """Print one line of the table."""
    print(f"| {name} | {' | '.join(form.format(x) for form, x in zip(forms, values))} |")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--folder", help="a folder of BERT as transformers saves it; default: made")
    parser.add_argument("--pairs", type=int, default=5)
    args = parser.parse_args()
    with TemporaryDirectory() as temporary:
        folder = args.folder or temporary
        if not args.folder:
            in_new_process(make_folder, temporary)
        pairs = [
            (in_new_process(load_bert4keras, folder), in_new_process(load_transformers, folder))
            for _ in range(args.pairs)
        ]
    library, peer = ([statistics.median(x) for x in zip(*runs)] for runs in zip(*pairs))
    ratios = [[h / t for h, t in zip(*pair)] for pair in pairs]
    print(f"| medians of {args.pairs} pairs | {' | '.join(COLUMNS)} |")
    print("|---|" + "---:|" * len(COLUMNS))
    row("bert4keras", COLUMNS.values(), library)
    row("transformers", COLUMNS.values(), peer)
    for name, choose in ("median", statistics.median), ("least", min), ("greatest", max):
        row(f"ratio in a pair, {name}", ["{:.2f}"] * len(COLUMNS), map(choose, zip(*ratios)))


if __name__ == "__main__":
    main()
