"""The index of a TensorFlow checkpoint is checked before TensorFlow, which a bad one would end."""

import numpy as np
import pytest

from bert4keras.checkpoints import CheckpointError, open_checkpoint, write_tf1
from bert4keras.checkpoints.tf_index import (
    _masked_crc32c,
    change_num_shards,
    data_file,
    index_file,
    read_index,
)

FLOAT32, STRING = 1, 7
MAGIC = (0xDB4775248B80FB57).to_bytes(8, "little")


def varint(number):
    number &= (1 << 64) - 1
    data = b""
    while number > 127:
        data += bytes([number & 127 | 128])
        number >>= 7
    return data + bytes([number])


def field(number, value):
    """One field of a protobuf: a number, or bytes."""
    if isinstance(value, bytes):
        return varint(number << 3 | 2) + varint(len(value)) + value
    return varint(number << 3) + varint(value)


def header(num_shards=1, order=0):
    return field(1, num_shards) + (field(2, order) if order else b"") + field(3, field(1, 1))


def entry(shape=(2, 2), dtype=FLOAT32, size=16, offset=0, shard=0, checksum=b"\0" * 4, extra=b""):
    axes = b"".join(field(2, field(1, length)) for length in shape)
    numbers = b"".join(field(n, x) for n, x in ((3, shard), (4, offset)) if x)
    return field(1, dtype) + field(2, axes) + numbers + field(5, size) + b"\x35" + checksum + extra


def block(pairs):
    rows = [varint(0) + varint(len(k)) + varint(len(v)) + k + v for k, v in pairs]
    return b"".join(rows) + bytes(4) + (1).to_bytes(4, "little")


def with_checksum(contents, kind=0):
    body = contents + bytes([kind])
    return body + _masked_crc32c(body)


def table(pairs, kind=0, handle=None, handles=1):
    """A table of one block with right checksums."""
    data = with_checksum(block(pairs), kind)
    place = varint(0) + varint(len(data) - 5)
    index = with_checksum(block([(b"\xff" * (i + 1), handle or place) for i in range(handles)]))
    places = varint(len(data)) + varint(0) + varint(len(data)) + varint(len(index) - 5)
    return data + index + places.ljust(40, b"\0") + MAGIC


def write(folder, data):
    (folder / "m.ckpt.index").write_bytes(data)
    (folder / "m.ckpt.data-00000-of-00001").write_bytes(np.ones(4, "<f4").tobytes())
    return folder / "m.ckpt"


SUM = _masked_crc32c(np.ones(4, "<f4").tobytes())
GOOD = (b"", header()), (b"a", entry(checksum=SUM))


def slices(*extents):
    return b"".join(
        field(7, b"".join(field(1, field(1, start) + field(2, n)) for start, n in extent))
        for extent in extents
    )


BAD = {
    "a negative axis": entry((-1,)),
    "two negative axes": entry((-2, -2)),
    "a product beyond 64 bits": entry((1 << 40, 1 << 40)),
    "a product beyond 64 bits times 0": entry((1 << 40, 1 << 40, 0), size=0),
    "300 axes": entry((1,) * 300, size=4),
    "an unknown axis": field(1, 1) + field(2, field(3, 1)) + field(5, 16),
    "a reference type": entry(dtype=101),
    "type 0": entry(dtype=0),
    "type 1000": entry(dtype=1000),
    "no protobuf": b"\xff\xff\xff",
    "a group of protobufs": b"\x0b\x0c",
    "a size of its own": entry(size=8),
    "a negative size": entry(size=-16),
    "a place beyond the data": entry(offset=1 << 40),
    "a negative place": entry(offset=-8),
    "another data file": entry(shard=3),
    "a text that is longer than the data": entry((1,), STRING, 1 << 40),
    "a shape that is a number": field(1, 1) + field(2, 4) + field(5, 16),
    "a part outside": entry(extra=slices([(0, 3), (0, 2)])),
    "a part of another rank": entry(extra=slices([(0, 2)])),
    "a part twice": entry(extra=slices([(0, 1), (0, 2)], [(0, 1), (0, 2)])),
    "a huge tensor in parts": entry((1 << 30, 2), extra=slices([(0, 1), (0, 2)])),
}
BAD_TABLES = {
    "no header": table(GOOD[1:]),
    "a header that is no protobuf": table([(b"", b"\xff"), GOOD[1]]),
    "no data file": table([(b"", header(0)), GOOD[1]]),
    "2**40 data files": table([(b"", header(1 << 40)), GOOD[1]]),
    "a big-endian machine": table([(b"", header(order=1)), GOOD[1]]),
    "a key twice": table([*GOOD, GOOD[1]]),
    "a name that is no text": table([*GOOD, (b"\xff\xfe", entry())]),
    "compression": table(GOOD, kind=1),
    "a block of 2**60 bytes": table(GOOD, handle=varint(0) + varint(1 << 60)),
    "a block at 2**60": table(GOOD, handle=varint(1 << 60) + varint(8)),
    "an entry beyond its block": table(GOOD)[:2] + b"\x7f" + table(GOOD)[3:],
    "a block that is named twice": table(GOOD, handles=2),
    "an empty file": b"",
    "a footer alone": bytes(40) + MAGIC,
    "a number without end": b"\xff" * 40 + MAGIC,
}


