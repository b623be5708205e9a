"""The house stands: a room uses only the floors below it, no two files use each other, and the analysis wing never
reaches torch."""

from __future__ import annotations

import ast
import subprocess
import sys
from functools import cache
from itertools import product
from pathlib import Path

import networkx as nx
import numpy as np
import pytest

import tasktransfer
from tests.adapters import random_factors, write_adapter
from tests.studies import random_counts

PACKAGE = Path(tasktransfer.__file__).parent
MODULES = sorted(PACKAGE.rglob("*.py"))
HEAVY = {
    "torch", "transformers", "peft", "numpy", "pandas", "scipy", "matplotlib", "networkx", "pyarrow", "pydantic",
    "jinja2", "PIL",
}  # fmt: skip
GROUND = {"version", "errors", "tables", "files", "yaml_lines"}
FOLDERS = {"run_folder", "peft_folder"}  # what lies in them, without torch; both wings read them
ANALYSIS = {*GROUND, *FOLDERS, "stats", "tasks", "importers", "analysis", "drawing"}
QUESTIONS = {"planning", "recommendation", "similarity"}  # each asked of a finished analysis
# a room may import from itself and from the rooms it stands on
STANDS_ON = {
    "version": set(),
    "errors": set(),
    "files": {"errors"},
    "yaml_lines": {"errors"},
    "tables": {"errors", "files"},
    "run_folder": GROUND,
    "peft_folder": GROUND,
    "stats": {"errors"},
    "tasks": GROUND,
    # the wing that runs studies
    "models": {*GROUND, "peft_folder", "tasks"},
    "study": {*GROUND, *FOLDERS, "tasks", "models"},
    # the wing that analyzes results
    "importers": {*GROUND, *FOLDERS, "tasks"},
    "analysis": {*GROUND, "stats", "tasks"},
    "drawing": {*GROUND, "tasks"},
    **dict.fromkeys(QUESTIONS, ANALYSIS),
    "report": {*ANALYSIS, *QUESTIONS},
    # what sees both
    "predict": {*ANALYSIS, *QUESTIONS, "report", "models", "study"},
    "realise": {*ANALYSIS, *QUESTIONS, "report", "models", "study"},
}
SEES_BOTH_WINGS = {"planning/next_study.py"}  # it proposes a study, from an analysis


def room_of(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


@cache
def imports_of(path: Path) -> frozenset[str]:
    """Modules that a file imports, inside functions too."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module:
            inner = {f"{node.module}.{alias.name}" for alias in node.names} & set(map(name_of, MODULES))
            found.update(inner or {node.module})  # of a package its modules, not the package's own face
        elif isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
    return frozenset(found)


def rooms_reached(path: Path) -> set[str]:
    parts = (name.split(".") for name in imports_of(path))
    return {names[1] for names in parts if names[0] == "tasktransfer" and len(names) > 1}


def name_of(path: Path) -> str:
    names = ("tasktransfer", *path.relative_to(PACKAGE).with_suffix("").parts)
    return ".".join(names).removesuffix(".__init__")


@pytest.mark.parametrize("path", MODULES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_no_import_goes_upward(path):
    room = room_of(path)
    if room in {"__init__", "cli"} or str(path.relative_to(PACKAGE)) in SEES_BOTH_WINGS:
        return
    assert rooms_reached(path) - {room} <= STANDS_ON[room]


def test_no_two_files_use_each_other():
    names = {name_of(path): path for path in MODULES}
    graph = nx.DiGraph(
        (name, other)
        for name, path in names.items()
        for other in imports_of(path)
        if other in names and other != name
    )
    assert not list(nx.simple_cycles(graph))


def test_every_room_is_on_a_floor():
    assert {room_of(path) for path in MODULES} - {"__init__", "cli"} == set(STANDS_ON)


def calls_of(path: Path, name: str) -> bool:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    return any(isinstance(node, ast.Call) and getattr(node.func, "id", "") == name for node in ast.walk(tree))


def test_there_is_one_way_from_accuracies_to_transfers():
    calling = {str(path.relative_to(PACKAGE)) for path in MODULES if calls_of(path, "transfers_table")}
    assert calling == {"analysis/measure.py", "analysis/sensitivity.py"}


@pytest.mark.parametrize("path", MODULES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_the_analysis_wing_imports_no_torch(path):
    if room_of(path) not in {"models", "study"}:
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
    with pytest.raises(AttributeError, match="attribute pgf"):
        _ = tasktransfer.pgf
