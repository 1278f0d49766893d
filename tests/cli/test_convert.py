"""``bert4keras convert`` converts weights, reports it, and leaves no half-written file."""

import json
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import keras
import numpy as np
import pytest
from support import GOLDEN, compute_outputs, randomize_weights, unpack

from bert4keras.checkpoints import open_checkpoint
from bert4keras.cli import main
from bert4keras.layers import Dense
from bert4keras.models import build_transformer_model

ROOT = Path(__file__).parents[2]
CONFIG = {
    "vocab_size": 20,
    "hidden_size": 8,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 12,
    "hidden_act": "gelu",
    "max_position_embeddings": 16,
    "type_vocab_size": 2,
}
IDS = [np.array([[2, 5, 6, 3, 0]]), np.array([[0, 0, 1, 1, 0]])]
TARGETS = ["new/bert_model.ckpt", "folder", "w.weights.h5", "w.safetensors", "w.h5", "w.keras"]


@pytest.fixture
def workdir(tmp_path, monkeypatch):
    """Working folder that holds only a configuration."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "bert_config.json").write_text(json.dumps(CONFIG))
    return tmp_path


@pytest.fixture
def bert(workdir):
    """Model written as a TensorFlow checkpoint with its configuration and vocabulary."""
    built = build_transformer_model(CONFIG, with_nsp=True, with_mlm=True, return_keras_model=False)
    randomize_weights(built).save_weights_as_checkpoint("old/bert_model.ckpt")
    (workdir / "old" / "bert_config.json").write_text(json.dumps(CONFIG))
    (workdir / "old" / "vocab.txt").write_text("[PAD]\n")
    return built


def run(*arguments):
    return main(["convert", *map(str, arguments)])


def assert_same_model(path, bert, config="bert_config.json"):
    if path.endswith(".keras"):
        model = keras.models.load_model(path)
    elif Path(path).is_dir():
        model = build_transformer_model(path, with_nsp=True, with_mlm=True)
    else:
        model = build_transformer_model(config, path, with_nsp=True, with_mlm=True)
    for got, want in zip(compute_outputs(model, IDS), compute_outputs(bert.model, IDS)):
        np.testing.assert_array_equal(got, want)


class TestConvert:
    @pytest.mark.parametrize("target", TARGETS)
    def test_a_tensorflow_checkpoint_becomes_any_format_and_comes_back(self, bert, capsys, target):
        assert run("old/bert_model.ckpt", target) == 0
        assert_same_model(target, bert)
        output = capsys.readouterr().out.splitlines()
        assert output[0].startswith(
            "Read 46 weights of BERT (with_pool, with_nsp, with_mlm) from old/"
        )
        assert output[1].startswith(f"Wrote {target} (")
        assert len(output) == 2
        assert run(target, "back/bert_model.ckpt", "--config", "bert_config.json") == 0
        assert_same_model("back/bert_model.ckpt", bert)

    def test_the_vocabulary_and_the_configuration_go_along(self, bert, workdir):
        assert run("old/bert_model.ckpt", "folder") == 0
        assert run("folder", "again/m.ckpt") == 0
        assert (workdir / "folder" / "vocab.txt").read_text() == "[PAD]\n"
        assert (workdir / "again" / "vocab.txt").read_text() == "[PAD]\n"
        assert json.loads((workdir / "folder" / "config.json").read_text())["model_type"] == "bert"
        assert_same_model("again/m.ckpt", bert, "again/bert_config.json")

    @pytest.mark.parametrize(
        "folder", ["bert_mlm@sharded", "gpt2", "t5_v1_1", "electra_mlm", "llama"]
    )
    def test_a_folder_of_hugging_face_becomes_a_checkpoint_and_comes_back(self, workdir, folder):
        assert run(GOLDEN / "hf" / folder, "tf/model.ckpt") == 0
        assert run("tf/model.ckpt", "folder") == 0
        assert (workdir / "tf" / "bert_config.json").is_file()
        old, new = (open_checkpoint(path) for path in (GOLDEN / "hf" / folder, workdir / "folder"))
        with old, new:
            assert set(new) <= {*old, "lm_head.weight"}
            for name in {*new} & {*old}:
                np.testing.assert_array_equal(new[name], old[name].astype("float32"))

    @pytest.mark.parametrize("file", ["best_model.weights", "model.h5"])
    def test_what_keras_2_saved_becomes_a_folder_without_the_layers_of_a_script(
        self, workdir, capsys, file
    ):
        unpack(GOLDEN / "legacy_weights" / "bert_crf.tar.xz", workdir / "crf")
        assert run(f"crf/{file}", "folder") == 0
        output = capsys.readouterr().out
        assert "Read 37 weights of BERT from" in output
        assert (
            "Left out, for the model has no place for it: dense, conditional_random_field" in output
        )
        new = build_transformer_model("folder")
        want = build_transformer_model("crf/config.json", f"crf/{file}")
        np.testing.assert_array_equal(compute_outputs(new, IDS)[0], compute_outputs(want, IDS)[0])

    @pytest.mark.parametrize("name", ["best.weights.h5", "best.keras"])
    def test_a_classifier_of_keras_3_gives_its_bert(self, workdir, capsys, name):
        bert = build_transformer_model(CONFIG, with_pool=True)
        model = randomize_weights(keras.Model(bert.inputs, Dense(3, name="mine")(bert.output)))
        (model.save if name.endswith(".keras") else model.save_weights)(name)
        assert run(name, "folder") == 0
        output = capsys.readouterr().out
        assert "(with_pool)" in output and ": mine" in output
        new = build_transformer_model("folder", with_pool=True)
        np.testing.assert_array_equal(compute_outputs(new, IDS)[0], compute_outputs(bert, IDS)[0])

    def test_a_kept_vocabulary_is_taken_from_the_file(self, workdir, capsys):
        small = randomize_weights(build_transformer_model({**CONFIG, "vocab_size": 7}))
        small.save_weights("small.weights.h5")
        assert run("small.weights.h5", "folder") == 0
        assert "Note: vocab_size is 7 in the file, 20 in its config" in capsys.readouterr().out
        assert json.loads((workdir / "folder" / "config.json").read_text())["vocab_size"] == 7


def error_of(capsys, *arguments):
    """Return the message of a call that fails without writing anything."""
    before = sorted(Path().rglob("*"))
    assert run(*arguments) == 2
    assert sorted(Path().rglob("*")) == before
    streams = capsys.readouterr()
    assert streams.out == ""
    return streams.err


class TestErrors:
    @pytest.mark.parametrize("target", TARGETS[:3])
    def test_what_is_there_is_replaced_only_by_force(self, bert, workdir, capsys, target):
        assert run("old/bert_model.ckpt", target) == 0
        capsys.readouterr()
        assert f"{target} exists already." in error_of(capsys, "old/bert_model.ckpt", target)
        assert run("old/bert_model.ckpt", target, "--force") == 0
        assert_same_model(target, bert)

    def test_another_configuration_next_to_a_checkpoint_is_not_replaced(
        self, bert, workdir, capsys
    ):
        (workdir / "other").mkdir()
        (workdir / "other" / "bert_config.json").write_text("{}")
        message = error_of(capsys, "old/bert_model.ckpt", "other/m.ckpt")
        assert "bert_config.json exists already with other settings" in message

    def test_a_missing_file_is_named(self, workdir, capsys):
        for name in "nowhere.ckpt", "nowhere.keras", "nowhere":
            assert f"No checkpoint at {name}. Check the path." in error_of(capsys, name, "folder")
        Path("broken.keras").write_bytes(b"PK")
        assert "broken.keras is not a model that Keras 3" in error_of(capsys, "broken.keras", "new")

    def test_weights_of_another_size_are_not_taken_for_another_family(self, bert, workdir, capsys):
        unpack(GOLDEN / "legacy_weights" / "bert_crf.tar.xz", workdir)
        config = json.loads(Path("config.json").read_text())
        Path("config.json").write_text(json.dumps({**config, "hidden_size": 64}))
        message = error_of(capsys, "best_model.weights", "folder", "--config", "config.json")
        assert "expected (64, 64)" in message and "looks like" not in message

    def test_a_missing_configuration_is_asked_for(self, bert, workdir, capsys):
        shutil.move("old/bert_config.json", "elsewhere.json")
        message = error_of(capsys, "old/bert_model.ckpt", "folder")
        assert "No configuration in the folder old" in message and "--config" in message
        assert run("old/bert_model.ckpt", "folder", "--config", "elsewhere.json") == 0

    def test_a_file_that_does_not_fit_is_reported_in_full(self, bert, workdir, capsys):
        (workdir / "large.json").write_text(json.dumps({**CONFIG, "num_hidden_layers": 3}))
        message = error_of(capsys, "old/bert_model.ckpt", "folder", "--config", "large.json")
        assert "does not fit the model (16 of 62 weights)" in message
        message = error_of(capsys, "old/bert_model.ckpt", "folder", "--model", "nezah")
        assert "model must be one of bert" in message

    def test_a_format_that_is_not_written_names_those_that_are(self, bert, capsys):
        message = error_of(capsys, "old/bert_model.ckpt", "pytorch_model.bin")
        assert "may end in .ckpt, .weights.h5, .keras, .safetensors, .h5" in message

    def test_a_model_that_hugging_face_cannot_compute_is_not_written(self, workdir, capsys):
        config = {**CONFIG, "hidden_act": "relu"}
        built = build_transformer_model(config, model="t5", return_keras_model=False)
        built.save_weights_as_checkpoint("t5.ckpt")
        (workdir / "bert_config.json").write_text(json.dumps(config))
        message = error_of(capsys, "t5.ckpt", "folder", "--model", "t5")
        assert (
            "transformers has no T5 with" in message and "a new name that ends in .ckpt" in message
        )
        assert run("t5.ckpt", "again/t5.ckpt", "--model", "t5") == 0


class TestMain:
    def test_the_command_explains_itself_and_keras_need_not_be_there(self):
        code = "import sys; from bert4keras.cli import main; sys.modules['keras'] = None; main()"
        process = subprocess.run(
            [sys.executable, "-c", code, "convert", "--help"], capture_output=True, text=True
        )
        assert process.returncode == 0 and "bert4keras convert" in process.stdout, process.stderr

    def test_without_a_command_the_exit_code_is_2(self):
        with pytest.raises(SystemExit) as caught:
            main([])
        assert caught.value.code == 2

    def test_the_command_has_its_name(self):
        project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
        assert project["scripts"] == {"bert4keras": "bert4keras.cli:main"}
