"""Notebooks of the examples: their cells are those of the pages, and their outputs are kept."""

import json
from pathlib import Path

import pytest
from notebooks.make import FOLDER, NOTEBOOKS, read_screen, split_cells


def read_cells(name):
    notebook = json.loads((FOLDER / name).read_text(encoding="utf-8"))
    return [{**cell, "source": "".join(cell["source"])} for cell in notebook["cells"]]


@pytest.mark.parametrize("name, page", NOTEBOOKS.items())
def test_a_notebook_has_the_cells_of_its_page(name, page):
    cells = [(cell["cell_type"], cell["source"]) for cell in read_cells(name)]
    text = Path(FOLDER.parent, page).read_text(encoding="utf-8")
    assert cells == split_cells(text), "Make it again: python examples/notebooks/make.py"


@pytest.mark.parametrize("name", NOTEBOOKS)
def test_a_notebook_keeps_its_outputs_without_errors(name):
    cells = [cell for cell in read_cells(name) if cell["cell_type"] == "code"]
    outputs = [output for cell in cells for output in cell["outputs"]]
    assert cells[-1]["outputs"], "the last cell shows what the model learnt"
    assert [x for x in outputs if x["output_type"] == "error" or x.get("name") == "stderr"] == []


PAGE = """# 题 / Title
# 结果 Expect  1

import a

x = 1
f()

# 数据 / Data ------------

y = 2
"""


def test_a_page_is_split_at_its_constants_and_sections():
    (_, title), (_, path), *cells = split_cells(PAGE, "pages")
    assert title == "# 题 / Title\n\n结果 Expect  1"
    assert 'sys.path.append("pages")' in path
    assert cells == [
        ("code", "import a"),
        ("markdown", "## 设置 / Settings"),
        ("code", "x = 1\nf()"),
        ("markdown", "## 数据 / Data"),
        ("code", "y = 2"),
    ]


@pytest.mark.parametrize(
    "text, screen",
    [
        ("a\rbc\n", "bc\n"),
        ("12/99\b\b\b\b\b34/99", "34/99"),
        ("\x1b[1mbold\x1b[0m  \nnext", "bold\nnext"),
        ("\b\babc", "abc"),
    ],
)
def test_a_screen_shows_what_was_written_last(text, screen):
    assert read_screen(text) == screen
