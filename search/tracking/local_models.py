"""Finds a registered model's folder in a local store without importing MLflow, which takes seconds.

It reads the tables in which MLflow keeps its registry, and leaves everything that it does not find as it expects it to
MLflow.
"""

from __future__ import annotations

import re
from pathlib import Path
from urllib.parse import unquote, urlsplit

from .local_store import local_path, only_value

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
    if store is None or asked is None:
        return None
    name, version = asked["name"], asked["version"]
    if version is None:
        version = only_value(store, _VERSION_OF_ALIAS, (name, asked["alias"].lower()))
    location = only_value(store, _LOCATION, (name, int(version or 0)))
    parts = urlsplit(str(location or ""))
    if parts.scheme != "file" or parts.netloc:
        return None
    folder = Path(unquote(parts.path))
    return folder if (folder / "MLmodel").is_file() else None
