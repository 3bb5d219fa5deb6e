"""Lines of `status` and `sync` on results that MLflow did not take."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner
from pretend_study import definition

from apertune.cli import cli
from apertune.errors import ApertuneError
from apertune.search.sending import sender_process
from apertune.search.settings import Home
from apertune.search.studies.opening import create_study
from apertune.search.studies.storage.storage import open_storage
from apertune.search.tracking.outbox import Outbox
from apertune.search.tracking.records import Record, RunEnded, RunStarted, TagsSet


def studied(home: Home, *records: Record) -> Path:
    """A study whose outbox has these records."""
    create_study(open_storage(home.storage), "s", definition())
    with Outbox(home.study_folder("s") / "outbox.jsonl") as outbox:
        outbox.put(*records)
    return outbox.path


def test_what_is_held_is_told_by_sync_and_status(home: Home) -> None:
    """`sync` sends the rest, says what is kept and why, and ends with status 1; `status` says it, too."""
    studied(home, RunStarted("k", "digits", "k", 1), TagsSet("unknown", {"a": "b"}), RunEnded("k", "FINISHED", 2))
    done = CliRunner().invoke(cli, ["sync"])
    assert isinstance(done.exception, ApertuneError)
    assert "bytes of s could not be sent" in str(done.exception)
    assert "Sent what was left" not in done.output
    line = "MLflow did not take 1 record of 1 run, though it takes others; the last was TagsSet (NoSuchRunError: no run"
    assert line in done.output
    assert line in CliRunner().invoke(cli, ["status", "s"]).output
    assert json.loads(CliRunner().invoke(cli, ["status", "s", "--json"]).output)["held"].startswith(line)


def test_sync_says_that_all_was_sent_only_if_it_was(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the server away the last line says what is left; once it is back, that all was sent."""
    studied(home, RunStarted("k", "digits", "k", 1), RunEnded("k", "FINISHED", 2))
    with monkeypatch.context() as away:
        away.setattr(sender_process.SenderProcess.finish, "__defaults__", (3.0,))
        away.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")
        done = CliRunner().invoke(cli, ["sync"])
    assert isinstance(done.exception, ApertuneError)
    assert "Sent" not in done.output
    assert "Sent what was left of 1 study." in CliRunner().invoke(cli, ["sync"]).output
    assert "Nothing was left to send." in CliRunner().invoke(cli, ["sync"]).output
