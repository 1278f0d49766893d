"""Documentation: code blocks run, both languages match, links and glossary entries exist."""

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
PAIRS = [
    READMES,
    ["examples/README.md", "examples/README_zh.md"],
    ["docs/tasks.md", "docs/tasks_zh.md"],
]
PAIRS += [["docs/migration.md", "docs/migration_zh.md"]]
PAGES = [*sum(PAIRS, []), "CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md", "docs/architecture.md"]
PAGES += ["docs/glossary.md", "benchmarks/README.md", "tests/golden/README.md"]
FILES = [path.relative_to(ROOT) for path in (ROOT / "bert4keras").rglob("*.py")]
MODULES = sorted(
    ".".join(path.with_suffix("").parts).removesuffix(".__init__")
    for path in FILES
    if "legacy" not in path.parts  # importing it patches Keras; tests/legacy runs its examples
)
BLOCK = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
ENTRY = re.compile(r"^\| ([^|]+?) \|.*\| `([^`|]+)`(?: `([^`|]+)`)? \|$", re.MULTILINE)


def text_of(name):
    return (ROOT / name).read_text(encoding="utf-8")


def blocks(name, language):
    """Return the code blocks of a page in one language."""
    return [code for tag, code in BLOCK.findall(text_of(name)) if tag == language]


@pytest.mark.parametrize("name", MODULES)
def test_examples_in_docstrings_hold(name):
    flags = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
    failures, _ = doctest.testmod(importlib.import_module(name), optionflags=flags)
    assert not failures, "the report is in the captured output"


@pytest.mark.slow
def test_python_blocks_of_the_readme_print_their_comments(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    names = {}
    for code in blocks("README.md", "python"):
        with contextlib.redirect_stdout(io.StringIO()) as output:
            exec(compile(code, "README.md", "exec"), names)
        expected = re.findall(r"^ *print\(.*\)  # (.*)$", code, re.MULTILINE)
        assert output.getvalue().splitlines() == expected


@pytest.mark.parametrize("language", ["python", "bash"])
def test_both_readmes_have_the_same_code(language):
    first, second = (blocks(name, language) for name in READMES)
    assert first == second != []


@pytest.mark.parametrize("pair", PAIRS)
def test_both_languages_have_the_same_sections_and_tables(pair):
    outlines = [re.findall(r"^#+ ", BLOCK.sub("", text_of(name)), re.MULTILINE) for name in pair]
    assert outlines[0] == outlines[1]
    rows = [text_of(name).count("\n|") for name in pair]
    assert rows[0] == rows[1]


@pytest.mark.parametrize("name", PAIRS[1])
def test_a_list_of_examples_names_every_script(name):
    scripts = {path.name for path in (ROOT / "examples").glob("*.py")} - {"settings.py"}
    assert scripts == set(re.findall(r"^\| `(\w+\.py)`", text_of(name), re.MULTILINE))


@pytest.mark.parametrize("name", READMES)
def test_a_readme_names_every_family(name):
    assert [family for family in FAMILIES if f"`{family}`" not in text_of(name)] == []


@pytest.mark.parametrize("name", PAGES)
def test_links_between_pages_lead_to_files(name):
    links = re.findall(r"\]\((?!https?:)([^)#]+)", text_of(name))
    assert [link for link in links if not (ROOT / name).parent.joinpath(link).exists()] == []


def test_every_row_of_the_glossary_names_a_file():
    rows = re.findall(r"^\| (?!English|Term)[^-|].*\|$", text_of("docs/glossary.md"), re.MULTILINE)
    assert [row for row in rows if not ENTRY.fullmatch(row)] == []


@pytest.mark.parametrize("term, path, name", ENTRY.findall(text_of("docs/glossary.md")))
def test_the_glossary_names_the_place_of_a_term(term, path, name):
    folder = ROOT if path.startswith("tests/") else ROOT / "bert4keras"
    assert name in (folder / path).read_text(encoding="utf-8")


@pytest.mark.parametrize("name", ["docs/architecture.md"])
def test_files_that_a_page_names_exist(name):
    paths = re.findall(r"`([\w/]+/\w+\.(?:py|md))`", text_of(name))
    folders = [ROOT, ROOT / "bert4keras"]
    assert [path for path in paths if not any((x / path).exists() for x in folders)] == []


def test_the_tree_of_the_architecture_names_every_module():
    (tree,) = (
        code for code in blocks("docs/architecture.md", "") if code.startswith("bert4keras/")
    )
    paths = [x for x in FILES if not {"legacy", "families"} & set(x.parts) and "__" not in x.stem]
    assert [str(path) for path in paths if path.stem not in re.findall(r"\w+", tree)] == []


def test_contributing_has_a_line_for_each_dependency():
    project = tomllib.loads(text_of("pyproject.toml"))["project"]
    requirements = sum(project["optional-dependencies"].values(), project["dependencies"])
    names = {re.match(r"[\w-]+", requirement)[0] for requirement in requirements}
    assert [name for name in names if f"- `{name}`: " not in text_of("CONTRIBUTING.md")] == []
