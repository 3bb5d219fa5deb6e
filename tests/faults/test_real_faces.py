"""A search on real faces with a worker killed every 20 s and the supervisor killed twice.

`APERTUNE_REAL_DATA` names the folder with fer2013. About ten minutes on two cores:
APERTUNE_REAL_DATA=DIR uv run pytest -m "slow and real_data" tests/faults/test_real_faces.py
"""

from __future__ import annotations

import os
import random
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest
from mlflow import MlflowClient

from apertune.errors import StudyError
from apertune.search.results import StudyResult, read_study
from apertune.search.settings import make_home

ROOT = Path(os.environ.get("APERTUNE_REAL_DATA", ""))
pytestmark = [
    pytest.mark.slow,
    pytest.mark.real_data,
    pytest.mark.timeout(3000),
    pytest.mark.skipif("APERTUNE_REAL_DATA" not in os.environ, reason="APERTUNE_REAL_DATA is not set"),
    # This process reads results, and its pooled connections stay open until they are garbage-collected.
    pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning"),
]

TRIALS, WORKERS, EPOCHS = 6, 2, 2
KILL_EVERY_S = 20.0
# Numbers of ended trials at which the supervisor is killed.
SUPERVISOR_KILLED_AT = (1, 3)
NETWORK = ("blocks=2", "convolutions=1", "filters=16", "augmentation=none")
COMMAND = (
    *(sys.executable, "-m", "apertune", "search", "fer2013", "--data", str(ROOT / "fer2013/fer2013.csv")),
    *("--limit", "2000", "--trials", str(TRIALS), "--epochs", str(EPOCHS), "--workers", str(WORKERS)),
    *("--pruner", "none", "--study", "under-fire", "--seed", "1"),
    *(word for value in NETWORK for word in ("--fix", value)),
)


class Sniper:
    """Kills a random worker of the running search at intervals, until it is told to stop."""

    def __init__(self) -> None:
        self.search: subprocess.Popen[str] | None = None
        self.killed = 0
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._shoot)
        self._thread.start()

    def _shoot(self) -> None:
        chance = random.Random(3)
        while not self._over.wait(KILL_EVERY_S):
            try:
                children = psutil.Process(self.search.pid).children() if self.search else []
                workers = [child for child in children if "apertune.search.training.worker" in child.cmdline()]
                if workers:
                    chance.choice(workers).kill()
                    self.killed += 1
            except psutil.NoSuchProcess:
                continue

    def stop(self) -> None:
        self._over.set()
        self._thread.join()


@pytest.fixture
def sniper() -> Iterator[Sniper]:
    started = Sniper()
    yield started
    started.stop()
    if started.search is not None and started.search.poll() is None:
        started.search.kill()
        started.search.wait()


def study() -> StudyResult | None:
    try:
        return read_study(make_home({}), "under-fire")
    except StudyError:
        return None


def ended() -> int:
    known = study()
    return sum(trial.has_ended for trial in known.trials) if known else 0


def start(log: Path) -> subprocess.Popen[str]:
    with log.open("a") as file:
        return subprocess.Popen(COMMAND, stdout=file, stderr=file, text=True)


def test_a_search_on_real_faces_under_fire(sniper: Sniper, tmp_path: Path, note: Callable[[str], None]) -> None:
    """With a worker killed every 20 s and the supervisor killed twice, the search has exactly its trials, each once."""
    log, began = tmp_path / "search.log", time.monotonic()
    for enough in SUPERVISOR_KILLED_AT:
        search = sniper.search = start(log)
        while ended() < enough:
            assert search.poll() is None, log.read_text()
            time.sleep(0.5)
        children = psutil.Process(search.pid).children(recursive=True)
        search.kill()
        search.wait()
        _, alive = psutil.wait_procs(children, timeout=30)
        assert not alive
    search = sniper.search = start(log)
    assert search.wait() == 0, log.read_text()
    sniper.stop()
    result = study()
    assert result is not None
    assert [(trial.number, trial.state) for trial in result.trials] == [(n, "complete") for n in range(TRIALS)]
    assert {trial.epochs for trial in result.trials} == {EPOCHS}
    assert_in_mlflow_once(result)
    note(f"{sniper.killed} workers killed, {time.monotonic() - began:.0f} s")
    assert sniper.killed > 0


def assert_in_mlflow_once(result: StudyResult) -> None:
    """Asserts one finished run and one model per trial, and that killed searches are closed as killed."""
    client = MlflowClient(make_home({}).tracking_uri)
    experiment = client.get_experiment_by_name("fer2013")
    assert experiment is not None
    runs = client.search_runs([experiment.experiment_id])
    trials = [run for run in runs if run.data.tags["kind"] == "trial"]
    assert sorted(int(run.data.tags["trial"]) for run in trials) == list(range(TRIALS))
    assert {run.info.run_id for run in trials} == set(result.run_ids.values())
    assert {run.info.status for run in trials} == {"FINISHED"}
    searches = Counter(run.info.status for run in runs if run.data.tags["kind"] == "search")
    assert searches == {"FINISHED": 1, "KILLED": len(SUPERVISOR_KILLED_AT)}
    models = client.search_logged_models([experiment.experiment_id])
    assert sorted(model.source_run_id for model in models) == sorted(run.info.run_id for run in trials)
    for run in trials:
        points = client.get_metric_history(run.info.run_id, "val_accuracy")
        assert sorted({point.step for point in points}) == list(range(1, EPOCHS + 1))
