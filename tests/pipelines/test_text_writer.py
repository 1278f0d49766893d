import keras
import numpy as np
import pytest
from pipelines.toy import make_bert, make_texts, make_tokenizer

from bert4keras.generation import TextGenerator
from bert4keras.layers import Embedding
from bert4keras.pipelines import (
    ConditionalWriter,
    ImageCaptioner,
    QuestionWriter,
    TextWriter,
    load_pipeline,
)

TEXTS = make_texts(7, longest=6)
IMAGES = np.random.default_rng(0).uniform(0, 255, (5, 2, 3, 1)).astype("float32")


@pytest.fixture(scope="module")
def write():
    model = make_bert(application="unilm")
    return TextWriter(model, make_tokenizer(), generation={"max_new_tokens": 5})


def assert_equal(records, wanted_records):
    """Assert that texts are equal, and scores up to rounding."""
    for record, wanted_record in zip(records, wanted_records, strict=True):
        assert record["generated_text"] == wanted_record["generated_text"]
        assert record["score"] == pytest.approx(wanted_record["score"], abs=1e-4)


class TestTextWriter:
    def test_it_writes_what_the_generator_writes(self, write):
        generate = TextGenerator(write.model, write.tokenizer)
        texts = generate(TEXTS, max_new_tokens=5)
        assert [record["generated_text"] for record in write(TEXTS)] == texts
        output = generate.generate(TEXTS, max_new_tokens=5)
        scores = [record["score"] for record in write(TEXTS)]
        assert scores == pytest.approx([row[0] for row in output.scores], abs=1e-5)

    def test_options_of_a_call_go_before_those_of_the_class(self, write):
        assert len(write("天地", max_new_tokens=1)["generated_text"]) <= 1
        assert len(write("天地", num_beams=3, num_return_sequences=2)) == 2

    def test_batches_change_nothing(self, write):
        texts = [record["generated_text"] for record in write(TEXTS)]
        batches = write(TEXTS, batch_size=2, buffer_size=3)
        assert [record["generated_text"] for record in batches] == texts

    def test_pieces_are_the_text(self, write):
        assert "".join(write.stream_text("天地")) == write("天地")["generated_text"]

    def test_a_template_stands_around_each_text(self, write):
        writer = TextWriter(write.model, write.tokenizer, "玄{text}黄", generation=write.generation)
        assert_equal([writer("天地")], [write("玄天地黄")])

    def test_long_prompts_are_cut_where_this_is_said(self, write):
        writer = TextWriter(write.model, write.tokenizer, maxlen=5, generation=write.generation)
        with pytest.raises(ValueError, match=r"Expected texts\[1\] to have at most 5 tokens"):
            writer(["天", "天地玄黄宇"])
        assert_equal([writer("天地玄黄宇", truncate=True)], [write("天地玄")])

    def test_its_folder_writes_the_same(self, write, tmp_path):
        writer = TextWriter(
            write.model, write.tokenizer, "玄{text}", 9, True, generation={"num_beams": 2}
        )
        writer.save(tmp_path)
        reopened_pipeline = load_pipeline(tmp_path)
        assert reopened_pipeline.get_config() == writer.get_config()
        assert_equal(reopened_pipeline(TEXTS, max_new_tokens=4), writer(TEXTS, max_new_tokens=4))

    def test_evaluate_takes_a_score(self, write):
        def count_equal(targets, texts):
            return {"equal": sum(map(str.__eq__, targets, texts))}

        samples = [(text, write(text)["generated_text"]) for text in TEXTS[:3]]
        assert write.evaluate([*samples, ("天", "?")], score=count_equal) == {"equal": 3}
        with pytest.raises(TypeError, match="Expected score to be"):
            write.evaluate(samples, score="bleu")

    def test_functions_stay_with_the_call(self, write, tmp_path):
        options = {"prefix_allowed_tokens_fn": lambda prompt, ids: [7, 3]}
        writer = TextWriter(write.model, write.tokenizer, generation=options)
        with pytest.raises(TypeError, match="Expected generation to .* Pass functions to the call"):
            writer.save(tmp_path)

    @pytest.mark.parametrize("template", ["题", "{text}{text}"])
    def test_a_template_has_one_place_for_the_text(self, write, template):
        with pytest.raises(ValueError, match="Expected template to have {text} once"):
            TextWriter(write.model, write.tokenizer, template)

    def test_unknown_options_are_refused(self, write):
        with pytest.raises(TypeError, match="decoding has no option 'beams'"):
            write("天", beams=3)
        with pytest.raises(TypeError, match="decoding has no option 'beams'"):
            TextWriter(write.model, write.tokenizer, generation={"beams": 3})

    @pytest.mark.parametrize("text", [None, 7, ""])
    def test_a_wrong_text_is_named(self, write, text):
        with pytest.raises((TypeError, ValueError), match=r"Expected texts\[1\] to"):
            write(["天", text])


@pytest.fixture(scope="module")
def captioner():
    image = keras.Input((2, 3, 1))
    vector = keras.layers.Flatten()(image)
    model = make_bert(
        application="lm",
        layer_norm_cond=keras.layers.Rescaling(1 / 255)(vector),
        additional_input_layers=image,
    )
    return ImageCaptioner(model, make_tokenizer(), generation={"max_new_tokens": 4})


