"""The migration pages: their code runs, both languages agree, the list of patches is complete."""

import ast
import importlib.util
import json
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
ONLY_MISSING = {"numpy", "collections", "inspect", "time"}  # they get the names that they lack
on_tensorflow = pytest.mark.skipif(
    keras.backend.backend() != "tensorflow", reason="some idioms work on TensorFlow alone"
)


def run(code, folder):
    """Run code in its own process and folder; return its exit code and errors."""
    file = folder / "page.py"
    file.write_text(code, encoding="utf-8")
    process = subprocess.run(
        [sys.executable, file], cwd=folder, capture_output=True, text=True, env={**os.environ}
    )
    return process.returncode, process.stderr[-3000:]


def join(blocks):
    """Return code that runs each block on a fresh copy of the setup."""
    lines = [f"exec({SETUP + block!r}, {{'__name__': 'page'}})" for block in blocks]
    return "\n".join(lines) + "\n"


class TestMigrationPage:
    @on_tensorflow
    @pytest.mark.slow
    def test_code_under_before_runs_in_compatibility_mode(self, tmp_path):
        assert len(BLOCKS[::2]) >= 20
        exit_code, errors = run("import bert4keras.legacy\n" + join(BLOCKS[::2]), tmp_path)
        assert exit_code == 0, errors

    @on_tensorflow
    @pytest.mark.slow
    def test_code_under_after_runs_without_it(self, tmp_path):
        exit_code, errors = run(join(BLOCKS[1::2]), tmp_path)
        assert exit_code == 0, errors

    def test_code_under_after_does_not_use_k(self):
        assert not [block for block in BLOCKS[1::2] if "K." in block or "import K" in block]

    def test_both_languages_have_the_same_code_sections_and_rows(self):
        english, chinese = (page.read_text(encoding="utf-8") for page in (PAGE, CHINESE))
        assert CODE.findall(english) == CODE.findall(chinese)
        assert re.findall(r"^#+ ", english, re.M) == re.findall(r"^#+ ", chinese, re.M)
        assert len(ROW.findall(english)) == len(ROW.findall(chinese))

    def test_the_table_has_the_words_of_the_report(self):
        path = ROOT / "bert4keras" / "legacy" / "report.py"
        names = {"__file__": str(path)}
        exec(path.read_text(encoding="utf-8"), names)  # an import would install the mode
        assert ROW.findall(PAGE.read_text(encoding="utf-8"))[1:] == list(names["IDIOMS"].values())


def documented_patches(page):
    """Return {module or class: names} from the lists under "What compatibility mode changes"."""
    section = page.read_text(encoding="utf-8").rpartition("\n## ")[2].replace("\n  ", " ")
    section = re.sub(r" ?[(（].*?[)）]", "", section).replace("：", ": ")  # remarks, punctuation
    patches = {}
    for owners, names in re.findall(r"^- (`[\w.`, ]+`): (.*`)$", section, re.M):
        for owner in re.findall(r"`(.*?)`", owners):
            patches[owner] = set(re.findall(r"`(.*?)`", names))
    return patches


@pytest.fixture(scope="module")
def changes():
    """Attributes and modules that change, as ``list_changes.py`` prints them."""
    owners = list(documented_patches(PAGE))
    process = subprocess.run(
        [sys.executable, Path(__file__).parent / "list_changes.py", *owners],
        capture_output=True,
        text=True,
        env={**os.environ, "KERAS_BACKEND": keras.backend.backend()},
    )
    assert process.returncode == 0, process.stderr[-3000:]
    return json.loads(process.stdout)


class TestPatchList:
    def test_the_page_lists_all_attributes_that_change(self, changes):
        page_names = documented_patches(PAGE)
        k = set(changes["k"])
        page_names["keras.backend"] = page_names["keras.backend"] - {"bert4keras.backend.K"} | k
        if keras.backend.backend() != "torch":
            del page_names["torch.Tensor"]
        for owner, names in changes["attributes"].items():
            names_on_page = page_names.pop(owner, set())
            assert set(names) <= names_on_page, (owner, set(names) - names_on_page)
            if owner not in ONLY_MISSING and owner != "keras.backend":
                assert names_on_page <= set(names), (owner, names_on_page - set(names))
        assert not set(page_names) - ONLY_MISSING, "these do not change"

    def test_the_page_lists_all_modules_that_change(self, changes):
        expected = {"tensorflow.keras", "tensorflow.compat", "tensorflow.compat.v1"}
        if importlib.util.find_spec("distutils") is None:
            expected |= {"distutils", "distutils.util", "distutils.version"}
        assert set(changes["new_modules"]) == expected
        assert all(x.startswith("tensorflow.python.keras") for x in changes["deleted_modules"])
        text = PAGE.read_text(encoding="utf-8")
        for name in (
            "distutils",
            "tensorflow.python.keras",
            "sys.meta_path",
            *sorted(expected)[-3:],
        ):
            assert f"`{name}`" in text

    def test_both_languages_list_the_same_patches(self):
        assert documented_patches(PAGE) == documented_patches(CHINESE)

    def test_the_docstring_names_each_module_and_class_that_changes(self):
        source = (ROOT / "bert4keras" / "legacy" / "__init__.py").read_text(encoding="utf-8")
        words = set(re.findall(r"[\w.]+", ast.get_docstring(ast.parse(source))))
        for owner, names in documented_patches(PAGE).items():
            module, _, name = owner.rpartition(".")
            full_names = {f"{owner}.{name}" for name in names}
            assert owner in words or {module, name} <= words or full_names <= words, owner
