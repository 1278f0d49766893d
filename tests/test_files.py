"""Atomic writes: a file is whole or unchanged, and nothing is left behind."""

import errno
import os
import signal
import subprocess
import sys
import threading
from collections import Counter
from pathlib import Path

import pytest

from bert4keras import files
from bert4keras.checkpoints import CheckpointError, open_checkpoint
from bert4keras.files import (
    atomic_write,
    check_free_space,
    lock_folder,
    remove_dead_parts,
    replace_file,
    replace_files,
)

WRITER = """
import sys
from bert4keras.files import replace_file
with replace_file(sys.argv[1]) as temporary:
    temporary.write_text("half")
    print("ready", flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def writer(tmp_path):
    """Another process in the midst of a write of ``tmp_path/model.json``."""
    command = [sys.executable, "-c", WRITER, str(tmp_path / "model.json")]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout.readline() == b"ready\n"
        yield process
        process.kill()


def names(folder):
    return sorted(path.name for path in folder.iterdir())


class TestAtomicWrite:
    def test_the_old_file_is_replaced_at_the_end(self, tmp_path):
        path = tmp_path / "model.json"
        path.write_text("old")
        with atomic_write(path) as file:
            file.write("新")
            assert path.read_text() == "old"
        assert path.read_text(encoding="utf-8") == "新"
        with atomic_write(path, "wb") as file:
            file.write(b"bytes")
        assert path.read_bytes() == b"bytes"

    def test_a_failure_leaves_the_old_file_and_no_temporary_one(self, tmp_path):
        path = tmp_path / "model.json"
        path.write_text("old")
        with pytest.raises(KeyError):
            with atomic_write(path) as file:
                file.write("half")
                raise KeyError
        assert path.read_text() == "old"
        assert list(tmp_path.iterdir()) == [path]

    def test_missing_folders_are_created(self, tmp_path):
        with atomic_write(tmp_path / "a" / "b" / "c.txt") as file:
            file.write("x")
        assert (tmp_path / "a" / "b" / "c.txt").read_text() == "x"

    def test_the_file_has_the_permissions_of_any_new_file(self, tmp_path):
        (tmp_path / "plain.txt").touch()
        with atomic_write(tmp_path / "new.txt") as file:
            file.write("x")
        modes = {path.stat().st_mode for path in tmp_path.iterdir()}
        assert len(modes) == 1

    def test_a_link_is_replaced_and_not_followed(self, tmp_path):
        (tmp_path / "secret").write_text("secret")
        (tmp_path / "model.json").symlink_to(tmp_path / "secret")
        with atomic_write(tmp_path / "model.json") as file:
            file.write("new")
        assert (tmp_path / "secret").read_text() == "secret"
        assert (tmp_path / "model.json").read_text() == "new"

    def test_threads_do_not_disturb_each_other(self, tmp_path):
        texts = [letter * 5000 for letter in "ab"]
        counts = Counter()

        def write(text):
            for _ in range(40):
                with atomic_write(tmp_path / "t.txt") as file:
                    file.write(text)
                counts[(tmp_path / "t.txt").read_text()] += 1

        threads = [threading.Thread(target=write, args=(text,)) for text in texts]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert set(counts) <= set(texts) and sum(counts.values()) == 80
        assert names(tmp_path) == ["t.txt"]

    @pytest.mark.parametrize("number", [errno.ENOSPC, errno.EFBIG])
    def test_an_error_of_the_disk_names_the_file(self, tmp_path, number):
        path = tmp_path / "model.json"
        with pytest.raises(OSError) as caught:
            with atomic_write(path):
                raise OSError(number, os.strerror(number))
        assert str(path) in str(caught.value) and ".part-" not in str(caught.value)
        assert not names(tmp_path)

    def test_an_error_of_another_file_keeps_its_name(self, tmp_path):
        with pytest.raises(FileNotFoundError, match="nowhere"):
            with atomic_write(tmp_path / "model.json"):
                open(tmp_path / "nowhere")

    def test_a_folder_in_the_way_is_named(self, tmp_path):
        (tmp_path / "model.json").mkdir()
        with pytest.raises(OSError) as caught:
            with atomic_write(tmp_path / "model.json"):
                pass
        assert "model.json" in str(caught.value) and ".part-" not in str(caught.value)

    def test_file_and_folder_are_flushed_in_order(self, tmp_path, monkeypatch):
        events = []

        def fsync(descriptor, original=os.fsync):
            events.append("folder" if os.path.isdir(f"/proc/self/fd/{descriptor}") else "file")
            original(descriptor)

        def replace(old, new, original=os.replace):
            events.append("rename")
            original(old, new)

        monkeypatch.setattr(os, "fsync", fsync)
        monkeypatch.setattr(os, "replace", replace)
        with replace_files(tmp_path) as temporary:
            (temporary / "a").touch()
            (temporary / "b").touch()
        assert events == ["file", "file", "rename", "rename", "folder"]

    def test_an_error_of_hdf5_about_the_disk_names_the_file(self, tmp_path):
        path = tmp_path / "m.h5"
        with pytest.raises(OSError, match=f"No space left on device: '{path}'$"):
            with atomic_write(path):
                raise RuntimeError("Can't write (filename = 'x', errno = 28, error message = 'No')")


class TestCheckFreeSpace:
    def test_a_file_larger_than_the_disk_is_an_error_before_it_is_written(self, tmp_path):
        check_free_space(tmp_path / "small", 10)
        with pytest.raises(OSError, match=f"No space left on device: '{tmp_path}/large'"):
            check_free_space(tmp_path / "large", 1 << 60)


class TestReplaceFile:
    def test_the_temporary_name_has_the_suffix_and_the_target_its_own_name(self, tmp_path):
        with replace_file(tmp_path / "best_model.weights", ".weights.h5") as temporary:
            assert temporary.name.endswith(".weights.h5")
            temporary.write_bytes(b"weights")
        assert names(tmp_path) == ["best_model.weights"]

    def test_no_reader_takes_a_part_for_a_checkpoint(self, tmp_path):
        for name in ("best.weights.h5", "model.safetensors", "m.ckpt.index"):
            with replace_file(tmp_path / name) as temporary:
                temporary.touch()
                assert temporary.parent.name.startswith(".part-")
                with pytest.raises(CheckpointError, match="No checkpoint in"):
                    open_checkpoint(tmp_path)
                mode = temporary.parent.stat().st_mode
                assert mode & 0o077 == 0  # nobody else can plant a link in it
            (tmp_path / name).unlink()


class TestReplaceFiles:
    def test_files_move_into_the_folder_together(self, tmp_path):
        (tmp_path / "kept.txt").write_text("kept")
        with replace_files(tmp_path) as temporary:
            (temporary / "inner").mkdir()
            (temporary / "inner" / "a.txt").write_text("a")
            (temporary / "b.txt").write_text("b")
            assert not (tmp_path / "b.txt").exists()
        counts = {str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*.txt")}
        assert counts == {"kept.txt", "b.txt", "inner/a.txt"}
        assert names(tmp_path) == ["b.txt", "inner", "kept.txt"]

    def test_a_failure_moves_no_file(self, tmp_path):
        with pytest.raises(KeyError):
            with replace_files(tmp_path) as temporary:
                (temporary / "a.txt").write_text("a")
                raise KeyError
        assert not list(tmp_path.iterdir())


class TestParts:
    def test_the_next_write_removes_those_of_a_killed_process(self, tmp_path, writer):
        os.kill(writer.pid, signal.SIGKILL)
        writer.wait()
        assert len(names(tmp_path)) == 1
        with atomic_write(tmp_path / "other.json") as file:
            file.write("new")
        assert names(tmp_path) == ["other.json"]

    def test_those_of_a_living_process_stay(self, tmp_path, writer):
        (part,) = tmp_path.iterdir()
        remove_dead_parts(tmp_path)
        with atomic_write(tmp_path / "model.json") as file:
            file.write("new")
        assert part.is_dir()
        writer.communicate()  # it goes on to its end, and its file is the last
        assert writer.returncode == 0
        assert (tmp_path / "model.json").read_text() == "half"
        assert names(tmp_path) == ["model.json"]

    def test_those_of_another_machine_stay(self, tmp_path):
        part = tmp_path / ".part-00000000-11111111-abcdefgh"
        part.mkdir()
        remove_dead_parts(tmp_path)
        assert part.is_dir()

    @pytest.mark.parametrize("place", [0, 1])
    def test_a_part_of_this_machine_or_of_its_last_boot_is_removed(self, tmp_path, place):
        machine = ["0" * 8, "1" * 8]
        machine[place] = files._machine()[place]
        (tmp_path / f".part-{'-'.join(machine)}-abcdefgh").mkdir()
        remove_dead_parts(tmp_path)
        assert not names(tmp_path)

    def test_a_link_with_the_name_of_a_part_is_not_followed(self, tmp_path):
        (tmp_path / "precious").mkdir()
        (tmp_path / "precious" / "file").touch()
        (tmp_path / f".part-{'-'.join(files._machine())}-abcdefgh").symlink_to("precious")
        remove_dead_parts(tmp_path)
        assert (tmp_path / "precious" / "file").exists()

    def test_a_part_that_another_process_removed_at_once_is_made_again(self, tmp_path, monkeypatch):
        parts = []

        def make(**options):
            parts.append(real(**options))
            if len(parts) == 1:
                os.rmdir(parts[0])
            return parts[-1]

        real = files.mkdtemp
        monkeypatch.setattr(files, "mkdtemp", make)
        with atomic_write(tmp_path / "a.txt") as file:
            file.write("a")
        assert len(parts) == 2 and names(tmp_path) == ["a.txt"]


class TestLockFolder:
    def test_a_second_writer_waits_and_gives_up_with_words(self, tmp_path, monkeypatch):
        monkeypatch.setattr(files, "_LOCK_SECONDS", 0.05)
        with lock_folder(tmp_path):
            with pytest.raises(TimeoutError, match=f"{tmp_path}.*End that process"):
                with lock_folder(tmp_path):
                    pass
        with lock_folder(tmp_path):
            assert Path(tmp_path).is_dir()
