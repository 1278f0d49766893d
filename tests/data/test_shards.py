"""Every row once in an epoch, in an order of the seed; what is damaged is named."""

import tracemalloc

import numpy as np
import pytest

from bert4keras.data import Shards, write_shards


def numbered(count, length=4):
    """Rows that hold their own number."""
    return ((np.full(length, number), np.zeros(length, bool)) for number in range(count))


@pytest.fixture
def folder(tmp_path):
    """21 rows in shards of 4."""
    write_shards(numbered(21), tmp_path, size=4, about={"maxlen": 4})
    return tmp_path


def epoch_of(shards, number=0):
    return shards.rows(number * len(shards), (number + 1) * len(shards))[0][:, 0].tolist()


def test_what_is_written_is_read(folder):
    token_ids, continues, numbers, epochs = Shards(folder).rows(0, 21)
    assert token_ids.shape == continues.shape == (21, 4) and not epochs.any()
    assert (token_ids[:, 0] == numbers).all() and Shards(folder).about == {"maxlen": 4}


@pytest.mark.parametrize("window", [1, 2, 3, 50])
def test_every_row_comes_once_in_an_epoch_and_epochs_differ(folder, window):
    shards = Shards(folder, window=window)
    epochs = [epoch_of(shards, number) for number in range(3)]
    assert all(sorted(epoch) == [*range(21)] for epoch in epochs)
    assert epochs[0] != epochs[1] != epochs[2] != [*range(21)]


def test_the_order_is_a_function_of_the_seed(folder):
    assert epoch_of(Shards(folder, seed=3), 5) == epoch_of(Shards(folder, seed=3), 5)
    assert epoch_of(Shards(folder, seed=3)) != epoch_of(Shards(folder, seed=4))


def test_any_part_of_the_order_can_be_read_alone(folder):
    whole = Shards(folder, window=2).rows(0, 63)
    for begin, end in [(0, 5), (19, 44), (62, 63), (30, 31)]:
        part = Shards(folder, window=2).rows(begin, end)
        assert all((x == y[begin:end]).all() for x, y in zip(part, whole))


@pytest.mark.parametrize("processes", [1, 2, 3, 5])
def test_processes_share_an_epoch(folder, processes):
    parts = [Shards(folder, process=(i, processes), window=2) for i in range(processes)]
    assert max(map(len, parts)) - min(map(len, parts)) <= 1
    assert sorted(sum((epoch_of(part, 2) for part in parts), [])) == [*range(21)]


def test_a_process_reads_few_shards_of_others(tmp_path, monkeypatch):
    write_shards(numbered(64), tmp_path, size=4)
    read, real = [], Shards._read
    monkeypatch.setattr(Shards, "_read", lambda self, n: read.append(n) or real(self, n))
    epoch_of(Shards(tmp_path, window=1, process=(1, 4)))
    assert len(read) <= 5


def test_a_truncated_or_missing_shard_is_named_and_skipped_on_request(folder):
    shard = folder / "shard-00002.safetensors"
    whole = shard.read_bytes()
    shard.write_bytes(whole[:-7])
    (folder / "shard-00005.safetensors").unlink()
    with pytest.raises(ValueError, match=f"shard-00002.safetensors: {len(whole) - 7} of") as error:
        Shards(folder)
    assert "shard-00005.safetensors: missing" in str(error.value)
    assert "skip_damaged=True" in str(error.value)
    with pytest.warns(UserWarning, match="shard-00002(.|\n)*They are left out"):
        shards = Shards(folder, skip_damaged=True)
    assert sorted(epoch_of(shards)) == [*range(8), *range(12, 20)]


def test_a_shard_of_the_right_length_that_is_none_is_named(folder):
    shard = folder / "shard-00000.safetensors"
    shard.write_bytes(b"x" * len(shard.read_bytes()))
    with pytest.raises(ValueError, match="shard-00000.safetensors must be a shard as write_shards"):
        epoch_of(Shards(folder))


def test_writing_that_did_not_come_to_its_end_leaves_no_index(folder):
    def broken():
        yield from numbered(5)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_shards(broken(), folder, size=4)
    with pytest.raises(FileNotFoundError, match="did not come to its end; write the shards again"):
        Shards(folder)


def test_nothing_to_write_or_to_share_is_said(folder, tmp_path):
    with pytest.raises(ValueError, match="must get one row or more, got none"):
        write_shards([], tmp_path / "new")
    with pytest.raises(ValueError, match=r"got \(2, 2\) and 21 rows"):
        Shards(folder, process=(2, 2))


def test_large_vocabularies_keep_their_ids(tmp_path):
    write_shards([(np.array([2, 70000, 3]), np.zeros(3, bool))], tmp_path)
    assert Shards(tmp_path).rows(0, 1)[0].tolist() == [[2, 70000, 3]]


def test_memory_does_not_grow_with_the_number_of_rows(tmp_path):
    def peak(count):
        folder = tmp_path / str(count)
        tracemalloc.start()
        write_shards(numbered(count, 64), folder, size=64)
        shards = Shards(folder, window=2)
        for begin in range(0, count, 32):
            shards.rows(begin, begin + 32)
        found = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return found

    peak(512)
    assert peak(5120) < 1.2 * peak(512)
