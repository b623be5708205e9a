"""One writer at a time.

The lock is the operating system's own on the file ``lock``, so it ends with the process that holds it, however
that ends: a file left behind by a killed run locks nothing. What is written in it is for the message.
"""

from __future__ import annotations

import os
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from tasktransfer.errors import OutputError

__all__ = ["locked"]


@contextmanager
def locked(root: Path) -> Iterator[None]:
    """Hold a folder for the time of the block.

    Raises
    ------
    OutputError
        It cannot be made or written to, or another process holds it.
    """
    try:
        root.mkdir(parents=True, exist_ok=True)
        # "w" would wipe the name of the holder before it is known whether there is one
        handle = (root / "lock").open("a+", encoding="utf-8")
    except OSError as error:
        raise OutputError(f"{root}: cannot be written to ({error.strerror}); choose another --out") from error
    with handle:
        if not _take(handle):
            handle.seek(0)
            holder = handle.read(200).strip() or "another process"
            raise OutputError(f"{root}: is being written to by {holder}; wait for it, or choose another --out")
        handle.seek(0)
        handle.truncate()
        handle.write(f"process {os.getpid()} on {socket.gethostname()}")
        handle.flush()
        yield


def _take(handle: IO[str]) -> bool:
    try:
        if sys.platform == "win32":
            import msvcrt

            handle.seek(1000)  # beyond what is read for the message
            msvcrt.locking(handle.fileno(), msvcrt.LK_NBLCK, 1)
        else:
            import fcntl

            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True
