"""One supervisor a study: a lock that the system drops when its holder dies, and who holds it.

On one machine the lock is a file's. Studies in PostgreSQL, which many machines reach, have one in the database, too.
"""

from __future__ import annotations

import contextlib
import json
import os
import socket
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from filelock import FileLock, Timeout

from ...errors import SettingError, StudyError
from ..credentials import hidden_credentials
from ..settings import Home
from ..stopping import STOP_FILE

if TYPE_CHECKING:
    from .database_lock import DatabaseLock

T = TypeVar("T")

LOCK_FILE = "supervisor.lock"
OWNER_FILE = "supervisor.json"
HOST_CHARACTERS = 30


@dataclass(frozen=True)
class Owner:
    """A running search. since: Unix time in seconds."""

    host: str
    process_id: int
    since: float

    def words(self) -> str:
        return f"process {self.process_id} on {self.host}"


@contextlib.contextmanager
def owned(home: Home, name: str) -> Iterator[None]:
    """Holds the study. Raises StudyError when another process does, on this machine or another.

    When the database that holds it restarts and another search takes it meanwhile, this one is asked to stop.
    """
    folder = home.study_folder(name)
    folder.mkdir(parents=True, exist_ok=True)
    with contextlib.ExitStack() as stack:
        stack.enter_context(_owned_here(folder, name))
        database = _database_lock(home, name)
        if database is None:
            yield
            return
        stack.callback(database.release)
        if not _database_answers(database.acquire):
            raise _taken(name, _holder(database))
        database.keep((folder / STOP_FILE).touch)
        yield
        if database.lost:
            raise StudyError(
                f"study '{name}' was taken by {_words(_holder(database))} while its database restarted, so this "
                "search stopped; what it finished is kept"
            )


@contextlib.contextmanager
def _owned_here(folder: Path, name: str) -> Iterator[None]:
    lock = FileLock(folder / LOCK_FILE, timeout=0)
    try:
        lock.acquire()
    except Timeout:
        raise _taken(name, read_owner(folder)) from None
    try:
        (folder / OWNER_FILE).write_text(json.dumps(asdict(_myself())))
        yield
    finally:
        (folder / OWNER_FILE).unlink(missing_ok=True)
        lock.release()


def read_owner(folder: Path) -> Owner | None:
    """Who searches the study in `folder` now, of the processes that share it; None when nobody does."""
    with contextlib.suppress(OSError, ValueError, TypeError):
        owner = Owner(**json.loads((folder / OWNER_FILE).read_text()))
        lock = FileLock(folder / LOCK_FILE, timeout=0)
        try:
            lock.acquire()
        except Timeout:
            return owner
        lock.release()
    return None


def find_owner(home: Home, name: str) -> Owner | None:
    """Who searches the study now, on this machine or another."""
    folder = home.study_folder(name)
    here = read_owner(folder) if folder.is_dir() else None
    database = None if here else _database_lock(home, name)
    return here if database is None else _holder(database)


def _myself() -> Owner:
    return Owner(socket.gethostname(), os.getpid(), time.time())


def _taken(name: str, owner: Owner | None) -> StudyError:
    return StudyError(
        f"study '{name}' is being searched by {_words(owner)}; wait for it, end it with apertune stop {name}, "
        "or name another with --study"
    )


def _words(owner: Owner | None) -> str:
    return owner.words() if owner else "another process"


def _database_lock(home: Home, name: str) -> DatabaseLock | None:
    """The study's lock in its database; None where the database is a file of this machine."""
    if not home.storage.startswith("postgresql"):
        return None
    from .database_lock import DatabaseLock

    me = _myself()
    return DatabaseLock(home.storage, name, f"apertune {me.process_id} {int(me.since)} {me.host[:HOST_CHARACTERS]}")


def _database_answers(call: Callable[[], T]) -> T:
    from sqlalchemy.exc import SQLAlchemyError

    try:
        return call()
    except SQLAlchemyError as error:
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise SettingError(f"the studies' database does not answer: {hidden_credentials(reason)}") from None


def _holder(database: DatabaseLock) -> Owner | None:
    words = (_database_answers(database.holder) or "").split(maxsplit=3)
    if len(words) != 4 or words[0] != "apertune":
        return None
    return Owner(words[3], int(words[1]), float(words[2]))
