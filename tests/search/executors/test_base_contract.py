"""The contract of every executor. A new one is added to `EXECUTORS`."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from pretend_faults import PRETEND_WORKER
from pretend_study import SPACE
from pretend_task import EPOCHS, task, view
from ray_nodes import ray_cluster, skip_reason

from apertune.search.executors.base import Executor
from apertune.search.executors.environments import worker_environments
from apertune.search.executors.in_process import InProcessExecutor
from apertune.search.executors.local.executor import LocalExecutor
from apertune.search.executors.ray.executor import RayExecutor
from apertune.search.messages import (
    DiscoveryTask,
    EpochEnded,
    SpaceReference,
    StopRequest,
    TrialEvent,
    TrialLost,
    TrialResult,
    TrialStarted,
    TrialTask,
)


def pretend(
    task: TrialTask, emit: Callable[[TrialEvent], None], stop_requested: Callable[[], StopRequest | None]
) -> TrialResult:
    emit(TrialStarted(task.number, 1, 1))
    for epoch in range(1, task.epochs + 1):
        emit(EpochEnded(task.number, epoch, {"val_accuracy": float(task.values["rate"])}, 0.0, 0))
    return TrialResult(task.number, "complete", value=float(task.values["rate"]), epochs=task.epochs)


def local(folder: Path) -> LocalExecutor:
    return LocalExecutor(worker_environments(2), folder / "logs", trials_per_worker=3, command=PRETEND_WORKER)


def on_ray(folder: Path) -> RayExecutor:
    return RayExecutor("auto", folder / "logs", trials_per_worker=3, command=PRETEND_WORKER)


EXECUTORS: dict[str, Callable[[Path], Executor]] = {
    "local": local,
    "in-process": lambda folder: InProcessExecutor(pretend, SPACE),
    "ray": on_ray,
}
ON_RAY = pytest.param("ray", marks=pytest.mark.slow)
# Executors in which a running trial can be stopped and killed.
WITH_PROCESSES = ["local", ON_RAY]


@pytest.fixture(scope="module")
def two_ray_nodes() -> Iterator[None]:
    if reason := skip_reason():
        pytest.skip(reason)
    with ray_cluster(nodes=2):
        yield


@pytest.fixture(params=["local", "in-process", ON_RAY])
def executor(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Executor]:
    if request.param == "ray":
        request.getfixturevalue("two_ray_nodes")
    made = EXECUTORS[request.param](tmp_path)
    made.start()
    yield made
    made.close()


def begin(executor: Executor, folder: Path) -> None:
    """Submits trial 0, a long one, and waits until it runs."""
    executor.submit(task(folder, 0, epochs=2000))
    while not executor.wait(10):
        continue


def events_until_end(executor: Executor, numbers: set[int]) -> dict[int, list[TrialEvent]]:
    events: dict[int, list[TrialEvent]] = {number: [] for number in numbers}
    open_trials = set(numbers)
    while open_trials:
        for event in executor.wait(10):
            events[event.number].append(event)
            if isinstance(event, TrialResult | TrialLost):
                open_trials.remove(event.number)
    return events


def test_the_space_is_discovered(executor: Executor, tmp_path: Path) -> None:
    """Discovery returns the space."""
    assert executor.discover(DiscoveryTask(view(tmp_path), SpaceReference("any"))).search_space == SPACE


def test_each_trial_is_answered_once_and_in_order(executor: Executor, tmp_path: Path) -> None:
    """Each of seven trials gives its start, every epoch in order, and one result with its own value."""
    waiting, events = list(range(7)), dict[int, list[TrialEvent]]()
    while waiting:
        batch = {waiting.pop(0) for _ in range(min(executor.free_slots(), len(waiting)))}
        for number in batch:
            executor.submit(task(tmp_path, number))
        events |= events_until_end(executor, batch)
    for number, seen in events.items():
        assert [type(event) for event in seen] == [TrialStarted, *[EpochEnded] * EPOCHS, TrialResult]
        assert [event.epoch for event in seen if isinstance(event, EpochEnded)] == [1, 2, 3]
        result = seen[-1]
        assert isinstance(result, TrialResult)
        assert (result.outcome, result.value) == ("complete", number / 100)


def test_slots_are_counted(executor: Executor, tmp_path: Path) -> None:
    """A submitted trial takes a slot until its result has been handed out."""
    slots = executor.slots
    assert executor.free_slots() == slots
    executor.submit(task(tmp_path, 0))
    assert executor.free_slots() == slots - 1
    events_until_end(executor, {0})
    assert executor.free_slots() == slots


@pytest.mark.parametrize("executor", WITH_PROCESSES, indirect=True)
def test_a_running_trial_obeys_a_stop_request(executor: Executor, tmp_path: Path) -> None:
    """A request ends a running trial with the request's outcome and reason."""
    begin(executor, tmp_path)
    executor.stop(StopRequest(0, "pruned", "enough"))
    result = events_until_end(executor, {0})[0][-1]
    assert isinstance(result, TrialResult)
    assert (result.outcome, result.reason) == ("pruned", "enough")


