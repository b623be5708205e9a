"""A Hub dataset, or a folder of tables, as a task: which columns hold what.

======== ======================================================================================================
dataset  ``org/name`` on the Hub, or a folder with parquet, jsonl or csv files
config   a part of the dataset: a folder, or the beginning of file names
revision a commit, tag or branch of the Hub; a commit needs no network once the files are in the cache
splits   ``train`` and ``test`` of a study -> split of the dataset, or a file pattern such as ``data/dev*.parquet``
columns  ``question``, ``answer``; ``images``, ``choices``, ``id``, ``cluster`` where there are any
answers  how answers are given: ``letter``, ``index`` (from 0) or ``text``; read off the data when not said
scorer   how answers without options are scored
======== ======================================================================================================
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from fnmatch import fnmatch
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from tasktransfer.errors import InputError, quoted, raise_faults
from tasktransfer.tasks.answers.scoring import find_scorer
from tasktransfer.tasks.hub_files import download_command, first_line
from tasktransfer.tasks.item import Item
from tasktransfer.tasks.own.function import is_function
from tasktransfer.tasks.own.tables import Columns, TableItems, read_table
from tasktransfer.yaml_lines import in_words, read_marked, read_yaml_text

__all__ = ["HubDataset", "HubTask", "looks_local", "read_dataset_file", "read_hub_dataset"]

ENDINGS = (".parquet", ".jsonl", ".csv")
_PATIENCE = 30.0  # seconds for the Hub's answer
_SHARD = re.compile(r"-(\d{5})-of-(\d{5})$")


class _NotHadError(InputError):
    """The Hub gives nothing of a dataset."""


def looks_local(dataset: str) -> bool:
    """Whether a name can only be that of a folder.

    >>> looks_local("./mine"), looks_local("mine"), looks_local("org/name")
    (True, True, False)
    """
    return dataset.startswith((".", "/", "~")) or dataset.count("/") != 1


class HubDataset(BaseModel):
    """Where the tables are and what their columns hold; see the module's table."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    dataset: str = Field(min_length=1)
    config: str | None = None
    revision: str | None = None
    splits: dict[Literal["train", "test"], str] = {"train": "train", "test": "test"}
    columns: Columns
    answers: Literal["letter", "index", "text"] | None = None
    scorer: str = ""

    @field_validator("scorer")
    @classmethod
    def _known(cls, word: str) -> str:
        """A word for a scorer is looked up at once; a function of one's own when answers are scored."""
        if word and not is_function(word):
            find_scorer(word)
        return word

    @property
    def folder(self) -> Path | None:
        """The dataset as a folder; None where it is a name on the Hub."""
        path = Path(self.dataset).expanduser()
        return path if path.is_dir() or looks_local(self.dataset) else None

    def files(self, split: str, data: Path | None, *, network: bool = True) -> list[Path]:
        """The files of a study's split: in the folder or copy, in the Hub's cache, from the Hub.

        Parameters
        ----------
        split
            ``train`` or ``test``, a key of `splits`.
        data
            A local copy in the layout of its repository; None looks in `folder`, then in the Hub's cache.
        network
            Ask the Hub where there is neither copy nor folder and the cache lacks files.

        Raises
        ------
        InputError
            There are none, or shards of them are missing.
        """
        wanted = self.splits.get(split)  # type: ignore[call-overload]
        if wanted is None:
            raise InputError(f"{self.dataset}: no {split!r} under 'splits', which has {quoted(self.splits)}")
        folder = data or self.folder or self._cached()
        tables = _listed(folder)
        names = _matching(tables, wanted, self.config)
        lost = _lost_shards(names)
        if folder and names and not lost:
            return [folder / name for name in names]
        if network and not (data or self.folder):
            return self._downloaded(wanted)
        what = f"not all shards of split {wanted!r}: {quoted(lost)}" if lost else f"no file of split {wanted!r}"
        raise InputError(self._lacks([what], tables, folder, data))

    def _lacks(self, what: Sequence[str], tables: Sequence[str], folder: Path | None, data: Path | None) -> str:
        """What lacks where, and the command that gets it."""
        part = f" in config {self.config!r}" if self.config else ""
        there = f"; its tables are {quoted(tables) or 'none'}" if folder else ""
        get = "" if self.folder else f"; get it with: {self.command(data)}"
        place = folder if data or self.folder else f"{self.dataset}: the local Hub cache"
        return f"{place} has {' and '.join(what)}{part}{there}{get}"

    def promised(self, split: str, data: Path | None) -> bool:
        """Whether a split was named, or some of its files are here."""
        wanted = self.splits.get(split)  # type: ignore[call-overload]
        if wanted is None or "splits" in self.model_fields_set:
            return wanted is not None
        return bool(_matching(_listed(data or self.folder or self._cached()), wanted, self.config))

    def missing(self, data: Path | None, splits: Sequence[str]) -> str | None:
        """What lacks for some of a study's splits, without network."""
        faults = []
        folder = data or self.folder or self._cached()
        tables = _listed(folder)
        wanted = [self.splits[split] for split in splits if split in self.splits]
        if len(wanted) > 1 and not any(_matching(tables, split, self.config) for split in wanted):
            return self._lacks([f"no file of splits {quoted(wanted)}"], tables, folder, data)
        for split in splits:
            if split in self.splits:
                try:
                    self.files(split, data, network=False)
                except InputError as error:
                    faults.append(str(error))
        return "\n".join(faults) or None

    def command(self, data: Path | None) -> str:
        """The command that fetches the dataset."""
        return download_command(self.dataset, self.revision, data)

    def _cached(self) -> Path | None:
        """The dataset's folder in the Hub's cache, without network; perhaps not all of it is there."""
        try:
            from huggingface_hub import snapshot_download
        except ImportError:
            return None
        try:
            return Path(
                snapshot_download(self.dataset, repo_type="dataset", revision=self.revision, local_files_only=True)
            )
        except (OSError, ValueError):
            return None

    def _downloaded(self, wanted: str) -> list[Path]:
        try:
            from huggingface_hub import HfApi, hf_hub_download
        except ImportError as error:
            raise InputError(
                f"{self.dataset}: huggingface_hub is not installed: pip install 'tasktransfer[hub]'"
            ) from error
        try:
            # one request without retries: a name that is not there is reported at once
            listed = HfApi().dataset_info(self.dataset, revision=self.revision, timeout=_PATIENCE).siblings
            tables = [file.rfilename for file in listed or () if file.rfilename.endswith(ENDINGS)]
            names = _matching(tables, wanted, self.config)
            paths = [
                Path(hf_hub_download(self.dataset, name, repo_type="dataset", revision=self.revision))
                for name in names
            ]
        except Exception as error:  # those of the client and of its transport have no common base
            raise _NotHadError(
                f"{self.dataset}: cannot be had from the Hub ({first_line(error)}); get it with: "
                f"{self.command(None)}"
            ) from error
        if not paths:
            raise InputError(
                f"{self.dataset}: has no file of split {wanted!r}; its tables are {quoted(tables) or 'none'}"
            )
        return paths


