"""Make the notebooks from the pages of the examples, and execute them.

    python examples/notebooks/make.py                        # whole training: minutes each
    python examples/notebooks/make.py --smoke --folder /tmp  # a quick test, kept apart

Needs the extra ``notebooks``. Change the page, never a notebook.
"""

import argparse
import os
import re
from pathlib import Path

FOLDER = Path(__file__).parent
NOTEBOOKS = {  # notebook: page
    "named_entities.ipynb": "task_sequence_labeling_ner_crf.py",
    "triples.ipynb": "task_relation_extraction.py",
    "titles.ipynb": "task_seq2seq_autotitle.py",
}
RULER = re.compile(r"(?m)^# (.*?) -{10,}\n")
PATH_CELL = 'import sys\n\nsys.path.append("{}")  # 示例所在的文件夹  the folder of the examples'
ANSI = re.compile(r"\x1b\[[0-9;]*m")


def split_cells(text, folder=".."):
    """Split a page into cells: [("markdown" or "code", source)].

    Args:
        text: source of a page.
        folder: path from the notebook to the folder of the examples.
    """
    header, body = text.split("\n\n", 1)
    title, *lines = [line.removeprefix("#").strip() for line in header.splitlines()]
    beginning, *sections = RULER.split(body)
    imports, constants = re.split(r"\n\n(?=\w+ = )", beginning, maxsplit=1)
    cells = [("markdown", f"# {title}\n\n" + "  \n".join(lines))]
    cells += [("code", PATH_CELL.format(folder)), ("code", imports)]
    cells += [("markdown", "## 设置 / Settings"), ("code", constants)]
    for heading, code in zip(sections[::2], sections[1::2]):
        cells += [("markdown", f"## {heading}"), ("code", code)]
    return [(kind, source.strip()) for kind, source in cells]


def make_notebook(page, folder):
    """Make a notebook of a page, without outputs."""
    from nbformat import v4

    path = os.path.relpath(FOLDER.parent, folder)
    make = {"markdown": v4.new_markdown_cell, "code": v4.new_code_cell}
    cells = split_cells((FOLDER.parent / page).read_text(encoding="utf-8"), path)
    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
    notebook = v4.new_notebook(metadata={"kernelspec": kernel})
    for number, (kind, source) in enumerate(cells):
        notebook.cells.append(make[kind](source, id=f"cell-{number}"))
    return notebook


def execute(notebook, folder):
    """Execute a notebook in a folder, and keep its outputs as a terminal shows them in the end."""
    from nbclient import NotebookClient

    resources = {"metadata": {"path": str(folder)}}
    NotebookClient(notebook, timeout=None, resources=resources, record_timing=False).execute()
    for cell in notebook.cells:
        if cell["cell_type"] == "code":
            cell["outputs"] = clean_outputs(cell["outputs"])


def clean_outputs(outputs):
    """Join the texts of a cell; leave values out, such as the History that fit returns."""
    from nbformat import v4

    texts = {}
    for output in outputs:
        if output["output_type"] == "stream":
            texts[output["name"]] = texts.get(output["name"], "") + output["text"]
    figures = [x for x in outputs if x["output_type"] not in ("stream", "execute_result")]
    return [
        v4.new_output("stream", name=k, text=read_screen(x)) for k, x in texts.items()
    ] + figures


def read_screen(text):
    """Return the text that stays on a screen: carriage returns and backspaces overwrite."""
    lines = []
    for line in ANSI.sub("", text).split("\n"):
        characters, place = [], 0
        for character in line:
            if character == "\r":
                place = 0
            elif character == "\b":
                place = max(place - 1, 0)
            else:
                characters[place : place + 1] = [character]
                place += 1
        lines.append("".join(characters).rstrip())
    return "\n".join(lines)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--smoke", action="store_true", help="little data, one epoch")
    parser.add_argument("--folder", type=Path, default=FOLDER, help="folder for the notebooks")
    args = parser.parse_args()
    import nbformat

    os.environ["BERT4KERAS_SMOKE"] = str(int(args.smoke))
    for name, page in NOTEBOOKS.items():
        notebook = make_notebook(page, args.folder)
        execute(notebook, args.folder)
        nbformat.write(notebook, args.folder / name)
        print(args.folder / name)


if __name__ == "__main__":
    main()
