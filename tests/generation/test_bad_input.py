"""Every mistake has its message: what, the rule, what came, the remedy."""

import numpy as np
import pytest
from generation.toy import Toy
from keras import ops

from bert4keras.generation import Engine, Options

WRONG = [
    (dict(max_new_tokens=0), "max_new_tokens must be a whole number of 1 or more, got 0"),
    (dict(max_new_tokens=2.5), "max_new_tokens must be a whole number of 1 or more, got 2.5"),
    (dict(min_new_tokens=-1), "min_new_tokens must be a whole number of 0 or more, got -1"),
    (dict(num_beams=0), "num_beams must be a whole number of 1 or more"),
    (dict(top_k=-1), "top_k must be a whole number of 0 or more"),
    (dict(no_repeat_ngram_size=-1), "no_repeat_ngram_size must be a whole number"),
    (dict(num_return_sequences=0), "num_return_sequences must be a whole number of 1 or more"),
    (dict(temperature=0.0), "temperature must be above 0, got 0.0"),
    (dict(repetition_penalty=-1.0), "repetition_penalty must be above 0"),
    (dict(top_p=0.0), "top_p must be above 0 and at most 1"),
    (dict(typical_p=1.5), "typical_p must be above 0 and at most 1"),
    (dict(min_p=-0.1), "min_p must be from 0 to 1"),
    (dict(length_penalty=np.nan), "length_penalty must be a finite number"),
    (dict(early_stopping="always"), 'early_stopping must be True, False or "never"'),
    (dict(min_new_tokens=9, max_new_tokens=8), "must not exceed max_new_tokens, got 9 and 8"),
    (dict(do_sample=True, num_beams=2), "do_sample draws and num_beams searches"),
    (dict(num_return_sequences=3, num_beams=2), "must not exceed num_beams, got 3 and 2; raise"),
    (dict(num_return_sequences=2), "must not exceed num_beams, got 2 and 1; .* do_sample=True"),
    (dict(top_k=5), "nothing is; give do_sample=True"),
    (dict(num_beams=12), "num_beams must not exceed the vocabulary of 11 tokens.* got 12"),
    (dict(eos_token_id=[3, 11]), r"eos_token_id must be ids from 0 to 10, got \[11\]"),
]


@pytest.mark.parametrize("options, message", WRONG, ids=lambda x: str(x)[:40])
def test_a_wrong_option_is_named(options, message):
    toy = Toy()
    with pytest.raises(ValueError, match=message):
        toy.engine()(*toy.start(), **options)
    with pytest.raises(ValueError, match=message):
        toy.engine().stream(*toy.start(), **options)  # at once, not when it is read
    assert toy.calls == []


def test_an_unknown_option_is_named():
    with pytest.raises(TypeError, match="no option 'num_beam'; did you mean 'num_beams'"):
        Options.of(num_beam=2)
    with pytest.raises(TypeError, match="no option 'x'; there are max_new_tokens, min_new"):
        Toy().engine()(*Toy().start(), x=2)


@pytest.mark.parametrize("options", [{}, {"num_beams": 2}, {"do_sample": True, "seed": 0}])
@pytest.mark.parametrize("when", [0, 1, 5])
def test_nan_logits_stop_with_step_and_row(options, when):
    toy = Toy()

    def step(tokens, slot, shared, own):
        logits, own = toy.step(tokens, slot, shared, own)
        second = ops.arange(ops.shape(logits)[0]) // options.get("num_beams", 1) == 1
        return ops.where(second[:, None] & (slot == when - 1), np.nan, logits), own

    logits, shared = toy.start()
    if when == 0:
        logits = ops.where(np.arange(3)[:, None] == 1, np.nan, logits)
    with pytest.raises(ValueError, match=f"got NaN at step {when} of prompt 1, row 0"):
        Engine(step, toy.empty)(logits, shared, **options)


def forbid_all(tokens, length, logits):
    return ops.where(length < 2, logits, -np.inf)


def test_no_possible_token_stops_with_step_and_row():
    toy = Toy()
    with pytest.raises(ValueError, match="-inf alone at step 2 of prompt 0, row 0.* processor"):
        toy.engine()(*toy.start(), logits_processor=forbid_all)
    with pytest.raises(ValueError, match="every beam of prompt 0 came to an end"):
        toy.engine()(*toy.start(), num_beams=3, logits_processor=forbid_all)


@pytest.mark.parametrize("following", [[], [11], [-1]])
def test_an_impossible_continuation_is_told(following):
    toy = Toy()
    message = (
        rf"one or more ids from 0 to 10, got \{following} for prompt 0 after \[\]; give a stop"
    )
    with pytest.raises(ValueError, match=message.replace("-", r"\-")):
        toy.engine()(*toy.start(), prefix_allowed_tokens_fn=lambda prompt, ids: following)


def test_beams_cannot_be_streamed():
    toy = Toy()
    for call in (toy.engine().stream, toy.engine()):
        more = {"callback": print} if isinstance(call, Engine) else {}
        with pytest.raises(ValueError, match="streamed when num_beams is 1, got 2"):
            call(*toy.start(), num_beams=2, **more)


def test_logits_and_prompts_have_a_row_each():
    toy = Toy()
    logits, shared = toy.start()
    with pytest.raises(ValueError, match=r"logits must be \(prompts, vocabulary\), got shape"):
        toy.engine()(logits[0], shared)
    with pytest.raises(ValueError, match="each of the 3 rows of logits, got 2"):
        toy.engine()(logits, shared, prompt_ids=[[1], [2]], no_repeat_ngram_size=1)
