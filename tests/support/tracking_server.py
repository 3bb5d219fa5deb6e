"""A real tracking server for tests, the records of a small search, and what the server must know afterwards."""

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
from mlflow import MlflowClient

from apertune.search.sending.sender import Sender
from apertune.search.tracking.records import (
    DatasetLogged,
    FilesLogged,
    MetricsLogged,
    ModelLogged,
    Record,
    RunEnded,
    RunStarted,
    TagsSet,
)

TRIALS, EPOCHS = 3, 4


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@dataclass
class Server:
    """A running server on loopback."""

    port: int
    folder: Path
    """Folder of its files."""
    process: subprocess.Popen[bytes]
    """The process that was started; its children answer requests."""

    def tree(self) -> list[psutil.Process]:
        first = psutil.Process(self.process.pid)
        return [first, *first.children(recursive=True)]

    @contextmanager
    def hung(self) -> Iterator[None]:
        """Makes the server accept connections and answer none, within the context."""
        every = self.tree()
        for process in every:
            process.suspend()
        try:
            yield
        finally:
            for process in every:
                process.resume()

    def kill(self) -> None:
        """Kills the server as a power cut would."""
        for process in self.tree():
            process.kill()
        self.process.wait(20)

    def restart(self) -> None:
        """Starts the server again after `kill`, with the same port, store and files."""
        self.process = _start(self.port, self.folder)


@contextmanager
def tracking_server(empty_store: Path, folder: Path) -> Iterator[Server]:
    """Runs a server on a copy of an empty store, with its files in the folder."""
    shutil.copy(empty_store, folder / "mlflow.db")
    port = free_port()
    server = Server(port, folder, _start(port, folder))
    try:
        yield server
    finally:
        server.process.terminate()
        server.process.wait(20)


def _start(port: int, folder: Path) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(port), "--workers", "1"]
    environment = {
        **os.environ,
        "MLFLOW_BACKEND_STORE_URI": f"sqlite:///{folder / 'mlflow.db'}",
        "MLFLOW_ARTIFACTS_DESTINATION": str(folder / "artifacts"),
        "MLFLOW_SERVER_ALLOWED_HOSTS": f"127.0.0.1:{port}",
        "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
    }
    with (folder / "server.log").open("ab") as log:
        process = subprocess.Popen(command, env=environment, cwd=folder, stdout=log, stderr=log)
    wait_until_healthy(port, process)
    return process


def wait_until_healthy(port: int, process: subprocess.Popen[bytes], timeout_s: float = 280) -> None:
    """Waits until the server answers.

    Raises:
        AssertionError: The server ended, or did not answer in time.
    """
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
    """Returns the records that a search of a few trials sends, with files and models."""
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
            # One record each, not merged, since the other run's tag comes between them.
            records.append(MetricsLogged(key, (("loss", 1 / epoch, epoch, 1000 * epoch),)))
            records.append(TagsSet(f"{experiment}-search", {"epoch": f"{number}.{epoch}"}))
        records.append(FilesLogged(key, str(folder / key / "artifacts")))
        records.append(ModelLogged(key, str(folder / key / "model"), "model", {"best_accuracy": 0.5}))
        records.append(RunEnded(key, "FINISHED", 9000))
    return [*records, RunEnded(f"{experiment}-search", "FINISHED", 9999)]


def assert_told_once(port: int, experiment: str) -> None:
    """Asserts one run per key, one model per trial, each point of each metric once, every file, and no orphan."""
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


def send_all(sender: Sender, timeout_s: float = 600) -> int:
    """Retries until everything is sent, as the sender process does. Returns the number of tries."""
    until, tries = time.monotonic() + timeout_s, 1
    while not sender.send():
        assert time.monotonic() < until, "not everything was sent in time"
        tries += 1
        # A server that starts needs the processor.
        time.sleep(0.05)
    return tries
