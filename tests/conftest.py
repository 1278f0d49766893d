import os

os.environ.setdefault("XLA_FLAGS", "--xla_backend_optimization_level=0")  # JAX compiles in 3/4

import keras  # noqa: E402
import pytest  # noqa: E402


@pytest.fixture(autouse=True)
def a_fresh_start():
    """The same random numbers and the usual precision for every test."""
    keras.utils.set_random_seed(2026)
    yield
    keras.config.set_dtype_policy("float32")