@pytest.mark.parametrize("executor", WITH_PROCESSES, indirect=True)
def test_a_killed_trial_is_lost_and_the_slot_works_on(executor: Executor, tmp_path: Path) -> None:
    """The trial of a killed worker comes back as lost with the reason, and its slot takes the next trial."""
    begin(executor, tmp_path)
    executor.kill(0, "it said nothing")
    lost = events_until_end(executor, {0})[0][-1]
    assert lost == TrialLost(0, "it said nothing")
    assert executor.free_slots() == executor.slots
    executor.submit(task(tmp_path, 1))
    assert isinstance(events_until_end(executor, {1})[1][-1], TrialResult)


@pytest.mark.parametrize("executor", WITH_PROCESSES, indirect=True)
def test_what_every_worker_prints_is_kept(executor: Executor, tmp_path: Path) -> None:
    """The logs have the output of a killed worker and of its replacement, once."""
    begin(executor, tmp_path)
    executor.kill(0, "it said nothing")
    events_until_end(executor, {0})
    for number in (1, 2):
        executor.submit(task(tmp_path, number))
        events_until_end(executor, {number})
    logs = (tmp_path / "logs").glob("worker-*.log")
    said = [line for log in logs for line in log.read_text().splitlines() if line.startswith("this is")]
    assert len(said) >= 2
    assert len(set(said)) == len(said)


def test_closing_leaves_no_process(tmp_path: Path) -> None:
    """Every worker process has ended after close."""
    import psutil

    executor = local(tmp_path)
    executor.start()
    processes = [psutil.Process(number) for number in executor.process_ids().values()]
    assert len(processes) == 2
    executor.close()
    assert not any(process.is_running() for process in processes)


def test_a_configuration_over_its_limit_costs_no_worker(tmp_path: Path) -> None:
    """After a network over its limit the same process takes the next trial."""
    executor = local(tmp_path)
    executor.start()
    processes = []
    for number in (60, 61, 20):
        executor.submit(replace(task(tmp_path, number), limits={"rate": 0.5}))
        processes.append(executor.process_ids()[0])
        (*_, result) = events_until_end(executor, {number})[number]
        assert isinstance(result, TrialResult)
        assert (result.outcome, result.over_limit) == (("complete", False) if number == 20 else ("infeasible", True))
    executor.close()
    assert len(set(processes)) == 1


def test_an_old_worker_goes_on_until_another_is_ready(tmp_path: Path) -> None:
    """The old worker trains the trials that come while its replacement starts."""
    start_seconds = 1.5
    script = tmp_path / "slow_worker.py"
    script.write_text(
        f"import runpy, time\ntime.sleep({start_seconds})\nrunpy.run_path({PRETEND_WORKER[1]!r}, run_name='__main__')\n"
    )
    executor = LocalExecutor(
        worker_environments(1), tmp_path / "logs", trials_per_worker=1, command=(sys.executable, str(script))
    )
    executor.start()
    first, trained, longest = executor.process_ids()[0], 0, 0.0
    while executor.process_ids()[0] == first:
        began = time.monotonic()
        executor.submit(task(tmp_path, trained))
        (*_, result) = events_until_end(executor, {trained})[trained]
        longest = max(longest, time.monotonic() - began) if trained else 0.0
        assert isinstance(result, TrialResult)
        assert result.outcome == "complete"
        trained += 1
    executor.close()
    assert trained > 2
    assert longest < start_seconds
