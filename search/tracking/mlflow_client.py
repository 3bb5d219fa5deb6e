"""Opens MLflow's client, in one way for everything that is told to MLflow and asked of it."""

from __future__ import annotations

from typing import Any

from ...errors import ApertuneError
from ...quiet import import_mlflow_quietly
from .local_store import is_there, local_path
from .tracking_address import check_tracking_uri

# MLflow's servers refuse longer texts.
LONGEST_PARAM, LONGEST_TAG = 6000, 5000
LONGEST_DIGEST = 36
# PostgreSQL and MySQL keep no more of a version's description.
LONGEST_DESCRIPTION = 5000


class NoStoreError(ApertuneError):
    """There is no local store yet, and reading makes none."""


def open_client(tracking_uri: str) -> Any:
    """Returns an `MlflowClient` for runs, models and the registry at one address. Creates nothing.

    Raises:
        SettingError: For an address that MLflow has no store for.
        NoStoreError: For a local store that is not there, or whose making was cut short.
    """
    check_tracking_uri(tracking_uri)
    if not is_there(tracking_uri):
        raise NoStoreError(
            f"MLflow has no results yet: {local_path(tracking_uri)} is not there; start with: apertune search digits"
        )
    import_mlflow_quietly()
    from mlflow import MlflowClient

    return MlflowClient(tracking_uri, registry_uri=tracking_uri)
