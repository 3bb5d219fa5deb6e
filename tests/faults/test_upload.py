"""Row 2 of the faults: the process that sends to MLflow is killed during a run, a model or the end."""

from __future__ import annotations

import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from mlflow import MlflowClient

from apertune.search.sending.sender import Sender
from apertune.search.sending.sender_process import SenderProcess
from apertune.search.settings import Home
from apertune.search.tracking.mlflow_tracker import MlflowTracker, is_refused
from apertune.search.tracking.outbox import Outbox, unsent_bytes
from apertune.search.tracking.records import FilesLogged, MetricsLogged, ModelLogged, RunEnded, RunStarted

pytestmark = pytest.mark.slow

STEPS = ["create_run", "log_batch", "log_artifact", "create_logged_model", "finalize_logged_model", "set_terminated"]
# Imports MLflow once; each step has its own process, killed as soon as the server has finished the step.
KILLED_SENDERS = """
import os, signal, sys
from pathlib import Path
from mlflow import MlflowClient
from mlflow.store.artifact.local_artifact_repo import LocalArtifactRepository
from apertune.search.tracking.mlflow_tracker import MlflowTracker, is_refused
from apertune.search.sending.sender import Sender

def killed_after(whole):
    def call(self, *given, **named):
        whole(self, *given, **named)
        os.kill(os.getpid(), signal.SIGKILL)
    return call

store, *steps = sys.argv[1:]
for step in steps:
    child = os.fork()
    if not child:
        owner = LocalArtifactRepository if step == "log_artifact" else MlflowClient
        setattr(owner, step, killed_after(getattr(owner, step)))
        Sender(Path(step) / "outbox.jsonl", MlflowTracker(store, Path("artifacts")), is_refused).send()
        os._exit(0)
    _, status = os.waitpid(child, 0)
    print(step, os.waitstatus_to_exitcode(status))
"""


def story(step: str) -> None:
    """Returns the records of one trial, in an experiment named after the step."""
    for name in ("artifacts", "model"):
        (Path(step) / name).mkdir(parents=True)
        (Path(step) / name / "MLmodel").write_text("flavors: {}\n")
    with Outbox(Path(step) / "outbox.jsonl") as outbox:
        outbox.put(
            RunStarted(step, step, "run", 1, "", {"state": "running"}, {"rate": "1"}),
            MetricsLogged(step, (("loss", 0.5, 1, 10), ("loss", 0.25, 2, 20))),
            FilesLogged(step, str(Path(step) / "artifacts"), remove=True),
            ModelLogged(step, str(Path(step) / "model"), "model", {"best_accuracy": 0.9}, remove=True),
            RunEnded(step, "FINISHED", 30),
        )


def test_a_sender_killed_at_a_step(empty_store: Path, tmp_path: Path) -> None:
    """After a sender killed at any call, the next one completes one run, one model, each point once and each file."""
    store = f"sqlite:///{tmp_path / 'mlflow.db'}"
    shutil.copy(empty_store, tmp_path / "mlflow.db")
    for step in STEPS:
        story(step)
    command = [sys.executable, "-c", KILLED_SENDERS, store, *STEPS]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout.split() == [word for step in STEPS for word in (step, str(-signal.SIGKILL))]
    client, tracker = MlflowClient(store), MlflowTracker(store, Path("artifacts"))
    for step in STEPS:
        assert Sender(Path(step) / "outbox.jsonl", tracker, is_refused).send()
        experiment = client.get_experiment_by_name(step)
        assert experiment is not None
        [run] = client.search_runs([experiment.experiment_id])
        [model] = client.search_logged_models([experiment.experiment_id])
        assert run.info.status == "FINISHED"
        assert str(model.status).endswith("READY")
        points = client.get_metric_history(run.info.run_id, "loss")
        assert sorted((point.step, point.value) for point in points) == [(1, 0.5), (2, 0.25)]
        assert [file.path for file in client.list_artifacts(run.info.run_id)] == ["MLmodel"]
        assert not (Path(step) / "model").exists()


def test_a_sender_that_was_killed_is_replaced_during_the_search(home: Home) -> None:
    """A killed sender's records reach MLflow before the search ends."""
    story("search")
    outbox = Path("search/outbox.jsonl")
    with SenderProcess(outbox, home, lambda line: None) as sender:
        sender._process.kill()
        until = time.monotonic() + 60
        while unsent_bytes(outbox) and time.monotonic() < until:
            time.sleep(0.2)
        assert unsent_bytes(outbox) == 0


def test_a_sender_that_was_killed_is_replaced_in_the_end(home: Home) -> None:
    """A search whose sender was killed from outside has told MLflow everything by its end."""
    story("search")
    lines: list[str] = []
    with SenderProcess(Path("search/outbox.jsonl"), home, lines.append) as sender:
        sender._process.kill()
        sender._process.wait()
        assert sender.finish() == 0
    # On a crowded machine it says between how far it is.
    assert [line for line in lines if not line.startswith("Sending")] == []
