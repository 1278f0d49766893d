"""Pipelines: texts a second next to sentence-transformers and transformers.pipeline.

All engines open one folder, each in a process of its own, and take turns at the same texts. Needs
the `bench` extra and sentence-transformers.
"""

import argparse
import os
import resource
import statistics
import time
from multiprocessing import get_context
from pathlib import Path
from tempfile import TemporaryDirectory

ENGINES = {  # name -> (task, function that opens a folder, arguments)
    "SentenceEncoder": ("vectors", "open_encoder", {}),
    "sentence-transformers, batches of 32": ("vectors", "open_peer_encoder", {"batch_size": 32}),
    "sentence-transformers, batches of 8": ("vectors", "open_peer_encoder", {"batch_size": 8}),
    "TextClassifier": ("labels", "open_classifier", {}),
    "transformers.pipeline, batches of 1": ("labels", "open_peer_classifier", {"batch_size": 1}),
    "transformers.pipeline, batches of 8": ("labels", "open_peer_classifier", {"batch_size": 8}),
    "transformers.pipeline, batches of 32": ("labels", "open_peer_classifier", {"batch_size": 32}),
}
LABELS = ["negative", "positive"]


def read_texts(folder, count):
    """Read the first texts of files of lines, each a text, a tab and a label."""
    texts = []
    for path in sorted(Path(folder).glob("*train*")):
        with open(path, encoding="utf-8") as file:
            lines = (line.rpartition("\t")[0].strip() for line in file)
            texts += filter(None, lines)
    return texts[:count]


def make_folders(source, vocabulary, folder, maxlen):
    """Write a folder with an encoder and one with a classifier that have the same weights."""
    import numpy as np

    from bert4keras.models import build_transformer_model
    from bert4keras.pipelines import SentenceEncoder
    from bert4keras.tokenizers import Tokenizer

    tokenizer = Tokenizer(vocabulary, do_lower_case=True)
    transformer = build_transformer_model(source, return_keras_model=False)
    encoder = SentenceEncoder(transformer, tokenizer, "mean", normalize=True, maxlen=maxlen)
    encoder.save_sentence_transformers(folder / "vectors")
    import torch
    from transformers import BertForSequenceClassification

    torch.manual_seed(0)
    peer = BertForSequenceClassification.from_pretrained(folder / "vectors")
    peer.config.id2label = dict(enumerate(LABELS))
    peer.config.label2id = {label: i for i, label in enumerate(LABELS)}
    peer.save_pretrained(folder / "labels")
    tokenizer.save(folder / "labels")
    head = [x.detach().numpy() for x in (peer.classifier.weight.T, peer.classifier.bias)]
    np.savez(folder / "head.npz", *head)


def open_encoder(folder, maxlen, batch_tokens, buffer_size):
    from bert4keras.pipelines import load_pipeline

    encode = load_pipeline(folder / "vectors")
    options = {"truncate": True, "batch_tokens": batch_tokens, "buffer_size": buffer_size}
    return lambda texts: encode(texts, **options), encode


def open_classifier(folder, maxlen, batch_tokens, buffer_size):
    import keras
    import numpy as np

    from bert4keras.models import build_transformer_model
    from bert4keras.pipelines import TextClassifier
    from bert4keras.tokenizers import load_tokenizer

    model = build_transformer_model(folder / "labels", with_pool=True)
    output = keras.layers.Dense(len(LABELS))(model.output)
    model = keras.Model(model.inputs, output)
    model.layers[-1].set_weights([*np.load(folder / "head.npz").values()])
    tokenizer = load_tokenizer(folder / "labels")
    classify = TextClassifier(model, tokenizer, LABELS, from_logits=True, maxlen=maxlen)
    options = {"truncate": True, "batch_tokens": batch_tokens, "buffer_size": buffer_size}
    return lambda texts: [x["score"] for x in classify(texts, **options)], classify


def open_peer_encoder(folder, maxlen, batch_size):
    from sentence_transformers import SentenceTransformer

    model = SentenceTransformer(str(folder / "vectors"), device="cpu")
    return lambda texts: model.encode(texts, batch_size=batch_size), None


def open_peer_classifier(folder, maxlen, batch_size):
    from transformers import pipeline

    classify = pipeline("text-classification", str(folder / "labels"), device="cpu")
    options = {"batch_size": batch_size, "truncation": True, "max_length": maxlen}
    return lambda texts: [x["score"] for x in classify(texts, **options)], None


def serve(pipe, name, folder, args, options):
    """Compute the texts that come through a pipe; return results, seconds, user time, memory."""
    limit_threads(args.threads, args.backend)
    _, opener, settings = ENGINES[name]
    if settings == {}:
        settings = {"batch_tokens": args.batch_tokens, "buffer_size": args.buffer_size}
    run, _ = globals()[opener](folder, args.maxlen, **settings)
    run(options)
    base = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    pipe.send(None)
    while (texts := pipe.recv()) is not None:
        start, user = time.perf_counter(), count_cpu_seconds()
        results = run(texts)
        seconds, user = time.perf_counter() - start, count_cpu_seconds() - user
        memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - base
        pipe.send((results, seconds, user, memory / 1024))


