"""Trials of several rounds, with pretended trainings."""

from __future__ import annotations

import errno
import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from pretend_study import EPOCHS, pretended_task

from apertune.files import disk_space
from apertune.search.messages import (
    Emit,
    EpochEnded,
    RoundEnded,
    StopRequest,
    StopRequested,
    TrialDelayed,
    TrialEvent,
    TrialResult,
    TrialTask,
)
from apertune.search.studies.study import Asked
from apertune.search.training.rounds import run_rounds
from apertune.search.trial_folder import TrialFolder


def task_of(folder: Path, rounds: int) -> TrialTask:
    task = pretended_task(folder, Asked(0, {"rate": 0.5}))
    return replace(task, rounds=(task.view,) * rounds)


class Trainings:
    """Pretends to train: the n-th training's value is `values[n]`, and it leaves files as a real one does."""

    def __init__(self, values: list[float], die_at: int | None = None) -> None:
        self.values = values
        self.die_at = die_at
        self.tasks: list[TrialTask] = []

    def __call__(self, task: TrialTask, emit: Emit, stop_requested: StopRequested) -> TrialResult:
        index = int(task.folder.name.removeprefix("round-")) - 1
        if self.die_at == index:
            raise SystemExit("killed")
        self.tasks.append(task)
        value = self.values[index]
        for name in ("artifacts", "model"):
            (task.folder / name).mkdir(parents=True)
            (task.folder / name / "of").write_text(str(index))
        for epoch in range(1, EPOCHS + 1):
            emit(EpochEnded(task.number, epoch, {"val_accuracy": value}, 0.0, 0))
        metrics = {"accuracy": value}
        return TrialResult(
            0, "complete", value=value, metrics=metrics, epochs=EPOCHS, best_epoch=2 + index, seconds=1.0
        )


def test_the_rounds_are_averaged(tmp_path: Path) -> None:
    """Value and metrics are means over the rounds, epochs and seconds are sums, and files are the first round's."""
    events: list[TrialEvent] = []
    trainings = Trainings([0.2, 0.4, 0.9])
    result = run_rounds(task_of(tmp_path, 3), events.append, lambda: None, trainings)
    assert result.value == pytest.approx(0.5)
    assert result.metrics == {"accuracy": pytest.approx(0.5), "objective_spread": pytest.approx(0.36055513)}
    assert (result.epochs, result.best_epoch, result.seconds) == (3 * EPOCHS, 3, 3.0)
    assert (tmp_path / "0" / "model" / "of").read_text() == "0"
    TrialFolder(tmp_path / "0").forget_progress()
    assert not list((tmp_path / "0").glob("round-*"))


def test_epochs_run_on_from_round_to_round(tmp_path: Path) -> None:
    """Each epoch is told once with its own number, and each round with its value."""
    events: list[TrialEvent] = []
    run_rounds(task_of(tmp_path, 2), events.append, lambda: None, Trainings([0.2, 0.4]))
    assert [event.epoch for event in events if isinstance(event, EpochEnded)] == list(range(1, 2 * EPOCHS + 1))
    assert [event for event in events if isinstance(event, RoundEnded)] == [
        RoundEnded(0, 1, 0.2),
        RoundEnded(0, 2, 0.4),
    ]


def test_rounds_have_seeds_of_their_own(tmp_path: Path) -> None:
    """Every round trains with another seed, drawn from the trial's, and only the first leaves a model."""
    trainings = Trainings([0.2, 0.4, 0.9])
    run_rounds(task_of(tmp_path, 3), lambda event: None, lambda: None, trainings)
    assert len({task.seed for task in trainings.tasks}) == 3
    assert [task.keep_model for task in trainings.tasks] == [True, False, False]


def test_a_killed_trial_goes_on_with_the_round_it_was_in(tmp_path: Path) -> None:
    """Rounds that ended before the worker died are not trained again."""
    with pytest.raises(SystemExit):
        run_rounds(task_of(tmp_path, 3), lambda event: None, lambda: None, Trainings([0.2, 0.4, 0.9], die_at=2))
    again = Trainings([0.2, 0.4, 0.9])
    events: list[TrialEvent] = []
    result = run_rounds(task_of(tmp_path, 3), events.append, lambda: None, again)
    assert [task.folder.name for task in again.tasks] == ["round-3"]
    assert result.value == pytest.approx(0.5)
    assert [event.epoch for event in events if isinstance(event, EpochEnded)] == list(range(1, 3 * EPOCHS + 1))