class TestImageCaptioner:
    def test_each_image_has_its_caption(self, captioner):
        records = captioner(IMAGES)
        assert len({record["generated_text"] for record in records}) > 1
        assert_equal(captioner(list(IMAGES), batch_size=2), records)
        assert_equal([captioner(IMAGES[3])], records[3:4])

    def test_its_folder_writes_the_same(self, captioner, tmp_path):
        captioner.save(tmp_path)
        assert_equal(load_pipeline(tmp_path)(IMAGES), captioner(IMAGES))

    def test_evaluate_counts_true_captions(self, captioner):
        captions = [[record["generated_text"]] for record in captioner(IMAGES)]
        samples = list(zip(IMAGES, [*captions[:-1], ["人"]]))
        assert captioner.evaluate(samples) == {"exact_match": 0.8}

    def test_wrong_images_are_named(self, captioner):
        with pytest.raises(ValueError, match=r"Expected images\[1\] to be an array of shape"):
            captioner([IMAGES[0], IMAGES[0][:1]])
        with pytest.raises(ValueError, match=r"Expected images\[0\] to have numbers from 0"):
            captioner([IMAGES[0] * -1])

    def test_a_model_of_texts_alone_is_refused(self):
        with pytest.raises(ValueError, match="Expected model to have one input of images"):
            ImageCaptioner(make_bert(application="lm"), make_tokenizer())


@pytest.fixture(scope="module")
def write_label():
    label = keras.Input((1,), dtype="int32")
    vector = Embedding(3, 8, embeddings_initializer=keras.initializers.RandomNormal(0, 3))(label)
    model = make_bert(
        application="lm",
        layer_norm_cond=keras.layers.Reshape((8,))(vector),
        additional_input_layers=label,
    )
    labels = ["red", "green", "blue"]
    return ConditionalWriter(model, make_tokenizer(), labels, generation={"max_new_tokens": 4})


class TestConditionalWriter:
    def test_each_label_has_its_text(self, write_label):
        records = write_label(["red", "green", ("blue", "天地"), ("red", "天地")])
        assert len({record["generated_text"] for record in records}) > 1
        assert_equal([write_label("green"), write_label(("red", "天地"))], [records[1], records[3]])
        assert_equal(write_label(["red", "green", ("blue", "天地")], batch_size=1), records[:3])

    def test_pieces_are_the_text(self, write_label):
        for item in ("red", ("blue", "天地")):
            assert "".join(write_label.stream_text(item)) == write_label(item)["generated_text"]

    def test_its_folder_writes_the_same(self, write_label, tmp_path):
        write_label.save(tmp_path)
        items = ["blue", ("red", "天")]
        assert_equal(load_pipeline(tmp_path)(items), write_label(items))

    def test_evaluate_compares_texts_of_labels(self, write_label):
        samples = [(label, write_label(label)["generated_text"]) for label in ("red", "blue")]
        scores = write_label.evaluate(
            samples, score=lambda targets, texts: {"equal": targets == texts}
        )
        assert scores == {"equal": True}

    @pytest.mark.parametrize("item", ["pink", ("pink", "天"), 7, ("red", ""), ("red", "天", "地")])
    def test_wrong_items_are_named(self, write_label, item):
        with pytest.raises((TypeError, ValueError), match=r"Expected .*texts\[1\] to"):
            write_label(["red", item])

    def test_a_model_of_texts_alone_is_refused(self):
        with pytest.raises(ValueError, match="Expected model to have one input of labels"):
            ConditionalWriter(make_bert(application="lm"), make_tokenizer(), ["red"])


@pytest.fixture(scope="module")
def question_writer(write):
    generation = {"max_new_tokens": 5, "num_beams": 2}
    return QuestionWriter(write.model, write.tokenizer, maxlen=10, generation=generation)


class TestQuestionWriter:
    def test_the_answer_comes_from_the_passage_and_the_question_from_both(self, question_writer):
        text_writer = TextWriter(
            question_writer.model, question_writer.tokenizer, generation=question_writer.generation
        )
        start, end = text_writer.tokenizer.start_id, text_writer.tokenizer.end_id
        for text, record in zip(TEXTS, question_writer(TEXTS), strict=True):
            answer = text_writer(text)
            ids = text_writer.tokenizer.encode(text, answer["generated_text"])[0]
            assert (ids[0], ids[-1]) == (start, end)
            (question,) = text_writer.write([ids], text_writer._make_config({}))
            assert record["answer"] == answer["generated_text"]
            assert record["question"] == question["generated_text"]
            assert record["score"] == pytest.approx(answer["score"] + question["score"], abs=1e-4)

    def test_several_answers_of_a_passage_have_a_question_each(self, question_writer):
        options = {"do_sample": True, "num_beams": 1, "seed": 1}
        rows = question_writer(TEXTS[:2], num_return_sequences=3, **options)
        assert [len(records) for records in rows] == [3, 3]
        assert len({record["answer"] for records in rows for record in records}) > 3
        assert len(question_writer(TEXTS[0], num_return_sequences=2)) == 2

    def test_its_folder_writes_the_same(self, question_writer, tmp_path):
        question_writer.save(tmp_path)
        loaded_writer = load_pipeline(tmp_path)
        assert type(loaded_writer) is QuestionWriter
        assert loaded_writer(TEXTS) == question_writer(TEXTS)

    def test_evaluate_compares_pairs_and_questions(self, question_writer):
        records = question_writer(TEXTS[:4])
        pairs = [[("天", "地"), (record["question"], record["answer"])] for record in records]
        samples = list(zip(TEXTS, pairs))
        assert question_writer.evaluate(samples) == {"exact_match": 1.0, "f1": 1.0}
        samples[0] = (TEXTS[0], [(records[0]["question"], records[0]["answer"] + "日")])
        assert question_writer.evaluate(samples) == {"exact_match": 0.75, "f1": 1.0}
        samples[0] = (TEXTS[0], [("人", records[0]["answer"])])
        assert question_writer.evaluate(samples) == {"exact_match": 0.75, "f1": 0.75}

    def test_it_has_no_pieces(self, question_writer):
        with pytest.raises(NotImplementedError, match="Expected a call"):
            question_writer.stream_text("天地")
