from __future__ import annotations

import os
import signal
import time
from pathlib import Path

import pytest

from apertune.search.engine import stopping
from apertune.search.engine.stopping import stop_wishes


def test_wishes_to_stop_are_counted(tmp_path: Path) -> None:
    """Ctrl-C counts one and says what follows; SIGTERM counts two; three is the maximum."""
    said: list[str] = []
    with stop_wishes(tmp_path / "stop", said.append) as wanted:
        assert wanted() == 0
        os.kill(os.getpid(), signal.SIGINT)
        assert wanted() == 1
        assert said == [
            "Stopping; a running epoch has 2 s to end, else its trial goes on from its last checkpoint next time. "
            "Ctrl-C again stops at once."
        ]
        os.kill(os.getpid(), signal.SIGTERM)
        assert wanted() == 3
        assert wanted.signal == signal.SIGINT


def test_a_wait_can_always_be_left(tmp_path: Path) -> None:
    """Each wish beyond a count of three interrupts any wait of the supervisor and names the first signal."""
    with stop_wishes(tmp_path / "stop", lambda line: None) as wanted:
        os.kill(os.getpid(), signal.SIGTERM)
        os.kill(os.getpid(), signal.SIGINT)
        for _ in range(2):
            with pytest.raises(KeyboardInterrupt) as interrupt:
                os.kill(os.getpid(), signal.SIGINT)
            assert interrupt.value.args == (signal.SIGTERM,)
        assert wanted() == 3


def test_a_signal_grows_urgent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A signal that is not obeyed counts again every two seconds, up to the end by force."""
    with stop_wishes(tmp_path / "stop", lambda line: None) as wanted:
        os.kill(os.getpid(), signal.SIGINT)
        began = time.monotonic()
        counted = []
        for seconds in (1.9, 2.1, 4.1, 60.0):
            monkeypatch.setattr(time, "monotonic", lambda seconds=seconds: began + seconds)
            counted.append(wanted())
    assert counted == [1, 2, 3, 3]


def test_a_file_is_a_wish_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The file of `apertune stop` counts one, however long epochs take; an earlier search's file is removed."""
    (tmp_path / "stop").touch()
    with stop_wishes(tmp_path / "stop", lambda line: None) as wanted:
        assert wanted() == 0
        (tmp_path / "stop").touch()
        assert wanted() == 1
        assert wanted.signal == 0
        monkeypatch.setattr(stopping, "PATIENCE_S", 1e-6)
        assert wanted() == 1
    assert not (tmp_path / "stop").exists()


def test_a_closed_terminal_that_is_ignored_stays_so(tmp_path: Path) -> None:
    """A search under `nohup` survives the closing of its terminal."""
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with stop_wishes(tmp_path / "stop", lambda line: None) as wanted:
            os.kill(os.getpid(), signal.SIGHUP)
            assert wanted() == 0
    finally:
        signal.signal(signal.SIGHUP, before)
