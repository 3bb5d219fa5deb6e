"""A spare worker is ready before it is needed: one per device, and none where there is no use or room for it."""

from __future__ import annotations

import contextlib
import errno
import os
import signal
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import psutil
import pytest
from pretend_faults import answer, wait_until
from pretend_study import pretended_task

from apertune.search.executors import devices
from apertune.search.executors.environments import worker_environments
from apertune.search.executors.local import worker_process
from apertune.search.executors.local.executor import LocalExecutor
from apertune.search.messages import TrialLost, TrialResult
from apertune.search.studies.study import Asked

# Logs when it is ready; trials 2 and 3 fail, and long ones go on until they are ended.
WORKER = """
import os, time

from apertune.search.messages import TrialResult
from apertune.search.training.worker import serve

def run(task, emit, stop_requested):
    if task.number in (2, 3):
        return TrialResult(task.number, "failed", "no such layer")
    while task.epochs > 1000:
        time.sleep(0.01)
    return TrialResult(task.number, "complete", metrics={"process": os.getpid()})

print("ready", flush=True)
serve(run, None)
"""


@pytest.fixture
def command(tmp_path: Path) -> tuple[str, ...]:
    script = tmp_path / "telling_worker.py"
    script.write_text(WORKER)
    return sys.executable, str(script)


