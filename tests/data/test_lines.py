"""Lines of a file by number, and JSON lines."""

import gzip
import json
import os

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
    record = json.loads(places.read_text())
    assert record["offsets"] == [0, 16, 17, 36]
    with open(poem, indexable=str(places)) as file:
        assert file[:] == LINES


def test_open_finds_offsets_again_if_the_file_has_changed(poem, tmp_path):
    places = tmp_path / "places.json"
    for text in ("one\ntwo\nthree\n", "a longer line now\nand another\nand a third\n", ""):
        poem.write_text(text)
        with open(poem, indexable=places) as file:
            assert file[:] == text.splitlines(keepends=True) and len(file) == text.count("\n")


def test_open_notices_a_change_that_size_and_time_do_not_show(poem, tmp_path):
    places = tmp_path / "places.json"
    poem.write_text("one\ntwo\nthree\n")
    open(poem, indexable=places).close()
    status = poem.stat()
    poem.write_text("on\netwo\nthree\n")
    os.utime(poem, ns=(status.st_atime_ns, status.st_mtime_ns))
    with open(poem, indexable=places) as file:
        assert file[2] == "three\n"
        for number in (0, 1):
            with pytest.raises(ValueError, match=f"Expected line {number + 1} of .*the file has"):
                file[number]


def test_open_reads_offsets_of_earlier_versions(poem, tmp_path):
    (tmp_path / "places.json").write_text("[0, 16, 17, 36]")
    with open(poem, indexable=tmp_path / "places.json") as file:
        assert file[:] == LINES
    (tmp_path / "places.json").write_text("[0, 16, 18, 36]")
    with open(poem, indexable=tmp_path / "places.json") as file:
        assert file[3] == LINES[3]
        with pytest.raises(ValueError, match="Expected line 2 of .*poem.txt where its offset says"):
            file[1]


@pytest.mark.parametrize(
    "places",
    [
        "[0, 9999]",
        "[0, 16]",
        "[16, 17, 36]",
        "[0, 17, 16, 36]",
        "[0, 16, 16, 36]",
        "[]",
        "[0, true]",
        "[0, 16.0]",
        '{"a": 1}',
        "3",
        "half a fil",
        "\udcff",
        "[" * 5000,
        "[0, " + "9" * 5000 + "]",
    ],
)
def test_open_refuses_offsets_of_another_file(poem, tmp_path, places):
    (tmp_path / "places.json").write_bytes(places.encode(errors="surrogateescape"))
    with pytest.raises(ValueError, match="line offsets .*places.json, got others. Delete it"):
        open(poem, indexable=str(tmp_path / "places.json"))


def test_open_skips_a_byte_order_mark_when_it_reads(tmp_path):
    path = tmp_path / "notepad.txt"
    path.write_bytes("\ufeff甲\r\n\ufeff乙".encode())
    for encoding in (None, "utf-8", "utf8"):
        with open(path, encoding=encoding, indexable=True) as file:
            assert list(file) == file[:] == ["甲\n", "\ufeff乙"]
    with open(path, "w") as file:
        file.write("甲")
    assert path.read_bytes() == "甲".encode()


def test_open_names_a_line_of_another_encoding(poem):
    poem.write_bytes("甲\n".encode() + "乙\n".encode("gbk"))
    message = "Expected utf-8 in .*poem.txt, line 2, got .*It can be read as GBK: pass .*'gb18030'"
    with open(poem, indexable=True) as file:
        for read in (lambda: list(file), lambda: file[1]):
            with pytest.raises(ValueError, match=message):
                read()


def test_open_names_an_index_beyond_the_lines(poem):
    with open(poem, indexable=True) as file:
        for index in (4, -5, 99):
            with pytest.raises(IndexError, match=f"of the 4 lines of .*poem.txt, got {index}"):
                file[index]
        with pytest.raises(TypeError, match="the index of a line to be a whole number, got '1'"):
            file["1"]


def test_open_refuses_an_encoding_whose_line_feed_has_two_bytes(poem):
    with pytest.raises(ValueError, match="a line feed as one byte, got 'utf-16'"):
        open(poem, encoding="utf-16", indexable=True)


@pytest.mark.parametrize("read", [open, load_json_lines])
def test_an_unknown_encoding_is_named(poem, read):
    with pytest.raises(LookupError, match="Expected encoding to be one that .* got 'utf-88'"):
        read(poem, encoding="utf-88")


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


@pytest.mark.parametrize("name", ["samples.json", "samples.json.gz"])
def test_load_json_lines_skips_a_byte_order_mark(tmp_path, name):
    content = '\ufeff{"文": 1}\r\n{"文": 2}\n\n \n'.encode()
    (tmp_path / name).write_bytes(gzip.compress(content) if name.endswith("gz") else content)
    assert load_json_lines(tmp_path / name) == [{"文": 1}, {"文": 2}]


def test_load_json_lines_names_a_line_of_another_encoding(tmp_path):
    path = tmp_path / "samples.json"
    path.write_bytes(b'{"a": 1}\n' + '{"a": "今"}'.encode("gbk"))
    with pytest.raises(ValueError, match="utf-8 in .*samples.json, line 2, .*'gb18030', or save"):
        load_json_lines(path)
    assert load_json_lines(path, "gbk") == [{"a": 1}, {"a": "今"}]
    path.write_text('{"a": "今"}', encoding="utf-16")
    with pytest.raises(ValueError, match="samples.json, line 1, .*Pass the encoding 'utf-16'"):
        load_json_lines(path)
    assert load_json_lines(path, "utf-16") == [{"a": "今"}]


@pytest.mark.parametrize("line", ["[" * 100000, '{"a":' * 5000, "9" * 5000])
def test_load_json_lines_names_a_line_that_python_cannot_read(tmp_path, line):
    (tmp_path / "samples.json").write_text(f"1\n{line}\n")
    with pytest.raises(ValueError, match="one JSON value in .*samples.json, line 2, got"):
        load_json_lines(tmp_path / "samples.json")