class HubTask:
    """The items of a Hub dataset; a split's tables are read when it is first asked for."""

    def __init__(self, name: str, source: HubDataset, data: Path | None) -> None:
        self.name, self.source, self.data = name, source, data
        self._splits: dict[str, TableItems] = {}
        self._not_had: _NotHadError | None = None

    def draw(self, split: str, n_items: int) -> list[Item]:
        """The first items of a split; raises where it has fewer."""
        return self._split(split).draw(n_items)

    def digest(self, split: str, n_items: int) -> str:
        """What identifies those items."""
        return self._split(split).digest(n_items)

    def count(self, split: str) -> int:
        """How many items a split has."""
        return len(self._split(split))

    def promised(self, split: str) -> bool:
        """Whether a split was named, or some of its files are here."""
        return self.source.promised(split, self.data)

    def _split(self, split: str) -> TableItems:
        if split not in self._splits:
            files = self._files(split)
            self._splits[split] = read_table(
                files, self.source.columns, split=split, answers=self.source.answers, scorer=self.source.scorer
            )
        return self._splits[split]

    def _files(self, split: str) -> list[Path]:
        """The files of a split; what the Hub refused once is not asked for again."""
        if self._not_had:
            raise self._not_had
        try:
            return self.source.files(split, self.data)
        except _NotHadError as error:
            self._not_had = error
            raise


