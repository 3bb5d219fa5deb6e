"""Finds a registered model's folder in a local store without importing MLflow, which takes seconds.

It reads the tables in which MLflow keeps its registry, and leaves everything that it does not find as it expects it to
MLflow.
"""

from __future__ import annotations

import contextlib
import re
import sqlite3
from pathlib import Path
from urllib.parse import unquote, urlsplit

from .local_store import local_path

_ADDRESS = re.compile(r"models:/(?P<name>[^/@]+)(?:@(?P<alias>[^/@]+)|/(?P<version>\d+))")
_VERSION_OF_ALIAS = "SELECT version FROM registered_model_aliases WHERE name = ? AND alias = ?"
_LOCATION = (
    "SELECT storage_location FROM model_versions WHERE name = ? AND version = ? AND status = 'READY' "
    "AND current_stage <> 'Deleted_Internal'"
)


def registered_folder(address: str, tracking_uri: str) -> Path | None:
    """Returns the folder of a registered model, where it lies.

    Args:
        address: `models:/NAME@ALIAS` or `models:/NAME/VERSION`.
        tracking_uri: Address of MLflow's server or local store.

    Returns:
        The folder; None for another address, another store than a local one, and a model that is not found this way.
    """
    store, asked = local_path(tracking_uri), _ADDRESS.fullmatch(address)
    if store is None or asked is None or not store.is_file():
        return None
    try:
        with contextlib.closing(sqlite3.connect(f"{store.as_uri()}?mode=ro", uri=True, timeout=60)) as connection:
            version = asked["version"]
            if version is None:
                version = _only(connection.execute(_VERSION_OF_ALIAS, (asked["name"], asked["alias"].lower())))
            location = _only(connection.execute(_LOCATION, (asked["name"], int(version or 0))))
    except sqlite3.Error:
        return None
    parts = urlsplit(str(location or ""))
    if parts.scheme != "file" or parts.netloc:
        return None
    folder = Path(unquote(parts.path))
    return folder if (folder / "MLmodel").is_file() else None


def _only(rows: sqlite3.Cursor) -> str | None:
    """Returns the value of the one row that a query found; None for none, and for several, as in several workspaces."""
    found = rows.fetchmany(2)
    return str(found[0][0]) if len(found) == 1 else None
