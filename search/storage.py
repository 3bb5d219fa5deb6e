"""Where studies are kept: SQLite made safe against kills and full disks, or any other Optuna storage URL.

SQLite: write-ahead log, full synchronisation, immediate transactions, a minute's patience with a locked file, and
creation under a file lock, since two processes that create the tables at once both fail.
"""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Any

import sqlalchemy
from filelock import FileLock
from optuna.storages import RDBStorage
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError

from ..errors import MissingExtraError, SettingError

LOCKED_TIMEOUT_S = 60


def open_storage(url: str) -> RDBStorage:
    """Opens, and creates when new. Raises SettingError for a URL that is none or a database that cannot be opened."""
    parsed = _parsed(url)
    if parsed.get_backend_name() != "sqlite":
        return _connected(url, {"pool_pre_ping": True})
    path = Path(parsed.database or "")
    path.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(f"{path}.lock"):
        storage = _connected(url, {"connect_args": {"timeout": LOCKED_TIMEOUT_S}})
    # After Optuna has made its tables: it does so over two connections, of which one would wait for the other.
    sqlalchemy.event.listen(storage.engine, "connect", _on_connect)
    sqlalchemy.event.listen(storage.engine, "begin", _on_begin)
    storage.engine.dispose()
    return storage


def hidden_password(url: str) -> str:
    """The URL as it may be shown: a password in it is starred."""
    return _parsed(url).render_as_string(hide_password=True)


def _parsed(url: str) -> sqlalchemy.URL:
    try:
        return make_url(url)
    except ArgumentError:
        raise SettingError(
            "the storage must be a database URL such as sqlite:///studies.db or postgresql+psycopg://user@host/name"
        ) from None


def _connected(url: str, engine_settings: dict[str, Any]) -> RDBStorage:
    try:
        # Optuna runs str.format on the URL, so braces in a password must be doubled.
        return RDBStorage(url.replace("{", "{{").replace("}", "}}"), engine_kwargs=engine_settings)
    except ImportError:
        raise MissingExtraError("storage in PostgreSQL", "postgres") from None
    except Exception as error:
        shown = hidden_password(url)
        reason = str(error).splitlines()[0].replace(url, shown) if str(error) else type(error).__name__
        raise SettingError(f"cannot open the storage {shown}: {reason}") from None


def _on_connect(connection: sqlite3.Connection, record: Any) -> None:
    connection.isolation_level = None
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=FULL")


def _on_begin(connection: sqlalchemy.Connection) -> None:
    connection.exec_driver_sql("BEGIN IMMEDIATE")
