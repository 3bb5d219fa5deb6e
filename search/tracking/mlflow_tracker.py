"""Applies records to MLflow's tracking server or local store."""

from __future__ import annotations

import json
import logging
import os
import re
import shutil
from collections.abc import Callable, Iterator, Mapping
from itertools import islice
from pathlib import Path
from typing import Any

from ...quiet import import_mlflow_quietly
from ...text import first_line
from .local_store import creation_lock, make_local_store
from .mlflow_client import LONGEST_DIGEST, LONGEST_PARAM, LONGEST_TAG, open_client
from .mlflow_names import mlflow_name
from .records import (
    KEY_TAG,
    PARENT_TAG,
    DatasetLogged,
    FilesLogged,
    MetricsLogged,
    ModelDropped,
    ModelLogged,
    Point,
    Record,
    RunEnded,
    RunStarted,
    TagsSet,
    ViewSaved,
)
from .saved_views import view_tag

logger = logging.getLogger(__name__)

# The stage of an experiment that was deleted but still holds its name, until MLflow's garbage collection.
DELETED = "deleted"
# Makes MLflow's UI open an experiment at its table of runs, not at its pages for language models.
EXPERIMENT_TAGS = {"mlflow.experimentKind": "custom_model_development"}
# MLflow's server takes no more per call; WORDS are tags or params.
METRICS_PER_CALL, WORDS_PER_CALL = 1000, 100


class NoSuchRunError(LookupError):
    """MLflow has no run with a record's key."""


