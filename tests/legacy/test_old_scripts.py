"""Scripts in the style of 2020, for each idiom and kind of task: they run unchanged."""

import json
import os
import subprocess
import sys
from pathlib import Path

import keras
import pytest

FOLDER = Path(__file__).parent
SCRIPTS = sorted(path.name for path in (FOLDER / "scripts").glob("*.py"))
SCRIPTS = [
    name for name in SCRIPTS if not name.startswith("refused_")
]  # see test_compatibility_mode.py
SIZE = 9  # scripts in a process
BATCHES = [SCRIPTS[i : i + SIZE] for i in range(0, len(SCRIPTS), SIZE)]
NO_GRAPH = "Unsupported: K.gradients (only TensorFlow has a graph to differentiate). Use "
NOT_TENSORFLOW = "on a symbolic tensor (the backend is not TensorFlow). Use keras.ops"
IN_LOSS = ": Unsupported: a TensorFlow function in a loss, metric or layer (the backend is "
TRAINING = "and train_function (JAX passes state through its training function). Use "
STEP = "Unsupported: a custom train_step (JAX passes state through it). Override compute_loss"
COMPILED = "in a train_step (the backend is not TensorFlow). Use self.compute"
OPTIMIZER = "with get_updates (the backend is not TensorFlow). Write a subclass"
ERRORS = {  # script: {backend: part of the error}; on TensorFlow all scripts run
    "adversarial_fgm.py": {"jax": TRAINING},
    "adversarial_gradient_penalty.py": {"jax": NO_GRAPH, "torch": NO_GRAPH},
    "adversarial_in_graph.py": {"jax": NO_GRAPH, "torch": NO_GRAPH},
    "adversarial_pgd.py": {"jax": TRAINING},
    "bert_of_theseus.py": {"jax": "you should only use seeded random ops"},
    "in_train_phase.py": {"jax": "you should only use seeded random ops"},
    "k_gradients_saliency.py": {"jax": NO_GRAPH, "torch": NO_GRAPH},
    "memm_lr_multiplier.py": {"jax": "Compile without it, and call it on what model.predict gives"},
    "own_optimizer.py": {"jax": OPTIMIZER, "torch": OPTIMIZER},
    "layers_copied.py": {"jax": "you should only use seeded random ops"},
    "python_in_graphs.py": {"jax": NOT_TENSORFLOW, "torch": NOT_TENSORFLOW},
    "python_on_tensors.py": {"jax": IN_LOSS, "torch": IN_LOSS},
    "table_searched_in_call.py": {"jax": "has no attribute _keras_history"},
    "train_function_of_batch.py": {"jax": TRAINING},
    "train_steps.py": {"jax": STEP, "torch": COMPILED},
    "tf_on_symbolic.py": {"jax": NOT_TENSORFLOW, "torch": NOT_TENSORFLOW},
}


def run_scripts(scripts, folder):
    """Run scripts in one process, and return their results by name."""
    paths = [str(FOLDER / "scripts" / name) for name in scripts]
    process = subprocess.run(
        [sys.executable, FOLDER / "run_scripts.py", folder / "files", *paths],
        capture_output=True,
        text=True,
        env={**os.environ, "KERAS_BACKEND": keras.backend.backend()},
    )
    lines = [x for x in process.stdout.splitlines() if x.startswith("RESULT ")]
    results = [json.loads(line.removeprefix("RESULT ")) for line in lines]
    assert len(results) == len(scripts), process.stderr[-3000:]
    return {result["script"]: result for result in results}


@pytest.mark.slow
class TestOldScripts:
    @pytest.mark.parametrize("scripts", BATCHES, ids=lambda names: names[0].removesuffix(".py"))
    def test_scripts_of_2020_run_unchanged(self, scripts, tmp_path):
        results = run_scripts(scripts, tmp_path)
        for name in scripts:
            error, expected = results[name]["error"], ERRORS.get(name, {})
            if keras.backend.backend() in expected:
                assert expected[keras.backend.backend()] in str(error)
            else:
                assert error is None, (name, error)
