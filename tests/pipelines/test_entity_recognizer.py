import itertools
from types import SimpleNamespace

import keras
import numpy as np
import pytest
from pipelines.toy import (
    CHARACTERS,
    ODD_CHARACTERS,
    TOKENS,
    make_bert,
    make_table,
    make_texts,
    make_tokenizer,
)

from bert4keras.data.tag_scheme import TagScheme
from bert4keras.layers import (
    ConditionalRandomField,
    EfficientGlobalPointer,
    GlobalPointer,
    MaximumEntropyMarkovModel,
)
from bert4keras.pipelines import (
    EntityRecognizer,
    TextClassifier,
    load_pipeline,
    to_hugging_face,
)
from bert4keras.pipelines.entity_recognizer import find_characters
from bert4keras.pipelines.marginals import PathProbabilities
from bert4keras.pipelines.merging import WindowPlaces, join_encodings
from bert4keras.pipelines.subwords import list_subwords
from bert4keras.pipelines.tag_decoders import Entity
from bert4keras.pipelines.windows import cut_windows
from bert4keras.tokenizers import Encoding, Tokenizer

LABELS = ["O", "B-PER", "I-PER", "B-LOC", "I-LOC"]
# 天 begins a person, 地 goes on with it; 日 and 月 do so for a place.
TAGS = {"天": "B-PER", "地": "I-PER", "日": "B-LOC", "月": "I-LOC"}


def make_scores(high=4.0):
    scores = np.zeros((len(TOKENS), len(LABELS)))
    for i, token in enumerate(TOKENS):
        scores[i, LABELS.index(TAGS.get(token, "O"))] = high
    scores[2:4] = [0, 0, high, 0, 0]  # the tags of special tokens count for nothing
    return scores


def make_tagger(activation="softmax"):
    model = make_table(make_scores())
    return keras.Model(model.inputs, keras.layers.Activation(activation)(model.output))


def make_path_model(layer=ConditionalRandomField, transitions=None, scores=None):
    model = make_table(make_scores() if scores is None else scores)
    output = layer()
    model = keras.Model(model.inputs, output(model.output))
    trans = np.zeros((len(LABELS), len(LABELS))) if transitions is None else transitions
    output.set_weights([trans])
    return model


def make_pointer_model():
    """Return a model whose spans from 天 to 地 (PER) and from 日 to 月 (LOC) score 1, others -1."""
    marks = np.full((len(TOKENS), 4), -1.0)
    for column, token in enumerate("天地日月"):
        marks[TOKENS.index(token), column] = 1.0
    model = make_table(marks)
    x = model.output
    spans = [keras.ops.minimum(x[:, :, None, i], x[:, None, :, i + 1]) for i in (0, 2)]
    return keras.Model(model.inputs, keras.ops.stack(spans, 1))


@pytest.fixture(scope="module")
def tagger():
    return EntityRecognizer(make_tagger(), make_tokenizer(), LABELS)


@pytest.fixture(scope="module")
def crf():
    return EntityRecognizer(make_path_model(), make_tokenizer(), LABELS)


@pytest.fixture(scope="module")
def pointer():
    return EntityRecognizer(make_pointer_model(), make_tokenizer(), ["PER", "LOC"])


@pytest.fixture(params=["tagger", "crf", "pointer"])
def recognize(request):
    return request.getfixturevalue(request.param)


def list_entities(records):
    return [(x["type"], x["text"]) for x in records]


