"""The command that looks at a task; it joins those of `tasktransfer.cli`."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tasktransfer.errors import InputError

if TYPE_CHECKING:
    from tasktransfer.tasks.inspection import SplitLook, TaskLook
    from tasktransfer.tasks.supply import Supply

__all__ = ["add_task_commands"]


def add_task_commands(app: typer.Typer) -> None:
    """Register the command."""
    app.command("check-task")(check_task)


def check_task(
    task: Annotated[
        str,
        typer.Argument(
            metavar="PLACE_OR_NAME",
            help="A task's name, a folder with items.jsonl, module:function, or a .yaml file with the keys of a "
            "Hub dataset.",
        ),
    ],
    data: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Local copy of the benchmark or dataset.")
    ] = None,
    training: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Folder with the training items of a benchmark.")
    ] = None,
    items: Annotated[int | None, typer.Option(min=1, help="Look at so many items of a split at most.")] = None,
    frames: Annotated[int, typer.Option(min=1, help="Frames of a video.")] = 32,
) -> None:
    """Look at every item of a task: counts, letters, images, duplicates, leaks. Status 1 if something is wrong."""
    from tasktransfer.tasks.inspection import inspect_task

    look = inspect_task(_opened(task, data, training, frames), limit=items)
    for line in _lines(look):
        typer.echo(line)
    if look.faults:
        typer.echo(f"\n{len(look.faults)} faults", err=True)
        for fault in look.faults:
            typer.echo(f"  {fault}", err=True)
        raise typer.Exit(1)


def _opened(task: str, data: Path | None, training: Path | None, frames: int) -> Supply:
    from tasktransfer.tasks.supply import KNOWN_TASKS, open_task

    if task in KNOWN_TASKS:
        return open_task(task, data=data, training=training, frames=frames)
    path = Path(task)
    if path.suffix in {".yaml", ".yml"}:
        return open_task(path.stem, _hub_dataset(path), data=data)
    if path.is_dir() or ":" in task:
        return open_task(path.name, task)
    return open_task(task)  # tells the nearest name


def _hub_dataset(path: Path) -> Any:
    """The dataset that a file describes; a folder in it is relative to the file's, as in a study."""
    import yaml
    from pydantic import ValidationError

    from tasktransfer.tasks.hub_dataset import HubDataset

    try:
        source = HubDataset.model_validate(yaml.safe_load(path.read_text(encoding="utf-8")))
    except ValidationError as error:
        told = "; ".join(f"{'.'.join(map(str, found['loc']))}: {found['msg']}" for found in error.errors())
        raise InputError(f"{path}: {told}") from error
    except (OSError, ValueError, yaml.YAMLError) as error:
        raise InputError(f"{path}: cannot be read ({error})") from error
    folder = path.parent / Path(source.dataset).expanduser()
    return source.model_copy(update={"dataset": str(folder.resolve())}) if folder.is_dir() else source


def _lines(look: TaskLook) -> Iterator[str]:
    for split in look.splits:
        yield f"{split.split}: {split.n_items} items"
        yield from _split_lines(split)
    for split_name, reason in look.absent.items():
        yield f"{split_name}: not looked at. {reason}"
    if len(look.splits) > 1:
        shared = len(look.leaks) or "none"
        yield f"images of test items among the training images: {shared} with the same pixels"
        yield f"pairs of test and training items that look alike: {len(look.alike) or 'none'}"
    for note in look.notes:
        yield f"note: {note}"


def _split_lines(look: SplitLook) -> Iterator[str]:
    for n_options, n_items in sorted(look.options.items()):
        if n_options:
            share, chance, _ = look.balance(n_options)
            letters = look.letters[n_options]
            told = " ".join(f"{letter}{letters[letter]}" for letter in sorted(letters))
            most = f"one letter at most {share:.1%}, chance {chance:.1%}"
            yield f"  {n_options} options: {n_items} items; {told}; {most}"
        else:
            yield f"  without options: {n_items} items"
    counts = ", ".join(f"{n_images} in {n_items} items" for n_images, n_items in sorted(look.images.items()))
    yield f"  images: {counts}; {_sizes(look)}"
    yield f"  same item again: {len(look.repeated) or 'none'}; unusable images: {len(look.broken) or 'none'}"


def _sizes(look: SplitLook) -> str:
    if not look.sizes:
        return "no sizes"
    smallest, largest = (pick(look.sizes, key=lambda size: size[0] * size[1]) for pick in (min, max))
    return f"sizes {smallest[0]}x{smallest[1]} to {largest[0]}x{largest[1]}"
