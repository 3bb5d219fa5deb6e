"""Faults injected into searches whose workers only pretend to train. README.md has the table of faults."""

from __future__ import annotations

import collections
import contextlib
import os
import random
import shutil
import signal
import sqlite3
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from programs import PRETEND_SEARCH

from apertune.search.results import StudyResult, read_studies, read_study
from apertune.search.settings import make_home


@pytest.fixture
def started(empty_store: Path) -> Iterator[list[subprocess.Popen[bytes]]]:
    """A list for the searches that the test starts, on a new store; they are ended with the test."""
    Path("mlflow").mkdir()
    shutil.copy(empty_store, "mlflow/mlflow.db")
    searches: list[subprocess.Popen[bytes]] = []
    yield searches
    for search in searches:
        search.kill()
        search.wait()
        if search.stdout:
            search.stdout.close()


def start(
    searches: list[subprocess.Popen[bytes]], trials: int, workers: int, epochs: int, *, epoch_seconds: float = 0.01
) -> subprocess.Popen[bytes]:
    command = [*PRETEND_SEARCH, str(trials), str(workers), str(epochs)]
    environment = {**os.environ, "APERTUNE_PRETEND_SECONDS": str(epoch_seconds), "MLFLOW_DISABLE_TELEMETRY": "true"}
    search = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env=environment)
    searches.append(search)
    return search


def output(search: subprocess.Popen[bytes], timeout_s: float = 120) -> str:
    text, _ = search.communicate(timeout=timeout_s)
    return text.decode()


def wait_for(search: subprocess.Popen[bytes], beginning: str) -> None:
    """Reads the search's lines up to the first one with this beginning."""
    assert search.stdout is not None
    seen = []
    for line in search.stdout:
        seen.append(line.decode())
        if seen[-1].startswith(beginning):
            return
    raise AssertionError(f"no line began with {beginning!r}: {''.join(seen)}")


def workers_of(search: subprocess.Popen[bytes]) -> list[psutil.Process]:
    try:
        children = psutil.Process(search.pid).children()
        return [child for child in children if "pretend_worker" in " ".join(child.cmdline())]
    except psutil.NoSuchProcess:
        return []


def study() -> StudyResult:
    return read_study(make_home({}), "pretended")


def epochs_run(number: int) -> list[int]:
    lines = Path(f"mlflow/studies/pretended/trials/{number:05d}/epochs.txt").read_text().split()
    return [int(line) for line in lines]


def from_mlflow(query: str) -> list[str]:
    """Returns the first column of a query to the local MLflow store."""
    with contextlib.closing(sqlite3.connect("mlflow/mlflow.db")) as connection:
        return [str(row[0]) for row in connection.execute(query)]


def kill_now_and_then(search: subprocess.Popen[bytes], every_s: float) -> int:
    """Kills a random worker at intervals until the search has ended. Returns the number of kills."""
    chance, killed = random.Random(7), 0
    while search.poll() is None:
        time.sleep(every_s)
        if workers := workers_of(search):
            try:
                chance.choice(workers).kill()
                killed += 1
            except psutil.NoSuchProcess:
                continue
    return killed


def assert_all_complete_once(trials: int) -> None:
    result = study()
    assert collections.Counter(trial.state for trial in result.trials) == {"complete": trials}
    assert [trial.number for trial in result.trials] == list(range(trials))
    assert len(set(result.run_ids.values())) == trials


def test_killed_workers_cost_nothing(started: list[subprocess.Popen[bytes]]) -> None:
    """With a random worker killed three times a second, every trial completes exactly once."""
    search = start(started, 24, 2, 4, epoch_seconds=0.05)
    wait_for(search, "ended 0")
    killed = kill_now_and_then(search, 0.35)
    assert search.returncode == 0, output(search)
    assert killed > 3
    assert_all_complete_once(24)


def test_a_database_deleted_during_a_search_comes_back(started: list[subprocess.Popen[bytes]]) -> None:
    """The search notices it by the next trial, says so, and ends with every trial in the database again."""
    search = start(started, 8, 2, 4, epoch_seconds=0.05)
    wait_for(search, "ended 1")
    for file in Path("mlflow").glob("studies.db*"):
        if file.is_file():
            file.unlink()
    said = output(search)
    assert search.returncode == 0, said
    assert "study pretended is put back" in said
    assert_all_complete_once(8)


