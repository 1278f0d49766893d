"""Compatibility mode: import, command line, usage report, errors, files."""

import os
import re
import subprocess
import sys
from pathlib import Path

import keras
import pytest
from support import unpack

FOLDER = Path(__file__).parent
SESSION = r":\d+: Unsupported: a session or graph of TensorFlow 1"
ERRORS = {  # script: its error
    "refused_placeholder.py": SESSION + r" \(a placeholder needs a session\). Delete it",
    "refused_session.py": SESSION + r" \(models run eagerly, without a graph\). Delete it",
    "refused_multi_gpu.py": r":\d+: Unsupported: multi_gpu_model .*got \d\). Use keras.dist",
    "refused_graph_file.py": r":\d+: Unsupported: saving a graph of .*. Use model.export",
    "refused_total_loss.py": r":\d+: Unsupported: total_loss of a model .*. Train with .*Advers",
    "refused_endless.py": r":\d+: Unsupported: a generator without .*. Pass steps_per_epoch to fit",
    "refused_own_optimizer.py": r":\d+: Unsupported: a custom optimizer .*. Write .*update_step",
}
IMPORT = """
import keras
before = {name: getattr(keras.Model, name) for name in dir(keras.Model)}
import sys
import bert4keras
from bert4keras import backend, checkpoints, data, generation, layers, models
from bert4keras import optimizers, snippets, tokenizers
after = {name: getattr(keras.Model, name) for name in dir(keras.Model)}
assert not hasattr(keras.Model, "fit_generator") and not hasattr(keras.backend, "int_shape")
assert not any("legacy" in name for name in sys.modules if name.startswith("bert4keras"))
assert not any("bert4keras.legacy" in str(finder) for finder in sys.meta_path)
print(*sorted(name for name in after if after[name] != before.get(name)))
"""
INSTALLED = """
import keras
from bert4keras import legacy
fit = keras.Model.fit
legacy.install()
print(fit is keras.Model.fit)
from bert4keras.legacy import bert4keras_models
bert4keras_models.get_available_gpus = lambda: [0, 1]
from keras.utils import multi_gpu_model
print(multi_gpu_model("model", gpus=2))
"""
JAX_TRAINER = "_bert4keras_sync _make_function evaluate fit jax_state_sync predict"
TRAINED = """#! -*- coding: utf-8 -*-
import numpy as np
from bert4keras.backend import keras
from bert4keras.layers import ConditionalRandomField
from bert4keras.models import build_transformer_model
from keras.layers import Dense
from keras.models import Model, load_model
from keras.utils import custom_object_scope

file = np.load('io.npz')
inputs, expected = [file['x0'], file['x1']], file['y0']
base = build_transformer_model('config.json', model='bert', return_keras_model=False)
CRF = ConditionalRandomField(lr_multiplier=100)
model = Model(base.model.input, CRF(Dense(expected.shape[-1])(base.model.output)))
model.load_weights('best_model.weights')
assert np.allclose(model.predict(inputs), expected, atol=1e-4)
model.save_weights('saved.weights')
loaded = load_model('model.h5', custom_objects={'ConditionalRandomField': ConditionalRandomField})
assert np.allclose(loaded.predict(inputs), expected, atol=1e-4)
loaded.load_weights('saved.weights', by_name=True)
print('loaded')
"""
SAVES = """
import numpy as np
from bert4keras.backend import keras, K
from keras.layers import Input, Lambda

def double(x):
    return x * 2.

input = Input((3,))
named = keras.models.Model(input, Lambda(double)(input))
named.save('named.model')
square = Lambda(lambda x: K.square(x) + K.epsilon(), name='square')
keras.models.Model(input, square(input)).save('lambda.h5')
"""
LOADS = """
import numpy as np
from keras.models import load_model

def double(x):
    return x + x

assert (load_model('named.model').predict(np.ones((1, 3))) == 2).all()
functions = {'square': lambda x: x * 3}
assert (load_model('lambda.h5', custom_objects=functions).predict(np.ones((1, 3))) == 3).all()
del double
for file in 'named.model', 'lambda.h5':
    try:
        load_model(file)
    except RuntimeError as error:
        print(error)
"""


def python(*arguments, folder=None):
    return subprocess.run(
        [sys.executable, *map(str, arguments)],
        capture_output=True,
        text=True,
        cwd=folder,
        env={**os.environ, "KERAS_BACKEND": keras.backend.backend()},
    )


@pytest.fixture(scope="module")
def installation():
    """A process that installs the mode again, and asks for a model on two GPUs."""
    return python("-c", INSTALLED)


