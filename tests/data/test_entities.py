import json

import numpy as np
import pytest

from bert4keras.data import TagScheme, load_cluener, load_conll, load_words

SCHEMES = ("BIO", "BIOES", "BMES", "BILOU")


def write(folder, text, name="train.txt"):
    path = folder / name
    path.write_text(text, "utf-8")
    return path


def make_scheme(name):
    """Return a scheme with all tags of two types."""
    prefixes = dict(BIO="BI", BIOES="BIES", BMES="BMES", BILOU="BILU")[name]
    labels = ["O", *(f"{prefix}-{kind}" for prefix in prefixes for kind in ("PER", "LOC"))]
    return TagScheme(labels, name)


class TestLoadConll:
    @pytest.mark.parametrize("scheme", SCHEMES)
    def test_random_spans_come_back(self, tmp_path, scheme):
        rng = np.random.default_rng(0)
        samples = []
        for _ in range(30):
            length, spans, place = int(rng.integers(1, 15)), [], 0
            while place < length:
                last = min(length - 1, place + int(rng.integers(0, 4)))
                if rng.random() < 0.5:
                    spans.append((place, last, str(rng.choice(["PER", "LOC"]))))
                place = last + 1
            samples.append((length, spans))
        rows = [
            "".join(f"字 {tag}\n" for tag in make_scheme(scheme).list_tags(spans, length))
            for length, spans in samples
        ]
        got = load_conll(write(tmp_path, "\n".join(rows)), scheme=scheme, strict=True)
        assert got == [
            ("字" * length, [(first, last + 1, kind) for first, last, kind in spans])
            for length, spans in samples
        ]

    @pytest.mark.parametrize("scheme", SCHEMES)
    def test_the_scheme_is_found_from_the_tags(self, tmp_path, scheme):
        tags = make_scheme(scheme).list_tags([(0, 2, "PER"), (3, 3, "LOC")], 5)
        path = write(tmp_path, "".join(f"字 {tag}\n" for tag in tags))
        assert load_conll(path) == [("字" * 5, [(0, 3, "PER"), (3, 4, "LOC")])]

    def test_words_have_a_separator_and_columns_a_number(self, tmp_path):
        text = "-DOCSTART- -X- O O\n\nJohn NNP B-NP B-PER\nSmith NNP I-NP I-PER\nruns VBZ B-VP O\n"
        path = write(tmp_path, text)
        sample = ("John Smith runs", [(0, 10, "PER")])
        assert load_conll(path, separator=" ") == [sample]
        got = load_conll(path, separator=" ", column=2)
        assert got == [("John Smith runs", [(0, 10, "NP"), (11, 15, "VP")])]

    def test_texts_without_entities(self, tmp_path):
        assert load_conll(write(tmp_path, "天 O\n\n地 O\n")) == [("天", []), ("地", [])]

    @pytest.mark.parametrize(
        "tags, place",
        [
            (["I-PER", "B-PER"], "line 1, got I-PER at the beginning of a text"),
            (["B-LOC", "I-PER"], "line 2, got I-PER behind B-LOC"),
            (["O", "I-PER", "B-PER"], "line 2, got I-PER behind O"),
        ],
    )
    def test_tags_that_break_the_scheme_are_counted_or_refused(self, tmp_path, tags, place):
        path = write(tmp_path, "".join(f"字 {tag}\n" for tag in tags))
        with pytest.raises(ValueError, match=f"{place}. Correct it, or pass strict=False"):
            load_conll(path, strict=True)
        with pytest.warns(UserWarning, match=f"{place}, and 0 more such places"):
            (sample,) = load_conll(path)
        assert len(sample[1]) == 2 - ("O" in tags) + ("O" in tags)

    def test_a_text_that_ends_inside_an_entity(self, tmp_path):
        path = write(tmp_path, "天 B-PER\n地 M-PER\n\n玄 B-PER\n黄 E-PER\n")
        with pytest.warns(UserWarning, match="line 2, got M-PER at the end of a text"):
            assert load_conll(path)[0] == ("天地", [(0, 2, "PER")])

    @pytest.mark.parametrize(
        "text, message",
        [
            ("天\n", "Expected a word and a tag in column -1.*train.txt, line 1, got '天'"),
            ("天 O\n地 X-PER\n", "train.txt: Expected labels to be tags"),
            ("天 x O\n地 O\n", "Expected 3 columns as in the lines before in .*train.txt, line 2"),
            ("", "Expected a word and its tag on each line in .*train.txt, got an empty file"),
        ],
    )
    def test_another_form_is_refused(self, tmp_path, text, message):
        with pytest.raises(ValueError, match=message):
            load_conll(write(tmp_path, text))

    def test_a_column_that_is_not_there(self, tmp_path):
        with pytest.raises(ValueError, match=r"a tag in column 3.*line 1"):
            load_conll(write(tmp_path, "天 O\n"), column=3)


