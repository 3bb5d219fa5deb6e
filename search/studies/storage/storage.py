"""Opens the databases that keep studies: SQLite, PostgreSQL, or another database of Optuna's.

SQLite is made safe against kills and full disks: a write-ahead log, full synchronisation, immediate transactions, a
minute's patience with a locked file, and creation under a file lock, since two processes that create the tables at once
both fail.
"""

from __future__ import annotations

import os
import sqlite3
from pathlib import Path
from typing import Any

import sqlalchemy
from filelock import FileLock
from optuna.storages import BaseStorage, InMemoryStorage, RDBStorage

from ....errors import MissingExtraError, SettingError
from ....text import first_line, hidden_address
from ...settings import Home
from .database_urls import check_driver, database_kind, sqlite_file
from .file_systems import network_mount
from .reading import READS, StudyDatabase

LOCKED_TIMEOUT_S = 60
# A server that vanished without closing its connection is noticed after half a minute.
POSTGRESQL_CONNECTION = {
    "connect_timeout": 10,
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 4,
    "application_name": "apertune",
}


def open_storage(url: str) -> RDBStorage:
    """Opens a database, and creates it if it is new.

    Raises:
        SettingError: For an invalid URL, a database in memory or on a network file system, or one that cannot be
            opened.
        MissingExtraError: If the driver is not installed.
    """
    file = sqlite_file(url)
    if file is None:
        check_driver(url)
    if database_kind(url) == "postgresql":
        return _connected(url, {"pool_pre_ping": True, "connect_args": POSTGRESQL_CONNECTION})
    if file is None:
        return _connected(url, {"pool_pre_ping": True})
    _check_file_system(file)
    file.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(f"{file}.lock"):
        storage = _connected(url, {"connect_args": {"timeout": LOCKED_TIMEOUT_S}})
    # Only now: Optuna makes its tables over two connections, one of which would wait for the other.
    sqlalchemy.event.listen(storage.engine, "connect", _on_connect)
    sqlalchemy.event.listen(storage.engine, "begin", _on_begin)
    storage.engine.dispose()
    return storage


def check_storage(home: Home) -> None:
    """Checks that the studies' database can be opened or created, without doing either.

    The folder of the default file may be missing, since a search creates it; no other folder is created.

    Raises:
        SettingError: For an invalid URL, a kind of database or driver that is not known, and for a SQLite file that
            cannot be created or written.
        MissingExtraError: The driver is not installed.
    """
    file = sqlite_file(home.storage)
    if file is None:
        check_driver(home.storage)
        return
    if home.studies_file is not None:
        return
    if not file.parent.is_dir():
        raise SettingError(
            f"the folder of the studies' database is not there: {file.parent}; create it, or name another file with "
            "--storage"
        )
    if file.is_dir():
        raise SettingError(
            f"the studies' database must be a file, but {file} is a folder; name a file in it with --storage"
        )
    if not os.access(file if file.exists() else file.parent, os.W_OK):
        raise SettingError(f"the studies' database cannot be written: {file}; name another file with --storage")


def open_to_read(home: Home, *, may_be_missing: bool = False) -> BaseStorage:
    """Opens a home's storage and creates no file: a default file that does not exist yet is read as empty.

    Args:
        home: The home.
        may_be_missing: Whether a missing file that the user named is read as empty, too.

    Raises:
        SettingError: As `open_storage` does, and for a missing file that the user named.
    """
    file = sqlite_file(home.storage)
    if file is None or file.exists():
        return open_storage(home.storage)
    if home.studies_file is None and not may_be_missing:
        raise SettingError(
            f"the studies' database is not there: {file}; name the one that a search made with --storage"
        )
    return InMemoryStorage()


def _check_file_system(path: Path) -> None:
    """Raises SettingError for a network file system, where SQLite's locks and write-ahead log do not hold."""
    mount = network_mount(path)
    if mount is not None:
        raise SettingError(
            f"studies cannot be kept in SQLite on a network file system, but {path} is on {mount.fstype} "
            f"({mount.mountpoint}); name a file on a local disk, or a PostgreSQL database, with --storage"
        )


def _connected(url: str, engine_settings: dict[str, Any]) -> RDBStorage:
    try:
        # Optuna runs str.format on the URL, so braces in a password must be doubled.
        return StudyDatabase(url.replace("{", "{{").replace("}", "}}"), engine_kwargs=engine_settings)
    except ImportError:
        raise MissingExtraError("storage in PostgreSQL", "postgres") from None
    except Exception as error:
        shown = hidden_address(url)
        raise SettingError(f"cannot open the storage {shown}: {first_line(error, most=500)}") from None


def _on_connect(connection: sqlite3.Connection, record: Any) -> None:
    connection.isolation_level = None
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=FULL")


def _on_begin(connection: sqlalchemy.Connection) -> None:
    reads = connection.get_execution_options().get(READS)
    connection.exec_driver_sql("BEGIN" if reads else "BEGIN IMMEDIATE")
