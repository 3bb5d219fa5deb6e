"""Starts and ends the process that sends the outbox to MLflow."""

from __future__ import annotations

import contextlib
import subprocess
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import TracebackType

from ...processes import child_environment, module_command
from ...text import counted
from ..executors.other_searches import SENDER
from ..settings import Home
from ..tracking.outbox import (
    held_line,
    is_another_outbox,
    read_progress,
    unsent_bytes,
    unsent_records,
    write_progress,
)
from .sender import ALONE_VARIABLE, STORAGE_VARIABLE, URI_VARIABLE

# Waiting time, at the end, for a server that takes nothing; one that takes something is waited for.
PATIENCE_S = 45.0
LOOK_EVERY_S = 0.1
TELL_EVERY_S = 2.0
LEAVING_S = 1.0
# Between two lines on how far sending has come.
SAY_EVERY_S = 10.0
MINUTES_FROM_S = 90.0
# Before a sender that ended is replaced; the pause doubles each time.
FIRST_PAUSE_S = 2.0
LOG_FILE = "sender.log"


class SenderProcess:
    """A context in which an outbox is sent. Leaving it without `finish` ends the sender at once.

    A sender that is killed meanwhile, perhaps by the kernel for memory, is replaced by one that continues its work.

    Args:
        outbox: The outbox file.
        home: The home of the search.
        say: Takes lines for a person, also from other threads.
        helped: Whether a second process may help to draw plots.
    """

    def __init__(self, outbox: Path, home: Home, say: Callable[[str], None], *, helped: bool = True) -> None:
        self._outbox = outbox
        self._home = home
        self._say = say
        self._helped = helped
        self._ending = threading.Event()
        self._changing = threading.Lock()

    def __enter__(self) -> SenderProcess:
        before = read_progress(self._outbox)
        begun_anew = is_another_outbox(self._outbox)
        if begun_anew:
            self._say(
                f"The results kept for MLflow are not those that were being sent: {self._outbox} was deleted, cut or "
                "restored. All that is in it is sent again; what it has lost, MLflow may lack."
            )
        if before.problem or begun_anew:
            # An earlier sender noted the problem; this one finds out whether it still holds.
            with contextlib.suppress(OSError):
                write_progress(self._outbox, replace(before, problem=""))
        self._start()
        for work in (self._replace, self._tell_of_problems):
            threading.Thread(target=work, daemon=True).start()
        return self

    @property
    def _log(self) -> Path:
        return self._outbox.parent / LOG_FILE

    def _replace(self) -> None:
        pause = FIRST_PAUSE_S
        while True:
            self._process.wait()
            if self._ending.wait(pause):
                return
            pause *= 2
            with self._changing:
                if self._ending.is_set():
                    return
                self._close_input()
                self._start()

    def _tell_of_problems(self) -> None:
        """Says when MLflow stops taking results, perhaps for a full disk, and when it takes them again."""
        told = False
        while not self._ending.wait(TELL_EVERY_S):
            problem = read_progress(self._outbox).problem
            if problem and not told:
                self._say(f"MLflow does not take results now ({problem}); they are kept, and sent when it does.")
            elif told and not problem:
                self._say("MLflow takes results again.")
            told = bool(problem)

    def _end_watch(self) -> None:
        with self._changing:
            self._ending.set()

    def _start(self) -> None:
        home = self._home
        told = {URI_VARIABLE: home.tracking_uri, STORAGE_VARIABLE: home.storage}
        if not self._helped:
            told[ALONE_VARIABLE] = "1"
        command = module_command(SENDER, str(self._outbox), str(home.root))
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=log,
                env=child_environment(told),
                start_new_session=True,
            )

    def finish(self, patience_s: float = PATIENCE_S) -> int:
        """Waits until all is sent, and says if something was not sent or was refused.

        Args:
            patience_s: How long, in seconds, to wait for a server that takes nothing.

        Returns:
            The bytes of the outbox that the server has not taken.
        """
        self._end_watch()
        if self._process.poll() is not None and unsent_bytes(self._outbox):
            self._close_input()
            self._start()
        assert self._process.stdin is not None
        with contextlib.suppress(BrokenPipeError):
            self._process.stdin.write(b"finish\n")
            self._process.stdin.flush()
        self._wait_for_sender(patience_s)
        left = unsent_bytes(self._outbox)
        self._say_what_is_missing(left)
        return left

    def _wait_for_sender(self, patience_s: float) -> None:
        """Waits until the sender ends, or the server takes nothing for so long; says how far it is."""
        began = moved = told = time.monotonic()
        first = last = read_progress(self._outbox)
        all_records = unsent_records(self._outbox)
        while self._process.poll() is None and time.monotonic() - moved < patience_s:
            time.sleep(LOOK_EVERY_S)
            now, progress = time.monotonic(), read_progress(self._outbox)
            if (progress.offset, progress.taken) != (last.offset, last.taken):
                last, moved = progress, now
            if now - told >= SAY_EVERY_S and last != first and (left := unsent_records(self._outbox)):
                told = now
                self._say(_how_far(all_records, left, now - began))

    def _say_what_is_missing(self, left: int) -> None:
        progress = read_progress(self._outbox)
        if line := held_line(progress):
            self._say(f"{line} More: {self._log}")
        if left > sum(held.end - held.begin for held in progress.held):
            why = f" ({progress.problem})" if progress.problem else ""
            self._say(f"MLflow does not have everything yet{why}; the next search sends the rest, or: apertune sync")

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._end_watch()
        self._close_input()
        try:
            self._process.wait(LEAVING_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def _close_input(self) -> None:
        assert self._process.stdin is not None
        with contextlib.suppress(OSError):
            self._process.stdin.close()


def _how_far(records: int, left: int, seconds: float) -> str:
    sent = records - left
    line = f"Sending results to MLflow: {sent:,} of {counted(records, 'record')} sent"
    if sent <= 0:
        return f"{line}."
    wait = seconds / sent * left
    return f"{line}, about {wait / 60:.0f} min more." if wait >= MINUTES_FROM_S else f"{line}, about {wait:.0f} s more."
