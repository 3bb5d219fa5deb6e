"""The ends of `apertune search`, and the reading commands on what it leaves: real commands, pretended trials."""

from __future__ import annotations

import json
import os
import pty
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from programs import PRETEND_COMMAND

from apertune.cli import cli
from apertune.cli.searching import run_shown, show_end
from apertune.datasets import load
from apertune.errors import StudyError
from apertune.search.engine import launch, reference
from apertune.search.engine.launch import SearchResult
from apertune.search.evaluation.direction import Direction
from apertune.search.results import read_studies
from apertune.search.settings import SearchSettings, make_home
from apertune.search.studies.data_source import DataSource

SHORT = ("--trials", "3", "--epochs", "2", "--pruner", "none", "--objective", "accuracy")
LONG = ("--trials", "6", "--epochs", "40", "--pruner", "none", "--objective", "accuracy")
# No trial ends by itself, however long the command takes that stops it.
ENDLESS = ("--trials", "6", "--epochs", "1000000", "--pruner", "none", "--objective", "accuracy")
# Only so that a search that hangs fails its test; a crowded machine may take most of it.
PATIENCE_S = 240
AIM = (("accuracy", Direction.MAXIMIZE),)
CHECKPOINT = Path("mlflow/studies/s1/trials/00000/checkpoint.npz")


@pytest.fixture(autouse=True)
def store(empty_store: Path) -> None:
    Path("mlflow").mkdir()
    shutil.copy(empty_store, "mlflow/mlflow.db")


def environment(outcomes: str = "", epoch_s: float = 0.01) -> dict[str, str]:
    return {**os.environ, "APERTUNE_PRETEND_OUTCOMES": outcomes, "APERTUNE_PRETEND_SECONDS": str(epoch_s)}


def apertune(*words: str, outcomes: str = "") -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*PRETEND_COMMAND, *words],
        env=environment(outcomes),
        capture_output=True,
        text=True,
        check=False,
        timeout=PATIENCE_S,
    )


@contextmanager
def under_way(*words: str, epoch_s: float = 0.2, **streams: Any) -> Iterator[subprocess.Popen[str]]:
    """A search of study s1, an epoch of whose first trial has ended."""
    command = [*PRETEND_COMMAND, "search", "digits", "--study", "s1", *words]
    chosen = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **streams}
    with subprocess.Popen(command, env=environment(epoch_s=epoch_s), text=True, **chosen) as search:
        try:
            deadline = time.monotonic() + PATIENCE_S
            while not CHECKPOINT.exists():
                assert search.poll() is None, search.communicate()
                assert time.monotonic() < deadline
                time.sleep(0.05)
            yield search
        finally:
            search.kill()


def read(*words: str) -> str:
    """Returns the output of a command that only reads."""
    return CliRunner().invoke(cli, words, catch_exceptions=False).stdout


def status() -> dict[str, Any]:
    document: dict[str, Any] = json.loads(read("status", "s1", "--json"))
    return document


@pytest.mark.slow
def test_a_signal_is_the_exit_status() -> None:
    """A search that Ctrl-C ended before its target exits with 130, after its last lines; the command that it tells goes
    on with it.
    """
    with under_way(*LONG) as search:
        search.send_signal(signal.SIGINT)
        shown, said = search.communicate(timeout=PATIENCE_S)
    assert search.returncode == 130, said
    assert shown.splitlines()[-1] == "Stopped at 0 of 6 trials; the same command goes on with it."
    assert "--study" not in shown
    again = apertune("search", "digits", "--study", "s1", *LONG)
    assert again.returncode == 0, again.stderr
    assert "[6/6]" in again.stderr


@pytest.mark.slow
def test_a_signal_is_the_exit_status_with_json_too() -> None:
    """The JSON document of a search that SIGTERM ended comes whole, and its trials are interrupted."""
    with under_way("--json", *ENDLESS) as search:
        search.send_signal(signal.SIGTERM)
        shown, _ = search.communicate(timeout=PATIENCE_S)
    assert search.returncode == 128 + signal.SIGTERM
    document = json.loads(shown)
    assert (document["finished"], document["stopped"]) == (0, True)
    assert [trial["state"] for trial in document["trials"]] == ["interrupted"]


