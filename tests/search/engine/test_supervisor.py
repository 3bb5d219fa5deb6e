"""The supervisor's policy, with trials that only pretend to train."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
from pretend_study import EPOCHS, SPACE, Bench, definition, train

from apertune.errors import ApertuneError
from apertune.search.engine.planning import Plan
from apertune.search.engine.state import NoDisplay
from apertune.search.engine.supervisor import Supervisor
from apertune.search.executors.in_process import InProcessExecutor
from apertune.search.messages import (
    Emit,
    EpochEnded,
    Outcome,
    StopRequested,
    TrialLost,
    TrialResult,
    TrialStarted,
    TrialTask,
)
from apertune.search.studies.study import Study
from apertune.search.tracking.journal import Journal, trial_key
from apertune.search.tracking.outbox import Outbox, open_runs, unsent
from apertune.search.tracking.records import (
    DatasetLogged,
    FilesLogged,
    MetricsLogged,
    ModelDropped,
    ModelLogged,
    RunEnded,
    RunStarted,
)
from apertune.search.trial_folder import TrialFolder
from apertune.spaces.search_space.parameters import Parameter, SearchSpace


def test_as_many_trials_as_asked_for(tmp_path: Path) -> None:
    """A search ends at its target of trials, tries the space's defaults first, and knows its best trial."""
    bench = Bench(tmp_path)
    state = bench.run(train, 5)
    records = bench.study.records()
    assert bench.states() == ["complete"] * 5
    assert records[0].params == {"rate": 0.5}
    assert state.best is not None
    assert state.best.value == max(record.value or 0.0 for record in records)


def test_a_killed_worker_costs_no_trial(tmp_path: Path) -> None:
    """A trial whose worker is killed is tried again with the same values, and counted once."""
    tried: list[tuple[int, float]] = []

    def dies_once(task: TrialTask, emit: Emit, stop_requested: StopRequested) -> TrialResult:
        tried.append((task.number, float(task.values["rate"])))
        if task.attempt == 0 and task.number == 1:
            return TrialLost(task.number, "the worker died (signal 9)", killed=True)  # type: ignore[return-value]
        return train(task, emit, stop_requested)

    bench = Bench(tmp_path)
    bench.run(dies_once, 3)
    assert bench.states() == ["complete"] * 3
    assert [number for number, _ in tried] == [0, 1, 1, 2]
    assert tried[1] == tried[2]


def test_a_trial_out_of_memory_twice_is_infeasible(tmp_path: Path) -> None:
    """A trial that the kernel kills for memory is retried once, then told as infeasible, and its files are deleted."""

    def too_large(task: TrialTask, emit: Emit, stop_requested: StopRequested) -> TrialResult:
        if task.number == 0:
            (task.folder / "round-1/model").mkdir(parents=True, exist_ok=True)
            (task.folder / "checkpoint.npz").touch()
            return TrialLost(0, "the worker was killed by the kernel for memory", True)  # type: ignore[return-value]
        return train(task, emit, stop_requested)

    bench = Bench(tmp_path)
    bench.run(too_large, 2)
    assert bench.states() == ["infeasible", "complete"]
    assert bench.study.records()[0].reason == "the worker was killed by the kernel for memory, 2 times"
    assert bench.study.optuna.best_trial.number == 1
    assert not list(tmp_path.rglob("round-1")) + list(tmp_path.rglob("checkpoint.npz"))


def test_being_killed_is_no_crash(tmp_path: Path) -> None:
    """A trial whose worker was killed twice still has its one retry when it crashes."""

    def unlucky(task: TrialTask, emit: Emit, stop_requested: StopRequested) -> TrialResult:
        if task.attempt < 3:
            return TrialLost(task.number, "died", killed=task.attempt < 2)  # type: ignore[return-value]
        return train(task, emit, stop_requested)

    bench = Bench(tmp_path)
    bench.run(unlucky, 1)
    assert bench.states() == ["complete"]
    assert bench.study.optuna.trials[0].user_attrs["crashes"] == 1


