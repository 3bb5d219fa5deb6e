"""The time that a search will take, as it is shown to a person, by a clock that the test turns."""

from __future__ import annotations

import io
import math
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from pretend_task import task, view
from rich.console import Console

from apertune.cli import progress
from apertune.cli.progress import SearchDisplay
from apertune.search.engine.state import Attempt, Running, State
from apertune.search.messages import TrialResult


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Any:
    turned = SimpleNamespace(now=1000.0)
    monkeypatch.setattr(progress, "time", SimpleNamespace(monotonic=lambda: turned.now))
    return turned


def said_after(clock: Any, capsys: pytest.CaptureFixture[str], *, seconds: float, finished: int, **state: Any) -> str:
    """Returns the line on a trial that ends so long after the start of a search that found two ended trials."""
    display = SearchDisplay()
    display.update(State("accuracy", **{"target": 12, "finished": 2, **state}))
    clock.now += seconds
    display.trial_ended(TrialResult(7, "complete", value=0.5, epochs=4, seconds=9.0),
        State("accuracy", **{"target": 12, "finished": finished, **state}))  # fmt: skip
    (line,) = capsys.readouterr().err.splitlines()
    return line


def test_the_time_left_is_by_this_searchs_pace(clock: Any, capsys: pytest.CaptureFixture[str]) -> None:
    """Four trials in 200 s leave 300 s for six more; trials of earlier searches say nothing of the pace."""
    line = said_after(clock, capsys, seconds=200.0, finished=6)
    assert line == "[6/12] trial 7 complete accuracy 0.5000 after 4 epochs, 9 s, 5 min 00 s left"


@pytest.mark.parametrize(("deadline_in_s", "left"), [(90.0, "1 min 30 s"), (4000.0, "5 min 00 s"), (-5.0, "0 s")])
def test_the_deadline_may_come_first(
    clock: Any, capsys: pytest.CaptureFixture[str], deadline_in_s: float, left: str
) -> None:
    """The time left is that by the pace, or that left of the search's hours, whichever is less."""
    line = said_after(clock, capsys, seconds=200.0, finished=6, deadline=clock.now + 200.0 + deadline_in_s)
    assert line.endswith(f", {left} left")


def test_before_any_trial_the_deadline_alone_is_known(clock: Any, capsys: pytest.CaptureFixture[str]) -> None:
    """As long as no trial of this search has ended there is no pace: its hours are shown, or nothing."""
    line = said_after(clock, capsys, seconds=200.0, finished=2, deadline=clock.now + 7500.0)
    assert line.endswith(", 2 h 01 min left")
    assert "left" not in said_after(clock, capsys, seconds=200.0, finished=2, deadline=math.inf)


def test_a_budget_of_epochs_may_come_first(clock: Any, capsys: pytest.CaptureFixture[str]) -> None:
    """Ten epochs of the budget take 100 s after twenty of this search took 200 s, whatever the trials take."""
    display = SearchDisplay()
    display.update(State("accuracy", 12, epochs=8, most_epochs=38))
    clock.now += 200.0
    display.trial_ended(TrialResult(4, "complete"), State("accuracy", 12, 1, epochs=28, most_epochs=38))
    assert capsys.readouterr().err.endswith(", 1 min 40 s left\n")


def test_at_the_end_no_time_is_left(clock: Any, capsys: pytest.CaptureFixture[str]) -> None:
    """The line of the last trial says nothing of time."""
    assert said_after(clock, capsys, seconds=200.0, finished=12, deadline=clock.now + 900.0).endswith("epochs, 9 s")


def test_a_running_trial_is_shown_with_the_epochs_of_all_its_folds(tmp_path: Path) -> None:
    """A trial of four folds, three epochs each, is in its fifth of twelve epochs; promotion calls it a training."""
    attempt = Attempt(replace(task(tmp_path, 7, epochs=3), rounds=(view(tmp_path),) * 4))
    running = Running(attempt, since=0.0, heard=0.0, epoch=5, value=0.25, parameters=1200)
    state = State("accuracy", 2, running={7: running})
    console = Console(width=100, file=io.StringIO())
    display = SearchDisplay("training")
    console.print(display._bar(state), display._trials(state))
    text = console.file.getvalue()  # type: ignore[attr-defined]  # a StringIO
    assert "0 of 2 trainings" in text
    assert [line.split()[:4] for line in text.splitlines() if "5/12" in line] == [["7", "5/12", "0.2500", "1,200"]]


def test_a_line_does_not_tell_an_end_twice(capsys: pytest.CaptureFixture[str]) -> None:
    """A reason that says no more than outcome and epochs is left out; others are not."""
    display = SearchDisplay()
    for reason, end in (("pruned after epoch 3", "1 s"), ("no chance left", "1 s (no chance left)")):
        result = TrialResult(1, "pruned", reason, value=0.25, epochs=3, seconds=1.0)
        display.trial_ended(result, State("accuracy", 1, 1))
        assert capsys.readouterr().err == f"[1/1] trial 1 pruned accuracy 0.2500 after 3 epochs, {end}\n"
