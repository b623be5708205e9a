"""The command line: which commands there are. Nothing heavy is imported before one of them runs."""

from __future__ import annotations

import gc
import sys
from collections.abc import Callable

import typer

from tasktransfer.cli.analyze import analyze
from tasktransfer.cli.build_train import build_train
from tasktransfer.cli.check_task import check_task
from tasktransfer.cli.compare import compare
from tasktransfer.cli.demo import demo
from tasktransfer.cli.import_logs import import_logs
from tasktransfer.cli.power import power
from tasktransfer.cli.predict import predict
from tasktransfer.cli.realise import realise
from tasktransfer.cli.recommend import recommend
from tasktransfer.cli.similarity import similarity
from tasktransfer.cli.study import init, plan, report, retry, run, status
from tasktransfer.errors import TaskTransferError

__all__ = ["app", "main"]

MESSAGE_BYTES = 3500

app = typer.Typer(
    name="tasktransfer",
    help="Measure how finetuning a vision-language model on one task changes the others.",
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
_COMMANDS: dict[str, Callable[..., None]] = {  # in the order of the help
    "analyze": analyze,
    "compare": compare,
    "power": power,
    "demo": demo,
    "import": import_logs,
    "init": init,
    "plan": plan,
    "run": run,
    "status": status,
    "retry": retry,
    "report": report,
    "realise": realise,
    "recommend": recommend,
    "predict": predict,
    "similarity": similarity,
    "check-task": check_task,
    "build-train": build_train,
}
for _name, _command in _COMMANDS.items():
    app.command(_name)(_command)


def main() -> None:
    """Run the command line; every error of ours ends as one short message and exit status 2."""
    # figures and tables are many small objects that live until the end: looking for garbage among them at
    # Python's usual rate takes a fifth of the time of `analyze`
    gc.set_threshold(50_000, 20, 20)
    try:
        sys.exit(app(sys.argv[1:] or ["--help"], standalone_mode=False) or 0)
    except TaskTransferError as error:
        _refuse(str(error))
    except typer.TyperException as error:  # unknown commands and options, values of the wrong type
        _refuse(error.format_message())
    except (typer.Abort, KeyboardInterrupt):
        typer.echo("stopped", err=True)
        sys.exit(130)


def _refuse(message: str) -> None:
    cut = message.encode("utf-8", "backslashreplace")[:MESSAGE_BYTES].decode("utf-8", "ignore")
    typer.echo(f"error: {cut}", err=True)
    sys.exit(2)
