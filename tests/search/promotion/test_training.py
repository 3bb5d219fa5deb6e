"""Training again: what is finished is kept, what dies is tried once more, and the mean decides."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from apertune.datasets.base import TrainingView
from apertune.errors import ApertuneError
from apertune.search.evaluation.direction import Direction
from apertune.search.evaluation.saved import Evaluation, save_evaluation
from apertune.search.executors.in_process import InProcessExecutor
from apertune.search.messages import SpaceReference, StopRequest, TrialEvent, TrialLost, TrialResult, TrialTask
from apertune.search.models.package import write_manifest
from apertune.search.promotion.source import TrainedNetwork, TrialSource
from apertune.search.promotion.training import Confirmation, choose, train_all, trained_network
from apertune.search.settings import SearchSettings
from apertune.search.studies.trial_records import TrialRecord
from apertune.spaces.search_space.parameters import SearchSpace

SPACE = SearchSpace(())


def tasks(folder: Path, count: int) -> list[TrialTask]:
    rows = np.arange(3)
    view = TrainingView("toys", "multiclass", ("a", "b"), (4, 4, 1), folder, rows, rows + 3, "ab" * 32)
    first = TrialTask(0, view, SpaceReference("none"), SPACE, {}, 1, 2, None, "accuracy", folder / "0")
    return [replace(first, number=number, seed=number, folder=folder / str(number)) for number in range(count)]


class Trainer:
    """Pretends to train: counts its calls, fails given tasks, and is killed or dies a given number of times first."""

    def __init__(self, failing: tuple[int, ...] = (), deaths: int = 0, kills: int = 0) -> None:
        self.calls: list[int] = []
        self.failing = failing
        self.deaths = deaths
        self.kills = kills

    def __call__(
        self, task: TrialTask, emit: Callable[[TrialEvent], None], stop: Callable[[], StopRequest | None]
    ) -> TrialResult | TrialLost:
        self.calls.append(task.number)
        if len(self.calls) <= self.kills:
            return TrialLost(task.number, "the worker was killed", killed=True)
        if len(self.calls) <= self.kills + self.deaths:
            return TrialLost(task.number, "the worker died")
        if task.number in self.failing:
            return TrialResult(task.number, "failed", "out of luck")
        shutil.rmtree(task.folder, ignore_errors=True)
        (task.folder / "model").mkdir(parents=True)
        (task.folder / "model" / "weights").write_bytes(b"1234")
        write_manifest(task.folder / "model")
        answers = np.full((3, 2), 0.5, np.float32)
        save_evaluation(task.folder / "artifacts", Evaluation(task.view, answers, [], "accuracy"))
        return TrialResult(task.number, "complete", value=0.5, best_epoch=2, has_model=True)


def test_a_repeated_promotion_finds_its_work_done(tmp_path: Path) -> None:
    """Finished trainings are taken from their folders; a failed one, and one whose model was altered, run again."""
    some, lines = tasks(tmp_path, 3), list[str]()
    first = Trainer(failing=(2,))
    results = train_all(some, InProcessExecutor(first, SPACE), lines.append)
    assert [result.outcome for result in results] == ["complete", "complete", "failed"]
    assert trained_network(some[2], results[2], 7) is None
    network = trained_network(some[0], results[0], 7)
    assert network is not None
    assert (network.trial, network.value, network.probabilities.shape) == (7, 0.5, (3, 2))
    (some[1].folder / "model" / "weights").write_bytes(b"1235")
    second = Trainer()
    again = train_all(some, InProcessExecutor(second, SPACE), lines.append)
    assert [result.outcome for result in again] == ["complete"] * 3
    assert second.calls == [1, 2]
    assert "1 of 3 trainings were done by an earlier promotion." in lines


@pytest.mark.parametrize(("deaths", "outcome"), [(1, "complete"), (2, "failed")])
def test_a_dead_worker_is_tried_once_more(tmp_path: Path, deaths: int, outcome: str) -> None:
    """A training whose worker dies is given another; one that dies twice has failed, and says how."""
    trainer = Trainer(deaths=deaths)
    (result,) = train_all(tasks(tmp_path, 1), InProcessExecutor(trainer, SPACE), lambda line: None)
    assert result.outcome == outcome
    assert trainer.calls == [0, 0]
    assert result.reason == ("" if outcome == "complete" else "the worker died, 2 times")


@pytest.mark.parametrize(("deaths", "outcome"), [(1, "complete"), (2, "failed")])
def test_kills_from_outside_are_no_crashes(tmp_path: Path, deaths: int, outcome: str) -> None:
    """A training is retried after every kill from outside and after one crash, but not after two."""
    trainer = Trainer(deaths=deaths, kills=5)
    (result,) = train_all(tasks(tmp_path, 1), InProcessExecutor(trainer, SPACE), lambda line: None)
    assert result.outcome == outcome
    assert len(trainer.calls) == 7


def confirmation(number: int, searched: float, values: tuple[float, ...]) -> Confirmation:
    record = TrialRecord(number, "complete", searched, {})
    source = TrialSource(record, "run", "search", SearchSettings(), keeps_model=True)
    network = TrainedNetwork(number, 1, 0.5, 1, Path(), np.zeros((1, 2), np.float32))
    return Confirmation(source, values, (network,) if values else ())


def test_luck_is_not_promoted() -> None:
    """The best mean of fresh seeds wins, not the value that the search saw."""
    lucky, steady = confirmation(1, 0.95, (0.80, 0.82)), confirmation(2, 0.90, (0.88, 0.90))
    assert choose([lucky, steady], Direction.MAXIMIZE) is steady
    assert choose([lucky, steady], Direction.MINIMIZE) is lucky
    assert lucky.mean == pytest.approx(0.81)
    assert lucky.spread == pytest.approx(0.0141, abs=1e-4)


def test_nothing_trained_is_an_error() -> None:
    """If every training fails there is no winner, and the line says where to look."""
    with pytest.raises(ApertuneError, match="none of the top trials could be trained again"):
        choose([confirmation(1, 0.9, ())], Direction.MAXIMIZE)
