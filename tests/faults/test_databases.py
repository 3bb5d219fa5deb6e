"""Studies in PostgreSQL and SQLite whose database is away, locked, or addressed with a password."""

from __future__ import annotations

import gc
import itertools
import json
import os
import secrets
import shutil
import sqlite3
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest
from postgres_server import PostgresServer, postgres_server
from programs import PRETEND_SEARCH

from apertune.search.results import read_study
from apertune.search.settings import Home, make_home
from apertune.search.studies.storage.ownership import find_owner

# Optuna formats its URLs, so the password has braces.
PASSWORD = "pw{0}" + secrets.token_hex(12)
EPOCH_S = 0.3
DELAY_S = 0.1

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(600),
    # This process reads results, and its pooled connections stay open until they are garbage-collected.
    pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning"),
]


@pytest.fixture(autouse=True)
def _collected() -> Iterator[None]:
    yield
    gc.collect()


@pytest.fixture(scope="module")
def postgres() -> Iterator[PostgresServer]:
    with postgres_server(PASSWORD, ["studies", "mlflow"]) as server:
        yield server


@pytest.fixture
def studies(postgres: PostgresServer) -> str:
    """The address of an empty database."""
    import psycopg

    with psycopg.connect(postgres.address("postgres", "postgresql"), autocommit=True) as connection:
        connection.execute("DROP DATABASE IF EXISTS studies WITH (FORCE)")
        connection.execute("CREATE DATABASE studies")
    return postgres.address("studies")


@pytest.fixture
def machines(tmp_path: Path, empty_store: Path) -> list[Path]:
    """Working folders of two machines that share only the database."""
    folders = [tmp_path / "one", tmp_path / "two"]
    for folder in folders:
        (folder / "mlflow").mkdir(parents=True)
        shutil.copy(empty_store, folder / "mlflow/mlflow.db")
    return folders