def test_a_terminal_that_is_closed_ends_a_search() -> None:
    """When the terminal goes away under the search, everything is kept, and the exit status says so."""
    ours, its = pty.openpty()
    streams = {"stdin": its, "stdout": its, "stderr": its, "start_new_session": True}
    with under_way(*ENDLESS, **streams) as search:
        os.close(its)
        os.close(ours)
        search.send_signal(signal.SIGHUP)
        search.wait(PATIENCE_S)
    assert search.returncode == 128 + signal.SIGHUP
    assert status()["states"] == {"interrupted": 1}


@pytest.mark.parametrize("words", [("stop", "s1"), pytest.param((), marks=pytest.mark.slow)])
def test_a_search_that_was_to_stop_is_done(words: tuple[str, ...]) -> None:
    """`apertune stop` and --hours end a search with status 0, though no trial has ended."""
    hours = () if words else ("--hours", "0.005")
    with under_way(*ENDLESS, *hours) as search:
        if words:
            assert apertune(*words).returncode == 0
        shown, said = search.communicate(timeout=PATIENCE_S)
    assert search.returncode == 0, said
    assert "Stopped at 0 of 6 trials" in shown


@pytest.mark.slow
def test_a_search_that_is_to_stop_waits_for_its_epochs() -> None:
    """`apertune stop` lets an epoch end that takes longer than Ctrl-C would wait for, and says that it waits."""
    with under_way(*LONG, epoch_s=6) as search:
        time.sleep(0.5)
        done = apertune("stop", "s1")
        search.communicate(timeout=PATIENCE_S)
    assert done.returncode == search.returncode == 0
    assert "Waiting for the running epochs to end" in done.stderr
    [trial] = status()["interrupted"]
    assert trial["epoch"] == 2


@pytest.mark.parametrize(
    ("outcomes", "counts"),
    [
        pytest.param("failed failed pruned", "1 pruned, 2 failed", marks=pytest.mark.slow),
        ("pruned over_limit infeasible failed", "1 pruned, 1 infeasible, 1 failed, 1 infeasible over a limit"),
    ],
)
def test_a_search_without_a_complete_trial_fails(outcomes: str, counts: str) -> None:
    """The status is 1 if no trial completed, the last line says why, and the JSON document comes all the same."""
    as_json = ("--json",) if "over_limit" in outcomes else ()
    done = apertune("search", "digits", *as_json, *SHORT, outcomes=outcomes)
    assert done.returncode == 1, done.stderr
    last = len(outcomes.split()) - 1
    line = f"Error: no trial completed: {counts}; the last, trial {last}: reason of trial {last}"
    assert done.stderr.splitlines()[-1] == line
    if as_json:
        assert len(json.loads(done.stdout)["trials"]) == last + 1
    else:
        assert "Compare:" in done.stdout
        assert "Promote:" not in done.stdout


@pytest.mark.slow
def test_a_search_with_one_complete_trial_is_done() -> None:
    """One trial that completed is enough, whatever became of the others."""
    done = apertune("search", "digits", *SHORT, outcomes="failed complete pruned")
    assert done.returncode == 0, done.stderr
    assert "Study digits-convnet: 3 trials, best first" in done.stdout


