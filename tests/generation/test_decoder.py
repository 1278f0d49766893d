"""The inherited decoder gives the recorded ids; cached rows equal whole ones."""

import gc
import json
import weakref
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache

import numpy as np
import pytest
from generation.cached_rows import build, rows
from support import GOLDEN, load_record

from bert4keras.generation import AutoRegressiveDecoder
from bert4keras.models import build_transformer_model

CASES = load_record("decoding/cases.json.xz")["cases"]
OFTEN, SELDOM = 45, 5  # of so many cases one is run by default, and by `pytest -m slow`: odd, as
# the sets of options repeat in turn, and a divisor of their number would skip some


class Scripted(AutoRegressiveDecoder):
    """Decoding as scripts of bert4keras 0.x write it."""

    def grown(self, inputs, output_ids):
        """Inputs of the model: what was given, and the output so far behind it."""
        token_ids, *segment_ids = inputs
        grown = [np.concatenate([token_ids, output_ids], 1)]
        for segments in segment_ids:
            grown.append(np.concatenate([segments, np.ones_like(output_ids)], 1))
        return grown


class Logits(Scripted):
    @AutoRegressiveDecoder.wraps(default_rtype="logits")
    def predict(self, inputs, output_ids, states):
        return self.last_token(self.model).predict(self.grown(inputs, output_ids))


class Probabilities(Scripted):
    @AutoRegressiveDecoder.wraps(default_rtype="probas")
    def predict(self, inputs, output_ids, states):
        return self.last_token(self.model).predict(self.grown(inputs, output_ids))


class Decoded(Scripted):
    @AutoRegressiveDecoder.wraps(default_rtype="logits")
    def predict(self, inputs, output_ids, states):
        return self.last_token(self.model).predict([inputs[0], output_ids])


KINDS = {"unilm": Logits, "unilm_probas": Probabilities, "lm": Logits, "t5": Decoded}


@lru_cache
def built(base, kwargs):
    folder = GOLDEN / "models" / base
    return build_transformer_model(
        folder / "config.json",
        folder / "bert_model.ckpt",
        return_keras_model=False,
        **json.loads(kwargs),
    )


@lru_cache
def decoder_of(base, kwargs, kind):
    """One decoder for all cases of a model, with its cache."""
    model = built(base, kwargs)
    decoder = KINDS[kind](None, 0, 1)
    decoder.model = model.decoder if kind == "t5" else model.model
    return model, decoder


def decode_case(case):
    model, decoder = decoder_of(case["base"], json.dumps(case["kwargs"]), case["kind"])
    decoder.__init__(case["start_id"], case["end_id"], case["maxlen"], case["minlen"])
    inputs = [np.array(x) for x in case["inputs"]]
    if case["kind"] == "t5":
        inputs = [model.encoder.predict_on_batch(inputs[0][None])[0]]
    options = {name: case[name] for name in ("topk", "min_ends", "temperature")}
    return decoder.beam_search(inputs, **options).tolist()


class Chain(AutoRegressiveDecoder):
    """Each id is followed by others with fixed probabilities; counts its calls in its states."""

    following = np.array(
        [
            [0.0, 0.6, 0.4, 0.0],
            [0.1, 0.0, 0.3, 0.6],
            [0.0, 0.2, 0.0, 0.8],
            [0.7, 0.2, 0.1, 0.0],
        ]
    )

    @AutoRegressiveDecoder.wraps(default_rtype="probas", use_states=True)
    def predict(self, inputs, output_ids, states):
        assert all(len(x) == len(output_ids) for x in inputs)
        return self.following[output_ids[:, -1]], (states or 0) + 1


def chain(maxlen=6, minlen=1, start_id=0):
    return Chain(start_id, end_id=3, maxlen=maxlen, minlen=minlen)


