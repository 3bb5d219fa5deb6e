"""The local MLflow store, a SQLite file: made whole or not at all, by one process at a time."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock


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
    """Makes a SQLite store, unless it exists or the address is a server's.

    It is made under a temporary name and then renamed, since MLflow cannot open a store whose making was cut short. The
    caller holds `creation_lock`: of two processes that make a store at once, both fail.
    """
    path = local_path(tracking_uri)
    if path is None or path.exists():
        return
    from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore

    for leftover in path.parent.glob(f"{path.name}.making*"):
        leftover.unlink()
    # A new name each time: MLflow would reuse its connection to a file that a full disk cut short.
    temporary = path.with_name(f"{path.name}.making-{uuid.uuid4().hex[:8]}")
    store = SqlAlchemyStore(f"sqlite:///{temporary}", path.with_name("artifacts").as_uri())
    store._dispose_engine()
    temporary.replace(path)


def local_path(tracking_uri: str) -> Path | None:
    """Returns the file of a local store, or None for a server's address."""
    prefix = "sqlite:///"
    return Path(tracking_uri.removeprefix(prefix)).absolute() if tracking_uri.startswith(prefix) else None
