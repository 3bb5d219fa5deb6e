"""A worker whose memory grows is replaced; the test sets its resident size."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from pretend_faults import PRETEND_WORKER, wait_until
from pretend_study import pretended_task

from apertune.search.executors import devices
from apertune.search.executors.environments import worker_environments
from apertune.search.executors.local import worker_process
from apertune.search.executors.local.executor import MEMORY_GROWTH_LIMIT_MB, LocalExecutor
from apertune.search.executors.local.worker_process import TRIALS_TO_WARM_UP
from apertune.search.messages import TrialResult
from apertune.search.studies.study import Asked


@pytest.fixture
def executor(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[LocalExecutor]:
    """An executor on a machine without memory for a spare that is not needed yet."""
    monkeypatch.setattr(devices, "memory_mb", lambda: (4000.0, 500.0))
    made = LocalExecutor(worker_environments(1), tmp_path / "logs", command=PRETEND_WORKER)
    made.start()
    yield made
    made.close()


def trained(executor: LocalExecutor, folder: Path, resident_mb: list[float], patch: pytest.MonkeyPatch) -> list[int]:
    """Runs a trial per size that its worker is to have afterwards. Returns the process of each, and the next one."""
    processes = []
    for number, size_mb in enumerate(resident_mb):
        processes.append(executor.process_ids()[0])
        patch.setattr(worker_process, "_resident_mb", lambda process_id, size_mb=size_mb: size_mb)
        executor.submit(pretended_task(folder, Asked(number, {"rate": 0.5})))
        while not any(isinstance(event, TrialResult) for event in executor.wait(10)):
            continue
        if 0 in executor._spares:
            wait_until(executor._spares[0].connection.poll)
    return [*processes, executor.process_ids()[0]]


def test_a_worker_that_grows_is_replaced(
    executor: LocalExecutor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Past half of its allowed growth a worker gets a spare, and past all of it the spare takes over."""
    warm = 500.0
    warming = [100.0, 300.0, warm]
    assert len(warming) == TRIALS_TO_WARM_UP
    grown = [warm + share * MEMORY_GROWTH_LIMIT_MB for share in (0.4, 0.6, 0.9, 1.1)]
    first, *others, last = trained(executor, tmp_path, [*warming, *grown], monkeypatch)
    assert set(others) == {first}
    assert last != first
    executor.submit(pretended_task(tmp_path, Asked(9, {"rate": 0.5})))
    while not any(isinstance(event, TrialResult) for event in executor.wait(10)):
        continue
    assert executor.process_ids()[0] == last


def test_a_worker_of_one_size_stays(executor: LocalExecutor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A worker that is large from its first trials but grows by less than allowed runs trial after trial."""
    sizes = [5000.0] * 4 + [5000.0 + 0.4 * MEMORY_GROWTH_LIMIT_MB] * 4
    assert len(set(trained(executor, tmp_path, sizes, monkeypatch))) == 1
    assert executor._spares == {}
