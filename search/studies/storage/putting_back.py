"""Notices that the studies' database was deleted or overwritten during a search, and makes room to put the study back.

The search owns its study and holds it in memory. Its connections to a SQLite file outlive the file: they go on to read
and write what nobody will find. So the owner looks at the file itself, over connections of its own.
"""

from __future__ import annotations

import contextlib
import logging
import shutil
import sqlite3
from pathlib import Path

import sqlalchemy
from optuna.storages import RDBStorage

from .database_urls import sqlite_file

logger = logging.getLogger(__name__)

COUNTS = (
    "SELECT COUNT(trials.trial_id), SUM(CASE WHEN trials.state NOT IN ('RUNNING', 'WAITING') THEN 1 ELSE 0 END) "
    "FROM studies LEFT JOIN trials ON trials.study_id = studies.study_id "
    "WHERE studies.study_id = :study AND studies.study_name = :name GROUP BY studies.study_id"
)
PATIENCE_S = 60
JOURNALS = ("-wal", "-shm")


class Presence:
    """A study's presence in its database, as the study's owner checks it.

    Args:
        database: The storage.
        name: The study's name.
    """

    def __init__(self, database: RDBStorage, name: str) -> None:
        self._engine = database.engine
        self._study = {"study": database.get_study_id_from_name(name), "name": name}
        self.url = database.engine.url.render_as_string(hide_password=False)
        self.file = sqlite_file(self.url)
        self._files = {} if self.file is None else {path: _identity(path) for path in _with_journals(self.file)}

    def is_elsewhere(self) -> bool:
        """Returns whether the file was deleted, or another lies in its place."""
        return self.file is not None and _identity(self.file) != self._files[self.file]

    def is_there(self, trials: int, ended: int) -> bool:
        """Returns whether the database has the study with this many trials, of which at least so many have ended.

        Raises:
            SQLAlchemyError: If a database server does not answer.
            OperationalError: If a SQLite file is locked for long.
        """
        if self.is_elsewhere():
            return False
        counts = self._counts()
        return counts is not None and counts[0] == trials and counts[1] >= ended

    def _counts(self) -> tuple[int, int] | None:
        """Returns the numbers of the study's trials and of those that have ended, or None if it is not there."""
        if self.file is None:
            with self._engine.connect() as connection:
                row = connection.execute(sqlalchemy.text(COUNTS), self._study).fetchone()
        else:
            try:
                # Connections that are open show what they have read before.
                with contextlib.closing(_connected(self.file)) as fresh:
                    row = fresh.execute(COUNTS, self._study).fetchone()
            except sqlite3.DatabaseError as error:
                if isinstance(error, sqlite3.OperationalError) and "no such table" not in str(error):
                    raise
                return None
        return None if row is None else (int(row[0]), int(row[1]))

    def make_room(self) -> None:
        """Leaves a whole SQLite file, or none, where the database was, and closes the connections to the old one.

        A file that was deleted comes back, with the other studies in it, from a connection that still has it. Another
        file in its place stays, and so does one that lacks the study alone. One that is no database is set aside.
        """
        if self.file is None or (not self.is_elsewhere() and self.file.stat().st_size and _is_whole(self.file)):
            self._engine.dispose()
            return
        restored = self.file.with_name(f"{self.file.name}.restoring")
        restored.unlink(missing_ok=True)
        if not self.file.exists():
            self._copy_from_connection(restored)
        elif not self.is_elsewhere():
            # Closing the connections writes the journal, which belongs to the file before, into this one.
            shutil.copyfile(self.file, restored)
        self._engine.dispose()
        for journal, identity in self._files.items():
            if journal != self.file and identity is not None and _identity(journal) == identity:
                journal.unlink(missing_ok=True)
        if restored.exists():
            restored.replace(self.file)
        if self.file.exists() and not (self.file.stat().st_size and _is_whole(self.file)):
            aside = self.file.with_name(f"{self.file.name}.damaged")
            self.file.replace(aside)
            logger.warning("%s was overwritten with something that is no database, which is now %s.", self.file, aside)

    def _copy_from_connection(self, target: Path) -> None:
        connection = self._engine.raw_connection()
        try:
            source = connection.driver_connection
            assert isinstance(source, sqlite3.Connection)
            with contextlib.closing(sqlite3.connect(target)) as copy:
                source.backup(copy)
        except sqlite3.Error:
            target.unlink(missing_ok=True)
        finally:
            connection.close()
        # A connection that was opened after the deletion is to a new, empty file.
        if target.exists() and not (target.stat().st_size and _is_whole(target)):
            target.unlink()


def _connected(file: Path) -> sqlite3.Connection:
    return sqlite3.connect(f"{file.as_uri()}?mode=rw", uri=True, timeout=PATIENCE_S)


def _is_whole(file: Path) -> bool:
    try:
        with contextlib.closing(_connected(file)) as connection:
            return list(connection.execute("PRAGMA quick_check")) == [("ok",)]
    except sqlite3.OperationalError:
        raise
    except sqlite3.DatabaseError:
        return False


def _with_journals(file: Path) -> list[Path]:
    return [file, *(file.with_name(file.name + ending) for ending in JOURNALS)]


def _identity(path: Path) -> tuple[int, int] | None:
    """Returns what tells a file from every other, or None if it is not there."""
    try:
        facts = path.stat()
    except FileNotFoundError:
        return None
    return facts.st_dev, facts.st_ino
