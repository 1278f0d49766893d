"""Options of the examples: ranges, files, and errors of one line."""

import subprocess
import sys
from pathlib import Path

import pytest

from examples.data.options import SEED, Parser, find_function

EXAMPLES = Path(__file__).parents[2] / "examples"


@pytest.fixture
def parser(monkeypatch):
    monkeypatch.setattr(sys, "excepthook", sys.excepthook)  # put back after the test
    parser = Parser("A task.", prog="task.py")
    parser.add_argument("--batch_size", type=int, default=2)
    parser.add_argument("--rate", type=float, default=0.5)
    parser.add_argument("--warmup", type=float, minimum=0, maximum=1)
    parser.add_argument("--workers", type=int, minimum=0)
    parser.add_argument("--seed", type=int, **SEED)
    for name in ("--output", "--vocab"):
        parser.add_argument(name)
    return parser


def error_of(parser, capsys, *words):
    with pytest.raises(SystemExit):
        parser.parse_args([*map(str, words)])
    return capsys.readouterr().err.splitlines()[-1]


@pytest.mark.parametrize(
    "option, value, message",
    [
        ("--batch_size", 0, "--batch_size to be a whole number of 1 or more, got 0"),
        ("--batch_size", -5, "--batch_size to be a whole number of 1 or more, got -5"),
        ("--batch_size", 2.5, "'2.5' is not a whole number"),
        ("--batch_size", "many", "'many' is not a whole number"),
        ("--rate", "nan", "--rate to be a finite number above 0, got nan"),
        ("--rate", "inf", "--rate to be a finite number above 0, got inf"),
        ("--rate", 0, "--rate to be a finite number above 0, got 0.0"),
        ("--rate", "x", "'x' is not a number"),
        ("--warmup", 5, "--warmup to be a finite number from 0 to 1, got 5.0"),
        ("--workers", -1, "--workers to be a whole number of 0 or more, got -1"),
        ("--seed", -1, "--seed to be a whole number from 0 to 4294967295, got -1"),
        ("--seed", 2**32, "--seed to be a whole number from 0 to 4294967295"),
        ("--vocab", "nowhere.txt", "--vocab nowhere.txt: there is no such file or folder"),
        ("--output", __file__, "it must be a folder, but"),
        ("--output", f"{__file__}/a/b", "test_options.py is a file"),
    ],
)
def test_an_option_out_of_range_is_refused_in_one_line(parser, capsys, option, value, message):
    line = error_of(parser, capsys, f"{option}={value}")
    assert line.startswith("task.py: error: ") and message in line


def test_options_in_their_ranges_pass(parser, tmp_path):
    words = ["--warmup", "0", "--workers", "0", "--seed", "0", "--output", str(tmp_path / "new")]
    args = parser.parse_args(words)
    assert (args.warmup, args.workers, args.seed, args.batch_size) == (0, 0, 0, 2)


class Hidden:
    """Raises an error in a file of a name."""

    def __init__(self, name, error):
        self.code = compile("raise error", name, "exec")
        self.error = error

    def __call__(self):
        exec(self.code, {"error": self.error})


@pytest.mark.parametrize(
    "error, file, message",
    [
        (ValueError("data.txt\n  is  empty"), "task.py", "task.py: error: data.txt is empty\n"),
        (
            FileNotFoundError(2, "No such file", "a.txt"),
            "task.py",
            "error: [Errno 2] No such file: ",
        ),
        (ImportError("No module named 'x'"), "task.py", "error: No module named 'x'"),
        (MemoryError(), "task.py", "task.py: error: MemoryError\n"),
        (
            KeyError("text"),
            "data/triples.py",
            "another form than --help says (KeyError: 'text', in",
        ),
        (KeyError("text"), "task.py", "Traceback"),
        (AttributeError("x"), "data/triples.py", "Traceback"),
    ],
)
def test_files_and_options_are_one_line_and_bugs_a_traceback(parser, capsys, error, file, message):
    parser.parse_args([])
    try:
        Hidden(file, error)()
    except Exception as caught:
        sys.excepthook(type(caught), caught, caught.__traceback__)
    assert message in capsys.readouterr().err


def test_traceback_shows_all(parser):
    hook = sys.excepthook
    parser.parse_args(["--traceback"])
    assert sys.excepthook is hook


@pytest.fixture
def words_module(tmp_path, monkeypatch):
    (tmp_path / "cutter.py").write_text("def lcut(text): return text.split()\nNUMBER = 5\n")
    (tmp_path / "broken_cutter.py").write_text("import no_such_module\n")
    monkeypatch.syspath_prepend(tmp_path)


@pytest.mark.parametrize("name", ["cutter", "cutter:lcut", "cutter.lcut"])
def test_a_module_for_words_is_found_by_its_name(words_module, name):
    assert find_function(name)("春 山") == ["春", "山"]


@pytest.mark.parametrize(
    "name, message",
    [
        ("nosuch:lcut", "--word_segment nosuch:lcut: cannot import 'nosuch' .*pip install it"),
        ("nosuch", "cannot import 'nosuch'"),
        ("nosuch.lcut", "cannot import 'nosuch'"),
        (":lcut", "cannot import ''"),
        ("broken_cutter", "cannot import 'broken_cutter' .No module named 'no_such_module'"),
        ("cutter:cut", "the module cutter has no function 'cut'; give MODULE:FUNCTION"),
        ("cutter:NUMBER", "has no function 'NUMBER'"),
        ("json", "the module json has no function 'lcut'"),
    ],
)
def test_a_module_or_function_that_is_missing_is_named(words_module, name, message):
    with pytest.raises(ValueError, match=message):
        find_function(name)


@pytest.mark.parametrize("script", sorted(EXAMPLES.glob("*.py")), ids=lambda path: path.name)
def test_every_example_uses_the_parser_that_checks(script):
    text = script.read_text(encoding="utf-8")
    assert "Parser(__doc__)" in text or "command_line(" in text
    assert "argparse.ArgumentParser" not in text


@pytest.mark.slow
@pytest.mark.parametrize(
    "words, message",
    [
        (["--word_segment", "nosuch:lcut"], "cannot import 'nosuch'"),
        (["--data", "one.txt"], "--data one.txt must hold two texts or more"),
        (["--data", "binary.txt"], "Expected utf-8 in binary.txt, line 2"),
        (["--vocab", "one.txt"], "one.txt"),
        (["--config", "bad.json"], "bad.json"),
    ],
)
def test_a_wrong_file_ends_an_example_in_one_line(tmp_path, words, message):
    (tmp_path / "one.txt").write_text("春山\n", encoding="utf-8")
    (tmp_path / "binary.txt").write_bytes(bytes(range(256)) * 2)
    (tmp_path / "bad.json").write_text("{")
    command = [sys.executable, EXAMPLES / "pretraining.py", "--smoke", *words]
    result = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=300)
    assert result.returncode and "Traceback" not in result.stderr
    lines = [line for line in result.stderr.splitlines() if "error:" in line]
    assert len(lines) == 1 and message in lines[0]
