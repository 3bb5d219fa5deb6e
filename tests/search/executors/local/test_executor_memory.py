"""Workers within a bound on the search's memory: no spare without room, and fewer slots when trials take more."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from pretend_faults import answer, wait_until
from pretend_study import pretended_task

from apertune.search.executors import devices
from apertune.search.executors.environments import worker_environments
from apertune.search.executors.local.executor import LocalExecutor
from apertune.search.executors.memory_bound import SEARCH_MB, SPARE_MB, WORKER_MB
from apertune.search.messages import TrialResult
from apertune.search.studies.study import Asked

# Trials say that they took as many MiB, beyond what processes share, as they have epochs.
WORKER = """
import psutil

from apertune.search.messages import TrialResult
from apertune.search.training.worker import serve

def run(task, emit, stop_requested):
    shared = getattr(psutil.Process().memory_info(), "shared", 0) / 2**20
    return TrialResult(task.number, "complete", value=1.0, peak_memory_mb=task.epochs + shared)

serve(run, None)
"""
Made = Callable[[int, float], LocalExecutor]


@pytest.fixture
def make(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Made]:
    """Makes an executor of so many workers within a bound in MiB."""
    monkeypatch.setattr(devices, "memory_mb", lambda: (64_000.0, 32_000.0))
    script = tmp_path / "worker.py"
    script.write_text(WORKER)
    with contextlib.ExitStack() as stack:

        def made(workers: int, bound_mb: float) -> LocalExecutor:
            command = (sys.executable, str(script))
            executor = LocalExecutor(
                worker_environments(workers), tmp_path / "logs", bound_mb=bound_mb, command=command
            )
            stack.callback(executor.close)
            executor.start()
            return executor

        yield made


def run(executor: LocalExecutor, folder: Path, number: int, megabytes: int) -> None:
    executor.submit(replace(pretended_task(folder, Asked(number, {"rate": 0.5})), epochs=megabytes))
    result = answer(executor)
    assert isinstance(result, TrialResult)
    assert result.outcome == "complete"


def logs(folder: Path) -> int:
    return len(list((folder / "logs").glob("worker-*.log")))


@pytest.mark.parametrize(("room_mb", "spares"), [(0, 0), (SPARE_MB, 1)])
def test_a_spare_is_kept_where_the_bound_has_room(make: Made, tmp_path: Path, room_mb: int, spares: int) -> None:
    """A spare worker starts only where it fits beside what the search takes, whatever the machine has free."""
    executor = make(1, SEARCH_MB + WORKER_MB + room_mb)
    for number in range(3):
        run(executor, tmp_path, number, 100)
    assert logs(tmp_path) == 1 + spares
    assert len(executor._spares) == spares


def test_trials_that_take_more_cost_the_spare_first(make: Made, tmp_path: Path) -> None:
    """When trials grow, the spare ends, the slots stay, and nothing is said."""
    executor = make(1, SEARCH_MB + WORKER_MB + SPARE_MB)
    run(executor, tmp_path, 0, 100)
    run(executor, tmp_path, 1, 100)
    (spare,) = executor._spares.values()
    run(executor, tmp_path, 2, WORKER_MB + 200)
    assert not executor._spares
    assert not spare.is_running()
    assert executor.free_slots() == 1


def test_a_slot_is_given_up_when_trials_take_more(make: Made, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """When trials take more than was reckoned with, a worker ends, a line says so, and the others go on."""
    executor = make(2, SEARCH_MB + 2 * WORKER_MB + 50)
    (first, second) = executor._workers.values()
    run(executor, tmp_path, 0, WORKER_MB + 300)
    assert executor.free_slots() == 1
    wait_until(lambda: not first.is_running())
    told = "a trial took 0.8 GB of memory, and the search 2.2 GB, more than --memory allows (2 GB); 1 worker goes on."
    assert told in caplog.text
    for number in range(1, 4):
        run(executor, tmp_path, number, WORKER_MB)
    assert second.is_running()
    assert executor.free_slots() == len(executor._workers) == 1


def test_the_last_worker_stays(make: Made, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """One worker is never given up; the user hears once what can be done."""
    executor = make(1, SEARCH_MB + WORKER_MB)
    for number in range(3):
        run(executor, tmp_path, number, 5000)
    assert executor.free_slots() == 1
    assert caplog.text.count("narrow batch_size or the network's size, or allow more") == 1
