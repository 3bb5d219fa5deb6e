"""Writes a search's story to the outbox: one run for the search, one below it for each trial."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path

from ...text import counted
from ..messages import EpochEnded, Outcome, TrialResult, TrialTask
from ..studies.study import Study
from ..studies.trial_records import TrialRecord
from ..trial_folder import TrialFolder, augmentation_file
from .mlflow_names import mlflow_name, trial_model_name
from .model_keeping import ModelKeeper
from .outbox import Outbox, last_epochs, open_runs
from .records import (
    BEST_PREFIX,
    DATASET_TAG,
    EPOCHS_METRIC,
    FINGERPRINT_TAG,
    KIND_TAG,
    MAX_EPOCHS_TAG,
    NAME_TAG,
    NAMES_TAG,
    NOTE_TAG,
    OBJECTIVE_METRIC,
    OBJECTIVE_TAG,
    REASON_TAG,
    SEARCH_KIND,
    SEED_TAG,
    SENT_FILES,
    SPACE_TAG,
    STATE_TAG,
    STUDY_TAG,
    TRIAL_KIND,
    TRIAL_TAG,
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

# Drawing a study takes the sender some seconds; the first time most of them are imports, which are better done while
# trials run than when all wait for the end.
FIRST_DRAWN_AFTER_S, REDRAW_EVERY_S = 10.0, 60.0
# Drawing every plot of a trial takes half a second of a processor more than drawing those that trials are compared by.
# After shorter trials than this, only those that were the best so far have every plot.
EVERY_PLOT_FROM_S = 30.0

RUN_STATUS: dict[Outcome, RunStatus] = {
    "complete": "FINISHED",
    "pruned": "KILLED",
    "infeasible": "KILLED",
    "failed": "FAILED",
    "interrupted": "KILLED",
}


# Outcomes of trials that did not fail and have no result: their runs say so in their names.
ENDED_EARLY: tuple[Outcome, ...] = ("pruned", "infeasible")


def trial_key(identity: str, number: int) -> str:
    """Returns our own, unique name of a trial's run, from the study's identity and the trial's number."""
    return f"{identity}-{number}"


