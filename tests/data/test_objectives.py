"""Objectives: shares of masks, whole words, targets; all depend on seed, epoch and row alone."""

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
    """Make rows with words of one to three tokens and padding."""
    generator = np.random.default_rng(seed)
    token_ids = generator.integers(5, 100, (count, length))
    is_continuation = np.zeros((count, length), bool)
    is_continuation[:, 3::5] = is_continuation[:, 4::5] = True
    lengths = generator.integers(length // 2, length + 1, count)
    positions = np.arange(length)
    token_ids[:, 0] = CLS
    token_ids[positions == lengths[:, None] - 1] = SEP
    token_ids[positions >= lengths[:, None]] = PAD
    is_continuation &= positions < lengths[:, None] - 1
    return token_ids, is_continuation, np.arange(count), np.zeros(count, int)


@pytest.fixture(scope="module")
def mlm_batch(tokenizer):
    rows = make_rows(2000)
    (token_ids, segment_ids), targets, weights = MaskedLM(tokenizer)(*rows)
    return rows, token_ids, targets, weights.astype(bool)


def bound(count, share):
    """Return four standard deviations of a share of ``count`` draws."""
    return 4 * np.sqrt(share * (1 - share) / count)


def test_masked_lm_never_selects_special_tokens_and_changes_nothing_else(mlm_batch):
    (rows, *_), token_ids, targets, is_target = mlm_batch
    assert not is_target[np.isin(rows, [PAD, CLS, SEP])].any()
    assert (token_ids[~is_target] == rows[~is_target]).all() and (targets == rows).all()


def test_masked_lm_selects_fifteen_percent_of_words(mlm_batch):
    (rows, is_continuation, *_), _, _, is_target = mlm_batch
    words = ~is_continuation & ~np.isin(rows, [PAD, CLS, SEP])
    assert abs(is_target[words].mean() - 0.15) < bound(words.sum(), 0.15)


def test_masked_lm_selects_whole_words(mlm_batch):
    (_, is_continuation, *_), _, _, is_target = mlm_batch
    assert (is_target[:, 1:] == is_target[:, :-1])[is_continuation[:, 1:]].all()


def test_masked_lm_masks_eighty_and_replaces_ten_percent(mlm_batch):
    (rows, *_), token_ids, _, is_target = mlm_batch
    new_ids, old_ids = token_ids[is_target], rows[is_target]
    is_random = (new_ids != MASK) & (new_ids != old_ids)
    stay_share = 0.1 + 0.1 / 96  # any token may be the same
    is_same = new_ids == old_ids
    shares = ((new_ids == MASK, 0.8), (is_same, stay_share), (is_random, 0.2 - stay_share))
    for is_case, share in shares:
        assert abs(is_case.mean() - share) < bound(len(new_ids), share)


def test_masked_lm_draws_random_tokens_from_all_but_special_ones(mlm_batch):
    (rows, *_), token_ids, _, is_target = mlm_batch
    random_ids = token_ids[is_target & (token_ids != MASK) & (token_ids != rows)]
    counts = np.bincount(random_ids, minlength=100)[UNK + 1 :]
    assert not counts[:3].any() and counts[3:].min() > 0
    expected = len(random_ids) / 96
    chi_square = ((counts[3:] - expected) ** 2 / expected).sum()
    assert chi_square < 95 + 4 * np.sqrt(2 * 95)


def test_masked_lm_depends_on_seed_epoch_and_row_alone(tokenizer):
    rows = make_rows(8)
    objective = MaskedLM(tokenizer, seed=1)
    (batch_ids, _), _, _ = objective(*rows)
    (part_ids, _), _, _ = objective(*(array[3:5] for array in rows))
    assert (part_ids == batch_ids[3:5]).all()
    (later_ids, _), _, _ = objective(*rows[:3], rows[3] + 1)
    (other_ids, _), _, _ = MaskedLM(tokenizer, seed=2)(*rows)
    assert (later_ids != batch_ids).any() and (other_ids != batch_ids).any()


def test_max_predictions_selects_the_same_tokens_as_positions(tokenizer):
    rows = make_rows(300)
    wide, targets, weights = MaskedLM(tokenizer)(*rows)
    (ids, _, positions), few_targets, few_weights = MaskedLM(tokenizer, max_predictions=30)(*rows)
    assert (ids == wide[0]).all()
    assert positions.shape == few_targets.shape == few_weights.shape == (300, 30)
    assert few_weights.sum() == weights.sum()
    assert (few_targets == np.take_along_axis(targets, positions, 1)).all()


def test_max_predictions_drops_whole_words_beyond_it(tokenizer):
    token_ids, is_continuation, *indices = make_rows(300)
    objective = MaskedLM(tokenizer, max_predictions=4)
    (ids, _, positions), targets, weights = objective(token_ids, is_continuation, *indices)
    is_target = np.zeros(ids.shape, bool)
    np.put_along_axis(is_target, positions, weights.astype(bool), axis=1)
    assert (ids == token_ids)[~is_target].all() and 2 < weights.sum(axis=1).mean() <= 4
    assert (is_target[:, 1:] == is_target[:, :-1])[is_continuation[:, 1:]].all()


def test_masked_lm_refuses_a_tokenizer_without_mask_or_an_impossible_mask_rate(tokenizer):
    with pytest.raises(ValueError, match="got mask_id=4 and mask_rate=15"):
        MaskedLM(tokenizer, mask_rate=15)
    without = Tokenizer({token: i for i, token in enumerate(SPECIAL[:4])})
    with pytest.raises(ValueError, match="got mask_id=None"):
        MaskedLM(without)


def test_causal_lm_predicts_to_the_end_and_no_further(tokenizer):
    token_ids, *indices = make_rows(20)
    (inputs, segments), targets, weights = CausalLM(tokenizer)(token_ids, *indices)
    assert (inputs == token_ids).all() and not segments.any()
    assert (targets[:, :-1] == token_ids[:, 1:]).all()
    assert (weights.sum(axis=1) == (token_ids != PAD).sum(axis=1) - 1).all()


def test_prefix_lm_splits_rows_into_source_and_target(tokenizer):
    token_ids, is_continuation, *indices = make_rows(200)
    (inputs, segments), targets, weights = PrefixLM(tokenizer)(token_ids, is_continuation, *indices)
    for row, continues_word, new_ids, segment in zip(token_ids, is_continuation, inputs, segments):
        cut = int(segment.argmax()) - 1
        assert new_ids[cut] == SEP and not continues_word[cut]
        expected = [*row[:-2], SEP] if row[-1] else [*row[:-1]]
        assert np.delete(new_ids, cut).tolist() == expected
        real = (row != PAD).sum()
        assert real / 5 < cut < 4 * real / 5
    is_target = weights.astype(bool)
    assert (segments[:, 1:] == 1)[is_target[:, :-1]].all() and not is_target[:, -1].any()
    assert (is_target.sum(axis=1) == segments.sum(axis=1)).all()
    assert (targets[is_target] == inputs[:, 1:][is_target[:, :-1]]).all()


def test_prefix_lm_of_one_word_predicts_the_end(tokenizer):
    row = np.array([[CLS, 5, 6, SEP, PAD]])
    is_continuation = np.array([[0, 0, 1, 0, 0]], bool)
    (inputs, segments), _, _ = PrefixLM(tokenizer)(row, is_continuation, [0], [0])
    assert inputs.tolist() == [[CLS, 5, 6, SEP, SEP]] and segments.tolist() == [[0, 0, 0, 0, 1]]


@pytest.mark.parametrize("objective", [MaskedLM, CausalLM, PrefixLM])
def test_objectives_return_int32_ids_and_float32_weights(tokenizer, objective):
    inputs, targets, weights = objective(tokenizer)(*make_rows(3))
    assert {x.dtype.name for x in (*inputs, targets)} == {"int32"} and weights.dtype == "float32"


@pytest.mark.parametrize("options", [{"seed": -1}, {"max_predictions": 0}, {"mask_rate": 15}])
def test_a_wrong_option_is_named(tokenizer, options):
    with pytest.raises(ValueError, match=f"Expected .*{next(iter(options))}"):
        MaskedLM(tokenizer, **options)
