"""One supervisor a study: a lock that the system drops when its holder dies, and who holds it."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

from filelock import FileLock, Timeout

from ..errors import StudyError

LOCK_FILE = "supervisor.lock"
OWNER_FILE = "supervisor.json"


@dataclass(frozen=True)
class Owner:
    """A running search. since: Unix time in seconds."""

    host: str
    process_id: int
    since: float


@contextlib.contextmanager
def owned(folder: Path, name: str) -> Iterator[None]:
    """Holds the study in `folder`. Raises StudyError when another process does."""
    folder.mkdir(parents=True, exist_ok=True)
    lock = FileLock(folder / LOCK_FILE, timeout=0)
    try:
        lock.acquire()
    except Timeout:
        owner = read_owner(folder)
        whose = f"process {owner.process_id} on {owner.host}" if owner else "another process"
        raise StudyError(
            f"study '{name}' is being searched by {whose}; wait for it, end it with apertune stop {name}, "
            "or name another with --study"
        ) from None
    try:
        (folder / OWNER_FILE).write_text(json.dumps(asdict(Owner(socket.gethostname(), os.getpid(), time.time()))))
        yield
    finally:
        (folder / OWNER_FILE).unlink(missing_ok=True)
        lock.release()


def read_owner(folder: Path) -> Owner | None:
    """Who searches the study in `folder` now; None when nobody does."""
    with contextlib.suppress(OSError, ValueError, TypeError):
        owner = Owner(**json.loads((folder / OWNER_FILE).read_text()))
        lock = FileLock(folder / LOCK_FILE, timeout=0)
        try:
            lock.acquire()
        except Timeout:
            return owner
        lock.release()
    return None
