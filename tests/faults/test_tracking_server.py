"""Rows 16 and 17 of the faults: a tracking server that is away or slow; replies that are lost, or are no answers."""

from __future__ import annotations

import collections
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from mlflow import MlflowClient
from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository
from tracking_server import EPOCHS, TRIALS, Server, assert_told_once, send_all, story, tracking_server
from unreliable_proxy import HTML, NO_FAULT, Fault, UnreliableProxy

from apertune.search.sending import sender_process
from apertune.search.sending.sender import Sender
from apertune.search.sending.sender_process import SenderProcess
from apertune.search.settings import make_home
from apertune.search.tracking import mlflow_tracker
from apertune.search.tracking.mlflow_tracker import MlflowTracker, is_refused
from apertune.search.tracking.outbox import Outbox, read_progress, unsent_bytes
from apertune.search.tracking.records import ModelDropped, ModelLogged, RunEnded, RunStarted


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


def test_a_slow_server_is_waited_for(server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A server that takes longer than the patience with a silent one gets everything, and how long it takes is said."""
    monkeypatch.setattr(sender_process, "SAY_EVERY_S", 0.5)
    outbox_path, said = tmp_path / "outbox.jsonl", list[str]()
    with Outbox(outbox_path) as outbox:
        outbox.put(*story(tmp_path, "slow"))
    with UnreliableProxy(server.port, fault_for=lambda method, path: Fault(delay_s=0.1)) as proxy:
        home = make_home({"MLFLOW_TRACKING_URI": proxy.url}, root=tmp_path)
        with SenderProcess(outbox_path, home, said.append) as sender:
            # The process starts, and takes its first steps, before patience counts.
            while not read_progress(outbox_path).taken:
                time.sleep(0.05)
            began = time.monotonic()
            assert sender.finish(patience_s=5) == 0
            assert time.monotonic() - began > 5
    assert_told_once(server.port, "slow")
    assert said
    assert all(line.startswith("Sending results to MLflow: ") for line in said)


@pytest.mark.parametrize(
    "reply", [Fault(status=200, body=b"[]"), Fault(status=200, body=HTML), Fault(status=400, body=HTML)],
    ids=["list", "page", "refusing page"],
)  # fmt: skip
def test_what_is_no_answer_is_a_fault_of_transport(
    server: Server, tmp_path: Path, reply: Fault, request: pytest.FixtureRequest
) -> None:
    """Replies that are not MLflow's, once to each request, lose no record, no file and no model, and double nothing."""
    name = request.node.callspec.id.replace(" ", "-")
    outbox_path = tmp_path / "outbox.jsonl"
    with Outbox(outbox_path) as outbox:
        outbox.put(*story(tmp_path, name))
    seen: collections.Counter[tuple[str, str]] = collections.Counter()

    def once(method: str, path: str) -> Fault:
        seen[method, path] += 1
        return reply if seen[method, path] == 1 else NO_FAULT

    with UnreliableProxy(server.port, fault_for=once) as proxy:
        sender = Sender(outbox_path, MlflowTracker(proxy.url), is_refused)
        send_all(sender)
        while sender.holds_any:
            assert sender.send(again=True)
    assert any("mlflow-artifacts" in path and method == "PUT" for method, path in seen)
    assert unsent_bytes(outbox_path) == 0
    assert_told_once(server.port, name)


def test_a_store_that_takes_nothing_keeps_everything(server: Server, tmp_path: Path) -> None:
    """A store that refuses every request is at fault itself: no record is held, and all are sent later."""
    outbox_path = tmp_path / "outbox.jsonl"
    with Outbox(outbox_path) as outbox:
        outbox.put(*story(tmp_path, "refusing"))
    refusal = b'{"error_code": "INVALID_PARAMETER_VALUE", "message": "not here"}'
    with UnreliableProxy(server.port, fault_for=lambda method, path: Fault(status=400, body=refusal)) as proxy:
        sender = Sender(outbox_path, MlflowTracker(proxy.url), is_refused)
        for _ in range(20):
            assert not sender.send()
        assert read_progress(outbox_path).offset == 0
        assert "not here" in read_progress(outbox_path).problem
        proxy.fault_for = lambda method, path: NO_FAULT
        send_all(sender)
    assert not sender.holds_any
    assert_told_once(server.port, "refusing")


def test_a_file_that_is_too_large_blocks_nothing(server: Server, tmp_path: Path) -> None:
    """An upload that always fails is kept and named; all other records arrive, and it does once the server takes it."""
    outbox_path = tmp_path / "outbox.jsonl"
    with Outbox(outbox_path) as outbox:
        outbox.put(*story(tmp_path, "large"))
    (tmp_path / "large-0" / "artifacts" / "weights.bin").write_bytes(bytes(1000))

    def too_large(method: str, path: str) -> Fault:
        return Fault(status=413, body=HTML) if method == "PUT" and "weights.bin" in path else NO_FAULT

    client = MlflowClient(f"http://127.0.0.1:{server.port}")
    with UnreliableProxy(server.port, fault_for=too_large) as proxy:
        sender = Sender(outbox_path, MlflowTracker(proxy.url), is_refused)
        send_all(sender)
        assert_told_once(server.port, "large")
        (held,) = read_progress(outbox_path).held
        assert (held.key, held.kind) == ("large-0", "FilesLogged")
        assert "413" in held.problem
        assert unsent_bytes(outbox_path) == held.end - held.begin
        proxy.fault_for = lambda method, path: NO_FAULT
        assert sender.send(again=True)
    assert unsent_bytes(outbox_path) == 0
    run = read_progress(outbox_path).run_ids["large-0"]
    assert {file.path for file in client.list_artifacts(run)} == {"scores.csv", "weights.bin"}
    assert client.get_run(run).info.status == "FINISHED"


def test_a_run_that_was_deleted_for_good_blocks_nothing(server: Server, tmp_path: Path) -> None:
    """Records of a run that `mlflow gc` deleted are kept and named, and those behind them arrive."""
    outbox_path = tmp_path / "outbox.jsonl"
    records = story(tmp_path, "gone")
    url = f"http://127.0.0.1:{server.port}"
    client = MlflowClient(url)
    with Outbox(outbox_path) as outbox:
        outbox.put(*records[:3])
        sender = Sender(outbox_path, MlflowTracker(url), is_refused)
        assert sender.send()
        run = read_progress(outbox_path).run_ids["gone-0"]
        client.delete_run(run)
        store = f"sqlite:///{server.folder / 'mlflow.db'}"
        command = [sys.executable, "-m", "mlflow", "gc", "--backend-store-uri", store, "--run-ids", run]
        subprocess.run([*command, "--tracking-uri", url], check=True, capture_output=True)
        outbox.put(*records[3:])
        send_all(sender)
    held = read_progress(outbox_path).held
    assert {one.key for one in held} == {"gone-0"}
    experiment = client.get_experiment_by_name("gone").experiment_id
    runs = {found.data.tags["apertune.key"]: found for found in client.search_runs([experiment])}
    assert set(runs) == {"gone-search", "gone-1", "gone-2"}
    assert {found.info.status for found in runs.values()} == {"FINISHED"}


def test_one_lost_upload_sends_the_file_again_and_no_other(server: Server, tmp_path: Path) -> None:
    """After an upload whose reply was lost, the files that the server has are not sent again."""
    outbox_path = tmp_path / "outbox.jsonl"
    records = story(tmp_path, "files")
    for number in range(6):
        (tmp_path / "files-0" / "artifacts" / f"plot{number}.png").write_bytes(bytes(100 + number))
    puts: collections.Counter[str] = collections.Counter()

    def lose_one(method: str, path: str) -> Fault:
        if method == "PUT":
            puts[path.rpartition("/")[2]] += 1
        return Fault(lost=method == "PUT" and path.endswith("plot3.png") and puts["plot3.png"] == 1)

    with Outbox(outbox_path) as outbox:
        outbox.put(*(record for record in records if getattr(record, "key", "") in ("files-search", "files-0")))
    with UnreliableProxy(server.port, fault_for=lose_one) as proxy:
        assert send_all(Sender(outbox_path, MlflowTracker(proxy.url), is_refused)) == 2
    assert {name: count for name, count in puts.items() if name.endswith(".png")} == {
        f"plot{number}.png": 2 if number == 3 else 1 for number in range(6)
    }


def test_one_bad_value_takes_nothing_along(server: Server, tmp_path: Path) -> None:
    """A parameter that MLflow refuses is named; the others of its record, its tags and its run arrive."""
    url, outbox_path = f"http://127.0.0.1:{server.port}", tmp_path / "outbox.jsonl"
    client = MlflowClient(url)
    started = RunStarted("bad", "bad", "run", 1, "", {"state": "running"}, {"a": "1", "rate": "0.1", "z": "2"})
    with Outbox(outbox_path) as outbox:
        sender = Sender(outbox_path, MlflowTracker(url), is_refused)
        outbox.put(started)
        assert sender.send()
        # MLflow takes no other value for a parameter that it has.
        outbox.put(replace(started, tags={"state": "again"}, params={**started.params, "rate": "0.2", "new": "3"}))
        outbox.put(RunEnded("bad", "FINISHED", 9))
        assert sender.send()
    (held,) = read_progress(outbox_path).held
    assert "param rate" in held.problem
    run = client.get_run(read_progress(outbox_path).run_ids["bad"])
    assert run.data.params == {"a": "1", "rate": "0.1", "z": "2", "new": "3"}
    assert (run.info.status, run.data.tags["state"]) == ("FINISHED", "again")


class HeldBack:
    """Holds back a request of a kind, whose connection is closed, until `let_through`.

    Args:
        server: The server that it goes to.
        ending: The end of the request's path.
        which: The number, from 1, of the request of that kind.
        name: Name of the experiment.
    """

    def __init__(self, server: Server, ending: str, which: int, name: str) -> None:
        self._client, self._name = MlflowClient(f"http://127.0.0.1:{server.port}"), name
        self._ending, self._which = ending, which
        self._event = threading.Event()

    def fault_for(self, method: str, path: str) -> Fault:
        if method == "POST" and path.endswith(self._ending):
            self._which -= 1
            if not self._which:
                return Fault(late=self._event)
        return NO_FAULT

    def let_through(self) -> None:
        """Lets the request through, and waits until the server has acted on it."""
        before, until = self._made(), time.monotonic() + 60
        self._event.set()
        while self._made() == before:
            assert time.monotonic() < until
            time.sleep(0.05)

    def _made(self) -> int:
        experiment = [self._client.get_experiment_by_name(self._name).experiment_id]
        return len(self._client.search_runs(experiment)) + len(self._client.search_logged_models(experiment))


@pytest.mark.parametrize("sent_before", [3, 7, 100])
def test_a_run_whose_request_comes_late_is_made_once(
    server: Server, tmp_path: Path, sent_before: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A request for a run that reaches the server after a second one, at any time, leaves one run with everything."""
    monkeypatch.setattr(mlflow_tracker, "LATEST_S", 0.1)
    name = f"late{sent_before}"
    records, outbox_path = story(tmp_path, name), tmp_path / "outbox.jsonl"
    held_back = HeldBack(server, "runs/create", 2, name)
    with Outbox(outbox_path) as outbox, UnreliableProxy(server.port, fault_for=held_back.fault_for) as proxy:
        outbox.put(*records[:sent_before])
        sender = Sender(outbox_path, MlflowTracker(proxy.url), is_refused)
        send_all(sender)
        held_back.let_through()
        if sent_before < len(records):
            outbox.put(*records[sent_before:])
            # Another, as after the first was killed.
            sender = Sender(outbox_path, MlflowTracker(proxy.url), is_refused)
            send_all(sender)
        sender.close()
    assert_told_once(server.port, name)


def test_a_model_whose_request_comes_late_is_made_once(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A request for a model that reaches the server after a second one leaves one model."""
    monkeypatch.setattr(mlflow_tracker, "LATEST_S", 0.1)
    name, outbox_path = "late-model", tmp_path / "outbox.jsonl"
    held_back = HeldBack(server, "logged-models", 2, name)
    with Outbox(outbox_path) as outbox, UnreliableProxy(server.port, fault_for=held_back.fault_for) as proxy:
        outbox.put(*story(tmp_path, name))
        sender = Sender(outbox_path, MlflowTracker(proxy.url), is_refused)
        send_all(sender)
        held_back.let_through()
        # Told again, as by a sender whose notes were lost.
        last = story(tmp_path / "again", name)
        outbox.put(*(record for record in last if isinstance(record, ModelLogged)))
        send_all(sender)
        sender.close()
    assert_told_once(server.port, name)
