"""Atomic writes: a file is whole or unchanged."""

import pytest

from bert4keras.files import atomic_write, replace_file, replace_files


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


class TestReplaceFile:
    def test_the_temporary_name_has_the_suffix_and_the_target_its_own_name(self, tmp_path):
        with replace_file(tmp_path / "best_model.weights", ".weights.h5") as temporary:
            assert temporary.name.endswith(".weights.h5") and temporary.parent == tmp_path
            temporary.write_bytes(b"weights")
        assert [path.name for path in tmp_path.iterdir()] == ["best_model.weights"]


class TestReplaceFiles:
    def test_files_move_into_the_folder_together(self, tmp_path):
        (tmp_path / "kept.txt").write_text("kept")
        with replace_files(tmp_path) as temporary:
            (temporary / "inner").mkdir()
            (temporary / "inner" / "a.txt").write_text("a")
            (temporary / "b.txt").write_text("b")
            assert not (tmp_path / "b.txt").exists()
        files = {str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*.txt")}
        assert files == {"kept.txt", "b.txt", "inner/a.txt"}
        assert {path.name for path in tmp_path.iterdir()} == {"kept.txt", "b.txt", "inner"}

    def test_a_failure_moves_no_file(self, tmp_path):
        with pytest.raises(KeyError):
            with replace_files(tmp_path) as temporary:
                (temporary / "a.txt").write_text("a")
                raise KeyError
        assert not list(tmp_path.iterdir())