class TestRecords:
    def test_entities_have_their_places(self, recognize):
        text = "玄 天地，x日月"
        records = recognize(text)
        assert list_entities(records) == [("PER", "天地"), ("LOC", "日月")]
        assert [(x["start"], x["end"]) for x in records] == [(2, 4), (6, 8)]
        assert list(records[0]) == ["type", "text", "start", "end", "score"]

    def test_a_text_without_entities_gives_an_empty_list(self, recognize):
        assert recognize(["玄黄", "\x00", "天地"])[:2] == [[], []]

    def test_pointers_give_nested_entities_in_the_order_of_their_starts(self, pointer):
        records = pointer("天日月地地")
        assert list_entities(records) == [
            ("PER", "天日月地"),
            ("PER", "天日月地地"),
            ("LOC", "日月"),
        ]

    def test_of_entities_that_overlap_the_best_score_counts(self, pointer, tmp_path):
        text = "天日月地地"
        pointer = EntityRecognizer(
            pointer.model, pointer.tokenizer, ["PER", "LOC"], is_nested=False
        )
        pointer.save(tmp_path)
        for recognize in (pointer, load_pipeline(tmp_path)):
            records = recognize(text, threshold=-2)
            places = [(record["start"], record["end"]) for record in records]
            assert places == sorted(places)
            assert all(before[1] <= after[0] for before, after in itertools.pairwise(places))
            assert max(x["score"] for x in records) == max(x["score"] for x in pointer(text))

    def test_a_threshold_decides(self, pointer):
        assert pointer("天地", threshold=1.5) == []
        assert len(pointer("天地", threshold=-2)) == 2 * 3  # all spans of both types
        assert pointer("天地", threshold=0.5)[0]["score"] == pytest.approx(1)

    def test_a_threshold_of_tags_is_a_probability(self, recognize):
        if recognize.decoder != "pointer":
            (record,) = recognize("天地")
            assert 0.7 < record["score"] < 1
            assert recognize("天地", threshold=record["score"]) == []

    @pytest.mark.parametrize("pointer_class", [GlobalPointer, EfficientGlobalPointer])
    def test_padding_and_order_change_nothing(self, pointer_class):
        model = add_layers(pointer_class(heads=2, head_size=4))
        check_batches(EntityRecognizer(model, make_tokenizer(), ["a", "b"]), make_texts(30))

    def test_padding_changes_no_path(self):
        model = add_layers(keras.layers.Dense(5), ConditionalRandomField())
        check_batches(EntityRecognizer(model, make_tokenizer(), LABELS), make_texts(30))

    def test_offsets_are_those_of_the_text(self, recognize):
        texts = make_texts(100, characters=ODD_CHARACTERS + "天地日月")
        for text, records in zip(texts, recognize(texts)):
            assert records == sorted(records, key=lambda x: (x["start"], x["end"]))
            for record in records:
                assert text[record["start"] : record["end"]] == record["text"] != ""


def add_layers(*layers):
    """Return a small BERT with layers behind it, whose weights are the same on all backends."""
    bert = make_bert()
    output, rng = bert.output, np.random.default_rng(0)
    for layer in layers:
        output = layer(output)
        layer.set_weights([rng.normal(0, 0.5, weight.shape) for weight in layer.weights])
    return keras.Model(bert.inputs, output)


def check_batches(recognize, texts):
    options = [{}, {"batch_tokens": 40}, {"buffer_size": 4}]
    rows = [recognize(texts, **x) for x in options]
    rows += [recognize(texts[::-1])[::-1], [recognize(text) for text in texts]]
    assert any(rows[0])
    for row in rows[1:]:
        for records, expected in zip(row, rows[0]):
            assert [{**x, "score": 0} for x in records] == [{**x, "score": 0} for x in expected]
            scores = [x["score"] for x in records], [x["score"] for x in expected]
            np.testing.assert_allclose(*scores, atol=1e-4)


WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "play", "##ing", "##er", "ann", "in"]
WORD_SCORES = {  # O, B-PER, I-PER, B-LOC, I-LOC
    "play": [0.2, 0.5, 0.1, 0.1, 0.1],
    "##ing": [0.8, 0.1, 0.1, 0.0, 0.0],
    "##er": [0.1, 0.0, 0.9, 0.0, 0.0],
    "ann": [0.1, 0.1, 0.6, 0.2, 0.0],
    "in": [0.4, 0.0, 0.0, 0.3, 0.3],
}