def read_hub_dataset(name: str, source: HubDataset, data: Path | None) -> HubTask:
    """A Hub dataset as a task, with nothing read yet.

    Parameters
    ----------
    name
        As the study calls it.
    source
        Where it is and what its columns hold.
    data
        A local copy in the layout of its repository.
    """
    return HubTask(name, source, data)


def _listed(folder: Path | None) -> list[str]:
    """The tables of a folder, by their paths in it."""
    if folder is None or not folder.is_dir():
        return []
    paths = [path for path in folder.rglob("*") if path.suffix in ENDINGS and path.is_file()]
    names = [path.relative_to(folder).as_posix() for path in paths]
    return sorted(name for name in names if not any(part.startswith(".") for part in name.split("/")))


def _matching(names: Sequence[str], wanted: str, config: str | None) -> list[str]:
    """The files of a split: those that a pattern fits, else those that bear its name.

    >>> _matching(["data/train-00000-of-00001.parquet", "data/test-00000-of-00001.parquet"], "test", None)
    ['data/test-00000-of-00001.parquet']
    >>> _matching(["a/test.csv", "b/test.csv", "b/test_small.csv"], "test", "b")
    ['b/test.csv']
    """
    if "*" in wanted or wanted.endswith(ENDINGS):
        return sorted(name for name in names if fnmatch(name, wanted))
    named = []
    for name in names:
        parts = re.sub(r"\.\w+$", "", name).split("/")
        last = _SHARD.sub("", parts[-1])
        folders = parts[:-1]
        plain = [last, *folders, *([last.removeprefix(f"{config}-").removeprefix(f"{config}_")] if config else [])]
        of_config = config is None or config in folders or last.startswith((f"{config}-", f"{config}_"))
        if wanted in plain and of_config:
            named.append(name)
    return sorted(named)


def _lost_shards(names: Sequence[str]) -> list[str]:
    """Shards that the names of others promise: ``-00001-of-00003``."""
    there = set(names)
    lost = []
    for name in names:
        stem, dot, ending = name.rpartition(".")
        match = _SHARD.search(stem)
        for number in range(int(match[2])) if match else ():
            sibling = f"{_SHARD.sub('', stem)}-{number:05d}-of-{match[2] if match else ''}{dot}{ending}"
            if sibling not in there:
                lost.append(sibling)
    return sorted(set(lost))


_KEYS = {(): tuple(HubDataset.model_fields), ("columns",): tuple(Columns.model_fields)}


def read_dataset_file(path: Path) -> HubDataset:
    """Read the dataset that a file describes; a folder in it is relative to the file's, as in a study.

    Raises
    ------
    InputError
        The file cannot be read, or keys are wrong; all are reported, one a line.
    """
    marked = read_marked(read_yaml_text(path, "a description of a dataset"), str(path))
    raise_faults([f"{'.'.join(map(str, fault.place))}: {fault.message}" for fault in marked.faults], f"{path}: ")
    values = marked.values
    if not isinstance(values, dict):
        raise InputError(f"{path}: holds no keys; accepted are {quoted(_KEYS[()], limit=9)}")
    try:
        source = HubDataset.model_validate(values)
    except ValidationError as error:
        raise_faults(list(dict.fromkeys(_words_of(error))), f"{path}: ")
        raise
    folder = path.parent / Path(source.dataset).expanduser()
    if folder.is_dir() or source.folder is not None:
        return source.model_copy(update={"dataset": str(folder.resolve())})
    return source


def _words_of(error: ValidationError) -> Iterator[str]:
    for fault in error.errors():
        place: tuple[Any, ...] = fault["loc"]
        if place[:2] == ("columns", "choices"):  # pydantic reports it for each type it might have
            yield "columns.choices: should be a column or a list of columns"
            continue
        where = ".".join(str(key) for key in place if key != "[key]")  # pydantic's mark of a wrong key
        yield f"{where}: {in_words(fault, _KEYS.get(place[:-1], ()))}"
