"""Shared by the fault tests: searches without MLflow that can be killed, and assertions about what they leave."""

from __future__ import annotations

import collections
import os
import subprocess
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from pretend_study import Bench
from programs import HERE, PRETEND_SUPERVISOR, PRETEND_WORKER

from apertune.search.engine.state import State
from apertune.search.executors.environments import worker_environments
from apertune.search.executors.local.executor import LocalExecutor
from apertune.search.messages import TrialLost, TrialResult
from apertune.search.studies.opening import open_study
from apertune.search.studies.storage.storage import open_storage
from apertune.search.studies.study import Study
from apertune.search.tracking.outbox import open_runs, unsent
from apertune.search.tracking.records import MetricsLogged, RunEnded, RunStarted


class TimedDisplay:
    """Notes when a lost trial is put back, by number, in `time.monotonic` seconds."""

    def __init__(self) -> None:
        self.put_back: dict[int, list[float]] = {}
        self.lines: list[str] = []
        self.most_running = 0

    def update(self, state: State) -> None:
        self.most_running = max(self.most_running, len(state.running))

    def trial_ended(self, result: TrialResult, state: State) -> None:
        self.lines.append(f"trial {result.number} {result.outcome}")

    def say(self, line: str) -> None:
        self.lines.append(line)
        if line.endswith("another worker goes on with it."):
            number = int(line.split()[1].rstrip(":"))
            self.put_back.setdefault(number, []).append(time.monotonic())


def local(folder: Path, workers: int, command: Sequence[str] = PRETEND_WORKER) -> LocalExecutor:
    return LocalExecutor(worker_environments(workers), folder / "logs", command=command)


def run_locally(bench: Bench, trials: int, workers: int, **plan: object) -> LocalExecutor:
    """Runs trials in worker processes. Returns the executor, closed."""
    executor = local(bench.folder, workers)
    try:
        bench.run_with(executor, trials, **plan)  # type: ignore[arg-type]  # names are given by the tests
    finally:
        executor.close()
    return executor


def supervise(
    folder: Path, trials: int, workers: int, epochs: int, *, group: Path | None = None, **variables: str
) -> subprocess.Popen[str]:
    """Starts a supervisor in its own process. It and its workers join the control group, if one is given."""
    command = [*PRETEND_SUPERVISOR, str(folder), str(trials), str(workers), str(epochs)]
    if group is not None:
        command = ["sh", "-c", 'echo $$ > "$0/cgroup.procs"; exec "$@"', str(group), *command]
    return subprocess.Popen(
        command,
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(HERE), os.environ.get("PYTHONPATH", "")]), **variables},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def stored(folder: Path) -> Study:
    """Returns the study as another process reads it."""
    return open_study(open_storage(f"sqlite:///{folder / 'studies.db'}"), "s")


def epochs_run(folder: Path, number: int) -> list[int]:
    file = folder / str(number) / "epochs.txt"
    return [int(line) for line in file.read_text().split()] if file.exists() else []


def assert_each_once(folder: Path, trials: int, epochs: int, *, repeated: int = 1) -> None:
    """Asserts that every trial is complete exactly once: in the database, in the trials' file and in the outbox.

    Args:
        folder: The study's folder.
        trials: Number of trials.
        epochs: Epochs per trial.
        repeated: Epochs that a trial may have trained twice, one per time its worker was killed.
    """
    study = stored(folder)
    records = study.records()
    assert [(record.number, record.state) for record in records] == [(n, "complete") for n in range(trials)]
    assert [record.number for record in study.records_in(folder / "trials.jsonl")] == list(range(trials))
    for number in range(trials):
        run = epochs_run(folder, number)
        assert sorted(set(run)) == list(range(1, epochs + 1)), (number, run)
        assert len(run) <= epochs + repeated, (number, run)
    assert_told_once(folder, trials, epochs)


def assert_told_once(folder: Path, trials: int, epochs: int) -> None:
    """Asserts that MLflow is told of one finished run per trial with every epoch's point, and none is left open."""
    outbox = folder / "outbox.jsonl"
    told = [record for record, _ in unsent(outbox, 0)]
    keys = {record.key for record in told if isinstance(record, RunStarted)}
    ended = collections.Counter(record.key for record in told if isinstance(record, RunEnded))
    assert len(keys) == trials
    assert ended == collections.Counter(dict.fromkeys(keys, 1))
    assert not open_runs(outbox)
    # A point that is told again has its first time, and is one point to MLflow.
    points = {
        (record.key, step, time_ms)
        for record in told
        if isinstance(record, MetricsLogged)
        for name, _, step, time_ms in record.points
        if name == "val_accuracy"
    }
    assert sorted((key, step) for key, step, _ in points) == sorted(
        (key, step) for key in keys for step in range(1, epochs + 1)
    )


def wait_until(true: Callable[[], bool], timeout_s: float = 120.0) -> None:
    """Waits until the condition is true.

    Raises:
        AssertionError: It is still false after `timeout_s` seconds.
    """
    until = time.monotonic() + timeout_s
    while not true():
        assert time.monotonic() < until, "it did not come true in time"
        time.sleep(0.01)


def answer(executor: LocalExecutor) -> TrialResult | TrialLost:
    """Waits for the next trial to end, and returns how it ended."""
    until = time.monotonic() + 120
    while time.monotonic() < until:
        for event in executor.wait(1.0):
            if isinstance(event, TrialResult | TrialLost):
                return event
    raise AssertionError("no trial ended in time")
