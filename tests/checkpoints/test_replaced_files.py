"""A checkpoint that is open does not change when its file does."""

import os

import h5py
import numpy as np
import pytest
from torch_files import write_torch

from bert4keras.checkpoints import (
    CheckpointError,
    open_checkpoint,
    write_h5,
    write_safetensors,
    write_tf1,
)

NAMES = ["a", "b", "c"]


def write(path, value, order=NAMES):
    tensors = {name: np.full(5, value, "float32") for name in order}
    if path.name.endswith(".ckpt"):
        write_tf1(path, tensors)
    elif path.name.endswith(".h5"):
        write_h5(path, tensors)
    elif path.name.endswith(".bin"):
        write_torch(path, tensors)
    else:
        write_safetensors(path, tensors)


@pytest.mark.parametrize("name", ["m.safetensors", "pytorch_model.bin", "m.h5", "m.ckpt"])
class TestReplacement:
    def test_all_tensors_come_from_the_file_that_was_opened(self, tmp_path, name):
        path = tmp_path / name
        write(path, 1)
        with open_checkpoint(path) as checkpoint:
            first = checkpoint["a"]
            write(tmp_path / f"new-{name}", 2, [*NAMES, "d"])
            for new in tmp_path.glob("new-*"):
                os.replace(new, tmp_path / new.name.removeprefix("new-"))
            tensors = [first, *(checkpoint[x] for x in NAMES)]
        np.testing.assert_array_equal(tensors, np.ones((4, 5)))
        with open_checkpoint(path) as checkpoint:
            np.testing.assert_array_equal(checkpoint["d"], np.full(5, 2))


@pytest.mark.parametrize("name", ["m.safetensors", "pytorch_model.bin", "m.h5"])
def test_writing_into_the_open_file_is_an_error(tmp_path, name):
    path = tmp_path / name
    write(path, 1)
    with open_checkpoint(path) as checkpoint:
        np.testing.assert_array_equal(checkpoint["a"], np.ones(5))
        contents = path.read_bytes()
        path.write_bytes(contents)
        os.utime(path, ns=(0, 0))  # where the clock of the file system is coarse
        with pytest.raises(CheckpointError, match=f"{path} was written into while.*Load it again"):
            checkpoint["b"]


class TestShards:
    def test_each_shard_is_opened_at_the_start(self, tmp_path):
        index = {"a": "x.safetensors", "b": "y.safetensors"}
        path = tmp_path / "model.safetensors.index.json"
        path.write_text(str({"weight_map": index}).replace("'", '"'))
        write(tmp_path / "x.safetensors", 1)
        write(tmp_path / "y.safetensors", 1)
        with open_checkpoint(tmp_path) as checkpoint:
            write(tmp_path / "y.safetensors", 2)
            np.testing.assert_array_equal(checkpoint["b"], np.ones(5))

    def test_an_index_replaced_in_between_is_an_error(self, tmp_path, monkeypatch):
        from bert4keras.checkpoints import readers

        path = tmp_path / "model.safetensors.index.json"
        path.write_text('{"weight_map": {"a": "x.safetensors"}}')
        write(tmp_path / "x.safetensors", 1)

        def open_file(shard, original=readers._open_file):
            path.write_text('{"weight_map": {"a": "z.safetensors"} }')
            return original(shard)

        monkeypatch.setattr(readers, "_open_file", open_file)
        with pytest.raises(CheckpointError, match="was replaced while its shards were opened"):
            open_checkpoint(path)


def test_a_checkpoint_that_nobody_closes_gives_no_warning(tmp_path, recwarn):
    write(tmp_path / "m.safetensors", 1)
    open_checkpoint(tmp_path / "m.safetensors")["a"]
    assert not recwarn


def test_an_hdf5_file_is_closed_after_an_error(tmp_path):
    with h5py.File(tmp_path / "m.h5", "w") as file:
        file["text"] = "text"
    with pytest.raises(CheckpointError):
        open_checkpoint(tmp_path / "m.h5")
    with h5py.File(tmp_path / "m.h5", "a"):
        pass
