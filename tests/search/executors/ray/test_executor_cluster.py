"""Searches on a Ray cluster of several nodes on this machine, one of them killed while it trains.

These tests need Ray in the extra `ray`; CONTRIBUTING.md has the command. They run in a network namespace that
has only a loopback interface: the first test creates it and runs the others in it.
"""

from __future__ import annotations

import contextlib
import json
import os
import shlex
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest
from pretend_task import task
from programs import PRETEND_SEARCH, PRETEND_WORKER, REPOSITORY
from ray_nodes import ray_cluster, skip_reason

import apertune
from apertune.datasets import from_arrays
from apertune.datasets.arrays import EntryArrays
from apertune.errors import ApertuneError
from apertune.search import SearchSettings, run
from apertune.search.engine.state import State
from apertune.search.executors.ray.executor import RayExecutor
from apertune.search.messages import StopRequest, TrialEvent, TrialResult
from apertune.search.results import read_study
from apertune.search.settings import make_home

CLIENT_PORT = 10001
IN_NAMESPACE = "APERTUNE_IN_NAMESPACE"

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(600),
    # Ray's own warnings when it starts a cluster in this process
    pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning"),
]


@pytest.mark.skipif(IN_NAMESPACE in os.environ, reason="this is what it starts")
@pytest.mark.skipif("not installed" in skip_reason(), reason=skip_reason())
@pytest.mark.timeout(1500)
def test_all_of_this_holds_in_a_network_namespace() -> None:
    """The tests of this file, and the executor's contract on Ray, pass where no other machine can be reached."""
    unshare = ["unshare", "--map-root-user", "--net", "sh", "-c"]
    if subprocess.run([*unshare, "ip link set lo up"], capture_output=True, check=False).returncode:
        pytest.skip("no network namespace can be made here: unshare and ip must be there and allowed")
    tests = [str(Path(__file__).parents[1] / "test_base_contract.py"), str(Path(__file__))]
    pytest_command = [sys.executable, "-m", "pytest", "-q", "-m", "slow", "-p", "no:cacheprovider", *tests]
    done = subprocess.run(
        [*unshare, f"ip link set lo up && exec {shlex.join(pytest_command)}"],
        capture_output=True,
        text=True,
        cwd=REPOSITORY,
        env={**os.environ, IN_NAMESPACE: "1"},
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "1 skipped" in done.stdout, done.stdout


@pytest.fixture
def three_nodes() -> Iterator[Any]:
    if reason := skip_reason():
        pytest.skip(reason)
    with ray_cluster(nodes=3, client_port=CLIENT_PORT) as cluster:
        yield cluster


def search(trials: int, epochs: int, cluster: str = "auto", display: Any = None) -> None:
    images = np.random.default_rng(0).integers(0, 255, (60, 8, 8, 1), np.uint8)
    dataset = from_arrays("pretended", images, np.arange(60, dtype=np.int32) % 3, ("a", "b", "c"))
    executor = RayExecutor(cluster, Path("logs"), command=PRETEND_WORKER)
    settings = SearchSettings(
        trials=trials, epochs=epochs, objective="accuracy", pruner="none", sampler="random", study="pretended"
    )
    run(dataset, settings, executor=executor, display=display)


class KillsANode:
    """Kills the newest node without warning once every slot has a trial in its third epoch."""

    def __init__(self, cluster: Any, slots: int) -> None:
        self.lines: list[str] = []
        self.ended: list[TrialResult] = []
        self.killed_at: dict[int, int] = {}
        self._cluster, self._slots = cluster, slots

    def update(self, state: State) -> None:
        epochs = {number: running.epoch for number, running in state.running.items()}
        if not self.killed_at and len(epochs) == self._slots and min(epochs.values()) >= 3:
            self.killed_at = epochs
            self._cluster.remove_node(list(self._cluster.worker_nodes)[-1], allow_graceful=False)

    def trial_ended(self, result: TrialResult, state: State) -> None:
        self.ended.append(result)

    def say(self, line: str) -> None:
        self.lines.append(line)


def epochs_run(number: int) -> list[int]:
    path = Path(f"mlflow/studies/pretended/trials/{number:05d}/epochs.txt")
    return [int(line) for line in path.read_text().split()]


def test_a_lost_node_costs_no_trial(three_nodes: Any, empty_store: Path) -> None:
    """A dead node's trial goes on elsewhere from an epoch that had come back, and each trial ends exactly once."""
    Path("mlflow").mkdir()
    shutil.copy(empty_store, "mlflow/mlflow.db")
    display = KillsANode(three_nodes, slots=3)
    search(8, 10, display=display)
    assert display.killed_at
    assert sorted(result.number for result in display.ended) == list(range(8))
    result = read_study(make_home({}), "pretended")
    assert [(trial.number, trial.state) for trial in result.trials] == [(number, "complete") for number in range(8)]
    assert len(set(result.run_ids.values())) == 8
    lost = [line for line in display.lines if "was lost; another worker goes on with it" in line]
    assert len(lost) == 1, display.lines
    number = int(lost[0].split()[1].rstrip(":"))
    again = epochs_run(number)
    assert sorted(set(again)) == list(range(1, 11))
    assert again.count(1) == 1, again
    assert len(again) <= 10 + 2, again


def test_a_search_through_the_client_port(three_nodes: Any, empty_store: Path) -> None:
    """A machine outside the cluster can search on it through ray://."""
    Path("mlflow").mkdir()
    shutil.copy(empty_store, "mlflow/mlflow.db")
    search(4, 2, cluster=f"ray://127.0.0.1:{CLIENT_PORT}")
    states = [trial.state for trial in read_study(make_home({}), "pretended").trials]
    assert states == ["complete"] * 4


@pytest.mark.parametrize("rounds", [[], ["--folds", "2"]], ids=["one round", "two folds"])
def test_the_cluster_gives_what_one_machine_gives(three_nodes: Any, rounds: list[str]) -> None:
    """A real search on nodes has the scores of one on this machine; models and plots come back and reach MLflow."""
    words = ["--trials", "2", "--epochs", "2", "--pruner", "none", "--sampler", "random", "--limit", "300", "--json"]
    words += rounds
    found = []
    for place in (["--cluster", "auto"], ["--workers", "1"]):
        command = [
            sys.executable,
            "-m",
            "apertune",
            "search",
            "digits",
            *words,
            *place,
            "--study",
            place[0].lstrip("-"),
        ]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        found.append({trial["number"]: trial for trial in json.loads(done.stdout)["trials"]})
    for number in (0, 1):
        assert found[0][number]["value"] == pytest.approx(found[1][number]["value"], abs=1e-3)
        assert found[0][number]["params"] == found[1][number]["params"]
    artifacts = Path("mlflow/artifacts")
    for trial in found[0].values():
        names = {path.name for path in artifacts.rglob(f"{trial['run_id']}/**/*.png")}
        assert "confusion_matrix.png" in names or any("confusion" in name for name in names), names
    assert len(list(artifacts.rglob("model.keras"))) == 4
    assert not list(Path("mlflow/studies").rglob("trials/*/model"))
    assert not list(Path("mlflow/studies").rglob("trials/*/round-*"))


def build(hp: Any) -> Any:
    """Builds a small network of this file's own, which no node can import."""
    import keras

    layers = [keras.layers.Rescaling(1 / 255), keras.layers.Flatten(), keras.layers.Dense(hp.Int("units", 4, 8))]
    model = keras.Sequential([*layers, keras.layers.Dense(3, "softmax")])
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    return model


def test_a_function_reaches_the_nodes(three_nodes: Any, empty_store: Path) -> None:
    """A function that was given in Python is trained on nodes, and its best model comes back and answers."""
    Path("mlflow").mkdir()
    shutil.copy(empty_store, "mlflow/mlflow.db")
    labels = np.arange(90, dtype=np.int32) % 3
    images = np.random.default_rng(0).integers(0, 60, (90, 8, 8, 1), np.uint8) + (labels * 80)[:, None, None, None]
    data = apertune.from_arrays(images.astype(np.uint8), labels, name="shades")
    study = apertune.tune(data, build, trials=2, epochs=2, objective="accuracy", cluster="auto", quiet=True)
    assert [trial.state for trial in study.trials] == ["complete", "complete"]
    assert 4 <= study.best_params["units"] <= 8
    assert study.best_model().predict(images[:2].astype(np.uint8), verbose=0).shape == (2, 3)


def pretend_processes() -> list[psutil.Process]:
    """Returns the actors on this test's nodes and their workers."""
    found = []
    for process in psutil.Process().children(recursive=True):
        with contextlib.suppress(psutil.Error):
            words = " ".join(process.cmdline())
            if "pretend_worker" in words or "TrialActor" in words:
                found.append(process)
    return found


def test_a_killed_supervisor_leaves_nothing_on_the_nodes(three_nodes: Any, empty_store: Path) -> None:
    """After SIGKILL of the supervisor its actors and workers end by themselves; the same command finishes the study."""
    Path("mlflow").mkdir()
    shutil.copy(empty_store, "mlflow/mlflow.db")
    command = [*PRETEND_SEARCH, "6", "3", "10", "auto"]
    with subprocess.Popen(command) as supervisor:
        deadline = time.monotonic() + 60
        while not list(Path("mlflow/studies").glob("pretended/trials/*/checkpoint.npz")):
            assert time.monotonic() < deadline
            time.sleep(0.1)
        processes = pretend_processes()
        supervisor.kill()
    assert len(processes) >= 2
    _, alive = psutil.wait_procs(processes, timeout=20)
    assert not alive
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert "finished 6 unsent 0" in done.stdout, done.stdout + done.stderr
    states = [trial.state for trial in read_study(make_home({}), "pretended").trials]
    assert states == ["complete"] * 6


def test_ctrl_c_ends_a_search_on_a_cluster(three_nodes: Any, empty_store: Path) -> None:
    """Within 10 s of Ctrl-C the search is over and its processes are gone from the nodes; the next one finishes it."""
    Path("mlflow").mkdir()
    shutil.copy(empty_store, "mlflow/mlflow.db")
    command = [*PRETEND_SEARCH, "6", "3", "20", "auto"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as supervisor:
        deadline = time.monotonic() + 60
        while not list(Path("mlflow/studies").glob("pretended/trials/*/checkpoint.npz")):
            assert time.monotonic() < deadline
            time.sleep(0.1)
        processes = pretend_processes()
        began = time.monotonic()
        supervisor.send_signal(signal.SIGINT)
        said, _ = supervisor.communicate(timeout=60)
        took = time.monotonic() - began
    print(f"Ctrl-C on a cluster: over after {took:.1f} s")
    assert took < 10, said
    assert supervisor.returncode == 128 + signal.SIGINT, said
    _, alive = psutil.wait_procs(processes, timeout=10)
    assert not alive
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert "finished 6 unsent 0" in done.stdout, done.stdout + done.stderr


def test_closing_leaves_no_actor(three_nodes: Any) -> None:
    """After close no actor, worker process or folder of a trial is left on the nodes."""
    import ray

    executor = RayExecutor("auto", Path("logs"), command=PRETEND_WORKER)
    executor.start()
    assert (executor.slots, executor.free_slots()) == (3, 3)
    processes = pretend_processes()
    assert len(processes) == 6
    executor.close()
    _, alive = psutil.wait_procs(processes, timeout=10)
    assert not alive
    assert not ray.is_initialized()
    left = list(Path(os.environ["APERTUNE_CACHE"]).rglob("cluster/*/*"))
    assert left == []


@pytest.mark.parametrize(
    ("variable", "line"),
    [
        ("APERTUNE_CACHE", "cannot fill the cache in .*: Not a directory; set APERTUNE_CACHE .*"),
        ("PYTHONPATH", "ModuleNotFoundError: .*apertune.*"),
    ],
)
def test_a_node_that_cannot_run_workers_ends_the_start(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, variable: str, line: str
) -> None:
    """A node without Apertune or without a writable cache soon gives a one-line error."""
    if reason := skip_reason():
        pytest.skip(reason)
    missing = tmp_path / "apertune.py"
    missing.write_text("raise ModuleNotFoundError(\"No module named 'apertune'\")\n")
    with ray_cluster(nodes=0) as cluster:
        monkeypatch.setenv(variable, str(missing / "cache" if variable == "APERTUNE_CACHE" else tmp_path))
        cluster.add_node(num_cpus=1)
        monkeypatch.undo()
        executor = RayExecutor("auto", Path("logs"), command=PRETEND_WORKER)
        began = time.monotonic()
        try:
            with pytest.raises(ApertuneError, match=rf"^(the|a) node .*of the Ray cluster cannot run workers: {line}$"):
                executor.start()
        finally:
            executor.close()
        assert time.monotonic() - began < 30


def test_a_stop_right_after_the_submission_is_heard(three_nodes: Any, tmp_path: Path) -> None:
    """A stop that overtakes its trial on the way to the worker still ends it after its first epoch."""
    data = tmp_path / "data"
    data.mkdir()
    EntryArrays(data).save_images(np.zeros((1, 8, 8, 1), np.uint8))
    submitted = task(tmp_path, 7, epochs=100)
    executor = RayExecutor("auto", Path("logs"), command=PRETEND_WORKER)
    executor.start()
    try:
        executor.submit(replace(submitted, view=replace(submitted.view, folder=data)))
        executor.stop(StopRequest(7, "pruned", "at once"))
        events: list[TrialEvent] = []
        while not events or not isinstance(events[-1], TrialResult):
            events += executor.wait(1.0)
    finally:
        executor.close()
    assert (events[-1].outcome, events[-1].epochs) == ("pruned", 1)