@pytest.fixture(scope="module")
def words():
    table = np.array([WORD_SCORES.get(token, [1, 0, 0, 0, 0]) for token in WORDS])
    tokenizer = Tokenizer({token: i for i, token in enumerate(WORDS)})
    return EntityRecognizer(make_table(table), tokenizer, LABELS, from_logits=False)


class TestTags:
    """Aggregation as in transformers' pipeline, on words of several tokens."""

    @pytest.mark.parametrize(
        "aggregation, entities",
        [
            ("none", [("B-PER", "play", 0.5), ("I-PER", "ann", 0.6)]),
            ("simple", [("PER", "play", 0.5), ("PER", "ann", 0.6)]),
            ("first", [("PER", "playing ann", 0.55)]),
            ("average", [("PER", "ann", 0.6)]),
            ("max", [("PER", "ann", 0.6)]),
        ],
    )
    def test_aggregation_decides_on_tokens_or_words(self, words, aggregation, entities):
        records = words("playing ann in", aggregation=aggregation)
        found_entities = [(x["type"], x["text"], round(x["score"], 5)) for x in records]
        assert found_entities == entities

    def test_the_surest_token_decides_on_a_word(self, words):
        (record,) = words("player", aggregation="max")
        assert (record["text"], record["score"]) == ("player", pytest.approx(0.9))
        (record,) = words("player", aggregation="average")
        assert record["score"] == pytest.approx(0.5)

    def test_spaces_separate_words_of_tokens_without_prefix(self):
        tokens = ["<s>", "Ġ", "p", "lay", "Ġ!", "Ã", "©", "s", "</s>"]
        offsets = [None, (0, 0), (1, 2), (2, 5), (6, 7), (7, 8), (7, 8), (8, 9), None]
        tokenizer = SimpleNamespace(subword_prefix=None, ids_to_tokens=lambda ids: tokens)
        subwords = [False, False, False, True, False, True, True, True, False]
        assert list_subwords(tokenizer, Encoding([0] * 9, [0] * 9, offsets)) == subwords
        tokens[2:4], offsets[2:4] = ["play", "Ġgame"], [(1, 5), (5, 10)]  # with the space
        assert list_subwords(tokenizer, Encoding([0] * 9, [0] * 9, offsets))[2:4] == [False, False]

    def test_tokens_of_no_character_are_no_part_of_an_entity(self):
        encoding = Encoding([0] * 5, [0] * 5, [None, (0, 0), (1, 3), (3, 3), None])
        assert find_characters(Entity(1, 3, "PER", 1.0), encoding) == (1, 3)
        assert find_characters(Entity(3, 3, "PER", 1.0), encoding) == (0, 0)

    def test_logits_become_probabilities(self, tagger):
        logits = EntityRecognizer(make_tagger("linear"), make_tokenizer(), LABELS)
        assert logits("天地")[0]["score"] == pytest.approx(tagger("天地")[0]["score"])

    def test_to_hugging_face_renames(self, tagger):
        (record,) = to_hugging_face(tagger("天地"))
        assert record["entity_group"] == "PER"
        assert record["word"] == "天地"