def test_a_lost_trials_epochs_count_once(tmp_path: Path) -> None:
    """Epochs that a lost trial tells again are sent to MLflow once and counted once against the budget."""

    def lost_after_two(task: TrialTask, emit: Emit, stop_requested: StopRequested) -> TrialResult:
        if task.attempt == 0:
            for epoch in (1, 2):
                emit(EpochEnded(task.number, epoch, {"val_accuracy": 0.5}, 0.0, 0))
            return TrialLost(task.number, "died", killed=True)  # type: ignore[return-value]
        return train(task, emit, stop_requested)

    state = Bench(tmp_path).run(lost_after_two, 2, epochs=2 * EPOCHS)
    assert state.epochs == 2 * EPOCHS
    told = [record for record, _ in unsent(tmp_path / "outbox.jsonl", 0) if isinstance(record, MetricsLogged)]
    steps = [step for record in told for name, _, step, _ in record.points if name == "val_accuracy"]
    assert steps == [1, 2, 3, 4, 1, 2, 3, 4]


def test_weak_trials_are_pruned(tmp_path: Path) -> None:
    """A trial ended by the pruner has the epoch in its reason, and its later epochs are not told."""
    bench = Bench(tmp_path, pruner="median")
    stopped = first_are_best(bench, outcome="pruned")
    assert stopped == ["pruned after epoch 1"] * 2
    assert bench.study.optuna.trials[7].intermediate_values == {1: 0.0}


def test_a_weak_trial_that_was_faster_is_complete(tmp_path: Path) -> None:
    """A trial that ended its last epoch before the request to prune arrived is complete, with every epoch."""
    bench = Bench(tmp_path, pruner="median")
    first_are_best(bench, outcome="complete")
    assert bench.states() == ["complete"] * 8
    assert bench.study.optuna.trials[7].intermediate_values == dict.fromkeys(range(1, EPOCHS + 1), 0.0)


def first_are_best(bench: Bench, outcome: Outcome) -> list[str]:
    """Runs six good trials, then two weak ones with this outcome. Returns the reasons of all stop requests."""

    def weak_later(task: TrialTask, emit: Emit, stop_requested: StopRequested) -> TrialResult:
        is_weak = task.number >= 6
        value = 0.0 if is_weak else 1.0
        emit(TrialStarted(task.number, 1, 1))
        for epoch in range(1, EPOCHS + 1):
            emit(EpochEnded(task.number, epoch, {"val_accuracy": value}, 0.0, 0))
        return TrialResult(task.number, outcome if is_weak else "complete", value=value, epochs=EPOCHS)

    stopped: list[str] = []
    executor = InProcessExecutor(weak_later, SPACE)
    executor.stop = lambda request: stopped.append(request.reason)  # type: ignore[method-assign]
    bench.run_with(executor, 8)
    return stopped


@pytest.mark.parametrize("value", [math.nan, math.inf, None])
def test_no_trial_completes_without_a_finite_value(tmp_path: Path, value: float | None) -> None:
    """A result that is NaN, infinite or missing is pruned with a reason, never complete."""

    def hopeless(task: TrialTask, emit: Emit, stop_requested: StopRequested) -> TrialResult:
        return TrialResult(task.number, "complete", value=value)

    bench = Bench(tmp_path)
    bench.run(hopeless, 2)
    assert bench.states() == ["pruned", "pruned"]
    assert bench.study.records()[0].reason == "an objective is not finite"


def test_endless_failure_ends_the_search(tmp_path: Path) -> None:
    """If every configuration fails, the search ends with the reason instead of going on."""

    def broken(task: TrialTask, emit: Emit, stop_requested: StopRequested) -> TrialResult:
        return TrialResult(task.number, "failed", "ValueError: no such layer")

    with pytest.raises(ApertuneError, match="5 trials in a row failed; the last, trial 4: ValueError: no such layer"):
        Bench(tmp_path).run(broken, 20)


