"""Damage small files of every format by chance, and read them; run as a process of its own.

``python fuzz.py GROUP FOLDER SEED`` prints a line of JSON for each case before and after it. A case
that takes too long ends the process, also in C code.
"""

import gzip
import json
import lzma
import os
import random
import shutil
import signal
import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from keras2_files import write_keras2
from torch_files import state, tensor, write_legacy, write_torch

SECONDS = 30  # for one case
NUMBERS = [
    0,
    1,
    0x7F,
    0xFF,
    0x7FFF,
    0xFFFF,
    1 << 31,
    (1 << 32) - 1,
    1 << 40,
    1 << 63,
    (1 << 64) - 1,
]
TEXTS = [b"NaN", b"1e999", b"null", b"-1", b"[" * 3000, b'{"a":' * 999, b'"', b"\xff\xfe", b"../"]
WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "今", "天", "the", "##s"]
TENSORS = {"a/kernel": np.arange(12, dtype="f4").reshape(3, 4), "a/bias": np.ones(4, "f4")}
LAYERS = {"dense": {"dense/kernel:0": np.ones((3, 2)), "dense/bias:0": np.ones(2)}}
CONFIG = {
    "vocab_size": len(WORDS),
    "hidden_size": 4,
    "num_hidden_layers": 1,
    "num_attention_heads": 2,
    "intermediate_size": 4,
    "hidden_act": "gelu",
    "max_position_embeddings": 8,
}


class Format(NamedTuple):
    """One format: how to write a file, how to read it, and how often to damage it."""

    file: str
    write: Callable[[Path], Any]
    read: Callable[[Path], Any]
    count: int = 100
    has_checksum: bool = False


def damage(data: bytes, draw: random.Random) -> bytes:
    """Change bytes by chance: bits, numbers, texts, runs of zeros; cut, remove, repeat, swap."""
    start = draw.randrange(len(data))
    length = draw.choice([1, 2, 4, 8, 16, 64, 512])
    head, part, tail = data[:start], data[start : start + length], data[start + length :]
    kind = draw.randrange(9)
    if kind == 0:
        return head + bytes([part[0] ^ 1 << draw.randrange(8)]) + part[1:] + tail
    if kind == 1:
        return head + draw.randbytes(min(len(part), 8)) + part[8:] + tail
    if kind == 2:
        width, order = draw.choice([1, 2, 4, 8]), draw.choice(["little", "big"])
        number = draw.choice([*NUMBERS, len(data), len(data) + 1]) & (1 << 8 * width) - 1
        return head + number.to_bytes(width, order) + data[start + width :]
    if kind == 3:
        return head + draw.choice([b"\0", b"\xff"]) * len(part) + tail
    if kind == 4:
        return head or data[:1]
    if kind == 5:
        return head + tail or data[:1]
    if kind == 6:
        return head + part + part + tail
    if kind == 7:
        return head + draw.choice(TEXTS) + draw.choice([part, b""]) + tail
    return tail + part + head


def open_all(path: Path) -> dict[str, Any]:
    from bert4keras.checkpoints import open_checkpoint

    with open_checkpoint(path) as checkpoint:
        arrays = {name: checkpoint[name] for name in checkpoint}
        return {"arrays": arrays, "layers": getattr(checkpoint, "layers", None)}


