"""One supervisor a study: locks that the system drops when their holder dies, and who holds them.

The working folder has a lock for each of its studies, since a study's outbox lies there. What keeps another folder off
the same study lies with the database: beside a SQLite file a file's lock again, in PostgreSQL, which many machines
reach, one of its own.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import socket
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from filelock import FileLock, Timeout

from ....errors import SettingError, StudyError
from ....text import first_line
from ...settings import Home
from .database_urls import database_kind, sqlite_file

if TYPE_CHECKING:
    from .database_lock import DatabaseLock

T = TypeVar("T")

logger = logging.getLogger(__name__)

LOCK_FILE = "supervisor.lock"
OWNER_FILE = "supervisor.json"
# After the name of a SQLite file: the folder beside it that has a folder for each study that is searched there.
OWNERS_SUFFIX = ".owners"
WITH_A_LOCK = ("sqlite", "postgresql")
# Whoever looks for the owner that a killed search noted holds the lock for a moment.
LOOK_S = 0.5
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
    Where the database is of a kind without a known lock, a line is logged.
    """
    with contextlib.ExitStack() as stack:
        for folder in _lock_folders(home, name):
            stack.enter_context(_owned_in(folder, name))
        _warn_without_lock(home, name)
        database = _database_lock(home, name)
        if database is None:
            yield
            return
        stack.callback(database.release)
        if not _database_answers(database.acquire):
            raise _taken(name, _holder(database))
        database.keep(home.stop_file(name).touch)
        yield
        if database.lost:
            raise StudyError(
                f"study '{name}' was taken by {_words(_holder(database))} while its database restarted, so this "
                "search stopped; what it finished is kept"
            )


@contextlib.contextmanager
def _owned_in(folder: Path, name: str) -> Iterator[None]:
    folder.mkdir(parents=True, exist_ok=True)
    lock = FileLock(folder / LOCK_FILE, timeout=LOOK_S)
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
    """Who searches the study now, from this folder or another, on this machine or another."""
    for folder in _lock_folders(home, name):
        if (owner := read_owner(folder)) is not None:
            return owner
    database = _database_lock(home, name)
    return None if database is None else _holder(database)


def _myself() -> Owner:
    return Owner(socket.gethostname(), os.getpid(), time.time())


def _taken(name: str, owner: Owner | None) -> StudyError:
    return StudyError(
        f"study '{name}' is being searched by {_words(owner)}; wait for it, end it with apertune stop {name}, "
        "or name another with --study"
    )


def _words(owner: Owner | None) -> str:
    return owner.words() if owner else "another process"


def _lock_folders(home: Home, name: str) -> list[Path]:
    """Where the study's file locks are: in the working folder, and beside the database where that is a file."""
    database = sqlite_file(home.storage)
    beside = [] if database is None else [database.with_name(database.name + OWNERS_SUFFIX) / name]
    return [home.study_folder(name), *beside]


def _warn_without_lock(home: Home, name: str) -> None:
    kind = database_kind(home.storage)
    if kind not in WITH_A_LOCK:
        logger.warning(
            "nothing keeps a search in another folder or on another machine off study '%s', since Apertune knows no "
            "lock for %s: start it once at a time, or use SQLite or PostgreSQL",
            name,
            kind,
        )


def _database_lock(home: Home, name: str) -> DatabaseLock | None:
    """The study's lock in its database; None where the database has none of its own."""
    if database_kind(home.storage) != "postgresql":
        return None
    from .database_lock import DatabaseLock

    me = _myself()
    return DatabaseLock(home.storage, name, f"apertune {me.process_id} {int(me.since)} {me.host[:HOST_CHARACTERS]}")


def _database_answers(call: Callable[[], T]) -> T:
    from sqlalchemy.exc import SQLAlchemyError

    try:
        return call()
    except SQLAlchemyError as error:
        raise SettingError(f"the studies' database does not answer: {first_line(error, most=500)}") from None


def _holder(database: DatabaseLock) -> Owner | None:
    words = (_database_answers(database.holder) or "").split(maxsplit=3)
    if len(words) != 4 or words[0] != "apertune":
        return None
    return Owner(words[3], int(words[1]), float(words[2]))
