"""DistilBERT: BERT with less."""

import pytest
from support import load_record

from bert4keras.models import build_transformer_model

CONFIG = load_record("hf/distilbert/config.json")


def test_it_takes_tokens_alone():
    assert [x.name for x in build_transformer_model(CONFIG).inputs] == ["Input-Token"]


@pytest.mark.parametrize("option", ["with_pool", "with_nsp", "segment_vocab_size"])
def test_a_head_of_bert_or_segments_are_refused(option):
    with pytest.raises(ValueError, match=f"DistilBERT has no {option}, got 2(?s:.*)with: with_mlm"):
        build_transformer_model(CONFIG, **{option: 2})


def test_a_unilm_is_refused():
    with pytest.raises(ValueError, match="DistilBERT cannot be used as application='unilm'"):
        build_transformer_model(CONFIG, application="unilm")


def test_heads_that_do_not_divide_are_refused():
    with pytest.raises(ValueError, match="multiple of num_attention_heads, got 32 and 5"):
        build_transformer_model({**CONFIG, "n_heads": 5})


def test_there_is_no_dropout_behind_attention():
    names = [layer.name for layer in build_transformer_model(CONFIG).layers]
    assert "Transformer-0-FeedForward-Dropout" in names
    assert "Transformer-0-MultiHeadSelfAttention-Dropout" not in names
