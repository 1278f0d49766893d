"""The loop equals plain searches, in any batch and at any length; errors name step and row."""

import keras
import numpy as np
import pytest
from generation.toy import Toy, generate
from keras import ops

from bert4keras.generation import DecodingLoop


def best(output):
    """The best sequence of each prompt."""
    return [sequences[0] for sequences in output.tokens]


def assert_close(got, expected):
    np.testing.assert_allclose(got, expected, rtol=1e-4, atol=1e-4)


class TestGreedy:
    def test_greedy_takes_the_most_probable_token_each_time(self):
        toy = Toy()
        got = toy.generate(max_new_tokens=7)
        assert best(got) == [toy.greedy(prompt, 7) for prompt in range(3)]
        assert_close(got.scores, [[toy.score(i, ids)] for i, ids in enumerate(best(got))])

    def test_a_sequence_ends_with_any_of_several_stop_ids(self):
        toy = Toy(prompts=6)
        got = best(toy.generate(max_new_tokens=20, eos_token_id=[3, 5]))
        assert got == [toy.greedy(prompt, 20, stops=(3, 5)) for prompt in range(6)]
        assert {ids[-1] for ids in got} >= {3, 5}  # both occur
        assert len({len(ids) for ids in got}) > 2

    @pytest.mark.parametrize("beams", [1, 3])
    def test_a_sequence_has_from_min_to_max_new_tokens(self, beams):
        toy = Toy(likely={4: 99.0})  # which would stop at once
        call = dict(eos_token_id=4, num_beams=beams)
        got = best(toy.generate(max_new_tokens=6, min_new_tokens=4, **call))
        assert all(ids[4:] == [4] and 4 not in ids[:4] for ids in got)
        assert best(toy.generate(max_new_tokens=6, **call)) == [[4]] * 3
        for length in (1, 2):
            got = toy.generate(max_new_tokens=length, num_beams=beams)
            assert [len(ids) for ids in best(got)] == [length] * 3


