"""The command that looks at a task; it joins those of `tasktransfer.cli`."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from tasktransfer.tasks.inspection import SplitLook, TaskLook
    from tasktransfer.tasks.open_task import Supply
    from tasktransfer.tasks.own.hub_dataset import HubDataset

__all__ = ["check_task"]


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
        faults = look.faults
        typer.echo(f"\n{len(faults)} fault{'s' * (len(faults) > 1)}", err=True)
        for fault in faults:
            typer.echo(f"  {fault}", err=True)
        raise typer.Exit(1)


def _opened(task: str, data: Path | None, training: Path | None, frames: int) -> Supply:
    from tasktransfer.tasks.open_task import KNOWN_TASKS, open_task

    if task in KNOWN_TASKS:
        return open_task(task, data=data, training=training, frames=frames)
    path = Path(task)
    if path.suffix in {".yaml", ".yml"}:
        return open_task(path.stem, _dataset(path, data), data=data)
    if path.is_dir() or ":" in task:
        return open_task(path.name, task)
    return open_task(task)  # not there; the error names the nearest


def _dataset(path: Path, data: Path | None) -> HubDataset:
    from tasktransfer.tasks.own.hub_dataset import read_dataset_file

    source = read_dataset_file(path)
    if source.folder is None and data is None:
        folder = (path.parent / source.dataset).resolve()
        typer.echo(f"no folder {folder}; taken as a Hub dataset", err=True)
    return source


def _lines(look: TaskLook) -> Iterator[str]:
    for split in look.splits:
        yield f"{split.split}: {split.n_items} items"
        yield from _split_lines(split)
    for split_name, reason in look.absent.items():
        yield f"{split_name}: not looked at" + ("" if reason in look.faults else f". {reason}")
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
            by_letter = " ".join(f"{letter}{letters[letter]}" for letter in sorted(letters))
            most = f"one letter at most {share:.1%}, chance {chance:.1%}"
            yield f"  {n_options} options: {n_items} items; {by_letter}; {most}"
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
