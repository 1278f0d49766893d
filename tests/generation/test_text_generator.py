"""Text generation equals that of transformers, in any batch, and names what it cannot do."""

import keras
import numpy as np
import pytest
from keras import ops
from support import GOLDEN, load_record, randomize_weights

from bert4keras.generation import IncrementalDecodingError, TextGenerator
from bert4keras.layers import Loss
from bert4keras.models import build_transformer_model
from bert4keras.tokenizers import Tokenizer

WORDS = "[PAD] [UNK] [CLS] [SEP] 床 前 明 月 光 疑 是 地 上 霜".split()
TOKENIZER = Tokenizer({word: i for i, word in enumerate(WORDS)})
CONFIG = {
    "vocab_size": len(WORDS),
    "hidden_size": 16,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 24,
    "hidden_act": "gelu",
    "max_position_embeddings": 20,
}
HEAD = {"t5_v1_1": {"with_lm": "linear"}}  # for scores, where it is not final_activation
TEXTS = ["床前明月光", "疑", "是地上霜"]


def build(**options):
    return randomize_weights(build_transformer_model(CONFIG, **options))


class TestTextGenerator:
    @pytest.mark.parametrize(
        "folder", ["gpt2", pytest.param("llama", marks=pytest.mark.slow), "t5_v1_1"]
    )
    def test_it_writes_what_transformers_writes(self, folder):
        head = HEAD.get(folder, {"final_activation": "linear"})
        model = build_transformer_model(GOLDEN / "hf" / folder, return_keras_model=False, **head)
        write = TextGenerator(model)
        names = ("max_new_tokens", "eos_token_id", "num_beams", "length_penalty", "early_stopping")
        for case in load_record(f"hf/{folder}/generate.json"):
            outputs = write.generate([case["input_ids"]], **{name: case[name] for name in names})
            (ids,), (score,) = outputs.tokens[0], outputs.scores[0]
            start = [0] if write.cached_model.has_encoder else case["input_ids"]
            padding = [case["pad_token_id"]] * (len(case["sequence"]) - len(start) - len(ids))
            assert start + ids + padding == case["sequence"]
            if case["score"] is not None:
                assert abs(score - case["score"]) < 1e-4

    @pytest.mark.parametrize(
        "options",
        [
            {"application": "unilm"},
            pytest.param(
                {"application": "unilm", "with_mlm": "linear", "model": "roformer"},
                marks=pytest.mark.slow,
            ),
            pytest.param(
                {"application": "lm", "segment_vocab_size": 0, "model": "albert"},
                marks=pytest.mark.slow,
            ),
            {"model": "gpt", "segment_vocab_size": 0},
            {"model": "t5.1.1", "return_keras_model": False},
        ],
    )
    def test_a_batch_writes_what_its_texts_do_alone(self, eager_tensorflow, options):
        write = TextGenerator(build(**options), TOKENIZER)
        for options in ({}, {"num_beams": 3, "num_return_sequences": 2}):
            options = {**options, "max_new_tokens": 5, "eos_token_id": 3}
            batch = write(TEXTS, batch_size=2, **options)
            assert batch == [write(text, **options) for text in TEXTS]

    @pytest.mark.parametrize(
        "model, head", [("bert", "with_mlm"), ("gpt2", "final_activation"), ("t5.1.1", "with_lm")]
    )
    def test_probabilities_say_what_scores_say(self, eager_steps, model, head):
        application = "unilm" if model == "bert" else None
        softmax = "softmax" if head == "final_activation" else True
        outputs = [
            TextGenerator(
                build(
                    model=model, application=application, return_keras_model=False, **{head: kind}
                )
            ).generate([[5, 6, 7], [8]], num_beams=3, max_new_tokens=5, eos_token_id=3)
            for kind in ("linear", softmax)
        ]
        assert outputs[0].tokens == outputs[1].tokens
        np.testing.assert_allclose(outputs[0].scores, outputs[1].scores, rtol=1e-4)

    def test_a_language_model_goes_on_and_a_unilm_answers(self):
        lm = TextGenerator(build(application="lm", segment_vocab_size=0), TOKENIZER)
        unilm = TextGenerator(build(application="unilm"), TOKENIZER)
        assert lm._encode("床前") == [2, 4, 5]
        assert unilm._encode("床前") == [2, 4, 5, 3]
        assert unilm.cached_model.generated_segment_id == 1
        assert lm.cached_model.generated_segment_id is None

    def test_a_processor_sees_the_texts_of_one_batch_in_their_order(self, eager_tensorflow):
        def choose(tokens, length, logits):  # the token 4 + the number of the text
            token = 4 + ops.arange(ops.shape(logits)[0]) // 2
            return ops.where(ops.arange(len(WORDS)) == token[:, None], logits, -np.inf)

        write = TextGenerator(build(application="unilm"), TOKENIZER)
        options = {"num_beams": 2, "max_new_tokens": 1, "logits_processor": choose}
        assert write.generate(TEXTS, **options).tokens == [[[4]], [[5]], [[6]]]

    def test_a_seed_repeats_what_is_drawn(self, eager_tensorflow):
        write = TextGenerator(build(model="gpt2"), TOKENIZER)
        draw = {"do_sample": True, "num_return_sequences": 4, "max_new_tokens": 6}
        first = write("床前", seed=1, **draw)
        assert len(first) == 4
        assert write("床前", seed=1, **draw) == first
        assert write("床前", seed=2, **draw) != first

    def test_pieces_that_come_are_the_text_that_is_written(self, eager_tensorflow):
        write = TextGenerator(build(model="gpt2"), TOKENIZER)
        for options in ({}, {"do_sample": True, "seed": 1}):
            pieces = list(write.stream("床前", max_new_tokens=6, **options))
            assert "".join(pieces) == write("床前", max_new_tokens=6, **options)
        ids = list(TextGenerator(write.model).stream([2, 4, 5], max_new_tokens=6, eos_token_id=3))
        assert ids == TextGenerator(write.model)([[2, 4, 5]], max_new_tokens=6, eos_token_id=3)[0]

    def test_conditions_go_with_their_texts(self, eager_tensorflow):
        condition = keras.Input((3,), name="Input-Condition")
        model = build(
            application="unilm", layer_norm_cond=condition, additional_input_layers=condition
        )
        write, condition_rows = (
            TextGenerator(model, TOKENIZER),
            np.random.default_rng(1).normal(size=(3, 3)),
        )
        batch = write(TEXTS, conditions=[condition_rows], max_new_tokens=6)
        singles = [
            write(t, conditions=[condition_rows[i : i + 1]], max_new_tokens=6)
            for i, t in enumerate(TEXTS)
        ]
        assert batch == singles
        assert batch != write(TEXTS, conditions=[-condition_rows], max_new_tokens=6)
        with pytest.raises(ValueError, match="a further input 'Input-Condition': give an array"):
            write(TEXTS, max_new_tokens=6)

    def test_what_cannot_be_written_is_named(self):
        with pytest.raises(
            IncrementalDecodingError, match="Build it with application='lm' or 'unilm'"
        ):
            TextGenerator(build(), TOKENIZER)
        write = TextGenerator(build(model="gpt2"), TOKENIZER)
        with pytest.raises(ValueError, match="a prompt must have at least one token"):
            write.generate([[]])
        with pytest.raises(ValueError, match="a prompt must have at least one token"):
            write([])
        with pytest.raises(
            ValueError, match="20 positions, got a prompt of 15 tokens and max_new_to"
        ):
            write.generate([[5] * 15], max_new_tokens=7)
        with pytest.raises(ValueError, match="max_new_tokens to be a whole number of 1 or more"):
            write("床", max_new_tokens=0)
        with pytest.raises(TypeError, match="no option 'max_token'; did you mean"):
            write("床", max_token=3)
        tasks = TextGenerator(
            build(model="ernie", application="lm", use_task_id=True, task_id=None)
        )
        with pytest.raises(
            ValueError, match="takes 'Input-Task' for each token.*without that input"
        ):
            tasks.generate([[5, 6]], max_new_tokens=3)
        with pytest.raises(ValueError, match="num_beams must not exceed the vocabulary of 14"):
            write("床", num_beams=15, max_new_tokens=4)
        write.model.get_layer("Embedding-Token").embeddings.assign(np.full((14, 16), np.nan))
        with pytest.raises(
            ValueError, match="logits must be numbers, got NaN at step 0 of prompt 0"
        ):
            write("床", max_new_tokens=4)

    @pytest.mark.parametrize(
        "prompts, error, message",
        [
            (None, TypeError, "texts to be a list of texts or ids, got None"),
            ([5, 6], TypeError, r"texts\[0\] to be a text or a list of ids, got 5"),
            (["床", b"x"], TypeError, r"texts\[1\] to be a text or a list of ids, got b'x'"),
            (["床", None], TypeError, r"texts\[1\] to be a text or a list of ids, got None"),
            ([["床"]], TypeError, r"texts\[0\]\[0\] to be a whole number from 0 to 13"),
            ([[2, 99]], ValueError, r"texts\[0\]\[1\] to be a whole number from 0 to 13, got 99"),
            ([[2, -1]], ValueError, r"texts\[0\]\[1\] to be a whole number from 0 to 13, got -1"),
        ],
    )
    def test_what_is_no_prompt_is_named_before_anything_is_computed(self, prompts, error, message):
        write = TextGenerator(build(model="gpt2"), TOKENIZER)
        for call in (write, write.generate):
            with pytest.raises(error, match=message):
                call(prompts, max_new_tokens=2)

    def test_wrong_arguments_are_named(self):
        write = TextGenerator(build(model="gpt2"), TOKENIZER)
        with pytest.raises(ValueError, match="batch_size to be a whole number of 1 or more, got 0"):
            write(["床"], batch_size=0)
        with pytest.raises(TypeError, match="Expected text to be ids, as there is no tokenizer"):
            TextGenerator(write.model).stream("床")
        with pytest.raises(ValueError, match="tokens can be streamed when num_beams is 1"):
            write.stream("床", num_beams=2, max_new_tokens=9)
        with pytest.raises(
            ValueError, match="num_return_sequences=1 to stream one sequence, got 2"
        ):
            write.stream("床", num_return_sequences=2, do_sample=True)


