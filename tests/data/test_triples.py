import json

import pytest

from bert4keras.data import load_triples


def write(folder, *records, as_array=False):
    path = folder / "train.json"
    lines = [json.dumps(record, ensure_ascii=False) for record in records]
    path.write_text(json.dumps([*records]) if as_array else "\n".join(lines), "utf-8")
    return path


class TestLoadTriples:
    def test_the_form_of_lic2019(self, tmp_path):
        spo = {"subject": "春山", "predicate": "作者", "object": "李明", "object_type": "人物"}
        path = write(tmp_path, {"text": "李明著《春山》", "spo_list": [spo, spo], "postag": []})
        assert load_triples(path) == [("李明著《春山》", [("春山", "作者", "李明")])]

    def test_the_further_keys_of_an_object_of_duie_2(self, tmp_path):
        object = {"@value": "李明", "inWork": "春山", "period": ""}
        spo = {"subject": "王红", "predicate": "饰演", "object": object}
        got = load_triples(write(tmp_path, {"text": "王红", "spo_list": [spo]}))
        assert got[0][1] == [("王红", "饰演", "李明"), ("王红", "饰演_inWork", "春山")]

    @pytest.mark.parametrize("as_array", [True, False])
    def test_the_form_of_casrel(self, tmp_path, as_array):
        record = {"text": "a b", "triple_list": [["a", "near", "b"]]}
        path = write(tmp_path, record, record, as_array=as_array)
        assert load_triples(path) == [("a b", [("a", "near", "b")])] * 2

    @pytest.mark.parametrize(
        "record, message",
        [
            ({"spo_list": []}, "Expected an object with text"),
            ([1], "Expected an object with text"),
            ({"text": "天"}, "Expected a text, and triples of subject, predicate and object"),
            ({"text": "天", "spo_list": [{"subject": "天"}]}, "Expected a text, and triples"),
            ({"text": "天", "triple_list": [["a", "b"]]}, "Expected a text, and triples"),
            ({"text": "天", "triple_list": [["a", "b", 3]]}, "Expected text, subject, predicate"),
            ({"text": "天", "spo_list": [{"subject": "天", "predicate": "", "object": {}}]}, "tri"),
        ],
    )
    def test_another_form_names_file_and_line(self, tmp_path, record, message):
        path = write(tmp_path, {"text": "天", "spo_list": []}, record)
        with pytest.raises(ValueError, match=f"{message}.* in .*train.json, line 2"):
            load_triples(path)

    def test_a_line_that_is_no_json(self, tmp_path):
        path = tmp_path / "train.json"
        path.write_text('{"text": "天", "spo_list": []}\n{"text": \n', "utf-8")
        with pytest.raises(ValueError, match="Expected JSON in .*train.json, line 2, got"):
            load_triples(path)

    def test_an_empty_file(self, tmp_path):
        with pytest.raises(ValueError, match="in .*train.json, got an empty file"):
            load_triples(write(tmp_path))
