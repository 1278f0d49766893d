"""ShardedDataset: every row once in an epoch, order by seed, damaged shards are named."""

import json
import os
import threading
import tracemalloc

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from bert4keras.data import ShardedDataset, shards, write_shards


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


def broken_rows(error):
    yield from make_rows(5)
    raise error


def list_files(folder):
    return sorted(path.name for path in folder.iterdir())


@pytest.mark.parametrize("error", [KeyboardInterrupt, ValueError])
def test_an_error_in_rows_leaves_the_old_shards(folder, error):
    files = list_files(folder)
    with pytest.raises(error):
        write_shards(broken_rows(error), folder, rows_per_shard=4)
    assert list_files(folder) == files
    assert sorted(epoch_of(ShardedDataset(folder))) == [*range(21)]


def test_an_error_in_the_first_rows_leaves_no_index(tmp_path):
    with pytest.raises(KeyboardInterrupt):
        write_shards(broken_rows(KeyboardInterrupt), tmp_path, rows_per_shard=4)
    with pytest.raises(FileNotFoundError, match="the shards are incomplete. Write them again"):
        ShardedDataset(tmp_path)
    assert list_files(tmp_path) == []


def test_write_shards_replaces_all_old_shards_and_keeps_other_files(folder):
    (folder / "shards.txt").write_text("mine")
    (folder / "shard-a.safetensors").write_text("mine")
    index = write_shards(make_rows(6), folder, rows_per_shard=4)
    assert list_files(folder) == sorted(
        ["index.json", "shards.txt", "shard-a.safetensors", *index["shards"]]
    )
    assert sorted(epoch_of(ShardedDataset(folder))) == [*range(6)]


@pytest.mark.parametrize("call", range(1, 6))
def test_a_process_that_dies_at_any_rename_leaves_old_or_new_shards(folder, monkeypatch, call):
    """Four shards, then the index."""
    calls, replace = [], os.replace

    def die(*arguments):
        calls.append(arguments)
        if len(calls) == call:
            raise KeyboardInterrupt
        replace(*arguments)

    monkeypatch.setattr(os, "replace", die)
    with pytest.raises(KeyboardInterrupt):
        write_shards(make_rows(16), folder, rows_per_shard=4)
    monkeypatch.undo()
    assert sorted(epoch_of(ShardedDataset(folder))) == [*range(21)]
    write_shards(make_rows(3), folder)
    assert len(list_files(folder)) == 2


def test_new_shards_never_take_the_names_of_old_ones(folder):
    names = [{*write_shards(make_rows(3), folder)["shards"]} for _ in range(3)]
    assert len(set.union(*names)) == 3