class TestTagScheme:
    @pytest.mark.parametrize(
        "labels, name",
        [
            (LABELS, "BIO"),
            (["O", "I-X"], "BIO"),
            (["O", "B-X", "I-X", "E-X", "S-X"], "BIOES"),
            (["B-X", "M-X", "E-X", "S-X"], "BMES"),
        ],
    )
    def test_labels_say_their_scheme(self, labels, name):
        assert TagScheme(labels).name == name

    @pytest.mark.parametrize(
        "tags, spans",
        [
            ("B I O I", [(0, 1), (3, 3)]),
            ("B B I E", [(0, 0), (1, 3)]),
            ("B E E S I", [(0, 1), (2, 2), (3, 3), (4, 4)]),
            ("S S O B", [(0, 0), (1, 1), (3, 3)]),
        ],
    )
    def test_spans_of_tags(self, tags, spans):
        labels = ["O", "B-X", "I-X", "E-X", "S-X"]
        numbers = [labels.index("O" if tag == "O" else f"{tag}-X") for tag in tags.split()]
        assert [span[:2] for span in TagScheme(labels).list_spans(numbers)] == spans

    def test_another_type_begins_a_span(self):
        assert TagScheme(LABELS).list_spans([1, 4]) == [(0, 0, "PER"), (1, 1, "LOC")]

    def test_labels_may_be_types(self):
        scheme = TagScheme(["O", "PER", "B-cell"], "IO")
        assert scheme.list_spans([1, 1, 2, 0, 2]) == [
            (0, 1, "PER"),
            (2, 2, "B-cell"),
            (4, 4, "B-cell"),
        ]

    def test_rules_of_a_scheme_are_those_of_its_spans(self):
        labels = ["O", "B-X", "I-X", "E-X", "S-X", "B-Y", "I-Y", "E-Y"]
        scheme = TagScheme(labels)
        is_allowed = scheme.find_allowed_transitions()
        pairs = {(labels[i], labels[j]) for i, j in np.argwhere(is_allowed)}
        inside = {(f"{a}-{x}", f"{b}-{x}") for x in "XY" for a in "BI" for b in "IE"}
        outside = ("O", "E-X", "S-X", "E-Y"), ("O", "B-X", "S-X", "B-Y")
        assert pairs == inside | set(itertools.product(*outside))
        starts, ends = scheme.list_boundaries()
        assert {labels[i] for i in starts} == set(outside[1])
        assert {labels[i] for i in ends} == set(outside[0])
        assert TagScheme(LABELS).list_boundaries() == ([0, 1, 3], [0, 1, 2, 3, 4])


