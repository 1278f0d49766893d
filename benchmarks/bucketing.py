"""Batches by length: computed tokens per real token, with padding to the longest row of a batch.

It reads a file with one text a line, and ignores what follows a tab. Tokens are characters, plus
``[CLS]`` and ``[SEP]``.
"""

import argparse

from bert4keras.data import DataGenerator


class Lengths(DataGenerator):
    """Yields the lengths of a batch's rows."""

    def __iter__(self, random=False):
        batch = []
        for is_end, length in self.sample(random):
            batch.append(length)
            if len(batch) == self.batch_size or is_end:
                yield batch
                batch = []


class Rows(DataGenerator):
    """Yields rows of ones, which ``tf.data`` batches."""

    def __iter__(self, random=False):
        return ([1] * length for _, length in self.sample(random))


def count_by_generator(lengths, batch_size, **options):
    """Count the tokens of an epoch in batches of the generator."""
    batches = Lengths(lengths, batch_size, seed=0, **options).__iter__(random=True)
    return sum(len(batch) * max(batch) for batch in batches)


def count_by_dataset(lengths, batch_size, **options):
    """Count the tokens of the second epoch in batches of ``tf.data``."""
    rows = Rows(lengths, batch_size, seed=0, **options)
    dataset = rows.to_dataset("int8", [None], padded_batch=True)
    second = dataset.skip(len(rows)).take(len(rows))
    return sum(batch.size for batch in second.as_numpy_iterator())


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("file", help="one text a line; a tab ends the text")
    parser.add_argument("--maxlen", type=int, nargs="+", default=[128, 512], help="longest row")
    parser.add_argument(
        "--batch_size", type=int, nargs="+", default=[16, 64], help="rows of a batch"
    )
    args = parser.parse_args()
    with open(args.file, encoding="utf-8") as file:
        texts = [line.rpartition("\t")[0] or line.strip() for line in file]
    print("| maxlen | batch | generator | by length | tf.data | by length |")
    print("|---:|---:|---:|---:|---:|---:|")
    for maxlen in args.maxlen:
        lengths = [min(len(text) + 2, maxlen) for text in texts]
        for size in args.batch_size:
            tokens = [
                count(lengths, size, **options)
                for count in (count_by_generator, count_by_dataset)
                for options in ({}, {"length_func": int})
            ]
            ratios = " | ".join(f"{x / sum(lengths):.3f}" for x in tokens)
            print(f"| {maxlen} | {size} | {ratios} |")


if __name__ == "__main__":
    main()
