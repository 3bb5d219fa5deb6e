"""Several objectives: what may be one, the Pareto front, pruning by the first."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from pretend_study import EPOCHS, SPACE, Bench, train

from apertune.errors import SettingError, UnknownNameError
from apertune.search.engine.beginning import best_of, warm_start
from apertune.search.evaluation.direction import Direction
from apertune.search.executors.in_process import InProcessExecutor
from apertune.search.messages import (
    Emit,
    EpochEnded,
    Outcome,
    RoundEnded,
    StopRequested,
    TrialResult,
    TrialStarted,
    TrialTask,
)
from apertune.search.results import pareto_front, read_study
from apertune.search.settings import SearchSettings, make_home
from apertune.search.strategies.pruners import make_pruner
from apertune.search.strategies.samplers import make_sampler
from apertune.search.studies.frozen_trials import steps_of
from apertune.search.studies.objectives import Objective, check_target_value, resolve_objectives
from apertune.search.studies.trial_records import TrialRecord
from apertune.spaces.search_space.parameters import SearchSpace

TWO = (("latency_ms", Direction.MINIMIZE),)


def test_costs_are_minimised_beside_a_metric() -> None:
    """The first objective is a metric; those after it may be metrics or costs, each in its own direction."""
    assert resolve_objectives(["accuracy", "log_loss", "flops"], "multiclass") == (
        Objective("accuracy", Direction.MAXIMIZE),
        Objective("log_loss", Direction.MINIMIZE),
        Objective("flops", Direction.MINIMIZE),
    )


@pytest.mark.parametrize(
    ("names", "error", "message"),
    [
        (["flops", "accuracy"], SettingError, "the first --objective must be a metric"),
        (["accuracy", "accuracy"], SettingError, "may be given once"),
        (["accuracy", "latency"], UnknownNameError, "did you mean 'latency_ms'"),
    ],
)
def test_what_cannot_be_an_objective_is_refused(names: list[str], error: type[Exception], message: str) -> None:
    """A wrong objective gets a line that says what would be right."""
    with pytest.raises(error, match=message):
        resolve_objectives(names, "multiclass")


@pytest.mark.parametrize(("name", "value", "bound"), [("accuracy", 1.5, "at most 1"), ("log_loss", -0.1, "at least 0")])
def test_a_value_that_no_trial_reaches_is_refused(name: str, value: float, bound: str) -> None:
    """A target value beyond the best there is would never end the search."""
    (objective,) = resolve_objectives([name], "multiclass")
    check_target_value(1.0, objective, "multiclass")
    check_target_value(None, objective, "multiclass")
    with pytest.raises(
        SettingError, match=f"--target-value must be {bound}, the best {name} there is, but got {value}"
    ):
        check_target_value(value, objective, "multiclass")


def test_the_front_holds_what_no_other_beats() -> None:
    """A trial is on the front unless another is as good in all objectives and better in one."""

    def trial(number: int, accuracy: float, latency: float, state: str = "complete") -> TrialRecord:
        return TrialRecord(number, state, accuracy, {}, cost={"latency_ms": latency})

    trials = [trial(0, 0.9, 5.0), trial(1, 0.8, 2.0), trial(2, 0.8, 3.0), trial(3, 0.99, 9.0, "pruned")]
    trials += [trial(4, 0.9, 5.0)]
    assert pareto_front(trials, (("accuracy", Direction.MAXIMIZE), *TWO)) == {0, 1, 4}


def test_trials_of_several_objectives_are_pruned_by_the_first(tmp_path: Path) -> None:
    """The pruner sees the first objective's values, after a restart those of earlier searches too."""

    def weak_later(task: TrialTask, emit: Emit, stop_requested: StopRequested) -> TrialResult:
        emit(TrialStarted(task.number, 1, 1))
        value = 1.0 if task.number < 6 else 0.0
        for epoch in range(1, EPOCHS + 1):
            emit(EpochEnded(task.number, epoch, {"val_accuracy": value}, 0.0, 0))
        outcome: Outcome = "complete" if task.number < 6 else "pruned"
        return TrialResult(task.number, outcome, value=value, epochs=EPOCHS, cost={"latency_ms": 1.0})

    bench = Bench(tmp_path, pruner="median", more_objectives=TWO)
    bench.run(weak_later, 6)
    bench.reopen(pruner="median")
    stopped: list[str] = []
    executor = InProcessExecutor(weak_later, SPACE)
    executor.stop = lambda request: stopped.append(request.reason)  # type: ignore[method-assign]
    bench.run_with(executor, 8)
    assert stopped == ["pruned after epoch 1"] * 2
    assert bench.study.optuna.trials[0].values == [1.0, 1.0]
    assert steps_of(bench.study.optuna.trials[7]) == {1: 0.0}


