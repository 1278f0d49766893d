"""Folders of sentence-transformers: what is written, read and refused."""

import json
import shutil

import keras
import numpy as np
import pytest
from pipelines.toy import CONFIG, make_bert, make_texts, make_tokenizer
from support import assert_close

from bert4keras.checkpoints import open_checkpoint
from bert4keras.models import build_transformer_model
from bert4keras.pipelines import SentenceEncoder, load_pipeline


@pytest.fixture
def encoder():
    transformer = build_transformer_model(CONFIG, return_keras_model=False)
    return SentenceEncoder(
        transformer,
        make_tokenizer(),
        ["max", "mean"],
        normalize=True,
        dimensions=4,
        prompts={"query": "日", "passage": ""},
        default_prompt_name="passage",
        include_prompt=False,
        similarity_function="dot",
        maxlen=20,
        dense=[keras.layers.Dense(6, activation="tanh"), keras.layers.Dense(5, use_bias=False)],
    )


def read(path):
    return json.loads(path.read_text(encoding="utf-8"))


def change(path, **values):
    path.write_text(json.dumps({**read(path), **values}), encoding="utf-8")


def test_files(encoder, tmp_path):
    encoder.save_sentence_transformers(tmp_path)
    assert [
        (x["path"], x["type"].rpartition(".")[-1]) for x in read(tmp_path / "modules.json")
    ] == [
        ("", "Transformer"),
        ("1_Pooling", "Pooling"),
        ("2_Dense", "Dense"),
        ("3_Dense", "Dense"),
        ("4_Normalize", "Normalize"),
    ]
    assert read(tmp_path / "config_sentence_transformers.json") == {
        "prompts": {"query": "日", "passage": ""},
        "default_prompt_name": "passage",
        "similarity_fn_name": "dot",
        "truncate_dim": 4,
    }
    assert read(tmp_path / "sentence_bert_config.json")["max_seq_length"] == 20
    assert read(tmp_path / "1_Pooling" / "config.json") == {
        "word_embedding_dimension": 8,
        "pooling_mode_cls_token": False,
        "pooling_mode_max_tokens": True,
        "pooling_mode_mean_tokens": True,
        "pooling_mode_mean_sqrt_len_tokens": False,
        "pooling_mode_weightedmean_tokens": False,
        "pooling_mode_lasttoken": False,
        "include_prompt": False,
    }
    assert read(tmp_path / "2_Dense" / "config.json") == {
        "in_features": 16,
        "out_features": 6,
        "bias": True,
        "activation_function": "torch.nn.modules.activation.Tanh",
    }
    assert read(tmp_path / "3_Dense" / "config.json")["activation_function"].endswith("Identity")
    with open_checkpoint(tmp_path / "2_Dense" / "model.safetensors") as checkpoint:
        assert_close(checkpoint["linear.weight"].T, encoder.dense[0].get_weights()[0])
    names = {path.name for path in tmp_path.iterdir()}
    assert {"config.json", "model.safetensors", "vocab.txt", "tokenizer_config.json"} <= names


def test_a_written_folder_is_read_again(encoder, tmp_path):
    encoder.save_sentence_transformers(tmp_path)
    copy = load_pipeline(tmp_path)
    assert copy.get_config() == encoder.get_config()
    assert copy.pooling == encoder.pooling
    for name in ("query", "passage"):
        texts = make_texts(7, longest=15)
        assert_close(copy(texts, prompt_name=name), encoder(texts, prompt_name=name))
    assert load_pipeline(tmp_path, maxlen=9).maxlen == 9


def test_newer_names_are_read(encoder, tmp_path):
    encoder.save_sentence_transformers(tmp_path)
    modules = read(tmp_path / "modules.json")
    for module in modules:
        kind = module["type"].rpartition(".")[-1]
        module["type"] = f"sentence_transformers.base.modules.{kind.lower()}.{kind}"
    (tmp_path / "modules.json").write_text(json.dumps(modules))
    pooling = {"embedding_dimension": 8, "pooling_mode": ["max", "mean"], "include_prompt": False}
    (tmp_path / "1_Pooling" / "config.json").write_text(json.dumps(pooling))
    (tmp_path / "sentence_bert_config.json").unlink()
    change(tmp_path / "tokenizer_config.json", model_max_length=17)
    copy = load_pipeline(tmp_path)
    assert copy.maxlen == 17
    assert_close(copy("天地"), encoder("天地"))


def test_one_mode_by_its_newer_name(encoder, tmp_path):
    encoder.save_sentence_transformers(tmp_path)
    pooling = {"embedding_dimension": 8, "pooling_mode": "lasttoken"}
    (tmp_path / "1_Pooling" / "config.json").write_text(json.dumps(pooling))
    modules = read(tmp_path / "modules.json")
    (tmp_path / "modules.json").write_text(json.dumps([*modules[:2], modules[-1]]))
    assert load_pipeline(tmp_path).pooling == ["last"]