def test_an_interrupted_trial_goes_on_with_the_next_search(tmp_path: Path) -> None:
    """The trial that a stopped search leaves unfinished is finished by the next one with the same values."""
    bench = Bench(tmp_path)
    seen: list[float] = []

    def interrupted(task: TrialTask, emit: Emit, stop_requested: StopRequested) -> TrialResult:
        seen.append(float(task.values["rate"]))
        if task.number == 2 and len(seen) == 3:
            return TrialResult(task.number, "interrupted", "the search was stopped", epochs=2)
        return train(task, emit, stop_requested)

    bench.run(interrupted, 4, lambda: int(len(seen) >= 3))
    assert bench.states() == ["complete", "complete", "running"]
    bench.reopen()
    bench.run(interrupted, 4)
    assert bench.states() == ["complete"] * 4
    assert seen[2] == seen[3]


def test_an_epoch_trained_again_is_told_once(tmp_path: Path) -> None:
    """Epochs told by a killed search and trained again by the next one have one point each in MLflow."""
    bench = Bench(tmp_path)

    def killed(task: TrialTask, emit: Emit, stop_requested: StopRequested) -> TrialResult:
        for epoch in (1, 2):
            emit(EpochEnded(task.number, epoch, {"val_accuracy": 0.5}, 0.0, 1))
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        bench.run(killed, 1)
    bench.reopen()
    bench.run(train, 1)
    records = [record for record, _ in unsent(tmp_path / "outbox.jsonl", 0)]
    metrics = [record for record in records if isinstance(record, MetricsLogged)]
    epochs = [epoch for record in metrics for name, _, epoch, _ in record.points if name == "val_accuracy"]
    assert epochs == list(range(1, EPOCHS + 1))


def test_run_states_are_true(tmp_path: Path) -> None:
    """The outbox has one run per trial, which ends as finished, killed or failed like the trial."""
    outcomes = ["complete", "pruned", "infeasible", "failed"]

    def various(task: TrialTask, emit: Emit, stop_requested: StopRequested) -> TrialResult:
        outcome = outcomes[task.number]
        return TrialResult(task.number, outcome, value=0.5 if outcome == "complete" else None)  # type: ignore[arg-type]

    bench = Bench(tmp_path)
    bench.run(various, 4)
    records = [record for record, _ in unsent(tmp_path / "outbox.jsonl", 0)]
    assert sum(isinstance(record, RunStarted) for record in records) == 4
    ended = [record.status for record in records if isinstance(record, RunEnded)]
    assert ended == ["FINISHED", "KILLED", "KILLED", "FAILED"]


def test_an_interrupted_trial_tells_of_no_files(tmp_path: Path) -> None:
    """No artifact or model of an interrupted trial is sent, since the trial may replace them when it goes on."""

    def interrupted(task: TrialTask, emit: Emit, stop_requested: StopRequested) -> TrialResult:
        (task.folder / "artifacts").mkdir(parents=True)
        return TrialResult(task.number, "interrupted", has_model=True)

    bench = Bench(tmp_path)
    bench.run(interrupted, 1, wishes=iter((0, 0, 1)).__next__)
    records = [record for record, _ in unsent(tmp_path / "outbox.jsonl", 0)]
    assert not any(isinstance(record, FilesLogged | ModelLogged) for record in records)
    assert any(isinstance(record, RunEnded) for record in records)


def test_a_study_says_what_it_was_not_made_for() -> None:
    """The error for a study made with other data, objective and space names each difference."""
    narrowed = SearchSpace((Parameter("rate", "float", 0.5, low=0.0, high=0.6, sampling="linear"),))
    other = definition(fingerprint="cd" * 32, objective="macro_f1", search_space=narrowed.to_json())
    lines = definition().differences(other)
    assert lines[0] == "objective: accuracy there, macro_f1 here"
    assert "fingerprint" in lines[1]
    assert any("rate" in line for line in lines[2:])
    composed = definition(recipe="fine_tuned", space_options={"rescale": "yes"})
    assert definition().differences(composed) == [
        "recipe: none there, fine_tuned here",
        "space options: none there, rescale=yes here",
    ]
    assert definition().differences(definition()) == []


