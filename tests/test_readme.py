"""Every command and every line of Python in the README runs."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.commands import tasktransfer

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")


def blocks(language: str, text: str = README) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", text, flags=re.DOTALL)


def commands_in(text: str) -> list[str]:
    return [
        line for block in blocks("sh", text) for line in block.splitlines() if line.startswith("tasktransfer ")
    ]


# section by section, since a command may stand on what one before it wrote
COMMANDS = [found for section in re.split(r"^## ", README, flags=re.MULTILINE) if (found := commands_in(section))]


@pytest.fixture
def workplace(tmp_path: Path) -> Path:
    shutil.copytree(ROOT / "examples", tmp_path / "examples")
    shutil.copytree(ROOT / "studies", tmp_path / "studies")
    return tmp_path


def test_the_readme_has_commands_and_python():
    assert sum(map(len, COMMANDS)) >= 3
    assert len(blocks("python")) == 1


@pytest.mark.parametrize("commands", COMMANDS, ids=lambda commands: commands[0])
def test_commands_of_a_section_run_in_order(commands, workplace):
    if any(" run " in command for command in commands):
        pytest.importorskip("torch", reason="the run side needs torch: pip install '.[models]'")
    for command in commands:
        arguments = shlex.split(command)[1:]
        result = tasktransfer(*arguments, cwd=workplace)
        assert result.returncode == 0, result.stderr
        if "--out" in arguments:
            out = workplace / arguments[arguments.index("--out") + 1]
            assert out.is_file() if out.suffix else list(out.rglob("*.json"))


def test_python_runs(workplace):
    subprocess.run([sys.executable, "-c", blocks("python")[0]], cwd=workplace, check=True, capture_output=True)
    assert (workplace / "out-python" / "report.html").is_file()


def test_example_runs(workplace):
    script = workplace / "examples" / "from_python.py"
    subprocess.run([sys.executable, script], cwd=workplace, check=True, capture_output=True)


def test_make_targets_of_the_readme_exist():
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    targets = {
        line.split()[1] for block in blocks("sh") for line in block.splitlines() if line.startswith("make ")
    }
    assert targets
    for target in targets:
        assert re.search(rf"^{target}:", makefile, flags=re.MULTILINE)


def test_linked_files_exist():
    for link in re.findall(r"\]\(([^)#:]+)\)", README):
        assert (ROOT / link).exists(), link
