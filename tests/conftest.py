import contextlib
import importlib
import os
from collections import Counter
from pathlib import Path

os.environ.setdefault("XLA_FLAGS", "--xla_backend_optimization_level=0")  # JAX compiles in 3/4

import keras  # noqa: E402
import pytest  # noqa: E402

SLOW = pytest.StashKey[list]()  # ids of the slow tests that a run leaves out


@pytest.fixture(autouse=True)
def fresh_start():
    """Seed the random numbers of every test, and reset the precision after it."""
    keras.utils.set_random_seed(2026)
    yield
    keras.config.set_dtype_policy("float32")


@contextlib.contextmanager
def _tensorflow_eagerly():
    config = importlib.import_module("tensorflow").config
    config.run_functions_eagerly(True)
    yield
    config.run_functions_eagerly(False)


@pytest.fixture
def eager_tensorflow():
    """Trace no graph on TensorFlow: that takes longer than a few steps. JAX is quicker compiled."""
    is_tensorflow = keras.backend.backend() == "tensorflow"
    with _tensorflow_eagerly() if is_tensorflow else contextlib.nullcontext():
        yield


@pytest.fixture
def eager_steps():
    """Run programs as they are written, so that a step counts its calls."""
    if keras.backend.backend() == "tensorflow":
        context = _tensorflow_eagerly()
    elif keras.backend.backend() == "jax":
        context = importlib.import_module("jax").disable_jit()
    else:
        context = contextlib.nullcontext()
    with context:
        yield


def pytest_addoption(parser):
    text = "run every N-th test that is not slow, for a backend on which all take too long"
    parser.addoption("--every", type=int, default=1, metavar="N", help=text)


def pytest_configure(config):
    config.stash[SLOW] = []


def pytest_collection_modifyitems(config, items):
    """Count slow tests before the marker expression deselects them; apply ``--every``."""
    slow = [item for item in items if item.get_closest_marker("slow")]
    config.stash[SLOW] = [item.nodeid for item in slow]
    if config.option.every > 1:
        quick = [item for item in items if not item.get_closest_marker("slow")]
        selection = {*slow, *quick[:: config.option.every]}
        config.hook.pytest_deselected(items=[item for item in items if item not in selection])
        items[:] = [item for item in items if item in selection]


@pytest.hookimpl(tryfirst=True)  # before pytest-xdist sends what a worker says
def pytest_sessionfinish(session):
    """Send the slow tests of a worker to the process that reports."""
    if hasattr(session.config, "workeroutput"):
        session.config.workeroutput["slow"] = session.config.stash[SLOW]


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node, error):
    """Receive the slow tests from a worker; each worker collects all tests."""
    node.config.stash[SLOW] = getattr(node, "workeroutput", {}).get("slow", [])


def pytest_terminal_summary(terminalreporter, config):
    """Report the tests that this run leaves out."""
    if config.option.markexpr != "not slow" or not config.stash[SLOW]:
        return
    files = Counter(Path(nodeid.split("::")[0]).as_posix() for nodeid in config.stash[SLOW])
    parts = [f"{name} ({count})" for name, count in files.most_common()]
    total = sum(files.values())
    terminalreporter.write_line(f"{total} slow tests did not run. `pytest -m slow` adds them:")
    terminalreporter.write_line("  " + ", ".join(parts))
