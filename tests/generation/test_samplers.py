"""Processors against plain NumPy, and draws against the distributions they come from."""

import numpy as np
import pytest
from generation.toy import Toy, generate
from keras import ops
from support import assert_close

from bert4keras.generation import DecodingLoop, LogitsProcessors, samplers
from bert4keras.generation.samplers import SamplingParams

LOGITS = np.random.default_rng(0).normal(size=(4, 9), scale=2).astype("float32")
TOKENS = np.array([[-1, -1, 3, 1, 3, 1, -1, -1], [-1, 5, 5, 5, 5, 5, -1, -1]], "int32")
TOKENS = np.concatenate([TOKENS, [[0, 1, 2, 0, 1, 2, -1, -1], [-1] * 5 + [8, -1, -1]]]).astype("i4")
LENGTH = 6
CHI_SQUARE = 27.9  # exceeded once in 1,000 times with 9 degrees of freedom


def softmax(logits):
    weights = np.exp(logits - logits.max(-1, keepdims=True))
    return weights / weights.sum(-1, keepdims=True)


def mask_of_finite(function, *args):
    """Return where logits stay finite, having checked that a processor leaves those as they are."""
    got = ops.convert_to_numpy(function(ops.convert_to_tensor(LOGITS), *args))
    np.testing.assert_array_equal(got[got > -np.inf], LOGITS[got > -np.inf])
    return got > -np.inf


def by_rank(key, count):
    """Mark the ``count`` tokens of each row with the smallest keys."""
    return np.argsort(np.argsort(key, -1), -1) < np.reshape(count, (-1, 1))


def count_needed(key, p):
    """Count the tokens, by rising key, that reach the probability p together."""
    weights = np.take_along_axis(softmax(LOGITS), np.argsort(key, -1), -1)
    return 1 + (np.cumsum(weights, -1) < p).sum(-1)


def truncate(weights, keep):
    weights = np.where(keep, weights, 0.0)
    return weights / weights.sum()


WEIGHTS = np.array([0.3, 0.05, 0.2, 0.02, 0.15, 0.1, 0.08, 0.04, 0.055, 0.005])
SURPRISE = np.abs(-np.log(WEIGHTS) + (WEIGHTS * np.log(WEIGHTS)).sum())
DISTRIBUTIONS = {
    "plain": ({}, WEIGHTS),
    "temperature": ({"temperature": 2.0}, truncate(WEIGHTS**0.5, True)),
    "top_k": ({"top_k": 4}, truncate(WEIGHTS, WEIGHTS > 0.09)),
    "top_p": ({"top_p": 0.7}, truncate(WEIGHTS, WEIGHTS > 0.09)),
    "min_p": ({"min_p": 0.25}, truncate(WEIGHTS, WEIGHTS > 0.075)),
    "typical_p": ({"typical_p": 0.5}, truncate(WEIGHTS, SURPRISE <= np.sort(SURPRISE)[3])),
    "several": ({"temperature": 2.0, "top_k": 4}, truncate(WEIGHTS**0.5, WEIGHTS > 0.09)),
}


class TestLogitsProcessors:
    @pytest.mark.parametrize("penalty", [1.5, 0.5])
    def test_the_repetition_penalty_makes_earlier_tokens_less_probable(self, penalty):
        expected = LOGITS.copy()
        for row, tokens in zip(expected, TOKENS):
            for token in set(tokens) - {-1}:
                row[token] *= penalty if row[token] < 0 else 1 / penalty
        args = ops.convert_to_tensor(LOGITS), ops.convert_to_tensor(TOKENS), penalty
        assert_close(samplers.penalize_repetition(*args), expected)

    @pytest.mark.parametrize("n", [1, 2, 3, 7, 20])
    def test_no_ngram_is_repeated(self, n):
        expected = np.ones(LOGITS.shape, bool)
        for row, tokens in zip(expected, TOKENS):
            ids = [token for token in tokens if token >= 0]
            for i in range(len(ids) - n + 1):
                if ids[i : i + n - 1] == ids[len(ids) - n + 1 :]:
                    row[ids[i + n - 1]] = False
        args = ops.convert_to_tensor(TOKENS), ops.convert_to_tensor(np.int32(LENGTH)), n
        np.testing.assert_array_equal(
            mask_of_finite(samplers.forbid_repeated_ngrams, *args), expected
        )

    @pytest.mark.parametrize("k", [1, 4, 9, 100])
    def test_top_k_keeps_the_k_largest(self, k):
        np.testing.assert_array_equal(mask_of_finite(samplers.keep_top_k, k), by_rank(-LOGITS, k))

    @pytest.mark.parametrize("p", [1e-6, 0.5, 0.9, 0.999])
    def test_top_p_keeps_the_fewest_that_reach_p(self, p):
        expected = by_rank(-LOGITS, count_needed(-LOGITS, p))
        np.testing.assert_array_equal(mask_of_finite(samplers.keep_top_p, p), expected)

    @pytest.mark.parametrize("p", [0.001, 0.2, 1.0])
    def test_min_p_keeps_what_is_not_too_far_from_the_top(self, p):
        weights = softmax(LOGITS)
        expected = weights >= p * weights.max(-1, keepdims=True)
        np.testing.assert_array_equal(mask_of_finite(samplers.keep_min_p, np.float32(p)), expected)

    @pytest.mark.parametrize("p", [1e-6, 0.3, 0.8, 0.999])
    def test_typical_p_keeps_the_most_typical_that_reach_p(self, p):
        weights = softmax(LOGITS)
        entropy = -(weights * np.log(weights)).sum(-1, keepdims=True)
        deviation = np.abs(-np.log(weights) - entropy)
        expected = by_rank(deviation, count_needed(deviation, p))
        np.testing.assert_array_equal(mask_of_finite(samplers.keep_typical, p), expected)

    def test_forbidden_tokens_stay_forbidden(self):
        logits = LOGITS.copy()
        logits[:, ::2] = -np.inf
        filters = {"temperature": 1.3, "top_p": 0.99, "min_p": np.float32(0.01), "typical_p": 0.99}
        params = SamplingParams(0, 1, [-1], 1.0, **filters)
        processors = LogitsProcessors(top_k=7)
        got = ops.convert_to_numpy(processors.truncate(ops.convert_to_tensor(logits), params))
        assert (got[:, ::2] == -np.inf).all() and (got.max(-1) > -np.inf).all()
        assert not np.isnan(got).any()


