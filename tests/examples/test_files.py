"""Files of synthetic data, and the small model that a page trains without a checkpoint."""

import os
from pathlib import Path

import settings

import numpy as np
import pytest

from bert4keras.backend import Sinusoidal, keras
from bert4keras.models import build_transformer_model
from bert4keras.tokenizers import load_tokenizer
from examples.data import files
from examples.data.small_model import make_checkpoint


@pytest.fixture(autouse=True)
def in_a_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv(settings.SMOKE, raising=False)


def write(number=400):
    return files.write_files("numbers", train=("txt", lambda count: map(str, range(count)), number))


def test_a_file_has_a_line_for_each_sample():
    [path] = write()
    assert path == "output/data/numbers/train.txt"
    assert Path(path).read_text().splitlines() == [*map(str, range(400))]


def test_a_quick_test_has_little_data_in_a_folder_of_its_own(monkeypatch):
    monkeypatch.setenv(settings.SMOKE, "1")
    [path] = write(4000)
    assert path == "output/data/numbers-smoke/train.txt"
    assert len(Path(path).read_text().splitlines()) == 40


def test_files_are_kept_until_the_code_changes(monkeypatch):
    [path] = write()
    os.utime(path, (1, 1))
    write()
    assert Path(path).stat().st_mtime == 1
    monkeypatch.setattr(files, "compute_source_hash", lambda: "new")
    write()
    assert Path(path).stat().st_mtime > 1


def test_a_missing_file_is_written_again():
    [path] = write()
    Path(path).unlink()
    write()
    assert Path(path).is_file()


def test_a_small_model_opens_like_a_checkpoint_and_begins_with_waves():
    folder = make_checkpoint("task", ["山Ab", "水"], dropout=0.0, num_hidden_layers=1)
    tokenizer = load_tokenizer(folder)
    unknown = tokenizer.unk_id
    assert tokenizer.encode("山a火")[0].count(unknown) == 1  # 火 is not among the characters
    model = build_transformer_model(folder, with_mlm=True)
    assert model.output_shape == (None, None, tokenizer.vocab_size)
    table = keras.ops.convert_to_numpy(model.get_layer("Embedding-Position").weights[0])
    waves = keras.ops.convert_to_numpy(Sinusoidal(scale=0.05)(table.shape))
    np.testing.assert_allclose(table, waves, atol=1e-6)
