"""Checkpoint writers: files are read back bit for bit, and a failure leaves the old file."""

import ml_dtypes
import numpy as np
import pytest

from bert4keras.checkpoints import open_checkpoint, write_h5, write_safetensors, write_tf1

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
