"""How far a run is, on the terminal and in its log."""

from __future__ import annotations

import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import TextIO

__all__ = ["Progress", "duration"]

_EVERY = 10.0  # seconds between lines where there is no terminal


class Progress:
    """Counts work done against work planned; silent on the terminal when `quiet`."""

    def __init__(self, log: Path, *, quiet: bool = False, stream: TextIO | None = None) -> None:
        self.log, self.quiet, self.stream = log, quiet, stream or sys.stderr
        self.planned = self.done = 0.0
        self.started = self._told = time.monotonic()

    def plan(self, work: float) -> None:
        """Set how much there is to do, in any unit, and start the clock."""
        self.planned, self.done = work, 0.0
        self.started = self._told = time.monotonic()

    def tell(self, text: str) -> None:
        """A line for the terminal and the log."""
        self._clear()
        if not self.quiet:
            print(text, file=self.stream, flush=True)
        self.note(text)

    def note(self, text: str) -> None:
        """A line for the log only; a full disk must not hide the message about it."""
        with suppress(OSError), self.log.open("a", encoding="utf-8") as handle:
            handle.write(f"{time.strftime('%Y-%m-%d %H:%M:%S')}  {text}\n")

    def advance(self, work: float, text: str) -> None:
        """Count work as done and show what it was."""
        self.done += work
        now = time.monotonic()
        left = (now - self.started) * max(0.0, self.planned - self.done) / max(self.done, 1e-9)
        line = f"{self.done / max(self.planned, 1e-9):4.0%}  {duration(left)} left  {text}"
        self.note(line)
        if self.quiet:
            return
        if self.stream.isatty():
            print(f"\r\033[K{line[:110]}", end="", file=self.stream, flush=True)
        elif now - self._told > _EVERY:
            self._told = now
            print(line, file=self.stream, flush=True)

    def _clear(self) -> None:
        if not self.quiet and self.stream.isatty():
            print("\r\033[K", end="", file=self.stream, flush=True)


def duration(seconds: float) -> str:
    """Seconds in words.

    >>> duration(5.2), duration(65), duration(7300)
    ('5 s', '1 min 5 s', '2 h 1 min')
    """
    whole = round(seconds)
    hours, minutes, rest = whole // 3600, whole // 60 % 60, whole % 60
    if hours:
        return f"{hours} h {minutes} min"
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"