class TestSampler:
    def test_a_draw_is_where_the_number_lies_in_the_summed_probabilities(self):
        with np.errstate(divide="ignore"):
            logits = np.log(np.array([[0.25, 0.5, 0.0, 0.25, 0.0]] * 5, "float32"))
        uniform = np.array([0.0, 0.3, 0.7, 0.8, 1 - 2**-24], "float32")
        got = samplers.sample_tokens(ops.convert_to_tensor(logits), ops.convert_to_tensor(uniform))
        assert ops.convert_to_numpy(got).tolist() == [0, 1, 1, 3, 3]

    @pytest.mark.parametrize("name", DISTRIBUTIONS)
    def test_draws_are_as_frequent_as_the_truncated_distribution_says(self, name):
        options, expected = DISTRIBUTIONS[name]
        loop = DecodingLoop(None, lambda rows, capacity: ())  # one token needs no step
        logits = ops.convert_to_tensor(np.log(WEIGHTS)[None].astype("float32"))
        options = dict(do_sample=True, num_return_sequences=20_000, seed=1, **options)
        got = generate(loop, logits, max_new_tokens=1, **options)
        counts = np.bincount([ids[0] for ids in got.tokens[0]], minlength=10)
        assert not counts[expected == 0].any()
        expected = 20_000 * expected[expected > 0]
        counts = counts[counts > 0]
        assert len(counts) == len(expected)
        assert ((counts - expected) ** 2 / expected).sum() < CHI_SQUARE

    def test_typical_draws_leave_out_the_too_probable_and_the_too_rare(self):
        keep = DISTRIBUTIONS["typical_p"][1] > 0  # or the case above says little
        assert WEIGHTS[SURPRISE <= np.sort(SURPRISE)[2]].sum() < 0.5 <= WEIGHTS[keep].sum()
        assert not keep[WEIGHTS.argmax()] and not keep[WEIGHTS.argmin()]

    def test_drawing_from_the_first_alone_is_greedy(self):
        toy = Toy()
        options = dict(max_new_tokens=30, eos_token_id=3)
        expected = toy.generate(**options)
        for narrow in ({"top_k": 1}, {"top_p": 1e-6}, {"min_p": 1.0}, {"temperature": 1e-3}):
            assert toy.generate(do_sample=True, **narrow, **options) == expected

    def test_draws_of_further_tokens_follow_the_model(self):
        toy = Toy(5, prompts=1, seed=6)
        toy.weights *= 0.3
        call = dict(do_sample=True, num_return_sequences=20_000, seed=2)
        got = toy.generate(max_new_tokens=2, **call).tokens[0]
        counts = np.bincount([5 * a + b for a, b in got], minlength=25).reshape(5, 5)
        for first, row in enumerate(counts):
            expected = np.exp(toy.logs(0, [first])) * row.sum()
            assert ((row - expected) ** 2 / expected).sum() < 18.5  # once in 1,000 times, 4 degrees

    def test_a_seed_gives_the_same_tokens_again(self):
        toy = Toy()
        draw = lambda **options: toy.generate(max_new_tokens=40, do_sample=True, **options)  # noqa: E731
        assert draw(seed=1) == draw(seed=1) != draw(seed=2)
        np.random.seed(3)
        first, second = draw(), draw()
        np.random.seed(3)
        assert draw() == first != second

    def test_the_draws_of_a_prompt_do_not_depend_on_the_others(self):
        toy, neighbour = Toy(prompts=4), Toy(prompts=4)
        call = dict(
            max_new_tokens=40, do_sample=True, eos_token_id=3, seed=5, num_return_sequences=2
        )
        expected = toy.generate(**call)
        neighbour.prompts[1:] += 1.0
        got = neighbour.generate(**call)
        assert got.tokens[0] == expected.tokens[0] and got.tokens[1:] != expected.tokens[1:]
        assert len({tuple(ids) for ids in expected.tokens[0]}) == 2
