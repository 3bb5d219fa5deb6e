"""Row 16 of the faults at length: the cost of a tracking server that is away for minutes to a running search.

uv run pytest -m slow tests/faults/test_outages.py
APERTUNE_OUTAGE_SECONDS=900 uv run pytest -m slow --timeout 2000 tests/faults/test_outages.py -k down
"""

from __future__ import annotations

import hashlib
import itertools
import os
import statistics
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from mlflow import MlflowClient
from programs import PRETEND_SEARCH
from tracking_server import Server, send_all, tracking_server
from unreliable_proxy import UnreliableProxy

from apertune.search.sending.sender import Sender
from apertune.search.tracking.mlflow_tracker import MlflowTracker, is_refused
from apertune.search.tracking.outbox import Outbox, unsent
from apertune.search.tracking.records import FilesLogged, MetricsLogged, ModelLogged, RunEnded, RunStarted

pytestmark = pytest.mark.slow

OUTAGES_S = [float(seconds) for seconds in os.environ.get("APERTUNE_OUTAGE_SECONDS", "20,60").split(",")]
EPOCHS, EPOCH_S = 20, 0.25
BEFORE_AND_AFTER_S = 40.0


@pytest.fixture
def server(empty_store: Path, tmp_path: Path) -> Iterator[Server]:
    folder = tmp_path / "server"
    folder.mkdir()
    with tracking_server(empty_store, folder) as started:
        yield started


def ends_of_epochs(outbox: Path) -> list[float]:
    """Returns the times at which the search's epochs ended, in Unix seconds."""
    records = (record for record, _ in unsent(outbox, 0) if isinstance(record, MetricsLogged))
    points = (point for record in records for point in record.points)
    return sorted(time_ms / 1000 for name, _, _, time_ms in points if name == "val_accuracy")


def assert_all_told(server: Server, trials: int) -> None:
    """Asserts one finished run per trial, with each epoch's value once."""
    client = MlflowClient(f"http://127.0.0.1:{server.port}")
    experiment = client.get_experiment_by_name("pretended").experiment_id
    runs = client.search_runs([experiment], "tags.kind = 'trial'")
    assert sorted(int(run.data.tags["trial"]) for run in runs) == list(range(trials))
    assert {run.info.status for run in runs} == {"FINISHED"}
    for run in runs:
        points = client.get_metric_history(run.info.run_id, "val_accuracy")
        assert sorted(point.step for point in points) == list(range(1, EPOCHS + 1))


@pytest.mark.timeout(max(OUTAGES_S) + 400)
@pytest.mark.parametrize("outage_s", OUTAGES_S)
@pytest.mark.parametrize("kind", ["down", "hung"])
def test_an_outage_slows_no_training(
    server: Server,
    monkeypatch: pytest.MonkeyPatch,
    kind: str,
    outage_s: float,
    note: Callable[[str], None],
) -> None:
    """While the server is away the median epoch takes at most 1 % longer and none waits; afterwards the server has
    every run and point once."""
    trials = int((BEFORE_AND_AFTER_S + outage_s) / (EPOCHS * EPOCH_S))
    monkeypatch.setenv("APERTUNE_PRETEND_SECONDS", str(EPOCH_S))
    with UnreliableProxy(server.port) as proxy:
        monkeypatch.setenv("MLFLOW_TRACKING_URI", proxy.url)
        search = subprocess.Popen([*PRETEND_SEARCH, str(trials), "1", str(EPOCHS)], stdout=subprocess.PIPE, text=True)
        assert search.stdout is not None
        while "ended 2" not in search.stdout.readline():
            assert search.poll() is None
        began = time.time()
        if kind == "down":
            proxy.stop()
            time.sleep(outage_s)
            proxy.start()
        else:
            with server.hung():
                time.sleep(outage_s)
        ended = time.time()
        rest, _ = search.communicate(timeout=BEFORE_AND_AFTER_S + 200)
        assert "unsent 0" in rest
    assert_all_told(server, trials)
    ends = ends_of_epochs(Path("mlflow/studies/pretended/outbox.jsonl"))
    assert len(ends) == trials * EPOCHS
    steps = list(itertools.pairwise(ends))
    away = [after - before for before, after in steps if began <= before and after <= ended]
    present = [after - before for before, after in steps if after < began or before > ended]
    slowed = statistics.median(away) / statistics.median(present) - 1
    note(
        f"{kind} for {outage_s:g} s: the median epoch {100 * slowed:+.1f} %, the longest {max(away):.2f} s",
    )
    assert len(away) > 0.8 * outage_s / EPOCH_S
    assert slowed <= 0.01
    assert statistics.mean(away) < 1.05 * statistics.mean(present)
    assert max(away) < EPOCH_S + 1


def fingerprints(folder: Path) -> dict[str, str]:
    return {file.name: hashlib.sha256(file.read_bytes()).hexdigest() for file in folder.iterdir()}


@pytest.mark.timeout(1500)
def test_a_server_killed_in_the_middle_of_an_upload(server: Server, tmp_path: Path) -> None:
    """A server that dies during an upload and comes back has each file whole, one model and one finished run."""
    folders = {name: tmp_path / name for name in ("artifacts", "model")}
    for name, folder in folders.items():
        folder.mkdir()
        for number in range(30):
            (folder / f"{name}{number}.bin").write_bytes(os.urandom(2**20))
    (folders["model"] / "MLmodel").write_text("flavors: {}\n")
    outbox = tmp_path / "outbox.jsonl"
    with Outbox(outbox) as writing:
        writing.put(
            RunStarted("key", "killed", "killed #0", 1),
            FilesLogged("key", str(folders["artifacts"])),
            ModelLogged("key", str(folders["model"]), "model"),
            RunEnded("key", "FINISHED", 9),
        )
    sender = Sender(outbox, MlflowTracker(f"http://127.0.0.1:{server.port}"), is_refused)
    sending = threading.Thread(target=send_all, args=(sender,))
    sending.start()
    for part in ("artifacts3.bin", "model3.bin"):
        while not list(server.folder.rglob(part)):
            assert sending.is_alive()
            time.sleep(0.005)
        server.kill()
        server.restart()
    sending.join()
    client = MlflowClient(f"http://127.0.0.1:{server.port}")
    experiment = client.get_experiment_by_name("killed").experiment_id
    (run,) = client.search_runs([experiment])
    assert run.info.status == "FINISHED"
    (model,) = client.search_logged_models([experiment])
    listed = {file.path for file in client.list_artifacts(run.info.run_id)}
    assert listed == set(fingerprints(folders["artifacts"]))
    stored = {file.name: file for file in server.folder.rglob("*.bin")}
    for folder in folders.values():
        for name, fingerprint in fingerprints(folder).items():
            if name.endswith(".bin"):
                assert hashlib.sha256(stored[name].read_bytes()).hexdigest() == fingerprint
    assert {file.path for file in client.list_logged_model_artifacts(model.model_id)} == set(
        fingerprints(folders["model"])
    )
