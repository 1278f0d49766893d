"""Precision: seconds of a training step in float32 and in mixed bfloat16, in turns.

It trains a classifier on a BERT of random weights, on the current backend. bfloat16 is faster only
on processors with instructions for its matrix products (AVX-512 BF16, AMX, a GPU).
"""

import argparse
import statistics
import time

import numpy as np

SIZES = {
    "small": {"hidden_size": 384, "num_hidden_layers": 12, "intermediate_size": 1536},
    "base": {"hidden_size": 768, "num_hidden_layers": 12, "intermediate_size": 3072},
}
SHARED_CONFIG = {"vocab_size": 21128, "num_attention_heads": 12, "hidden_act": "gelu"}


def classifier(size, policy):
    """Build and compile a model with two classes."""
    from bert4keras.backend import keras
    from bert4keras.layers import Dense, FirstToken
    from bert4keras.models import build_transformer_model

    keras.config.set_dtype_policy(policy)
    bert = build_transformer_model({**SHARED_CONFIG, **SIZES[size], "max_position_embeddings": 512})
    scores = Dense(2, activation="softmax", dtype="float32")(FirstToken()(bert.output))
    model = keras.Model(bert.inputs, scores)
    model.compile("adam", "sparse_categorical_crossentropy")
    return model


def step_seconds(model, batch):
    begin = time.perf_counter()
    model.train_on_batch(*batch)  # returns the loss, so the step has ended
    return time.perf_counter() - begin


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--size", default="small", choices=SIZES, help="default %(default)s")
    parser.add_argument(
        "--batch", type=int, default=16, help="rows of a batch, default %(default)s"
    )
    parser.add_argument(
        "--length", type=int, default=128, help="tokens of a row, default %(default)s"
    )
    parser.add_argument(
        "--rounds", type=int, default=8, help="measured pairs of steps, default %(default)s"
    )
    args = parser.parse_args()
    draw = np.random.default_rng(0)
    ids = draw.integers(1000, 20000, (args.batch, args.length))
    batch = ([ids, ids * 0], draw.integers(0, 2, args.batch))
    models = {policy: classifier(args.size, policy) for policy in ("float32", "mixed_bfloat16")}
    for model in models.values():  # compile, and warm up
        step_seconds(model, batch), step_seconds(model, batch)
    pairs = [[step_seconds(m, batch) for m in models.values()] for _ in range(args.rounds)]
    single, half = (statistics.median(times) for times in zip(*pairs))
    faster = statistics.median(a / b for a, b in pairs)
    print("| model | rows x tokens | float32, s | bfloat16, s | times as fast, median of pairs |")
    print("|---|---:|---:|---:|---:|")
    job = f"{args.size} | {args.batch} x {args.length}"
    print(f"| {job} | {single:.2f} | {half:.2f} | {faster:.2f} |")


if __name__ == "__main__":
    main()
