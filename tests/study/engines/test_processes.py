"""Jobs in several processes: those that cannot start, and the GPUs that each has."""

from __future__ import annotations

import pytest

from tasktransfer.errors import OutputError
from tasktransfer.study.engines.processes import _own_gpus
from tasktransfer.study.run import run_study


def test_a_process_that_cannot_be_started_ends_the_run_and_is_told(bench, tmp_path):
    (tmp_path / "out" / "workers.log").mkdir(parents=True)  # so that nothing can be printed there
    with pytest.raises(OutputError, match="no process could be started"):
        run_study(bench / "study.yaml", tmp_path / "out", workers=2, quiet=True)


def test_a_gpu_named_by_its_number_stays_what_it_is(monkeypatch):
    import torch

    monkeypatch.setattr(torch.cuda, "device_count", lambda: 4)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    assert _own_gpus(1, 2, "cuda") == {"CUDA_VISIBLE_DEVICES": "2,3"}
    assert _own_gpus(1, 1, "cuda:3") == {}