def count_cpu_seconds():
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


def limit_threads(count, backend):
    """Give torch and TensorFlow the same number of threads."""
    if backend == "tensorflow":
        import tensorflow as tf

        tf.config.threading.set_intra_op_parallelism_threads(count)
    import torch

    torch.set_num_threads(count)


class Engine:
    """An engine in a process of its own."""

    def __init__(self, name, folder, args, warm_texts):
        context = get_context("spawn")
        self.name = name
        self.pipe, pipe = context.Pipe()
        arguments = (pipe, name, folder, args, warm_texts)
        self.process = context.Process(target=serve, args=arguments, daemon=True)
        self.process.start()
        self.pipe.recv()

    def run(self, texts):
        """Return results, seconds, user time, and growth of peak memory in MB."""
        self.pipe.send(texts)
        return self.pipe.recv()

    def close(self):
        self.pipe.send(None)
        self.process.join()


def compare(task, texts, folder, args):
    """Run all engines of a task in turns, and print their table."""
    import numpy as np

    names = [name for name, engine in ENGINES.items() if engine[0] == task]
    names = [x for x in names if args.peers or ENGINES[x][1].startswith("open_peer") is False]
    engines = [Engine(name, folder, args, texts[: args.turn]) for name in names]
    turns = [texts[i : i + args.turn] for i in range(0, len(texts), args.turn)]
    rows = {name: [] for name in names}
    differences = dict.fromkeys(names, 0.0)
    for number, turn in enumerate(turns):
        order = engines if number % 2 == 0 else engines[::-1]
        results = {}
        for engine in order:
            results[engine.name], *figures = engine.run(turn)
            rows[engine.name].append((len(turn) / figures[0], len(turn) / figures[1]))
        for name in names:
            gap = np.abs(np.array(results[name]) - np.array(results[names[0]])).max()
            differences[name] = max(differences[name], float(gap))
    for engine in engines:
        engine.close()
    print(f"\n| {task} of {len(texts)} texts | texts/s | texts/s of CPU time | ours to theirs, "
          "median | least | greatest | by CPU time | difference |")  # fmt: skip
    print("|---|" + "---:|" * 7)
    for name in names:
        speed, cpu = (statistics.median(x) for x in zip(*rows[name]))
        ratios, cpu_ratios = ([a[i] / b[i] for a, b in zip(rows[names[0]], rows[name])]
                              for i in (0, 1))  # fmt: skip
        print(f"| {name} | {speed:.1f} | {cpu:.1f} | {statistics.median(ratios):.2f} | "
              f"{min(ratios):.2f} | {max(ratios):.2f} | {statistics.median(cpu_ratios):.2f} | "
              f"{differences[name]:.0e} |", flush=True)  # fmt: skip


def measure_memory(texts, folder, args):
    """Print the growth of peak memory for a part of the texts and for all of them."""
    print("\n| peak memory beyond the first texts, MB | 1/8 of the texts | all texts |")
    print("|---|---:|---:|")
    for name in ("SentenceEncoder", "TextClassifier"):
        engine = Engine(name, folder, args, texts[:64])
        figures = [engine.run(x)[-1] for x in (texts[: len(texts) // 8], texts)]
        engine.close()
        print(f"| {name} | {figures[0]:.0f} | {figures[1]:.0f} |", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", help="folder with files of lines: a text, a tab, a label")
    parser.add_argument("--model", required=True, help="folder of a BERT encoder")
    parser.add_argument("--vocab", help="its vocab.txt; by default that in the folder")
    parser.add_argument("--texts", type=int, default=16883)
    parser.add_argument("--turn", type=int, default=512, help="texts of a turn")
    parser.add_argument("--maxlen", type=int, default=512)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--tasks", nargs="+", default=["vectors", "labels", "memory"])
    parser.add_argument("--backend", default=os.environ.get("KERAS_BACKEND", "tensorflow"))
    parser.add_argument("--batch_tokens", type=int, default=1024)
    parser.add_argument("--buffer_size", type=int, default=1024)
    parser.add_argument("--no-peers", dest="peers", action="store_false")
    args = parser.parse_args()
    os.environ["KERAS_BACKEND"] = args.backend
    os.environ["OMP_NUM_THREADS"] = str(args.threads)
    os.environ["TOKENIZERS_PARALLELISM"] = "false"
    texts = read_texts(args.data, args.texts)
    vocabulary = args.vocab or str(Path(args.model, "vocab.txt"))
    with TemporaryDirectory() as temporary:
        folder = Path(temporary)
        context = get_context("spawn")
        arguments = (args.model, vocabulary, folder, args.maxlen)
        process = context.Process(target=make_folders, args=arguments)
        process.start()
        process.join()
        for task in args.tasks:
            if task == "memory":
                measure_memory(texts, folder, args)
            else:
                compare(task, texts, folder, args)


if __name__ == "__main__":
    main()
