"""Checks the address of MLflow's tracking store, so that no search trains for a store that can take nothing."""

from __future__ import annotations

import os
from importlib.metadata import entry_points
from urllib.parse import urlsplit

from ...errors import SettingError
from ...text import hidden_address
from ..settings import Home
from .local_store import local_path

SERVERS = ("http", "https")
DATABASES = ("sqlite", "postgresql", "mysql", "mssql")
HOSTED = ("databricks", "databricks-uc", "uc")
# Other distributions add their stores by this group, as MLflow has it.
ENTRY_POINTS = "mlflow.tracking_store"
USABLE = "give a server such as http://localhost:5000, or a database such as sqlite:///mlflow/mlflow.db"


def check_tracking(home: Home) -> None:
    """Checks a home's tracking store before a search, as `check_tracking_uri` does; the default one is made by it."""
    if home.artifacts is None:
        check_tracking_uri(home.tracking_uri)


def check_tracking_uri(uri: str) -> None:
    """Checks that MLflow has a store for an address, and that a local one can be written. Nothing is created.

    A server need not answer: what it cannot take now is kept, and sent later.

    Raises:
        SettingError: For a folder, a scheme that no store has, an address without a host, a database whose driver is
            missing, and a local file that cannot be written.
    """
    shown = hidden_address(uri)
    scheme, separator, _ = uri.partition(":")
    kind = scheme.partition("+")[0].lower()
    if uri in HOSTED or (separator and kind in HOSTED):
        return
    if not separator or kind == "file":
        raise SettingError(
            f"MLFLOW_TRACKING_URI must name a server or a database, but got '{shown}', a folder of files, which MLflow "
            f"no longer takes; {USABLE}"
        )
    if kind in SERVERS:
        _check_server(uri, shown)
    elif kind in DATABASES:
        _check_database(uri, shown)
    elif kind not in {point.name for point in entry_points(group=ENTRY_POINTS)}:
        known = ", ".join((*SERVERS, *DATABASES))
        raise SettingError(f"MLFLOW_TRACKING_URI must begin with one of {known}, but got '{shown}'; {USABLE}")


def _check_server(uri: str, shown: str) -> None:
    try:
        parts = urlsplit(uri)
        named = bool(parts.hostname) and parts.port != 0
    except ValueError:
        named = False
    if not named:
        raise SettingError(f"MLFLOW_TRACKING_URI must name a host, but got '{shown}'; {USABLE}")


def _check_database(uri: str, shown: str) -> None:
    from sqlalchemy.engine import make_url
    from sqlalchemy.exc import ArgumentError, NoSuchModuleError

    try:
        parsed = make_url(uri)
        parsed.get_dialect().import_dbapi()
    except NoSuchModuleError:
        raise SettingError(
            f"MLFLOW_TRACKING_URI names a driver that SQLAlchemy does not know: {uri.partition(':')[0]}; {USABLE}"
        ) from None
    except ImportError as error:
        raise SettingError(
            f"MLFLOW_TRACKING_URI needs the database driver '{error.name}', which is not installed; install it, or "
            "name another driver, as in postgresql+psycopg://user@host/name"
        ) from None
    except (ArgumentError, ValueError):
        raise SettingError(f"MLFLOW_TRACKING_URI is no database's address: '{shown}'; {USABLE}") from None
    if parsed.get_backend_name() == "sqlite":
        _check_file(uri, parsed.database)


def _check_file(uri: str, database: str | None) -> None:
    path = local_path(uri)
    if path is None or database in (None, "", ":memory:"):
        raise SettingError(
            "results are kept in a file or by a server, but MLFLOW_TRACKING_URI names a database in memory; name a "
            "file such as sqlite:///mlflow/mlflow.db"
        )
    if path.is_dir():
        raise SettingError(
            f"MLFLOW_TRACKING_URI must name a file, but {path} is a folder; name a file in it, such as "
            f"sqlite:///{path / 'mlflow.db'}"
        )
    there = next(place for place in (path, *path.parents) if place.exists())
    if there != path and not there.is_dir():
        raise SettingError(f"MLFLOW_TRACKING_URI names a file below {there}, which is no folder; name another file")
    if not os.access(there, os.W_OK):
        raise SettingError(f"MLflow's store cannot be written: {path}; name another with MLFLOW_TRACKING_URI")
