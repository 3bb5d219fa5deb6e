"""Applies records to MLflow's tracking server or local store."""

from __future__ import annotations

import json
import logging
import os
import re
import shutil
import time
from collections.abc import Callable, Collection, Iterator, Mapping
from itertools import islice
from pathlib import Path
from typing import Any

from ...quiet import import_mlflow_quietly
from ...text import first_line
from .late_requests import delete_late_models, delete_late_runs, fullest, is_pending
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
from .uploading import UnusableReplyError, Uploads

logger = logging.getLogger(__name__)

# The stage of an experiment that was deleted but still holds its name, until MLflow's garbage collection.
DELETED = "deleted"
# Makes MLflow's UI open an experiment at its table of runs, not at its pages for language models.
EXPERIMENT_TAGS = {"mlflow.experimentKind": "custom_model_development"}
# MLflow's server takes no more per call; WORDS are tags or params.
METRICS_PER_CALL, WORDS_PER_CALL = 1000, 100
# Codes of MLflow's for a record whose content it does not take, and the words with which its client begins to say that
# the server did not answer as MLflow's does.
REFUSALS = ("INVALID_PARAMETER_VALUE", "BAD_REQUEST", "INVALID_STATE", "RESOURCE_DOES_NOT_EXIST")
NO_ANSWER = "API request to endpoint"
TIMEOUT_VARIABLE = "MLFLOW_HTTP_REQUEST_TIMEOUT"
TIMEOUT_S, LONGEST_TIMEOUT_S = 10, 40
# Time for a request that failed to reach the server all the same.
LATEST_S = 5.0


class NoSuchRunError(LookupError):
    """MLflow has no run with a record's key."""


class PartlyRefusedError(ValueError):
    """MLflow took a record but for some names or values, which it refuses whatever comes with them."""


