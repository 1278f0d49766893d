"""RoBERTa: positions that count tokens, one segment, and two meanings of one name."""

import numpy as np
import pytest
from keras import ops
from support import GOLDEN, assert_close, load_arrays, load_record

from bert4keras.layers import PaddingAwarePositions
from bert4keras.models import BERT, RoBERTa, build_transformer_model

FOLDER = GOLDEN / "hf" / "roberta"
CONFIG = load_record("hf/roberta/config.json")
IDS = load_arrays("hf/roberta/golden.npz")["a.in.input_ids"]


def build(config=CONFIG, **options):
    return build_transformer_model(config, return_keras_model=False, **options)


@pytest.mark.parametrize("kind", ["roberta", "xlm-roberta", "camembert"])
def test_the_name_of_a_configuration_is_that_of_transformers(kind):
    config = {**CONFIG, "model_type": kind}
    assert type(build(config)) is RoBERTa
    assert type(build(config, model=kind)) is RoBERTa


def test_the_name_given_for_a_checkpoint_of_bert_is_bert():
    for kind in ({}, {"model_type": "bert"}):
        google = {**load_record("models/bert/config.json"), **kind}
        assert type(build(google, model="roberta")) is BERT


def test_positions_count_what_is_no_padding():
    ids = np.array([[5, 1, 7, 8, 1], [1, 1, 6, 1, 4]])
    got = np.array(PaddingAwarePositions(pad_id=1, first=2)(ids.astype("float32")))
    assert got.tolist() == [[2, 1, 3, 4, 1], [1, 1, 2, 1, 3]]


def test_a_hole_in_a_text_changes_nothing():
    model = build_transformer_model(FOLDER)
    text, text_with_padding = np.array([[5, 7, 8]]), np.array([[5, 7, 1, 8]])
    want = model.predict(text, verbose=0)
    assert_close(model.predict(text_with_padding, verbose=0)[:, [0, 1, 3]], want, 1e-5)


def test_kept_tokens_give_the_same_though_the_padding_has_another_id():
    want = build_transformer_model(FOLDER).predict(IDS, verbose=0)
    keep = [1, *(i for i in range(99) if i != 1)]
    model = build_transformer_model(FOLDER, keep_tokens=keep, pad_token_id=0)
    got = model.predict(np.argsort(keep)[IDS], verbose=0)
    assert_close(got[IDS != 1], want[IDS != 1], 1e-5)


def test_positions_given_by_the_caller_are_rows_of_the_table():
    want = build_transformer_model(FOLDER).predict(IDS, verbose=0)
    model = build_transformer_model(FOLDER, custom_position_ids=True)
    places = np.array(PaddingAwarePositions(1, 2)(IDS))
    assert [x.name for x in model.inputs] == ["Input-Token", "Input-Position"]
    assert_close(model.predict([IDS, places], verbose=0), want, 1e-5)


def test_only_several_segments_need_an_input():
    names = [x.name for x in build({**CONFIG, "type_vocab_size": 2}).inputs]
    assert names == ["Input-Token", "Input-Segment"]
    assert [x.name for x in build().inputs] == ["Input-Token"]
    assert "Embedding-Segment" in build().layers


def test_the_token_head_has_its_own_activation():
    head = build({**CONFIG, "hidden_act": "relu"}, with_mlm=True).layers["MLM-Dense"]
    assert_close(head.activation(np.array([-1.0], "float32")), [-0.15865526])


def test_a_text_longer_than_the_table_is_refused():
    model = build_transformer_model(FOLDER)
    assert model(np.full((1, 32), 5)).shape == (1, 32, 32)
    with pytest.raises(Exception, match=r"at most 34 positions, the text is longer"):
        ops.convert_to_numpy(model(np.full((1, 33), 5)))


def test_what_it_does_not_have_is_refused():
    with pytest.raises(ValueError, match="RoBERTa has no with_nsp, got True"):
        build(with_nsp=True)
    with pytest.raises(ValueError, match="as application='unilm'. It can be: encoder, lm"):
        build(application="unilm")
    with pytest.raises(ValueError, match="pad_token_id must be an id, got None"):
        build(pad_token_id=None)
    with pytest.raises(ValueError, match="first_position must be at least 1(?s:.*)got 0"):
        build(first_position=0)


def test_positions_of_another_kind_are_refused():
    for config in (CONFIG, load_record("hf/bert/config.json")):
        config = {**config, "position_embedding_type": "relative_key"}
        with pytest.raises(ValueError, match="position_embedding_type='absolute' alone(?s:.*)key'"):
            build(config)
