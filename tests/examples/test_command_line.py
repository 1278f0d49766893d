"""The command line that all examples share, and its error messages."""

import os
import sys
from pathlib import Path

import numpy as np
import pytest

from bert4keras.backend import keras
from examples.data.command_line import command_line, stoppable, vocabulary, warmed_adam


@pytest.fixture
def parse_args(monkeypatch, tmp_path):
    """Parse words as the arguments of an example that writes to a folder of the test."""

    def parse(*words, **options):
        monkeypatch.setattr(sys, "excepthook", sys.excepthook)  # put back after the test
        monkeypatch.setattr(sys, "argv", ["task.py", *map(str, words)])
        monkeypatch.chdir(tmp_path)
        return command_line("A task.", "learnt", "a file", epochs=5, **options)

    return parse


def test_defaults(parse_args, tmp_path):
    args = parse_args()
    assert args.epochs == 5 and args.learning_rate == 1e-3 and args.predict is None
    assert args.weights == "output/learnt/best.weights.h5" and os.path.isdir("output/learnt")


def test_the_vocabulary_of_another_checkpoint_is_refused(parse_args, capsys, tmp_path):
    (tmp_path / "config.json").write_text('{"vocab_size": 2}')
    (tmp_path / "vocab.txt").write_text("[PAD]\n[UNK]\n", encoding="utf-8")
    assert parse_args("--checkpoint", tmp_path).vocab
    (tmp_path / "vocab.txt").write_text("[PAD]\n[UNK]\n山\n", encoding="utf-8")
    (tmp_path / "vocab.txt").write_bytes("\ufeff[PAD]\r\n[UNK]\r\n\r\n".encode())  # Notepad
    assert parse_args("--checkpoint", tmp_path).vocab
    (tmp_path / "vocab.txt").write_text("[PAD]\n[UNK]\n山\n", encoding="utf-8")
    with pytest.raises(SystemExit):
        parse_args("--checkpoint", tmp_path)
    assert "vocab.txt has 3 tokens and the checkpoint 2 rows" in capsys.readouterr().err


def test_a_smoke_run_is_one_epoch(parse_args):
    assert parse_args("--smoke").epochs == 1


def test_a_folder_is_checkpoint_configuration_and_vocabulary(parse_args, tmp_path):
    for name in "config.json", "vocab.txt":
        (tmp_path / name).touch()
    args = parse_args("--checkpoint", tmp_path)
    assert (args.config, args.vocab) == (f"{tmp_path}/config.json", f"{tmp_path}/vocab.txt")
    assert args.learning_rate == 3e-5


@pytest.mark.parametrize(
    "words, message",
    [
        (["--checkpoint", "bert_model.ckpt"], "a checkpoint needs its --config and its --vocab"),
        (["--data", "nowhere"], "--data nowhere: there is no such file or folder"),
        (["--predict", "text"], "best.weights.h5 is not there: train first, without --predict"),
        (["--predict", ""], "best.weights.h5 is not there: train first, without --predict"),
        (["--maxlen", "1"], "Expected --maxlen to be a whole number of 5 or more, got 1"),
        (["--epochs", "-1"], "Expected --epochs to be a whole number of 1 or more, got -1"),
        (["--batch_size", "0"], "Expected --batch_size to be a whole number of 1 or more, got 0"),
        (["--learning_rate", "nan"], "Expected --learning_rate to be a finite number above 0"),
        (["--seed", "-1"], "Expected --seed to be a whole number from 0 to 4294967295, got -1"),
        (["--output", __file__], "it must be a folder"),
    ],
)
def test_invalid_arguments_are_refused_at_once(parse_args, capsys, words, message):
    with pytest.raises(SystemExit):
        parse_args(*words)
    assert message in capsys.readouterr().err


@pytest.mark.parametrize("names, missing", [(["a.txt"], "no b.txt"), ([], "no a.txt and no b.txt")])
def test_a_folder_without_its_files_is_refused(parse_args, capsys, tmp_path, names, missing):
    for name in names:
        (tmp_path / name).touch()
    with pytest.raises(SystemExit):
        parse_args("--data", tmp_path, files=("a.txt", "b.txt"))
    error_text = capsys.readouterr().err
    assert f"it must be a folder that holds a.txt and b.txt, but there is {missing}" in error_text


def test_a_task_adds_options_and_predicts_from_several_texts(parse_args, tmp_path):
    (tmp_path / "output/learnt").mkdir(parents=True)
    (tmp_path / "output/learnt/best.weights.h5").touch()
    args = parse_args(
        "--predict", "谁？", "某", "--topk", 3, predict=("Q", "P"), topk={"type": int}
    )
    assert args.predict == ["谁？", "某"] and args.topk == 3