class MlflowTracker:
    """Applies records to one MLflow store.

    Args:
        tracking_uri: Address of the server or local store.
        artifacts: The folder where new experiments keep their files; None leaves that to the server.
        on_file: Called after each file that the server took.
    """

    def __init__(
        self, tracking_uri: str, artifacts: Path | None = None, on_file: Callable[[], None] = lambda: None
    ) -> None:
        self._tracking_uri = tracking_uri
        self._artifacts = artifacts
        self._opened: Any = None
        self._runs: dict[str, str] = {}
        # An experiment that records of late belonged to, for `check`.
        self._experiment_in_use = ""
        # Until then, by `time.monotonic`, requests that failed may yet reach the server.
        self._late_until = 0.0
        self._uploads = Uploads(tracking_uri, on_file)
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
        """Applies a record.

        Raises:
            NoSuchRunError: For a run that was not begun.
            PartlyRefusedError: If MLflow refuses a name or value; it took the rest.
            UnusableReplyError: If the reply does not answer the call.
            Exception: Whatever MLflow's client raises.
        """
        try:
            self._apply[type(record)](record)
        except Exception as error:
            self._wait_longer_after(error)
            if isinstance(record, RunStarted | ModelLogged):
                self._late_until = time.monotonic() + LATEST_S
            raise

    def check(self) -> None:
        """Reads and writes something that every working store takes. Raises what MLflow's client raises."""
        self._client.search_experiments(max_results=1)
        experiment = self._experiment_in_use
        if experiment and self._client.get_experiment(experiment).lifecycle_stage != DELETED:
            for name, value in EXPERIMENT_TAGS.items():
                self._client.set_experiment_tag(experiment, name, value)

    def run_ids(self) -> dict[str, str]:
        return dict(self._runs)

    def settle(self, run_ids: Mapping[str, str], *, incomplete: Collection[str]) -> None:
        """Deletes what late requests made. Raises what MLflow's client raises."""
        if experiment := self._experiment_in_use:
            time.sleep(max(0.0, self._late_until - time.monotonic()))
            delete_late_runs(self._client, experiment, run_ids)
            delete_late_models(self._client, experiment, run_ids.keys() - incomplete)

    @property
    def _client(self) -> Any:
        if self._opened is None:
            # Short, since the sender repeats calls itself.
            os.environ.setdefault(TIMEOUT_VARIABLE, str(TIMEOUT_S))
            # Overrides the user's: the client would repeat a call whose reply was lost, and so make a second run. The
            # sender looks for the first run before it repeats.
            os.environ["MLFLOW_HTTP_REQUEST_MAX_RETRIES"] = "0"
            import_mlflow_quietly()
            with creation_lock(self._tracking_uri):
                make_local_store(self._tracking_uri)
            self._opened = open_client(self._tracking_uri)
        return self._opened

    def _wait_longer_after(self, error: Exception) -> None:
        """Doubles the time limit after a reply that did not come in time: a slow server would never be done."""
        if "timed out" in str(error).lower():
            limit = int(os.environ.get(TIMEOUT_VARIABLE, TIMEOUT_S))
            os.environ[TIMEOUT_VARIABLE] = str(max(limit, min(2 * limit, LONGEST_TIMEOUT_S)))

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
            found = self._existing_run(experiments, key)
            if found is None:
                raise NoSuchRunError(f"no run has the key {key}")
            self._runs[key] = _named(found.info.run_id)
            self._experiment_in_use = found.info.experiment_id
        return self._runs[key]

    def _existing_run(self, experiments: list[str], key: str) -> Any:
        found = self._client.search_runs(experiments, f"tags.`{KEY_TAG}` = '{key}'")
        return fullest(found) if found else None

    def _start_run(self, record: RunStarted) -> None:
        experiment = self._experiment_in_use = _named(self._experiment(record.experiment))
        tags = {KEY_TAG: record.key, **record.tags}
        if record.parent:
            tags[PARENT_TAG] = self._run(record.parent)
        # Creating a run twice makes two, so a run whose reply was lost is found by its key.
        found = self._existing_run([experiment], record.key)
        if found is not None:
            self._runs[record.key] = _named(found.info.run_id)
            self._client.update_run(self._runs[record.key], status="RUNNING")
        else:
            made = self._client.create_run(
                experiment, start_time=record.time_ms, run_name=record.name, tags={KEY_TAG: record.key}
            )
            self._runs[record.key] = _named(made.info.run_id)
        self._log_words(self._runs[record.key], tags, record.params)

    def _log_words(self, run_id: str, tags: Mapping[str, str], params: Mapping[str, str]) -> None:
        from mlflow.entities import Param, RunTag

        refused = []
        for kind, entity, words, longest in (
            ("tags", RunTag, tags, LONGEST_TAG),
            ("params", Param, params, LONGEST_PARAM),
        ):
            entities = [entity(mlflow_name(name), value[:longest]) for name, value in words.items()]
            refused += self._log_each(run_id, kind, entities, WORDS_PER_CALL)
        _tell_refused(refused)

    def _log_each(self, run_id: str, kind: str, entities: list[Any], per_call: int) -> list[str]:
        """Logs entities together, or one by one where MLflow refuses them, so that one never takes the rest along.

        Returns:
            A line on each that was refused.
        """
        refused: list[str] = []
        for part in _parts(entities, per_call):
            try:
                self._client.log_batch(run_id, **{kind: part})
            except Exception as error:
                if not is_refused(error) or self._client.get_run(run_id).info.lifecycle_stage == DELETED:
                    raise
                refused += self._log_one_by_one(run_id, kind, part)
        return refused

    def _log_one_by_one(self, run_id: str, kind: str, entities: list[Any]) -> list[str]:
        refused = []
        for entity in entities:
            try:
                self._client.log_batch(run_id, **{kind: [entity]})
            except Exception as error:
                if not is_refused(error):
                    raise
                refused.append(f"{kind.removesuffix('s')} {entity.key} ({first_line(error)})")
        return refused

    def _log_metrics(self, record: MetricsLogged) -> None:
        _tell_refused(self._log_points(self._run(record.key), record.points))

    def _log_points(self, run_id: str, points: tuple[Point, ...], model_id: str | None = None) -> list[str]:
        from mlflow.entities import Metric

        metrics = [
            Metric(mlflow_name(name), value, time_ms, step, model_id=model_id) for name, value, step, time_ms in points
        ]
        return self._log_each(run_id, "metrics", metrics, METRICS_PER_CALL)

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
            location = _named(self._client.get_run(self._run(record.key)).info.artifact_uri)
            self._uploads.send(folder, location, record.artifact_path)
        self._finished_with(folder, remove=record.remove)

    def _log_model(self, record: ModelLogged) -> None:
        from mlflow.entities import LoggedModelOutput, LoggedModelStatus

        folder, refused = Path(record.folder), []
        if folder.is_dir():
            run_id = self._run(record.key)
            experiment = _named(self._client.get_run(run_id).info.experiment_id)
            tags = {KEY_TAG: record.key, **{name: value[:LONGEST_TAG] for name, value in record.tags.items()}}
            model = self._existing_model(experiment, record.key) or self._client.create_logged_model(
                experiment, name=record.name, source_run_id=run_id, tags=tags, model_type="keras"
            )
            self._uploads.send(folder, _named(model.artifact_location))
            self._client.finalize_logged_model(_named(model.model_id), LoggedModelStatus.READY)
            outputs = self._client.get_run(run_id).outputs
            if not (outputs and outputs.model_outputs):
                self._client.log_outputs(run_id, [LoggedModelOutput(model.model_id, step=0)])
            time_ms = record.time_ms or model.creation_timestamp
            points = tuple((name, value, 0, time_ms) for name, value in record.metrics.items())
            refused = self._log_points(run_id, points, model.model_id)
        self._finished_with(folder, remove=record.remove)
        _tell_refused(refused)

    def _finished_with(self, folder: Path, *, remove: bool) -> None:
        self._uploads.forget()
        if remove:
            shutil.rmtree(folder, ignore_errors=True)

    def _drop_model(self, record: ModelDropped) -> None:
        from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository

        experiment = self._client.get_run(self._run(record.key)).info.experiment_id
        if (model := self._existing_model(experiment, record.key)) is not None:
            # Deleting a model only hides it, so its files are deleted first.
            get_artifact_repository(model.artifact_location, self._tracking_uri).delete_artifacts()
            self._client.delete_logged_model(model.model_id)

    def _existing_model(self, experiment: str, key: str) -> Any:
        found = self._client.search_logged_models([experiment], f"tags.`{KEY_TAG}` = '{key}'")
        return next((model for model in found if not is_pending(model)), found[0] if found else None)

    def _end_run(self, record: RunEnded) -> None:
        self._client.set_terminated(self._run(record.key), status=record.status, end_time=record.time_ms)


def is_refused(error: Exception) -> bool:
    """Returns whether MLflow refused a record for its content, so that repeating it would hardly help.

    What something in the server's place answers, such as a gateway's page, is no refusal.
    """
    if isinstance(error, NoSuchRunError | PartlyRefusedError):
        return True
    code = getattr(error, "error_code", "")
    return code in REFUSALS and not str(error).startswith(NO_ANSWER)


def _named(identifier: str) -> str:
    """Returns an identifier or address that the server gave. Raises UnusableReplyError for an empty one."""
    if not identifier:
        raise UnusableReplyError("the server's reply lacks what was asked for")
    return identifier


def _tell_refused(lines: list[str]) -> None:
    """Raises PartlyRefusedError with the first of these lines, if there are any."""
    if lines:
        logger.warning("MLflow refused, and the rest is logged: %s", "; ".join(lines))
        more = f" and {len(lines) - 1} more" if len(lines) > 1 else ""
        raise PartlyRefusedError(f"{lines[0]}{more}; the rest is logged")


def _parts(items: Any, size: int) -> Iterator[list[Any]]:
    iterator = iter(items)
    while part := list(islice(iterator, size)):
        yield part


def _file_name(name: str) -> str:
    return re.sub(r"[^\w.-]+", "_", name)