class TestPaths:
    @pytest.mark.parametrize("layer", [ConditionalRandomField, MaximumEntropyMarkovModel])
    def test_transitions_of_the_layer_count(self, layer):
        transitions = np.zeros((5, 5))
        transitions[2, 0] = -9.0  # I-PER, O
        model = make_path_model(layer, transitions)
        recognize = EntityRecognizer(model, make_tokenizer(), LABELS)
        assert recognize.decoder == "viterbi"
        assert list_entities(recognize("玄天地玄")) == [("PER", "天")]

    def test_transitions_may_change(self):
        model = make_path_model()
        recognize = EntityRecognizer(model, make_tokenizer(), LABELS)
        assert list_entities(recognize("天地玄")) == [("PER", "天地")]
        transitions = np.zeros((5, 5))
        transitions[2, 0] = -9.0
        model.layers[-1].set_weights([transitions])
        assert list_entities(recognize("天地玄")) == [("PER", "天")]

    @pytest.mark.parametrize("is_constrained", [False, True])
    @pytest.mark.parametrize("seed", [0, 1, 2])
    def test_scores_are_marginal_probabilities_of_all_paths(self, seed, is_constrained):
        rng = np.random.default_rng(seed)
        transitions, scores = rng.normal(size=(5, 5)), rng.normal(size=(len(TOKENS), 5))
        model = make_path_model(ConditionalRandomField, transitions, scores)
        options = {"is_constrained": is_constrained}
        recognize = EntityRecognizer(model, make_tokenizer(), LABELS, **options)
        text = "宇宙洪荒"
        nodes = scores[make_tokenizer().encode(text)[0]]
        paths = np.array([[0, *x, 0] for x in itertools.product(range(5), repeat=4)])
        if is_constrained:
            breaks = {(0, 2), (0, 4), (3, 2), (4, 2), (1, 4), (2, 4)}
            is_right = [not breaks & {*zip(path, path[1:])} for path in paths.tolist()]
            paths = paths[is_right]
        totals = nodes[np.arange(6), paths].sum(1) + transitions[paths[:, :-1], paths[:, 1:]].sum(1)
        weights = np.exp(totals) / np.exp(totals).sum()
        best = paths[totals.argmax()]
        spans = TagScheme(LABELS).list_spans(best[1:-1].tolist())
        records = recognize(text)
        assert [(x["start"], x["end"] - 1, x["type"]) for x in records] == spans
        for record in records:
            place = slice(record["start"] + 1, record["end"] + 1)
            is_equal = (paths[:, place] == best[place]).all(1)
            assert record["score"] == pytest.approx(weights[is_equal].sum(), abs=1e-5)

    def test_padding_changes_no_probability(self):
        rng = np.random.default_rng(1)
        nodes, trans = rng.normal(size=(2, 6, 3)), rng.normal(size=(3, 3))
        padding = PathProbabilities(nodes, trans, [6, 4])
        row = PathProbabilities(nodes[1:, :4], trans, [4])
        assert padding.compute(1, 1, [2, 0]) == pytest.approx(row.compute(0, 1, [2, 0]))

    def test_probabilities_of_extreme_scores_are_exact(self):
        nodes = np.array([[[0.0, -900.0], [0.0, 0.0], [-950.0, 0.0]]])
        trans = np.array([[0.0, -1000.0], [0.0, 0.0]])
        probabilities = PathProbabilities(nodes, trans, [3])
        # 0, 0, 0 scores -950; 1, 0, 0 -1850; 1, 1, 1 -900; 0, 0, 1 -1000
        assert probabilities.compute(0, 0, [1, 1, 1]) == pytest.approx(1, abs=1e-12)
        assert probabilities.compute(0, 0, [0, 0]) == pytest.approx(np.exp(-50), rel=1e-9)

    def test_constraints_allow_only_spans_of_the_scheme(self, crf):
        recognize = EntityRecognizer(crf.model, crf.tokenizer, LABELS, is_constrained=True)
        assert list_entities(crf("玄地天月")) == [("PER", "地"), ("PER", "天"), ("LOC", "月")]
        assert list_entities(recognize("玄地天玄")) == [("PER", "天")]

    def test_a_path_model_can_be_decoded_without_transitions(self):
        transitions = np.zeros((5, 5))
        transitions[2, 0] = -9.0
        model = make_path_model(ConditionalRandomField, transitions)
        recognize = EntityRecognizer(model, make_tokenizer(), LABELS, decoder="argmax")
        assert list_entities(recognize("天地玄")) == [("PER", "天地")]


def list_places(rows):
    return [[(x["start"], x["end"], x["type"]) for x in records] for records in rows]


def open_windows(recognize, overlap):
    options = {**recognize.get_config(), "maxlen": 9, "overlap": overlap, "truncate": "windows"}
    return EntityRecognizer(recognize.model, recognize.tokenizer, **options)


class TestWindows:
    @pytest.mark.parametrize("overlap", [0, 3, 5])
    @pytest.mark.parametrize("name", ["tagger", "crf"])
    def test_windows_give_the_tags_of_the_whole_text(self, name, overlap, request):
        recognize = request.getfixturevalue(name)
        texts = make_texts(30, characters="天地日月玄", longest=40)
        assert list_places(open_windows(recognize, overlap)(texts)) == list_places(recognize(texts))

    def test_windows_give_the_spans_that_are_no_longer_than_the_overlap(self, pointer):
        texts = make_texts(30, characters="天地日月玄", longest=40)
        rows = list_places(pointer(texts)), list_places(open_windows(pointer, 5)(texts))
        short_spans = [[[x for x in row if x[1] - x[0] <= 5] for row in part] for part in rows]
        assert any(short_spans[0])
        assert short_spans[0] == short_spans[1]

    def test_a_span_that_an_edge_cuts_comes_from_the_window_that_has_it_whole(self):
        encodings = [
            Encoding([0] * 6, [0] * 6, [None, *[(i, i + 1) for i in range(start, start + 4)], None])
            for start in (0, 2)
        ]
        places = WindowPlaces(encodings, overlap=2)
        owners = [places.is_owner(0, 3, 4), places.is_owner(1, 1, 2), places.is_owner(1, 1, 3)]
        assert owners == [True, False, True]  # the text's tokens 2:4, 2:4, 2:5

    @pytest.mark.parametrize("length, overlap", [(17, 0), (17, 3), (30, 6), (9, 2)])
    def test_parts_of_windows_are_the_text(self, length, overlap):
        offsets = [None, *((i, i + 1) for i in range(length)), None]
        row = Encoding(
            [*range(length + 2)], [0] * (length + 2), offsets, [None, *[0] * length, None]
        )
        windows = cut_windows(row, 10, overlap)
        parts = list(WindowPlaces(windows, overlap).list_parts())
        assert join_encodings(windows, parts) == row


