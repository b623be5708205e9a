"""Jobs done here, one after another, or by several processes: the same files either way.

A process that dies takes its job with it, not the run: the job goes to a new process once, then counts as failed.
"""

from __future__ import annotations

import json
import os
import queue
import subprocess
import sys
import threading
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path

from tasktransfer.study.devices import launch_command
from tasktransfer.study.do_job import Job, Outcome, Workshop

__all__ = ["do_here", "do_in_processes"]

_TRIES = 2


def do_here(workshop: Workshop, jobs: Iterable[Job]) -> Iterator[Outcome]:
    """Do jobs in this process."""
    for job in jobs:
        yield workshop.do(job)


def do_in_processes(
    root: Path, jobs: Iterable[Job], *, workers: int, log: Path, gpus: int = 1, device: str = "auto"
) -> Iterator[Outcome]:
    """Do jobs in `workers` processes, yielding outcomes as they come.

    Each process loads the study from `root`. What they print goes to `log`. Where there are several GPUs each
    worker has its own, or its own `gpus` of them, unless `device` says which one it is.
    """
    waiting: queue.SimpleQueue[Job] = queue.SimpleQueue()
    n_jobs = 0
    for job in jobs:
        waiting.put(job)
        n_jobs += 1
    outcomes: queue.SimpleQueue[Outcome] = queue.SimpleQueue()
    hands = [_Hand(root, log, waiting, outcomes, gpus, device, number) for number in range(min(workers, n_jobs))]
    try:
        for hand in hands:
            hand.start()
        for _ in range(n_jobs):
            yield outcomes.get()
    finally:
        for hand in hands:
            hand.stop()


class _Hand(threading.Thread):
    """Feeds one process, and starts another one where it dies."""

    def __init__(
        self,
        root: Path,
        log: Path,
        waiting: queue.SimpleQueue[Job],
        outcomes: queue.SimpleQueue[Outcome],
        gpus: int,
        device: str,
        number: int,
    ) -> None:
        super().__init__(daemon=True)
        self.gpus, self.device, self.number = gpus, device, number
        self.root, self.log, self.waiting, self.outcomes = root, log, waiting, outcomes
        self.process: subprocess.Popen[str] | None = None
        self.stopped = False

    def run(self) -> None:
        """Take jobs until there are none left."""
        while not self.stopped:
            try:
                job = self.waiting.get_nowait()
            except queue.Empty:
                return
            try:
                outcome = self._do(job)
            except Exception as error:  # whatever it is: the run waits for an outcome
                outcome = Outcome(job, f"no process could be started ({error})", fatal=True)
            self.outcomes.put(outcome)

    def stop(self) -> None:
        """End the process now; what it has half-written has a temporary name."""
        self.stopped = True
        if self.process is not None:
            self.process.kill()
        self.join()
        self._bury()

    def _do(self, job: Job) -> Outcome:
        status: int | None = None
        for _ in range(_TRIES):
            reply = self._ask(job)
            if reply:
                error, fatal = json.loads(reply)
                return Outcome(job, error, fatal)
            status = self._bury()
            if self.stopped:
                break
        return Outcome(job, f"the process died {_TRIES} times (exit status {status}); see {self.log.name}")

    def _bury(self) -> int | None:
        """Wait for the end of the process and close its pipes."""
        if self.process is None:
            return None
        process, self.process = self.process, None
        for stream in (process.stdin, process.stdout):
            if stream is not None:
                with suppress(OSError):
                    stream.close()
        return process.wait()

    def _ask(self, job: Job) -> str:
        """The line that answers a job; empty where the process died."""
        if self.process is None:
            self.process = self._start_process()
        stdin, stdout = self.process.stdin, self.process.stdout
        assert stdin is not None
        assert stdout is not None
        try:
            stdin.write(json.dumps(job) + "\n")
            stdin.flush()
            return stdout.readline()
        except (OSError, ValueError):
            return ""

    def _start_process(self) -> subprocess.Popen[str]:
        command = launch_command(sys.executable, self.gpus, "tasktransfer.study.engines.worker", self.root)
        places = os.pathsep.join(path or str(Path.cwd()) for path in sys.path)
        one_thread = {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1", "TOKENIZERS_PARALLELISM": "false"}
        environment = (
            os.environ | {"PYTHONPATH": places} | one_thread | _own_gpus(self.number, self.gpus, self.device)
        )
        with self.log.open("a", encoding="utf-8") as log:
            return subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
                encoding="utf-8",
                env=environment,
            )


def _own_gpus(number: int, gpus: int, device: str) -> dict[str, str]:
    """What leaves a worker the GPUs that are its own, in turn; nothing where one is named by its number."""
    if ":" in device:
        return {}
    import torch

    n_gpus = torch.cuda.device_count()
    if n_gpus < 2:
        return {}
    told = os.environ.get("CUDA_VISIBLE_DEVICES")
    names = told.split(",") if told else [str(index) for index in range(n_gpus)]
    return {"CUDA_VISIBLE_DEVICES": ",".join(names[(number * gpus + k) % n_gpus] for k in range(gpus))}
