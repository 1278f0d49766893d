"""Floors: a module imports from floors below its own and from its own room only."""

import ast
import re
from pathlib import Path

import pytest

LIBRARY = Path(__file__).parent.parent / "bert4keras"
FLOORS = [
    {"backend", "text", "files", "checks"},
    {"layers", "checkpoints", "tokenizers", "data", "optimizers", "generation", "metrics"},
    {"training"},
    {"models"},
    {"pipelines"},
    {"cli", "serving"},
    {"snippets"},
    {"legacy"},
]
FLOOR = {room: number for number, rooms in enumerate(FLOORS, 1) for room in rooms}
MODULES = sorted(
    path for path in LIBRARY.rglob("*.py") if path.parent != LIBRARY or "__" not in path.stem
)


def room(module_name):
    return module_name.split(".")[1] if "." in module_name else None


def imports(path):
    """Yield each module that a file imports, and True if it does so at the top."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    for node in ast.walk(tree):
        names = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path} imports relatively"
            names = [f"{node.module}.{alias.name}" for alias in node.names]
            names = [node.module] if node.module != "bert4keras" else names
        for name in names:
            yield name, node in tree.body


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(LIBRARY)))
def test_a_module_imports_only_from_below(path):
    this_room = path.relative_to(LIBRARY).parts[0].removesuffix(".py")
    for name, at_the_top in imports(path):
        if name.startswith("bert4keras."):
            imported_room = room(name)
            is_below = FLOOR[imported_room] < FLOOR[this_room]
            assert is_below or imported_room == this_room, name
        elif at_the_top:
            assert name.split(".")[0] not in ("tensorflow", "jax", "torch"), name


def test_only_dispatch_asks_which_backend_runs():
    question = re.compile(r"backend\.backend\(|config\.backend\(")
    files = [path for path in MODULES if question.search(path.read_text("utf-8"))]
    assert files == [LIBRARY / "backend" / "dispatch.py"]
