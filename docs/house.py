"""Write the map of the code into docs/architecture.md: a line for each file, the first of its docstring.

Run it after adding, moving or renaming a file: ``python docs/house.py``; a test says where it was forgotten.
"""

from __future__ import annotations

import ast
from pathlib import Path

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "architecture.md"
BEGIN, END = "<!-- map: python docs/house.py -->", "<!-- end of map -->"
# rooms in the order of a reader's way through the program
ROOMS = (
    "", "tasks", "tasks/answers", "tasks/benchmarks", "tasks/own", "tasks/toyworld", "tasks/builders",
    "models", "models/families", "models/toy", "study", "study/engines", "study/train",
    "importers", "stats", "analysis", "drawing", "planning", "recommendation", "similarity",
    "report", "report/figures", "report/findings", "report/page", "predict", "realise", "cli",
)  # fmt: skip


def main() -> None:
    """Replace what stands between the marks."""
    text = PAGE.read_text(encoding="utf-8")
    before, rest = text.split(BEGIN)
    PAGE.write_text(f"{before}{BEGIN}\n{house()}{END}{rest.split(END)[1]}", encoding="utf-8")


def house() -> str:
    """The map, as Markdown."""
    package = ROOT / "src" / "tasktransfer"
    found = {str(path.parent.relative_to(package)).removeprefix(".") for path in package.rglob("*.py")}
    if missing := found - set(ROOMS):
        raise SystemExit(f"docs/house.py: no place in ROOMS for {sorted(missing)}")
    parts = []
    for room in ROOMS:
        folder = package / room
        face = first_line(folder / "__init__.py") if room else "what every room stands on"
        parts.append(f"\n**`{room or 'tasktransfer'}/`**{f' {face}' if face else ''}\n\n")
        for path in sorted(folder.glob("*.py")):
            if path.name != "__init__.py":
                link = f"../src/tasktransfer/{path.relative_to(package).as_posix()}"
                parts.append(f"- [`{path.stem}`]({link}) {first_line(path)}\n")
    return "".join(parts) + "\n"


def first_line(path: Path) -> str:
    """Of the docstring; its backquoted names stay as they are."""
    return (ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or "").split("\n")[0].replace("``", "`")


if __name__ == "__main__":
    main()
