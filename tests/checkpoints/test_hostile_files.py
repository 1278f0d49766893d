"""Hostile files are refused before anything is executed, followed or allocated.

The families of CVE-2025-1550, -8747, -9905, -9906 (code in model files) and CVE-2026-1669 (arrays
that lie elsewhere or claim more than they hold), tried on every reader.
"""

import json
import os
import tracemalloc
import zipfile

import h5py
import numpy as np
import pytest
from torch_files import find, number, state, storage_id, tensor, text, write_legacy, write_torch

from bert4keras.checkpoints import CheckpointError, check_hdf5, is_keras2, open_checkpoint

HUGE = 1 << 40


# --- pickles, written by hand


def write_zip(path, pickle, data=bytes(16), compression=zipfile.ZIP_STORED):
    with zipfile.ZipFile(path, "w", compression) as archive:
        archive.writestr("archive/data.pkl", pickle)
        archive.writestr("archive/data/0", data)
    return path


LAYOUTS = pytest.mark.parametrize("write", [write_zip, write_legacy])


@LAYOUTS
def test_the_hand_written_file_is_sound(tmp_path, write):
    with open_checkpoint(write(tmp_path / "pytorch_model.bin", state(tensor()))) as checkpoint:
        np.testing.assert_array_equal(checkpoint["a"], np.zeros((2, 2)))


def commands(path):
    """Ways to say `os.system("touch path")` in a pickle."""
    command, line = text(f"touch {path}"), f"S'touch {path}'\n".encode()
    return {
        "REDUCE": find("os\nsystem") + command + b"\x85R",
        "posix": find("posix\nsystem") + command + b"\x85R",
        "STACK_GLOBAL": text("os") + text("system") + b"\x93" + command + b"\x85R",
        "INST": b"(" + line + b"ios\nsystem\n",
        "OBJ": b"(" + find("os\nsystem") + command + b"o",
        "NEWOBJ": find("subprocess\nPopen") + command + b"\x85\x81",
        "NEWOBJ_EX": text("subprocess") + text("Popen") + b"\x93" + command + b"\x85}\x92",
        "BUILD": find("os\nsystem") + b"}" + command + b"Nsb",
        "eval": find("builtins\neval") + text("__import__('os')") + b"\x85R",
        "getattr": find("builtins\ngetattr") + find("os\nsystem") + text("x") + b"\x86R",
        "load": find("torch.storage\n_load_from_bytes") + command + b"\x85R",
        "dotted": find("torch._utils\n_rebuild_tensor_v2.__globals__") + command + b"\x85R",
        "extension": b"\x82\x01" + command + b"\x85R",
    }


@LAYOUTS
@pytest.mark.parametrize("way", commands(""))
def test_no_pickle_can_run_a_command(tmp_path, write, way):
    path = write(tmp_path / "pytorch_model.bin", state(commands(tmp_path / "owned")[way]))
    with pytest.raises(CheckpointError, match="asks for the .*; nothing of it was executed"):
        open_checkpoint(path)
    assert not (tmp_path / "owned").exists()


@LAYOUTS
def test_the_forbidden_name_is_told(tmp_path, write):
    path = write(tmp_path / "pytorch_model.bin", state(commands(tmp_path)["REDUCE"]))
    with pytest.raises(CheckpointError, match="asks for the global `os.system`"):
        open_checkpoint(path)


TRICKS = {
    "a call of a storage type": find("torch\nFloatStorage") + b")R",
    "a call of a tensor": tensor() + b")R",
    "OrderedDict of something": find("collections\nOrderedDict") + b"((]t\x85R",
    "state of a tensor": tensor() + b"}b",
    "a persistent id of words": text("http://example.com/weights") + b"Q",
    "a persistent id without a type": b"(" + text("storage") + text("torch.FloatStorage") + b"tQ",
    "a persistent id in a line": b"Pstorage\n",
    "a storage that is a view of another": (
        b"(" + text("storage") + find("torch\nFloatStorage") + text("0") + text("cpu") + number(4)
    )
    + b"(" + text("1") + number(0) + number(4) + b"ttQ",
    "appending to a tensor": tensor() + text("b") + b"a",
}  # fmt: skip


