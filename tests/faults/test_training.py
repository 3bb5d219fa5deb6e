"""Rows 5, 6 and 13 of the faults in real trainings: memory, numbers and disks that run out."""

from __future__ import annotations

import gc
import itertools
import logging
import os
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from mlflow import MlflowClient
from pretend_faults import wait_until
from small_disk import SmallDisk, sqlite_is_whole

from apertune.datasets import from_arrays
from apertune.datasets.base import ImageDataset
from apertune.search import SearchResult, SearchSettings, run
from apertune.search.engine.state import State
from apertune.search.messages import TrialResult
from apertune.search.settings import make_home

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(600),
    # This process reads results, and its pooled connections stay open until they are garbage-collected.
    pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning"),
]

SPACE = """
import os

import keras
import tensorflow as tf

def build(hp):
    fault = hp.Choice("fault", ["none", "memory", "nan", "infinite", "raises"])
    with open(os.environ["FAULTS_SEEN"], "a") as file:
        file.write(f"{fault} {os.getpid()}\\n")
    if fault == "raises":
        raise ValueError("no such layer")
    layers = [keras.Input((8, 8, 1)), keras.layers.Rescaling(1 / 255)]
    if fault == "nan":
        layers.append(keras.layers.Rescaling(float("nan")))
    if fault == "infinite":
        layers.append(keras.layers.Rescaling(float("inf")))
    layers.append(keras.layers.Flatten())
    if fault == "memory":
        # 64 TB, which no device has.
        layers.append(keras.layers.Dense(2 ** 38))
    model = keras.Sequential([*layers, keras.layers.Dense(3, activation="softmax")])
    model.compile("adam", "categorical_crossentropy")
    return model
"""


class Lines:
    def __init__(self) -> None:
        self.lines: list[str] = []
        self.epochs = 0

    def update(self, state: State) -> None:
        self.epochs = max(self.epochs, state.epochs)

    def trial_ended(self, result: TrialResult, state: State) -> None:
        self.lines.append(f"trial {result.number} {result.outcome}")

    def say(self, line: str) -> None:
        self.lines.append(line)


@pytest.fixture(autouse=True)
def _collected() -> Iterator[None]:
    yield
    gc.collect()


def dataset() -> ImageDataset:
    images = np.random.default_rng(0).integers(0, 255, (90, 8, 8, 1), np.uint8)
    return from_arrays("faulty", images, np.arange(90, dtype=np.int32) % 3, ("a", "b", "c"))


def runs_by_trial(folder: Path) -> dict[int, tuple[str, str, str]]:
    """Returns the status, state and reason of each trial's run in MLflow."""
    # MLflow keeps one engine per address, and other tests had a folder of that name.
    client = MlflowClient(f"sqlite:///{folder.resolve() / 'mlflow.db'}")
    experiment = client.get_experiment_by_name("faulty")
    assert experiment is not None
    runs = client.search_runs([experiment.experiment_id], "tags.kind = 'trial'")
    tags = [(run.info.status, run.data.tags) for run in runs]
    found = {int(tag["trial"]): (status, tag["state"], tag.get("reason", "")) for status, tag in tags}
    assert len(found) == len(runs)
    return found


@pytest.fixture
def faulty(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The file in which the space notes each fault and the process that met it."""
    (tmp_path / "faulty_space.py").write_text(SPACE)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.setenv("FAULTS_SEEN", str(tmp_path / "seen.txt"))
    return tmp_path / "seen.txt"


def test_each_cause_stands_on_its_trial(faulty: Path) -> None:
    """A trial is infeasible when out of memory, pruned for NaN or infinity, and failed by any other error."""
    settings = SearchSettings(
        space="faulty_space:build", trials=5, epochs=3, workers=1, sampler="grid", pruner="none", study="f", seed=0
    )
    result = run(dataset(), settings, display=Lines())
    by_fault = {str(trial.params["fault"]): trial for trial in result.trials}
    assert {fault: trial.state for fault, trial in by_fault.items()} == {
        "none": "complete",
        "memory": "infeasible",
        "nan": "pruned",
        "infinite": "pruned",
        "raises": "failed",
    }
    assert by_fault["memory"].reason.startswith("ResourceExhaustedError")
    for fault in ("nan", "infinite"):
        assert by_fault[fault].reason == "the training loss is not finite (after 0 whole epochs)"
        assert by_fault[fault].value is None
    assert by_fault["raises"].reason == "ValueError: no such layer"
    assert result.best == by_fault["none"]
    check_processes(faulty, result)
    told = runs_by_trial(Path("mlflow"))
    statuses = {"complete": "FINISHED", "failed": "FAILED"}
    assert told == {
        trial.number: (statuses.get(trial.state, "KILLED"), trial.state, trial.reason) for trial in result.trials
    }


def check_processes(seen: Path, result: SearchResult) -> None:
    """Asserts that a new process runs the next trial after one that ran out of memory and after one that raised."""
    order = [str(trial.params["fault"]) for trial in result.trials]
    # Discovery walks the space first; each trial builds once.
    processes = [line.split() for line in seen.read_text().splitlines()][-len(order) :]
    assert [fault for fault, _ in processes] == order
    for (fault, process), (_, following) in itertools.pairwise(processes):
        assert (process != following) == (fault in ("memory", "raises")), processes


def test_all_on_one_full_disk(
    faulty: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    note: Callable[[str], None],
) -> None:
    """With everything on one disk that is full for a while, this is named within 5 s and every trial completes."""
    disk = SmallDisk(tmp_path / "disk", 64)
    monkeypatch.chdir(disk.folder)
    display, figures = Lines(), list[float]()

    def fill_for_a_while() -> None:
        wait_until(lambda: display.epochs >= 3, timeout_s=300)
        disk.fill()
        filled = time.monotonic()
        while time.monotonic() - filled < 20:
            if not figures and any("full" in line or "No space" in line for line in (*display.lines, *caplog.messages)):
                figures.append(time.monotonic() - filled)
            time.sleep(0.05)
        disk.make_space()

    filler = threading.Thread(target=fill_for_a_while)
    filler.start()
    settings = SearchSettings(trials=4, epochs=6, workers=1, pruner="none", study="f", seed=0, sampler="random",
        fix={"blocks": "1", "filters": "16", "augmentation": "none"})  # fmt: skip
    try:
        with caplog.at_level(logging.WARNING):
            result = run(dataset(), settings, display=display)
        filler.join()
        note(f"named after {figures[0]:.2f} s")
        assert figures[0] < 5
        assert [trial.state for trial in result.trials] == ["complete"] * 4
        assert result.unsent == 0
        told = runs_by_trial(Path("mlflow"))
        assert told == dict.fromkeys(range(4), ("FINISHED", "complete", ""))
        assert sqlite_is_whole(Path(make_home(os.environ).storage.removeprefix("sqlite:///")))
        assert sqlite_is_whole(Path("mlflow/mlflow.db"))
    finally:
        filler.join()
        monkeypatch.chdir(tmp_path)
        disk.unmount()
