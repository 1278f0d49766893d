"""Names that a checkpoint lacks: the report shows its names, and the code that makes them fit."""

import re

import h5py
import numpy as np
import pytest

from bert4keras.checkpoints import open_checkpoint, write_h5, write_safetensors, write_tf1
from bert4keras.checkpoints.missing_names import find_prefix_change
from bert4keras.models import build_transformer_model

CONFIG = dict(
    vocab_size=12,
    hidden_size=8,
    num_hidden_layers=1,
    num_attention_heads=2,
    intermediate_size=8,
    hidden_act="gelu",
    max_position=8,
)


@pytest.fixture(scope="module")
def tensors():
    """The variables of a small BERT in Google's names, and in those of Hugging Face."""
    import tempfile

    bert = build_transformer_model(CONFIG, return_keras_model=False)
    with tempfile.TemporaryDirectory() as folder:
        files = [f"{folder}/a.h5", f"{folder}/a.safetensors"]
        for file in files:
            bert.save_weights_as_checkpoint(file)
        google, hugging_face = (dict(open_checkpoint(file).items()) for file in files)
    return {"/": google, ".": hugging_face}


def read_error(checkpoint):
    with pytest.raises(ValueError, match="does not fit") as caught:
        build_transformer_model(CONFIG, checkpoint)
    return str(caught.value)


def run_remedy(report):
    """Run the code that the report ends with."""
    return eval(report.splitlines()[-1], {"open_checkpoint": open_checkpoint})


class TestPrefixes:
    @pytest.mark.parametrize("prefix", ["module.", "_orig_mod.", "text_encoder.", "a.b.c."])
    def test_a_prefix_of_torch_is_named_and_the_code_opens_the_file(
        self, tmp_path, tensors, prefix
    ):
        path = tmp_path / "model.safetensors"
        write_safetensors(path, {prefix + name: x for name, x in tensors["."].items()})
        report = read_error(path)
        assert f"`{prefix}bert.embeddings.word_embeddings.weight`" in report
        assert f"begin with `{prefix}`" in report and "ignore_invalid_weights" not in report
        model = build_transformer_model(CONFIG, run_remedy(report))
        np.testing.assert_array_equal(
            model.get_layer("Embedding-Token").get_weights()[0],
            tensors["/"]["bert/embeddings/word_embeddings"],
        )

    @pytest.mark.parametrize("scope", ["module/", "model/", "tower/encoder/"])
    def test_a_scope_of_tensorflow_is_named(self, tmp_path, tensors, scope):
        write_tf1(tmp_path / "x.ckpt", {scope + name: x for name, x in tensors["/"].items()})
        report = read_error(tmp_path / "x.ckpt")
        assert f"`{scope}bert/embeddings/word_embeddings`" in report
        build_transformer_model(CONFIG, run_remedy(report))

    def test_a_prefix_that_is_left_out_is_named(self, tmp_path, tensors):
        names = {name.removeprefix("bert/"): x for name, x in tensors["/"].items()}
        write_h5(tmp_path / "x.h5", names)
        report = read_error(tmp_path / "x.h5")
        assert "`embeddings/word_embeddings`" in report and "expects `bert/` before" in report
        build_transformer_model(CONFIG, run_remedy(report))

    def test_another_scope_in_its_place_is_named(self, tmp_path, tensors):
        names = {name.replace("bert/", "robert/"): x for name, x in tensors["/"].items()}
        write_h5(tmp_path / "x.h5", names)
        report = read_error(tmp_path / "x.h5")
        assert "begin with `robert/`" in report and "expects `bert/` before" in report
        build_transformer_model(CONFIG, run_remedy(report))

    def test_a_dict_is_named_as_the_user_names_it(self, tensors):
        report = read_error({f"module/{name}": x for name, x in tensors["/"].items()})
        assert "open_checkpoint(weights).items()" in report

    def test_a_head_like_another_is_no_prefix(self):
        file = open_checkpoint({"a/x/kernel": [1.0], "a/x/bias": [1.0], "a/y": [1.0]})
        assert find_prefix_change(file, ["b/x/kernel", "b/x/bias"]) == ("a/", "b/")
        assert find_prefix_change(file, ["b/x/kernel", "b/x/bias"], False) is None


class TestOtherCheckpoints:
    def test_names_of_another_kind_are_shown_without_a_harmful_remedy(self):
        report = read_error({"encoder_1/w": [1.0], "encoder_1/b": [1.0]})
        assert "holds 2 tensors, such as `encoder_1/w`, `encoder_1/b`" in report
        assert "Check model=" in report and "ignore_invalid_weights" not in report
        assert len(report.splitlines()) < 12

    def test_a_checkpoint_without_tensors_is_called_so(self):
        assert "holds no tensors" in read_error({})

    def test_the_tensorflow_file_of_transformers_is_called_so(self, tmp_path):
        with h5py.File(tmp_path / "tf_model.h5", "w") as file:
            file.attrs["layer_names"] = [b"bert"]
            name = "tf_bert_for_pre_training/bert/embeddings/word_embeddings/weight:0"
            file.create_group("bert").attrs["weight_names"] = [name.encode()]
            file["bert"][name] = np.zeros((12, 8), "float32")
        report = read_error(tmp_path / "tf_model.h5")
        assert re.search("tf_model.h5, the TensorFlow format of transformers", report)
        assert "ignore_invalid_weights" not in report
