"""One loop: greedy, beams and draws agree with plain searches, in any batch and at any length."""

from itertools import product

import keras
import numpy as np
import pytest
from generation.toy import Toy
from keras import ops

from bert4keras.generation import Engine, Options, search
from bert4keras.generation.batch import Batch
from bert4keras.generation.beam_search import Beams


def first(generated):
    """The best sequence of each prompt."""
    return [sequences[0] for sequences in generated.tokens]


def close(got, want):
    np.testing.assert_allclose(got, want, rtol=1e-4, atol=1e-4)


@pytest.fixture
def uncompiled(monkeypatch):
    """Programs that run as they are written, so that a step sees sizes."""
    monkeypatch.setattr(search, "compile_function", lambda function, variables=(): function)


# Greedy


def test_greedy_takes_the_most_probable_token_each_time():
    toy = Toy()
    got = toy.engine()(*toy.start(), max_new_tokens=7)
    assert first(got) == [toy.greedy(prompt, 7) for prompt in range(3)]
    close(got.scores, [[toy.score(i, ids)] for i, ids in enumerate(first(got))])


def test_a_sequence_ends_with_any_of_several_stop_ids():
    toy = Toy(prompts=6)
    got = first(toy.engine()(*toy.start(), max_new_tokens=20, eos_token_id=[3, 5]))
    assert got == [toy.greedy(prompt, 20, stops=(3, 5)) for prompt in range(6)]
    assert {ids[-1] for ids in got} >= {3, 5}  # both occur
    assert len({len(ids) for ids in got}) > 2


@pytest.mark.parametrize("beams", [1, 3])
def test_a_sequence_has_as_many_tokens_as_were_asked_for(beams):
    toy = Toy(likely={4: 99.0})  # which would stop at once
    call = dict(eos_token_id=4, num_beams=beams)
    got = first(toy.engine()(*toy.start(), max_new_tokens=6, min_new_tokens=4, **call))
    assert all(ids[4:] == [4] and 4 not in ids[:4] for ids in got)
    assert first(toy.engine()(*toy.start(), max_new_tokens=6, **call)) == [[4]] * 3
    for length in (1, 2):
        got = toy.engine()(*toy.start(), max_new_tokens=length, num_beams=beams)
        assert [len(ids) for ids in first(got)] == [length] * 3


@pytest.mark.parametrize("beams", [1, 2])
def test_room_grows_with_the_tokens(uncompiled, beams):
    toy = Toy(prompts=1)
    got = first(toy.engine()(*toy.start(), max_new_tokens=70, num_beams=beams))
    assert list(dict.fromkeys(toy.calls)) == [(beams, capacity) for capacity in (32, 64, 128)]
    assert len(got[0]) == 70
    if beams == 1:
        assert got == [toy.greedy(0, 70)]