@contextmanager
def search(
    folder: Path, trials: int, workers: int, epochs: int, *, storage: str | None = None, epoch_s: float = EPOCH_S
) -> Iterator[subprocess.Popen[str]]:
    environment = {**os.environ, "APERTUNE_PRETEND_SECONDS": str(epoch_s)}
    if storage is not None:
        environment["APERTUNE_STORAGE"] = storage
    command = [*PRETEND_SEARCH, str(trials), str(workers), str(epochs)]
    with subprocess.Popen(
        command, cwd=folder, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def home_of(folder: Path, storage: str | None = None) -> Home:
    return make_home({}, root=folder / "mlflow", storage=storage)


def wait_for_epochs(process: subprocess.Popen[str], folder: Path, count: int) -> None:
    """Waits until all trials together have told that many epochs."""
    outbox = folder / "mlflow/studies/pretended/outbox.jsonl"
    deadline = time.monotonic() + 60
    while not outbox.exists() or outbox.read_text().count('"MetricsLogged"') < count:
        assert process.poll() is None, process.communicate()[0]
        assert time.monotonic() < deadline
        time.sleep(0.05)


class Clock:
    """Sleeps beside the search as an epoch does, to measure how late this machine wakes a sleeping process."""

    def __init__(self) -> None:
        self.latest = 0.0
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> Clock:
        self._thread.start()
        return self

    def __exit__(self, *reason: object) -> None:
        self._ended.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._ended.is_set():
            began = time.monotonic()
            time.sleep(0.05)
            self.latest = max(self.latest, time.monotonic() - began - 0.05)


def longest_epoch(folder: Path) -> float:
    """Returns the longest time between two epochs of a trial by the workers' clocks, in seconds."""
    times: dict[str, dict[int, int]] = {}
    for line in (folder / "mlflow/studies/pretended/outbox.jsonl").read_text().splitlines():
        record = json.loads(line)
        if record["kind"] == "MetricsLogged":
            for name, _, epoch, time_ms in record["points"]:
                if name == "val_accuracy":
                    times.setdefault(record["key"], {})[epoch] = time_ms
    gaps = [
        later - earlier
        for epochs in times.values()
        for earlier, later in itertools.pairwise(epochs[epoch] for epoch in sorted(epochs))
    ]
    return max(gaps) / 1000


def assert_each_completed_once(home: Home, trials: int) -> None:
    result = read_study(home, "pretended")
    assert Counter(trial.state for trial in result.trials) == {"complete": trials}
    assert len(set(result.run_ids.values())) == trials


def test_a_search_survives_a_restart_of_its_database(
    postgres: PostgresServer, studies: str, machines: list[Path]
) -> None:
    """With PostgreSQL stopped twice for 3 s, no trial fails or is repeated, and no epoch waits."""
    folder = machines[0]
    with Clock() as clock, search(folder, 8, 2, 10, storage=studies) as process:
        for epochs in (6, 30):
            wait_for_epochs(process, folder, epochs)
            postgres.stop()
            time.sleep(3)
            postgres.start()
        text = process.communicate(timeout=200)[0]
    assert process.returncode == 0, text
    assert "finished 8 unsent 0" in text
    assert "another worker goes on" not in text
    assert longest_epoch(folder) < EPOCH_S + DELAY_S + clock.latest
    assert_each_completed_once(home_of(folder, studies), 8)


def test_a_search_survives_a_locked_database(machines: list[Path]) -> None:
    """With SQLite locked for 30 s, no trial fails, and no epoch waits."""
    folder = machines[0]
    with Clock() as clock, search(folder, 8, 2, 10) as process:
        wait_for_epochs(process, folder, 6)
        with sqlite3.connect(folder / "mlflow/studies.db", isolation_level=None, timeout=30) as other:
            other.execute("BEGIN EXCLUSIVE")
            time.sleep(30)
            other.execute("ROLLBACK")
        other.close()
        text = process.communicate(timeout=200)[0]
    assert process.returncode == 0, text
    assert "finished 8 unsent 0" in text
    assert longest_epoch(folder) < EPOCH_S + DELAY_S + clock.latest
    assert_each_completed_once(home_of(folder), 8)


def test_a_study_has_one_owner_on_all_machines(studies: str, machines: list[Path]) -> None:
    """A second machine is told who searches the study, and takes it over as soon as the first one dies."""
    first, second = machines
    with search(first, 6, 1, 10, storage=studies) as owner:
        wait_for_epochs(owner, first, 3)
        with search(second, 6, 1, 10, storage=studies) as refused:
            text = refused.communicate(timeout=60)[0]
        assert refused.returncode != 0
        assert f"is being searched by process {owner.pid} on {os.uname().nodename[:30]}" in text
        found = find_owner(home_of(second, studies), "pretended")
        assert found is not None
        assert found.process_id == owner.pid
        owner.kill()
        owner.wait()
    with search(second, 6, 1, 2, storage=studies, epoch_s=0.01) as heir:
        text = heir.communicate(timeout=100)[0]
    assert "made for something else" in text, "other epochs are another study: the lock was free to look"
    with search(second, 6, 1, 10, storage=studies, epoch_s=0.01) as heir:
        text = heir.communicate(timeout=100)[0]
    assert "finished 6" in text
    states = [trial.state for trial in read_study(home_of(second, studies), "pretended").trials]
    assert states == ["complete"] * 6


def test_a_study_taken_while_the_database_was_away_is_given_up(
    postgres: PostgresServer, studies: str, machines: list[Path]
) -> None:
    """A search whose study was taken during an outage stops, says by whom, and leaves its trials to the new owner."""
    import psycopg

    with search(machines[0], 4, 1, 40, storage=studies) as process:
        wait_for_epochs(process, machines[0], 3)
        home = home_of(machines[1], studies)
        with psycopg.connect(postgres.address("studies", "postgresql"), autocommit=True) as other:
            other.execute("SET application_name = 'apertune 4711 1700000000 elsewhere'")
            held = "SELECT objid, classid, pid FROM pg_locks WHERE locktype = 'advisory'"
            (low, high, owner), *_ = other.execute(held).fetchall()
            key = int.from_bytes(high.to_bytes(4, "big") + low.to_bytes(4, "big"), "big", signed=True)
            other.execute("SELECT pg_terminate_backend(%s)", [owner])
            other.execute("SELECT pg_advisory_lock(%s)", [key])
            text = process.communicate(timeout=60)[0]
            found = find_owner(home, "pretended")
    assert process.returncode != 0
    assert "was taken by process 4711 on elsewhere while its database restarted" in text
    assert found is not None
    assert (found.process_id, found.host) == (4711, "elsewhere")
    assert [trial.state for trial in read_study(home, "pretended").trials] == ["interrupted"]


def processes_that_show(secret: str) -> list[str]:
    shown = []
    for process in psutil.process_iter(["cmdline", "name"]):
        words = " ".join([process.info["name"] or "", *(process.info["cmdline"] or ())])
        if secret in words:
            shown.append(words)
    return shown


def test_passwords_stay_secret(postgres: PostgresServer, studies: str, tmp_path: Path) -> None:
    """A search whose storage, tracking and registry addresses hold a password shows it in no output, file, record of
    MLflow or of the study, and, once it has started, in no process list; nor do the errors when the database is away.
    """
    home = tmp_path / "user"
    home.mkdir()
    tracking = postgres.address("mlflow")
    environment = {**os.environ, "HOME": str(home), "MLFLOW_TRACKING_URI": tracking, "MLFLOW_REGISTRY_URI": tracking}
    apertune = [sys.executable, "-m", "apertune"]
    words = ["search", "digits", "--trials", "1", "--epochs", "1", "--limit", "100", "--workers", "1"]
    command = [*apertune, *words, "--storage", studies]
    with subprocess.Popen(
        command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as process:
        reader = threading.Thread(target=lambda: outputs.append(process.communicate()[0]))
        outputs: list[str] = []
        reader.start()
        time.sleep(2)
        while process.poll() is None:
            assert processes_that_show(PASSWORD) == []
            time.sleep(0.2)
        reader.join()
    assert process.returncode == 0, outputs[0]
    commands = (["studies"], ["status", "digits-convnet"], ["compare", "digits"])
    outputs += [ended(apertune, words, studies, environment, 0) for words in commands]
    stored = postgres.dump("mlflow") + postgres.dump("studies")
    postgres.stop()
    try:
        outputs.append(ended(apertune, ["studies"], studies, environment, 2))
    finally:
        postgres.start()
    wrong = studies.replace(PASSWORD, f"{PASSWORD}wrong")
    outputs.append(ended(apertune, ["studies"], wrong, environment, 2))
    assert PASSWORD not in stored
    assert not [text for text in outputs if PASSWORD in text]
    files = [path for folder in (Path.cwd(), home) for path in folder.rglob("*") if path.is_file()]
    assert len(files) > 3
    assert not [path for path in files if PASSWORD.encode() in path.read_bytes()]


def ended(apertune: list[str], words: list[str], storage: str, environment: dict[str, str], status: int) -> str:
    done = subprocess.run(
        [*apertune, *words, "--storage", storage], env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == status, done.stdout + done.stderr
    return done.stdout + done.stderr