def test_one_text_where_several_are_needed_is_refused(parse_args, capsys, tmp_path):
    (tmp_path / "output/learnt").mkdir(parents=True)
    (tmp_path / "output/learnt/best.weights.h5").touch()
    with pytest.raises(SystemExit):
        parse_args("--predict", "谁？", predict=("QUESTION", "PASSAGE"))
    assert "--predict takes QUESTION and PASSAGE, got only '谁？'" in capsys.readouterr().err


def test_a_new_head_learns_ten_times_as_fast():
    def change(new_head):
        """Of each layer by the second step, the first at the whole rate."""
        ones_kernel = {"kernel_initializer": "ones", "use_bias": False}
        layers = [keras.layers.Dense(1, name=name, **ones_kernel) for name in ("Body", "MLM-Dense")]
        model = keras.Sequential([keras.Input((1,)), *layers])
        model.compile(warmed_adam(1e-3, steps=20, new_head=new_head), "mse")
        for _ in range(2):  # the first is at the rate 0
            model.train_on_batch(np.ones((1, 1)), np.zeros((1, 1)))
        return [1 - weights[0, 0] for weights in model.get_weights()]

    body, head = change(new_head=True)
    assert head == pytest.approx(10 * body, rel=1e-3)
    assert change(new_head=False) == pytest.approx([body, body], rel=1e-3)


def test_an_interrupted_training_prints_the_path_of_the_best_weights(tmp_path):
    weights = tmp_path / "best.weights.h5"
    with pytest.raises(SystemExit, match="stopped; nothing was learnt yet"):
        with stoppable(weights):
            raise KeyboardInterrupt
    weights.touch()
    with pytest.raises(SystemExit, match="the best weights so far are in .*best.weights.h5"):
        with stoppable(weights):
            raise KeyboardInterrupt


def test_a_prediction_has_the_options_of_the_training(parse_args, tmp_path):
    options = {"rate": {"type": float, "default": 1e-2}}
    args = parse_args("--learning_rate", 0.5, "--rate", 2, "--smoke", **options)
    with stoppable(args.weights, args):
        Path(args.weights).touch()
    args = parse_args("--predict", "山", "--maxlen", 7, "--rate", 3, **options)
    assert (args.learning_rate, args.maxlen, args.rate) == (0.5, 7, 3.0)
    assert args.predict == "山" and args.smoke
    assert parse_args("--rate", 4, **options).learning_rate == 1e-3  # another training


@pytest.mark.parametrize("broken", ["", '{"seed": 1', "[1]"])
def test_unreadable_options_are_named(parse_args, capsys, broken):
    args = parse_args()
    with stoppable(args.weights, args):
        Path(args.weights).touch()
    Path(args.output, "options.json").write_text(broken)
    with pytest.raises(SystemExit):
        parse_args("--predict", "山")
    assert "options.json must hold the options of the training" in capsys.readouterr().err


@pytest.mark.parametrize("is_saved, learning_rate", [(True, 0.25), (False, 0.5)])
def test_a_run_that_stops_before_it_saves_leaves_the_options_of_the_one_before(
    parse_args, is_saved, learning_rate
):
    args = parse_args("--learning_rate", 0.5)
    with stoppable(args.weights, args):
        Path(args.weights).touch()
    args = parse_args("--learning_rate", 0.25)
    with pytest.raises(SystemExit, match="stopped"):
        with stoppable(args.weights, args):
            if is_saved:
                os.utime(args.weights, (1, 1))
            raise KeyboardInterrupt
    assert parse_args("--predict", "山").learning_rate == learning_rate


def test_a_vocabulary_is_of_the_texts_or_of_a_file(tmp_path):
    tokens, keep = vocabulary(None, ["山水", "水"])
    assert list(tokens)[:6] == ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "山", "水"] and keep is None
    assert list(tokens.values()) == list(range(len(tokens)))
    path = tmp_path / "vocab.txt"
    path.write_text("[PAD]\n[unused1]\n[UNK]\n[CLS]\n[SEP]\n山\n", encoding="utf-8")
    tokens, keep = vocabulary(path, [])
    assert tokens["山"] == 4 and keep == [0, 2, 3, 4, 5]


def test_data_may_be_a_pattern_and_a_task_may_predict_nothing(parse_args, tmp_path, capsys):
    (tmp_path / "a.txt").touch()
    args = parse_args("--data", f"{tmp_path}/*.txt", predict=None)
    assert args.data.endswith("*.txt") and not hasattr(args, "predict")
    with pytest.raises(SystemExit):
        parse_args("--data", f"{tmp_path}/*.csv")
    assert "*.csv: there is no such file or folder" in capsys.readouterr().err