@pytest.mark.parametrize("beams", [1, 2])
def test_finished_prompts_are_dropped(uncompiled, beams):
    toy = Toy(prompts=8, seed=1)
    options = dict(max_new_tokens=20, num_beams=beams, early_stopping=True)
    lengths = {prompt: 2 if prompt % 4 else 5 * prompt for prompt in range(1, 8)} | {0: 20}

    def until(prompt, ids):
        return [3] if len(ids) + 1 == lengths[prompt] else [1, 2]

    got = toy.engine()(*toy.start(), eos_token_id=3, prefix_allowed_tokens_fn=until, **options)
    rows = [rows // beams for rows, _ in toy.calls]
    assert [rows.count(n) for n in (8, 4, 2, 1)] == [1, 0, 18, 0] and len(rows) == 19
    assert [len(ids) for ids in first(got)] == [lengths[prompt] for prompt in range(8)]


def test_when_all_have_ended_no_further_step_is_taken(uncompiled):
    toy = Toy(likely={4: 99.0})
    toy.engine()(*toy.start(), max_new_tokens=50, eos_token_id=4)
    assert toy.calls == []


# Beams


def test_one_beam_is_greedy(monkeypatch):
    toy = Toy(prompts=4)
    call = dict(max_new_tokens=12, eos_token_id=3)
    want = toy.engine()(*toy.start(), **call)
    monkeypatch.setattr(Options, "choice", lambda self: Beams(1, True))
    got = toy.engine()(*toy.start(), length_penalty=0.0, **call)
    assert got.tokens == want.tokens
    close(got.scores, want.scores)


def some_of(tokens, size=30):
    """What to add to logits so that only ``tokens`` are possible."""
    return {token: -np.inf for token in range(size) if token not in tokens}


def ended(ids, stop):
    """A path up to its stop token."""
    return ids[: ids.index(stop) + 1] if stop in ids else ids


@pytest.mark.parametrize(
    "penalty, early",
    [(0.0, False), (0.0, "never"), (-0.5, False), (1.0, "never")],  # (1.0, False) stops by a guess
)
def test_enough_beams_find_what_trying_all_finds(penalty, early):
    stop, length, letters = 2, 4, (0, 1, 2)
    toy = Toy(30, likely=some_of(letters) | {stop: -1.0}, seed=4)
    toy.weights *= 0.3
    got = toy.engine()(
        *toy.start(),
        max_new_tokens=length,
        eos_token_id=stop,
        num_beams=27,
        length_penalty=penalty,
        early_stopping=early,
    )
    for prompt in range(3):
        paths = {tuple(ended(list(p), stop)) for p in product(letters, repeat=length)}
        rated = [(toy.score(prompt, p) / len(p) ** penalty, p) for p in paths]
        score, path = max(rated)
        assert first(got)[prompt] == list(path)
        close(got.scores[prompt][0], score)


def test_more_beams_never_lower_the_best_score():
    toy, found = Toy(30, prompts=8, likely=some_of((0, 1, 2)), seed=5), []
    toy.weights *= 0.3  # near ties, which mislead the greedy
    for beams in (1, 2, 9, 27):
        options = dict(max_new_tokens=4, num_beams=beams, length_penalty=0.0)
        found.append([scores[0] for scores in toy.engine()(*toy.start(), **options).scores])
    assert (np.diff(found, axis=0) >= -1e-4).all()
    assert (np.subtract(found[-1], found[0]) > 1e-3).any()  # or the test would be empty


@pytest.mark.parametrize("penalty", [0.0, 1.0, 2.0])
def test_beams_come_best_first_with_the_scores_of_their_tokens(penalty):
    toy = Toy()
    options = dict(max_new_tokens=9, eos_token_id=3, num_beams=4, length_penalty=penalty)
    got = toy.engine()(*toy.start(), num_return_sequences=3, **options)
    for prompt, (sequences, scores) in enumerate(zip(*got)):
        assert len(sequences) == 3 == len({tuple(ids) for ids in sequences})
        assert scores == sorted(scores, reverse=True)
        close(scores, [toy.score(prompt, ids) / len(ids) ** penalty for ids in sequences])


def test_stopping_early_stops_sooner(monkeypatch):
    batches = []

    class Watched(Batch):
        def __init__(self, *args):
            super().__init__(*args)
            batches.append(self)

    monkeypatch.setattr(search, "Batch", Watched)
    toy = Toy(prompts=1, seed=2, likely={3: 2.0})
    options = dict(max_new_tokens=100, eos_token_id=3, num_beams=3)
    for early in (True, False, "never"):
        toy.engine()(*toy.start(), early_stopping=early, **options)
    steps = [batch.count for batch in batches]
    assert steps[0] < steps[1] < steps[2] < 100


def test_fewer_sequences_come_when_there_are_no_more():
    toy = Toy(likely=some_of((1, 2), 11))
    got = toy.engine()(*toy.start(), max_new_tokens=1, num_beams=4, num_return_sequences=4)
    assert [sorted(sequences) for sequences in got.tokens] == [[[1], [2]]] * 3


# Batches


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"num_beams": 3, "num_return_sequences": 3},
        {"repetition_penalty": 1.3, "no_repeat_ngram_size": 2},
        {"num_beams": 3, "repetition_penalty": 1.3, "no_repeat_ngram_size": 2},
    ],
)
def test_a_batch_equals_its_rows_alone(options):
    toy = Toy(23, prompts=5, seed=3)
    prompts = [[1], [4, 5, 6, 7, 8], list(range(10)) * 2, [0, 3], []]
    options = dict(max_new_tokens=40, eos_token_id=3, **options)
    engine = toy.engine()
    got = engine(*toy.start(), prompt_ids=prompts, **options)
    for prompt in range(5):
        alone = engine(*toy.start(prompt), prompt_ids=prompts[prompt : prompt + 1], **options)
        assert alone.tokens == [got.tokens[prompt]]
        close(alone.scores, [got.scores[prompt]])


def test_padding_of_prompts_may_lie_anywhere():
    toy, options = Toy(), dict(max_new_tokens=9, no_repeat_ngram_size=1)
    want = toy.engine()(*toy.start(), prompt_ids=[[1, 2], [3], [5, 6]], **options)
    ids = np.array([[1, 9, 2, 9], [9, 9, 9, 3], [5, 6, 9, 9]])
    got = toy.engine()(*toy.start(), prompt_ids=ids, prompt_mask=ids != 9, **options)
    assert got == want


def test_no_prompts_give_no_sequences():
    toy = Toy()
    logits, shared = toy.start()
    for options in ({}, {"num_beams": 2}, {"do_sample": True}):
        assert toy.engine()(logits[:0], shared[:0], **options) == ([], [])


# Programs


def test_a_second_call_compiles_nothing():
    toy = Toy(prompts=1)  # so that none is dropped
    engine = toy.engine()
    choices = [
        dict(do_sample=True, temperature=0.7, top_p=0.9, repetition_penalty=1.1),
        dict(num_beams=3, length_penalty=0.5),
        {},
    ]
    for options in choices:
        engine(*toy.start(), max_new_tokens=6, eos_token_id=3, **options)
    traced = len(toy.calls)
    changed = {"temperature": 1.3, "top_p": 0.5, "length_penalty": 2.0, "repetition_penalty": 2.0}
    for options in choices:
        options = {name: changed.get(name, value) for name, value in options.items()}
        engine(*toy.start(), max_new_tokens=30, eos_token_id=5, **options)
    if keras.backend.backend() != "torch":  # which runs each step
        assert len(toy.calls) == traced > 0


