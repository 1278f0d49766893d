"""Fixtures of the tests of decoding."""

import contextlib
import importlib

import keras
import pytest


@contextlib.contextmanager
def _tensorflow_eagerly():
    config = importlib.import_module("tensorflow").config
    config.run_functions_eagerly(True)
    yield
    config.run_functions_eagerly(False)


@pytest.fixture
def eager_steps():
    """Programs that run as they are written, so that a step counts its calls."""
    if keras.backend.backend() == "tensorflow":
        context = _tensorflow_eagerly()
    elif keras.backend.backend() == "jax":
        context = importlib.import_module("jax").disable_jit()
    else:
        context = contextlib.nullcontext()
    with context:
        yield
