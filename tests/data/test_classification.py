import json

import pytest

from bert4keras.data import load_clue, load_table


def write(folder, text, name="train.tsv"):
    path = folder / name
    path.write_bytes(text.encode())
    return path


class TestLoadTable:
    def test_columns_by_index(self, tmp_path):
        path = write(tmp_path, '很"好"\t1\n不好\t0\n')
        assert load_table(path) == [('很"好"', "1"), ("不好", "0")]
        assert load_table(path, label_type=int)[0] == ('很"好"', 1)
        assert load_table(path, label=None) == ['很"好"', "不好"]

    def test_columns_by_name(self, tmp_path):
        path = write(tmp_path, "label\ttext\n1\t很好\n")
        assert load_table(path, text="text", label="label") == [("很好", "1")]
        assert load_table(path, text=1, label=0, header=True) == [("很好", "1")]

    def test_pairs_have_two_columns(self, tmp_path):
        path = write(tmp_path, "天\t地\t2.5\n")
        assert load_table(path, text=(0, 1), label_type=float) == [(("天", "地"), 2.5)]

    def test_csv_has_quotes_and_lines_inside_them(self, tmp_path):
        path = write(tmp_path, 'text,label\r\n"很,好\n""真""",1\r\n', "train.csv")
        assert load_table(path, text="text", label="label") == [('很,好\n"真"', "1")]
        path = write(tmp_path, "很好|1\n")
        assert load_table(path, delimiter="|") == [("很好", "1")]

    @pytest.mark.parametrize(
        "text, options, message",
        [
            ("天\t1\n地\n", {"label": 1}, "Expected a column 1, counted from 0, in .*, line 2"),
            ("天\t1\n \t1\n", {}, "Expected a text in each column of texts in .*, line 2"),
            ("天\tgood\n", {"label_type": int}, "Expected a label that int takes in .*, line 1"),
            ("a\tb\n天\t1\n", {"text": "x"}, "Expected a column 'x' in the header in .*, line 1"),
            ("a\tb\n天\n", {"text": "a"}, "Expected 2 columns, as many as the header .*, line 2"),
            ("", {}, "Expected a text on each line in .*train.tsv, got an empty file"),
            ("天", {"text": "a", "header": False}, "Expected columns by index with header=False"),
            ("天", {"text": (0, 1, 2)}, "Expected text to be one column or two"),
        ],
    )
    def test_another_form_is_refused(self, tmp_path, text, options, message):
        with pytest.raises(ValueError, match=message):
            load_table(write(tmp_path, text), **options)

    def test_wrong_quotes_in_csv(self, tmp_path):
        path = write(tmp_path, '"天"x,1\n', "train.csv")
        with pytest.raises(ValueError, match="Expected rows of CSV in .*train.csv, line 1"):
            load_table(path)


class TestLoadClue:
    def write(self, folder, *records):
        lines = [json.dumps(record, ensure_ascii=False) for record in records]
        return write(folder, "\n".join(lines), "train.json")

    def test_texts_and_pairs(self, tmp_path):
        path = self.write(tmp_path, {"sentence": "天", "label": "1", "label_desc": "news"})
        assert load_clue(path) == [("天", "1")]
        assert load_clue(path, label="label_desc") == [("天", "news")]
        path = self.write(tmp_path, {"sentence1": "天", "sentence2": "地", "label": "0"})
        assert load_clue(path) == [(("天", "地"), "0")]
        path = self.write(tmp_path, {"abst": "天", "keyword": ["a", "b"], "label": "0"})
        assert load_clue(path) == [(("天", "a；b"), "0")]

    def test_records_without_an_agreed_label_are_counted(self, tmp_path):
        pair = {"sentence1": "天", "sentence2": "地"}
        path = self.write(tmp_path, {**pair, "label": "-"}, {**pair, "label": "neutral"})
        with pytest.warns(UserWarning, match="1 records without an agreed label"):
            assert load_clue(path) == [(("天", "地"), "neutral")]

    @pytest.mark.parametrize("record", [{"text": "天", "label": 1}, {"sentence": "天"}, 3])
    def test_another_form_is_refused(self, tmp_path, record):
        path = self.write(tmp_path, {"sentence": "天", "label": "1"}, record)
        with pytest.raises(ValueError, match="Expected .* in .*train.json, line 2"):
            load_clue(path)
