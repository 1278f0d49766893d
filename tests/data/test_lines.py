"""Lines of a file by number, and JSON lines."""

import json

import pytest

from bert4keras.data import load_json_lines, open

LINES = ["床前明月光\n", "\n", "疑是\u2028地上霜\n", "举头望明月"]


@pytest.fixture
def poem(tmp_path):
    path = tmp_path / "poem.txt"
    path.write_text("".join(LINES), encoding="utf-8")
    return path


def test_open_reads_like_the_builtin(poem):
    with open(poem) as file:
        assert list(file) == LINES
    with open(poem) as file:
        assert next(file) == LINES[0]
        assert file.readline() == LINES[1]
        assert file.read() == LINES[2] + LINES[3]


def test_open_writes_like_the_builtin(tmp_path):
    with open(tmp_path / "out.txt", "w", encoding="gbk") as file:
        file.write("你好")
    assert (tmp_path / "out.txt").read_bytes() == "你好".encode("gbk")
    assert file.closed


def test_open_reads_bytes_as_bytes(poem):
    with open(poem, "rb") as file:
        assert file.read() == "".join(LINES).encode("utf-8")


def test_open_indexes_lines_in_any_order(poem):
    with open(poem, indexable=True) as file:
        assert len(file) == 4
        assert [file[index] for index in (3, 0, -2, 1)] == [LINES[i] for i in (3, 0, 2, 1)]
        assert file[1:3] == LINES[1:3]
        with pytest.raises(IndexError):
            file[4]


def test_open_keeps_the_read_position_when_a_line_is_indexed(poem):
    with open(poem, indexable=True) as file:
        assert next(file) == LINES[0]
        assert file[3] == LINES[3]
        assert next(file) == LINES[1]


def test_open_reads_line_ends_of_windows(tmp_path):
    (tmp_path / "windows.txt").write_bytes("甲\r\n乙\r\n".encode("gbk"))
    with open(tmp_path / "windows.txt", encoding="gbk", indexable=True) as file:
        assert [file[0], file[1]] == list(file) == ["甲\n", "乙\n"]


def test_open_stores_offsets_for_the_next_time(poem, tmp_path):
    places = tmp_path / "places.json"
    with open(poem, indexable=str(places)) as file:
        assert file[2] == LINES[2]
    offsets = json.loads(places.read_text())
    assert offsets[:2] == [0, 16]
    places.write_text(json.dumps(offsets[:2]))
    with open(poem, indexable=str(places)) as file:
        assert len(file) == 2


@pytest.mark.parametrize("places", ["[0, 9999]", '{"a": 1}', "half a fil"])
def test_open_refuses_offsets_of_another_file(poem, tmp_path, places):
    (tmp_path / "places.json").write_text(places)
    with pytest.raises(ValueError, match="line offsets of .*places.json, got others. Delete it"):
        open(poem, indexable=str(tmp_path / "places.json"))


def test_open_names_indexable_where_a_line_is_indexed_without(poem):
    with open(poem) as file:
        assert file
        with pytest.raises(TypeError, match="indexable=True"):
            file[0]
        with pytest.raises(TypeError, match="indexable=True"):
            len(file)


def test_open_refuses_indexable_unless_it_reads_text(tmp_path):
    with pytest.raises(ValueError, match="Expected mode \"r\" for an indexable file, got 'w'"):
        open(tmp_path / "new.txt", "w", indexable=True)
    assert not (tmp_path / "new.txt").exists()


def test_load_json_lines_reads_values_and_skips_empty_lines(tmp_path):
    (tmp_path / "samples.json").write_text('{"文": "一\u2028二"}\n\n[1, 2]\n', encoding="utf-8")
    assert load_json_lines(tmp_path / "samples.json") == [{"文": "一\u2028二"}, [1, 2]]


def test_load_json_lines_names_a_line_that_is_not_json(tmp_path):
    (tmp_path / "samples.tsv").write_text('{"a": 1}\ntext\tlabel\n', encoding="utf-8")
    with pytest.raises(ValueError, match=r"samples.tsv, line 2, got .*column 1: 'text\\tlabel'"):
        load_json_lines(tmp_path / "samples.tsv")
