"""A search in a notebook: its live display, its pages, and the interruption of the kernel."""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from notebooks import pages, run_cells
from pretend_task import task

from apertune.api.notebook_display import NotebookDisplay
from apertune.search.engine.state import Attempt, Running, State
from apertune.search.messages import TrialResult

SMALL = "trials=2, epochs=1, workers=2, pruner='none', narrow={'filters': [16]}, fix={'blocks': 1}"


@pytest.fixture
def shown(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The pages that a display draws, without a notebook."""
    import sys

    drawn: list[str] = []
    handle = SimpleNamespace(update=lambda page: drawn.append(page))
    fake: Any = SimpleNamespace(HTML=lambda page: page, display=lambda page, display_id: handle)
    monkeypatch.setitem(sys.modules, "IPython", SimpleNamespace(display=fake, get_ipython=lambda: None))
    monkeypatch.setitem(sys.modules, "IPython.display", fake)
    return drawn


def test_it_draws_running_trials_and_the_curve(shown: list[str], tmp_path: Path) -> None:
    """The output shows a bar, a row per running trial and, from two complete trials on, the curve of the best value."""
    state = State("accuracy", 4)
    with NotebookDisplay() as display:
        display.say("digits: <1,000> images")
        state.running[2] = Running(
            Attempt(task(tmp_path, 2)), since=0.0, heard=0.0, epoch=3, value=0.5, best=0.6, parameters=10
        )
        for number, value in enumerate((0.4, 0.7)):
            state.finished += 1
            result = TrialResult(number, "complete", value=value)
            state.best = result
            display.trial_ended(result, state)
        assert "digits: &lt;1,000&gt; images" in shown[-1]
        assert "2 of 4 trials; best accuracy 0.7000 (trial 1)" in shown[-1]
        assert re.search(r"<td[^>]*>2</td><td[^>]*>3/\d+</td><td[^>]*>0.5000</td><td[^>]*>0.6000</td>", shown[-1])
        assert shown[-1].count("<circle") == 2
        state.finished += 1
        display.trial_ended(TrialResult(2, "failed", "no <memory>"), state)
        assert "Trial 2 failed: no &lt;memory&gt;" in shown[-1]
        assert shown[-1].count("<circle") == 2
        search = State("accuracy", 2, finished=1, best=TrialResult(0, "complete", value=0.3))
        display.trial_ended(TrialResult(0, "complete", value=0.3), search)
        assert shown[-1].count("<circle") == 0
    assert "<td" not in shown[-1]


@pytest.mark.ci
@pytest.mark.timeout(900)
def test_a_notebook_shows_data_search_and_study(tmp_path: Path, empty_store: Path) -> None:
    """In a kernel, data and study are pages, the search is one output that was changed, and nothing else is printed."""
    folder = _folder(tmp_path, empty_store)
    done = run_cells(
        "import apertune\ndata = apertune.load('digits')\ndata",
        f"study = apertune.tune(data, {SMALL})",
        "study",
        "study.plot_history()",
        f"quiet = apertune.tune(data, {SMALL}, study='quiet', quiet=True)",
        "apertune.tune(data, trials=0)",
        folder=folder,
        allow_errors=True,
    )
    (data,), (live,), (study,) = pages(done, 0), pages(done, 1), pages(done, 2)
    assert "10 classes" in data
    assert data.count("<img") == 10
    assert "2 of 2 trials; best macro_f1 0." in live
    assert "Done: 2 trials." in live
    assert len(done.cells[1]["outputs"]) == 1
    assert "digits-convnet" in study
    assert any("application/vnd.plotly.v1+json" in output.get("data", {}) for output in done.cells[3]["outputs"])
    assert done.cells[4]["outputs"] == []
    (error,) = done.cells[5]["outputs"]
    assert (error["ename"], error["evalue"]) == ("SettingError", "trials must be at least 1, but got 0")


@pytest.mark.ci
@pytest.mark.timeout(900)
def test_an_interrupted_search_goes_on_in_the_next_cell(tmp_path: Path, empty_store: Path) -> None:
    """The kernel's interruption ends the search cleanly, and the message of the cell says how to go on."""
    folder = _folder(tmp_path, empty_store)
    begun = folder / "mlflow" / "studies" / "long" / "trials"
    done = run_cells(
        "import apertune\ndata = apertune.load('digits')",
        "apertune.tune(data, study='long', trials=1, epochs=400, patience=None, workers=1, fix={'blocks': 1})",
        "study = apertune.open_study('long')\nprint(study.trials[0].state)",
        "study = apertune.tune(data, study='long', hours=0.001, workers=1)\nprint(study.status()['target'])",
        folder=folder,
        allow_errors=True,
        interrupt_when=lambda: any(begun.glob("*/checkpoint*")),
    )
    (error,) = [output for output in done.cells[1]["outputs"] if output["output_type"] == "error"]
    assert error["ename"] == "KeyboardInterrupt"
    assert error["evalue"] == "stopped at 0 of 1 trial; go on with apertune.tune(data, study='long')"
    assert done.cells[2]["outputs"][0]["text"] == "interrupted\n"
    assert [output["text"] for output in done.cells[3]["outputs"] if output["output_type"] == "stream"] == ["1\n"]


def _folder(tmp_path: Path, empty_store: Path) -> Path:
    (tmp_path / "work" / "mlflow").mkdir()
    shutil.copy(empty_store, tmp_path / "work" / "mlflow" / "mlflow.db")
    return tmp_path / "work"
