"""Rows 16 and 17 of the faults: a tracking server that is away, and one whose replies are lost."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest
from mlflow import MlflowClient
from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository

from apertune.search.mlflow_tracking import MlflowTracker, is_refused
from apertune.search.outbox import Outbox, unsent_bytes
from apertune.search.sender import Sender
from apertune.search.tracking import (
    DatasetLogged,
    FilesLogged,
    MetricsLogged,
    ModelDropped,
    ModelLogged,
    Record,
    RunEnded,
    RunStarted,
    TagsSet,
)

from .unreliable_proxy import UnreliableProxy

TRIALS, EPOCHS = 3, 4


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@dataclass(frozen=True)
class Server:
    """port: on loopback. folder: of its files. process: the one that was started; those that answer are below it."""

    port: int
    folder: Path
    process: subprocess.Popen[bytes]

    @contextmanager
    def hung(self) -> Iterator[None]:
        """A context in which it takes connections and answers none."""
        first = psutil.Process(self.process.pid)
        every = [first, *first.children(recursive=True)]
        for process in every:
            process.suspend()
        try:
            yield
        finally:
            for process in every:
                process.resume()


@pytest.fixture(scope="module")
def server(empty_store: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A real tracking server on a new SQLite store."""
    folder, port = tmp_path_factory.mktemp("server"), free_port()
    shutil.copy(empty_store, folder / "mlflow.db")
    command = [sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(port), "--workers", "1"]
    environment = {
        **os.environ,
        "MLFLOW_BACKEND_STORE_URI": f"sqlite:///{folder / 'mlflow.db'}",
        "MLFLOW_ARTIFACTS_DESTINATION": str(folder / "artifacts"),
        "MLFLOW_SERVER_ALLOWED_HOSTS": f"127.0.0.1:{port}",
        "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
    }
    with (folder / "server.log").open("wb") as log:
        process = subprocess.Popen(command, env=environment, cwd=folder, stdout=log, stderr=log)
    try:
        wait_until_healthy(port, process)
        yield Server(port, folder, process)
    finally:
        process.terminate()
        process.wait(20)


def wait_until_healthy(port: int, process: subprocess.Popen[bytes], timeout_s: float = 90) -> None:
    """Raises AssertionError when the server ends or does not answer in time."""
    until = time.monotonic() + timeout_s
    while time.monotonic() < until:
        assert process.poll() is None, "the tracking server ended"
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=2):
                return
        except OSError:
            time.sleep(0.2)
    raise AssertionError("the tracking server did not answer")


def story(folder: Path, experiment: str) -> list[Record]:
    """What a search of a few trials tells, with files and models."""
    records: list[Record] = [RunStarted(f"{experiment}-search", experiment, "search", 1)]
    for number in range(TRIALS):
        key = f"{experiment}-{number}"
        for name in ("artifacts", "model"):
            (folder / key / name).mkdir(parents=True)
        (folder / key / "artifacts" / "scores.csv").write_text("metric,value\n")
        (folder / key / "model" / "MLmodel").write_text("flavors: {}\n")
        records.append(RunStarted(key, experiment, key, 1, f"{experiment}-search", {"state": "running"}, {"rate": "1"}))
        records.append(DatasetLogged(key, "pretended", "ab" * 18, "arrays", {"train": "10"}))
        for epoch in range(1, EPOCHS + 1):
            # In a record each, and not merged, since the other run's tag comes between.
            records.append(MetricsLogged(key, (("loss", 1 / epoch, epoch, 1000 * epoch),)))
            records.append(TagsSet(f"{experiment}-search", {"epoch": f"{number}.{epoch}"}))
        records.append(FilesLogged(key, str(folder / key / "artifacts")))
        records.append(ModelLogged(key, str(folder / key / "model"), "model", {"best_accuracy": 0.5}))
        records.append(RunEnded(key, "FINISHED", 9000))
    return [*records, RunEnded(f"{experiment}-search", "FINISHED", 9999)]


def assert_told_once(port: int, experiment: str) -> None:
    """The server has one run a key, each point of each metric once, every file, one model a trial, and no orphan."""
    client = MlflowClient(f"http://127.0.0.1:{port}")
    found = client.get_experiment_by_name(experiment)
    assert found is not None
    runs = {run.data.tags["apertune.key"]: run for run in client.search_runs([found.experiment_id])}
    assert len(client.search_runs([found.experiment_id])) == len(runs) == TRIALS + 1
    assert {run.info.status for run in runs.values()} == {"FINISHED"}
    parent = runs.pop(f"{experiment}-search").info.run_id
    for run in runs.values():
        assert run.data.tags["mlflow.parentRunId"] == parent
        history = client.get_metric_history(run.info.run_id, "loss")
        assert sorted((point.step, point.value, point.timestamp) for point in history) == [
            (epoch, 1 / epoch, 1000 * epoch) for epoch in range(1, EPOCHS + 1)
        ]
        assert [file.path for file in client.list_artifacts(run.info.run_id)] == ["scores.csv"]
        assert len(run.inputs.dataset_inputs) == 1
        assert len(run.outputs.model_outputs) == 1
    assert len(client.search_logged_models([found.experiment_id])) == TRIALS


