"""Runs and models that MLflow made twice, since a request reached it after the sender had given it up and repeated it.

MLflow takes no identifier from its client, so nothing keeps a server from acting on both. The one that came late has
our key and nothing else; all that is told goes to the other.
"""

from __future__ import annotations

import logging
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from .records import KEY_TAG

logger = logging.getLogger(__name__)

# Models that are looked at: those that the server made last, as it did what a late request asked for.
NEWEST = 100


def fullest(runs: Sequence[Any]) -> Any:
    """Returns the run, of those with one key, that holds most: the one that was told the rest."""
    return max(runs, key=lambda run: len(run.data.metrics) + len(run.data.params) + len(run.data.tags))


def delete_late_runs(client: Any, experiment: str, run_ids: Mapping[str, str]) -> None:
    """Deletes runs of an experiment that a late request made.

    Args:
        client: MLflow's client.
        experiment: Identifier of the experiment.
        run_ids: The runs that were told the rest, by key; runs with other keys are left alone.
    """
    # Nobody ends such a run. Those of other searches have other keys.
    for run in client.search_runs([experiment], f"attributes.status = 'RUNNING' and tags.`{KEY_TAG}` LIKE '%'"):
        key = run.data.tags.get(KEY_TAG, "")
        if run_ids.get(key, run.info.run_id) != run.info.run_id and _is_blank(run):
            logger.warning("a late request made a second run with the key %s, which is deleted", key)
            client.delete_run(run.info.run_id)


def delete_late_models(client: Any, experiment: str, keys: Collection[str]) -> None:
    """Deletes models of an experiment that a late request made; they never got their files.

    Args:
        client: MLflow's client.
        experiment: Identifier of the experiment.
        keys: Keys of the runs whose models were all sent; models with other keys are left alone.
    """
    # MLflow's databases find no model by its status.
    newest = client.search_logged_models([experiment], f"tags.`{KEY_TAG}` LIKE '%'", max_results=NEWEST)
    for model in newest:
        key = model.tags.get(KEY_TAG, "")
        if key in keys and is_pending(model):
            logger.warning("a late request made a second model with the key %s, which is deleted", key)
            client.delete_logged_model(model.model_id)


def is_pending(model: Any) -> bool:
    """Returns whether a model was made, and its files are not there yet."""
    return bool(model.status == "PENDING")


def _is_blank(run: Any) -> bool:
    own = [name for name in run.data.tags if not name.startswith("mlflow.")]
    return own == [KEY_TAG] and not run.data.params and not run.data.metrics
