"""Sentence encoder: pooling, prompts, dimensions; its folder."""

import keras
import numpy as np
import pytest
from pipelines.toy import CONFIG, TOKENS, make_bert, make_table, make_texts, make_tokenizer
from support import assert_close

from bert4keras.layers import SentencePooling
from bert4keras.models import build_transformer_model
from bert4keras.pipelines import SentenceEncoder, load_pipeline

VECTORS = np.random.default_rng(0).normal(size=(len(TOKENS), 4)).astype("float32")
WANTED = {  # pooling -> vector of the vectors (L, D) of a text's tokens
    "cls": lambda x: x[0],
    "last": lambda x: x[-1],
    "max": lambda x: x.max(0),
    "mean": lambda x: x.mean(0),
    "mean_sqrt_len": lambda x: x.sum(0) / np.sqrt(len(x)),
    "weighted_mean": lambda x: np.average(x, 0, np.arange(1, len(x) + 1)),
}


def make_encoder(pooling="mean", **options):
    return SentenceEncoder(make_table(VECTORS), make_tokenizer(), pooling, **options)


def vectors_of(text):
    return VECTORS[make_tokenizer().encode(text)[0]]


@pytest.mark.parametrize("pooling", SentencePooling.MODES)
def test_pooling(pooling):
    texts = make_texts(9)
    want = [WANTED[pooling](vectors_of(text)) for text in texts]
    assert_close(make_encoder(pooling)(texts), want)


def test_several_poolings_are_concatenated():
    want = np.concatenate([WANTED[name](vectors_of("天地")) for name in ("max", "cls")])
    assert_close(make_encoder(["max", "cls"])("天地"), want)


def test_first_last_is_the_mean_of_the_first_and_the_last_block():
    options = dict(CONFIG, num_hidden_layers=2)
    transformer = build_transformer_model(options, return_keras_model=False)
    first = transformer.model.get_layer("Transformer-0-FeedForward-Norm").output
    blocks = keras.Model(transformer.model.inputs, [first, transformer.model.output])
    ids = np.array([make_tokenizer().encode("天地玄")[0]])
    want = np.mean([x.mean(1) for x in map(np.array, blocks.predict([ids, 0 * ids], verbose=0))], 0)
    encode = SentenceEncoder(transformer, make_tokenizer(), "first-last")
    assert_close(encode(["天地玄", "天" * 9])[:1], want)


def test_a_shared_block_has_a_first_output():
    config = dict(CONFIG, num_hidden_layers=3, embedding_size=8)
    model = build_transformer_model(config, model="albert")
    shallow = build_transformer_model(dict(config, num_hidden_layers=1), model="albert")
    shallow.set_weights(model.get_weights())
    encoders = [
        SentenceEncoder(x, make_tokenizer(), name)
        for x, name in ((model, "first-last"), (model, "mean"), (shallow, "mean"))
    ]
    first_last, last, first = (encode("天地玄") for encode in encoders)
    assert_close(first_last, (first + last) / 2)


def test_a_model_of_vectors_needs_no_pooling():
    encode = SentenceEncoder(make_table(VECTORS, pools=True), make_tokenizer())
    assert_close(encode("天地"), vectors_of("天地").mean(0))


def test_padding_batches_and_order_change_nothing():
    encode = SentenceEncoder(make_bert(), make_tokenizer(), "mean", normalize=True)
    texts = make_texts(30)
    want = np.array([encode(text) for text in texts])
    assert_close(encode(texts, batch_tokens=40, buffer_size=7), want)
    assert_close(encode(texts[::-1])[::-1], want)
    assert_close(list(encode.stream(iter(texts))), want)


def test_shapes():
    encode = make_encoder()
    assert encode("天").shape == (4,) and encode(["天"]).shape == (1, 4)
    assert encode([]).shape == (0, 4) and encode(("天", "地")).shape == (2, 4)
    assert encode(["天"]).dtype == np.float32


def test_dimensions_are_cut_before_vectors_are_normalized():
    want = vectors_of("天地").mean(0)[:2]
    got = make_encoder(dimensions=2, normalize=True)("天地")
    assert_close(got, want / np.linalg.norm(want))
    assert_close(make_encoder(dimensions=2)("天地"), want)


def test_a_dense_layer_follows_the_pooling():
    layer = keras.layers.Dense(3, activation="tanh")
    got = make_encoder(dense=[layer])("天地")
    kernel, bias = layer.get_weights()
    assert_close(got, np.tanh(vectors_of("天地").mean(0) @ kernel + bias))


def test_a_prompt_stands_before_the_text():
    encode = make_encoder(prompts={"query": "日月", "passage": ""}, default_prompt_name="passage")
    assert_close(encode("天", prompt_name="query"), encode("日月天"))
    assert_close(encode("天"), make_encoder()("天"))


@pytest.mark.parametrize("pooling", ["cls", "mean", "weighted_mean"])
def test_a_prompt_can_be_left_out_of_pooling(pooling, tmp_path):
    encode = make_encoder(pooling, prompts={"query": "日月"}, include_prompt=False)
    x, positions = vectors_of("日月天地")[3:], np.arange(4, 7)
    by_position = np.average(x, 0, positions)
    want = {"cls": x[0], "mean": x.mean(0), "weighted_mean": by_position}[pooling]
    assert_close(encode(["天地", "天地" * 3], prompt_name="query")[0], want)
    assert_close(encode(["天地", "天地" * 3])[0], make_encoder(pooling)("天地"))
    encode.save(tmp_path)
    assert_close(load_pipeline(tmp_path)("天地", prompt_name="query"), want)