PENALIZED = {
    "gpt2": {"model": "gpt2"},
    "bert": {"application": "lm", "segment_vocab_size": 0},
    "t5": {"model": "t5.1.1", "return_keras_model": False},
}
SEARCHES = [
    {},
    {"num_beams": 3},
    {"do_sample": True, "seed": 3, "temperature": 1.5, "top_p": 0.9},
]
PENALTIES = [  # each family and each search by default, all pairs by `pytest -m slow`
    pytest.param(family, search, marks=() if i == j else pytest.mark.slow)
    for i, family in enumerate(PENALIZED)
    for j, search in enumerate(SEARCHES)
]


class TestLogits:
    """Processors see what enters the softmax, with any head of the model."""

    @pytest.mark.parametrize("family, options", PENALTIES)
    def test_a_penalty_does_not_depend_on_the_head(self, eager_steps, family, options):
        head = {"gpt2": "final_activation", "bert": "with_mlm", "t5": "with_lm"}[family]
        softmax = "softmax" if family == "gpt2" else True
        outputs = [
            TextGenerator(build(**PENALIZED[family], **{head: kind})).generate(
                [[5, 6, 5, 7], [8]], max_new_tokens=8, repetition_penalty=1.7, **options
            )
            for kind in ("linear", softmax)
        ]
        assert outputs[0].tokens == outputs[1].tokens
        np.testing.assert_allclose(outputs[0].scores, outputs[1].scores, rtol=1e-3)

    @pytest.mark.parametrize("form", ["dense", "loss layer"])
    def test_a_softmax_inside_a_layer_or_before_a_loss_is_found(self, form):
        class Nothing(Loss):
            def compute_loss(self, inputs, mask=None):
                return 0.0

        model, outputs = build(model="gpt2", final_activation="linear"), []
        if form == "dense":
            x = model.get_layer("Output-Norm").output
            dense = keras.layers.Dense(len(WORDS), activation="softmax")
            with_softmax = keras.Model(model.inputs, dense(x))
            linear = keras.layers.Dense(len(WORDS))
            without = keras.Model(model.inputs, linear(x))
            linear.set_weights(dense.get_weights())
        else:
            without = model
            y = keras.layers.Activation("softmax")(model.output)
            with_softmax = keras.Model(model.inputs, Nothing(0)([y, y]))

        for x in (without, with_softmax):
            write = TextGenerator(x)
            logits, _ = write.cached_model.prefill(
                [ops.convert_to_tensor([[5, 6, 7]])], ops.convert_to_tensor([3])
            )
            outputs.append(ops.convert_to_numpy(logits))
        np.testing.assert_allclose(outputs[0], outputs[1], rtol=1e-4, atol=1e-5)


