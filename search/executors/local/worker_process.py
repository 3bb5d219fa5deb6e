"""Worker processes as their executor sees them: their start, their growth, their end."""

from __future__ import annotations

import errno
import logging
import os
import signal
import socket
import subprocess
import time
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import psutil

from .queued_connection import QueuedConnection

logger = logging.getLogger(__name__)

CLOSING_TIMEOUT_S = 5.0
# Its first trials fill a framework's own caches, which is no growth.
TRIALS_TO_WARM_UP = 3


@dataclass
class Worker:
    """A running worker process, and the trial it has, if any."""

    process: subprocess.Popen[bytes]
    connection: QueuedConnection
    log: Path
    slot: int = -1
    """The slot it was last given."""

    trial: int | None = None
    trials_done: int = 0
    grown_mb: float = 0.0
    killed_because: str = ""
    _warm_resident_mb: float = 0.0

    @classmethod
    def start(cls, command: Sequence[str], environment: Mapping[str, str], log: Path) -> Worker:
        """Starts a worker.

        Args:
            command: The program; the number of the worker's end of the connection, an open file, is added.
            environment: Variables on top of this process's own.
            log: The file for everything it prints.

        Raises:
            OSError: The system has no room for another process, or the log cannot be made for another reason than a
                full disk.
        """
        ours, theirs = socket.socketpair()
        with ours, theirs, _opened(log) as file:
            # A new process group, so that Ctrl-C reaches the supervisor alone; it tells the workers.
            process = subprocess.Popen(
                [*command, str(theirs.fileno())],
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=file,
                env={**os.environ, **environment},
                start_new_session=True,
            )
            return cls(process, QueuedConnection(ours), log)

    def is_running(self) -> bool:
        return self.process.poll() is None

    def is_ready(self) -> bool:
        """Returns whether a worker that nobody has listened to yet has said that its imports are done."""
        return self.is_running() and self.connection.poll()

    def trial_ended(self) -> None:
        """Frees the worker, and measures how much it has grown since its first trials."""
        self.trial = None
        self.trials_done += 1
        resident_mb = _resident_mb(self.process.pid)
        if self.trials_done <= TRIALS_TO_WARM_UP:
            self._warm_resident_mb = resident_mb
        self.grown_mb = resident_mb - self._warm_resident_mb

    def shared_mb(self) -> float:
        """Returns the memory, in MiB, that it shares with other processes: libraries, and files that it looks into."""
        try:
            return float(getattr(psutil.Process(self.process.pid).memory_info(), "shared", 0)) / 2**20
        except psutil.Error:
            return 0.0

    def bury(self) -> int:
        """Waits for the end of a worker that has closed its connection, by force if need be, and returns its status."""
        try:
            status = self.process.wait(CLOSING_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            # Frameworks with threads of their own may hang in the interpreter's shutdown.
            self.killed_because = self.killed_because or "the worker closed its connection and did not end"
            self.process.kill()
            status = self.process.wait()
        self.connection.close()
        return status


def _opened(log: Path) -> BinaryIO:
    """Opens the log; a full disk is no reason to have no worker, whose output is then lost."""
    log.parent.mkdir(parents=True, exist_ok=True)
    try:
        return log.open("ab")
    except OSError as error:
        if error.errno != errno.ENOSPC:
            raise
        logger.warning("a worker has no log: %s", error)
        return Path(os.devnull).open("ab")


def end_all(workers: Collection[Worker]) -> None:
    """Ends all workers at once, and by force those that do not end in time."""
    for worker in workers:
        worker.process.terminate()
    deadline = time.monotonic() + CLOSING_TIMEOUT_S
    for worker in workers:
        try:
            worker.process.wait(max(0.0, deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            worker.process.kill()
            worker.process.wait()
        worker.connection.close()


def was_killed(status: int) -> bool:
    """Returns whether a process with this exit status was ended by a signal from outside."""
    return status in (-signal.SIGKILL, -signal.SIGTERM)


def exit_words(status: int) -> str:
    return f"signal {-status}" if status < 0 else f"exit status {status}"


def _resident_mb(process_id: int) -> float:
    try:
        return float(psutil.Process(process_id).memory_info().rss) / 2**20
    except psutil.NoSuchProcess:
        return 0.0
