"""ELECTRA: two heads of its own, none of BERT's."""

import numpy as np
import pytest
from support import GOLDEN, assert_close, load_record

from bert4keras.models import build_transformer_model

BASE = GOLDEN / "models" / "electra"
CONFIG, CHECKPOINT = load_record("models/electra/config.json"), BASE / "bert_model.ckpt"
IDS = np.array([[2, 7, 9, 3]])


def build(checkpoint=None, **options):
    return build_transformer_model(CONFIG, checkpoint, model="electra", **options)


@pytest.mark.parametrize("head", ["with_pool", "with_nsp", "with_mlm"])
def test_a_head_of_bert_is_refused(head):
    message = f"ELECTRA has no {head}, got True. .* with: with_discriminator, with_generator"
    with pytest.raises(ValueError, match=message):
        build(**{head: True})
    assert build(**{head: False}).output_shape == (None, None, 32)


@pytest.mark.parametrize("application", ["lm", "unilm"])
def test_it_is_an_encoder_alone(application):
    message = f"ELECTRA cannot be used as application='{application}'. It can be: encoder"
    with pytest.raises(ValueError, match=message):
        build(application=application)


def test_scores_of_the_discriminator_are_probabilities_if_not_said_otherwise():
    scores = build(CHECKPOINT, with_discriminator="linear").predict([IDS, IDS * 0], verbose=0)
    got = build(CHECKPOINT, with_discriminator=True).predict([IDS, IDS * 0], verbose=0)
    assert got.shape == (1, 4, 1)
    assert_close(got, 1 / (1 + np.exp(-scores)))


def test_both_heads_give_both_outputs():
    model = build(with_discriminator=True, with_generator=True)
    assert [x.shape for x in model.outputs] == [(None, None, 1), (None, None, 118)]


def test_a_checkpoint_without_a_generator_says_what_lacks():
    with pytest.raises(ValueError, match="no variable `generator_predictions/dense/kernel`"):
        build(CHECKPOINT, with_generator=True)
