"""What is masked, predicted and drawn: shares, whole words, and nothing but seed, epoch and row."""

import numpy as np
import pytest

from bert4keras.data import CausalLM, MaskedLM, PrefixLM
from bert4keras.tokenizers import Tokenizer

SPECIAL = "[PAD] [UNK] [CLS] [SEP] [MASK]".split()
TOKENS = {token: i for i, token in enumerate(SPECIAL + [chr(0x4E00 + i) for i in range(95)])}
PAD, UNK, CLS, SEP, MASK = range(5)


@pytest.fixture(scope="module")
def tokenizer():
    return Tokenizer(TOKENS)


def make_rows(count, length=64, seed=0):
    """Rows with words of one to three tokens and padding."""
    numbers = np.random.default_rng(seed)
    token_ids = numbers.integers(5, 100, (count, length))
    continues = np.zeros((count, length), bool)
    continues[:, 3::5] = continues[:, 4::5] = True
    lengths = numbers.integers(length // 2, length + 1, count)
    places = np.arange(length)
    token_ids[:, 0] = CLS
    token_ids[places == lengths[:, None] - 1] = SEP
    token_ids[places >= lengths[:, None]] = PAD
    continues &= places < lengths[:, None] - 1
    return token_ids, continues, np.arange(count), np.zeros(count, int)


@pytest.fixture(scope="module")
def masked(tokenizer):
    rows = make_rows(2000)
    (token_ids, segment_ids), targets, weights = MaskedLM(tokenizer)(*rows)
    return rows, token_ids, targets, weights.astype(bool)


def bound(count, share):
    """Four standard deviations of a share among so many."""
    return 4 * np.sqrt(share * (1 - share) / count)


def test_special_tokens_are_never_chosen_and_nothing_else_changes(masked):
    (rows, *_), token_ids, targets, chosen = masked
    assert not chosen[np.isin(rows, [PAD, CLS, SEP])].any()
    assert (token_ids[~chosen] == rows[~chosen]).all() and (targets == rows).all()


def test_fifteen_percent_of_words_are_chosen(masked):
    (rows, continues, *_), _, _, chosen = masked
    words = ~continues & ~np.isin(rows, [PAD, CLS, SEP])
    assert abs(chosen[words].mean() - 0.15) < bound(words.sum(), 0.15)


def test_words_are_chosen_whole(masked):
    (_, continues, *_), _, _, chosen = masked
    assert (chosen[:, 1:] == chosen[:, :-1])[continues[:, 1:]].all()


def test_eighty_ten_ten(masked):
    (rows, *_), token_ids, _, chosen = masked
    put, was = token_ids[chosen], rows[chosen]
    others = (put != MASK) & (put != was)
    kept = 0.1 + 0.1 / 96  # any token may be the same
    for found, share in ((put == MASK, 0.8), (put == was, kept), (others, 0.2 - kept)):
        assert abs(found.mean() - share) < bound(len(put), share)


def test_other_tokens_are_drawn_from_all_but_special_ones(masked):
    (rows, *_), token_ids, _, chosen = masked
    others = token_ids[chosen & (token_ids != MASK) & (token_ids != rows)]
    counts = np.bincount(others, minlength=100)[UNK + 1 :]
    assert not counts[:3].any() and counts[3:].min() > 0
    expected = len(others) / 96
    chi_square = ((counts[3:] - expected) ** 2 / expected).sum()
    assert chi_square < 95 + 4 * np.sqrt(2 * 95)


def test_masks_depend_on_seed_epoch_and_row_alone(tokenizer):
    token_ids, continues, numbers, epochs = make_rows(8)
    objective = MaskedLM(tokenizer, seed=1)
    (whole, _), _, _ = objective(token_ids, continues, numbers, epochs)
    part = slice(3, 5)
    (alone, _), _, _ = objective(token_ids[part], continues[part], numbers[part], epochs[part])
    assert (alone == whole[part]).all()
    (later, _), _, _ = objective(token_ids, continues, numbers, epochs + 1)
    (other, _), _, _ = MaskedLM(tokenizer, seed=2)(token_ids, continues, numbers, epochs)
    assert (later != whole).any() and (other != whole).any()


def test_few_places_can_be_asked_for_and_hold_the_same(tokenizer):
    rows = make_rows(300)
    wide, targets, weights = MaskedLM(tokenizer)(*rows)
    (ids, _, places), few, counted = MaskedLM(tokenizer, most=30)(*rows)
    assert (ids == wide[0]).all() and places.shape == few.shape == counted.shape == (300, 30)
    assert counted.sum() == weights.sum()
    assert (few == np.take_along_axis(targets, places, 1)).all()


def test_words_beyond_the_most_places_are_left_out_whole(tokenizer):
    token_ids, continues, *rest = make_rows(300)
    (ids, _, places), targets, weights = MaskedLM(tokenizer, most=4)(token_ids, continues, *rest)
    chosen = np.zeros(ids.shape, bool)
    np.put_along_axis(chosen, places, weights.astype(bool), axis=1)
    assert (ids == token_ids)[~chosen].all() and 2 < weights.sum(axis=1).mean() <= 4
    assert (chosen[:, 1:] == chosen[:, :-1])[continues[:, 1:]].all()


def test_a_tokenizer_without_mask_or_a_rate_that_is_no_share_is_refused(tokenizer):
    with pytest.raises(ValueError, match=r"got \[MASK\] as 4 and rate=15"):
        MaskedLM(tokenizer, rate=15)
    without = Tokenizer({token: i for i, token in enumerate(SPECIAL[:4])})
    with pytest.raises(ValueError, match=r"got \[MASK\] as None"):
        MaskedLM(without)


def test_next_tokens_are_learnt_to_the_end_and_no_further(tokenizer):
    token_ids, *rest = make_rows(20)
    (inputs, segments), targets, weights = CausalLM(tokenizer)(token_ids, *rest)
    assert (inputs == token_ids).all() and not segments.any()
    assert (targets[:, :-1] == token_ids[:, 1:]).all()
    assert (weights.sum(axis=1) == (token_ids != PAD).sum(axis=1) - 1).all()


def test_a_source_ends_and_its_target_goes_on(tokenizer):
    token_ids, continues, *rest = make_rows(200)
    (inputs, segments), targets, weights = PrefixLM(tokenizer)(token_ids, continues, *rest)
    for row, goes_on, given, segment in zip(token_ids, continues, inputs, segments):
        cut = int(segment.argmax()) - 1
        assert given[cut] == SEP and not goes_on[cut]
        expected = [*row[:-2], SEP] if row[-1] else [*row[:-1]]
        assert np.delete(given, cut).tolist() == expected
        real = (row != PAD).sum()
        assert real / 5 < cut < 4 * real / 5
    learnt = weights.astype(bool)
    assert (segments[:, 1:] == 1)[learnt[:, :-1]].all() and not learnt[:, -1].any()
    assert (learnt.sum(axis=1) == segments.sum(axis=1)).all()
    assert (targets[learnt] == inputs[:, 1:][learnt[:, :-1]]).all()


def test_a_row_of_one_word_has_the_end_as_its_target(tokenizer):
    row = np.array([[CLS, 5, 6, SEP, PAD]])
    continues = np.array([[0, 0, 1, 0, 0]], bool)
    (inputs, segments), _, _ = PrefixLM(tokenizer)(row, continues, [0], [0])
    assert inputs.tolist() == [[CLS, 5, 6, SEP, SEP]] and segments.tolist() == [[0, 0, 0, 0, 1]]


@pytest.mark.parametrize("objective", [MaskedLM, CausalLM, PrefixLM])
def test_batches_are_int32_ids_and_float32_weights(tokenizer, objective):
    inputs, targets, weights = objective(tokenizer)(*make_rows(3))
    assert {x.dtype.name for x in (*inputs, targets)} == {"int32"} and weights.dtype == "float32"
