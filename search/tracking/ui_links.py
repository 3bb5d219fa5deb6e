"""Addresses of MLflow's pages: the saved view of a study, which lists its trials best first."""

from __future__ import annotations

import os
from urllib.parse import urlencode

from ...text import shown_uri
from ..settings import Home
from ..studies.opening import open_study
from ..studies.storage.storage import open_to_read
from .local_store import local_path, only_value
from .mlflow_client import open_client
from .saved_views import study_view_key

LOCAL_UI = "http://127.0.0.1:5000"
_EXPERIMENT = "SELECT experiment_id FROM experiments WHERE name = ? AND lifecycle_stage = 'active'"
# Seconds; an address is not worth a longer wait for a server that does not answer.
_TIMEOUT_S = "5"


def study_page(home: Home, name: str, local_ui: str = LOCAL_UI) -> str | None:
    """Returns the address of MLflow's table of a study's trials, best first.

    Args:
        home: Where the study and its results are.
        name: The study's name.
        local_ui: The address that `apertune ui` serves the local store at.

    Returns:
        The address; None where MLflow has not heard of the study yet, or has no pages.

    Raises:
        StudyError: There is no study of that name.
        SettingError: The database is not there.
    """
    study = open_study(open_to_read(home), name)
    store = local_path(home.tracking_uri)
    if store is None and not home.tracking_uri.startswith(("http://", "https://")):
        return None
    experiment = _experiment(study.definition.dataset, home.tracking_uri)
    if experiment is None:
        return None
    base = local_ui if store is not None else shown_uri(home.tracking_uri)
    # Without the workflow, MLflow 3.17 opens its pages for language models.
    query = urlencode({"workflowType": "machine_learning", "viewStateShareKey": study_view_key(study.identity)})
    return f"{base.rstrip('/')}/#/experiments/{experiment}/runs?{query}"


def _experiment(name: str, tracking_uri: str) -> str | None:
    """Returns MLflow's identifier of a data set's experiment; None where it has none, or does not answer."""
    store = local_path(tracking_uri)
    if store is not None:
        return only_value(store, _EXPERIMENT, (name,))
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", _TIMEOUT_S)
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    try:
        found = open_client(tracking_uri).get_experiment_by_name(name)
    except Exception:
        # The server is away, or refuses this user: the search itself has told of it.
        return None
    return None if found is None else str(found.experiment_id)
