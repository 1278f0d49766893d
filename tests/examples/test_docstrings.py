"""Docstrings of the synthetic data: their examples run."""

import doctest
from importlib import import_module
from pathlib import Path

import settings

import pytest

MODULES = sorted(path.stem for path in Path(settings.__file__).parent.glob("data/[a-z]*.py"))


@pytest.mark.parametrize("name", MODULES)
def test_examples_of_synthetic_data_hold(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)  # files are written to output/data
    monkeypatch.delenv(settings.SMOKE, raising=False)
    module = import_module(f"examples.data.{name}")
    options = doctest.ELLIPSIS | doctest.IGNORE_EXCEPTION_DETAIL
    assert doctest.testmod(module, optionflags=options).failed == 0