def test_two_writers_leave_the_shards_of_one(folder):
    def write(value):
        for _ in range(10):
            write_shards([(np.full(4, value), np.zeros(4, bool))] * 9, folder, rows_per_shard=2)

    threads = [threading.Thread(target=write, args=(value,)) for value in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    token_ids = ShardedDataset(folder).read_rows(0, 9)[0]
    assert len(np.unique(token_ids)) == 1 and len(list_files(folder)) == 6


def test_a_dataset_that_opens_while_shards_are_replaced_reads_the_new_index(folder, monkeypatch):
    read_index, calls = shards._read_index, []

    def read_then_replace(path):
        index = read_index(path)
        if not calls:
            calls.append(write_shards(make_rows(5), folder))
        return index

    monkeypatch.setattr(shards, "_read_index", read_then_replace)
    assert sorted(epoch_of(ShardedDataset(folder))) == [*range(5)]


def test_write_shards_refuses_no_rows(tmp_path):
    with pytest.raises(ValueError, match="Expected at least one row for .*, got none"):
        write_shards([], tmp_path / "new")


GOOD = np.zeros(3, bool)


@pytest.mark.parametrize(
    "row, error, message",
    [
        ((np.array([2, -1, 3]), GOOD), ValueError, "from 0 to 2.*32 - 1 in row 1, got -1 to 3"),
        ((np.array([2, 2**32, 3]), GOOD), ValueError, "in row 1, got 2 to 4294967296"),
        ((np.array([1.7, 2, 3]), GOOD), TypeError, "integers and bools in row 1, got float64"),
        ((np.array([True, True, True]), GOOD), TypeError, "got bool and bool"),
        ((np.array([2, 5, 3]), np.zeros(3, int)), TypeError, "got int64 and int64"),
        (
            (np.array([2, 5]), np.zeros(2, bool)),
            ValueError,
            r"arrays \(3,\) in row 1, got .*\(2,\)",
        ),
        ((np.array([2, 5, 3]), np.zeros(2, bool)), ValueError, r"\(3,\) and \(2,\)"),
        ((np.ones((1, 3), int), np.zeros((1, 3), bool)), ValueError, r"\(1, 3\)"),
        (np.array([2, 5, 3]), TypeError, "row 1 to be .token_ids, is_continuation., got ndarray"),
        (None, TypeError, "got None. Make rows with pack_sequences"),
    ],
)
def test_write_shards_refuses_rows_that_it_cannot_keep(folder, row, error, message):
    files = list_files(folder)
    with pytest.raises(error, match=message):
        write_shards([(np.array([2, 5, 3]), GOOD), row], folder)
    assert list_files(folder) == files


@pytest.mark.parametrize(
    "error, options",
    [
        (ValueError, {"rows_per_shard": 0}),
        (TypeError, {"rows_per_shard": 2.5}),
        (TypeError, {"metadata": {1: {2}}}),
    ],
)
def test_write_shards_checks_its_options_first(folder, error, options):
    with pytest.raises(error, match=f"Expected {next(iter(options))} to be"):
        write_shards(make_rows(3), folder, **options)
    assert len(ShardedDataset(folder)) == 21


def test_metadata_comes_back_as_json(tmp_path):
    index = write_shards(make_rows(3), tmp_path, metadata={1: ("\udcff", tmp_path)})
    assert index["about"] == {"1": ["\udcff", str(tmp_path)]}
    assert ShardedDataset(tmp_path).metadata == index["about"]


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


def change_index(folder, change):
    path = folder / "index.json"
    index = json.loads(path.read_text(encoding="utf-8"))
    path.write_text(json.dumps(change(index)), encoding="utf-8")


def set_sizes(name, count, size=None):
    """Return a change of the index: other sizes of a shard."""

    def change(index):
        sizes = index["shards"].pop("shard-00000.safetensors")
        return {**index, "shards": {name: [count, size or sizes[1]], **index["shards"]}}

    return change


@pytest.mark.parametrize(
    "change, message",
    [
        (lambda index: [], 'without the keys "shards" and "about"'),
        (lambda index: {"shards": index["shards"]}, 'without the keys "shards" and "about"'),
        (lambda index: {"shards": {}, "about": 1}, 'no shard under the key "shards"'),
        (lambda index: {"shards": [], "about": 1}, 'no shard under the key "shards"'),
        (set_sizes("../outside.safetensors", 4), "not the name of a file in this folder"),
        (set_sizes("/etc/passwd", 4), "not the name of a file in this folder"),
        (set_sizes("a\\b", 4), "not the name of a file in this folder"),
        (set_sizes("a\0b", 4), "not the name of a file in this folder"),
        (set_sizes("\ud800", 4), "not the name of a file in this folder"),
        (set_sizes("..", 4), "not the name of a file in this folder"),
        (
            set_sizes("shard-00000.safetensors", 10**12),
            r"in place of \[rows, bytes\] of shard-00000",
        ),
        (set_sizes("shard-00000.safetensors", -5), r"in place of \[rows, bytes\]"),
        (set_sizes("shard-00000.safetensors", True), r"in place of \[rows, bytes\]"),
        (set_sizes("shard-00000.safetensors", "4"), r"in place of \[rows, bytes\]"),
        (set_sizes("shard-00000.safetensors", 4.0), r"in place of \[rows, bytes\]"),
    ],
)
def test_a_damaged_index_is_named(folder, change, message):
    change_index(folder, change)
    with pytest.raises(ValueError, match=f"Expected the index of write_shards in .*{message}"):
        ShardedDataset(folder)


HUGE = b'{"about": 1, "shards": {"a": [%s, 1]}}' % (b"9" * 5000)


@pytest.mark.parametrize("content", [HUGE, b"", b"{", b"\xff\xfe{", b"[" * 100000, b'{"a":' * 5000])
def test_an_index_that_is_no_json_is_named(folder, content):
    (folder / "index.json").write_bytes(content)
    with pytest.raises(ValueError, match="index.json, got: .*. Write the shards again"):
        ShardedDataset(folder)


@pytest.mark.parametrize("count", [1, 3, 5, 7])
@pytest.mark.parametrize("shuffle_window", [1, 8])
def test_an_index_with_another_count_of_rows_is_refused(folder, count, shuffle_window):
    change_index(folder, set_sizes("shard-00000.safetensors", count))
    dataset = ShardedDataset(folder, shuffle_window=shuffle_window)
    with pytest.raises(ValueError, match=r"shard-00000.safetensors, got: arrays .*\(4, 4\)"):
        dataset.read_rows(0, len(dataset))


def make_arrays(shape, second_shape=None, ids="uint16", bools="bool"):
    shapes = shape, second_shape or shape
    return {"token_ids": np.zeros(shapes[0], ids), "continues": np.zeros(shapes[1], bools)}


@pytest.mark.parametrize(
    "arrays, message",
    [
        ({"token_ids": np.zeros((4, 4), "uint16")}, "continues"),
        (make_arrays((4, 5)), r"\(4, 5\)"),
        (make_arrays((4, 4), (4, 3)), r"\(4, 3\)"),
        (make_arrays((4, 4), ids="float32"), "float32"),
        (make_arrays((4, 4), bools="uint8"), "uint8"),
        (make_arrays(()), r"shape \(\)"),
    ],
)
def test_a_shard_with_other_arrays_is_named(folder, arrays, message):
    path = folder / "shard-00000.safetensors"
    save_file(arrays, path)
    change_index(folder, set_sizes(path.name, 4, max(path.stat().st_size, 12)))
    dataset = ShardedDataset(folder)
    with pytest.raises(ValueError, match=f"Expected a shard of write_shards in .*{message}"):
        dataset.read_rows(0, len(dataset))


def test_read_rows_of_nothing_gives_no_rows(folder):
    token_ids, is_continuation, row_indices, epochs = ShardedDataset(folder).read_rows(3, 3)
    assert token_ids.shape == is_continuation.shape == (0, 4) and not len(row_indices) + len(epochs)


@pytest.mark.parametrize("begin, end, message", [(-5, -2, "begin to be"), (3, 2, "end to be")])
def test_read_rows_refuses_impossible_positions(folder, begin, end, message):
    with pytest.raises(ValueError, match=f"Expected {message} a whole number"):
        ShardedDataset(folder).read_rows(begin, end)


@pytest.mark.parametrize("options", [{"seed": -1}, {"shuffle_window": 0}])
def test_sharded_dataset_checks_its_options(folder, options):
    with pytest.raises(ValueError, match=f"Expected {next(iter(options))} to be a whole number of"):
        ShardedDataset(folder, **options)
