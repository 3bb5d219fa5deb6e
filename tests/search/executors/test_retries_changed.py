"""The rule for full memory, as it is and as CONTRIBUTING.md changes it."""

from __future__ import annotations

from pathlib import Path

import pytest
from guide import examples
from pretend_study import Bench

from apertune.search.executors import retries
from apertune.search.messages import TrialLost, TrialTask


def attempts_with_full_memory(folder: Path) -> tuple[int, list[str]]:
    """The attempts of a trial whose worker always runs out of memory, and the states in which a study keeps it."""
    attempts = []

    def lost(task: TrialTask, *_: object) -> TrialLost:
        attempts.append(task.attempt)
        return TrialLost(task.number, "the kernel ended it", out_of_memory=True)

    bench = Bench(folder)
    bench.run(lost, 1)  # type: ignore[arg-type]  # no worker is lost within this process
    assert attempts == list(range(len(attempts)))
    return len(attempts), bench.states()


def test_full_memory_is_tried_once_more(tmp_path: Path) -> None:
    """A trial that runs out of memory twice is infeasible."""
    assert attempts_with_full_memory(tmp_path) == (2, ["infeasible"])


def test_the_rule_of_the_guide_tries_twice_more(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """By the guide's rule it is infeasible after three attempts, and no other file changes."""
    changed = dict(vars(retries))
    exec(examples("Full memory and lost workers")[0], changed)
    monkeypatch.setattr(retries, "OUT_OF_MEMORY", changed["OUT_OF_MEMORY"])
    assert attempts_with_full_memory(tmp_path) == (3, ["infeasible"])
