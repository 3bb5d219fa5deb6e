"""When a search ends before its target: budgets, limits, an exhausted space."""

from __future__ import annotations

from pathlib import Path

import pytest
from pretend_study import EPOCHS, Bench, train

from apertune.errors import SettingError
from apertune.search.messages import (
    DiscoveryTask,
    Emit,
    EpochEnded,
    StopRequest,
    StopRequested,
    TrialEvent,
    TrialResult,
    TrialTask,
)
from apertune.spaces.parameters import Parameter, SearchSpace

SMALL = SearchSpace((Parameter("rate", "choice", 0.5, values=(0.1, 0.5, 0.9)),))


def test_the_target_value_ends_the_search(tmp_path: Path) -> None:
    """Once a trial reaches the target value no further one begins, and the next search says so at once."""
    bench = Bench(tmp_path)
    state = bench.run(train, 10, target_value=0.5)
    assert (state.finished, state.ended) == (1, "trial 0 reached accuracy 0.5000")
    bench.reopen()
    assert bench.run(train, 10, target_value=0.5).finished == 1


def test_the_budget_of_epochs_holds(tmp_path: Path) -> None:
    """No trial begins once so many epochs are trained in all."""
    bench = Bench(tmp_path)
    state = bench.run(train, 10, epochs=2 * EPOCHS)
    assert state.finished == 2
    assert state.epochs == bench.study.epochs_trained() == 2 * EPOCHS
    assert state.ended == f"{2 * EPOCHS} epochs are trained in all"


@pytest.mark.parametrize("budget", [{"epochs": 2 * EPOCHS + 1}, {"target_value": 0.5}])
def test_budgets_hold_when_no_configuration_is_left(tmp_path: Path, budget: dict[str, float]) -> None:
    """Trials that run when the space is exhausted end where the budget does."""
    bench = Bench(tmp_path, space=SMALL)
    executor = Slots(4)
    state = bench.run_with(executor, 10, **budget)
    assert executor.epochs < 3 * EPOCHS
    assert state.ended in (f"{2 * EPOCHS + 1} epochs are trained in all", "trial 0 reached accuracy 0.5000")


class Slots:
    """Trains several trials at once, an epoch of each in turn; trial 0 ends after one."""

    def __init__(self, slots: int) -> None:
        self.slots = slots
        self.epochs = 0
        self._running: dict[int, tuple[TrialTask, int]] = {}
        self._stopped: dict[int, StopRequest] = {}

    def start(self) -> None: ...

    def discover(self, task: DiscoveryTask) -> str:
        return SMALL.to_json()

    def free_slots(self) -> int:
        return self.slots - len(self._running)

    def submit(self, task: TrialTask) -> None:
        self._running[task.number] = (task, 0)

    def stop(self, request: StopRequest) -> None:
        self._stopped[request.number] = request

    def kill(self, number: int, reason: str) -> None:
        raise AssertionError("nothing hangs here")

    def close(self) -> None: ...

    def wait(self, timeout_s: float) -> list[TrialEvent]:
        events: list[TrialEvent] = []
        for number, (task, epoch) in list(self._running.items()):
            value = float(task.values["rate"])
            if number in self._stopped or epoch == (1 if number == 0 else EPOCHS):
                del self._running[number]
                request = self._stopped.get(number)
                outcome, reason = (request.outcome, request.reason) if request else ("complete", "")
                events.append(TrialResult(number, outcome, reason, value=value, epochs=epoch))
                continue
            self._running[number] = (task, epoch + 1)
            self.epochs += 1
            events.append(EpochEnded(number, epoch + 1, {"val_accuracy": value}, 0.0, 0))
        return events


def test_a_budget_that_is_spent_is_known_after_a_restart(tmp_path: Path) -> None:
    """A supervisor killed before it noted the end trains no epoch more; what was running is pruned."""
    bench = Bench(tmp_path)
    bench.run(train, 2)
    left = bench.study.ask()
    assert left is not None
    bench.reopen()
    state = bench.run(train, 10, epochs=2 * EPOCHS)
    assert (state.finished, state.epochs) == (3, 2 * EPOCHS)
    assert bench.states() == ["complete", "complete", "pruned"]


def test_no_configuration_is_tried_twice(tmp_path: Path) -> None:
    """A space of three configurations brings three trials, each once, and the search says why it ends."""
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
    """A network that costs too much is infeasible, is not counted, teaches the sampler, and another is drawn."""

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
    """When configuration after configuration breaks a limit, the search ends and says what to change."""
    monkeypatch.setattr("apertune.search.supervisor.OVER_LIMIT_IN_A_ROW", 4)

    def too_large(task: TrialTask, emit: Emit, stop_requested: StopRequested) -> TrialResult:
        return TrialResult(task.number, "infeasible", "parameters 9", cost={"parameters": 9.0}, over_limit=True)

    with pytest.raises(SettingError, match="4 configurations in a row cost more than allowed; the last: parameters 9"):
        Bench(tmp_path, limits={"parameters": 1.0}).run(too_large, 2)
