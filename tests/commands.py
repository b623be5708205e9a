"""The command line as a user meets it: arguments in; exit status, output and messages out."""

from __future__ import annotations

import contextlib
import io
import os
import subprocess
import sys
from pathlib import Path
from unittest import mock

from tasktransfer.cli import main

__all__ = ["tasktransfer", "tasktransfer_process"]


def tasktransfer(*arguments: str | Path, cwd: str | Path = ".") -> subprocess.CompletedProcess[str]:
    """Run a command in this process, which spares the seconds that another one takes to start."""
    line = ["tasktransfer", *map(str, arguments)]
    out, err = io.StringIO(), io.StringIO()
    with (
        contextlib.chdir(cwd),
        mock.patch.object(sys, "argv", line),
        contextlib.redirect_stdout(out),
        contextlib.redirect_stderr(err),
    ):
        try:
            main()
            status = 0
        except SystemExit as ended:
            status = int(ended.code or 0)
    return subprocess.CompletedProcess(line, status, out.getvalue(), err.getvalue())


def tasktransfer_process(
    *arguments: str | Path, cwd: str | Path = ".", **environment: str
) -> subprocess.CompletedProcess[str]:
    """Run a command in a process of its own."""
    return subprocess.run(
        [sys.executable, "-m", "tasktransfer.cli", *map(str, arguments)],
        cwd=cwd,
        env=os.environ | environment,
        capture_output=True,
        text=True,
        encoding="utf-8",
        check=False,
    )