@pytest.mark.parametrize("trick", TRICKS)
def test_no_object_but_tensors_can_be_made(tmp_path, trick):
    path = write_zip(tmp_path / "pytorch_model.bin", state(TRICKS[trick]))
    with pytest.raises(CheckpointError, match="asks for .*; nothing of it was executed"):
        open_checkpoint(path)


def test_a_key_too_deep_to_hash_is_refused(tmp_path):
    deep = b")" + b"\x85" * 100_000
    path = write_zip(tmp_path / "pytorch_model.bin", state(tensor(), key=deep))
    with pytest.raises(CheckpointError, match="keys other than strings and numbers"):
        open_checkpoint(path)


CLAIMS = {
    "more numbers than the storage": tensor(shape=(4, 4), strides=(4, 1)),
    "a stride beyond the storage": tensor(strides=(4, 1)),
    "an offset beyond the storage": tensor(offset=1),
    "a negative offset": tensor(offset=-1),
    "a negative stride": tensor(strides=(-2, 1)),
    "a negative size": tensor(shape=(-2, -2)),
    "a product beyond 64 bits": tensor(shape=(1 << 33, 1 << 33), strides=(0, 0)),
    "one number seen many times": tensor(shape=(HUGE,), strides=(0,)),
    "a storage larger than the file": tensor(storage_id(count=HUGE), shape=(HUGE,), strides=(1,)),
    "a storage of a wider type": tensor(storage_id("torch\nDoubleStorage")),
    "a storage that is not there": tensor(storage_id(key="7")),
    "fewer strides than axes": tensor(shape=(0, 2), strides=(1,)),
    "axes without end": tensor(shape=(1,) * 1000, strides=(1,) * 1000),
    "no storage": tensor(text("0")),
    "words for a shape": find("torch._utils\n_rebuild_tensor_v2")
    + b"(" + storage_id() + number(0) + text("22") + text("21") + b"tR",
    "a string that ends behind the file": b"X\xff\xff\xff\x7f",
    "an empty stack": b"0" * 3 + b"R",
}  # fmt: skip


@LAYOUTS
@pytest.mark.parametrize("claim", CLAIMS)
def test_no_tensor_may_claim_more_than_the_file_holds(tmp_path, write, claim):
    path = write(tmp_path / "pytorch_model.bin", state(CLAIMS[claim]))
    tracemalloc.start()
    try:
        with pytest.raises(CheckpointError):
            open_checkpoint(path)
        assert tracemalloc.get_traced_memory()[1] < 1 << 22
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("count", [3, 5, HUGE, -4])
def test_no_storage_may_count_other_than_it_says(tmp_path, count):
    path = write_legacy(tmp_path / "pytorch_model.bin", state(tensor()), count)
    with pytest.raises(CheckpointError, match="the storage 0 claims more than the file holds"):
        open_checkpoint(path)


def test_a_compressed_zip_is_refused(tmp_path):
    bomb = write_zip(tmp_path / "a.bin", state(tensor()), bytes(1 << 20), zipfile.ZIP_DEFLATED)
    with pytest.raises(CheckpointError, match="data.pkl is compressed"):
        open_checkpoint(bomb)


def test_a_zip_of_something_else_is_refused(tmp_path):
    with zipfile.ZipFile(tmp_path / "model.keras", "w") as archive:
        archive.writestr("config.json", "{}")
    with pytest.raises(CheckpointError, match="0 entries `data.pkl`"):
        open_checkpoint(tmp_path / "model.keras")


@pytest.mark.parametrize("length", [1, 50, 150])
def test_a_cut_torch_file_is_refused(tmp_path, length):
    for write in (write_zip, write_legacy):
        path = write(tmp_path / "pytorch_model.bin", state(tensor()))
        path.write_bytes(path.read_bytes()[:-length])
        with pytest.raises(CheckpointError, match="not a whole file of torch tensors"):
            open_checkpoint(path)


