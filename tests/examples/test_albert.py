"""The ALBERT that examples begin from."""

import numpy as np
import pytest

from bert4keras.models import build_transformer_model
from examples.data import albert
from examples.data.albert import make_texts, pretrain_albert
from examples.data.reading import make_questions


def test_texts_are_of_three_kinds_and_repeat_themselves():
    texts = make_texts(90)
    assert len(set(texts)) == 90 and texts == make_texts(90) != make_texts(90, seed=1)
    assert sum(text.endswith("？") for text in texts) == 30


def test_texts_contain_no_answer_of_validation():
    texts = "".join(make_texts(600))
    answers = {p["answer"] for x in make_questions(50, "valid") for p in x["passages"]}
    assert not [answer for answer in answers if len(answer) > 2 and answer in texts]


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(tmp_path_factory.mktemp("work"))
        patch.setitem(albert.CONFIG, "num_hidden_layers", 2)
        patch.setattr(albert, "MAXLEN", 16)
        patch.setattr(albert, "BATCH_SIZE", 2)
        yield pretrain_albert("test", make_texts(30), steps=10)


def test_the_checkpoint_opens_with_shared_and_with_unshared_blocks(checkpoint):
    ids = np.array([[2, 7, 8, 3]])
    shared_outputs, unshared_outputs = (
        build_transformer_model(checkpoint, model=model).predict_on_batch([ids, 0 * ids])
        for model in ("albert", "albert_unshared")
    )
    np.testing.assert_allclose(shared_outputs, unshared_outputs, atol=1e-5)


def test_an_existing_checkpoint_is_reused_for_the_same_texts_alone(checkpoint, capsys):
    assert pretrain_albert("test", make_texts(30), steps=10) == checkpoint
    assert "Pretraining" not in capsys.readouterr().out
    pretrain_albert("test", make_texts(31), steps=10)
    assert "Pretraining" in capsys.readouterr().out
