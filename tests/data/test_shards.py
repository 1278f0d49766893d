"""ShardedDataset: every row once in an epoch, order by seed, damaged shards are named."""

import json
import tracemalloc

import numpy as np
import pytest
from safetensors.numpy import load_file

from bert4keras.data import ShardedDataset, write_shards


def make_rows(count, length=4):
    """Yield rows that hold their index."""
    return ((np.full(length, number), np.zeros(length, bool)) for number in range(count))


@pytest.fixture
def folder(tmp_path):
    """Write 21 rows in shards of 4."""
    write_shards(make_rows(21), tmp_path, rows_per_shard=4, metadata={"maxlen": 4})
    return tmp_path


def epoch_of(dataset, number=0):
    return dataset.read_rows(number * len(dataset), (number + 1) * len(dataset))[0][:, 0].tolist()


def test_read_rows_returns_the_rows_that_write_shards_wrote(folder):
    token_ids, is_continuation, row_indices, epochs = ShardedDataset(folder).read_rows(0, 21)
    assert token_ids.shape == is_continuation.shape == (21, 4) and not epochs.any()
    assert (token_ids[:, 0] == row_indices).all()
    assert ShardedDataset(folder).metadata == {"maxlen": 4}


@pytest.mark.parametrize("shuffle_window", [1, 2, 3, 50])
def test_read_rows_gives_every_row_once_in_an_epoch(folder, shuffle_window):
    dataset = ShardedDataset(folder, shuffle_window=shuffle_window)
    epochs = [epoch_of(dataset, number) for number in range(3)]
    assert all(sorted(epoch) == [*range(21)] for epoch in epochs)
    assert epochs[0] != epochs[1] != epochs[2] != [*range(21)]


def test_seed_alone_decides_the_order(folder):
    dataset, equal, different = (ShardedDataset(folder, seed=seed) for seed in (3, 3, 4))
    assert epoch_of(dataset, 5) == epoch_of(equal, 5)
    assert epoch_of(dataset) != epoch_of(different)


def test_read_rows_reads_any_part_of_the_order(folder):
    content = ShardedDataset(folder, shuffle_window=2).read_rows(0, 63)
    for begin, end in [(0, 5), (19, 44), (62, 63), (30, 31)]:
        part = ShardedDataset(folder, shuffle_window=2).read_rows(begin, end)
        assert all((x == y[begin:end]).all() for x, y in zip(part, content))


@pytest.mark.parametrize("processes", [1, 2, 3, 5])
def test_num_processes_share_an_epoch(folder, processes):
    parts = [
        ShardedDataset(folder, process_index=i, num_processes=processes, shuffle_window=2)
        for i in range(processes)
    ]
    assert max(map(len, parts)) - min(map(len, parts)) <= 1
    assert sorted(sum((epoch_of(part, 2) for part in parts), [])) == [*range(21)]


def test_process_index_reads_few_shards_of_others(tmp_path, monkeypatch):
    write_shards(make_rows(64), tmp_path, rows_per_shard=4)
    shards, read_shard = [], ShardedDataset._read_shard

    def record_shard(self, shard):
        shards.append(shard)
        return read_shard(self, shard)

    monkeypatch.setattr(ShardedDataset, "_read_shard", record_shard)
    epoch_of(ShardedDataset(tmp_path, shuffle_window=1, process_index=1, num_processes=4))
    assert 4 <= len(shards) <= 5


def test_skip_damaged_skips_truncated_and_missing_shards(folder):
    shard = folder / "shard-00002.safetensors"
    content = shard.read_bytes()
    shard.write_bytes(content[:-7])
    (folder / "shard-00005.safetensors").unlink()
    message = f"shard-00002.safetensors: {len(content) - 7} of"
    with pytest.raises(ValueError, match=message) as error:
        ShardedDataset(folder)
    assert "shard-00005.safetensors: missing" in str(error.value)
    assert "skip_damaged=True" in str(error.value)
    with pytest.warns(UserWarning, match="shard-00002(.|\n)*They are skipped"):
        dataset = ShardedDataset(folder, skip_damaged=True)
    assert sorted(epoch_of(dataset)) == [*range(8), *range(12, 20)]


def test_read_rows_names_a_file_of_the_right_size_that_is_no_shard(folder):
    shard = folder / "shard-00000.safetensors"
    shard.write_bytes(b"x" * len(shard.read_bytes()))
    with pytest.raises(ValueError, match="a shard of write_shards in .*shard-00000.safetensors"):
        epoch_of(ShardedDataset(folder))


def test_write_shards_leaves_no_index_if_interrupted(folder):
    def broken():
        yield from make_rows(5)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_shards(broken(), folder, rows_per_shard=4)
    with pytest.raises(FileNotFoundError, match="the shards are incomplete. Write them again"):
        ShardedDataset(folder)


def test_write_shards_refuses_no_rows(tmp_path):
    with pytest.raises(ValueError, match="Expected at least one row for .*, got none"):
        write_shards([], tmp_path / "new")


@pytest.mark.parametrize("process_index, num_processes", [(2, 2), (-1, 2), (0, 22)])
def test_sharded_dataset_refuses_an_impossible_process_index(folder, process_index, num_processes):
    with pytest.raises(ValueError, match=f"num_processes={num_processes} and 21 rows"):
        ShardedDataset(folder, process_index=process_index, num_processes=num_processes)


def test_names_in_shards_and_index_stay_readable(folder):
    index = json.loads((folder / "index.json").read_text(encoding="utf-8"))
    assert index.keys() == {"shards", "about"} and index["about"] == {"maxlen": 4}
    assert index["shards"]["shard-00000.safetensors"][0] == 4
    assert load_file(folder / "shard-00000.safetensors").keys() == {"token_ids", "continues"}


def test_write_shards_keeps_ids_of_large_vocabularies(tmp_path):
    write_shards([(np.array([2, 70000, 3]), np.zeros(3, bool))], tmp_path)
    assert ShardedDataset(tmp_path).read_rows(0, 1)[0].tolist() == [[2, 70000, 3]]


def test_sharded_dataset_needs_the_same_memory_for_more_rows(tmp_path):
    def peak(count):
        folder = tmp_path / str(count)
        tracemalloc.start()
        write_shards(make_rows(count, 64), folder, rows_per_shard=64)
        dataset = ShardedDataset(folder, shuffle_window=2)
        for begin in range(0, count, 32):
            dataset.read_rows(begin, begin + 32)
        memory = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return memory

    peak(512)
    assert peak(5120) < 1.2 * peak(512)
