"""Rows 2 and 3 of the faults: worker and supervisor killed at each step."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest
from pretend_faults import PRETEND_WORKER, assert_each_once, epochs_run, supervise
from pretend_study import Bench

from apertune.search.executors.environments import worker_environments
from apertune.search.executors.local import LocalExecutor

TRIALS, EPOCHS = 3, 3


@pytest.mark.parametrize("step", ["start", "epoch", "checkpoint", "report", "result"])
def test_a_worker_killed_at_a_step(tmp_path: Path, step: str) -> None:
    """Every trial's worker is killed once at that step; each completes once and repeats one epoch at most."""
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


STEPS = [
    "ask before",
    "ask after",
    "report before",
    "report after",
    "note after",
    "tell before",
    "tell after",
    "put before",
    "put within",
    "put after",
    "put back before",
    "put back after",
]


@pytest.mark.parametrize("step", STEPS)
def test_a_supervisor_killed_at_a_step(tmp_path: Path, step: str) -> None:
    """The supervisor is killed at that step; started again, it brings exactly the trials asked for, each told once."""
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
