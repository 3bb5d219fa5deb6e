"""Opens MLflow's client, in one way for everything that is told to MLflow and asked of it."""

from __future__ import annotations

from typing import Any

from ...quiet import import_mlflow_quietly

# MLflow's servers refuse longer texts.
LONGEST_PARAM, LONGEST_TAG = 6000, 5000
LONGEST_DIGEST = 36
# PostgreSQL and MySQL keep no more of a version's description.
LONGEST_DESCRIPTION = 5000


def open_client(tracking_uri: str) -> Any:
    """Returns an `MlflowClient` for runs, models and the registry at one address."""
    import_mlflow_quietly()
    from mlflow import MlflowClient

    return MlflowClient(tracking_uri, registry_uri=tracking_uri)