def test_a_program_sees_new_values_of_variables():
    layer = keras.layers.Dense(5, kernel_initializer="ones")
    layer.build((None, 5))

    def step(tokens, slot, shared, own):
        return layer(ops.one_hot(tokens, 5)), own

    engine = Engine(step, lambda rows, capacity: (), layer.variables)
    start = ops.one_hot(ops.convert_to_tensor([0]), 5)
    for shift in (1, 2):
        layer.kernel.assign(np.roll(np.eye(5), shift, axis=1))
        assert first(engine(start, max_new_tokens=4)) == [[0, *np.arange(1, 4) * shift % 5]]


def test_structures_may_be_nested():
    toy = Toy()

    def step(tokens, slot, shared, own):
        logits, own = toy.step(tokens, slot, shared["a"][0], {"seen": own[0]["b"]})
        return logits, [{"b": own["seen"]}, ()]

    engine = Engine(step, lambda rows, capacity: [{"b": toy.empty(rows, capacity)["seen"]}, ()])
    logits, shared = toy.start()
    for options in ({"max_new_tokens": 40}, {"num_beams": 3}):
        want = toy.engine()(logits, shared, **options)
        assert engine(logits, {"a": [shared]}, **options).tokens == want.tokens


# Hooks


@pytest.mark.parametrize("beams", [1, 3])
def test_a_processor_sees_prompt_and_tokens(beams):
    """It lets only the token before, plus 1, follow."""
    toy = Toy()

    def follow(tokens, length, logits):
        newest = ops.take(tokens, length - 1, axis=1)
        wanted = ops.equal(ops.arange(11), newest[:, None] + 1)
        return ops.where(wanted, logits, -np.inf)

    options = dict(prompt_ids=[[0], [5, 1], [2]], max_new_tokens=4, logits_processor=follow)
    got = toy.engine()(*toy.start(), num_beams=beams, **options)
    assert first(got) == [[1, 2, 3, 4], [2, 3, 4, 5], [3, 4, 5, 6]]


@pytest.mark.parametrize("options", [{}, {"num_beams": 3}, {"do_sample": True, "seed": 1}])
def test_only_allowed_tokens_follow(options):
    toy = Toy(likely={3: 5.0})
    paths = [[(1, 2, 3), (1, 4, 3)], [(7, 3)], [(5, 5, 5, 3), (6, 3)]]

    def allowed(prompt, ids):
        return {p[len(ids)] for p in paths[prompt] if p[: len(ids)] == tuple(ids)}

    engine = toy.engine()
    got = engine(*toy.start(), eos_token_id=3, prefix_allowed_tokens_fn=allowed, **options)
    assert all(tuple(ids) in paths[prompt] for prompt, ids in enumerate(first(got)))
    if options == {"num_beams": 3}:
        want = [max(p, key=lambda p, i=i: toy.score(i, p) / len(p)) for i, p in enumerate(paths)]
        assert [tuple(ids) for ids in first(got)] == want


# Streams


@pytest.mark.parametrize("options", [{}, dict(do_sample=True, num_return_sequences=2, seed=3)])
def test_streamed_tokens_are_those_of_the_result_in_order(options):
    toy = Toy(prompts=5)
    engine, options = toy.engine(), dict(max_new_tokens=40, eos_token_id=3, **options)
    want, news = engine(*toy.start(), **options).tokens, []
    for prompt, sequence, ids in engine.stream(*toy.start(), **options):
        assert len(ids) == 1
        news.append((prompt, sequence, ids[0]))
    got = [[[] for _ in sequences] for sequences in want]
    for prompt, sequence, token in news:
        got[prompt][sequence].append(token)
    assert got == want
    together = [(i, j, len(w) > 0) for i, s in enumerate(want) for j, w in enumerate(s)]
    assert [(i, j, True) for i, j, _ in news[: len(together)]] == together  # step after step


def test_a_callback_hears_what_a_stream_tells():
    toy, heard = Toy(), []
    engine, options = toy.engine(), dict(max_new_tokens=5, eos_token_id=3)
    want = engine(*toy.start(), **options)
    assert engine(*toy.start(), callback=lambda *news: heard.append(news), **options) == want
    assert heard == list(engine.stream(*toy.start(), **options))


def test_a_stream_does_not_run_ahead(uncompiled):
    toy = Toy(prompts=1)
    stream = toy.engine().stream(*toy.start(), max_new_tokens=50)
    next(stream)
    assert toy.calls == []
    next(stream)
    assert 1 <= len(toy.calls) <= 2


def test_progress_counts_prompts(capsys):
    toy = Toy()
    toy.engine()(*toy.start(), max_new_tokens=3, progress=True)
    assert "3/3" in capsys.readouterr().err
    toy.engine()(*toy.start(), max_new_tokens=3)
    assert capsys.readouterr().err == ""