class TestBatches:
    @pytest.mark.parametrize("beams", [1, 2])
    def test_the_capacity_of_the_cache_doubles_as_tokens_come(self, eager_steps, beams):
        toy = Toy(prompts=1)
        got = best(toy.generate(max_new_tokens=70, num_beams=beams))
        rows, capacities = zip(*dict.fromkeys(toy.calls))
        assert set(rows) == {beams} and 1 < len(capacities) < 9
        assert all(after == 2 * before for before, after in zip(capacities, capacities[1:]))
        assert len(got[0]) == 70
        if beams == 1:
            assert got == [toy.greedy(0, 70)]

    @pytest.mark.parametrize("beams", [1, 2])
    def test_finished_prompts_are_dropped(self, eager_steps, beams):
        """The number of prompts that are computed stays a power of 2."""
        toy = Toy(prompts=8, seed=1)
        options = dict(max_new_tokens=20, num_beams=beams, early_stopping=True)
        lengths = {prompt: 2 if prompt % 4 else 5 * prompt for prompt in range(1, 8)} | {0: 20}

        def until(prompt, ids):
            return [3] if len(ids) + 1 == lengths[prompt] else [1, 2]

        got = toy.generate(eos_token_id=3, prefix_allowed_tokens_fn=until, **options)
        rows = [rows // beams for rows, _ in toy.calls]
        assert [rows.count(n) for n in (8, 4, 2, 1)] == [1, 0, 18, 0] and len(rows) == 19
        assert [len(ids) for ids in best(got)] == [lengths[prompt] for prompt in range(8)]

    def test_when_all_have_ended_no_step_is_taken(self, eager_steps):
        toy = Toy(likely={4: 99.0})
        toy.generate(max_new_tokens=50, eos_token_id=4)
        assert toy.calls == []

    @pytest.mark.parametrize(
        "options",
        [
            {},
            {"num_beams": 3, "num_return_sequences": 3},
            {"repetition_penalty": 1.3, "no_repeat_ngram_size": 2},
            {"num_beams": 3, "repetition_penalty": 1.3, "no_repeat_ngram_size": 2},
        ],
    )
    def test_a_batch_equals_its_rows_alone(self, options):
        toy = Toy(23, prompts=5, seed=3)
        prompts = [[1], [4, 5, 6, 7, 8], list(range(10)) * 2, [0, 3], []]
        options = dict(max_new_tokens=40, eos_token_id=3, **options)
        got = toy.generate(prompt_ids=prompts, **options)
        for prompt in range(5):
            output = toy.generate(prompt, prompt_ids=prompts[prompt : prompt + 1], **options)
            assert output.tokens == [got.tokens[prompt]]
            assert_close(output.scores, [got.scores[prompt]])

    def test_padding_of_prompts_may_be_anywhere(self):
        toy, options = Toy(), dict(max_new_tokens=9, no_repeat_ngram_size=1)
        expected = toy.generate(prompt_ids=[[1, 2], [3], [5, 6]], **options)
        ids = np.array([[1, 9, 2, 9], [9, 9, 9, 3], [5, 6, 9, 9]])
        assert toy.generate(prompt_ids=ids, prompt_mask=ids != 9, **options) == expected

    def test_no_prompts_give_no_sequences(self):
        toy = Toy()
        logits, prompt_cache = toy.start()
        for options in ({}, {"num_beams": 2}, {"do_sample": True}):
            assert generate(toy.loop, logits[:0], prompt_cache[:0], **options) == ([], [])


class TestPrograms:
    def test_a_second_call_compiles_nothing(self):
        toy = Toy(prompts=1)  # so that none is dropped
        calls = [
            dict(do_sample=True, temperature=0.7, top_p=0.9, repetition_penalty=1.1),
            dict(num_beams=3, length_penalty=0.5),
            {},
        ]
        for options in calls:
            toy.generate(max_new_tokens=6, eos_token_id=3, **options)
        count = len(toy.calls)
        new_values = {
            "temperature": 1.3,
            "top_p": 0.5,
            "length_penalty": 2,
            "repetition_penalty": 2,
        }
        for options in calls:
            options = {name: new_values.get(name, value) for name, value in options.items()}
            toy.generate(max_new_tokens=30, eos_token_id=5, **options)
        if keras.backend.backend() != "torch":  # which runs each step
            assert len(toy.calls) == count > 0

    def test_a_program_sees_new_values_of_variables(self):
        layer = keras.layers.Dense(5, kernel_initializer="ones")
        layer.build((None, 5))

        def step(tokens, cache_index, prompt_cache, generated_cache):
            return layer(ops.one_hot(tokens, 5)), generated_cache

        loop = DecodingLoop(step, lambda rows, capacity: (), layer.variables)
        logits = ops.one_hot(ops.convert_to_tensor([0]), 5)
        for shift in (1, 2):
            layer.kernel.assign(np.roll(np.eye(5), shift, axis=1))
            ids = [0, *np.arange(1, 4) * shift % 5]
            assert best(generate(loop, logits, max_new_tokens=4)) == [ids]

    def test_caches_may_be_nested(self):
        toy = Toy()

        def step(tokens, cache_index, prompt_cache, generated_cache):
            cache = {"entry": generated_cache[0]["b"]}
            logits, cache = toy.step(tokens, cache_index, prompt_cache["a"][0], cache)
            return logits, [{"b": cache["entry"]}, ()]

        def init_cache(rows, capacity):
            return [{"b": toy.init_cache(rows, capacity)["entry"]}, ()]

        loop = DecodingLoop(step, init_cache)
        logits, prompt_cache = toy.start()
        for options in ({"max_new_tokens": 40}, {"num_beams": 3}):
            expected = toy.generate(**options)
            got = generate(loop, logits, {"a": [prompt_cache]}, **options)
            assert got.tokens == expected.tokens


class TestFunctionsOfTheCaller:
    @pytest.mark.parametrize("beams", [1, 3])
    def test_a_logits_processor_sees_prompt_and_tokens(self, beams):
        """It lets only the token before, plus 1, follow."""
        toy = Toy()

        def follow(tokens, length, logits):
            newest = ops.take(tokens, length - 1, axis=1)
            is_next = ops.equal(ops.arange(11), newest[:, None] + 1)
            return ops.where(is_next, logits, -np.inf)

        options = dict(prompt_ids=[[0], [5, 1], [2]], max_new_tokens=4, logits_processor=follow)
        got = toy.generate(num_beams=beams, **options)
        assert best(got) == [[1, 2, 3, 4], [2, 3, 4, 5], [3, 4, 5, 6]]

    @pytest.mark.parametrize("options", [{}, {"num_beams": 3}, {"do_sample": True, "seed": 1}])
    def test_only_allowed_tokens_follow(self, options):
        toy = Toy(likely={3: 5.0})
        paths = [[(1, 2, 3), (1, 4, 3)], [(7, 3)], [(5, 5, 5, 3), (6, 3)]]

        def allow(prompt, ids):
            return {p[len(ids)] for p in paths[prompt] if p[: len(ids)] == tuple(ids)}

        got = toy.generate(eos_token_id=3, prefix_allowed_tokens_fn=allow, **options)
        assert all(tuple(ids) in paths[prompt] for prompt, ids in enumerate(best(got)))
        if options == {"num_beams": 3}:
            for prompt, ids in enumerate(best(got)):
                assert tuple(ids) == max(
                    paths[prompt], key=lambda p, prompt=prompt: toy.score(prompt, p) / len(p)
                )

    @pytest.mark.parametrize("following", [[], [11], [-1]])
    def test_an_impossible_continuation_is_named(self, following):
        message = (
            rf"one or more ids from 0 to 10, got \{following} for prompt 0 after \[\]; give a stop"
        )
        with pytest.raises(ValueError, match=message.replace("-", r"\-")):
            Toy().generate(prefix_allowed_tokens_fn=lambda prompt, ids: following)


class TestStreams:
    @pytest.mark.parametrize("options", [{}, dict(do_sample=True, num_return_sequences=2, seed=3)])
    def test_streamed_tokens_are_those_of_the_output_in_order(self, options):
        toy, options = Toy(prompts=5), dict(max_new_tokens=40, eos_token_id=3, **options)
        expected, stream = toy.generate(**options).tokens, []
        for prompt, sequence, ids in toy.stream(**options):
            assert len(ids) == 1
            stream.append((prompt, sequence, ids[0]))
        got = [[[] for _ in sequences] for sequences in expected]
        for prompt, sequence, token in stream:
            got[prompt][sequence].append(token)
        assert got == expected
        first = [(i, j) for i, sequences in enumerate(expected) for j in range(len(sequences))]
        assert [(i, j) for i, j, _ in stream[: len(first)]] == first  # step after step

    def test_a_callback_gets_what_a_stream_gives(self):
        toy, calls, options = Toy(), [], dict(max_new_tokens=5, eos_token_id=3)
        expected = toy.generate(**options)
        assert toy.generate(callback=lambda *args: calls.append(args), **options) == expected
        assert calls == list(toy.stream(**options))

    def test_a_stream_does_not_run_ahead(self, eager_steps):
        toy = Toy(prompts=1)
        stream = toy.stream(max_new_tokens=50)
        next(stream)
        assert toy.calls == []
        next(stream)
        assert 1 <= len(toy.calls) <= 2

    def test_beams_cannot_be_streamed(self):
        toy = Toy()
        with pytest.raises(ValueError, match="streamed when num_beams is 1, got 2"):
            toy.stream(num_beams=2)  # at once, not when it is read
        with pytest.raises(ValueError, match="streamed when num_beams is 1, got 2"):
            toy.generate(num_beams=2, callback=print)

    def test_progress_counts_prompts(self, capsys):
        toy = Toy()
        toy.generate(max_new_tokens=3, progress=True)
        assert "3/3" in capsys.readouterr().err
        toy.generate(max_new_tokens=3)
        assert capsys.readouterr().err == ""


def forbid_all(tokens, length, logits):
    return ops.where(length < 2, logits, -np.inf)


class TestErrors:
    def test_options_are_checked_before_any_step(self):
        toy = Toy()
        for call in (toy.generate, toy.stream):
            with pytest.raises(ValueError, match="num_beams must not exceed the vocabulary of 11"):
                call(num_beams=12)
            with pytest.raises(ValueError, match=r"ids from 0 to 10, got \[11\]"):
                call(eos_token_id=[3, 11])
        assert toy.calls == []

    @pytest.mark.parametrize("options", [{}, {"num_beams": 2}, {"do_sample": True, "seed": 0}])
    @pytest.mark.parametrize("nan_step", [0, 1, 5])
    def test_nan_logits_stop_with_step_and_row(self, options, nan_step):
        toy = Toy()

        def step(tokens, cache_index, prompt_cache, generated_cache):
            logits, cache = toy.step(tokens, cache_index, prompt_cache, generated_cache)
            second = ops.arange(ops.shape(logits)[0]) // options.get("num_beams", 1) == 1
            return ops.where(second[:, None] & (cache_index == nan_step - 1), np.nan, logits), cache

        logits, prompt_cache = toy.start()
        if nan_step == 0:
            logits = ops.where(np.arange(3)[:, None] == 1, np.nan, logits)
        loop = DecodingLoop(step, toy.init_cache)
        with pytest.raises(ValueError, match=f"got NaN at step {nan_step} of prompt 1, row 0"):
            generate(loop, logits, prompt_cache, **options)

    def test_no_possible_token_stops_with_step_and_row(self):
        toy = Toy()
        with pytest.raises(ValueError, match="-inf alone at step 2 of prompt 0, row 0.* processor"):
            toy.generate(logits_processor=forbid_all)
        with pytest.raises(ValueError, match="every beam of prompt 0 came to an end"):
            toy.generate(num_beams=3, logits_processor=forbid_all)

    def test_logits_and_prompts_have_a_row_each(self):
        toy = Toy()
        logits, prompt_cache = toy.start()
        with pytest.raises(ValueError, match=r"logits must be \(prompts, vocabulary\), got shape"):
            generate(toy.loop, logits[0], prompt_cache)
        with pytest.raises(ValueError, match="each of the 3 rows of logits, got 2"):
            toy.generate(prompt_ids=[[1], [2]], no_repeat_ngram_size=1)
