"""The ALBERT that examples begin from."""

import numpy as np
import pytest

from bert4keras.models import build_transformer_model
from bert4keras.tokenizers import load_vocab
from examples.data.albert import SPECIAL, make_texts, pretrained_albert
from examples.data.reading import make_questions


def test_texts_are_of_three_kinds_and_repeat_themselves():
    texts = make_texts(90)
    assert len(set(texts)) == 90 and texts == make_texts(90) != make_texts(90, seed=1)
    assert sum(text.endswith("？") for text in texts) == 30


def test_texts_contain_no_answer_of_dev():
    texts = "".join(make_texts(600))
    answers = {p["answer"] for x in make_questions(50, "dev") for p in x["passages"]}
    assert not [answer for answer in answers if len(answer) > 2 and answer in texts]


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory):
    output = tmp_path_factory.mktemp("output")
    options = {"steps": 10, "layers": 2, "output": output, "maxlen": 16, "batch_size": 2}
    return options, pretrained_albert(make_texts(30), **options)


def test_the_checkpoint_opens_with_shared_and_with_unshared_blocks(checkpoint):
    _, folder = checkpoint
    ids = np.array([[2, 7, 8, 3]])
    config = f"{folder}/config.json"
    shared_outputs, unshared_outputs = (
        build_transformer_model(config, folder, model).predict_on_batch([ids, 0 * ids])
        for model in ("albert", "albert_unshared")
    )
    np.testing.assert_allclose(shared_outputs, unshared_outputs, atol=1e-5)
    assert list(load_vocab(f"{folder}/vocab.txt"))[:5] == SPECIAL


def test_an_existing_checkpoint_is_reused(checkpoint, capsys):
    options, folder = checkpoint
    assert pretrained_albert(make_texts(30), **options) == folder
    assert "begins from the ALBERT" in capsys.readouterr().out
    [_] = options["output"].iterdir()  # nothing half made beside it