def test_a_killed_trial_goes_on_from_its_checkpoint(started: list[subprocess.Popen[bytes]]) -> None:
    """A trial whose worker is killed repeats at most the one epoch that was running."""
    search = start(started, 1, 1, 8, epoch_seconds=0.25)
    folder = Path("mlflow/studies/pretended/trials/00000")
    while not (folder / "epochs.txt").exists() or len(epochs_run(0)) < 3:
        time.sleep(0.02)
    workers_of(search)[0].kill()
    assert "finished 1 unsent 0" in output(search)
    assert sorted(set(epochs_run(0))) == list(range(1, 9))
    assert len(epochs_run(0)) <= 9


def test_a_killed_supervisor_costs_nothing(started: list[subprocess.Popen[bytes]]) -> None:
    """After SIGKILL of the supervisor no process is left, and the same command brings exactly the trials asked for."""
    search = start(started, 8, 2, 4, epoch_seconds=0.1)
    wait_for(search, "ended 2")
    children = psutil.Process(search.pid).children(recursive=True)
    search.kill()
    search.wait()
    _, alive = psutil.wait_procs(children, timeout=10)
    assert not alive
    again = start(started, 8, 2, 4, epoch_seconds=0.01)
    assert "finished 8 unsent 0" in output(again)
    assert_all_complete_once(8)


@pytest.mark.parametrize(
    "word", [signal.SIGINT, *(pytest.param(word, marks=pytest.mark.slow) for word in (signal.SIGTERM, signal.SIGHUP))]
)
def test_a_stopped_search_ends_soon_and_goes_on(started: list[subprocess.Popen[bytes]], word: signal.Signals) -> None:
    """Ctrl-C, `kill` and a closed terminal end a search, its processes and its MLflow runs within 10 s; the next
    search goes on with its trials from their checkpoints.
    """
    search = start(started, 6, 2, 6, epoch_seconds=0.2)
    wait_for(search, "ended 1")
    # By then the next two trials, of 1.2 s, are running.
    time.sleep(0.5)
    children = psutil.Process(search.pid).children(recursive=True)
    began = time.monotonic()
    search.send_signal(word)
    text = output(search)
    assert time.monotonic() - began < 10
    assert search.returncode == 128 + word
    assert "interrupted" in text
    assert not psutil.wait_procs(children, timeout=1)[1]
    assert "RUNNING" not in from_mlflow("SELECT status FROM runs")
    again = start(started, 6, 2, 6)
    assert "finished 6 unsent 0" in output(again)
    assert_all_complete_once(6)
    assert all(sorted(set(epochs_run(number))) == list(range(1, 7)) for number in range(6))
    assert all(len(epochs_run(number)) <= 7 for number in range(6))


def test_a_long_epoch_does_not_hold_up_ctrl_c(started: list[subprocess.Popen[bytes]]) -> None:
    """A worker in a long epoch is ended on Ctrl-C, and the search with it, within 10 s."""
    search = start(started, 2, 1, 2, epoch_seconds=60)
    while not workers_of(search) or not study_exists():
        time.sleep(0.1)
    time.sleep(1)
    began = time.monotonic()
    search.send_signal(signal.SIGINT)
    output(search)
    assert time.monotonic() - began < 10
    assert search.returncode == 128 + signal.SIGINT
    assert [trial.state for trial in study().trials] == ["interrupted"]


def study_exists() -> bool:
    return Path("mlflow/studies/pretended/trials/00000").exists()


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_one_of_many_searches_owns_the_study(started: list[subprocess.Popen[bytes]]) -> None:
    """One of many searches started at once owns the study, the others say so, and one study and experiment exist."""
    many = 16
    # Created by whichever search comes first, like the studies' database.
    Path("mlflow/mlflow.db").unlink()
    searches = [start(started, 4, 1, 2, epoch_seconds=many) for _ in range(many)]
    texts = [output(search, 500) for search in searches]
    owners = [text for text in texts if "finished 4" in text]
    losers = [text for text in texts if "is being searched by process" in text]
    assert len(owners) == 1, texts
    assert len(losers) == many - 1, texts
    assert_all_complete_once(4)
    assert [found.name for found in read_studies(make_home({}))] == ["pretended"]
    assert from_mlflow("SELECT name FROM experiments WHERE name != 'Default'") == ["pretended"]