def test_a_plain_pickle_is_refused(tmp_path):
    path = tmp_path / "data.pkl"
    path.write_bytes(state(tensor()))
    with pytest.raises(CheckpointError, match="a pickle, but not one of torch"):
        open_checkpoint(path)


def test_a_torch_file_without_tensors_is_refused(tmp_path):
    path = write_zip(tmp_path / "pytorch_model.bin", state(b"}"))
    with pytest.raises(CheckpointError, match="no dict from names to tensors"):
        open_checkpoint(path)


# --- HDF5


def soft_link(file):
    file["a"] = h5py.SoftLink("/elsewhere")


def external_link(file):
    file["a"] = h5py.ExternalLink("/etc/other.h5", "/secret")


def link_in_a_group(file):
    file.create_group("layers/dense")["vars"] = h5py.SoftLink("/")


def virtual_data_set(file):
    layout = h5py.VirtualLayout((4,), "f4")
    layout[:] = h5py.VirtualSource("other.h5", "secret", shape=(4,))
    file.create_virtual_dataset("a", layout)


def external_storage(file):
    file.create_dataset("a", (4,), "u1", external=[("/etc/passwd", 0, 4)])


def never_written(file):
    file.create_dataset("a", (HUGE,), "f4", fillvalue=1)


def chunks_never_written(file):
    file.create_dataset("a", (HUGE,), "f4", chunks=(1024,))[:4] = 1


def gzip_bomb(file):
    file.create_dataset("a", data=np.zeros(1 << 20), compression="gzip")


def fletcher32(file):
    file.create_dataset("a", data=np.zeros(8), fletcher32=True)


def strings_of_any_length(file):
    file.create_dataset("a", data=["x"], dtype=h5py.string_dtype())


def arrays_of_any_length(file):
    file.create_dataset("a", (2,), h5py.vlen_dtype("f4"))


def strings(file):
    file["a"] = np.array([b"ab", b"c"])


def references(file):
    file.create_dataset("a", data=[file.ref], dtype=h5py.ref_dtype)


def records(file):
    file["a"] = np.zeros(2, [("x", "f4"), ("y", "f4")])


def opaque(file):
    file["a"] = np.zeros(2, "V2")


def no_data_space(file):
    file["a"] = h5py.Empty("f4")


def named_type(file):
    file["a"] = np.dtype("f4")


def group_inside_itself(file):
    file.create_group("a")["b"] = file["/"]


def groups_without_end(file):
    group = file
    for _ in range(64):
        inner = group.create_group("x")
        group["y"] = inner
        group = inner


TRAPS = [
    (soft_link, "`a` is a link to another place"),
    (external_link, "`a` is a link to another place"),
    (link_in_a_group, "`layers/dense/vars` is a link to another place"),
    (virtual_data_set, "`a` is stored in other files"),
    (external_storage, "`a` is stored in other files"),
    (never_written, "`a` is of shape .* more than the file holds"),
    (chunks_never_written, "`a` is of shape .* more than the file holds"),
    (gzip_bomb, "`a` is compressed or filtered"),
    (fletcher32, "`a` is compressed or filtered"),
    (strings_of_any_length, "`a` is of the type object"),
    (arrays_of_any_length, "`a` is of the type object"),
    (strings, "`a` is of the type .S2"),
    (references, "`a` is of the type object"),
    (records, "`a` is of the type .*x"),
    (opaque, "`a` is of the type .V2"),
    (no_data_space, "`a` is of shape None"),
    (named_type, "`a` is no data set"),
    (group_inside_itself, "the group `a/b` is hard-linked more than once"),
    (groups_without_end, "the group `y.*` is hard-linked more than once"),
]


