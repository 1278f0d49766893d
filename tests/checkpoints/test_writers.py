"""Checkpoint writers: files are read back bit for bit, and a failure leaves the old file."""

import os
import subprocess
import sys
import threading

import ml_dtypes
import numpy as np
import pytest

from bert4keras.checkpoints import (
    open_checkpoint,
    tf1,
    write_h5,
    write_safetensors,
    write_tf1,
)

WRITERS = [(write_tf1, "model.ckpt"), (write_safetensors, "model.safetensors"), (write_h5, "a.h5")]
TENSORS = {
    "flags": np.array([True, False, True]),
    "bert/pooler/dense/kernel": np.arange(6, dtype="float32").reshape(2, 3),
    "bert/pooler/dense/bias": np.full(3, 0.5, "float16"),
    "brain": np.full((2, 2), 3, ml_dtypes.bfloat16),
    "turned": np.arange(6.0).reshape(2, 3).T,
    "global_step": np.array(7),
    "empty": np.zeros((0, 3), "float32"),
}


@pytest.mark.parametrize("write, name", WRITERS)
def test_what_is_written_is_read_back_bit_for_bit(tmp_path, write, name):
    write(tmp_path / "new folder" / name, TENSORS)
    with open_checkpoint(tmp_path / "new folder" / name) as checkpoint:
        assert set(checkpoint) == set(TENSORS)
        for key, array in TENSORS.items():
            assert checkpoint[key].dtype == array.dtype and checkpoint[key].shape == array.shape
            assert checkpoint[key].tobytes() == array.tobytes()


@pytest.mark.parametrize("write, name", WRITERS)
def test_floating_point_tensors_may_be_cast(tmp_path, write, name):
    write(tmp_path / name, iter(TENSORS.items()), dtype="float16")
    with open_checkpoint(tmp_path / name) as checkpoint:
        types = {str(checkpoint[key].dtype) for key in TENSORS}
    assert types == {"float16", "int64", "bool"}


@pytest.mark.parametrize("write, name", WRITERS)
def test_a_failure_leaves_the_old_file_whole(tmp_path, write, name):
    def failing():
        yield "a", np.zeros(2)
        raise RuntimeError("the power failed")

    write(tmp_path / name, {"a": np.ones(2)})
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    with pytest.raises(RuntimeError, match="the power failed"):
        write(tmp_path / name, failing())
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


@pytest.mark.parametrize("write, name", WRITERS)
def test_a_name_that_comes_twice_is_an_error(tmp_path, write, name):
    with pytest.raises(ValueError, match="`a` comes twice"):
        write(tmp_path / name, [("a", np.ones(2)), ("a", np.ones(2))])
    assert not list(tmp_path.iterdir())


def test_others_can_read_our_safetensors(tmp_path):
    from safetensors import safe_open

    write_safetensors(tmp_path / "model.safetensors", TENSORS)
    with safe_open(tmp_path / "model.safetensors", framework="numpy") as file:
        assert file.metadata() == {"format": "pt"}
        np.testing.assert_array_equal(file.get_tensor("turned"), TENSORS["turned"])


def test_safetensors_keeps_every_tensor_aligned(tmp_path):
    from json import loads

    write_safetensors(tmp_path / "model.safetensors", TENSORS)
    raw = (tmp_path / "model.safetensors").read_bytes()
    length = int.from_bytes(raw[:8], "little")
    header = loads(raw[8 : 8 + length])
    for name, array in TENSORS.items():
        assert (8 + length + header[name]["data_offsets"][0]) % array.itemsize == 0


DISK_FULL = """
import resource, signal, sys
import numpy as np
from bert4keras import checkpoints

signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
path, write = sys.argv[1], getattr(checkpoints, sys.argv[2])
write(path, {"a": np.ones(2)})
limit = resource.getrlimit(resource.RLIMIT_FSIZE)
resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, limit[1]))
try:
    write(path, {f"x/{i}": np.ones(10_000) for i in range(9)})
except OSError as error:
    print(error)
resource.setrlimit(resource.RLIMIT_FSIZE, limit)
with checkpoints.open_checkpoint(path) as checkpoint:
    print(list(checkpoint))
"""


