"""The package's floors hold, and the analysis side never reaches torch."""

from __future__ import annotations

import ast
import subprocess
import sys
from itertools import product
from pathlib import Path

import numpy as np
import pytest

import tasktransfer
from tests.adapters import random_factors, write_adapter
from tests.studies import random_counts

PACKAGE = Path(tasktransfer.__file__).parent
HEAVY = {
    "torch", "transformers", "peft", "numpy", "pandas", "scipy", "matplotlib", "networkx", "pyarrow", "pydantic",
    "jinja2", "PIL",
}  # fmt: skip
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


def loaded_by(*arguments):
    """Packages that are loaded once a command has ended well."""
    code = (
        "import sys\nfrom tasktransfer.cli import main\ntry:\n    main()\n"
        "except SystemExit as end:\n    assert not end.code, end.code\nprint()\nprint(*sys.modules)"
    )
    line = [sys.executable, "-c", code, *map(str, arguments)]
    ended = subprocess.run(line, check=True, capture_output=True, text=True, encoding="utf-8")
    said, _, modules = ended.stdout.rstrip().rpartition("\n")
    assert len(said) > 50
    return {name.split(".")[0] for name in modules.split()}


def test_help_loads_nothing_heavy():
    assert not loaded_by("--help") & HEAVY
    assert loaded_by("run", "--help") & HEAVY <= {"pydantic"}  # which typer itself uses


def test_what_draws_nothing_loads_nothing_to_draw(tmp_path):
    table = tmp_path / "study.csv"
    random_counts(4, 2).to_csv(table, index=False)
    adapters = [
        f"{source}/{seed}={write_adapter(tmp_path / f'{source}{seed}', random_factors(np.random.default_rng(k)))}"
        for k, (source, seed) in enumerate(product("ab", "01"))
    ]
    for arguments in (
        ("compare", table, table),
        ("recommend", table, "--target", "t1", "--budget", "10"),
        ("similarity", *adapters),
    ):
        assert not loaded_by(*arguments) & {"matplotlib", "jinja2", "PIL", "torch"}, arguments[0]


def test_every_public_name_is_there():
    for name in tasktransfer.__all__:
        assert getattr(tasktransfer, name) is not None
    with pytest.raises(AttributeError, match="no attribute 'pgf'"):
        _ = tasktransfer.pgf
