"""The local MLflow store, a SQLite file: made whole or not at all, by one process at a time."""

from __future__ import annotations

import contextlib
import re
import sqlite3
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock

_LOCAL = re.compile(r"sqlite(?:\+\w+)?:///([^?]+)")
# Another program, such as MLflow's own server, may be making the store; one unchanged for this long was left.
SETTLED_S = 5.0
MAKING_PATIENCE_S = 60.0
LOOK_EVERY_S = 0.2
# The tables that MLflow makes first, and those that have a row in every store that was made; `tmp` while they change.
_FIRST_TABLES = {"alembic_version", "experiments", "runs", "tags", "metrics", "params"}
_FILLED = {"experiments", "runs", "_alembic_tmp_experiments", "_alembic_tmp_runs"}


@contextmanager
def creation_lock(tracking_uri: str) -> Iterator[None]:
    """Locks a local store while it, or an experiment in it, is made. A server needs no lock, and gets none."""
    path = local_path(tracking_uri)
    if path is None:
        yield
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(f"{path}.lock"):
        yield


def make_local_store(tracking_uri: str) -> None:
    """Makes a SQLite store, unless it exists or the address is a server's; one that was left half made is made anew.

    It is made under a temporary name and then renamed, since MLflow cannot open a store whose making was cut short. The
    caller holds `creation_lock`: of two processes that make a store at once, both fail.
    """
    path = local_path(tracking_uri)
    if path is None or (path.exists() and not _is_left_half_made(path)):
        return
    from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore

    for leftover in path.parent.glob(f"{path.name}.making*"):
        leftover.unlink()
    # A new name each time: MLflow would reuse its connection to a file that a full disk cut short.
    temporary = path.with_name(f"{path.name}.making-{uuid.uuid4().hex[:8]}")
    store = SqlAlchemyStore(f"sqlite:///{temporary}", path.with_name("artifacts").as_uri())
    store._dispose_engine()
    if path.exists():
        path.replace(path.with_name(f"{path.name}.half-made"))
    # SQLite would take the journals of the file that was there for those of the new one.
    for ending in ("-journal", "-wal", "-shm"):
        path.with_name(path.name + ending).unlink(missing_ok=True)
    temporary.replace(path)


def is_there(tracking_uri: str) -> bool:
    """Returns whether there is a store to read: a server's address, or a local store that was made whole."""
    path = local_path(tracking_uri)
    return path is None or (path.exists() and not is_half_made(path))


def is_half_made(path: Path) -> bool:
    """Returns whether the making of a store was cut short, so that nothing is in it and MLflow cannot open it.

    The last step of making one is its first experiment. A file that is no database is not half made, but damaged.
    """
    try:
        with contextlib.closing(sqlite3.connect(f"{path.as_uri()}?mode=rw", uri=True, timeout=60)) as connection:
            tables = {name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
            # Somebody else's database is not ours to replace.
            of_mlflow = tables <= _FIRST_TABLES or len(_FILLED & tables) > 1
            filled = (connection.execute(f"SELECT 1 FROM {name} LIMIT 1").fetchone() for name in _FILLED & tables)
            return of_mlflow and not any(filled)
    except sqlite3.Error:
        return False


def _is_left_half_made(path: Path) -> bool:
    until = time.time() + MAKING_PATIENCE_S
    while is_half_made(path):
        if time.time() - path.stat().st_mtime > SETTLED_S or time.time() > until:
            return True
        time.sleep(LOOK_EVERY_S)
    return False


def only_value(store: Path, query: str, parameters: tuple[object, ...]) -> str | None:
    """Returns the value of the one row that a query finds in a local store, which is not changed.

    Args:
        store: The store's file.
        query: An SQL query for one column.
        parameters: The values of its placeholders.

    Returns:
        The value; None for no row, for several, as in several workspaces, and where the store cannot be read.
    """
    if not store.is_file():
        return None
    try:
        with contextlib.closing(sqlite3.connect(f"{store.as_uri()}?mode=ro", uri=True, timeout=60)) as connection:
            found = connection.execute(query, parameters).fetchmany(2)
    except sqlite3.Error:
        return None
    return str(found[0][0]) if len(found) == 1 else None


def local_path(tracking_uri: str) -> Path | None:
    """Returns the file of a local store, or None for a server's address."""
    found = _LOCAL.match(tracking_uri)
    return Path(found[1]).absolute() if found else None
