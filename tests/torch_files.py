"""Small files laid out as ``torch.save`` lays them out, and pickles written by hand."""

import zipfile

import numpy as np


def text(value):
    return b"X" + len(value).to_bytes(4, "little") + value.encode()


def number(value):
    length = value.bit_length() // 8 + 1
    return b"\x8a" + bytes([length]) + value.to_bytes(length, "little", signed=True)


def numbers(values):
    return b"(" + b"".join(map(number, values)) + b"t"


def find(name):
    return b"c" + name.encode() + b"\n"


def storage_id(kind="torch\nFloatStorage", key="0", count=4):
    return b"(" + text("storage") + find(kind) + text(key) + text("cpu") + number(count) + b"tQ"


def tensor(storage=None, offset=0, shape=(2, 2), strides=(2, 1)):
    arguments = (storage or storage_id()) + number(offset) + numbers(shape) + numbers(strides)
    hooks = find("collections\nOrderedDict") + b")R"
    return find("torch._utils\n_rebuild_tensor_v2") + b"(" + arguments + b"\x89" + hooks + b"tR"


def state(value, key=None):
    return b"\x80\x02}" + (key or text("a")) + value + b"s."


def write_legacy(path, pickle, count=4):
    system = b"\x80\x02}" + text("little_endian") + b"\x88s."
    head = [number(0x1950A86A20F9469CFC6C), number(1001)]
    keys = b"\x80\x02](" + text("0") + b"e."
    pickles = [b"\x80\x02" + item + b"." for item in head] + [system, pickle, keys]
    path.write_bytes(b"".join(pickles) + count.to_bytes(8, "little", signed=True) + bytes(16))
    return path


def write_torch(path, tensors):
    """Write a zip of float32 vectors: {name: array}."""
    items = [
        text(name) + tensor(storage_id(key=str(i), count=array.size), 0, array.shape, (1,)) + b"s"
        for i, (name, array) in enumerate(tensors.items())
    ]
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("archive/data.pkl", b"\x80\x02}" + b"".join(items) + b".")
        for i, array in enumerate(tensors.values()):
            archive.writestr(f"archive/data/{i}", np.asarray(array, "<f4").tobytes())
    return path
