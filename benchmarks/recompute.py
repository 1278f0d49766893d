"""Gradient checkpointing: memory and seconds of a training step with it and without.

Each run is a new process, which returns freed memory at once (glibc's malloc). The figure is the
growth of its peak memory from the built model to the end of the steps.
"""

import argparse
import os
import resource
import statistics
import subprocess
import sys
import time

CONFIG = {
    "vocab_size": 1000,
    "hidden_size": 256,
    "num_hidden_layers": 6,
    "num_attention_heads": 4,
    "intermediate_size": 1024,
    "hidden_act": "gelu",
    "hidden_dropout_prob": 0.1,
    "attention_probs_dropout_prob": 0.1,
    "max_position_embeddings": 512,
}
BATCH, LENGTH, STEPS = 4, 512, 3


def measure(recompute):
    """Print the growth of peak memory in MB, and the median seconds of a step after the first."""
    import keras
    import numpy as np

    from bert4keras.models import build_transformer_model

    model = build_transformer_model(CONFIG, with_mlm="linear", recompute=recompute)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    is_eager = keras.backend.backend() == "torch"  # else torch.compile would be measured
    model.compile("sgd", loss, jit_compile=False if is_eager else "auto")
    ids = np.random.default_rng(0).integers(1, 1000, (BATCH, LENGTH), dtype="int32")
    before, times = peak(), []
    for _ in range(STEPS):
        start = time.perf_counter()
        model.train_on_batch([ids, 0 * ids], ids)
        times.append(time.perf_counter() - start)
    print(peak() - before, statistics.median(times[1:]))


def peak():
    """Return the peak memory of this process in MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def measure_in_new_process(backend, recompute):
    """Return the two numbers that ``measure`` prints, on a backend."""
    process = subprocess.run(
        [sys.executable, __file__, "--measure", str(int(recompute))],
        env={**os.environ, "KERAS_BACKEND": backend, "MALLOC_MMAP_THRESHOLD_": "500000"},
        check=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    return [float(x) for x in process.stdout.split()[-2:]]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--backends", nargs="+", default=["tensorflow", "jax", "torch"])
    parser.add_argument("--measure", type=int, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.measure is not None:
        return measure(bool(args.measure))
    print(
        f"{BATCH} rows of {LENGTH} tokens, 6 blocks of 256 features, 4 heads, dropout 0.1, float32."
    )
    print("\n| backend | MB without | MB with | ratio | s a step without | s with | ratio |")
    print("|---|---:|---:|---:|---:|---:|---:|")
    for backend in args.backends:
        plain, remat = (measure_in_new_process(backend, on) for on in (False, True))
        cells = [f"{a:.{n}f} | {b:.{n}f} | {b / a:.2f}" for a, b, n in zip(plain, remat, (0, 2))]
        print(f"| {backend} | {cells[0]} | {cells[1]} |")


if __name__ == "__main__":
    main()
