import json
from importlib.metadata import version

import keras
import numpy as np
import pytest
from pipelines.toy import make_classifier, make_texts, make_tokenizer

from bert4keras.files import atomic_write
from bert4keras.pipelines import Pipeline, TextClassifier, load_pipeline
from bert4keras.pipelines.folder import FILE
from bert4keras.pipelines.model_files import read_model, write_model

LABELS = ["a", "b", "c"]
TEXTS = make_texts(10)


@pytest.fixture
def classify():
    return TextClassifier(make_classifier(), make_tokenizer(), LABELS, maxlen=23, truncate=True)


def edit_record(folder, **changes):
    record = json.loads((folder / FILE).read_text("utf-8"))
    record |= changes
    with atomic_write(folder / FILE) as file:
        json.dump({key: value for key, value in record.items() if value is not None}, file)


class TestSavedFolder:
    def test_it_opens_with_equal_records_and_settings(self, classify, tmp_path):
        classify.save(tmp_path / "folder", scores={"accuracy": 0.5})
        reopened_pipeline = load_pipeline(tmp_path / "folder")
        assert type(reopened_pipeline) is TextClassifier
        assert reopened_pipeline.get_config() == classify.get_config()
        assert reopened_pipeline.scores == {"accuracy": 0.5}
        assert reopened_pipeline(TEXTS, top_k=3) == classify(TEXTS, top_k=3)

    def test_it_has_plain_files(self, classify, tmp_path):
        classify.save(tmp_path)
        names = {path.name for path in tmp_path.iterdir()}
        assert names == {
            *("pipeline.json", "model.json", "model.safetensors"),
            *("vocab.txt", "tokenizer_config.json"),
        }
        record = json.loads((tmp_path / FILE).read_text("utf-8"))
        assert record["task"] == "text-classification"
        assert record["bert4keras"] == version("bert4keras")

    def test_its_weights_may_be_half_as_large(self, classify, tmp_path):
        classify.save(tmp_path, dtype="float16")
        got = [record["score"] for record in load_pipeline(tmp_path)(TEXTS)]
        np.testing.assert_allclose(got, [x["score"] for x in classify(TEXTS)], atol=2e-2)

    def test_a_compiled_model_is_saved_without_its_training(self, classify, tmp_path):
        classify.model.compile("adam", lambda true_values, scores: scores)
        classify.save(tmp_path)
        assert load_pipeline(tmp_path)(TEXTS) == classify(TEXTS)

    def test_a_second_save_replaces_the_first(self, classify, tmp_path):
        classify.save(tmp_path)
        new_pipeline = TextClassifier(make_classifier(seed=1), make_tokenizer(), LABELS)
        new_pipeline.save(tmp_path)
        assert load_pipeline(tmp_path)(TEXTS) == new_pipeline(TEXTS)

    def test_settings_may_be_replaced_when_it_opens(self, classify, tmp_path):
        classify.save(tmp_path)
        assert load_pipeline(tmp_path, maxlen=8).maxlen == 8

    def test_unknown_settings_are_refused(self, classify, tmp_path):
        classify.save(tmp_path)
        with pytest.raises(TypeError, match="Expected options among maxlen, .*got colour"):
            load_pipeline(tmp_path, colour=1)
        with pytest.raises(TypeError, match="Expected maxlen to be a whole number"):
            load_pipeline(tmp_path, maxlen="8")

    def test_an_error_while_saving_leaves_the_old_one(self, classify, tmp_path, monkeypatch):
        classify.save(tmp_path)
        monkeypatch.setattr(classify, "get_config", lambda: {"labels": {1, 2}})
        with pytest.raises(TypeError):
            classify.save(tmp_path)
        assert load_pipeline(tmp_path)(TEXTS) == classify(TEXTS)