class TestTagScheme:
    def test_rules_of_a_scheme(self):
        scheme = TagScheme(["O", "B-A", "M-A", "E-A", "S-A"])
        assert scheme.name == "BMES"
        assert scheme.list_boundaries() == ([0, 1, 4], [0, 3, 4])
        pairs = np.argwhere(scheme.find_allowed_transitions()).tolist()
        assert [1, 2] in pairs and [1, 3] in pairs and [3, 1] in pairs
        assert [0, 2] not in pairs and [1, 0] not in pairs and [4, 3] not in pairs

    def test_spans_that_overlap_have_no_tags(self):
        for spans in ([(0, 1, "A"), (1, 2, "A")], [(2, 3, "A")], [(1, 0, "A")], [(-1, 0, "A")]):
            with pytest.raises(ValueError, match="Expected spans inside 3 tokens"):
                TagScheme(["O", "B-A", "I-A"]).list_tags(spans, 3)

    def test_types_without_prefixes(self):
        scheme = TagScheme(["O", "PER", "LOC"], "IO")
        spans = [(0, 1, "PER"), (2, 2, "LOC")]
        tags = scheme.list_tags(spans, 4)
        assert tags == ["PER", "PER", "LOC", "O"]
        assert scheme.list_spans([scheme.labels.index(tag) for tag in tags]) == spans

    def test_labels_of_another_scheme_are_refused(self):
        with pytest.raises(ValueError, match="Expected labels to be 'O' or tags B- I- of BIO"):
            TagScheme(["O", "B-A", "S-A"], "BIO")


class TestLoadCluener:
    def test_ends_are_behind_the_last_character(self, tmp_path):
        record = {
            "text": "张三在北京",
            "label": {"name": {"张三": [[0, 1]]}, "city": {"北京": [[3, 4]]}},
        }
        path = write(tmp_path, json.dumps(record, ensure_ascii=False))
        assert load_cluener(path) == [("张三在北京", [(0, 2, "name"), (3, 5, "city")])]

    def test_a_place_without_the_name_is_refused(self, tmp_path):
        record = {"text": "张三", "label": {"name": {"李四": [[0, 1]]}}}
        path = write(tmp_path, json.dumps(record, ensure_ascii=False))
        with pytest.raises(ValueError, match="Expected '李四' at the characters 0 to 1 .* line 1"):
            load_cluener(path)

    @pytest.mark.parametrize("span", [[-3, -2], [0], 3, [1, 0]])
    def test_places_are_two_numbers_inside_the_text(self, tmp_path, span):
        record = {"text": "张三来", "label": {"name": {"张三": [span]}}}
        with pytest.raises(ValueError, match="Expected '张三' at .* line 1"):
            load_cluener(write(tmp_path, json.dumps(record, ensure_ascii=False)))

    def test_another_form_is_refused(self, tmp_path):
        with pytest.raises(ValueError, match="Expected an object with text, label in .*, line 2"):
            load_cluener(write(tmp_path, '{"text": "", "label": {}}\n{"text": "天"}\n'))
        with pytest.raises(ValueError, match="Expected a text, and a label .*line 1"):
            load_cluener(write(tmp_path, '{"text": "天", "label": ["name"]}\n'))


class TestLoadWords:
    def test_words_stand_where_they_stood_in_a_text_without_spaces(self, tmp_path):
        path = write(tmp_path, "新书  来 了\n\n 好　的\n")
        assert load_words(path) == [
            ("新书来了", [(0, 2, "word"), (2, 3, "word"), (3, 4, "word")]),
            ("好的", [(0, 1, "word"), (1, 2, "word")]),
        ]

    @pytest.mark.parametrize("text, got", [("", "an empty file"), ("新书来了\n好\n", "'新书来了'")])
    def test_a_file_without_words_is_named(self, tmp_path, text, got):
        with pytest.raises(ValueError, match=f"Expected a text on each line, .*got {got}"):
            load_words(write(tmp_path, text))
