"""Folders of Hugging Face open with equal outputs, and those written here open there."""

import keras
import numpy as np
import pytest
from support import GOLDEN, arrays, assert_close, record

from bert4keras.models import build_transformer_model

HEADS = {  # output in transformers -> what to build
    "last_hidden_state": {},
    "pooler_output": {"with_pool": True},
    "logits": {"with_mlm": "linear"},
    "prediction_logits": {"with_mlm": "linear"},
}
NSP = {"bert_nsp": "logits", "bert_pretraining": "seq_relationship_logits"}
FOLDERS = sorted(path.name for path in (GOLDEN / "hf").iterdir() if path.is_dir())


def family(folder):
    return record(f"hf/{folder}/config.json")["model_type"]


def numbers_of(folder):
    numbers = arrays(f"hf/{folder.partition('@')[0]}/golden.npz")
    own = f"hf/{folder}/golden.npz"
    return {**numbers, **arrays(own)} if (GOLDEN / own).exists() else numbers


def compare(model, numbers, output, turn=lambda x: x):
    for batch in "ab":
        ids, segments = (numbers[f"{batch}.in.{key}"] for key in ("input_ids", "token_type_ids"))
        got = turn(model.predict([ids, segments], verbose=0))
        want = turn(numbers[f"{batch}.out.{output}"])
        if got.ndim == 3:
            visible = numbers[f"{batch}.in.attention_mask"].astype(bool)
            got, want = got[visible], want[visible]
        assert_close(got, want, 1e-4)


@pytest.mark.parametrize("folder", FOLDERS)
def test_a_folder_gives_the_outputs_of_transformers(folder):
    numbers, compared = numbers_of(folder), 0
    for output, heads in HEADS.items():
        if f"a.out.{output}" in numbers and folder not in ("bert_nsp", "bert_classifier"):
            model = build_transformer_model(GOLDEN / "hf" / folder, model=family(folder), **heads)
            compare(model, numbers, output)
            compared += 1
    if folder.partition("@")[0] in NSP:
        model = build_transformer_model(GOLDEN / "hf" / folder, with_nsp=True)
        logits = keras.Model(model.inputs, model.get_layer("NSP-Proba").output)
        output = NSP[folder.partition("@")[0]]
        want = {
            key: np.exp(x) / np.exp(x).sum(-1, keepdims=True) if key.endswith(output) else x
            for key, x in numbers.items()
        }
        compare(logits, want, output)
        compared += 1
    if folder == "bert_classifier":  # its head is the user's own
        model = build_transformer_model(GOLDEN / "hf" / folder, with_pool=True)
        assert model.output_shape == (None, 32)
        compared += 1
    assert compared


@pytest.mark.parametrize(
    "heads, architecture",
    [
        ({}, "BertModel"),
        ({"with_pool": True}, "BertModel"),
        ({"with_mlm": "linear"}, "BertForMaskedLM"),
        ({"with_nsp": True}, "BertForNextSentencePrediction"),
        ({"with_nsp": True, "with_mlm": True}, "BertForPreTraining"),
        ({"application": "lm", "with_mlm": "linear"}, "BertLMHeadModel"),
        ({"model": "albert"}, "AlbertModel"),
        ({"model": "albert", "with_mlm": "linear"}, "AlbertForMaskedLM"),
    ],
)
def test_a_folder_written_here_gives_transformers_the_same_outputs(heads, architecture, tmp_path):
    transformers = pytest.importorskip("transformers", reason="needs the bench extra")
    torch = pytest.importorskip("torch")
    base = GOLDEN / "models" / ("albert" if "model" in heads else "bert")
    ours = build_transformer_model(
        base / "config.json", base / "bert_model.ckpt", return_keras_model=False, **heads
    )
    ours.save_pretrained(tmp_path)
    assert record(tmp_path / "config.json")["architectures"] == [architecture]
    theirs = getattr(transformers, architecture).from_pretrained(tmp_path).eval()
    ids = np.array([[2, 7, 9, 11, 3], [2, 8, 3, 0, 0]])
    segments = np.array([[0, 0, 0, 1, 1], [0, 0, 0, 0, 0]])
    with torch.no_grad():
        want = theirs(
            torch.tensor(ids), torch.tensor(ids != 0).long(), token_type_ids=torch.tensor(segments)
        )
    got = ours.model.predict([ids, segments], verbose=0)
    if architecture == "BertForPreTraining":
        got, want = got[1], want.prediction_logits.softmax(-1)
    elif heads == {"with_nsp": True}:
        want = want.logits.softmax(-1)
    elif heads == {"with_pool": True}:
        want = want.pooler_output
    else:
        want = want[0]
    visible = ids != 0 if got.ndim == 3 else slice(None)
    assert_close(got[visible], want.numpy()[visible], 1e-4)


def test_what_transformers_cannot_compute_is_refused(tmp_path):
    config = GOLDEN / "models" / "bert" / "config.json"
    for options, what in [
        ({"application": "unilm"}, "a UniLM mask"),
        ({"hierarchical_position": True}, "hierarchical_position"),
        ({"with_pool": "linear"}, "a pooler other than tanh"),
    ]:
        model = build_transformer_model(config, return_keras_model=False, **options)
        with pytest.raises(ValueError, match=f"transformers has no .* with {what}"):
            model.save_pretrained(tmp_path / "folder")
    assert not (tmp_path / "folder").exists()