def checkpoint_formats() -> dict[str, Format]:
    from bert4keras.checkpoints import write_h5, write_safetensors

    def write_shards(path):
        index = path.with_name("model.safetensors.index.json")
        index.write_text(json.dumps({"weight_map": dict.fromkeys(TENSORS, "x.safetensors")}))
        write_safetensors(path.with_name("x.safetensors"), TENSORS)

    def write_keras3(path):
        import h5py

        with h5py.File(path, "w") as file:
            for layer in ("dense", "dense_1"):
                group = file.create_group(f"layers/{layer}/vars")
                group.attrs["name"] = layer
                group["0"], group["1"] = TENSORS.values()

    read = open_all
    return {
        "safetensors": Format("m.safetensors", lambda x: write_safetensors(x, TENSORS), read),
        "shard": Format("x.safetensors", write_shards, lambda x: open_all(x.parent)),
        "index": Format("model.safetensors.index.json", write_shards, read),
        "torch": Format(
            "m.bin",
            lambda x: write_torch(x, {"a": np.arange(4.0), "b": np.ones(3)}),
            read,
            300,
            True,
        ),
        "old torch": Format("m.bin", lambda x: write_legacy(x, state(tensor())), read, 150),
        "hdf5": Format("m.h5", lambda x: write_h5(x, TENSORS), read, 300),
        "keras 3": Format("m.weights.h5", write_keras3, read, 300),
        "keras 2": Format("m.h5", lambda x: write_keras2(x, LAYERS), read, 300),
        "keras 2 texts": Format("m.h5", lambda x: write_keras2(x, LAYERS, kind="O"), read, 300),
    }


def tensorflow_formats() -> dict[str, Format]:
    from bert4keras.checkpoints import write_tf1

    def write(path):
        write_tf1(path.with_name("m.ckpt"), TENSORS)

    def read(path):
        return open_all(path.with_name("m.ckpt"))

    return {
        "tensorflow index": Format("m.ckpt.index", write, read, 150, True),
        "tensorflow data": Format("m.ckpt.data-00000-of-00001", write, read, 60, True),
    }


def model_formats() -> dict[str, Format]:
    import keras

    from bert4keras.cli.convert import convert
    from bert4keras.models import build_transformer_model, load_keras2_model

    source = {"name": "in", "batch_input_shape": [None, 3], "dtype": "float32"}
    dense = {"name": "dense", "units": 2, "activation": "relu"}
    calls = [[["in", 0, 0, {}]]]
    layers = [
        {"class_name": "InputLayer", "name": "in", "config": source, "inbound_nodes": []},
        {"class_name": "Dense", "name": "dense", "config": dense, "inbound_nodes": calls},
    ]
    ends = {"input_layers": [["in", 0, 0]], "output_layers": [["dense", 0, 0]]}
    description = {"class_name": "Functional", "config": {"name": "m", "layers": layers, **ends}}

    def read_model(path):
        return load_keras2_model(path).get_weights()

    def write_keras(path):
        (path.parent / "config.json").write_text(json.dumps(CONFIG))
        build_transformer_model(CONFIG).save(path)

    def read_keras(path):
        convert(path, path.with_name("new.h5"), force=True)
        return open_all(path.with_name("new.h5"))

    def write_folder(path):
        bert = build_transformer_model(CONFIG, return_keras_model=False)
        bert.save_pretrained(path.parent)

    def read_folder(path):
        keras.backend.clear_session()
        return build_transformer_model(path.parent).get_weights()

    return {
        "keras 2 model": Format(
            "m.h5", lambda x: write_keras2(x, LAYERS, description), read_model, 60
        ),
        "keras": Format("m.keras", write_keras, read_keras, 40, True),
        "config": Format("config.json", write_folder, read_folder, 40),
        "folder": Format("model.safetensors", write_folder, read_folder, 30),
    }


