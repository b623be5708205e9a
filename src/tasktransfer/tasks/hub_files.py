"""Files of a benchmark: in a local copy of its Hub repository, else in the Hub's cache, else from the Hub.

The revision is a commit, so a file in the cache is the right one and nothing is asked of the network. A local
copy is taken as it is; what it holds is checked when it is read.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from tasktransfer.errors import InputError

__all__ = ["HubRepo", "download_command", "first_line"]

_EXTRA = "huggingface_hub is not installed: pip install 'tasktransfer[hub]'"


@dataclass(frozen=True)
class HubRepo:
    """A dataset repository at one commit."""

    name: str
    revision: str

    def cached(self, file: str) -> Path | None:
        """The file in the local cache of the Hub, without network."""
        try:
            from huggingface_hub import try_to_load_from_cache
        except ImportError:
            return None
        path = try_to_load_from_cache(self.name, file, revision=self.revision, repo_type="dataset")
        # neither path nor None but a marker, where the cache knows that the repository has no such file
        return Path(path) if isinstance(path, str) else None

    def local(self, file: str, data: Path | None) -> Path | None:
        """The file without network, or None."""
        if data is None:
            return self.cached(file)
        return data / file if (data / file).is_file() else None

    def get(self, file: str, data: Path | None) -> Path:
        """The file; from the network only where `data` is None and the cache has none.

        Raises
        ------
        InputError
            It is not available; the message names the command that gets it.
        """
        path = self.local(file, data)
        if path is not None:
            return path
        if data is not None:
            raise InputError(self.missing(file, data))
        try:
            from huggingface_hub import hf_hub_download
        except ImportError as error:
            raise InputError(f"{_EXTRA}, or {self.missing(file, None)}") from error
        try:
            return Path(hf_hub_download(self.name, file, revision=self.revision, repo_type="dataset"))
        except Exception as error:  # those of the client and of its transport have no common base
            reason = first_line(error)
            raise InputError(f"{self.missing(file, None)}\nThe Hub says: {reason}") from error

    def missing(self, file: str, data: Path | None, *, files: str = "") -> str:
        """That a file is missing, and the command that gets it.

        Parameters
        ----------
        file
            Path in the repository.
        data
            The local copy that lacks it; None for the Hub's cache.
        files
            What to fetch where that is more than `file`, names parted by spaces.
        """
        place = f"{data}: has no {file}" if data else f"{self.name}: {file} is not in the local Hub cache"
        return f"{place}; get it with: {self.command(data, files or file)}"

    def command(self, data: Path | None, files: str = "") -> str:
        """The shell command that fetches the repository or some of its files."""
        return download_command(self.name, self.revision, data, files)


def download_command(name: str, revision: str | None, data: Path | None, files: str = "") -> str:
    """The shell command that fetches a dataset repository.

    Parameters
    ----------
    name
        ``org/name`` on the Hub.
    revision
        A commit, tag or branch; None for the newest.
    data
        The folder to fetch into; None for the Hub's cache.
    files
        Names parted by spaces; empty for the whole repository.

    Examples
    --------
    >>> download_command("org/name", "abc", Path("copy"), "test.jsonl")
    'hf download org/name test.jsonl --repo-type dataset --revision abc --local-dir copy'
    """
    parts = ["hf download", name, files, "--repo-type dataset"]
    parts += [f"--revision {revision}"] if revision else []
    parts += [f"--local-dir {data}"] if data else []
    return " ".join(part for part in parts if part)


def first_line(error: Exception) -> str:
    """What an error says, on one line."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
