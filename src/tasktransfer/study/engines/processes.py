"""Jobs done by several processes of this machine.

A process that dies takes its job with it, not the run: the job goes to a new process once, then counts as failed.
"""

from __future__ import annotations

import json
import os
import queue
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from tasktransfer.study.devices import launch_command
from tasktransfer.study.engines.engine import Do
from tasktransfer.study.jobs import Job, Outcome
from tasktransfer.study.plan import Plan
from tasktransfer.study.store import Store

__all__ = ["Processes"]

_TRIES = 2


@dataclass(frozen=True)
class Processes:
    """The engine `processes`; see `tasktransfer.study.engines.engine.Engine`.

    Each process loads the study from its folder; what they print goes to ``workers.log``. Where there are several
    GPUs each worker has its own, or its own ``compute.gpus`` of them, unless ``compute.device`` says which one.

    Parameters
    ----------
    workers
        How many, from 1.
    """

    workers: int = 1

    @property
    def at_once(self) -> int:
        """How many jobs are done at a time."""
        return self.workers

    @contextmanager
    def opened(self, plan: Plan, store: Store) -> Iterator[Do]:
        """Processes are started when there is a job for them, stay for all stages, and end with the block."""
        compute = plan.study.compute
        waiting: queue.SimpleQueue[Job | None] = queue.SimpleQueue()
        outcomes: queue.SimpleQueue[Outcome] = queue.SimpleQueue()
        hands: list[_Hand] = []

        def do(jobs: Sequence[Job]) -> Iterator[Outcome]:
            for job in jobs:
                waiting.put(job)
            while len(hands) < min(self.workers, len(jobs)):
                hands.append(_Hand(store.root, waiting, outcomes, compute.gpus, compute.device, len(hands)))
                hands[-1].start()
            for _ in jobs:
                yield outcomes.get()

        try:
            yield do
        finally:
            for hand in hands:  # all before any is ended: the others would go on with jobs that wait
                hand.stopped = True
            for _ in hands:
                waiting.put(None)
            for hand in hands:
                hand.stop()


class _Hand(threading.Thread):
    """Feeds one process, and starts another one where it dies."""

    def __init__(
        self,
        root: Path,
        waiting: queue.SimpleQueue[Job | None],
        outcomes: queue.SimpleQueue[Outcome],
        gpus: int,
        device: str,
        number: int,
    ) -> None:
        super().__init__(daemon=True)
        self.gpus, self.device, self.number = gpus, device, number
        self.root, self.log, self.waiting, self.outcomes = root, root / "workers.log", waiting, outcomes
        self.process: subprocess.Popen[str] | None = None
        self.stopped = False

    def run(self) -> None:
        """Take jobs until there is no more to come."""
        while (job := self.waiting.get()) is not None and not self.stopped:
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
        # what is importable here is importable there; '' is the folder that this process runs in
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
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    names = visible.split(",") if visible else [str(index) for index in range(n_gpus)]
    return {"CUDA_VISIBLE_DEVICES": ",".join(names[(number * gpus + k) % n_gpus] for k in range(gpus))}