class MlflowTracker:
    """Applies records to one MLflow store.

    Args:
        tracking_uri: Address of the server or local store.
        artifacts: The folder where new experiments keep their files; None leaves that to the server.
    """

    def __init__(self, tracking_uri: str, artifacts: Path | None = None) -> None:
        self._tracking_uri = tracking_uri
        self._artifacts = artifacts
        self._opened: Any = None
        self._runs: dict[str, str] = {}
        self._apply: dict[type[Record], Callable[[Any], None]] = {
            RunStarted: self._start_run,
            MetricsLogged: self._log_metrics,
            TagsSet: self._set_tags,
            DatasetLogged: self._log_dataset,
            FilesLogged: self._log_files,
            ModelLogged: self._log_model,
            ModelDropped: self._drop_model,
            ViewSaved: self._save_view,
            RunEnded: self._end_run,
        }

    def apply(self, record: Record) -> None:
        """Applies a record. Raises NoSuchRunError for a run that was not begun, and what MLflow's client raises."""
        self._apply[type(record)](record)

    def run_ids(self) -> dict[str, str]:
        return dict(self._runs)

    @property
    def _client(self) -> Any:
        if self._opened is None:
            # Short, since the sender repeats calls itself, and must notice in between that it is to stop.
            os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", "10")
            # Overrides the user's: the client would repeat a call whose reply was lost, and so make a second run. The
            # sender looks for the first run before it repeats.
            os.environ["MLFLOW_HTTP_REQUEST_MAX_RETRIES"] = "0"
            import_mlflow_quietly()
            with creation_lock(self._tracking_uri):
                make_local_store(self._tracking_uri)
            self._opened = open_client(self._tracking_uri)
        return self._opened

    def _experiment(self, name: str) -> str:
        # Looked up every time: a user may delete the experiment during a search, after which it takes no record.
        found = self._client.get_experiment_by_name(name)
        if found is None or found.lifecycle_stage == DELETED:
            return self._open_experiment(name)
        return str(found.experiment_id)

    def _open_experiment(self, name: str) -> str:
        """Creates an experiment, or restores the deleted one that still holds the name, with its runs."""
        location = None if self._artifacts is None else (self._artifacts.resolve() / _file_name(name)).as_uri()
        with creation_lock(self._tracking_uri):
            # Another search may have made or restored it in the meantime.
            found = self._client.get_experiment_by_name(name)
            if found is None:
                return str(self._client.create_experiment(name, artifact_location=location, tags=EXPERIMENT_TAGS))
            if found.lifecycle_stage == DELETED:
                self._client.restore_experiment(found.experiment_id)
                logger.warning("the experiment %s had been deleted from MLflow and was restored", name)
        return str(found.experiment_id)

    def _run(self, key: str) -> str:
        if key not in self._runs:
            experiments = [e.experiment_id for e in self._client.search_experiments()]
            found = self._client.search_runs(experiments, f"tags.`{KEY_TAG}` = '{key}'", max_results=1)
            if not found:
                raise NoSuchRunError(f"no run has the key {key}")
            self._runs[key] = found[0].info.run_id
        return self._runs[key]

    def _start_run(self, record: RunStarted) -> None:
        experiment = self._experiment(record.experiment)
        tags = {KEY_TAG: record.key, **record.tags}
        if record.parent:
            tags[PARENT_TAG] = self._run(record.parent)
        # Creating a run twice makes two, so a run whose reply was lost is found by its key.
        found = self._client.search_runs([experiment], f"tags.`{KEY_TAG}` = '{record.key}'", max_results=1)
        if found:
            self._runs[record.key] = found[0].info.run_id
            self._client.update_run(self._runs[record.key], status="RUNNING")
        else:
            made = self._client.create_run(
                experiment, start_time=record.time_ms, run_name=record.name, tags={KEY_TAG: record.key}
            )
            self._runs[record.key] = made.info.run_id
        self._log_words(self._runs[record.key], tags, record.params)

    def _log_words(self, run_id: str, tags: Mapping[str, str], params: Mapping[str, str]) -> None:
        from mlflow.entities import Param, RunTag

        for kind, entity, words, longest in (
            ("tags", RunTag, tags, LONGEST_TAG),
            ("params", Param, params, LONGEST_PARAM),
        ):
            for part in _parts(words.items(), WORDS_PER_CALL):
                entities = [entity(mlflow_name(name), value[:longest]) for name, value in part]
                self._log_each(run_id, kind, entities)

    def _log_each(self, run_id: str, kind: str, entities: list[Any]) -> None:
        """Logs entities together, or one by one where MLflow refuses them, so that one never takes the rest along."""
        try:
            self._client.log_batch(run_id, **{kind: entities})
        except Exception as error:
            if not is_refused(error) or len(entities) == 1:
                raise
            refused = []
            for entity in entities:
                try:
                    self._client.log_batch(run_id, **{kind: [entity]})
                except Exception as refusal:
                    if not is_refused(refusal):
                        raise
                    refused.append(f"{entity.key} ({first_line(refusal)})")
            logger.warning("MLflow refused, and the rest is logged: %s", "; ".join(refused))

    def _log_metrics(self, record: MetricsLogged) -> None:
        self._log_points(self._run(record.key), record.points)

    def _log_points(self, run_id: str, points: tuple[Point, ...], model_id: str | None = None) -> None:
        from mlflow.entities import Metric

        for part in _parts(points, METRICS_PER_CALL):
            metrics = [
                Metric(mlflow_name(name), value, time_ms, step, model_id=model_id)
                for name, value, step, time_ms in part
            ]
            self._log_each(run_id, "metrics", metrics)

    def _set_tags(self, record: TagsSet) -> None:
        self._log_words(self._run(record.key), record.tags, {})

    def _save_view(self, record: ViewSaved) -> None:
        self._client.set_experiment_tag(self._experiment(record.experiment), *view_tag(record))

    def _log_dataset(self, record: DatasetLogged) -> None:
        from mlflow.entities import Dataset, DatasetInput, InputTag

        dataset = Dataset(
            name=record.name,
            digest=record.digest[:LONGEST_DIGEST],
            source_type="local",
            source=json.dumps({"uri": record.source}),
            profile=json.dumps({**record.facts, "fingerprint": record.digest}),
        )
        self._client.log_inputs(
            self._run(record.key), [DatasetInput(dataset, [InputTag("mlflow.data.context", "search")])]
        )

    def _log_files(self, record: FilesLogged) -> None:
        folder = Path(record.folder)
        if folder.is_dir():
            self._client.log_artifacts(self._run(record.key), str(folder), record.artifact_path or None)
        _finished_with(folder, record.remove)

    def _log_model(self, record: ModelLogged) -> None:
        from mlflow.entities import LoggedModelOutput, LoggedModelStatus

        folder = Path(record.folder)
        if folder.is_dir():
            run_id = self._run(record.key)
            experiment = self._client.get_run(run_id).info.experiment_id
            model = self._existing_model(experiment, record.key) or self._client.create_logged_model(
                experiment, name=record.name, source_run_id=run_id, tags={KEY_TAG: record.key}, model_type="keras"
            )
            self._client.log_model_artifacts(model.model_id, str(folder))
            self._client.finalize_logged_model(model.model_id, LoggedModelStatus.READY)
            if not (self._client.get_run(run_id).outputs and self._client.get_run(run_id).outputs.model_outputs):
                self._client.log_outputs(run_id, [LoggedModelOutput(model.model_id, step=0)])
            points = tuple((name, value, 0, model.creation_timestamp) for name, value in record.metrics.items())
            self._log_points(run_id, points, model.model_id)
        _finished_with(folder, record.remove)

    def _drop_model(self, record: ModelDropped) -> None:
        from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository

        experiment = self._client.get_run(self._run(record.key)).info.experiment_id
        if (model := self._existing_model(experiment, record.key)) is not None:
            # Deleting a model only hides it, so its files are deleted first.
            get_artifact_repository(model.artifact_location, self._tracking_uri).delete_artifacts()
            self._client.delete_logged_model(model.model_id)

    def _existing_model(self, experiment: str, key: str) -> Any:
        found = self._client.search_logged_models([experiment], f"tags.`{KEY_TAG}` = '{key}'", max_results=1)
        return found[0] if found else None

    def _end_run(self, record: RunEnded) -> None:
        self._client.set_terminated(self._run(record.key), status=record.status, end_time=record.time_ms)


def is_refused(error: Exception) -> bool:
    """Returns whether MLflow refused a record for its content, so that repeating it would not help."""
    code = getattr(error, "error_code", "")
    return code in ("INVALID_PARAMETER_VALUE", "BAD_REQUEST", "INVALID_STATE") or isinstance(error, NoSuchRunError)


def _parts(items: Any, size: int) -> Iterator[list[Any]]:
    iterator = iter(items)
    while part := list(islice(iterator, size)):
        yield part


def _file_name(name: str) -> str:
    return re.sub(r"[^\w.-]+", "_", name)


def _finished_with(folder: Path, remove: bool) -> None:
    if remove:
        shutil.rmtree(folder, ignore_errors=True)
