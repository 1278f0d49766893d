"""Beam search finds what brute force finds, and scores it by its rule."""

from itertools import product

import numpy as np
import pytest
from generation.toy import Toy

from bert4keras.generation import BeamSearch, GenerationConfig


def best(output):
    """The best sequence of each prompt."""
    return [sequences[0] for sequences in output.tokens]


def assert_close(got, expected):
    np.testing.assert_allclose(got, expected, rtol=1e-4, atol=1e-4)


def only(tokens, size=30):
    """Addends of logits that make only ``tokens`` possible."""
    return {token: -np.inf for token in range(size) if token not in tokens}


def until_stop(ids, stop):
    """A path up to its stop id."""
    return ids[: ids.index(stop) + 1] if stop in ids else ids


class OneBeam(GenerationConfig):
    """A beam search with one beam, which options alone do not give."""

    def sampler(self):
        return BeamSearch(1, True)


class TestBeamSearch:
    def test_one_beam_is_greedy(self):
        toy = Toy(prompts=4)
        call = dict(max_new_tokens=12, eos_token_id=3)
        expected = toy.generate(**call)
        got = toy.loop.generate(*toy.start(), OneBeam(length_penalty=0.0, **call))
        assert got.tokens == expected.tokens
        assert_close(got.scores, expected.scores)

    @pytest.mark.parametrize(
        "penalty, early",
        [(0.0, False), (0.0, "never"), (-0.5, False), (1.0, "never")],  # (1.0, False) only guesses
    )
    def test_enough_beams_find_what_brute_force_finds(self, penalty, early):
        stop, length, letters = 2, 4, (0, 1, 2)
        toy = Toy(30, likely=only(letters) | {stop: -1.0}, seed=4)
        toy.weights *= 0.3
        got = toy.generate(
            max_new_tokens=length,
            eos_token_id=stop,
            num_beams=27,
            length_penalty=penalty,
            early_stopping=early,
        )
        for prompt in range(3):
            paths = {tuple(until_stop(list(p), stop)) for p in product(letters, repeat=length)}
            score, path = max((toy.score(prompt, p) / len(p) ** penalty, p) for p in paths)
            assert best(got)[prompt] == list(path)
            assert_close(got.scores[prompt][0], score)

    def test_more_beams_never_lower_the_best_score(self):
        toy, scores = Toy(30, prompts=8, likely=only((0, 1, 2)), seed=5), []
        toy.weights *= 0.3  # near ties, which mislead the greedy
        for beams in (1, 2, 9, 27):
            output = toy.generate(max_new_tokens=4, num_beams=beams, length_penalty=0.0)
            scores.append([x[0] for x in output.scores])
        assert (np.diff(scores, axis=0) >= -1e-4).all()
        assert (np.subtract(scores[-1], scores[0]) > 1e-3).any()  # or the test would be empty

    @pytest.mark.parametrize("penalty", [0.0, 1.0, 2.0])
    def test_beams_come_best_first_with_the_scores_of_their_tokens(self, penalty):
        toy = Toy()
        options = dict(max_new_tokens=9, eos_token_id=3, num_beams=4, length_penalty=penalty)
        got = toy.generate(num_return_sequences=3, **options)
        for prompt, (sequences, scores) in enumerate(zip(*got)):
            assert len(sequences) == 3 == len({tuple(ids) for ids in sequences})
            assert scores == sorted(scores, reverse=True)
            assert_close(scores, [toy.score(prompt, x) / len(x) ** penalty for x in sequences])

    def test_early_stopping_takes_fewer_steps(self, eager_steps):
        steps = []
        for early in (True, False, "never"):
            toy = Toy(prompts=1, seed=2, likely={3: 2.0})
            toy.generate(max_new_tokens=100, eos_token_id=3, num_beams=3, early_stopping=early)
            steps.append(len(toy.calls))
        assert steps[0] < steps[1] < steps[2] < 99

    def test_fewer_sequences_come_when_there_are_no_more(self):
        toy = Toy(likely=only((1, 2), 11))
        got = toy.generate(max_new_tokens=1, num_beams=4, num_return_sequences=4)
        assert [sorted(sequences) for sequences in got.tokens] == [[[1], [2]]] * 3