class TestOpening:
    def test_the_hand_written_index_is_sound(self, tmp_path):
        with open_checkpoint(write(tmp_path, table(GOOD))) as checkpoint:
            np.testing.assert_array_equal(checkpoint["a"], np.ones((2, 2)))

    @pytest.mark.parametrize("fault", BAD)
    def test_an_entry_that_makes_no_sense_is_an_error(self, tmp_path, fault):
        path = write(tmp_path, table([GOOD[0], (b"a", BAD[fault])]))
        with pytest.raises(CheckpointError, match=f"(?s){path}.*download it again"):
            open_checkpoint(path)

    @pytest.mark.parametrize("fault", BAD_TABLES)
    def test_a_damaged_table_is_an_error(self, tmp_path, fault):
        path = write(tmp_path, BAD_TABLES[fault])
        with pytest.raises(CheckpointError, match=f"(?s){path}.*download it again"):
            open_checkpoint(path)

    def test_parts_of_a_variable_are_read_as_one(self, tmp_path):
        import tensorflow as tf

        tf.raw_ops.SaveV2(
            prefix=str(tmp_path / "m.ckpt"),
            tensor_names=["a", "a"],
            shape_and_slices=["4 2 0,2:0,2", "4 2 2,2:0,2"],
            tensors=[np.zeros((2, 2)), np.ones((2, 2))],
        )
        with open_checkpoint(tmp_path / "m.ckpt") as checkpoint:
            assert list(checkpoint) == ["a"] and checkpoint.shape("a") == (4, 2)
            np.testing.assert_array_equal(checkpoint["a"], np.repeat([0.0, 1.0], 4).reshape(4, 2))

    def test_texts_are_left_out(self, tmp_path):
        import tensorflow as tf

        tensors = [tf.constant(["text"]), tf.constant(True), tf.constant(1j), tf.zeros((0, 3))]
        tf.raw_ops.SaveV2(
            prefix=str(tmp_path / "m.ckpt"),
            tensor_names=["text", "bool", "complex", "empty"],
            shape_and_slices=[""] * 4,
            tensors=tensors,
        )
        with open_checkpoint(tmp_path / "m.ckpt") as checkpoint:
            assert list(checkpoint) == ["bool", "complex", "empty"]
            assert checkpoint["empty"].shape == (0, 3)


class TestChangeNumShards:
    def test_tensorflow_reads_the_changed_index(self, tmp_path):
        tensors = {f"layer_{i}/kernel": np.full((3, 3), i, "float32") for i in range(300)}
        prefix = tmp_path / "m.ckpt"
        write_tf1(prefix, tensors)
        data = index_file(prefix).read_bytes()
        new_data = change_num_shards(data, 2)
        assert len(new_data) == len(data) and read_index(new_data).num_shards == 2
        assert change_num_shards(new_data, 1) == data
        index_file(prefix).write_bytes(new_data)
        data_file(prefix, 0, 1).rename(data_file(prefix, 0, 2))
        with open_checkpoint(prefix) as checkpoint:
            assert len(checkpoint) == 300
            np.testing.assert_array_equal(checkpoint["layer_299/kernel"], np.full((3, 3), 299))