@pytest.fixture(autouse=True)
def _room(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(devices, "memory_mb", lambda: (64_000.0, 32_000.0))


@pytest.fixture
def executor(tmp_path: Path, command: Sequence[str]) -> Iterator[LocalExecutor]:
    made = LocalExecutor(worker_environments(1), tmp_path / "logs", command=command)
    made.start()
    yield made
    made.close()


def submit(executor: LocalExecutor, folder: Path, number: int, epochs: int = 1) -> None:
    executor.submit(replace(pretended_task(folder, Asked(number, {"rate": 0.5})), epochs=epochs))


def run(executor: LocalExecutor, folder: Path, number: int) -> TrialResult:
    submit(executor, folder, number)
    result = answer(executor)
    assert isinstance(result, TrialResult)
    return result


def no_room(*args: object, **options: object) -> None:
    raise BlockingIOError(11, "Resource temporarily unavailable")


def started(folder: Path) -> int:
    """Returns the number of workers that were started."""
    return len(list((folder / "logs").glob("worker-*.log")))


def wait_for_ready(folder: Path, count: int) -> set[int]:
    """Waits until that many workers have been started and have imported. Returns the processes alive."""
    logs = folder / "logs"
    wait_until(lambda: started(folder) == count and all("ready" in log.read_text() for log in logs.iterdir()))
    return {worker.pid for worker in workers_of(folder)}


def workers_of(folder: Path) -> list[psutil.Process]:
    """Returns every living worker, including spares."""
    script, found = str(folder / "telling_worker.py"), []
    for child in psutil.Process().children():
        with contextlib.suppress(psutil.NoSuchProcess):
            found += [child] if script in child.cmdline() else []
    return found


def test_after_an_error_the_next_trial_does_not_wait_for_imports(executor: LocalExecutor, tmp_path: Path) -> None:
    """After each of two errors in a row the next trial runs in another worker, which was already ready."""
    run(executor, tmp_path, 0)
    assert started(tmp_path) == 1
    run(executor, tmp_path, 1)
    for number, count in ((2, 2), (3, 3)):
        ready, failing = wait_for_ready(tmp_path, count), executor.process_ids()[0]
        assert run(executor, tmp_path, number).outcome == "failed"
        assert run(executor, tmp_path, number + 10).metrics["process"] in ready - {failing}


def test_after_a_kill_the_next_trial_does_not_wait_for_imports(executor: LocalExecutor, tmp_path: Path) -> None:
    """A worker killed from outside, and one killed by the hang limit, are each replaced by a ready one."""
    run(executor, tmp_path, 0)
    for number, count in ((10, 2), (20, 3)):
        submit(executor, tmp_path, number, epochs=2000)
        ready, killed = wait_for_ready(tmp_path, count), executor.process_ids()[0]
        if number == 10:
            os.kill(killed, signal.SIGKILL)
        else:
            executor.kill(number, "it said nothing")
        assert isinstance(answer(executor), TrialLost)
        assert run(executor, tmp_path, number + 1).metrics["process"] in ready - {killed}


def test_no_spare_for_as_many_trials_as_slots(tmp_path: Path, command: Sequence[str]) -> None:
    """A single trial, as in `rerun`, and the first trial of each slot start no spare."""
    with contextlib.closing(LocalExecutor(worker_environments(2), tmp_path / "logs", command=command)) as executor:
        executor.start()
        submit(executor, tmp_path, 0)
        submit(executor, tmp_path, 1)
        assert isinstance(answer(executor), TrialResult)
        assert started(tmp_path) == 2


def test_no_spare_at_the_beginning(tmp_path: Path, command: Sequence[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """A search that is soon over starts no spare; one that goes on does."""
    executor = LocalExecutor(worker_environments(1), tmp_path / "logs", spare_after_s=60.0, command=command)
    with contextlib.closing(executor):
        executor.start()
        run(executor, tmp_path, 0)
        run(executor, tmp_path, 1)
        assert started(tmp_path) == 1
        later = time.monotonic() + 61
        with monkeypatch.context() as patch:
            patch.setattr(time, "monotonic", lambda: later)
            submit(executor, tmp_path, 4)
        assert isinstance(answer(executor), TrialResult)
        wait_for_ready(tmp_path, 2)


@pytest.mark.parametrize(
    ("environments", "sharing_memory", "free_mb", "spares"),
    [
        (worker_environments(2), 1, 1500.0, 1),
        (worker_environments(0, [0, 1]), 1, 2999.0, 0),
        (worker_environments(0, [0, 1]), 1, 3000.0, 1),
        (worker_environments(1), 8, 11_999.0, 0),
        (worker_environments(1), 8, 12_000.0, 1),
    ],
)
def test_room_for_all_spares_that_may_start_at_once(
    tmp_path: Path,
    command: Sequence[str],
    monkeypatch: pytest.MonkeyPatch,
    environments: list[dict[str, str]],
    sharing_memory: int,
    free_mb: float,
    spares: int,
) -> None:
    """Spares need memory for one on each device and for those of other executors on the machine."""
    monkeypatch.setattr(devices, "memory_mb", lambda: (64_000.0, free_mb))
    with contextlib.closing(
        LocalExecutor(environments, tmp_path / "logs", sharing_memory=sharing_memory, command=command)
    ) as executor:
        executor.start()
        for number in range(executor.slots):
            run(executor, tmp_path, 10 + number)
        assert started(tmp_path) == executor.slots
        run(executor, tmp_path, 20)
        assert started(tmp_path) == executor.slots + spares


def test_no_spare_without_room_in_memory(
    executor: LocalExecutor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without memory for one more worker no spare is kept, and a slot waits for a new worker after an error."""
    monkeypatch.setattr(devices, "memory_mb", lambda: (4_000.0, devices.WORKER_MEMORY_MB - 1.0))
    for number in range(3):
        run(executor, tmp_path, number)
    assert started(tmp_path) == 2
    assert run(executor, tmp_path, 10).outcome == "complete"
    assert started(tmp_path) == 2


def test_without_room_for_a_process_the_search_goes_on(
    executor: LocalExecutor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A search goes on without a spare that cannot be started, until there is room again."""
    run(executor, tmp_path, 0)
    with monkeypatch.context() as patch:
        patch.setattr(worker_process.subprocess, "Popen", no_room)
        assert run(executor, tmp_path, 1).outcome == "complete"
    assert len(workers_of(tmp_path)) == 1
    run(executor, tmp_path, 10)
    wait_until(lambda: len(workers_of(tmp_path)) == 2)


def test_without_room_for_a_process_an_error_is_told(
    executor: LocalExecutor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A worker that cannot be replaced at once is replaced with the next trial, and the failed result is not lost."""
    with monkeypatch.context() as patch:
        submit(executor, tmp_path, 2)
        patch.setattr(worker_process.subprocess, "Popen", no_room)
        result = answer(executor)
    assert isinstance(result, TrialResult)
    assert result.outcome == "failed"
    assert run(executor, tmp_path, 10).outcome == "complete"


def test_without_room_for_a_log_a_worker_has_none(
    tmp_path: Path, command: Sequence[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A disk too full for one more log file ends no search."""
    opened = Path.open

    def too_full(path: Path, *args: Any, **options: Any) -> Any:
        if path.suffix == ".log":
            raise OSError(errno.ENOSPC, "No space left on device")
        return opened(path, *args, **options)

    monkeypatch.setattr(Path, "open", too_full)
    with contextlib.closing(LocalExecutor(worker_environments(1), tmp_path / "logs", command=command)) as executor:
        assert run(executor, tmp_path, 0).outcome == "complete"
    assert started(tmp_path) == 0


def test_a_spare_that_died_gets_no_trial(executor: LocalExecutor, tmp_path: Path) -> None:
    """A spare killed while it waited is passed over, and costs no trial an attempt."""
    run(executor, tmp_path, 0)
    run(executor, tmp_path, 1)
    (spare,) = wait_for_ready(tmp_path, 2) - {executor.process_ids()[0]}
    os.kill(spare, signal.SIGKILL)
    os.waitid(os.P_PID, spare, os.WEXITED | os.WNOWAIT)
    assert run(executor, tmp_path, 2).outcome == "failed"
    assert run(executor, tmp_path, 10).outcome == "complete"


@pytest.mark.parametrize(
    ("environments", "workers"),
    [(worker_environments(3), {"": 4}), (worker_environments(0, [0, 1], 2), {"0": 3, "1": 3})],
    ids=["processors", "two GPUs"],
)
def test_slots_of_one_device_share_a_spare(
    tmp_path: Path, command: Sequence[str], environments: list[dict[str, str]], workers: dict[str, int]
) -> None:
    """Three workers on processors share one spare; two GPUs with two workers each have one spare per GPU."""
    with contextlib.closing(LocalExecutor(environments, tmp_path / "logs", command=command)) as executor:
        executor.start()
        for first in (10, 20):
            for slot in range(executor.slots):
                submit(executor, tmp_path, first + slot)
            while executor.free_slots() < executor.slots:
                assert not any(isinstance(event, TrialLost) for event in executor.wait(1.0))
        wait_for_ready(tmp_path, sum(workers.values()))
        assert Counter(worker.environ()["CUDA_VISIBLE_DEVICES"] for worker in workers_of(tmp_path)) == workers


def test_a_spare_takes_the_place_of_any_worker_of_its_device(tmp_path: Path, command: Sequence[str]) -> None:
    """A spare started beside the first slot's trial replaces a failed worker of the second slot."""
    with contextlib.closing(LocalExecutor(worker_environments(2), tmp_path / "logs", command=command)) as executor:
        executor.start()
        run(executor, tmp_path, 0)
        run(executor, tmp_path, 1)
        submit(executor, tmp_path, 10, epochs=2000)
        ready, busy = wait_for_ready(tmp_path, 3), executor.process_ids()
        assert run(executor, tmp_path, 2).outcome == "failed"
        assert run(executor, tmp_path, 11).metrics["process"] in ready - set(busy.values())
        assert executor.process_ids()[0] == busy[0]


def test_closing_ends_the_spare(executor: LocalExecutor, tmp_path: Path) -> None:
    """After close no process is left of a busy worker, a failed one and a spare."""
    run(executor, tmp_path, 0)
    run(executor, tmp_path, 2)
    submit(executor, tmp_path, 10, epochs=2000)
    # A new process has no command line for a moment.
    wait_until(lambda: len(workers_of(tmp_path)) >= 2)
    executor.close()
    assert workers_of(tmp_path) == []