def test_trials_of_a_killed_search_are_interrupted() -> None:
    """Trials that a killed search left are not said to run: they are interrupted, with the epochs they have."""
    with under_way(*LONG) as search:
        while_it_runs = status()
        search.kill()
        search.communicate()
    assert while_it_runs["states"] == {"running": 1}
    assert (len(while_it_runs["running"]), while_it_runs["interrupted"]) == (1, [])
    after = status()
    assert after["states"] == {"interrupted": 1}
    assert (after["finished"], after["running"], after["owner"]) == (0, [], None)
    (trial,) = after["interrupted"]
    assert trial["number"] == 0
    assert trial["epoch"] >= 1
    lines = read("status", "s1").splitlines()
    assert lines[:2] == ["Study s1: not running", "Trials: 0 of 6 finished (1 interrupted)"]
    assert lines[2].startswith(f"Interrupted: trial 0, after epoch {trial['epoch']} of 40")
    compared = json.loads(read("compare", "digits", "--json"))["trials"]
    assert [(entry["state"], entry["epochs"]) for entry in compared] == [("interrupted", trial["epoch"])]
    assert "interrupted" in read("compare", "digits")
    assert "0/6, 1 interrupted" in read("studies")


@pytest.mark.parametrize(("number", "status"), [(signal.SIGTERM, 143), (0, 0)])
def test_a_stopped_reference_is_the_end(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], number: int, status: int
) -> None:
    """When the reference's training is stopped, the search does not begin; it ends as the reference did."""
    settings = SearchSettings(epochs=1)
    stopped = SearchResult(
        "faces-reference", "faces", "accuracy", Direction.MAXIMIZE, 1, 0, True, (), {}, 0, AIM, "", number
    )
    monkeypatch.setattr(launch, "run", lambda *given, **more: pytest.fail("the search began"))
    monkeypatch.setattr(reference, "train_reference", lambda *given, **more: stopped)
    faces = replace(load("digits"), name="faces", adapter="fer2013")
    result = run_shown(faces, settings, make_home({}), reference=True)
    ended = 0
    try:
        show_end(result, DataSource("faces"), as_json=False)
    except SystemExit as end:
        ended = int(end.code or 0)
    assert ended == status
    assert "Stopped at 0 of 1 trial; the same command goes on with it." in capsys.readouterr().out


@pytest.mark.parametrize("source", ["x", ""])
def test_a_search_is_refused_before_its_reference(monkeypatch: pytest.MonkeyPatch, source: str) -> None:
    """A search that can be refused is refused before the reference is trained."""
    monkeypatch.setattr(reference, "train_reference", lambda *given, **more: pytest.fail("the reference began"))
    faces = replace(load("digits"), name="faces", adapter="fer2013")
    with pytest.raises(StudyError, match=f"no study is called '{source}'; there is none yet"):
        run_shown(faces, SearchSettings(from_study=source), make_home({}), reference=True)
    assert not Path("mlflow/studies.db").exists()


@pytest.mark.slow
def test_trials_over_a_limit_are_counted_nowhere() -> None:
    """`status` and `studies` count as the search does, and tell trials over a limit apart."""
    done = apertune("search", "digits", "--study", "s1", *SHORT, outcomes="complete over_limit")
    assert done.returncode == 0, done.stderr
    assert "[3/3]" in done.stderr
    told = status()
    assert (told["finished"], told["target"], told["states"], told["over_limit"]) == (3, 3, {"complete": 3}, 1)
    line = "Trials: 3 of 3 finished (3 complete; 1 infeasible, over a limit, not counted)"
    assert line in read("status", "s1").splitlines()
    assert "3/3, 1 over a limit" in read("studies")


@pytest.mark.slow
def test_a_refused_search_leaves_no_study() -> None:
    """A search that cannot be done creates no study, so the next one has the name that it would have had."""
    folds = apertune("search", "digits", *SHORT, "--folds", "500")
    assert folds.returncode == 2
    assert "--folds 500 needs at least 500 images of each class" in folds.stderr
    nothing = apertune("search", "digits", *SHORT, "--study", "x", outcomes="failed failed failed")
    assert nothing.returncode == 1
    begun = apertune("search", "digits", *SHORT, "--from-study", "x", "--study", "y")
    assert begun.returncode == 2
    assert "--from-study x: that study has no complete trial to begin with" in begun.stderr
    assert [study.name for study in read_studies(make_home({}))] == ["x"]
    right = apertune("search", "digits", *SHORT)
    assert right.returncode == 0, right.stderr
    assert "was made with other settings" not in right.stderr
