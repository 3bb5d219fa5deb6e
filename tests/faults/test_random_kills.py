"""Supervisors killed at any write and workers at any epoch: every trial ends once, and nothing stays open."""

from __future__ import annotations

import collections
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from optuna.storages import RDBStorage
from pretend_study import CONDITIONAL, EPOCHS, SPACE, Bench, Slots

from apertune.search.evaluation.direction import Direction
from apertune.search.messages import EpochEnded, TrialEvent, TrialLost, TrialResult
from apertune.search.strategies.pruners import make_pruner
from apertune.search.strategies.samplers import make_sampler
from apertune.search.studies.trial_records import RecordFile
from apertune.search.tracking.outbox import Outbox, open_runs

WRITES: dict[type, tuple[str, ...]] = {
    RDBStorage: (
        "create_new_trial",
        "set_trial_param",
        "set_trial_state_values",
        "set_trial_user_attr",
        "set_trial_system_attr",
        "set_trial_intermediate_value",
        "set_study_user_attr",
    ),
    RecordFile: ("add", "set_aside"),
    Outbox: ("put",),
}
CONFIGURATIONS = 8  # of CONDITIONAL
DEATHS = 4


class KilledError(BaseException):
    """Ends a supervisor as SIGKILL does."""


class Countdown:
    """Kills the supervisor just before or just after one of the next writes."""

    def __init__(self) -> None:
        self.left: int | None = None

    def tick(self) -> None:
        if self.left is not None:
            self.left -= 1
            if self.left == 0:
                raise KilledError

    def around(self, write: Callable[..., Any]) -> Callable[..., Any]:
        def counted(*given: Any, **named: Any) -> Any:
            self.tick()
            answer = write(*given, **named)
            self.tick()
            return answer

        return counted


class UnsteadySlots(Slots):
    """Slots in which some workers are killed and some configurations need too much memory."""

    def __init__(self, slots: int, chance: random.Random) -> None:
        super().__init__(slots)
        self._chance = chance

    def wait(self, timeout_s: float) -> list[TrialEvent]:
        return [self._fate(event) for event in super().wait(timeout_s)]

    def _fate(self, event: TrialEvent) -> TrialEvent:
        if isinstance(event, EpochEnded) and self._chance.random() < 0.03:
            self.forget(event.number)
            return TrialLost(event.number, "killed", killed=True)
        if isinstance(event, TrialResult) and event.outcome == "complete" and self._chance.random() < 0.1:
            return TrialResult(event.number, "infeasible", "out of memory")
        return event


@pytest.mark.parametrize("seed", [*range(12), *(pytest.param(n, marks=pytest.mark.slow) for n in range(12, 112))])
def test_searches_killed_at_any_write_bring_what_was_asked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    """Each configuration is tried once, every trial ends, and the study, the trials' file and the outbox agree."""
    chance, countdown = random.Random(seed), Countdown()
    for owner, names in WRITES.items():
        for name in names:
            monkeypatch.setattr(owner, name, countdown.around(getattr(owner, name)))
    space, target = chance.choice([(CONDITIONAL, 5), (CONDITIONAL, 20), (SPACE, 12)])
    sampler = chance.choice(["random", "tpe", "grid"] if space is CONDITIONAL else ["random", "tpe"])
    more = chance.choice([(), (("seconds", Direction.MINIMIZE),)]) if sampler != "grid" else ()
    for deaths in range(DEATHS + 1):
        countdown.left = None
        bench = Bench(tmp_path, space=space, more_objectives=more)
        bench.study.use(make_sampler(sampler, deaths), make_pruner("median", EPOCHS))
        countdown.left = chance.randint(3, 250) if deaths < DEATHS else None
        try:
            state = bench.run_with(UnsteadySlots(chance.choice([1, 3]), chance), target)
            break
        except KilledError:
            continue
    countdown.left = None
    records = bench.study.records()
    wanted = min(target, CONFIGURATIONS) if space is CONDITIONAL else target
    assert state.finished == bench.study.finished() == wanted
    tried = collections.Counter(tuple(sorted(record.params.items())) for record in records)
    assert set(tried.values()) == {1}
    assert "running" not in {record.state for record in records}
    assert open_runs(tmp_path / "outbox.jsonl") == {}
    assert bench.study.records_in(tmp_path / "trials.jsonl") == records
