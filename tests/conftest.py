import keras
import pytest


@pytest.fixture(autouse=True)
def a_fresh_start():
    """The same random numbers and the usual precision for every test."""
    keras.utils.set_random_seed(2026)
    yield
    keras.config.set_dtype_policy("float32")
