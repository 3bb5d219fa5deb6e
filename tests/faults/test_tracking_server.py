"""Rows 16 and 17 of the faults: a tracking server that is away, and one whose replies are lost."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from mlflow import MlflowClient
from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository
from tracking_server import EPOCHS, TRIALS, Server, assert_told_once, send_all, story, tracking_server
from unreliable_proxy import UnreliableProxy

from apertune.search.sending.sender import Sender
from apertune.search.tracking.mlflow_tracker import MlflowTracker, is_refused
from apertune.search.tracking.outbox import Outbox, unsent_bytes
from apertune.search.tracking.records import (
    ModelDropped,
)


@pytest.fixture(scope="module")
def server(empty_store: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A real tracking server on a new SQLite store."""
    with tracking_server(empty_store, tmp_path_factory.mktemp("server")) as started:
        yield started


def test_lost_replies_double_nothing(server: Server, tmp_path: Path) -> None:
    """With the reply to every POST lost once, there is still one run per trial, one model, and each point once."""
    outbox_path = tmp_path / "outbox.jsonl"
    with Outbox(outbox_path) as outbox:
        outbox.put(*story(tmp_path, "lost"))
    with UnreliableProxy(server.port, drop_first_replies=True) as proxy:
        assert send_all(Sender(outbox_path, MlflowTracker(proxy.url), is_refused)) > 10
        assert proxy.lost > 10 + TRIALS * EPOCHS
    assert_told_once(server.port, "lost")


def test_a_server_that_was_away_misses_nothing(server: Server, tmp_path: Path) -> None:
    """Records made while the server is down are kept, even when the sender restarts, and are told once."""
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
    """A server that answers nothing costs one time limit per try, and records it accepted are not told twice."""
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


def test_an_experiment_that_was_deleted_is_restored(server: Server, tmp_path: Path) -> None:
    """A search whose experiment was deleted from the server restores it and tells everything once."""
    client = MlflowClient(f"http://127.0.0.1:{server.port}")
    client.delete_experiment(client.create_experiment("deleted"))
    outbox_path = tmp_path / "outbox.jsonl"
    with Outbox(outbox_path) as outbox:
        outbox.put(*story(tmp_path, "deleted"))
    send_all(Sender(outbox_path, MlflowTracker(f"http://127.0.0.1:{server.port}"), is_refused))
    assert_told_once(server.port, "deleted")


def test_a_model_is_dropped_with_its_files(server: Server, tmp_path: Path) -> None:
    """A model that is not kept is deleted from the server with its files, even if half of it was already gone."""
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
