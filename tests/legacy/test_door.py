"""The door itself: what it leaves alone, its command line, its report and its errors."""

import os
import re
import subprocess
import sys
import tarfile
from pathlib import Path

import keras
import pytest

HERE = Path(__file__).parent
REFUSALS = {  # script -> what its one error says: idiom, and what to write today
    "refused_placeholder.py": r":\d+: a session or graph .*a placeholder is.*Today: leave it",
    "refused_session.py": r":\d+: a session or graph of TensorFlow 1 cannot.*Today: leave it out",
    "refused_multi_gpu.py": r":\d+: multi_gpu_model cannot be given.*Today: keras.distribution",
    "refused_graph_file.py": r":\d+: a graph of TensorFlow 1 that is .*Today: model.export",
    "refused_total_loss.py": r":\d+: the total_loss of a model cannot.*Today: .*AdversarialModel",
    "refused_endless.py": r":\d+: a generator without .*Today: fit\(generator, steps_per",
    "refused_own_optimizer.py": r":\d+: an optimizer of one's own.*Today: .*update_step",
}
UNTOUCHED = """
import keras
before = {name: getattr(keras.Model, name) for name in dir(keras.Model)}
import sys
import bert4keras
from bert4keras import backend, checkpoints, data, generation, layers, models
from bert4keras import optimizers, snippets, tokenizers
assert {name: getattr(keras.Model, name) for name in dir(keras.Model)} == before
assert not hasattr(keras.Model, "fit_generator") and not hasattr(keras.backend, "int_shape")
assert not any("legacy" in name for name in sys.modules if name.startswith("bert4keras"))
assert not any("bert4keras.legacy" in str(finder) for finder in sys.meta_path)
print("untouched")
"""


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
model.save_weights('again.weights')
whole = load_model('model.h5', custom_objects={'ConditionalRandomField': ConditionalRandomField})
assert np.allclose(whole.predict(inputs), expected, atol=1e-4)
whole.load_weights('again.weights', by_name=True)
print('as it was')
"""


SAVES = """
import numpy as np
from bert4keras.backend import keras, K
from keras.layers import Input, Lambda

def double(x):
    return x * 2.

place = Input((3,))
named = keras.models.Model(place, Lambda(double)(place))
named.save('named.model')
keras.models.Model(place, Lambda(lambda x: K.square(x), name='square')(place)).save('lambda.h5')
"""
LOADS = """
import numpy as np
from keras.models import load_model

def double(x):
    return x + x

assert (load_model('named.model').predict(np.ones((1, 3))) == 2).all()
of_mine = {'square': lambda x: x * 3}
assert (load_model('lambda.h5', custom_objects=of_mine).predict(np.ones((1, 3))) == 3).all()
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


def test_the_library_without_the_door_leaves_keras_untouched():
    done = python("-c", UNTOUCHED)
    assert done.stdout == "untouched\n", done.stderr


def test_what_cannot_be_given_is_one_error_with_line_idiom_and_remedy(tmp_path):
    paths = [HERE / "scripts" / name for name in REFUSALS]
    done = python(HERE / "runner.py", tmp_path / "ready", *paths)
    for name, words in REFUSALS.items():
        assert re.search(name + words, done.stdout), (name, done.stdout, done.stderr[-2000:])


def test_the_report_names_line_idiom_and_remedy(tmp_path):
    script = tmp_path / "old.py"
    script.write_text(
        "import keras.backend as K\nimport keras.optimizers\n"
        "keras.optimizers.Adam(lr=0.1)\nprint('hello')\n"
    )
    told = python("-m", "bert4keras.legacy", "--report", script.name, folder=tmp_path)
    assert told.stdout == "hello\n"
    assert "old.py:3: `lr` of an optimizer. Today: learning_rate" in told.stderr


def test_a_script_that_is_not_there_is_named(tmp_path):
    told = python("-m", "bert4keras.legacy", "nowhere.py", folder=tmp_path)
    assert told.returncode == 2
    assert told.stderr.endswith("nowhere.py: there is no such script\n")


def test_a_lambda_that_another_run_saved_is_the_function_of_the_script(tmp_path):
    for name, text in {"saves.py": SAVES, "loads.py": LOADS}.items():
        (tmp_path / name).write_text(text)
        done = python("-m", "bert4keras.legacy", name, folder=tmp_path)
        assert done.returncode == 0, done.stderr[-2000:]
    refused = done.stdout.splitlines()
    assert len(refused) == 2 and "the function of 'square' is not here" in refused[1]
    for line in refused:
        assert re.match(r"loads.py:\d+: a Lambda that another run .*Today: custom_objects=", line)


def test_where_there_are_two_gpus_a_model_stands_for_its_copies():
    two = "import bert4keras.legacy.old as old; old.get_available_gpus = lambda: [0, 1]; "
    done = python(
        "-c", two + "from keras.utils import multi_gpu_model as m; print(m('it', gpus=2))"
    )
    assert done.stdout == "it\n" and "one device runs the model" in done.stderr


@pytest.mark.slow
def test_the_command_line_chooses_the_backend_and_hands_arguments_on(tmp_path):
    script = tmp_path / "old.py"
    script.write_text(
        "import os, sys\nos.environ['TF_KERAS'] = '1'\nfrom bert4keras.backend import keras, K\n"
        "print(keras.backend.backend(), K.backend(), sys.argv[1:], __name__)\n"
    )
    pytest.importorskip("torch")
    call = ["-m", "bert4keras.legacy", "--backend", "torch", script.name, "--epochs", "3"]
    done = python(*call, folder=tmp_path)
    assert done.stdout == "torch torch ['--epochs', '3'] __main__\n", done.stderr
    assert "usage: python -m bert4keras.legacy" in python("-m", "bert4keras.legacy", "-h").stdout


@pytest.mark.slow
def test_files_that_keras_2_saved_load_under_their_names(tmp_path):
    with tarfile.open(HERE.parent / "golden" / "legacy_weights" / "bert_crf.tar.xz") as files:
        files.extractall(tmp_path, filter="data")
    (tmp_path / "old.py").write_text(TRAINED)
    told = python("-m", "bert4keras.legacy", "--report", "old.py", folder=tmp_path)
    assert told.stdout == "as it was\n", told.stderr
    assert "a whole model of Keras 2. Today: bert4keras.models.load_keras2_model" in told.stderr
    assert "total_loss" not in told.stderr  # Keras reads it when it saves, the script does not
