"""Writing that loses nothing."""

import pytest

from bert4keras.files import atomic_write


def test_writing_takes_the_place_of_the_old_file(tmp_path):
    path = tmp_path / "model.json"
    path.write_text("old")
    with atomic_write(path) as file:
        file.write("新")
        assert path.read_text() == "old"
    assert path.read_text(encoding="utf-8") == "新"
    with atomic_write(path, "wb") as file:
        file.write(b"bytes")
    assert path.read_bytes() == b"bytes"


def test_writing_that_fails_leaves_the_old_file_and_nothing_beside(tmp_path):
    path = tmp_path / "model.json"
    path.write_text("old")
    with pytest.raises(KeyError):
        with atomic_write(path) as file:
            file.write("half")
            raise KeyError
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]