def test_similarity():
    first, second = np.array([[3.0, 4.0], [0.0, 0.0]]), np.array([4.0, 3.0])
    dot, distance = make_encoder(similarity_function="dot"), "euclidean"
    assert_close(make_encoder().similarity(first, second), [[0.96], [0]])
    assert_close(dot.similarity(first, second), [[24], [0]])
    assert_close(
        make_encoder(similarity_function=distance).similarity(first, second), [[-(2**0.5)], [-5]]
    )


def test_evaluate():
    encode = make_encoder(similarity_function="dot")
    pairs = list(zip(make_texts(8), make_texts(8, seed=1)))
    numbers = [float(encode(first) @ encode(second)) for first, second in pairs]
    samples = [(pair, 3 * number + 1) for pair, number in zip(pairs, numbers)]
    assert encode.evaluate(samples) == pytest.approx({"spearman": 1, "pearson": 1})
    assert encode.evaluate([(pair, -x) for pair, x in samples])["spearman"] == pytest.approx(-1)
    with pytest.raises(ValueError, match=r"Expected samples\[0\] to be \(\(first, second\), num"):
        encode.evaluate([("天", 1)])
    with pytest.raises(ValueError, match="Expected samples, got none"):
        encode.evaluate([])


def test_a_saved_encoder_gives_equal_vectors(tmp_path):
    encode = make_encoder(
        ["cls", "mean"],
        normalize=True,
        dimensions=5,
        prompts={"query": "日"},
        default_prompt_name="query",
        similarity_function="dot",
        dense=[keras.layers.Dense(6)],
        maxlen=9,
        truncate=True,
    )
    texts = make_texts(9)
    encode.save(tmp_path)
    copy = load_pipeline(tmp_path)
    np.testing.assert_allclose(copy(texts), encode(texts), atol=1e-6)
    assert copy.get_config() == encode.get_config()
    assert SentenceEncoder.load(tmp_path).dimensions == 5


@pytest.mark.parametrize(
    "options, message",
    [
        ({"pooling": "median"}, "Expected pooling to be one of 'cls', "),
        ({"pooling": ["first-last", "cls"]}, "'first-last' alone, got"),
        ({"pooling": []}, "Expected pooling to be one or several names"),
        ({"pooling": None}, "Expected pooling for a model with the output .*, got None"),
        ({"pooling": "first-last"}, "Expected layers of a first block"),
        ({"dimensions": 5}, "Expected dimensions to be a whole number from 1 to 4, got 5"),
        ({"dimensions": 0}, "Expected dimensions to be a whole number from 1 to 4, got 0"),
        ({"prompts": {"query": None}}, r"Expected prompts\['query'\] to be a str, got None"),
        ({"prompts": "query: "}, "Expected prompts to be a dict"),
        ({"default_prompt_name": "query"}, "Expected prompt_name to be one of"),
        ({"similarity_function": "manhattan"}, "Expected similarity_function to be one of"),
        ({"truncate": "windows"}, "Expected truncate to be True or False for SentenceEncoder"),
    ],
)
def test_wrong_arguments(options, message):
    with pytest.raises((TypeError, ValueError), match=message):
        make_encoder(**options)


def test_pooling_does_not_fit_a_model_of_vectors():
    model = make_table(VECTORS, pools=True)
    with pytest.raises(ValueError, match="Expected model to have outputs of the shapes"):
        SentenceEncoder(model, make_tokenizer(), "mean")
    with pytest.raises(ValueError, match="Expected include_prompt=True for a model without"):
        SentenceEncoder(model, make_tokenizer(), include_prompt=False)


def test_a_lost_mask_is_an_error():
    class Lossy(keras.layers.Layer):
        def call(self, x):
            return x

        def compute_mask(self, inputs, mask=None):
            return None

    model = make_table(VECTORS)
    model = keras.Model(model.inputs, Lossy()(model.output))
    with pytest.raises(ValueError, match="to carry a padding mask, got none"):
        SentenceEncoder(model, make_tokenizer(), "mean")


@pytest.mark.parametrize(
    "text, message",
    [
        (None, "got None"),
        (float("nan"), "got nan"),
        (3, "got 3"),
        ("", "to have characters"),
        (" \n", "to have characters"),
        (("天", "地"), "to be a str"),
    ],
)
def test_wrong_texts(text, message):
    with pytest.raises((TypeError, ValueError), match=rf"texts\[1\].*{message}"):
        make_encoder()(["天", text])


def test_wrong_calls():
    encode = SentenceEncoder(make_bert(), make_tokenizer(), "mean")
    with pytest.raises(ValueError, match=r"texts\[0\] to have at most 24 tokens, got 32. Pass tr"):
        encode(["天" * 30])
    assert encode("天" * 30, truncate=True).shape == (8,)
    with pytest.raises(ValueError, match="Expected prompt_name to be one of"):
        encode("天", prompt_name="query")
    with pytest.raises(ValueError, match="Expected vectors of one size as first and second"):
        encode.similarity(np.ones((2, 3)), np.ones((2, 4)))