class TestImport:
    def test_importing_the_library_patches_the_trainer_on_jax_alone(self):
        process = python("-c", IMPORT)
        names = JAX_TRAINER if keras.backend.backend() == "jax" else ""
        assert process.stdout == f"{names}\n", process.stderr

    def test_a_second_install_has_no_effect(self, installation):
        assert installation.stdout.splitlines()[0] == "True", installation.stderr


class TestMultiGPUModel:
    def test_with_two_gpus_it_returns_the_model_and_warns(self, installation):
        assert installation.stdout.splitlines()[1:] == ["model"], installation.stderr
        assert "one GPU runs the model" in installation.stderr


class TestCommandLine:
    def test_a_missing_script_is_named(self, tmp_path):
        process = python("-m", "bert4keras.legacy", "nowhere.py", folder=tmp_path)
        assert process.returncode == 2
        assert "Expected the path of a script, got 'nowhere.py'" in process.stderr

    def test_help_is_in_plain_words(self):
        text = python("-m", "bert4keras.legacy", "-h").stdout
        assert "usage: python -m bert4keras.legacy" in text
        assert "Run a script for bert4keras 0.6 to 0.11" in text

    @pytest.mark.slow
    def test_backend_and_arguments_reach_the_script(self, tmp_path):
        script = tmp_path / "old.py"
        script.write_text(
            "import os, sys\nos.environ['TF_KERAS'] = '1'\n"
            "from bert4keras.backend import keras, K\n"
            "print(keras.backend.backend(), K.backend(), sys.argv[1:], __name__)\n"
        )
        pytest.importorskip("torch")
        call = ["-m", "bert4keras.legacy", "--backend", "torch", script.name, "--epochs", "3"]
        process = python(*call, folder=tmp_path)
        assert process.stdout == "torch torch ['--epochs', '3'] __main__\n", process.stderr


class TestUsageReport:
    def test_lines_have_file_line_idiom_and_remedy(self, tmp_path):
        script = tmp_path / "old.py"
        script.write_text(
            "import keras.backend as K\nimport keras.optimizers\n"
            "keras.optimizers.Adam(lr=0.1)\nprint('hello')\n"
        )
        process = python("-m", "bert4keras.legacy", "--report", script.name, folder=tmp_path)
        assert process.stdout == "hello\n"
        assert "old.py:3: `lr` of an optimizer. Use learning_rate." in process.stderr

    @pytest.mark.slow
    def test_a_script_without_outdated_code(self, tmp_path):
        (tmp_path / "new.py").write_text("import keras\n")
        process = python("-m", "bert4keras.legacy", "--report", "new.py", folder=tmp_path)
        assert process.stderr.endswith("The script uses no outdated code.\n")


class TestUnsupported:
    def test_errors_have_line_idiom_reason_and_remedy(self, tmp_path):
        paths = [FOLDER / "scripts" / name for name in ERRORS]
        process = python(FOLDER / "run_scripts.py", tmp_path / "files", *paths)
        for name, pattern in ERRORS.items():
            message = (name, process.stdout, process.stderr[-2000:])
            assert re.search(name + pattern, process.stdout), message


class TestFiles:
    @pytest.mark.slow
    def test_a_lambda_saved_by_another_process_gets_the_function_of_the_script(self, tmp_path):
        for name, text in {"saves.py": SAVES, "loads.py": LOADS}.items():
            (tmp_path / name).write_text(text)
            process = python("-m", "bert4keras.legacy", name, folder=tmp_path)
            assert process.returncode == 0, process.stderr[-2000:]
        errors = process.stdout.splitlines()
        assert len(errors) == 2 and "no function for the layer 'square'" in errors[1]
        for line in errors:
            assert re.match(r"loads.py:\d+: Unsupported: a Lambda .*. Pass custom_objects=", line)

    @pytest.mark.slow
    def test_files_of_keras_2_load_under_their_names(self, tmp_path):
        unpack(FOLDER.parent / "golden" / "legacy_weights" / "bert_crf.tar.xz", tmp_path)
        (tmp_path / "old.py").write_text(TRAINED)
        process = python("-m", "bert4keras.legacy", "--report", "old.py", folder=tmp_path)
        assert process.stdout == "loaded\n", process.stderr
        report = process.stderr
        assert "a whole model saved by Keras 2. Use bert4keras.models.load_keras2_model" in report
        assert "total_loss" not in report  # Keras reads it when it saves, the script does not
