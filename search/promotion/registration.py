"""Registers a model in MLflow and moves aliases. Moving an alias is always the last step."""

from __future__ import annotations

import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock, Timeout

from ...errors import ApertuneError, StudyError
from ..mlflow_models import Registry
from ..mlflow_tracking import MlflowTracker, hidden_credentials
from ..model_names import registered_name
from ..model_safety import first_line
from ..settings import Home
from ..tracking import (
    DatasetLogged,
    FilesLogged,
    MetricsLogged,
    ModelLogged,
    Record,
    RunEnded,
    RunStarted,
    TagsSet,
)
from .examination import CHAMPION, Examination
from .job import Job
from .selection import Selection

CHALLENGER = "challenger"
PREVIOUS_TAG = "previous_champion"


@dataclass(frozen=True)
class Registered:
    """A new version of the registered model. run_id: of the promotion's MLflow run."""

    model: str
    version: str
    alias: str
    run_id: str


@dataclass(frozen=True)
class Rollback:
    """The alias `champion` of `model` moved from version `before` to version `after`."""

    model: str
    before: str
    after: str


def register(
    job: Job, selection: Selection, examination: Examination, *, model: Path, artifacts: Path, card: str
) -> Registered:
    """Logs a run with the model, registers it, moves the alias. Raises ApertuneError when MLflow does not take it."""
    (artifacts / "model_card.md").write_text(card, encoding="utf-8")
    alias = CHAMPION if examination.verdict.promoted else CHALLENGER
    tags = {**_lineage(job, selection, examination), "alias": alias}
    if examination.verdict.promoted and examination.champion is not None:
        tags[PREVIOUS_TAG] = examination.champion
    run_id = _log_run(job, examination, tags, model=model, artifacts=artifacts, card=card)
    registry = Registry(registered_name(job.dataset.name), job.home.tracking_uri)
    version = registry.add_version(run_id, tags, card)
    registry.set_alias(alias, version)
    return Registered(registry.name, version, alias, run_id)


def rollback(home: Home, dataset: str) -> Rollback:
    """Moves `champion` back to the version that was champion before. Raises StudyError when there was none."""
    registry = Registry(registered_name(dataset), home.tracking_uri)
    with alone(home):
        champion = registry.aliases().get(CHAMPION)
        if champion is None:
            raise StudyError(f"{dataset} has no champion to roll back; make one with: apertune promote {dataset}")
        previous = registry.version_tags(champion).get(PREVIOUS_TAG)
        if previous is None:
            raise StudyError(f"version {champion} of {registry.name} is the first champion: there is none before it")
        registry.version_tags(previous)  # raises when that version was deleted
        registry.set_alias(CHAMPION, previous)
    return Rollback(registry.name, champion, previous)


@contextmanager
def alone(home: Home) -> Iterator[None]:
    """Holds the folder against another promotion or rollback. Raises StudyError when there is one."""
    home.root.mkdir(parents=True, exist_ok=True)
    lock = FileLock(home.root / "promotion.lock", timeout=0)
    try:
        lock.acquire()
    except Timeout:
        raise StudyError("another promotion or rollback is running in this folder; wait for its end") from None
    try:
        yield
    finally:
        lock.release()


def _lineage(job: Job, selection: Selection, examination: Examination) -> dict[str, str]:
    source = selection.winner.source
    return {
        "dataset": job.dataset.name,
        "fingerprint": job.dataset.fingerprint,
        "study": job.study.name,
        "space": job.study.definition.space,
        "objective": job.metric.name,
        "trial": str(source.trial.number),
        "trial_run": source.run_id,
        "search_run": source.search_run_id,
        "networks": str(len(selection.members)),
        "test_openings": str(examination.openings),
        f"test_{job.metric.name}": f"{examination.score(job.metric.name).test:.6g}",
        "verdict": examination.verdict.reason,
    }


def _log_run(
    job: Job, examination: Examination, tags: dict[str, str], *, model: Path, artifacts: Path, card: str
) -> str:
    """One finished run that holds everything; returns its identifier."""
    key, now = uuid.uuid4().hex, int(time.time() * 1000)
    scores = {f"test_{score.metric}": score.test for score in examination.scores}
    for score in examination.scores:
        if score.low is not None and score.high is not None:
            scores |= {f"test_{score.metric}_low": score.low, f"test_{score.metric}_high": score.high}
    scores["validation_to_test_gap"] = examination.gap
    dataset = job.dataset
    facts = {"test": str(examination.test_images), "task": dataset.task}
    records: list[Record] = [
        RunStarted(key, dataset.name, f"promotion {job.study.name}", now, tags={**tags, "kind": "promotion"}),
        DatasetLogged(key, dataset.name, dataset.fingerprint, dataset.source, facts),
        MetricsLogged(key, tuple((name, value, 0, now) for name, value in scores.items())),
        FilesLogged(key, str(artifacts)),
        ModelLogged(key, str(model), "model"),
        TagsSet(key, {"state": "complete", "mlflow.note.content": card}),
        RunEnded(key, "FINISHED", int(time.time() * 1000)),
    ]
    tracker = MlflowTracker(job.home.tracking_uri, job.home.artifacts)
    try:
        for record in records:
            tracker.apply(record)
    except Exception as error:
        # MLflow's client raises anything from its own errors to those of the connection.
        raise ApertuneError(f"MLflow did not take the model: {hidden_credentials(first_line(error))}") from error
    return tracker.run_ids()[key]
