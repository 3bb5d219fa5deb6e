"""Writes a search's story to the outbox: one run for the search, one below it for each trial."""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path

from ..messages import EpochEnded, Outcome, TrialResult, TrialTask
from ..studies.study import Study
from ..studies.trial_records import TrialRecord
from ..trial_folder import TrialFolder, augmentation_file
from .model_keeping import ModelKeeper
from .outbox import Outbox, last_epochs, open_runs
from .records import (
    DatasetLogged,
    FilesLogged,
    MetricsLogged,
    ModelDropped,
    ModelLogged,
    Record,
    RunEnded,
    RunStarted,
    RunStatus,
    StudyChanged,
    TagsSet,
)
from .saved_views import every_study_view, trials_view

# Drawing a study takes the sender some seconds.
REDRAW_EVERY_S = 60.0

RUN_STATUS: dict[Outcome, RunStatus] = {
    "complete": "FINISHED",
    "pruned": "KILLED",
    "infeasible": "KILLED",
    "failed": "FAILED",
    "interrupted": "KILLED",
}


def trial_key(identity: str, number: int) -> str:
    """Our own, unique name of a trial's run. identity: the study's."""
    return f"{identity}-{number}"


class Journal:
    """What is told of one search. search_key: unique name of this launch's run. about: tags of all its runs.

    most_models: how many trials' models stay, the best ones'; all unless given.
    """

    def __init__(
        self,
        outbox: Outbox,
        study: Study,
        search_key: str,
        about: Mapping[str, str],
        most_models: int | None = None,
    ) -> None:
        self._outbox = outbox
        self._study = study
        self._identity = study.identity
        self._drawn = time.monotonic()
        self._augmentation_shown = False
        self._told_before: dict[str, int] = {}
        self._search_key = search_key
        self._experiment = study.definition.dataset
        self._about = about
        self._tags = {
            "study": study.name,
            "dataset": study.definition.dataset,
            "space": study.definition.space,
            "objective": ", ".join(name for name, _ in study.definition.objectives),
        }
        before: list[TrialRecord] = []
        if most_models is not None:
            # Trials left open are told of later, and what they displace with them.
            left_open = self.trials_left_open()
            before = [record for record in study.records() if record.number not in left_open]
        self._models = ModelKeeper(most_models, study.definition.direction, before)

    def search_started(self, dataset: DatasetLogged, settings: Mapping[str, str]) -> None:
        """Ends the runs of earlier searches, too, whose supervisor was killed before it could."""
        left = [key for key, run in open_runs(self._outbox.path).items() if run.tags.get("kind") == "search"]
        for key in left:
            self._outbox.put(TagsSet(key, {"state": "killed"}), RunEnded(key, "KILLED", _now()))
        name = f"search {self._study.name}"
        self._outbox.put(
            RunStarted(
                self._search_key,
                self._experiment,
                name,
                _now(),
                tags={
                    **self._tags,
                    **self._about,
                    "kind": "search",
                    "state": "running",
                    "mlflow.note.content": self._note(),
                },
                params=dict(settings),
            ),
            replace(dataset, key=self._search_key),
            trials_view(self._study.name, self._study.identity, self._study.definition),
            every_study_view(self._experiment),
        )

    def _note(self) -> str:
        """The description at the head of the search's run, in Markdown."""
        about = self._study.definition
        return (
            f"Searches the space **{about.space}** on **{about.dataset}** ({about.task}, {about.data}) "
            f"to {about.direction} **{about.objective}** on validation, trials of at most {about.epochs} epochs. "
            f"Its trials are the runs below it; *Views* above the table of runs has them best first; "
            f"more of the study: `apertune compare {about.dataset}`."
        )

    def search_ended(self, state: str, status: RunStatus) -> None:
        records: list[Record] = [
            TagsSet(self._search_key, {"state": state}),
            RunEnded(self._search_key, status, _now()),
        ]
        if status == "FINISHED":
            records.append(StudyChanged(self._search_key, self._study.name, ended=True))
        self._outbox.put(*records)

    def trials_left_open(self) -> set[int]:
        """Numbers of the study's trials whose runs have begun and not ended: their supervisor was killed."""
        identity, _, _ = trial_key(self._identity, 0).rpartition("-")
        parts = (key.rpartition("-") for key in open_runs(self._outbox.path))
        return {int(number) for study, _, number in parts if study == identity}

    def know_going_on(self, numbers: Iterable[int]) -> None:
        """Of trials that an earlier search began, the epochs it told stand, even if they are trained again."""
        keys = {trial_key(self._identity, number) for number in numbers}
        self._told_before = last_epochs(self._outbox.path, keys)

    def best_trial(self, result: TrialResult) -> None:
        """Tags the search's run with its best trial so far."""
        value = "" if result.value is None else f"{result.value:.6g}"
        self._outbox.put(TagsSet(self._search_key, {"best_trial": str(result.number), "best_value": value}))

    def trial_started(self, task: TrialTask, dataset: DatasetLogged) -> None:
        key = trial_key(self._identity, task.number)
        repeat = {"seed": str(task.seed), "max_epochs": str(task.epochs), "fingerprint": task.view.fingerprint}
        tags = {**self._tags, **self._about, **repeat, "kind": "trial", "trial": str(task.number), "state": "running"}
        params = {name: str(value) for name, value in task.values.items()}
        name = f"{self._study.name} #{task.number}"
        self._outbox.put(
            RunStarted(key, self._experiment, name, _now(), self._search_key, tags, params),
            replace(dataset, key=key),
        )

    def epoch_ended(self, event: EpochEnded) -> None:
        key = trial_key(self._identity, event.number)
        if event.epoch <= self._told_before.get(key, 0):
            return
        told = {**event.metrics, **event.system}
        points = tuple((name, value, event.epoch, event.time_ms) for name, value in told.items())
        self._outbox.put(MetricsLogged(key, points))

    def trial_ended(self, result: TrialResult, folder: TrialFolder) -> None:
        """folder: the trial's; its model and artifacts are removed once the tracking server has them.

        Those of an interrupted trial stay: it leaves them again when it goes on, perhaps before they are sent.
        """
        key, now = trial_key(self._identity, result.number), _now()
        records: list[Record] = []
        numbers = _summary(result)
        if numbers:
            records.append(MetricsLogged(key, tuple((name, value, 0, now) for name, value in numbers.items())))
        tags = {"state": result.outcome, **({"reason": result.reason} if result.reason else {})}
        records.append(TagsSet(key, tags))
        if result.outcome != "interrupted":
            records += self._file_records(result, key, folder)
        records.append(RunEnded(key, RUN_STATUS[result.outcome], now))
        if time.monotonic() - self._drawn >= REDRAW_EVERY_S:
            records.append(StudyChanged(self._search_key, self._study.name))
            self._drawn = time.monotonic()
        self._outbox.put(*records)

    def _file_records(self, result: TrialResult, key: str, folder: TrialFolder) -> list[Record]:
        records: list[Record] = []
        if folder.artifacts.is_dir():
            records += self._augmentation_records(folder)
            records.append(FilesLogged(key, str(folder.artifacts), remove=True))
        if result.has_model:
            records += self._model_records(result, folder.model)
        return records

    def _augmentation_records(self, folder: TrialFolder) -> list[Record]:
        """Shows the search's run, too, how its first trial that augments does it."""
        if self._augmentation_shown or not folder.augmentation.exists():
            return []
        self._augmentation_shown = True
        folder.shown.mkdir(exist_ok=True)
        shutil.copy(folder.augmentation, augmentation_file(folder.shown))
        return [FilesLogged(self._search_key, str(folder.shown), remove=True)]

    def _model_records(self, result: TrialResult, folder: Path) -> list[Record]:
        kept, fallen = self._models.ended(result)
        records: list[Record] = [ModelDropped(trial_key(self._identity, number)) for number in fallen]
        if kept:
            scores = {f"best_{name}": value for name, value in result.metrics.items()}
            records.append(
                ModelLogged(trial_key(self._identity, result.number), str(folder), "model", scores, remove=True)
            )
        else:
            shutil.rmtree(folder, ignore_errors=True)
        return records


def _summary(result: TrialResult) -> dict[str, float]:
    """What describes a whole trial. `best_` metrics are of the best epoch's weights, on validation."""
    if result.outcome == "interrupted":
        return {}
    numbers: dict[str, float | None] = {
        "objective": result.value,
        **{f"best_{name}": value for name, value in result.metrics.items()},
        "epochs": result.epochs,
        "best_epoch": result.best_epoch or None,
        "parameters": result.parameters or None,
        "trial_seconds": round(result.seconds, 1),
        "peak_memory_mb": round(result.peak_memory_mb, 1) or None,
        "peak_gpu_memory_mb": result.peak_gpu_memory_mb,
        "gpu_utilization_percent": result.gpu_utilization_percent,
        "energy_joules": result.energy_joules,
        **result.cost,
    }
    return {name: float(value) for name, value in numbers.items() if value is not None}


def _now() -> int:
    return int(time.time() * 1000)