def send_all(sender: Sender, timeout_s: float = 120) -> int:
    """Repeats until all is sent, as the sender process does; returns how often it had to try."""
    until, tries = time.monotonic() + timeout_s, 1
    while not sender.send():
        assert time.monotonic() < until, "not everything was sent in time"
        tries += 1
    return tries


def test_lost_replies_double_nothing(server: Server, tmp_path: Path) -> None:
    """When the reply to every POST is lost once, there still is one run a trial, one model, and each point once."""
    outbox_path = tmp_path / "outbox.jsonl"
    with Outbox(outbox_path) as outbox:
        outbox.put(*story(tmp_path, "lost"))
    with UnreliableProxy(server.port, drop_first_replies=True) as proxy:
        assert send_all(Sender(outbox_path, MlflowTracker(proxy.url), is_refused)) > 10
        assert proxy.lost > 10 + TRIALS * EPOCHS
    assert_told_once(server.port, "lost")


def test_a_server_that_was_away_misses_nothing(server: Server, tmp_path: Path) -> None:
    """Records made while the server is down are kept, past a restart of the sender too, and told once."""
    outbox_path = tmp_path / "outbox.jsonl"
    records = story(tmp_path, "away")
    with Outbox(outbox_path) as outbox, UnreliableProxy(server.port) as proxy:
        sender = Sender(outbox_path, MlflowTracker(proxy.url), is_refused)
        outbox.put(*records[:5])
        assert sender.send()
        proxy.stop()
        outbox.put(*records[5:])
        assert not sender.send()
        assert not Sender(outbox_path, MlflowTracker(proxy.url), is_refused).send()
        assert unsent_bytes(outbox_path) > 0
        proxy.start()
        send_all(Sender(outbox_path, MlflowTracker(proxy.url), is_refused))
        assert unsent_bytes(outbox_path) == 0
    assert_told_once(server.port, "away")


def test_a_server_that_hangs_holds_up_no_order_to_stop(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A server that answers nothing costs one time limit a try, and what it took meanwhile is not told twice."""
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_TIMEOUT", "1")
    outbox_path = tmp_path / "outbox.jsonl"
    records = story(tmp_path, "hung")
    with Outbox(outbox_path) as outbox:
        sender = Sender(outbox_path, MlflowTracker(f"http://127.0.0.1:{server.port}"), is_refused)
        outbox.put(*records[:5])
        assert sender.send()
        outbox.put(*records[5:])
        with server.hung():
            began = time.monotonic()
            assert not sender.send()
            assert time.monotonic() - began < 5
    send_all(sender)
    assert_told_once(server.port, "hung")


def test_a_model_is_dropped_with_its_files(server: Server, tmp_path: Path) -> None:
    """A model that is not kept is gone from the server with its files, also when it was half gone before."""
    records = [record for record in story(tmp_path, "dropped") if getattr(record, "key", "") != "dropped-2"]
    tracker = MlflowTracker(f"http://127.0.0.1:{server.port}")
    for record in records:
        tracker.apply(record)
    client = MlflowClient(f"http://127.0.0.1:{server.port}")
    experiment = client.get_experiment_by_name("dropped").experiment_id
    models = {model.tags["apertune.key"]: model for model in client.search_logged_models([experiment])}
    assert [file.path for file in client.list_logged_model_artifacts(models["dropped-0"].model_id)] == ["MLmodel"]
    # As after a reply that was lost between the two steps.
    get_artifact_repository(models["dropped-0"].artifact_location, tracker._tracking_uri).delete_artifacts()
    for _ in range(2):
        tracker.apply(ModelDropped("dropped-0"))
    assert [model.tags["apertune.key"] for model in client.search_logged_models([experiment])] == ["dropped-1"]
    kept = [file.parent.name for file in server.folder.rglob("MLmodel") if models["dropped-1"].model_id in str(file)]
    assert kept == ["artifacts"]
    assert not [file for file in server.folder.rglob("MLmodel") if models["dropped-0"].model_id in str(file)]
