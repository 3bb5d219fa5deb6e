"""Rows 2 and 3 of the faults: worker and supervisor killed at each step."""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest
from pretend_faults import PRETEND_WORKER, assert_each_once, epochs_run, supervise, wait_until
from pretend_study import Bench

from apertune.search.executors.environments import worker_environments
from apertune.search.executors.local.executor import LocalExecutor
from apertune.search.settings import make_home
from apertune.search.studies.storage.ownership import find_owner, owned

TRIALS, EPOCHS = 3, 3
# Beside those that the default run has.
WORKER_STEPS = ["start", "epoch", "report", "result"]
SUPERVISOR_STEPS = [
    "ask before",
    "ask after",
    "report before",
    "report after",
    "note after",
    "tell before",
    "put before",
    "put after",
    "put back after",
]


@pytest.mark.parametrize("step", ["checkpoint", *(pytest.param(step, marks=pytest.mark.slow) for step in WORKER_STEPS)])
def test_a_worker_killed_at_a_step(tmp_path: Path, step: str) -> None:
    """With every trial's worker killed once at a step, each trial completes once and repeats at most one epoch."""
    bench = Bench(tmp_path, epochs=EPOCHS)
    environments = [{**variables, "APERTUNE_PRETEND_KILL": step} for variables in worker_environments(2)]
    executor = LocalExecutor(environments, tmp_path / "logs", command=PRETEND_WORKER)
    try:
        bench.run_with(executor, TRIALS)
    finally:
        executor.close()
    assert all((tmp_path / str(number) / f"killed at {step}").exists() for number in range(TRIALS))
    assert_each_once(tmp_path, TRIALS, EPOCHS)
    repeated = [len(epochs_run(tmp_path, number)) - EPOCHS for number in range(TRIALS)]
    assert repeated == [1 if step == "checkpoint" else 0] * TRIALS


@pytest.mark.parametrize(
    "step",
    [
        *("tell after", "put within", "put back before"),
        *(pytest.param(step, marks=pytest.mark.slow) for step in SUPERVISOR_STEPS),
    ],
)
def test_a_supervisor_killed_at_a_step(tmp_path: Path, step: str) -> None:
    """A supervisor killed at a step and started again completes exactly the trials asked for, each told once."""
    variables = {"APERTUNE_PRETEND_SUPERVISOR_KILL": step}
    if step.startswith("put back"):
        variables["APERTUNE_PRETEND_KILL"] = "report"
    first = supervise(tmp_path, TRIALS, 2, EPOCHS, **variables)
    text, _ = first.communicate(timeout=60)
    assert first.returncode == -signal.SIGKILL, text
    assert (tmp_path / f"killed at {step}").exists()
    again = supervise(tmp_path, TRIALS, 2, EPOCHS)
    text, _ = again.communicate(timeout=60)
    assert text.splitlines()[-1] == f"finished {TRIALS}"
    assert_each_once(tmp_path, TRIALS, EPOCHS)


def test_a_machine_that_lost_its_power(tmp_path: Path, note: Callable[[str], None]) -> None:
    """After a power loss that leaves the owner's note behind, the next start completes exactly the trials."""
    search = supervise(tmp_path, TRIALS, 2, EPOCHS, APERTUNE_PRETEND_SECONDS="0.3")
    wait_until((tmp_path / "1" / "epochs.txt").exists)
    processes = [psutil.Process(search.pid), *psutil.Process(search.pid).children(recursive=True)]
    for process in processes:
        process.kill()
    search.communicate()
    _, alive = psutil.wait_procs(processes, timeout=10)
    assert not alive
    began = time.monotonic()
    text, _ = supervise(tmp_path, TRIALS, 2, EPOCHS).communicate(timeout=60)
    took = time.monotonic() - began
    note(f"repaired and finished in {took:.1f} s")
    assert text.splitlines()[-1] == f"finished {TRIALS}"
    assert took < 30
    assert_each_once(tmp_path, TRIALS, EPOCHS)


def test_the_note_of_an_owner_that_is_gone(tmp_path: Path) -> None:
    """A note left from before a restart owns no study, although its process number now belongs to another process."""
    home = make_home({}, root=tmp_path)
    folder = home.study_folder("s")
    folder.mkdir(parents=True)
    (folder / "supervisor.json").write_text(json.dumps({"host": "here", "process_id": os.getpid(), "since": 0.0}))
    (folder / "supervisor.lock").touch()
    assert find_owner(home, "s") is None
    with owned(home, "s"):
        assert find_owner(home, "s") is not None
