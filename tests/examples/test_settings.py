"""Settings of the examples: constants as options, checks, one-line errors, predictions."""

import os
import subprocess
import sys
from pathlib import Path

import settings

import numpy as np
import pytest

from bert4keras.backend import keras

PAGE = """# 一个任务 / A task
# 结果 Expect  100% 正确

import settings

train_file = ""  # 训练集  training data
valid_file = ""
checkpoint = ""
epochs = 5
learning_rate = 1e-3  # 学习率  100% of it
overlap = 0  # 重叠  overlap
uses_crf = True  # 用 CRF  use a CRF
kinds = ["a", "b"]
size = 2 * epochs
output = "output/task"  # 文件夹  folder
settings.override(globals())
number = 3
"""


@pytest.fixture
def run(tmp_path, monkeypatch):
    """Run a page with words as its command line, and return its names."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "excepthook", sys.excepthook)  # put back after the test
    monkeypatch.delenv(settings.SMOKE, raising=False)
    (tmp_path / "page.py").write_text(PAGE, encoding="utf-8")

    def run_page(*words):
        monkeypatch.setattr(sys, "argv", ["page.py", *map(str, words)])
        page = {"__file__": str(tmp_path / "page.py")}
        exec(PAGE, page)
        return page

    yield run_page
    os.environ.pop(settings.SMOKE, None)
    keras.config.set_dtype_policy("float32")


def error_of(run, capsys, *words):
    with pytest.raises(SystemExit):
        run(*words)
    return capsys.readouterr().err.strip().splitlines()[-1]


def test_constants_are_the_defaults(run):
    page = run()
    assert (page["epochs"], page["learning_rate"], page["uses_crf"]) == (5, 1e-3, True)
    assert page["size"] == 10 and page["number"] == 3


def test_options_replace_constants(run):
    page = run("--epochs", 7, "--learning_rate", "2e-5", "--no-uses_crf", "--output", "new")
    assert (page["epochs"], page["learning_rate"], page["uses_crf"]) == (7, 2e-5, False)
    assert page["output"] == "new" and page["size"] == 10  # computed before


def test_help_has_the_header_the_comments_and_the_defaults(run, capsys):
    with pytest.raises(SystemExit):
        run("--help")
    text = capsys.readouterr().out
    for part in ("一个任务 / A task", "100% 正确", "训练集", "100% of it [0.001]", "--no-uses_crf"):
        assert part in text
    assert "--kinds" not in text and "--size" not in text and "--number" not in text


def test_a_smoke_run_is_one_epoch_of_little_data(run):
    assert run("--smoke")["epochs"] == 1 and settings.is_smoke()
    assert run()["epochs"] == 5 and not settings.is_smoke()


def test_seed_and_precision_are_set(run):
    run("--seed", 3, "--precision", "mixed_bfloat16")
    numbers = np.random.rand(2)
    assert keras.config.dtype_policy().name == "mixed_bfloat16"
    assert run("--seed", 3)["seed"] == 3
    assert np.array_equal(np.random.rand(2), numbers)
    assert keras.config.dtype_policy().name == "float32"


def test_a_notebook_has_no_command_line(run, monkeypatch):
    monkeypatch.setattr(sys, "argv", ["ipykernel_launcher.py", "-f", "kernel.json"])
    page = {}
    exec(PAGE, page)
    assert page["epochs"] == 5
    monkeypatch.setenv(settings.SMOKE, "1")
    exec(PAGE, page)
    assert page["epochs"] == 1


@pytest.mark.parametrize(
    "words, message",
    [
        (["--epochs", 0], "argument --epochs: Expected a number above 0, got 0."),
        (["--epochs", "2.5"], "argument --epochs: Expected a whole number, got '2.5'."),
        (["--learning_rate", "nan"], "argument --learning_rate: Expected a number above 0, got"),
        (["--learning_rate", "inf"], "Expected a number above 0, got inf."),
        (["--learning_rate", "x"], "Expected a number, got 'x'."),
        (["--overlap", -1], "argument --overlap: Expected a number of 0 or more, got -1."),
        (["--seed", -1], "argument --seed: Expected a number of 0 or more, got -1."),
        (["--train_file", "nowhere"], "Expected --train_file to be a file, got nowhere"),
        (["--checkpoint", "nowhere"], "--checkpoint nowhere: No configuration at nowhere."),
        (["--output", "page.py"], "Expected --output to be a folder, got page.py"),
        (["--output", "page.py/a"], "Expected --output to be a folder, got page.py/a, but page.py"),
        (["--train_file", "page.py"], "Expected --train_file and --valid_file together, got one"),
        (["--valid_file", "page.py"], "Expected --train_file and --valid_file together, got one"),
        (
            ["--smoke", "--train_file", "page.py", "--valid_file", "page.py"],
            "Expected --smoke without files",
        ),
        (["--speed", 1], "unrecognized arguments: --speed 1"),
        (["--learning", 1], "unrecognized arguments: --learning 1"),
    ],
)
def test_invalid_options_are_refused_at_once(run, capsys, words, message):
    assert message in error_of(run, capsys, *words)


def test_zero_is_valid_where_it_is_the_default(run):
    assert run("--overlap", 0)["overlap"] == 0


def test_a_vocabulary_of_another_checkpoint_is_refused(run, capsys, tmp_path):
    (tmp_path / "config.json").write_text('{"vocab_size": 2}')
    (tmp_path / "vocab.txt").write_bytes("\ufeff[PAD]\r\n[UNK]\r\n\r\n".encode())  # Notepad
    assert run("--checkpoint", tmp_path)["checkpoint"] == str(tmp_path)
    (tmp_path / "vocab.txt").write_text("[PAD]\n[UNK]\n山\n", encoding="utf-8")
    line = error_of(run, capsys, "--checkpoint", tmp_path)
    assert "vocab.txt to have at most 2 tokens, as the checkpoint has rows, got 3" in line


@pytest.mark.parametrize("text", ["", "[]", "{"])
def test_a_damaged_configuration_is_refused(run, capsys, tmp_path, text):
    (tmp_path / "config.json").write_text(text)
    assert "config.json" in error_of(run, capsys, "--checkpoint", tmp_path)


def test_a_checkpoint_of_the_hub_is_left_to_the_builder_of_the_model(run):
    assert run("--checkpoint", "hf://a/b")["checkpoint"] == "hf://a/b"


def test_a_prediction_before_the_training_is_refused(run, capsys):
    with pytest.raises(SystemExit, match="Expected a trained pipeline in output/task, got none"):
        run("--predict", "山")


def test_predictions_are_those_of_the_saved_pipeline(run, capsys, monkeypatch):
    Path("output/task").mkdir(parents=True)
    Path("output/task/pipeline.json").touch()
    monkeypatch.setattr("bert4keras.pipelines.load_pipeline", lambda folder: list)
    with pytest.raises(SystemExit) as exit_error:
        run("--predict", "山", "水")
    assert exit_error.value.code == 0
    assert capsys.readouterr().out == '山 -> "山"\n水 -> "水"\n'


def test_a_pair_of_texts_is_one_prediction(capsys, monkeypatch, tmp_path):
    (tmp_path / "pipeline.json").touch()
    monkeypatch.setattr("bert4keras.pipelines.load_pipeline", lambda folder: list)
    settings.print_predictions(tmp_path, ["谁？", "某"], 2)
    assert capsys.readouterr().out == "('谁？', '某') -> [\"谁？\", \"某\"]\n"


@pytest.mark.parametrize(
    "error, message",
    [
        (ValueError("data.txt\n  is  empty"), "page.py: error: data.txt is empty (--traceback"),
        (FileNotFoundError(2, "No such file", "a.txt"), "page.py: error: [Errno 2] No such file"),
        (MemoryError(), "page.py: error: MemoryError"),
        (KeyError("text"), "Traceback"),
        (KeyboardInterrupt(), "page.py: stopped. No model was saved yet."),
    ],
)
def test_errors_of_files_and_options_are_one_line(run, capsys, error, message):
    run()
    raise_into_hook(error)
    assert message in capsys.readouterr().err


def raise_into_hook(error):
    try:
        raise error
    except BaseException as caught:
        sys.excepthook(type(caught), caught, caught.__traceback__)


@pytest.mark.parametrize("is_saved", [True, False])
def test_an_interruption_says_where_the_best_model_is(run, capsys, is_saved):
    Path("output/task").mkdir(parents=True)
    record = Path("output/task/pipeline.json")
    record.touch()  # of a run before
    os.utime(record, (1, 1))
    run()
    if is_saved:
        record.touch()
    raise_into_hook(KeyboardInterrupt())
    message = "The best model is in output/task." if is_saved else "No model was saved yet."
    assert message in capsys.readouterr().err


def test_traceback_shows_all(run):
    hook = sys.excepthook
    run("--traceback")
    assert sys.excepthook is hook


@pytest.mark.slow
def test_tensorflow_starts_without_messages(tmp_path):
    """A new process prints nothing but what the page prints, and keeps the messages of others."""
    code = "import settings, sys; print(1)"
    process = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": str(Path(settings.__file__).parent)},
        check=True,
    )
    assert (process.stdout, process.stderr) == ("1\n", "")


def test_silence_keeps_messages_that_are_no_chatter(capfd):
    with settings.silence():
        os.write(2, b"I0000 port.cc:153] oneDNN custom operations are on.\nimportant\n")
    assert capfd.readouterr().err == "important\n"


def test_silence_keeps_messages_of_an_error(capfd):
    with pytest.raises(ImportError):
        with settings.silence():
            os.write(2, b"important\n")
            raise ImportError
    assert capfd.readouterr().err == "important\n"
