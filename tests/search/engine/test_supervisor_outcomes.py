"""Records of trials that did not complete, for people, for the sampler and for MLflow."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest
from pretend_study import Bench, Slots, train

from apertune.search.engine import trial_loop
from apertune.search.messages import Emit, StopRequested, TrialEvent, TrialLost, TrialResult, TrialTask
from apertune.search.sending.sender import Sender
from apertune.search.studies.opening import open_study
from apertune.search.studies.storage.storage import open_storage
from apertune.search.tracking.journal import trial_key
from apertune.search.tracking.records import MemoryTracker, TagsSet

EPOCH_S = 20.0


class Clocked(Slots):
    """Slots whose trials take 20 s per epoch by the supervisor's clock."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, ends: dict[int, int]) -> None:
        super().__init__(1, ends)
        self._now = 1000.0
        monkeypatch.setattr(trial_loop, "time", SimpleNamespace(monotonic=lambda: self._now))

    def wait(self, timeout_s: float) -> list[TrialEvent]:
        self._now += EPOCH_S
        return super().wait(timeout_s)


def test_a_trial_over_its_time_is_pruned(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A trial over its time limit is pruned with that reason, and one within it is complete."""
    bench = Bench(tmp_path)
    bench.run_with(Clocked(monkeypatch, ends={0: 1, 1: 4, 2: 1}), 3, trial_seconds=36.0)
    records = bench.study.records()
    assert [record.state for record in records] == ["complete", "pruned", "complete"]
    assert [record.reason for record in records] == ["", "over its time of 0.01 h", ""]
    assert records[1].epochs == 2


def unlucky(task: TrialTask, emit: Emit, stop_requested: StopRequested) -> TrialResult:
    """Pretends to train: each of the first five trials ends in a different way, and the others complete."""
    if task.number == 0:
        return TrialResult(0, "infeasible", "ResourceExhaustedError: OOM when allocating")
    if task.number == 1:
        return TrialLost(1, "the worker was killed by the kernel for memory", True)  # type: ignore[return-value]
    if task.number == 2:
        return TrialResult(2, "infeasible", "parameters 9", cost={"parameters": 9.0}, over_limit=True)
    if task.number == 3:
        return TrialResult(3, "failed", "ValueError: no such layer")
    if task.number == 4:
        return TrialResult(4, "pruned", "the training loss is not finite (after 0 whole epochs)")
    return train(task, emit, stop_requested)


def test_the_sampler_learns_what_takes_too_much_memory(tmp_path: Path) -> None:
    """Optuna stores trials out of memory, by framework or kernel, as infeasible, and no others."""
    Bench(tmp_path).run(unlucky, 5)
    stored = open_study(open_storage(f"sqlite:///{tmp_path / 'studies.db'}"), "s").optuna.trials
    assert [trial.constraints for trial in stored] == [{"memory": 1.0}, {"memory": 1.0}, {}, {}, {}, {}]


def test_mlflow_is_told_why_a_trial_did_not_complete(tmp_path: Path) -> None:
    """Each run has its state and reason as tags, and in its name where its status in MLflow does not tell."""
    bench, tracker = Bench(tmp_path), MemoryTracker()
    bench.run(unlucky, 5)
    assert Sender(tmp_path / "outbox.jsonl", tracker, lambda error: False).send()
    tags = {record.key: record.tags for record in tracker.records if isinstance(record, TagsSet)}
    told = [tags[trial_key(bench.study.identity, number)] for number in range(6)]
    assert [{name: value for name, value in one.items() if name in ("state", "reason")} for one in told] == [
        {"state": "infeasible", "reason": "ResourceExhaustedError: OOM when allocating"},
        {"state": "infeasible", "reason": "the worker was killed by the kernel for memory, 2 times"},
        {"state": "infeasible", "reason": "parameters 9"},
        {"state": "failed", "reason": "ValueError: no such layer"},
        {"state": "pruned", "reason": "the training loss is not finite (after 0 whole epochs)"},
        {"state": "complete"},
    ]
    names = [one.get("mlflow.runName", "").rpartition(" ")[2] for one in told]
    assert names == ["(infeasible)", "(infeasible)", "(infeasible)", "", "(pruned)", ""]