class TestDamagedFolder:
    def test_a_path_that_leads_nowhere(self, tmp_path):
        with pytest.raises(FileNotFoundError, match="Expected a folder at .*nowhere, got none"):
            load_pipeline(tmp_path / "nowhere")

    def test_a_folder_without_pipeline_json(self, tmp_path):
        with pytest.raises(FileNotFoundError, match=r"Expected pipeline\.json"):
            load_pipeline(tmp_path)
        with pytest.raises(FileNotFoundError, match=r"Expected pipeline\.json"):
            TextClassifier.load(tmp_path)

    def test_a_newer_version(self, classify, tmp_path):
        classify.save(tmp_path)
        edit_record(tmp_path, format_version=2)
        with pytest.raises(ValueError, match="got the newer version 2, .* Update bert4keras"):
            load_pipeline(tmp_path)

    @pytest.mark.parametrize(
        "changes, message",
        [
            ({"task": "cooking"}, "Expected a pipeline of the task .* got 'cooking'"),
            ({"format_version": 0}, "Expected the keys"),
            ({"scores": None}, "Expected the keys"),
            ({"color": "red"}, "Expected the keys .* got .*color"),
            ({"files": []}, "Expected files in .* to be a dict, got"),
            ({"models": ["../model"]}, "Expected a plain file name in .* got '../model'"),
            ({"files": {"/etc/passwd": ""}}, "Expected a plain file name"),
            ({"config": {"labels": LABELS, "color": 1}}, "Expected the configuration of a TextCl"),
        ],
    )
    def test_a_wrong_record(self, classify, tmp_path, changes, message):
        classify.save(tmp_path)
        edit_record(tmp_path, **changes)
        with pytest.raises(ValueError, match=message):
            load_pipeline(tmp_path)

    @pytest.mark.parametrize("content", [b"{", b"[]", b"\xff", b"[" * 5000])
    def test_a_record_that_is_no_json_object(self, tmp_path, content):
        (tmp_path / FILE).write_bytes(content)
        with pytest.raises(ValueError, match="Expected (JSON|the keys)"):
            load_pipeline(tmp_path)

    @pytest.mark.parametrize("name", ["model.safetensors", "model.json", "vocab.txt"])
    def test_a_file_that_was_changed_or_removed(self, classify, tmp_path, name):
        classify.save(tmp_path)
        path = tmp_path / name
        path.write_bytes(path.read_bytes()[:-1] + b" ")
        with pytest.raises(ValueError, match=f"Expected .*{name} as pipeline.json describes it"):
            load_pipeline(tmp_path)
        path.unlink()
        with pytest.raises(FileNotFoundError, match=f"Expected the file {name}"):
            load_pipeline(tmp_path)

    def test_files_of_another_model(self, classify, tmp_path):
        classify.save(tmp_path)
        (tmp_path / "config.json").write_text("{}")
        message = r"Expected a folder without files of other models, got config\.json"
        with pytest.raises(ValueError, match=message):
            load_pipeline(tmp_path)
        with pytest.raises(ValueError, match=message):
            classify.save(tmp_path)

    def test_a_folder_of_another_task(self, classify, tmp_path):
        class Cook(Pipeline):
            task = "cooking"

        classify.save(tmp_path)
        with pytest.raises(ValueError, match="Expected a pipeline of the task cooking"):
            Cook.load(tmp_path)

    def test_weights_of_another_structure(self, classify, tmp_path):
        write_model(tmp_path, "model", classify.model)
        write_model(tmp_path, "other", make_classifier(num_labels=2))
        (tmp_path / "other.safetensors").replace(tmp_path / "model.safetensors")
        with pytest.raises(ValueError, match="Expected weights for the structure of .* got others"):
            read_model(tmp_path, "model")


class TestHostileStructure:
    def edit(self, folder, change, model):
        """Write a model whose structure is changed, and return its path."""
        write_model(folder, "model", model)
        path = folder / "model.json"
        record = json.loads(path.read_text("utf-8"))
        change(record["config"]["layers"][-1]["config"])
        path.write_text(json.dumps(record), "utf-8")

    def test_layers_larger_than_the_file_take_no_memory(self, classify, tmp_path):
        self.edit(tmp_path, lambda config: config.update(units=10**12), classify.model)
        with pytest.raises(ValueError, match="its layers have .* numbers, more than the file"):
            read_model(tmp_path, "model")

    def test_arguments_that_a_layer_does_not_take(self, classify, tmp_path):
        self.edit(tmp_path, lambda config: config.update(colour="red"), classify.model)
        with pytest.raises(ValueError, match=r"Expected a model in .*model\.json, got: "):
            read_model(tmp_path, "model")


class TestStructure:
    def wrap(self, layer):
        ids = keras.Input((None,), dtype="int32")
        vectors = keras.layers.Embedding(20, 3)(ids)
        return keras.Model(ids, layer(keras.ops.mean(vectors, axis=1)))

    def save(self, layer, folder):
        model = self.wrap(layer)
        TextClassifier(model, make_tokenizer(), LABELS, from_logits=True).save(folder)

    def test_a_layer_that_is_not_registered_is_refused_before_anything_is_written(self, tmp_path):
        class Own(keras.layers.Layer):
            def call(self, x):
                return x

        with pytest.raises(ValueError, match="Expected layers and functions that Keras can find"):
            self.save(Own(), tmp_path)
        assert list(tmp_path.iterdir()) == []

    def test_code_is_refused(self, tmp_path):
        with pytest.raises(ValueError, match="got 'Lambda'|got '__lambda__'"):
            self.save(keras.layers.Lambda(lambda x: x), tmp_path)

    @pytest.mark.parametrize("module", ["os", "keras_hub.layers", "subprocess"])
    def test_a_structure_imports_no_other_module(self, tmp_path, module, classify):
        write_model(tmp_path, "model", classify.model)
        path = tmp_path / "model.json"
        text = path.read_text("utf-8").replace('"module": "keras.layers"', f'"module": "{module}"')
        path.write_text(text, "utf-8")
        with pytest.raises(ValueError, match="Expected layers and functions that Keras can find"):
            read_model(tmp_path, "model")
