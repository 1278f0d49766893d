"""The migration page: each pair runs, the first through the door and the second without it."""

import os
import re
import subprocess
import sys
from pathlib import Path

import keras
import pytest

ROOT = Path(__file__).parents[2]
PAGE, CHINESE = ROOT / "docs" / "migration.md", ROOT / "docs" / "migration_zh.md"
CODE = re.compile(r"^```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)
ROW = re.compile(r"^\| (.*) \| (.*) \|$", re.MULTILINE)
SETUP, *BLOCKS = CODE.findall(PAGE.read_text(encoding="utf-8"))
DOOR = "import bert4keras.legacy\n"
on_tensorflow = pytest.mark.skipif(
    keras.backend.backend() != "tensorflow", reason="some idioms have a meaning on TensorFlow alone"
)


def run(code, folder):
    """Run code in a process and a folder of its own; what it printed and its errors."""
    file = folder / "page.py"
    file.write_text(code, encoding="utf-8")
    done = subprocess.run(
        [sys.executable, file], cwd=folder, capture_output=True, text=True, env={**os.environ}
    )
    return done.returncode, done.stderr[-3000:]


def alone(blocks):
    """Blocks one after another, each on a fresh copy of the names that the page begins with."""
    pieces = "\n".join(f"exec({SETUP + block!r}, {{'__name__': 'page'}})" for block in blocks)
    return f"{pieces}\n"


@on_tensorflow
@pytest.mark.slow
def test_what_stands_under_before_runs_through_the_door(tmp_path):
    assert len(BLOCKS[::2]) >= 20
    code, errors = run(DOOR + alone(BLOCKS[::2]), tmp_path)
    assert code == 0, errors


@on_tensorflow
@pytest.mark.slow
def test_what_stands_under_after_runs_without_it(tmp_path):
    code, errors = run(alone(BLOCKS[1::2]), tmp_path)
    assert code == 0, errors


def test_both_languages_have_the_same_code_and_sections():
    first, second = (page.read_text(encoding="utf-8") for page in (PAGE, CHINESE))
    assert CODE.findall(first) == CODE.findall(second)
    assert re.findall(r"^#+ ", first, re.M) == re.findall(r"^#+ ", second, re.M)
    assert len(ROW.findall(first)) == len(ROW.findall(second))


def test_the_table_is_what_the_report_says():
    text = (ROOT / "bert4keras" / "legacy" / "idioms.py").read_text(encoding="utf-8")
    names = {}
    exec(text, names)  # importing it would open the door
    assert ROW.findall(PAGE.read_text(encoding="utf-8"))[1:] == list(names["IDIOMS"].values())
