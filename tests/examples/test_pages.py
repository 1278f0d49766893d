"""Pages of the examples: each is one flat page that a person can read, change and copy."""

import ast
import re
import sys
import unicodedata
from pathlib import Path

import settings

import pytest

FOLDER = Path(settings.__file__).parent
PAGES = sorted(path for path in FOLDER.glob("*.py") if path.stem != "settings")
CHINESE = re.compile(r"[\u4e00-\u9fff]")
FAMILIAR = {"batch_size", "epochs", "learning_rate", "num_beams", "seed"}  # need no comment
COMPREHENSIONS = ast.ListComp | ast.SetComp | ast.DictComp | ast.GeneratorExp


@pytest.fixture(params=PAGES, ids=lambda path: path.stem)
def text(request):
    return request.param.read_text(encoding="utf-8")


def list_lines(text):
    return [line for line in text.splitlines() if line.strip()]


def width(line):
    """Return the number of columns of a line; a Chinese character has two."""
    return sum(2 if unicodedata.east_asian_width(x) in "WF" else 1 for x in line)


def density(text):
    """Return the number of syntax nodes on a line that is not blank."""
    return sum(1 for _ in ast.walk(ast.parse(text))) / len(list_lines(text))


def test_a_page_has_less_than_130_lines(text):
    assert len(list_lines(text)) < 130


def test_no_line_is_longer_than_100_columns(text):
    assert [line for line in text.splitlines() if width(line) > 100] == []


def test_pages_have_at_most_8_nodes_a_line_on_average():
    numbers = {path.stem: density(path.read_text(encoding="utf-8")) for path in PAGES}
    assert sum(numbers.values()) / len(numbers) <= 8
    assert [name for name, number in numbers.items() if "task" in name and number > 10] == []


def test_the_header_says_in_both_languages_what_to_expect(text):
    header = text.split("\n\n")[0]
    title = header.splitlines()[0]
    assert all(line.startswith("#") for line in header.splitlines())
    assert re.fullmatch(r"# .*[\u4e00-\u9fff].* / .*[A-Za-z].*", title)
    assert "结果 Expect" in header


def test_settings_are_imported_first_and_override_the_constants(text):
    """The settings start TensorFlow silently, so only the standard library may come before."""
    modules = []
    for node in ast.parse(text).body:
        if isinstance(node, ast.Import):
            modules += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            modules.append(node.module)
    first_modules = modules[: modules.index("settings")]
    assert [x for x in first_modules if x.split(".")[0] not in sys.stdlib_module_names] == []
    assert text.count("settings.override(globals()") == 1


def test_each_constant_has_a_comment_in_chinese(text):
    for name, (_, comment) in settings.read_constants(text).items():
        assert name in FAMILIAR or CHINESE.search(comment), name


def test_help_has_the_header_and_each_constant(text):
    constants = settings.read_constants(text)
    help_text = settings.make_parser(text, constants, "TEXT").format_help()
    assert text.split("\n", 1)[0].removeprefix("# ") in help_text
    assert all(f"--{name}" in help_text or f"--no-{name}" in help_text for name in constants)


def test_no_comprehension_is_inside_another(text):
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, COMPREHENSIONS):
            inside = [x for x in ast.walk(node) if isinstance(x, COMPREHENSIONS) and x is not node]
            assert inside == [], ast.unparse(node)


def test_each_section_has_its_ruler(text):
    """Sections look alike, so that a reader finds the model of any task at once."""
    rulers = re.findall(r"(?m)^# (.*?) -{10,}$", text)
    assert all(re.fullmatch(r"[\u4e00-\u9fff ]+ / [A-Z][a-z ]+", title) for title in rulers)


@pytest.mark.parametrize("name", ["README.md", "README_zh.md"])
def test_the_readme_names_every_page(name):
    readme = (FOLDER / name).read_text(encoding="utf-8")
    assert [path.name for path in PAGES if f"`{path.name}`" not in readme] == []


@pytest.mark.parametrize("name", ["tasks.md", "tasks_zh.md"])
def test_the_page_of_tasks_leads_from_each_article_to_its_example(name):
    page = (FOLDER.parent / "docs" / name).read_text(encoding="utf-8")
    rows = page.splitlines()
    for path in PAGES:
        header = path.read_text(encoding="utf-8").split("\n\n")[0]
        for address in re.findall(r"https://kexue\.fm/archives/\d+", header):
            assert any(f"({address})" in row and f"`{path.name}`" in row for row in rows), address