@pytest.mark.parametrize("make, fault", TRAPS, ids=[make.__name__ for make, _ in TRAPS])
@pytest.mark.parametrize("read", [open_checkpoint, check_hdf5])
def test_an_hdf5_file_holds_plain_arrays_of_its_own(tmp_path, make, fault, read):
    path = tmp_path / "model.weights.h5"
    with h5py.File(path, "w") as file:
        make(file)
    with pytest.raises(CheckpointError, match=f"(?s){fault}"):
        read(path)


def test_a_cut_hdf5_file_is_refused(tmp_path):
    path = tmp_path / "model.weights.h5"
    with h5py.File(path, "w") as file:
        file["a"] = np.ones(1000)
    path.write_bytes(path.read_bytes()[:-800])
    with pytest.raises(CheckpointError, match="not a whole HDF5 file.*[Dd]ownload it again"):
        open_checkpoint(path)


# --- safetensors


def safetensors(path, header, data=bytes(16), length=None):
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    path.write_bytes((len(text) if length is None else length).to_bytes(8, "little") + text + data)
    return path


def entry(shape=(2, 2), start=0, end=16, dtype="F32"):
    return {"a": {"dtype": dtype, "shape": shape, "data_offsets": [start, end]}}


HEADERS = {
    "a header longer than the file": {"header": entry(), "length": 1 << 20},
    "a header of a terabyte": {"header": entry(), "length": HUGE},
    "a header of the largest number": {"header": entry(), "length": (1 << 64) - 1},
    "offsets behind the file": {"header": entry((4, 4), end=64)},
    "a shape larger than its bytes": {"header": entry((HUGE, HUGE))},
    "a negative offset": {"header": entry(start=-16, end=0)},
    "offsets the wrong way": {"header": entry(start=16, end=0)},
    "data that was cut": {"header": entry(), "data": bytes(8)},
    "an unknown type": {"header": entry(dtype="PICKLE")},
    "no header": {"header": b"{"},
}


@pytest.mark.parametrize("trap", HEADERS)
def test_no_safetensors_header_may_claim_more_than_the_file_holds(tmp_path, trap):
    path = safetensors(tmp_path / "model.safetensors", **HEADERS[trap])
    with pytest.raises(CheckpointError, match="not a whole safetensors file"):
        open_checkpoint(path)


# --- shards


@pytest.mark.parametrize(
    "name", ["../model.safetensors", "/etc/passwd", "a/b.safetensors", "..", "C:\\x", "a\0b", ""]
)
def test_no_index_leads_out_of_its_folder(tmp_path, name):
    path = tmp_path / "model.safetensors.index.json"
    path.write_text(json.dumps({"weight_map": {"a": name}}))
    with pytest.raises(CheckpointError, match="must not point out of its folder"):
        open_checkpoint(path)


# --- texts of any length in HDF5


def keras3_texts(path):
    with h5py.File(path, "w") as file:
        for name in ("dense", "dense_1"):
            group = file.create_group(f"layers/{name}/vars")
            group["0"] = np.ones(3, "float32")
            group.attrs["name"] = name


def keras2_texts(path):
    with h5py.File(path, "w") as file:
        file.attrs.create("layer_names", ["dense", "dense_1"], dtype=h5py.string_dtype())
        for name in ("dense", "dense_1"):
            group = file.create_group(name)
            group.attrs.create("weight_names", ["k:0"], dtype=h5py.string_dtype())
            group["k:0"] = np.ones(3, "float32")


def mark_of_bfloat16(path):
    with h5py.File(path, "w") as file:
        file["first"] = file["second"] = np.zeros(2, "V2")
        del file["second"]
        file["first"].attrs["dtype"] = "bfloat16"
        file.attrs["more"] = "text"


HEAPS = {  # number and size of the second object of a heap, which HDF5 walks through
    "free space of no size": (0, 0),
    "free space smaller than its header": (0, 8),
    "a size that overflows": (2, (1 << 64) - 16),
    "a size that leads back": (2, (1 << 64) - 32),
    "a size beyond the collection": (2, 1 << 20),
}