def test_a_trial_killed_before_its_end_was_recorded_trains_nothing_again(tmp_path: Path) -> None:
    """A trial's rounds are kept until its end is recorded, and give the same result, model and plots again."""
    first = run_rounds(task_of(tmp_path, 3), lambda event: None, lambda: None, Trainings([0.2, 0.4, 0.9]))
    again = Trainings([])
    assert run_rounds(task_of(tmp_path, 3), lambda event: None, lambda: None, again) == first
    assert again.tasks == []
    assert (tmp_path / "0" / "model" / "of").read_text() == "0"


def test_a_request_ends_the_trial_between_rounds(tmp_path: Path) -> None:
    """A trial that is pruned after a round keeps the mean so far and trains no further round."""
    trainings = Trainings([0.2, 0.4, 0.9])
    request = StopRequest(0, "pruned", "pruned after round 2")
    result = run_rounds(
        task_of(tmp_path, 3), lambda event: None, lambda: request if len(trainings.tasks) == 2 else None, trainings
    )
    assert (result.outcome, result.reason, len(trainings.tasks)) == ("pruned", "pruned after round 2", 2)
    assert result.value == pytest.approx(0.3)


def test_the_value_is_that_of_whole_rounds(tmp_path: Path) -> None:
    """The value of a trial comes from whole rounds only, not from one cut short."""

    def cut_short(task: TrialTask, emit: Emit, stop_requested: StopRequested) -> TrialResult:
        result = trainings(task, emit, stop_requested)
        return result if task.folder.name != "round-3" else replace(result, outcome="pruned", reason="enough")

    trainings = Trainings([0.2, 0.4, 0.9])
    result = run_rounds(task_of(tmp_path, 3), lambda event: None, lambda: None, cut_short)
    assert (result.outcome, result.reason) == ("pruned", "enough")
    assert result.value == pytest.approx(0.3)


def test_a_full_disk_between_rounds_is_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A round that cannot be noted on a full disk says so, and is noted once there is space."""
    full, note = [OSError(errno.ENOSPC, "No space left on device")] * 2, TrialFolder.note_result

    def note_later(folder: TrialFolder, result: TrialResult, epochs: Sequence[EpochEnded]) -> None:
        if full:
            raise full.pop()
        note(folder, result, epochs)

    monkeypatch.setattr(TrialFolder, "note_result", note_later)
    monkeypatch.setattr(disk_space, "LOOK_EVERY_S", 0.01)
    events: list[TrialEvent] = []
    run_rounds(task_of(tmp_path, 2), events.append, lambda: None, Trainings([0.2, 0.4]))
    [delayed] = [event for event in events if isinstance(event, TrialDelayed)]
    assert "No space left on device" in delayed.reason
    assert run_rounds(task_of(tmp_path, 2), lambda event: None, lambda: None, Trainings([])).value == pytest.approx(0.3)


def test_a_disk_that_stays_full_fails_no_trial(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Rounds go on although the disk stays full and one cannot be noted."""

    def never(folder: TrialFolder, result: TrialResult, epochs: Sequence[EpochEnded]) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(TrialFolder, "note_result", never)
    monkeypatch.setattr(disk_space, "SPACE_PATIENCE_S", 0.0)
    result = run_rounds(task_of(tmp_path, 2), lambda event: None, lambda: None, Trainings([0.2, 0.4]))
    assert (result.outcome, result.value) == ("complete", pytest.approx(0.3))


@pytest.mark.parametrize("left", ["", "{", '{"result": {}}', "[]"])
def test_a_round_that_cannot_be_read_is_trained_again(tmp_path: Path, left: str) -> None:
    """A round whose note was damaged by a power loss is trained again."""
    run_rounds(task_of(tmp_path, 2), lambda event: None, lambda: None, Trainings([0.2, 0.4]))
    (tmp_path / "0" / "round-2" / "result.json").write_text(left)
    shutil.rmtree(tmp_path / "0" / "round-2" / "artifacts")
    shutil.rmtree(tmp_path / "0" / "round-2" / "model")
    again = Trainings([0.0, 0.8])
    result = run_rounds(task_of(tmp_path, 2), lambda event: None, lambda: None, again)
    assert [task.folder.name for task in again.tasks] == ["round-2"]
    assert result.value == pytest.approx(0.5)


def test_the_round_that_fails_decides(tmp_path: Path) -> None:
    """A round that does not complete gives the trial its outcome and reason."""

    def fails(task: TrialTask, emit: Emit, stop_requested: StopRequested) -> TrialResult:
        return TrialResult(0, "infeasible", "out of memory")

    result = run_rounds(task_of(tmp_path, 3), lambda event: None, lambda: None, fails)
    assert (result.outcome, result.reason, result.value) == ("infeasible", "out of memory", None)