@pytest.mark.parametrize("pruner", ["successive-halving", "hyperband"])
def test_rungs_of_several_objectives_survive_a_restart(tmp_path: Path, pruner: str) -> None:
    """Hopeless trials end as early in the search after a restart as they do within one search."""

    def falling(task: TrialTask, emit: Emit, stop_requested: StopRequested) -> TrialResult:
        level = 0.9 if task.number < 6 else 0.1
        for epoch in range(1, EPOCHS + 1):
            emit(EpochEnded(task.number, epoch, {"val_accuracy": level + epoch / 1000}, 0.0, 0))
        return TrialResult(task.number, "complete", value=level, epochs=EPOCHS, cost={"latency_ms": 1.0})

    def stops(folder: Path, *, restart: bool) -> list[str]:
        folder.mkdir()
        bench = Bench(folder, pruner=pruner, more_objectives=TWO)
        stopped: list[str] = []
        executor = InProcessExecutor(falling, SPACE)
        executor.stop = lambda request: stopped.append(f"{request.number} {request.reason}")  # type: ignore[method-assign]
        if restart:
            bench.run_with(executor, 6)
            bench.reopen(pruner=pruner)
            executor = InProcessExecutor(falling, SPACE)
            executor.stop = lambda request: stopped.append(f"{request.number} {request.reason}")  # type: ignore[method-assign]
        bench.run_with(executor, 12)
        return stopped

    whole = stops(tmp_path / "whole", restart=False)
    assert sum(line.startswith(("6 ", "7 ", "8 ", "9 ", "10 ", "11 ")) for line in whole) >= 3
    assert stops(tmp_path / "restarted", restart=True) == whole


@pytest.mark.parametrize("sampler", ["tpe", "nsga2"])
def test_samplers_of_several_objectives_learn_from_pruned_trials(tmp_path: Path, sampler: str) -> None:
    """A sampler goes on asking when many trials were pruned, in this search and in the next."""

    def every_third_pruned(task: TrialTask, emit: Emit, stop_requested: StopRequested) -> TrialResult:
        result = replace(train(task, emit, stop_requested), cost={"latency_ms": float(task.values["rate"])})
        return replace(result, outcome="pruned") if task.number % 3 == 1 else result

    bench = Bench(tmp_path, more_objectives=TWO)
    for target in (20, 25):
        bench.reopen()
        bench.study.use(make_sampler(sampler, 0), make_pruner("median", EPOCHS))
        bench.run(every_third_pruned, target)
    assert len(bench.states()) == 25
    assert bench.states().count("pruned") >= 8


def test_a_trial_without_one_of_the_objectives_does_not_complete(tmp_path: Path) -> None:
    """A trial that lacks a further objective is pruned with its reason."""
    bench = Bench(tmp_path, more_objectives=TWO)
    bench.run(train, 1)
    assert bench.states() == ["pruned"]
    assert bench.study.records()[0].reason == "an objective is not finite"


def test_rounds_are_pruned_by_their_values(tmp_path: Path) -> None:
    """A trial whose folds are all worse than the best trial's is stopped between folds."""

    def folds(task: TrialTask, emit: Emit, stop_requested: StopRequested) -> TrialResult:
        level = 0.9 if task.number == 0 else 0.1
        for index in range(1, 9):
            emit(RoundEnded(task.number, index, level + index / 1000))
        return TrialResult(task.number, "complete", value=level, epochs=8)

    bench = Bench(tmp_path, pruner="wilcoxon", folds=8)
    stopped: list[str] = []
    executor = InProcessExecutor(folds, SPACE)
    executor.stop = lambda request: stopped.append(request.reason)  # type: ignore[method-assign]
    bench.run_with(executor, 2)
    assert stopped == ["pruned after round 4"]


def test_three_rounds_suffice_to_end_a_weak_trial(tmp_path: Path) -> None:
    """With three folds the default pruner ends weak trials after the first one, in later searches too."""

    def folds(task: TrialTask, emit: Emit, stop_requested: StopRequested) -> TrialResult:
        level = 0.9 if task.number < 5 else 0.1
        for index in range(1, 4):
            emit(RoundEnded(task.number, index, level + index / 100 + (task.number * index % 3) / 1000))
        return TrialResult(task.number, "complete", value=level, epochs=3)

    settings = SearchSettings(folds=3)
    bench = Bench(tmp_path, pruner=settings.pruning, folds=3)
    stopped: list[str] = []
    for target in (6, 7):
        executor = InProcessExecutor(folds, SPACE)
        executor.stop = lambda request: stopped.append(request.reason)  # type: ignore[method-assign]
        bench.run_with(executor, target)
        bench.reopen(pruner=settings.pruning)
    assert stopped == ["pruned after round 1"] * 2


def test_a_study_begins_with_what_another_found(tmp_path: Path) -> None:
    """The best configurations of another study are tried first, values off the space taken to the nearest, once."""
    (tmp_path / "other").mkdir()
    other = Bench(tmp_path / "other", name="other")
    other.run(train, 4)
    bench = Bench(tmp_path, space=SearchSpace((replace(SPACE.parameters[0], high=0.6),)))
    lines: list[str] = []
    found = read_study(make_home({}, root=tmp_path / "home", storage=other.url), "other")
    for _ in range(2):
        warm_start(bench.study, "other", best_of(found), lines.append)
    best = sorted((float(record.params["rate"]) for record in other.study.records()), reverse=True)
    wanted = list(dict.fromkeys([0.5, *(min(rate, 0.6) for rate in best)]))
    bench.run(train, len(wanted))
    assert [float(record.params["rate"]) for record in bench.study.records()] == wanted
    assert sum("best configurations" in line for line in lines) == 1
    assert any("outside its range, 0.6 taken" in line for line in lines)


def test_a_study_cannot_begin_with_itself(tmp_path: Path) -> None:
    """A warm start from the study itself is refused."""
    with pytest.raises(SettingError, match="must name another study, but got 's'"):
        warm_start(Bench(tmp_path).study, "s", (), print)