@pytest.mark.parametrize(
    "file, values, message",
    [
        ("1_Pooling/config.json", {"pooling_mode": "median"}, "Expected the pooling in .*median"),
        ("1_Pooling/config.json", {"stride": 2}, "Expected settings of .* got stride=2"),
        ("2_Dense/config.json", {"activation_function": "my.Act"}, "got 'my.Act'"),
        ("2_Dense/config.json", {"module_input_name": "x"}, "got module_input_name='x'"),
        ("sentence_bert_config.json", {"do_lower_case": True}, "got do_lower_case=True"),
        ("config_sentence_transformers.json", {"similarity_fn_name": "manhattan"}, "'manhattan'"),
        ("config_sentence_transformers.json", {"model_type": "SparseEncoder"}, "SparseEncoder"),
    ],
)
def test_settings_that_are_refused(encoder, tmp_path, file, values, message):
    encoder.save_sentence_transformers(tmp_path)
    change(tmp_path / file, **values)
    with pytest.raises(ValueError, match=message):
        load_pipeline(tmp_path)


@pytest.mark.parametrize(
    "module, message",
    [
        ({"path": "", "type": "modeling_evil.Evil"}, "got modeling_evil.Evil. Its code is not"),
        ({"path": "", "type": "sentence_transformers.models.CNN"}, "got .*models.CNN"),
        ({"path": "../x", "type": "sentence_transformers.models.Pooling"}, "name of a folder"),
        ({"path": "", "type": "sentence_transformers.models.Pooling"}, "in this order"),
    ],
)
def test_modules_that_are_refused(tmp_path, module, message):
    (tmp_path / "modules.json").write_text(json.dumps([module]))
    with pytest.raises(ValueError, match=message):
        load_pipeline(tmp_path)


def test_damaged_files(encoder, tmp_path):
    encoder.save_sentence_transformers(tmp_path)
    (tmp_path / "2_Dense" / "model.safetensors").unlink()
    with pytest.raises(FileNotFoundError, match="Expected model.safetensors or pytorch_model.bin"):
        load_pipeline(tmp_path)
    (tmp_path / "1_Pooling" / "config.json").write_text("{")
    with pytest.raises(ValueError, match="Expected JSON in .*1_Pooling"):
        load_pipeline(tmp_path)
    (tmp_path / "1_Pooling" / "config.json").write_text("[]")
    with pytest.raises(ValueError, match="Expected a dict in .*1_Pooling"):
        load_pipeline(tmp_path)
    (tmp_path / "1_Pooling" / "config.json").unlink()
    with pytest.raises(FileNotFoundError, match="Expected the file .*1_Pooling"):
        load_pipeline(tmp_path)


def test_a_link_to_another_folder_is_not_followed(encoder, tmp_path):
    folder = tmp_path / "model"
    encoder.save_sentence_transformers(folder)
    (folder / "1_Pooling").rename(tmp_path / "outside")
    (folder / "1_Pooling").symlink_to(tmp_path / "outside")
    with pytest.raises(ValueError, match="got a link"):
        load_pipeline(folder)


def test_what_cannot_be_written(encoder, tmp_path):
    tokenizer = make_tokenizer()
    transformer = encoder.transformer
    with pytest.raises(ValueError, match="Expected an encoder of a Transformer object"):
        SentenceEncoder(make_bert(), tokenizer, "mean").save_sentence_transformers(tmp_path)
    for pooling in ("first-last", ["mean", "cls"]):
        scratch = SentenceEncoder(transformer, tokenizer, pooling)
        with pytest.raises(ValueError, match="Expected a pooling of sentence-transformers, got"):
            scratch.save_sentence_transformers(tmp_path)
    dense = [keras.layers.Dense(2, activation="softmax")]
    scratch = SentenceEncoder(transformer, tokenizer, "mean", dense=dense)
    with pytest.raises(ValueError, match="Expected dense to be keras.layers.Dense with an activ"):
        scratch.save_sentence_transformers(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_sentence_transformers_gives_the_same_vectors(tmp_path):
    peer = pytest.importorskip("sentence_transformers")
    transformer = build_transformer_model(CONFIG, return_keras_model=False)
    encoder = SentenceEncoder(
        transformer,
        make_tokenizer(),
        ["cls", "max", "mean", "mean_sqrt_len", "weighted_mean", "last"],
        normalize=True,
        prompts={"query": "日月"},
        include_prompt=False,
        dense=[keras.layers.Dense(6, activation="gelu")],
    )
    encoder.save_sentence_transformers(tmp_path)
    model = peer.SentenceTransformer(str(tmp_path), device="cpu")
    texts = make_texts(20, longest=18)
    for name in (None, "query"):
        got = encoder(texts, prompt_name=name)
        np.testing.assert_allclose(got, model.encode(texts, prompt_name=name), atol=1e-5)
    model.save(str(tmp_path / "peer"))
    shutil.copy(tmp_path / "vocab.txt", tmp_path / "peer")  # it keeps the settings of our tokenizer
    peer_copy = load_pipeline(tmp_path / "peer")
    np.testing.assert_allclose(peer_copy(texts), encoder(texts), atol=1e-5)