class TestAutoRegressiveDecoder:
    @pytest.mark.parametrize(
        "number",
        [
            pytest.param(number, marks=() if number % OFTEN == 0 else pytest.mark.slow)
            for number in range(0, len(CASES), SELDOM)
        ],
    )
    def test_beam_search_gives_the_recorded_ids(self, number):
        assert decode_case(CASES[number]) == CASES[number]["output"]

    def test_the_most_probable_output_that_ends_is_returned(self):
        assert chain().beam_search([np.array([7])], topk=1).tolist() == [0, 1, 3]
        assert chain().beam_search([np.array([7])], topk=3).tolist() == [0, 1, 3]

    def test_an_output_is_as_long_as_minlen_or_as_maxlen(self):
        assert len(chain(minlen=5).beam_search([np.array([7])], topk=2)) >= 5
        assert chain(maxlen=1).beam_search([np.array([7])], topk=2).tolist() == [0, 1]

    def test_an_output_that_ends_and_is_not_the_best_leaves_the_beam_narrower(self):
        widths = []

        class Watched(AutoRegressiveDecoder):
            @AutoRegressiveDecoder.wraps(default_rtype="probas")
            def predict(self, inputs, output_ids, states):
                widths.append(len(output_ids))
                ends = output_ids.shape[1] == 1  # the second best token is the end, later it is 2
                row = [0.1, 0.5, 0.1, 0.3] if ends else [0.1, 0.5, 0.3, 0.1]
                return np.repeat([row], len(output_ids), axis=0)

        Watched(0, 3, maxlen=4).beam_search([np.array([7])], topk=2)
        assert widths == [1, 1, 1, 1]

    def test_several_ends_may_be_asked_for(self):
        ids = chain().beam_search([np.array([7])], topk=2, min_ends=2).tolist()
        assert ids.count(3) == 2 and ids[-1] == 3

    def test_states_go_from_call_to_call(self):
        all_states = []

        class Watched(Chain):
            @AutoRegressiveDecoder.wraps(use_states=True)
            def predict(self, inputs, output_ids, states):
                all_states.append(states)
                return self.following[output_ids[:, -1]], len(all_states)

        Watched(0, 3, maxlen=3, minlen=9).beam_search([np.array([7])], topk=2, states="first")
        assert all_states == ["first", 1, 2]

    def test_a_temperature_divides_logits_and_takes_roots_of_probabilities(self):
        ids = np.array([[1]])
        logs, _ = chain().predict([], ids, None, rtype="logits")
        np.testing.assert_allclose(logs, np.log(Chain.following[[1]] + 1e-12))
        probas, _ = chain().predict([], ids, None, temperature=2)
        roots = Chain.following[[1]] ** 0.5
        np.testing.assert_allclose(probas, roots / roots.sum())

    def test_samples_are_as_many_as_asked_for_and_repeat_with_the_seed(self):
        samples = []
        for _ in range(2):
            np.random.seed(3)
            samples.append([x.tolist() for x in chain().random_sample([np.array([7])], n=20)])
        assert samples[0] == samples[1] and len(samples[0]) == 20
        assert len({tuple(x) for x in samples[0]}) > 3
        assert sorted(map(len, samples[0])) == list(map(len, samples[0]))  # as they end

    def test_samples_come_as_often_as_they_are_probable(self):
        np.random.seed(0)
        draws = chain(maxlen=1).random_sample([np.array([7])], n=4000)
        share = np.mean([ids[1] == 1 for ids in draws])
        assert abs(share - 0.6) < 0.03
        draws = chain(maxlen=2, minlen=3).random_sample([np.array([7])], n=500, topk=1)
        assert {tuple(x) for x in draws} == {(0, 1, 3)}
        draws = chain(maxlen=1).random_sample([np.array([7])], n=500, topp=0.5)
        assert {tuple(x) for x in draws} == {(0, 1)}  # the one that crosses it stays
        draws = chain(maxlen=1).random_sample([np.array([7])], n=500, topp=0.7)
        assert {tuple(x) for x in draws} == {(0, 1), (0, 2)}

    def test_a_decoder_without_a_start_begins_with_nothing(self):
        class Fixed(AutoRegressiveDecoder):
            @AutoRegressiveDecoder.wraps()
            def predict(self, inputs, output_ids, states):
                return np.repeat([[0.1, 0.9]], len(output_ids), axis=0)

        assert Fixed(None, 1, 4).first_output_ids.shape == (1, 0)
        assert Fixed(None, 1, 4).beam_search([np.array([7])], topk=1).tolist() == [1]

    def test_what_cannot_be_decoded_is_named(self):
        with pytest.raises(ValueError, match="maxlen to be a whole number of 1 or more, got 0"):
            chain(maxlen=0)
        with pytest.raises(TypeError, match="maxlen to be a whole number of 1 or more, got None"):
            chain(maxlen=None)
        for options, message in (
            ({"temperature": 0}, "temperature to be a finite number above 0, got 0"),
            ({"temperature": "hot"}, "temperature to be a finite number above 0, got 'hot'"),
            ({"topk": "3"}, "topk to be a whole number, got '3'"),
            ({"min_ends": 0}, "min_ends to be a whole number of 1 or more"),
            ({"inputs": None}, "inputs to be a list of arrays"),
        ):
            with pytest.raises((TypeError, ValueError), match=message):
                chain().beam_search(**{"inputs": [np.array([7])], "topk": 1, **options})
        for options, message in (
            ({"n": 0}, "n to be a whole number of 1 or more, got 0"),
            ({"topk": 0}, "topk to be a whole number of 1 or more"),
            ({"topp": 1.5}, "topp to be a finite number above 0 and of at most 1"),
        ):
            with pytest.raises(ValueError, match=message):
                chain().random_sample(**{"inputs": [np.array([7])], "n": 1, **options})
        with pytest.raises(NotImplementedError, match="AutoRegressiveDecoder must define predict"):
            AutoRegressiveDecoder(0, 1, 2).predict([], np.zeros((1, 1)))

        class Broken(AutoRegressiveDecoder):
            @AutoRegressiveDecoder.wraps(default_rtype="logits")
            def predict(self, inputs, output_ids, states):
                bad = np.nan if output_ids.shape[1] > 2 else 0.0
                return np.repeat([[0.0, 0.0, bad]], len(output_ids), axis=0)

        with pytest.raises(ValueError, match="got NaN at step 2 of row 0"):
            Broken(0, 9, 5).beam_search([np.array([7])], topk=2)
        with pytest.raises(ValueError, match="topk must be from 1 to the 3 tokens"):
            Broken(0, 9, 5).beam_search([np.array([7])], topk=4)

    def test_threads_get_the_answers_to_their_own_questions(self):
        decoder = Logits(None, 2, maxlen=6)
        decoder.model = build(model="gpt2")
        questions = [rows(1, 4, seed)[0] for seed in range(8)]
        search = lambda ids: decoder.beam_search([ids], topk=3).tolist()  # noqa: E731
        want = [search(ids) for ids in questions]
        with ThreadPoolExecutor(8) as pool:
            assert list(pool.map(search, questions * 4)) == want * 4

    def test_a_search_begins_with_the_weights_of_the_moment(self):
        decoder = Logits(None, 2, maxlen=6)
        decoder.model = build(model="gpt2")
        question = rows(1, 4)[0]
        decoder.beam_search([question], topk=2)
        decoder.model.set_weights([2 * x for x in decoder.model.get_weights()])
        new = Logits(None, 2, maxlen=6)
        new.model = decoder.model
        want = new.beam_search([question], topk=2).tolist()
        assert decoder.beam_search([question], topk=2).tolist() == want

    def test_a_search_drops_its_cache_when_it_ends(self):
        decoder, caches = Logits(None, 2, maxlen=3), []
        decoder.model = build(model="gpt2")
        predict = decoder.predict
        decoder.predict = lambda *args: (
            caches.append(weakref.ref(decoder.last_token(decoder.model))) or predict(*args)
        )
        decoder.beam_search([rows(1, 4)[0]], topk=2)
        assert len(caches) == 3 and caches[0] is caches[1]
        gc.collect()
        assert caches[0]() is None and decoder.last_token(decoder.model).rows is None
