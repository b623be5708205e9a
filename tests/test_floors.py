"""The package's floors hold, and the analysis side never reaches torch."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import tasktransfer

PACKAGE = Path(tasktransfer.__file__).parent
# a room may import from itself and from the rooms it stands on
STANDS_ON = {
    "errors": set(),
    "adapter_folder": set(),
    "tables": {"errors"},
    "tasks": {"errors", "tables"},
    "models": {"errors", "adapter_folder", "tables", "tasks"},
    "study": {"errors", "adapter_folder", "tables", "tasks", "models"},
    "importers": {"errors", "adapter_folder", "tables", "tasks"},
    "analysis": {"errors", "tables", "tasks"},
    "selection": {"errors", "tables", "tasks", "analysis"},
    "report": {"errors", "tables", "tasks", "analysis", "selection", "importers"},
}


def imports_of(path: Path) -> set[str]:
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module:
            found.add(node.module)
        elif isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
    return found


@pytest.mark.parametrize("path", sorted(PACKAGE.rglob("*.py")), ids=lambda p: str(p.relative_to(PACKAGE)))
def test_no_import_goes_upward(path):
    room = path.relative_to(PACKAGE).parts[0].removesuffix(".py")
    if room == "__init__" or room.startswith("cli"):
        return
    if path.relative_to(PACKAGE) == Path("study", "realise.py"):  # it trains what was recommended
        return
    reached = {name.split(".")[1] for name in imports_of(path) if name.startswith("tasktransfer.")}
    assert reached - {room} <= STANDS_ON[room]


@pytest.mark.parametrize("path", sorted(PACKAGE.rglob("*.py")), ids=lambda p: str(p.relative_to(PACKAGE)))
def test_analysis_side_imports_no_torch(path):
    if path.relative_to(PACKAGE).parts[0] not in {"models", "study"}:
        assert not {name.split(".")[0] for name in imports_of(path)} & {"torch", "transformers", "peft"}


def test_help_loads_nothing_heavy():
    code = (
        "import sys\nimport tasktransfer.cli, tasktransfer\n"
        "heavy = {'torch', 'pandas', 'scipy', 'matplotlib', 'networkx', 'pyarrow'} & set(sys.modules)\n"
        "assert not heavy, heavy"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_every_public_name_is_there():
    for name in tasktransfer.__all__:
        assert getattr(tasktransfer, name) is not None
    with pytest.raises(AttributeError, match="no attribute 'pgf'"):
        _ = tasktransfer.pgf