def test_the_study_survives_reopening(tmp_path: Path) -> None:
    """A study's definition and identity are read back from the storage unchanged."""
    bench = Bench(tmp_path)
    identity = bench.study.identity
    bench.reopen()
    assert isinstance(bench.study, Study)
    assert bench.study.identity == identity
    assert bench.study.definition == definition()


def test_a_trial_that_dies_on_its_way_out_is_not_tried_again(tmp_path: Path) -> None:
    """A trial whose worker dies after a request to prune is pruned, not tried again."""

    def dies(task: TrialTask, emit: Emit, stop_requested: StopRequested) -> TrialResult:
        if task.number == 0:
            return train(task, emit, stop_requested)
        emit(TrialStarted(task.number, 1, 1))
        emit(EpochEnded(task.number, 1, {"val_accuracy": 0.2}, 0.0, 0))
        return TrialLost(task.number, "the worker died (signal 9)", killed=True)  # type: ignore[return-value]

    bench = Bench(tmp_path)
    state = bench.run(dies, 5, epochs=EPOCHS + 1)
    assert bench.states() == ["complete", "pruned"]
    assert bench.study.records()[1].reason == state.ended == f"{EPOCHS + 1} epochs are trained in all"


class KilledError(BaseException):
    """Ends a supervisor as SIGKILL does, with nothing told."""


def test_a_stopped_search_leaves_no_run_open(tmp_path: Path) -> None:
    """Trials left by a killed search and not reached by a stopped one end as interrupted in MLflow."""

    def killed(task: TrialTask, emit: Emit, stop_requested: StopRequested) -> TrialResult:
        raise KilledError

    bench = Bench(tmp_path)
    with pytest.raises(KilledError):
        bench.run(killed, 2)
    assert len(open_runs(tmp_path / "outbox.jsonl")) == 1
    bench.reopen()
    assert bench.run(train, 2, wishes=lambda: 1).finished == 0
    assert open_runs(tmp_path / "outbox.jsonl") == {}
    bench.reopen()
    assert bench.run(train, 2).finished == 2
    assert bench.states() == ["complete", "complete"]


def test_a_model_displaced_at_a_kill_is_dropped_later(tmp_path: Path) -> None:
    """A search that keeps one model drops the displaced one even if it was killed before MLflow was told."""

    def with_model(task: TrialTask, emit: Emit, stop_requested: StopRequested) -> TrialResult:
        return TrialResult(task.number, "complete", value=float(task.number), has_model=True)

    def supervised(wanted: int) -> None:
        dataset = DatasetLogged("", "p", "ab", "", {})
        plan = Plan(wanted, bench.task, lambda number: TrialFolder(tmp_path / str(number)), dataset)
        with Outbox(tmp_path / "outbox.jsonl") as outbox:
            journal = Journal(outbox, bench.study, "launch", {}, most_models=1)
            if wanted == 2:
                journal.trial_ended = killed_at_the_second  # type: ignore[method-assign]
            Supervisor(bench.study, InProcessExecutor(with_model, SPACE), journal, plan, NoDisplay()).run()

    def killed_at_the_second(result: TrialResult, folder: TrialFolder) -> None:
        raise KilledError

    bench = Bench(tmp_path)
    supervised(1)
    with pytest.raises(KilledError):
        supervised(2)
    bench.reopen()
    supervised(3)
    dropped = [record.key for record, _ in unsent(tmp_path / "outbox.jsonl", 0) if isinstance(record, ModelDropped)]
    assert dropped == [trial_key(bench.study.identity, number) for number in (0, 1)]
