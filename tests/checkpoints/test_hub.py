"""``resolve_hub_path``: models by their names on the hub, from a local cache, never online."""

import shutil
import sys

import numpy as np
import pytest
from support import GOLDEN

from bert4keras.models import build_transformer_model

IDS = [np.array([[2, 7, 9, 3]]), np.zeros((1, 4))]


@pytest.fixture
def cache(tmp_path, monkeypatch):
    """A cache that holds a copy of one golden folder as `someone/tiny-bert`."""
    constants = pytest.importorskip("huggingface_hub.constants")
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    repository = tmp_path / "models--someone--tiny-bert"
    (repository / "refs").mkdir(parents=True)
    (repository / "refs" / "main").write_text("0" * 40)

    def hold(folder):
        shutil.copytree(GOLDEN / "hf" / folder, repository / "snapshots" / ("0" * 40))

    return hold


@pytest.mark.parametrize("folder", ["bert", "bert@bin", "bert_mlm@sharded"])
def test_a_model_opens_by_its_name_on_the_hub(cache, folder):
    cache(folder)
    model = build_transformer_model("hf://someone/tiny-bert")
    want = build_transformer_model(GOLDEN / "hf" / folder)
    np.testing.assert_array_equal(model.predict(IDS, verbose=0), want.predict(IDS, verbose=0))


def test_configuration_and_weights_can_be_named_apart(cache):
    cache("bert")
    model = build_transformer_model(
        GOLDEN / "hf" / "bert" / "config.json", "hf://someone/tiny-bert"
    )
    want = build_transformer_model(GOLDEN / "hf" / "bert")
    np.testing.assert_array_equal(model.predict(IDS, verbose=0), want.predict(IDS, verbose=0))


def test_offline_and_not_in_the_cache_it_says_so(cache):
    with pytest.raises(FileNotFoundError, match="hf://no/such is not in the local cache"):
        build_transformer_model("hf://no/such")


def test_without_huggingface_hub_it_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    with pytest.raises(ImportError, match=r"pip install \"bert4keras\[hub\]\""):
        build_transformer_model("hf://someone/tiny-bert")