class TestFolder:
    def test_a_folder_gives_equal_records(self, recognize, tmp_path):
        recognize.save(tmp_path)
        copy = load_pipeline(tmp_path)
        assert copy.get_config() == recognize.get_config()
        texts = make_texts(10)
        assert copy(texts) == recognize(texts)

    @pytest.mark.parametrize("layer", [ConditionalRandomField, MaximumEntropyMarkovModel])
    def test_a_folder_keeps_the_transitions(self, layer, tmp_path):
        transitions = np.random.default_rng(0).normal(0, 3, (5, 5))
        model = make_path_model(layer, transitions)
        recognize = EntityRecognizer(model, make_tokenizer(), LABELS, is_constrained=True)
        recognize.save(tmp_path)
        texts = make_texts(10, characters="天地日月")
        assert load_pipeline(tmp_path)(texts) == recognize(texts)

    def test_a_folder_of_another_task(self, tagger, tmp_path):
        tagger.save(tmp_path)
        with pytest.raises(ValueError, match="Expected a pipeline of the task text-classification"):
            TextClassifier.load(tmp_path)


class TestScores:
    samples = [("天地玄", [(0, 2, "PER")]), ("玄日月", [(0, 1, "PER")])]

    def test_evaluate_compares_places_and_types(self, recognize):
        scores = recognize.evaluate(self.samples)
        assert (scores["f1"], scores["precision"], scores["recall"]) == (0.5, 0.5, 0.5)
        assert scores["labels"]["LOC"]["precision"] == 0

    def test_find_threshold_gives_the_best(self, pointer):
        samples = [("天地日月", [(0, 2, "PER"), (2, 4, "LOC")])]
        best = pointer.find_threshold(samples)
        assert set(best) == {"threshold", "f1", "precision", "recall"}
        assert best["f1"] == 1.0
        assert -1 < best["threshold"] < 1
        assert pointer.threshold == 0
        assert pointer.find_threshold(samples, minimum=0.5)["threshold"] > 0.5

    def test_tokens_are_no_entities(self, tagger):
        with pytest.raises(ValueError, match="Expected aggregation to give entities, got 'none'"):
            tagger.evaluate(self.samples, aggregation="none")