def data_formats() -> dict[str, Format]:
    import keras

    from bert4keras import data
    from bert4keras.tokenizers import SpTokenizer, Tokenizer
    from bert4keras.training import BackupAndResume

    lines = [json.dumps({"text": f"今天{i}", "label": i}, ensure_ascii=False) for i in range(6)]
    text = "\n".join(lines).encode() + b"\n"
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(2)])
    model.compile("sgd", "mse")
    golden = Path(__file__).parent / "golden" / "tokenizers" / "tiny-unigram.model.xz"
    tokens = {word: i for i, word in enumerate(WORDS)}

    def write_shards(path):
        rows = [(np.array([2, i, 3]), np.zeros(3, bool)) for i in range(5, 9)]
        data.write_shards(rows, path.parent, rows_per_shard=2)
        if path.suffix == ".safetensors":
            shutil.copy(sorted(path.parent.glob("*.safetensors"))[0], path)

    def read_shards(path):
        dataset = data.ShardedDataset(path.parent)
        return dataset.read_rows(0, 2 * len(dataset)), dataset.metadata

    def read_offsets(path):
        with data.open(path.with_name("text.txt"), indexable=path) as file:
            return [file[i] for i in range(len(file))]

    def write_offsets(path):
        path.with_name("text.txt").write_bytes(text)
        read_offsets(path)

    def restore(path):
        return BackupAndResume(path).restore(model), model.get_weights()

    def write_backup(path):
        model.fit(np.ones((2, 2)), np.ones((2, 2)), verbose=0, callbacks=[BackupAndResume(path)])

    def read_texts(path):
        return list(data.read_texts([path]))

    def write_text(path):
        path.write_bytes(text)

    return {
        "shards": Format("index.json", write_shards, read_shards),
        "backup": Format("run.npz", write_backup, restore, 60, True),
        "lines": Format("lines.json", write_text, data.load_json_lines),
        "offsets": Format("offsets.json", write_offsets, read_offsets),
        "gzip": Format(
            "t.txt.gz", lambda x: x.write_bytes(gzip.compress(text)), read_texts, 100, True
        ),
        "text": Format("t.txt", write_text, read_texts),
        "vocabulary": Format(
            "vocab.txt",
            lambda x: Tokenizer(tokens).save(x.parent),
            lambda x: Tokenizer(x).encode("今天 thes"),
        ),
        "sentencepiece": Format(
            "s.model",
            lambda x: x.write_bytes(lzma.decompress(golden.read_bytes())),
            lambda x: SpTokenizer(x).encode("今天"),
            30,
        ),
    }


GROUPS = {
    "checkpoints": checkpoint_formats,
    "tensorflow": tensorflow_formats,
    "models": model_formats,
    "data": data_formats,
}


def freeze(value: Any) -> Any:
    """Return a value that can be compared, with arrays as their types and bytes."""
    if isinstance(value, dict):
        return {key: freeze(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [freeze(item) for item in value]
    if hasattr(value, "dtype"):
        array = np.asarray(value)
        return str(array.dtype), array.shape, array.tobytes()
    return repr(value)


def fault_of(error: BaseException, path: Path) -> str | None:
    """Describe what is wrong with an error; None if it is one of ours that names the file."""
    kind = type(error)
    is_ours = kind.__module__ == "builtins" or kind.__module__.startswith("bert4keras")
    is_bare = isinstance(error, MemoryError | RecursionError | UnicodeError | json.JSONDecodeError)
    is_known = isinstance(error, ValueError | OSError | TypeError | NotImplementedError)
    names = [path.name, str(path.parent), path.name.split(".index")[0]]
    if is_ours and is_known and not is_bare and any(name in str(error) for name in names):
        return None
    return f"{kind.__name__}: {str(error)[:300]}"


def run(name: str, form: Format, folder: Path, seed: str) -> None:
    """Damage and read the file of one format, and print what happened."""
    folder.mkdir(parents=True)
    path = folder / form.file
    form.write(path)
    original = path.read_bytes()
    expected = freeze(form.read(path))
    for number in range(form.count):
        data = damage(original, random.Random(f"{seed} {name} {number}"))
        path.write_bytes(data)
        print(json.dumps({"format": name, "number": number}), flush=True)
        signal.alarm(SECONDS)
        try:
            is_equal = freeze(form.read(path)) == expected
            fault = "other contents" if form.has_checksum and not is_equal else None
        except Exception as error:
            fault = fault_of(error, path)
        signal.alarm(0)
        if fault:
            print(json.dumps({"format": name, "number": number, "fault": fault}), flush=True)


if __name__ == "__main__":
    os.environ["CUDA_VISIBLE_DEVICES"] = ""
    warnings.simplefilter("ignore")
    group, folder, seed = sys.argv[1:]
    for name, form in GROUPS[group]().items():
        run(name, form, Path(folder, name.replace(" ", "_")), seed)
