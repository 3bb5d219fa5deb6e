"""Messages that arrive while the supervisor is held up."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from pretend_study import Bench, Slots, train

from apertune.search.messages import TrialEvent
from apertune.search.studies.study import Asked, Study
from apertune.search.tracking.outbox import open_runs, unsent
from apertune.search.tracking.records import RunStarted


def test_a_wish_to_stop_is_heard_among_many_slots(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Once the user wants to stop, no more trials are asked for, even when many slots are free and asking is slow."""
    bench, ask, asked = Bench(tmp_path), Study.ask, 0

    def counted(study: Study) -> Asked | None:
        nonlocal asked
        asked += 1
        return ask(study)

    monkeypatch.setattr(Study, "ask", counted)
    bench.run_with(Slots(64), 64, wishes=lambda: int(asked >= 3))
    assert asked == 3
    assert bench.states() == ["running"] * 3


def test_workers_are_heard_between_two_proposals(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An epoch that ends while other slots are being filled is told at once."""
    bench, ask, heard = Bench(tmp_path), Study.ask, []

    def noted(study: Study) -> Asked | None:
        heard.append(slots.epochs)
        return ask(study)

    slots = Slots(3)
    monkeypatch.setattr(Study, "ask", noted)
    bench.run_with(slots, 3)
    assert heard == [0, 1, 3]


class OneWordAtATime(Slots):
    """Slots whose trials are heard one at a time, as when messages are slow to arrive."""

    def wait(self, timeout_s: float) -> list[TrialEvent]:
        if not self._running:
            return []
        number = next(iter(self._running))
        self._running[number] = self._running.pop(number)
        return [self._step(number)]


def test_a_held_up_supervisor_takes_no_trial_for_hung(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A supervisor that waited for a database longer than the hang limit kills no trial whose messages are unread,
    since only silence while it listens counts.
    """
    bench, report, held_up = Bench(tmp_path), Study.report, []

    def slow_once(study: Study, number: int, value: float, step: int) -> bool:
        if not held_up:
            held_up.append(number)
            time.sleep(1.0)
        return report(study, number, value, step)

    monkeypatch.setattr(Study, "report", slow_once)
    # `kill` would raise.
    bench.run_with(OneWordAtATime(2), 2, hang_seconds=0.6)
    assert held_up
    assert bench.states() == ["complete"] * 2


def test_a_trial_that_was_only_asked_for_ends_with_a_run(tmp_path: Path) -> None:
    """A trial that was asked for but never begun gets a run in MLflow, which ends with the search."""
    bench = Bench(tmp_path)
    bench.run(train, 1)
    bench.study.ask()
    bench.reopen()
    bench.run(train, 3, target_value=0.1)
    assert bench.states() == ["complete", "pruned"]
    started = [record for record, _ in unsent(tmp_path / "outbox.jsonl", 0) if isinstance(record, RunStarted)]
    assert len(started) == 2
    assert open_runs(tmp_path / "outbox.jsonl") == {}