class TestErrors:
    @pytest.mark.parametrize(
        "labels, message",
        [
            (["O", "PER", "LOC", "ORG", "X"], "Expected labels to be tags such as 'B-PER'"),
            (["O", "B-X", "M-X", "I-X", "E-X"], "Expected labels to be tags of one scheme, BIO, "),
            (["O", "B-X"], r"Expected model to have outputs of the shapes"),
            (["O"] * 5, "Expected 5 different labels"),
        ],
    )
    def test_labels_of_a_model_of_tokens_are_tags(self, tagger, labels, message):
        with pytest.raises(ValueError, match=message):
            EntityRecognizer(tagger.model, tagger.tokenizer, labels)

    def test_labels_are_tags_of_the_scheme(self, tagger):
        with pytest.raises(ValueError, match="Expected labels to be 'O' or tags B- M- E- S- of BM"):
            EntityRecognizer(tagger.model, tagger.tokenizer, LABELS, scheme="BMES")
        with pytest.raises(ValueError, match="Expected scheme to be one of 'BIO', 'BIOES', 'BMES'"):
            EntityRecognizer(tagger.model, tagger.tokenizer, LABELS, scheme="IOB1")

    @pytest.mark.parametrize("labels", [["B-PER", "I-PER"], ["O", "PER"]])
    def test_labels_of_pointers_are_types(self, pointer, labels):
        with pytest.raises(ValueError, match="Expected labels to be types such as 'PER'"):
            EntityRecognizer(pointer.model, pointer.tokenizer, labels)

    def test_a_decoder_fits_the_model(self, tagger, pointer):
        with pytest.raises(ValueError, match="Expected decoder to be one of 'argmax', 'viterbi'"):
            EntityRecognizer(tagger.model, tagger.tokenizer, LABELS, decoder="crf")
        with pytest.raises(ValueError, match="Expected model to end with ConditionalRandomField"):
            EntityRecognizer(tagger.model, tagger.tokenizer, LABELS, decoder="viterbi")
        with pytest.raises(ValueError, match="Expected model to have outputs of the shapes"):
            EntityRecognizer(pointer.model, pointer.tokenizer, LABELS, decoder="argmax")
        model = keras.Model(tagger.model.inputs, [tagger.model.output] * 2)
        with pytest.raises(ValueError, match="Expected model to have outputs of the shapes"):
            EntityRecognizer(model, tagger.tokenizer, LABELS)

    @pytest.mark.parametrize(
        "options",
        [
            {"scheme": "BIO"},
            {"aggregation": "max"},
            {"from_logits": True},
            {"is_constrained": False},
        ],
    )
    def test_arguments_of_another_decoder_are_refused(self, pointer, options):
        (name,) = options
        with pytest.raises(ValueError, match=f"Expected {name} to be None for decoder='pointer'"):
            EntityRecognizer(pointer.model, pointer.tokenizer, ["PER", "LOC"], **options)

    def test_options_of_a_call_are_checked(self, tagger, crf):
        with pytest.raises(ValueError, match="Expected aggregation to be None for decoder='viter"):
            crf("天", aggregation="first")
        with pytest.raises(ValueError, match="Expected aggregation to be one of 'none', 'simple'"):
            tagger("天", aggregation="last")
        with pytest.raises(
            ValueError, match="Expected threshold to be a finite number from 0 to 1"
        ):
            tagger("天", threshold=2)
        with pytest.raises(TypeError, match="Expected threshold to be a finite number"):
            tagger("天", threshold="0.5")

    @pytest.mark.parametrize(
        "text, error, message",
        [
            (None, TypeError, r"Expected texts\[1\] to be a str, got None"),
            (7, TypeError, r"Expected texts\[1\] to be a str, got 7"),
            (" ", ValueError, r"Expected texts\[1\] to have characters"),
            (("天", "地"), ValueError, r"Expected texts\[1\] to be one text, got a pair"),
            (CHARACTERS * 3, ValueError, r"Expected texts\[1\] to have at most 24 tokens"),
        ],
    )
    def test_a_wrong_text_is_named(self, text, error, message):
        bert = make_bert()
        model = keras.Model(bert.inputs, GlobalPointer(heads=1, head_size=4)(bert.output))
        with pytest.raises(error, match=message):
            EntityRecognizer(model, make_tokenizer(), ["PER"])(["天", text])

    def test_nan_is_no_score(self):
        model = make_table(np.full((len(TOKENS), 5), np.nan))
        recognize = EntityRecognizer(model, make_tokenizer(), LABELS, from_logits=True)
        with pytest.raises(ValueError, match="Expected the model to give numbers, got NaN"):
            recognize("天")
