"""Searches that end before their target: budgets, limits, an exhausted space."""

from __future__ import annotations

from pathlib import Path

import pytest
from pretend_study import EPOCHS, Bench, Slots, train

from apertune.errors import SettingError
from apertune.search.messages import (
    Emit,
    StopRequested,
    TrialResult,
    TrialTask,
)
from apertune.spaces.search_space.parameters import Parameter, SearchSpace

SMALL = SearchSpace((Parameter("rate", "choice", 0.5, values=(0.1, 0.5, 0.9)),))


def test_the_target_value_ends_the_search(tmp_path: Path) -> None:
    """Once a trial reaches the target value, no further one begins, and the next search says so at once."""
    bench = Bench(tmp_path)
    state = bench.run(train, 10, target_value=0.5)
    assert (state.finished, state.ended) == (1, "trial 0 reached accuracy 0.5000")
    bench.reopen()
    assert bench.run(train, 10, target_value=0.5).finished == 1


def test_the_budget_of_epochs_holds(tmp_path: Path) -> None:
    """No trial begins once the budget of epochs is used up."""
    bench = Bench(tmp_path)
    state = bench.run(train, 10, epochs=2 * EPOCHS)
    assert state.finished == 2
    assert state.epochs == bench.study.epochs_trained() == 2 * EPOCHS
    assert state.ended == f"{2 * EPOCHS} epochs are trained in all"


@pytest.mark.parametrize("budget", [{"epochs": 2 * EPOCHS + 1}, {"target_value": 0.5}])
def test_budgets_hold_when_no_configuration_is_left(tmp_path: Path, budget: dict[str, float]) -> None:
    """Trials still running when the space is exhausted end with the budget."""
    bench = Bench(tmp_path, space=SMALL)
    executor = Slots(4, ends={0: 1})
    state = bench.run_with(executor, 10, **budget)
    assert executor.epochs < 3 * EPOCHS
    assert state.ended in (f"{2 * EPOCHS + 1} epochs are trained in all", "trial 0 reached accuracy 0.5000")


def test_a_budget_that_is_spent_is_known_after_a_restart(tmp_path: Path) -> None:
    """A search killed before it noted its end trains no further epoch when restarted, and prunes its running trials."""
    bench = Bench(tmp_path)
    bench.run(train, 2)
    left = bench.study.ask()
    assert left is not None
    bench.reopen()
    state = bench.run(train, 10, epochs=2 * EPOCHS)
    assert (state.finished, state.epochs) == (3, 2 * EPOCHS)
    assert bench.states() == ["complete", "complete", "pruned"]


def test_no_configuration_is_tried_twice(tmp_path: Path) -> None:
    """A space of three configurations gives three trials, each tried once, and the search says why it ends."""
    bench = Bench(tmp_path, space=SMALL)
    state = bench.run(train, 10)
    assert sorted(float(record.params["rate"]) for record in bench.study.records()) == [0.1, 0.5, 0.9]
    assert (state.finished, state.ended) == (3, "every configuration of the space was tried")


def test_a_repeat_is_known_after_a_restart(tmp_path: Path) -> None:
    """Configurations tried by an earlier search are not tried again by the next."""
    bench = Bench(tmp_path, space=SMALL)
    bench.run(train, 2)
    bench.reopen()
    assert bench.run(train, 10).finished == 3


def test_a_configuration_over_its_limit_costs_no_trial(tmp_path: Path) -> None:
    """A network over its limit is infeasible, is not counted, teaches the sampler, and is replaced by another."""

    def large_at_first(task: TrialTask, emit: Emit, stop_requested: StopRequested) -> TrialResult:
        cost = {"parameters": 200.0 if task.number < 2 else 50.0}
        if cost["parameters"] > 100:
            return TrialResult(task.number, "infeasible", "parameters 200", cost=cost, over_limit=True)
        result = train(task, emit, stop_requested)
        return TrialResult(**{**vars(result), "cost": cost})

    bench = Bench(tmp_path, limits={"parameters": 100.0})
    state = bench.run(large_at_first, 3)
    assert bench.states() == ["infeasible", "infeasible", "complete", "complete", "complete"]
    assert (state.finished, state.over_limit, bench.study.finished()) == (3, 2, 3)
    assert [trial.constraints["parameters"] for trial in bench.study.optuna.trials] == [1.0, 1.0, -0.5, -0.5, -0.5]


def test_a_limit_that_nothing_keeps_ends_the_search(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """If every configuration breaks a limit, the search ends and says what to change."""
    monkeypatch.setattr("apertune.search.engine.ends.OVER_LIMIT_IN_A_ROW", 4)

    def too_large(task: TrialTask, emit: Emit, stop_requested: StopRequested) -> TrialResult:
        return TrialResult(task.number, "infeasible", "parameters 9", cost={"parameters": 9.0}, over_limit=True)

    with pytest.raises(SettingError, match="4 configurations in a row cost more than allowed; the last: parameters 9"):
        Bench(tmp_path, limits={"parameters": 1.0}).run(too_large, 2)
