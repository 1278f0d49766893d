"""Scripts in the style of 2020, for each idiom and family of tasks: they run as they are."""

import json
import os
import subprocess
import sys
from pathlib import Path

import keras
import pytest

HERE = Path(__file__).parent
SCRIPTS = sorted(path.name for path in (HERE / "scripts").glob("*.py"))
SCRIPTS = [name for name in SCRIPTS if not name.startswith("refused_")]  # see test_door
QUICK = [  # without waiting for `pytest -m slow`
    "decoder_whole_predict.py",
    "decoder_set_rtype.py",
    "task_multitask.py",
]
SIZE = 9  # scripts in a process
SLOW = [name for name in SCRIPTS if name not in QUICK]
BATCHES = [QUICK] + [
    pytest.param(SLOW[i : i + SIZE], marks=pytest.mark.slow) for i in range(0, len(SLOW), SIZE)
]
GRADIENTS = "K.gradients cannot be given (only TensorFlow has a graph to differentiate). Today: "
FUNCTION = "on a symbolic tensor cannot be given (the backend is not TensorFlow). Today: keras.ops"
TRAINING = "train_function cannot be given (JAX hands state through its training function). Today: "
STEP = "a train_step of one's own cannot be given (JAX hands state through it). Today: compute_loss"
COMPILED = "in its train_step cannot be given (the backend is not TensorFlow). Today: self.compute"
OPTIMIZER = "get_updates cannot be given (the backend is not TensorFlow). Today: a subclass"
REFUSED = {  # script -> {backend: what its error must say}; no script is refused on TensorFlow
    "adversarial_fgm.py": {"jax": TRAINING},
    "adversarial_gradient_penalty.py": {"jax": GRADIENTS, "torch": GRADIENTS},
    "adversarial_in_graph.py": {"jax": GRADIENTS, "torch": GRADIENTS},
    "adversarial_pgd.py": {"jax": TRAINING},
    "in_train_phase.py": {"jax": "you should only use seeded random ops"},
    "k_gradients_saliency.py": {"jax": GRADIENTS, "torch": GRADIENTS},
    "memm_lr_multiplier.py": {"jax": "Compile without it, and call it on what model.predict gives"},
    "own_optimizer.py": {"jax": OPTIMIZER, "torch": OPTIMIZER},
    "layers_copied.py": {"jax": "you should only use seeded random ops"},
    "python_in_graphs.py": {"jax": FUNCTION, "torch": FUNCTION},
    "table_searched_in_call.py": {"jax": "has no attribute _keras_history"},
    "train_steps.py": {"jax": STEP, "torch": COMPILED},
    "tf_on_symbolic.py": {"jax": FUNCTION, "torch": FUNCTION},
}


def results_of(scripts, folder):
    """What came of scripts that one process has run through the door, by name."""
    paths = [str(HERE / "scripts" / name) for name in scripts]
    done = subprocess.run(
        [sys.executable, HERE / "runner.py", folder / "ready", *paths],
        capture_output=True,
        text=True,
        env={**os.environ, "KERAS_BACKEND": keras.backend.backend()},
    )
    lines = [x for x in done.stdout.splitlines() if x.startswith("RESULT ")]
    found = [json.loads(line.removeprefix("RESULT ")) for line in lines]
    assert len(found) == len(scripts), done.stderr[-3000:]
    return {result["script"]: result for result in found}


@pytest.mark.parametrize("scripts", BATCHES, ids=lambda names: names[0].removesuffix(".py"))
def test_scripts_of_2020_run_as_they_are(scripts, tmp_path):
    errors = {name: result["error"] for name, result in results_of(scripts, tmp_path).items()}
    for name in scripts:
        words = REFUSED.get(name, {}).get(keras.backend.backend())
        if words is None:
            assert errors[name] is None, (name, errors[name])
        else:
            assert words in str(errors[name])
