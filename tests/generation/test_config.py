"""Wrong options have their message: the option, the rule, the value, the remedy."""

import numpy as np
import pytest

from bert4keras.generation import GenerationConfig

WRONG = [
    (dict(max_new_tokens=0), "max_new_tokens to be a whole number of 1 or more, got 0"),
    (dict(min_new_tokens=-1), "min_new_tokens to be a whole number of 0 or more, got -1"),
    (dict(num_beams=0), "num_beams to be a whole number of 1 or more"),
    (dict(top_k=-1), "top_k to be a whole number of 0 or more"),
    (dict(no_repeat_ngram_size=-1), "no_repeat_ngram_size to be a whole number"),
    (dict(num_return_sequences=0), "num_return_sequences to be a whole number of 1 or more"),
    (dict(temperature=0.0), "temperature to be a finite number above 0, got 0.0"),
    (dict(repetition_penalty=-1.0), "repetition_penalty to be a finite number above 0"),
    (dict(top_p=0.0), "top_p to be a finite number above 0 and of at most 1"),
    (dict(typical_p=1.5), "typical_p to be a finite number above 0 and of at most 1"),
    (dict(min_p=-0.1), "min_p to be a finite number from 0 to 1"),
    (dict(length_penalty=np.nan), "length_penalty to be a finite number"),
    (dict(early_stopping="always"), "early_stopping to be one of True, False, 'never'"),
    (dict(do_sample="yes"), "do_sample to be one of True, False"),
    (dict(do_sample=True, seed=-1), "seed to be a whole number of 0 or more, got -1"),
    (dict(min_new_tokens=9, max_new_tokens=8), "must not exceed max_new_tokens, got 9 and 8"),
    (dict(do_sample=True, num_beams=2), "do_sample draws and num_beams searches"),
    (dict(num_return_sequences=3, num_beams=2), "must not exceed num_beams, got 3 and 2; raise"),
    (dict(num_return_sequences=2), "must not exceed num_beams, got 2 and 1; .* do_sample=True"),
    (dict(top_k=5), "nothing is; give do_sample=True"),
]
OF_WRONG_TYPE = [
    (dict(max_new_tokens=2.5), "max_new_tokens to be a whole number of 1 or more, got 2.5"),
    (dict(max_new_tokens="5"), "max_new_tokens to be a whole number of 1 or more, got '5' "),
    (dict(temperature="hot"), "temperature to be a finite number above 0, got 'hot'"),
    (dict(length_penalty=None), "length_penalty to be a finite number, got None"),
    (dict(no_repeat_ngram_size=True), "no_repeat_ngram_size to be a whole number.* got True"),
    (dict(eos_token_id="x"), "eos_token_id to be a whole number, got 'x' .* Pass one id, a list"),
    (dict(eos_token_id=[3, None]), "eos_token_id to be a whole number, got None"),
    (dict(seed="x"), "seed to be a whole number"),
    (dict(logits_processor=5), "logits_processor to be a function, got 5"),
    (dict(prefix_allowed_tokens_fn=[1]), "prefix_allowed_tokens_fn to be a function"),
]
UNSUITABLE = [
    (dict(num_beams=12), "num_beams must not exceed the vocabulary of 11 tokens.* got 12"),
    (dict(eos_token_id=[3, 11]), r"eos_token_id must be ids from 0 to 10, got \[11\]"),
]


class TestGenerationConfig:
    @pytest.mark.parametrize("options, message", WRONG, ids=lambda x: str(x)[:40])
    def test_a_wrong_option_is_named_by_the_constructor(self, options, message):
        with pytest.raises(ValueError, match=message):
            GenerationConfig(**options)

    @pytest.mark.parametrize("options, message", OF_WRONG_TYPE, ids=lambda x: str(x)[:40])
    def test_an_option_of_a_wrong_type_is_named(self, options, message):
        with pytest.raises(TypeError, match=message):
            GenerationConfig(**options)

    @pytest.mark.parametrize("options, message", UNSUITABLE, ids=lambda x: str(x)[:40])
    def test_an_option_that_does_not_suit_the_vocabulary_is_named(self, options, message):
        with pytest.raises(ValueError, match=message):
            GenerationConfig(**options).check_vocabulary(11)
        GenerationConfig(**options).check_vocabulary(12)

    def test_an_unknown_option_is_named(self):
        with pytest.raises(TypeError, match="no option 'num_beam'; did you mean 'num_beams'"):
            GenerationConfig.from_options(num_beam=2)
        with pytest.raises(TypeError, match="no option 'x'; there are max_new_tokens, min_new"):
            GenerationConfig.from_options(x=2)

    def test_stop_ids_are_a_list_for_one_id_several_and_none(self):
        for ids, stop_ids in [(None, []), (3, [3]), ((3, 5), [3, 5]), (np.array([7]), [7])]:
            assert GenerationConfig(eos_token_id=ids).stop_ids == stop_ids

    def test_numbers_do_not_change_the_sampler(self):
        """Equal samplers share their compiled programs."""
        draw = {"do_sample": True, "top_k": 3}
        first = GenerationConfig(temperature=0.5, top_p=0.9, **draw).sampler()
        assert first == GenerationConfig(max_new_tokens=9, seed=1, **draw).sampler()
        assert first != GenerationConfig(do_sample=True, top_k=4).sampler()
