"""Files of a benchmark: in a local copy of its Hub repository, else in the Hub's cache, else from the Hub.

The revision is a commit, so a file in the cache is the right one and nothing is asked of the network. A local
copy is taken as it is; what it holds is checked when it is read.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from tasktransfer.errors import InputError

__all__ = ["HubRepo", "download_command"]

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
        found = try_to_load_from_cache(self.name, file, revision=self.revision, repo_type="dataset")
        return Path(found) if isinstance(found, str) else None

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
            It is not to be had; the message names the command that gets it.
        """
        found = self.local(file, data)
        if found is not None:
            return found
        if data is not None:
            raise InputError(self.missing(file, data))
        try:
            from huggingface_hub import hf_hub_download
        except ImportError as error:
            raise InputError(f"{_EXTRA}, or {self.missing(file, None)}") from error
        try:
            return Path(hf_hub_download(self.name, file, revision=self.revision, repo_type="dataset"))
        except (OSError, ValueError, RuntimeError) as error:
            reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
            raise InputError(f"{self.missing(file, None)}\nThe Hub says: {reason}") from error

    def missing(self, file: str, data: Path | None, *, files: str = "") -> str:
        """That a file is missing, and the command that gets it; `files` is what to fetch where that is more."""
        place = f"{data}: has no {file}" if data else f"{self.name}: {file} is not in the local Hub cache"
        return f"{place}; get it with: {self.command(data, files or file)}"

    def command(self, data: Path | None, files: str = "") -> str:
        """The shell command that fetches the repository or some of its files."""
        return download_command(self.name, self.revision, data, files)


def download_command(name: str, revision: str | None, data: Path | None, files: str = "") -> str:
    """The shell command that fetches a dataset repository, into `data` or into the cache.

    >>> download_command("org/name", "abc", Path("copy"), "test.jsonl")
    'hf download org/name test.jsonl --repo-type dataset --revision abc --local-dir copy'
    """
    parts = ["hf download", name, files, "--repo-type dataset"]
    parts += [f"--revision {revision}"] if revision else []
    parts += [f"--local-dir {data}"] if data else []
    return " ".join(part for part in parts if part)