@pytest.mark.parametrize("read", [open_checkpoint, check_hdf5, is_keras2])
@pytest.mark.parametrize("write", [keras3_texts, keras2_texts, mark_of_bfloat16])
@pytest.mark.parametrize("heap", HEAPS)
def test_a_damaged_heap_of_texts_is_an_error_and_no_endless_loop(tmp_path, write, heap, read):
    path = tmp_path / "m.weights.h5"
    write(path)
    with open_checkpoint(path) as checkpoint:
        assert len(checkpoint) in (1, 2)
    data = bytearray(path.read_bytes())
    place = data.find(b"GCOL") + 16
    size = int.from_bytes(data[place + 8 : place + 16], "little")
    place += 16 + -(-size // 8) * 8
    number, size = HEAPS[heap]
    data[place : place + 16] = number.to_bytes(8, "little") + size.to_bytes(8, "little")
    path.write_bytes(data)
    with pytest.raises(CheckpointError, match=f"{path} .*heap of its texts is damaged.*Download"):
        read(path)


def test_a_data_set_over_the_heap_does_not_hide_it(tmp_path):
    path = tmp_path / "m.weights.h5"
    keras3_texts(path)
    with h5py.File(path, "a") as file:
        file["cover"] = np.zeros(4096, "u1")
        place = file["cover"].id.get_offset()
    data = bytearray(path.read_bytes())
    heap = data.find(b"GCOL")
    where = data.find(place.to_bytes(8, "little"))
    data[where : where + 8] = heap.to_bytes(8, "little")
    data[heap + 16 : heap + 32] = bytes(16)
    path.write_bytes(data)
    with pytest.raises(CheckpointError, match="heap of its texts is damaged"):
        open_checkpoint(path)


def test_numbers_that_look_like_a_heap_are_numbers(tmp_path):
    path = tmp_path / "m.h5"
    numbers = np.frombuffer((b"GCOL\x01" + b"\xff" * 11) * 4, "u1")
    with h5py.File(path, "w") as file:
        file["a"] = numbers
    with open_checkpoint(path) as checkpoint:
        np.testing.assert_array_equal(checkpoint["a"], numbers)


def test_a_heap_may_have_free_space_at_its_end(tmp_path):
    path = tmp_path / "m.h5"
    keras2_texts(path)
    with h5py.File(path, "a") as file:
        del file["dense_1"].attrs["weight_names"]
        file["dense_1"].attrs.create("weight_names", ["k:0"], dtype=h5py.string_dtype())
    with open_checkpoint(path) as checkpoint:
        assert checkpoint.layers == {"dense": ["dense/k:0"], "dense_1": ["dense_1/k:0"]}


def test_a_name_that_is_no_text_is_an_error(tmp_path):
    path = tmp_path / "m.h5"
    with h5py.File(path, "w") as file:
        file["abcd"] = np.ones(2)
    path.write_bytes(path.read_bytes().replace(b"abcd", b"a\xff\xfed"))
    with pytest.raises(CheckpointError, match=rf"{path} .*not UTF-8"):
        open_checkpoint(path)


# --- zips of torch whose parts do not agree


def sound_zip(tmp_path):
    path = write_torch(tmp_path / "pytorch_model.bin", {"a": np.arange(4.0), "b": np.ones(4)})
    return path, bytearray(path.read_bytes())


ZIP_DAMAGE = {  # bytes of the local header of `data/0` that change: place, value
    "its signature": (0, b"PX"),
    "the length of its name": (26, b"\x08"),
    "the length of its extra field": (28, b"\x04"),
    "its name": (30, b"x"),
    "its compression": (8, b"\x08"),
    "its encryption": (6, b"\x01"),
}


@pytest.mark.parametrize("damage", ZIP_DAMAGE)
def test_a_damaged_header_in_a_zip_is_an_error(tmp_path, damage):
    path, data = sound_zip(tmp_path)
    start = data.find(b"archive/data/0") - 30
    place, value = ZIP_DAMAGE[damage]
    data[start + place : start + place + len(value)] = value
    path.write_bytes(data)
    with pytest.raises(CheckpointError, match=f"{path} is not a whole .*download it again"):
        with open_checkpoint(path) as checkpoint:
            checkpoint["a"]


def test_a_changed_number_in_a_zip_is_an_error(tmp_path):
    path, data = sound_zip(tmp_path)
    data[data.find(np.arange(4, dtype="<f4").tobytes()) + 5] ^= 1
    path.write_bytes(data)
    with open_checkpoint(path) as checkpoint:
        np.testing.assert_array_equal(checkpoint["b"], np.ones(4))
        for _ in range(2):
            with pytest.raises(CheckpointError, match="checksum of the entry data/0 is wrong"):
                checkpoint["a"]


def test_a_changed_pickle_in_a_zip_is_an_error(tmp_path):
    path, data = sound_zip(tmp_path)
    data[data.find(text("b")) + 5] = ord("c")
    path.write_bytes(data)
    with pytest.raises(CheckpointError, match="checksum of the entry data.pkl is wrong"):
        open_checkpoint(path)


def test_a_zip_written_without_checksums_is_read(tmp_path):
    path, data = sound_zip(tmp_path)
    for info in zipfile.ZipFile(path).infolist():
        checksum = info.CRC.to_bytes(4, "little")
        data = data.replace(checksum, bytes(4))
    path.write_bytes(data)
    with open_checkpoint(path) as checkpoint:
        np.testing.assert_array_equal(checkpoint["a"], np.arange(4))
        assert not checkpoint.has_checksums


@LAYOUTS
def test_the_stride_of_an_axis_of_one_does_not_matter(tmp_path, write):
    path = write(
        tmp_path / "pytorch_model.bin", state(tensor(shape=(1, 1), strides=(1 << 62,) * 2))
    )
    with open_checkpoint(path) as checkpoint:
        np.testing.assert_array_equal(checkpoint["a"], np.zeros((1, 1)))


@pytest.mark.parametrize("name", ["model.safetensors", "bert_model.ckpt.index", "m.h5"])
def test_a_pipe_is_no_checkpoint(tmp_path, name):
    os.mkfifo(tmp_path / name)
    with pytest.raises(CheckpointError, match="No checkpoint at|No checkpoint in"):
        open_checkpoint(tmp_path / name)


def test_an_unknown_type_is_named(tmp_path):
    path = safetensors(tmp_path / "m.safetensors", entry((32,), dtype="X4"))
    with pytest.raises(CheckpointError, match=f"{path} .*`a` is of the type 'X4'; known are F64"):
        open_checkpoint(path)


@pytest.mark.parametrize(
    "header",
    [
        b'{"a":{"dtype":"F32","shape":[2,2],"data_offsets":[0,16]},'
        b'"a":{"dtype":"I32","shape":[4],"data_offsets":[0,16]}}',
        b'{"__metadata__":{"a":1}}',
        b'{"a":{"dtype":"F32","shape":[NaN],"data_offsets":[0,16]}}',
        b'{"a":{"dtype":"F32","shape":[true,4],"data_offsets":[0,16]}}',
        b'{"a":{"dtype":"F32","shape":[4.0],"data_offsets":[0,16]}}',
        b'{"a":{"dtype":"F32","shape":[4],"data_offsets":[0]}}',
        b'{"a":{"dtype":["F32"],"shape":[4],"data_offsets":[0,16]}}',
        b'{"a":' + b"[" * 100_000,
        b'{"a":' + b"9" * 10_000 + b"}",
        b"[]",
        b"\xff\xfe",
    ],
)
def test_a_safetensors_header_of_another_form_is_an_error(tmp_path, header):
    path = tmp_path / "m.safetensors"
    path.write_bytes(len(header).to_bytes(8, "little") + header + bytes(16))
    with pytest.raises(CheckpointError, match=f"{path} is not a whole safetensors.*download"):
        open_checkpoint(path)
