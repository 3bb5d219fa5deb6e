"""Lines with which a search hears from the process that sends its results to MLflow."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest
from filelock import FileLock

from apertune.processes import child_environment, module_command
from apertune.search.sending import sender, sender_process
from apertune.search.sending.sender import ALONE_VARIABLE, LOCK_FILE, STORAGE_VARIABLE, URI_VARIABLE
from apertune.search.sending.sender_process import SenderProcess
from apertune.search.settings import Home, make_home
from apertune.search.tracking.outbox import Outbox, Progress, read_progress, write_progress
from apertune.search.tracking.records import MetricsLogged, RunEnded, RunStarted, TagsSet

OUTBOX = Path("outbox.jsonl")
EPOCH = MetricsLogged("k", (("loss", 0.5, 1, 1),))


def wait_for(lines: list[str], count: int) -> None:
    until = time.monotonic() + 120
    while len(lines) < count:
        assert time.monotonic() < until, lines
        time.sleep(0.01)


def test_a_search_says_when_mlflow_takes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """That results are not taken, such as for a full disk, is said once, and once that they are again; nothing is said
    of what an earlier search met.
    """

    def start(self: SenderProcess) -> None:
        self._process = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)

    monkeypatch.setattr(SenderProcess, "_start", start)
    monkeypatch.setattr(sender_process, "TELL_EVERY_S", 0.01)
    OUTBOX.write_bytes(b"{}\n" * 3)
    write_progress(OUTBOX, Progress(7, {"k": "r"}, "an earlier one"))
    lines: list[str] = []
    with SenderProcess(OUTBOX, make_home({}), lines.append):
        assert read_progress(OUTBOX) == Progress(7, {"k": "r"})
        write_progress(OUTBOX, Progress(7, problem="No space left on device"))
        wait_for(lines, 1)
        time.sleep(0.1)
        write_progress(OUTBOX, Progress(9))
        wait_for(lines, 2)
    assert lines == [
        "MLflow does not take results now (No space left on device); they are kept, and sent when it does.",
        "MLflow takes results again.",
    ]


@pytest.mark.parametrize("helped", [True, False])
def test_a_sender_is_told_whether_it_may_be_helped(monkeypatch: pytest.MonkeyPatch, helped: bool) -> None:
    """The variable that keeps a sender from starting a second process is set only where a search asks for that."""
    started: list[dict[str, str]] = []
    begin = subprocess.Popen

    def noted(command: list[str], **options: Any) -> subprocess.Popen[bytes]:
        started.append(options["env"])
        return begin([sys.executable, "-c", "input()"], **options)

    monkeypatch.setattr(sender_process.subprocess, "Popen", noted)
    OUTBOX.write_bytes(b"")
    with SenderProcess(OUTBOX, make_home({}), lambda line: None, helped=helped):
        pass
    assert (ALONE_VARIABLE in started[0]) is not helped


def test_a_sender_begins_with_the_first_epoch(monkeypatch: pytest.MonkeyPatch) -> None:
    """MLflow is imported once an epoch has ended, once all is to be sent, or after a while, whichever comes first."""
    finish = threading.Event()
    monkeypatch.setattr(sender, "LATEST_BEGIN_S", 30.0)
    monkeypatch.setattr(sender, "LOOK_EVERY_S", 0.01)
    waiting = threading.Thread(target=sender._await_epochs, args=(OUTBOX, finish), daemon=True)
    with Outbox(OUTBOX) as outbox:
        outbox.put(RunStarted("k", "e", "n", 1))
        waiting.start()
        waiting.join(0.3)
        assert waiting.is_alive()
        outbox.put(EPOCH)
    waiting.join(10)
    assert not waiting.is_alive()
    write_progress(OUTBOX, Progress(OUTBOX.stat().st_size))
    monkeypatch.setattr(sender, "LATEST_BEGIN_S", 0.1)
    sender._await_epochs(OUTBOX, finish)
    finish.set()
    monkeypatch.setattr(sender, "LATEST_BEGIN_S", 1e9)
    sender._await_epochs(OUTBOX, finish)


def test_a_server_that_is_not_there_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """A search is told at once, with the reason, that a server does not answer."""
    monkeypatch.setattr(sender_process, "TELL_EVERY_S", 0.01)
    with Outbox(OUTBOX) as outbox:
        outbox.put(TagsSet("k", {"state": "running"}), EPOCH)
    lines: list[str] = []
    with SenderProcess(OUTBOX.absolute(), make_home({"MLFLOW_TRACKING_URI": "http://127.0.0.1:9"}), lines.append):
        wait_for(lines, 1)
    assert "127.0.0.1" in lines[0]
    assert lines[0].startswith("MLflow does not take results now (")


def test_an_outbox_that_is_not_the_one_that_was_sent_is_named(home: Home) -> None:
    """A search that finds its outbox deleted or restored says so, once, and sends all that is in it."""
    outbox_path, lines = OUTBOX.absolute(), list[str]()
    outbox_path.write_text("x" * 5000 + "\n")
    write_progress(outbox_path, Progress(5001))
    outbox_path.unlink()
    with Outbox(outbox_path) as outbox:
        outbox.put(RunStarted("k", "e", "n", 1), RunEnded("k", "FINISHED", 2))
    for _ in range(2):
        with SenderProcess(outbox_path, home, lines.append) as process:
            assert process.finish() == 0
    # On a crowded machine it says between how far it is.
    assert [line for line in lines if not line.startswith("Sending")] == [
        f"The results kept for MLflow are not those that were being sent: {outbox_path} was deleted, cut or restored. "
        "All that is in it is sent again; what it has lost, MLflow may lack."
    ]
    assert list(read_progress(outbox_path).run_ids) == ["k"]


def test_a_sender_ends_with_its_supervisor_even_while_it_sends_the_rest() -> None:
    """A supervisor that is killed after it asked for everything to be sent leaves no sender that goes on trying."""
    with Outbox(OUTBOX) as outbox:
        outbox.put(RunStarted("k", "e", "n", 1), EPOCH)
    told = child_environment({URI_VARIABLE: "http://127.0.0.1:9", STORAGE_VARIABLE: make_home({}).storage})
    command = module_command("apertune.search.sending.sender", str(OUTBOX.absolute()), str(Path.cwd()))
    with subprocess.Popen(command, stdin=subprocess.PIPE, env=told) as process:
        assert process.stdin is not None
        process.stdin.write(b"finish\n")
        process.stdin.flush()
        until = time.monotonic() + 120
        while not read_progress(OUTBOX).problem:
            assert time.monotonic() < until
            time.sleep(0.05)
        process.stdin.close()
        assert process.wait(20) == 0


def test_two_senders_never_send_one_outbox_at_once(home: Home) -> None:
    """While another sender holds the outbox, none of it is sent a second time, and afterwards all of it once."""
    outbox_path = OUTBOX.absolute()
    with Outbox(outbox_path) as outbox:
        outbox.put(RunStarted("k", "e", "n", 1), RunEnded("k", "FINISHED", 2))
    with FileLock(outbox_path.with_name(LOCK_FILE)), SenderProcess(outbox_path, home, lambda line: None) as process:
        assert process.finish(patience_s=6) == outbox_path.stat().st_size
    assert not read_progress(outbox_path).run_ids
    with SenderProcess(outbox_path, home, lambda line: None) as process:
        assert process.finish() == 0