@pytest.mark.parametrize("write, name", WRITERS)
def test_a_disk_that_takes_no_more_is_an_error_that_names_the_file(tmp_path, write, name):
    path = tmp_path / name
    command = [sys.executable, "-c", DISK_FULL, str(path), write.__name__]
    result = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert result.returncode == 0, result.stderr
    error, names = result.stdout.splitlines()
    assert str(path) in error and "File too large" in error and ".part-" not in error
    assert names == "['a']" and not list(tmp_path.glob(".part-*"))


def read_value(prefix):
    """The one value of all numbers of a checkpoint."""
    with open_checkpoint(prefix) as checkpoint:
        values = {float(x) for name in checkpoint for x in checkpoint[name].reshape(-1)}
    (value,) = values
    return value


class Killed(BaseException):
    """End of the process, as far as files are concerned."""


class TestTensorFlowReplacement:
    TENSORS = ("a", (30,)), ("b", (3, 4))

    def write(self, prefix, value):
        write_tf1(prefix, {name: np.full(shape, value) for name, shape in self.TENSORS})

    def write_and_die(self, prefix, value, renames, monkeypatch):
        """Write a checkpoint in a process that ends after so many renames."""
        moves = []

        def move(pairs, original=tf1.move_files):
            if len(moves) == renames:
                raise Killed
            moves.append(pairs)
            original(pairs)

        with monkeypatch.context() as patch, pytest.raises(Killed):
            patch.setattr(tf1, "move_files", move)
            self.write(prefix, value)
            raise Killed

    @pytest.mark.parametrize("first", range(5))
    @pytest.mark.parametrize("second", range(5))
    def test_kills_between_two_renames_leave_old_or_new_whole(
        self, tmp_path, monkeypatch, first, second
    ):
        prefix = tmp_path / "m.ckpt"
        self.write(prefix, 1)
        self.write_and_die(prefix, 2, first, monkeypatch)
        old = read_value(prefix)
        assert old == (1 if first < 2 else 2)
        self.write_and_die(prefix, 3, second, monkeypatch)
        assert read_value(prefix) in (old, 3)
        self.write(prefix, 4)
        assert read_value(prefix) == 4
        assert sorted(path.name for path in tmp_path.iterdir()) == [
            "m.ckpt.data-00000-of-00001",
            "m.ckpt.index",
        ]

    def test_data_files_of_the_old_checkpoint_are_removed_and_others_stay(self, tmp_path):
        prefix = tmp_path / "m.ckpt"
        other_names = ["m.ckpt.data-notes", "m.ckpt-2.data-00000-of-00001", "m.ckpt2.index"]
        for name in [*other_names, "m.ckpt.data-00000-of-00003"]:
            (tmp_path / name).touch()
        self.write(prefix, 1)
        names = {path.name for path in tmp_path.iterdir()}
        assert names == {*other_names, "m.ckpt.index", "m.ckpt.data-00000-of-00001"}

    def test_a_damaged_old_checkpoint_can_be_replaced(self, tmp_path):
        prefix = tmp_path / "m.ckpt"
        for name in ("m.ckpt.index", "m.ckpt.data-00000-of-00001"):
            (tmp_path / name).write_bytes(b"damaged")
        self.write(prefix, 2)
        assert read_value(prefix) == 2

    def test_a_file_system_without_links_gets_a_copy(self, tmp_path, monkeypatch):
        def link(*_):
            raise OSError(1, "Operation not permitted")

        monkeypatch.setattr(os, "link", link)
        for value in (1, 2):
            self.write(tmp_path / "m.ckpt", value)
        assert read_value(tmp_path / "m.ckpt") == 2

    def test_two_writers_and_a_reader_see_whole_checkpoints(self, tmp_path):
        prefix = tmp_path / "m.ckpt"
        self.write(prefix, 0)
        values, errors = set(), []

        def run(first):
            try:
                for value in range(first, first + 8):
                    self.write(prefix, value)
            except Exception as error:
                errors.append(error)

        threads = [threading.Thread(target=run, args=(first,)) for first in (1, 100)]
        for thread in threads:
            thread.start()
        while any(thread.is_alive() for thread in threads):
            values.add(read_value(prefix))
        assert not errors and values
