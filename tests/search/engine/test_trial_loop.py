"""The loop over a list of trainings, as promotion and rerun use it; the tests of the supervisor have the rest."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import pytest
from pretend_study import SPACE
from pretend_task import task

from apertune.search.engine.trial_loop import ListedTrainings, TimeLimits, TrialLoop
from apertune.search.executors.in_process import InProcessExecutor
from apertune.search.messages import Emit, EpochEnded, StopRequested, TrialResult, TrialTask


@pytest.mark.parametrize(
    ("objective", "values", "best"),
    [("accuracy", (0.5, 0.75, math.nan, 0.25), 0.75), ("log_loss", (0.5, 0.75, math.inf, 0.25), 0.25)],
)
def test_a_listed_training_has_its_latest_and_its_best_value(
    tmp_path: Path, objective: str, values: tuple[float, ...], best: float
) -> None:
    """A display of a promotion sees the objective of the latest epoch, and the best one in its direction."""
    seen: list[tuple[float | None, float | None]] = []

    def train(task: TrialTask, emit: Emit, stop_requested: StopRequested) -> TrialResult:
        for epoch, value in enumerate(values, 1):
            emit(EpochEnded(task.number, epoch, {f"val_{objective}": value}, 0.0, 0))
        return TrialResult(task.number, "complete", value=best, epochs=len(values))

    def look() -> None:
        seen.extend((running.value, running.best) for running in loop.running.values())

    trainings = ListedTrainings([replace(task(tmp_path, 1), objective=objective)], print, on_look=look)
    loop = TrialLoop(InProcessExecutor(train, SPACE), trainings, TimeLimits())
    loop.run()
    assert trainings.results[1].value == best
    assert seen[-1] == (0.25, best)
    assert [value for value, _ in seen if value is not None][:2] == [0.5, 0.75]