class Bytes:
    """A tokenizer of UTF-8 bytes."""

    def encode(self, text):
        return list(text.encode())

    def decode(self, ids):
        return bytes(ids).decode("utf-8", "replace")


class Spaced(Bytes):
    """A tokenizer whose text ends with a sign that the next token moves."""

    def decode(self, ids):
        return " ".join(map(str, ids)) + "."


class Reversed(Bytes):
    def decode(self, ids):
        return " ".join(map(str, ids[::-1]))


class FixedSteps:
    """A decoding loop that gives fixed ids."""

    def __init__(self, ids):
        self.ids = ids

    def stream(self, **arguments):
        return iter([(0, 0, [token]) for token in self.ids])


class TestStream:
    """Pieces together are the text that a call returns."""

    ENGLISH = (
        "[PAD] [UNK] [CLS] [SEP] ' s re t ll d v ##e ##s a day 3 14 . , ( - 今 天 ##x it".split()
    )

    @pytest.fixture(scope="class")
    @classmethod
    def write(cls):
        return TextGenerator(build(model="gpt2"))

    @pytest.fixture
    def stream(self, write):
        def stream(tokenizer, ids):
            write.tokenizer, write.loop = tokenizer, FixedSteps(ids)
            return list(write.stream([5, 6], max_new_tokens=9))

        return stream

    def test_words_and_signs_in_any_order(self, stream):
        tokenizer = Tokenizer({word: i for i, word in enumerate(self.ENGLISH)})
        random = np.random.default_rng(0)
        for _ in range(300):
            ids = random.integers(0, len(self.ENGLISH), random.integers(0, 14)).tolist()
            pieces = stream(tokenizer, ids)
            assert "".join(pieces) == tokenizer.decode(ids) and "" not in pieces

    def test_only_what_may_change_is_held_back(self, stream):
        tokenizer = Tokenizer({word: i for i, word in enumerate(self.ENGLISH)})
        ids = tokenizer.tokens_to_ids("it ' s a day 今 天".split())
        assert stream(tokenizer, ids) == ["it", "'", "s a", " day", "今", "天"]

    def test_characters_of_several_bytes(self, stream):
        assert stream(Bytes(), list("é好🐱".encode())) == ["é", "好", "🐱"]
        random = np.random.default_rng(0)
        for _ in range(100):
            text = "".join(random.choice(list("aé好🐱 \ufffd"), random.integers(0, 8)))
            ids = list(text.encode()) + random.integers(0, 256, 3).tolist()
            assert "".join(stream(Bytes(), ids)) == Bytes().decode(ids)

    def test_a_tokenizer_that_changes_the_end(self, stream):
        assert "".join(stream(Spaced(), [1, 2, 3])) == "1 2 3."

    def test_a_tokenizer_that_changes_the_beginning_is_refused(self, stream):
        with pytest.raises(ValueError, match="decode of Reversed to leave the beginning"):
            stream(Reversed(), [1, 1, 2])

    def test_no_token_gives_no_piece(self, stream):
        assert stream(TOKENIZER, []) == [] and stream(TOKENIZER, [3]) == []
