"""Records that MLflow refuses: an experiment that the user deleted comes back, and refused records are kept."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from mlflow import MlflowClient

from apertune.search.sending.sender import Sender
from apertune.search.sending.sender_process import SenderProcess
from apertune.search.settings import Home
from apertune.search.tracking.mlflow_tracker import MlflowTracker, is_refused
from apertune.search.tracking.outbox import Outbox, Progress, read_progress, unsent_bytes
from apertune.search.tracking.records import (
    MemoryTracker,
    MetricsLogged,
    Record,
    RunEnded,
    RunStarted,
    TagsSet,
    to_line,
)


def a_run(key: str) -> list[Record]:
    return [
        RunStarted(key, "digits", key, 1, tags={"state": "running"}, params={"rate": "1"}),
        MetricsLogged(key, (("loss", 0.5, 1, 10), ("loss", 0.25, 2, 20))),
        TagsSet(key, {"state": "complete"}),
        RunEnded(key, "FINISHED", 30),
    ]


def deleted(client: MlflowClient) -> None:
    """Deletes the experiment, as the user does in MLflow's own pages."""
    client.delete_experiment(client.get_experiment_by_name("digits").experiment_id)


def assert_whole(client: MlflowClient, *keys: str) -> None:
    """The experiment is there, and has these runs with all that `a_run` tells."""
    experiment = client.get_experiment_by_name("digits")
    assert experiment.lifecycle_stage == "active"
    runs = {run.data.tags["apertune.key"]: run for run in client.search_runs([experiment.experiment_id])}
    assert set(runs) == set(keys)
    for run in runs.values():
        assert (run.info.status, run.data.tags["state"], run.data.params) == ("FINISHED", "complete", {"rate": "1"})
        points = client.get_metric_history(run.info.run_id, "loss")
        assert [(point.step, point.value) for point in points] == [(1, 0.5), (2, 0.25)]


class RefusedError(Exception):
    """A record that is bad by itself."""


def refuses(error: Exception) -> bool:
    return isinstance(error, RefusedError)


class Choosy(MemoryTracker):
    """Takes all records but some."""

    def __init__(self, refused: list[Record]) -> None:
        super().__init__()
        self.refused = refused

    def apply(self, record: Record) -> None:
        if record in self.refused:
            raise RefusedError("too large")
        super().apply(record)


def test_a_search_after_its_experiment_was_deleted(home: Home) -> None:
    """The experiment is restored with its runs, and MLflow has everything of the new search, with none refused."""
    client = MlflowClient(home.tracking_uri)
    with Outbox(Path("outbox.jsonl")) as outbox:
        outbox.put(*a_run("before"))
        assert Sender(outbox.path, MlflowTracker(home.tracking_uri), is_refused).send()
        deleted(client)
        outbox.put(*a_run("after"))
        assert Sender(outbox.path, MlflowTracker(home.tracking_uri), is_refused).send()
    assert_whole(client, "before", "after")
    assert read_progress(outbox.path).held == ()


def test_an_experiment_deleted_during_a_search(home: Home) -> None:
    """The next trial brings the experiment back; what was refused until then is kept, and taken afterwards."""
    client = MlflowClient(home.tracking_uri)
    with Outbox(Path("outbox.jsonl")) as outbox:
        sender = Sender(outbox.path, MlflowTracker(home.tracking_uri), is_refused)
        outbox.put(*a_run("first"))
        assert sender.send()
        deleted(client)
        outbox.put(TagsSet("first", {"state": "changed"}), *a_run("second"))
        assert sender.send()
        assert_whole(client, "first", "second")
        assert [(held.key, held.kind) for held in read_progress(outbox.path).held] == [("first", "TagsSet")]
        assert sender.send(again=True)
    assert read_progress(outbox.path).held == ()
    assert unsent_bytes(outbox.path) == 0
    run = client.get_run(read_progress(outbox.path).run_ids["first"])
    assert run.data.tags["state"] == "changed"


def test_a_mistake_in_the_tracker_is_no_refusal(tmp_path: Path) -> None:
    """A KeyError out of the tracker is shown as the problem and tried again, as any error is."""

    class Mistaken(MemoryTracker):
        mistaken = True

        def check(self) -> None:
            if self.mistaken:
                raise KeyError("no such column")

        def apply(self, record: Record) -> None:
            if self.mistaken:
                raise KeyError("no such column")
            super().apply(record)

    records, tracker = a_run("k"), Mistaken()
    with Outbox(tmp_path / "outbox.jsonl") as outbox:
        outbox.put(*records)
    sender = Sender(outbox.path, tracker, is_refused)
    assert not sender.send()
    assert read_progress(outbox.path).problem == "KeyError: 'no such column'"
    assert unsent_bytes(outbox.path) == outbox.path.stat().st_size
    tracker.mistaken = False
    assert sender.send()
    assert tracker.records == records
    assert read_progress(outbox.path) == Progress(outbox.path.stat().st_size, {"k": "k"}, taken=len(records))


def test_a_run_that_is_not_there_is_refused(home: Home) -> None:
    """A record of a run that MLflow does not have can never be taken."""
    with pytest.raises(LookupError, match="no run has the key k") as error:
        MlflowTracker(home.tracking_uri).apply(TagsSet("k", {}))
    assert is_refused(error.value)
    assert not is_refused(KeyError("k"))


def test_what_is_held_outlives_the_sender(tmp_path: Path) -> None:
    """A record that was refused is tried again by the next sender, and with it what followed of the same run."""
    path = tmp_path / "outbox.jsonl"
    (tmp_path / "outbox.jsonl.sent").write_text(json.dumps({"offset": 0, "run_ids": {"k": "run"}, "problem": ""}))
    assert read_progress(path) == Progress(0, {"k": "run"})
    first, last, other = TagsSet("k", {"state": "running"}), TagsSet("k", {"state": "complete"}), TagsSet("l", {})
    with Outbox(path) as outbox:
        outbox.put(first, other, last)
    tracker = Choosy([first])
    assert Sender(path, tracker, refuses).send()
    assert tracker.records == [other, last]
    assert unsent_bytes(path) == len(to_line(first)) + 1
    tracker.refused.clear()
    assert Sender(path, tracker, refuses).send()
    assert tracker.records == [other, last, first, last]
    assert unsent_bytes(path) == 0


def test_a_search_says_what_was_refused(home: Home) -> None:
    """The last lines of a search say what MLflow did not take, that it is kept, and which file says why."""
    lines: list[str] = []
    outbox_path = Path("outbox.jsonl").absolute()
    with Outbox(outbox_path) as outbox:
        outbox.put(TagsSet("unknown", {"state": "running"}), *a_run("k"), RunEnded("unknown", "FINISHED", 9))
    with SenderProcess(outbox_path, home, lines.append) as sender:
        assert sender.finish() == unsent_bytes(outbox_path) > 0
    log = outbox_path.with_name("sender.log")
    # On a crowded machine it says between how far it is.
    assert [line for line in lines if not line.startswith("Sending")] == [
        "MLflow did not take 2 records of 1 run, though it takes others; the last was RunEnded (NoSuchRunError: no run "
        f"has the key unknown). They are kept, and tried again by the next search, or: apertune sync. More: {log}"
    ]
    assert "did not take TagsSet of unknown: " in log.read_text()
    assert_whole(MlflowClient(home.tracking_uri), "k")
