"""Registers a model in MLflow and moves aliases. `unfinished` settles whatever a kill interrupts."""

from __future__ import annotations

import contextlib
import time
import uuid
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from ...errors import ApertuneError, StudyError
from ...files.private import private_files
from ...text import first_line, shown_uri
from ..models.package import CARD_FILE
from ..settings import Home
from ..tracking.mlflow_names import model_name
from ..tracking.mlflow_store import Registry
from ..tracking.mlflow_tracker import MlflowTracker, PartlyRefusedError
from ..tracking.model_addresses import registered_name
from ..tracking.records import (
    DATASET_TAG,
    FINGERPRINT_TAG,
    KEY_TAG,
    KIND_TAG,
    NOTE_TAG,
    OBJECTIVE_TAG,
    PROMOTION_KIND,
    SPACE_TAG,
    STATE_TAG,
    STUDY_TAG,
    TRIAL_TAG,
    DatasetLogged,
    FilesLogged,
    MetricsLogged,
    ModelLogged,
    Record,
    RunEnded,
    RunStarted,
    TagsSet,
)
from .examination import Examination
from .job import Job
from .opponents import CHAMPION
from .selection import Selection
from .unfinished import Pending, alone, settle

CHALLENGER = "challenger"
PREVIOUS_TAG = "previous_champion"


@dataclass(frozen=True)
class Registered:
    """A new version of the registered model."""

    model: str
    version: str
    alias: str
    run_id: str
    """The promotion's MLflow run."""


@dataclass(frozen=True)
class Rollback:
    """The alias `champion` of `model` moved from version `before` to version `after`."""

    model: str
    before: str
    after: str


def register(
    job: Job, selection: Selection, examination: Examination, *, model: Path, artifacts: Path, card: str
) -> Registered:
    """Logs a run with the model, registers it, and moves the alias.

    After an error, whatever was written is removed again; after a kill, the next promotion or rollback does so.

    Raises:
        ApertuneError: MLflow does not take it.
    """
    (artifacts / CARD_FILE).write_text(card, encoding="utf-8")
    alias = CHAMPION if examination.verdict.promoted else CHALLENGER
    tags = {**_lineage(job, selection, examination), "alias": alias}
    if examination.verdict.promoted and examination.champion is not None:
        tags[PREVIOUS_TAG] = examination.champion
    registry = Registry(registered_name(job.dataset.name), job.home.tracking_uri)
    pending = Pending(uuid.uuid4().hex, registry.name, alias, shown_uri(job.home.tracking_uri))
    with _noted(job.home, pending):
        tracker = MlflowTracker(job.home.tracking_uri, job.home.artifacts)
        _tell(tracker, _records(job, examination, pending.key, tags, model=model, artifacts=artifacts, card=card))
        run_id = tracker.run_ids()[pending.key]
        version = registry.add_version(run_id, {**tags, KEY_TAG: pending.key}, card)
        registry.set_alias(alias, version)
        ended = (
            TagsSet(pending.key, {STATE_TAG: "complete"}),
            RunEnded(pending.key, "FINISHED", int(time.time() * 1000)),
        )
        _tell(tracker, ended)
    return Registered(registry.name, version, alias, run_id)


@contextmanager
def _noted(home: Home, pending: Pending) -> Iterator[None]:
    pending.note(home)
    try:
        yield
    except (Exception, KeyboardInterrupt):
        with contextlib.suppress(ApertuneError):
            settle(home, lambda line: None)
        raise
    pending.cross_out(home)


@private_files()
def rollback(home: Home, dataset: str, say: Callable[[str], None] = lambda line: None) -> Rollback:
    """Moves `champion` back to the version that was champion before, in a single step.

    Args:
        home: Where results are.
        dataset: Name that the model is registered for.
        say: Called with each line for the user.

    Raises:
        StudyError: There is no champion, or there was none before it.
    """
    registry = Registry(registered_name(dataset), home.tracking_uri)
    with alone(home):
        settle(home, say)
        champion = registry.aliases().get(CHAMPION)
        if champion is None:
            raise StudyError(f"{dataset} has no champion to roll back; make one with: apertune promote {dataset}")
        previous = registry.version_tags(champion).get(PREVIOUS_TAG)
        if previous is None:
            raise StudyError(f"version {champion} of {registry.name} is the first champion: there is none before it")
        registry.version_tags(previous)  # raises when that version was deleted
        registry.set_alias(CHAMPION, previous)
    return Rollback(registry.name, champion, previous)


def _lineage(job: Job, selection: Selection, examination: Examination) -> dict[str, str]:
    source = selection.winner.source
    return {
        DATASET_TAG: job.dataset.name,
        FINGERPRINT_TAG: job.dataset.fingerprint,
        STUDY_TAG: job.study.name,
        SPACE_TAG: job.study.definition.space,
        OBJECTIVE_TAG: job.metric.name,
        TRIAL_TAG: str(source.trial.number),
        "trial_run": source.run_id,
        "search_run": source.search_run_id,
        "networks": str(len(selection.members)),
        "test_openings": str(examination.openings),
        f"test_{job.metric.name}": f"{examination.score(job.metric.name).test:.6g}",
        "verdict": examination.verdict.reason,
    }


def _records(
    job: Job, examination: Examination, key: str, tags: dict[str, str], *, model: Path, artifacts: Path, card: str
) -> list[Record]:
    """One run that holds everything, still open."""
    now = int(time.time() * 1000)
    scores = {f"test_{score.metric}": score.test for score in examination.scores}
    for score in examination.scores:
        if score.low is not None and score.high is not None:
            scores |= {f"test_{score.metric}_low": score.low, f"test_{score.metric}_high": score.high}
    scores["validation_to_test_gap"] = examination.gap
    dataset = job.dataset
    networks = int(tags["networks"])
    made_by = f"trial-{int(tags[TRIAL_TAG]):04d}" if networks == 1 else f"ensemble-of-{networks}"
    name = model_name(dataset.name, f"promoted-{made_by}")
    facts = {"test": str(examination.test_images), "task": dataset.task}
    begun = {**tags, KIND_TAG: PROMOTION_KIND, STATE_TAG: "running", NOTE_TAG: card}
    return [
        RunStarted(key, dataset.name, f"promotion {job.study.name}", now, tags=begun),
        DatasetLogged(key, dataset.name, dataset.fingerprint, dataset.source, facts),
        MetricsLogged(key, tuple((name, value, 0, now) for name, value in scores.items())),
        FilesLogged(key, str(artifacts)),
        ModelLogged(key, str(model), name, tags={**tags, NOTE_TAG: card}),
    ]


def _tell(tracker: MlflowTracker, records: Iterable[Record]) -> None:
    try:
        for record in records:
            # A word that MLflow refuses is logged, and no reason to promote nothing.
            with contextlib.suppress(PartlyRefusedError):
                tracker.apply(record)
    except Exception as error:
        # MLflow's client raises anything from its own errors to those of the connection.
        raise ApertuneError(f"MLflow did not take the model: {first_line(error)}") from error
