"""One supervisor per study: locks that the system drops when their holder dies, and the names of the holders.

A study has a lock in its working folder, where its outbox lies. A second lock, with the database, keeps searches in
other folders away: a lock file beside a SQLite file, or an advisory lock in PostgreSQL, which many machines reach.
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
# Added to the name of a SQLite file: the folder beside it with a folder per study that was searched there.
OWNERS_SUFFIX = ".owners"
WITH_A_LOCK = ("sqlite", "postgresql")
# `read_owner` of another process holds a free lock for a moment.
LOOK_S = 0.5
HOST_CHARACTERS = 30


@dataclass(frozen=True)
class Owner:
    """A running search that owns a study."""

    host: str
    """Name of its machine."""
    process_id: int
    """Its process on that machine."""
    since: float
    """Unix time, in seconds, at which it took the study."""

    def words(self) -> str:
        """Returns how messages name it."""
        return f"process {self.process_id} on {self.host}"


@contextlib.contextmanager
def owned(home: Home, name: str) -> Iterator[None]:
    """Owns a study for the length of the context.

    If the database restarts and another search takes the study meanwhile, the stop file asks this one to stop. For a
    kind of database without a known lock, a warning is logged.

    Raises:
        StudyError: If another process owns the study, on this machine or another, or took it meanwhile.
        SettingError: If the database does not answer.
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
            raise _already_searched(name, _database_owner(database))
        database.keep(lambda: home.ask_to_stop(name))
        yield
        if database.lost:
            raise StudyError(
                f"study '{name}' was taken by {_owner_words(_database_owner(database))} while its database restarted, "
                "so this search stopped; what it finished is kept"
            )


@contextlib.contextmanager
def _owned_in(folder: Path, name: str) -> Iterator[None]:
    folder.mkdir(parents=True, exist_ok=True)
    lock = FileLock(folder / LOCK_FILE, timeout=LOOK_S)
    try:
        lock.acquire()
    except Timeout:
        raise _already_searched(name, read_owner(folder)) from None
    try:
        (folder / OWNER_FILE).write_text(json.dumps(asdict(_myself())))
        yield
    finally:
        (folder / OWNER_FILE).unlink(missing_ok=True)
        lock.release()


def read_owner(folder: Path) -> Owner | None:
    """Returns the owner that holds the lock in a folder now, or None when nobody does."""
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
    """Returns the owner of a study, in this folder or another, on this machine or another; None without one."""
    for folder in _lock_folders(home, name):
        if (owner := read_owner(folder)) is not None:
            return owner
    database = _database_lock(home, name)
    return None if database is None else _database_owner(database)


def _myself() -> Owner:
    return Owner(socket.gethostname(), os.getpid(), time.time())


def _already_searched(name: str, owner: Owner | None) -> StudyError:
    return StudyError(
        f"study '{name}' is being searched by {_owner_words(owner)}; wait for it, end it with apertune stop {name}, "
        "or name another with --study"
    )


def _owner_words(owner: Owner | None) -> str:
    return owner.words() if owner else "another process"


def _lock_folders(home: Home, name: str) -> list[Path]:
    """Returns the folders of the study's lock files: the working folder's, and the one beside a SQLite file."""
    database = sqlite_file(home.storage)
    beside = [] if database is None else [database.with_name(database.name + OWNERS_SUFFIX) / name]
    return [home.study_folder(name), *beside]


def _warn_without_lock(home: Home, name: str) -> None:
    kind = database_kind(home.storage)
    if kind not in WITH_A_LOCK:
        logger.warning(
            "study '%s' is not locked against a second search from another folder or machine, since Apertune has no "
            "lock for %s; search it from one place at a time, or keep it in SQLite or PostgreSQL",
            name,
            kind,
        )


def _database_lock(home: Home, name: str) -> DatabaseLock | None:
    """Returns the study's lock in its database, or None for a kind of database without such locks."""
    if database_kind(home.storage) != "postgresql":
        return None
    from .database_lock import DatabaseLock

    me = _myself()
    # `_database_owner` reads this again.
    return DatabaseLock(home.storage, name, f"apertune {me.process_id} {int(me.since)} {me.host[:HOST_CHARACTERS]}")


def _database_answers(call: Callable[[], T]) -> T:
    """Returns what `call` returns. Raises SettingError when the database does not answer."""
    from sqlalchemy.exc import SQLAlchemyError

    try:
        return call()
    except SQLAlchemyError as error:
        raise SettingError(f"the studies' database does not answer: {first_line(error, most=500)}") from None


def _database_owner(database: DatabaseLock) -> Owner | None:
    words = (_database_answers(database.holder) or "").split(maxsplit=3)
    if len(words) != 4 or words[0] != "apertune":
        return None
    return Owner(words[3], int(words[1]), float(words[2]))