class Journal:
    """The story of one search.

    Args:
        outbox: Takes the records.
        study: The study that is searched.
        search_key: Unique name of this search's run.
        about: Tags of all its runs.
        most_models: How many trials keep their models, the best ones; None for all.
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
        self._draw_at = time.monotonic() + FIRST_DRAWN_AFTER_S
        self._augmentation_shown = False
        self._best: TrialResult | None = None
        self._told_before: dict[str, int] = {}
        self._search_key = search_key
        self._experiment = study.definition.dataset
        self._about = about
        self._tags = {
            STUDY_TAG: study.name,
            DATASET_TAG: study.definition.dataset,
            SPACE_TAG: study.definition.space,
            OBJECTIVE_TAG: ", ".join(name for name, _ in study.definition.objectives),
        }
        before: list[TrialRecord] = []
        if most_models is not None:
            # Trials that were left open are ended later, and displace models then.
            left_open = self.trials_left_open()
            before = [record for record in study.records() if record.number not in left_open]
        self._models = ModelKeeper(most_models, study.definition.direction, before)

    def search_started(self, dataset: DatasetLogged, settings: Mapping[str, str], sent: Iterable[Path] = ()) -> None:
        """Begins the search's run, and ends those of earlier searches whose supervisor was killed.

        Args:
            dataset: The data set, without the key of the run.
            settings: The search's settings, as params.
            sent: Folders of what was sent from Python, which are kept with the run.
        """
        left = [key for key, run in open_runs(self._outbox.path).items() if run.tags.get(KIND_TAG) == SEARCH_KIND]
        for key in left:
            self._outbox.put(TagsSet(key, {STATE_TAG: "killed"}), RunEnded(key, "KILLED", _now()))
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
                    KIND_TAG: SEARCH_KIND,
                    STATE_TAG: "running",
                    NOTE_TAG: self._note(),
                },
                params=dict(settings),
            ),
            replace(dataset, key=self._search_key),
            *(FilesLogged(self._search_key, str(folder), SENT_FILES) for folder in sent),
            trials_view(self._study.name, self._study.identity, self._study.definition),
            every_study_view(self._experiment),
        )

    def _note(self) -> str:
        """Returns the description at the head of the search's run, in Markdown."""
        about = self._study.definition
        return (
            f"Searches the space **{about.space}** on **{about.dataset}** ({about.task}, {about.data}) "
            f"to {about.direction} **{about.objective}** on validation, in trials of at most "
            f"{counted(about.epochs, 'epoch')}. "
            f"Its trials are the runs below it; *Views* above the table of runs lists them best first; "
            f"`apertune compare {about.dataset}` shows more of the study."
        )

    def search_ended(self, state: str, status: RunStatus) -> None:
        """Ends the search's run; a search that finished has its study drawn, with the report."""
        records: list[Record] = [
            TagsSet(self._search_key, {STATE_TAG: state}),
            RunEnded(self._search_key, status, _now()),
        ]
        if status == "FINISHED":
            records.append(StudyChanged(self._search_key, self._study.name, ended=True))
        self._outbox.put(*records)

    def trials_left_open(self) -> set[int]:
        """Returns the numbers of trials whose runs began and have not ended, since their supervisor was killed."""
        identity, _, _ = trial_key(self._identity, 0).rpartition("-")
        parts = (key.rpartition("-") for key in open_runs(self._outbox.path))
        return {int(number) for study, _, number in parts if study == identity}

    def know_going_on(self, numbers: Iterable[int]) -> None:
        """Lets the epochs stand that an earlier search told of these trials, even if they are trained again."""
        keys = {trial_key(self._identity, number) for number in numbers}
        self._told_before = last_epochs(self._outbox.path, keys)

    def best_trial(self, result: TrialResult) -> None:
        """Tags the search's run with its best trial so far. A new one is told of before its end is."""
        self._best = result
        value = "" if result.value is None else f"{result.value:.6g}"
        self._outbox.put(TagsSet(self._search_key, {"best_trial": str(result.number), "best_value": value}))

    def trial_started(self, task: TrialTask, dataset: DatasetLogged) -> None:
        """Begins a trial's run, or continues it.

        Args:
            task: The trial.
            dataset: The data set, without the key of the run.
        """
        key = trial_key(self._identity, task.number)
        repeat = {SEED_TAG: str(task.seed), MAX_EPOCHS_TAG: str(task.epochs), FINGERPRINT_TAG: task.view.fingerprint}
        facts = {KIND_TAG: TRIAL_KIND, TRIAL_TAG: str(task.number), STATE_TAG: "running"}
        tags = {**self._tags, **self._about, **repeat, **facts}
        params = {mlflow_name(name): str(value) for name, value in task.values.items()}
        renamed = {mlflow_name(name): name for name in task.values if mlflow_name(name) != name}
        if renamed:
            tags[NAMES_TAG] = json.dumps(renamed, ensure_ascii=False)
        self._outbox.put(
            RunStarted(key, self._experiment, self._name(task.number), _now(), self._search_key, tags, params),
            replace(dataset, key=key),
        )

    def epoch_ended(self, event: EpochEnded) -> None:
        """Logs the numbers of an epoch, unless an earlier search did."""
        key = trial_key(self._identity, event.number)
        if event.epoch <= self._told_before.get(key, 0):
            return
        told = {**event.metrics, **event.system}
        points = tuple((name, value, event.epoch, event.time_ms) for name, value in told.items())
        self._outbox.put(MetricsLogged(key, points))

    def trial_ended(self, result: TrialResult, folder: TrialFolder) -> None:
        """Ends a trial's run, for now or for good.

        Model and artifacts are removed once the tracking server has them, but not those of an interrupted trial: when
        the trial continues it leaves them again, perhaps before they are sent.

        Args:
            result: How the trial ended.
            folder: The folder of the trial.
        """
        key, now = trial_key(self._identity, result.number), _now()
        records: list[Record] = []
        numbers = _summary(result)
        if numbers:
            records.append(MetricsLogged(key, tuple((name, value, 0, now) for name, value in numbers.items())))
        tags = {STATE_TAG: result.outcome, **({REASON_TAG: result.reason} if result.reason else {})}
        if result.outcome != "interrupted":
            tags[NOTE_TAG] = self._story(result)
        if result.outcome in ENDED_EARLY:
            # MLflow's status is "killed" for all of these, which looks like a fault.
            tags[NAME_TAG] = f"{self._name(result.number)} ({result.outcome})"
        records.append(TagsSet(key, tags))
        if result.outcome != "interrupted":
            records += self._file_records(result, key, folder, now)
        records.append(RunEnded(key, RUN_STATUS[result.outcome], now))
        if time.monotonic() >= self._draw_at:
            records.append(StudyChanged(self._search_key, self._study.name))
            self._draw_at = time.monotonic() + REDRAW_EVERY_S
        self._outbox.put(*records)

    def _name(self, number: int) -> str:
        """Returns the name of a trial's run."""
        return f"{self._study.name} #{number}"

    def _story(self, result: TrialResult) -> str:
        """Returns the description at the head of a trial's run and of its model, in Markdown."""
        value = "" if result.value is None else f" with **{self._study.definition.objective} {result.value:.4f}**"
        reason = f": {result.reason}" if result.reason else "."
        return (
            f"Trial {result.number} of the study {self._study.name} on {self._experiment}: **{result.outcome}** after "
            f"{counted(result.epochs, 'epoch')}{value}{reason}"
        )

    def _file_records(self, result: TrialResult, key: str, folder: TrialFolder, now: int) -> list[Record]:
        records: list[Record] = []
        if folder.artifacts.is_dir():
            records += self._augmentation_records(folder)
            few = self._has_few_plots(result)
            records.append(FilesLogged(key, str(folder.artifacts), remove=True, few_plots=few))
        if result.has_model:
            records += self._model_records(result, folder.model, now)
        return records

    def _has_few_plots(self, result: TrialResult) -> bool:
        """Returns whether a trial was so short, and is so far from the best, that some plots tell less than they cost.

        Among several objectives there is no best trial, and a trial that is told of late may have been the best.
        """
        best = self._best
        if best is None or len(self._study.definition.objectives) > 1:
            return False
        is_best = result.number == best.number or result.value == best.value
        return not is_best and result.seconds < EVERY_PLOT_FROM_S

    def _augmentation_records(self, folder: TrialFolder) -> list[Record]:
        """Returns the record that shows, with the search's run, the augmentation of the first trial that has one."""
        if self._augmentation_shown or not folder.augmentation.exists():
            return []
        self._augmentation_shown = True
        folder.shown.mkdir(exist_ok=True)
        shutil.copy(folder.augmentation, augmentation_file(folder.shown))
        return [FilesLogged(self._search_key, str(folder.shown), remove=True)]

    def _model_records(self, result: TrialResult, folder: Path, now: int) -> list[Record]:
        kept, fallen = self._models.ended(result)
        records: list[Record] = [ModelDropped(trial_key(self._identity, number)) for number in fallen]
        if kept:
            scores = {f"{BEST_PREFIX}{name}": value for name, value in result.metrics.items()}
            key = trial_key(self._identity, result.number)
            # The run has the same points: at the same time, MLflow keeps them once.
            tags = {**self._tags, TRIAL_TAG: str(result.number), NOTE_TAG: self._story(result)}
            name = trial_model_name(self._experiment, result.number)
            records.append(ModelLogged(key, str(folder), name, scores, now, tags, remove=True))
        else:
            shutil.rmtree(folder, ignore_errors=True)
        return records


def _summary(result: TrialResult) -> dict[str, float]:
    """Returns the metrics of a whole trial. Those with `BEST_PREFIX` are of the best epoch's weights, on validation."""
    if result.outcome == "interrupted":
        return {}
    numbers: dict[str, float | None] = {
        OBJECTIVE_METRIC: result.value,
        **{f"{BEST_PREFIX}{name}": value for name, value in result.metrics.items()},
        EPOCHS_METRIC: result.epochs,
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
