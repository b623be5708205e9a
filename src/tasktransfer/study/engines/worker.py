"""A process that does jobs of a study: ``python -m tasktransfer.study.engines.worker FOLDER``.

It reads one job a line from standard input, as JSON, and answers with one line each on standard output. When its
input ends, because the run ended or was killed, it ends at once: what is half-written has a temporary name.

Where a finetune is shared by several processes (`tasktransfer.study.devices`) the first reads and answers, and all
do the job. One that fails ends, and the launcher ends the others: they would wait for it.
"""

from __future__ import annotations

import json
import os
import queue
import sys
import threading
from pathlib import Path

from tasktransfer.study.devices import agreed, is_first, joined_processes, world
from tasktransfer.study.do_job import do_job
from tasktransfer.study.jobs import Job
from tasktransfer.study.loading import Loading
from tasktransfer.study.store import Store

__all__ = ["main"]


def main() -> None:
    """Do jobs until there are no more."""
    replies = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # what libraries print goes to the log, not between the replies
    jobs: queue.SimpleQueue[str] = queue.SimpleQueue()
    if is_first():  # before anything is loaded: a run that ends meanwhile is to end this process too
        threading.Thread(target=_listen, args=(jobs,), daemon=True).start()
    store = Store(Path(sys.argv[1]))
    plan = store.read_plan()
    loading = Loading(plan, store)
    with joined_processes(loading.device(next(iter(plan.study.models)))):
        while True:
            job = Job(*json.loads(agreed(jobs.get() if is_first() else "")))
            outcome = do_job(job, loading)
            if outcome.error and world() > 1:
                print(outcome.error, file=sys.stderr, flush=True)
                os._exit(1)
            if is_first():
                replies.write(json.dumps([outcome.error, outcome.fatal]) + "\n")
                replies.flush()


def _listen(jobs: queue.SimpleQueue[str]) -> None:
    for line in sys.stdin:
        jobs.put(line)
    # sys.exit would end this thread alone; the launcher ends the other processes only after a failure
    os._exit(0 if world() == 1 else 1)


if __name__ == "__main__":
    main()
