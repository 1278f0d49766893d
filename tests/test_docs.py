"""The papers tell the truth: examples in docstrings and in the READMEs run as they are written."""

import contextlib
import doctest
import importlib
import io
import re
import tomllib
from pathlib import Path

import pytest

from bert4keras.models import FAMILIES

ROOT = Path(__file__).parent.parent
READMES = ["README.md", "README_zh.md"]
PAIRS = [READMES, ["examples/README.md", "examples/README_zh.md"]]
PAIRS += [["docs/migration.md", "docs/migration_zh.md"]]
PAPERS = [*sum(PAIRS, []), "CHANGELOG.md", "CONTRIBUTING.md", "docs/architecture.md"]
PAPERS += ["benchmarks/README.md", "tests/golden/README.md"]
FILES = [path.relative_to(ROOT) for path in (ROOT / "bert4keras").rglob("*.py")]
MODULES = sorted(
    ".".join(path.with_suffix("").parts).removesuffix(".__init__")
    for path in FILES
    if "legacy" not in path.parts  # importing it changes Keras; it has tests of its own
)
BLOCK = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def text_of(name):
    return (ROOT / name).read_text(encoding="utf-8")


def blocks(name, language):
    """All code of a language in a README, one string a block."""
    return [code for found, code in BLOCK.findall(text_of(name)) if found == language]


@pytest.mark.parametrize("name", MODULES)
def test_examples_in_docstrings_hold(name):
    flags = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
    failed, _ = doctest.testmod(importlib.import_module(name), optionflags=flags)
    assert not failed, "the report is in the captured output"


def test_the_python_of_the_readme_prints_what_it_says(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    names = {}
    for code in blocks("README.md", "python"):
        with contextlib.redirect_stdout(io.StringIO()) as printed:
            exec(compile(code, "README.md", "exec"), names)
        promised = re.findall(r"^ *print\(.*\)  # (.*)$", code, re.MULTILINE)
        assert printed.getvalue().splitlines() == promised


@pytest.mark.parametrize("language", ["python", "bash"])
def test_both_readmes_have_the_same_code(language):
    first, second = (blocks(name, language) for name in READMES)
    assert first == second != []


@pytest.mark.parametrize("pair", PAIRS)
def test_two_languages_have_the_same_sections(pair):
    outlines = [re.findall(r"^#+ ", BLOCK.sub("", text_of(name)), re.MULTILINE) for name in pair]
    assert outlines[0] == outlines[1]
    rows = [text_of(name).count("\n|") for name in pair]
    assert rows[0] == rows[1]


@pytest.mark.parametrize("name", PAIRS[1])
def test_the_list_of_examples_is_whole(name):
    scripts = {path.name for path in (ROOT / "examples").glob("*.py")}
    assert scripts == set(re.findall(r"^\| `(\w+\.py)`", text_of(name), re.MULTILINE))


@pytest.mark.parametrize("name", READMES)
def test_a_readme_names_every_family(name):
    assert [family for family in FAMILIES if f"`{family}`" not in text_of(name)] == []


@pytest.mark.parametrize("name", PAPERS)
def test_links_between_papers_lead_somewhere(name):
    links = re.findall(r"\]\((?!https?:)([^)#]+)", text_of(name))
    assert [link for link in links if not (ROOT / name).parent.joinpath(link).exists()] == []


def test_every_dependency_has_its_line():
    project = tomllib.loads(text_of("pyproject.toml"))["project"]
    wanted = sum(project["optional-dependencies"].values(), project["dependencies"])
    names = {re.match(r"[\w-]+", requirement)[0] for requirement in wanted}
    assert [name for name in names if f"- `{name}`: " not in text_of("CONTRIBUTING.md")] == []
