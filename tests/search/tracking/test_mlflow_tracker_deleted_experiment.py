"""What MLflow refuses: an experiment deleted by the user comes back, and what is lost is counted and said."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from mlflow import MlflowClient

from apertune.search.sending.sender import Sender
from apertune.search.sending.sender_process import SenderProcess
from apertune.search.settings import Home
from apertune.search.tracking.mlflow_tracker import MlflowTracker, is_refused
from apertune.search.tracking.outbox import Outbox, Progress, read_progress, unsent_bytes, write_progress
from apertune.search.tracking.records import MemoryTracker, MetricsLogged, Record, RunEnded, RunStarted, TagsSet


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
    assert read_progress(outbox.path).refused == 0


def test_an_experiment_deleted_during_a_search(home: Home) -> None:
    """The next trial brings the experiment back; what was refused until then is counted."""
    client = MlflowClient(home.tracking_uri)
    with Outbox(Path("outbox.jsonl")) as outbox:
        sender = Sender(outbox.path, MlflowTracker(home.tracking_uri), is_refused)
        outbox.put(*a_run("first"))
        assert sender.send()
        deleted(client)
        outbox.put(TagsSet("first", {"state": "changed"}), *a_run("second"))
        assert sender.send()
    assert_whole(client, "first", "second")
    assert read_progress(outbox.path).refused == 1


def test_a_mistake_in_the_tracker_is_no_refusal(tmp_path: Path) -> None:
    """A KeyError out of the tracker is shown as the problem and tried again, as any error is."""

    class Mistaken(MemoryTracker):
        mistaken = True

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
    assert read_progress(outbox.path) == Progress(outbox.path.stat().st_size, {"k": "k"}, "", refused=0)


def test_a_run_that_is_not_there_is_refused(home: Home) -> None:
    """What is told of a run that MLflow does not have can never be taken."""
    with pytest.raises(LookupError, match="no run has the key k") as error:
        MlflowTracker(home.tracking_uri).apply(TagsSet("k", {}))
    assert is_refused(error.value)
    assert not is_refused(KeyError("k"))


def test_the_count_outlives_the_sender(tmp_path: Path) -> None:
    """Refusals are counted on by the next sender, and from none where an older version left no count."""
    path = tmp_path / "outbox.jsonl"
    (tmp_path / "outbox.jsonl.sent").write_text(json.dumps({"offset": 0, "run_ids": {"k": "run"}, "problem": ""}))
    assert read_progress(path) == Progress(0, {"k": "run"}, "", refused=0)
    for count in (2, 4):
        with Outbox(path) as outbox:
            outbox.put(TagsSet("k", {"state": "complete"}), RunEnded("k", "FINISHED", count))
        tracker = MemoryTracker(failures=2)
        assert Sender(path, tracker, lambda error: isinstance(error, ConnectionError)).send()
        assert read_progress(path).refused == count


def test_a_search_says_what_was_refused(home: Home) -> None:
    """The last lines of a search count its own refusals, not earlier ones, and name the file that says why."""
    lines: list[str] = []
    outbox_path = Path("outbox.jsonl").absolute()
    with Outbox(outbox_path) as outbox:
        outbox.put(TagsSet("unknown", {"state": "running"}), *a_run("k"), RunEnded("unknown", "FINISHED", 9))
    write_progress(outbox_path, Progress(refused=40))
    with SenderProcess(outbox_path, home, lines.append) as sender:
        assert sender.finish() == 0
    log = outbox_path.with_name("sender.log")
    assert lines == [f"MLflow refused 2 records, which are missing there; which and why: {log}"]
    assert "refused TagsSet of unknown: " in log.read_text()
    assert_whole(MlflowClient(home.tracking_uri), "k")
