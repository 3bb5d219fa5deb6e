"""Reads back what searches left: studies and their trials."""

from __future__ import annotations

import math
import operator
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from ..errors import StudyError
from ..spaces.registry import SPACES
from .settings import Home
from .studies.definition import StudyDefinition
from .studies.opening import open_study, study_names
from .studies.storage.ownership import Owner, find_owner
from .studies.storage.storage import open_to_read
from .studies.study import Study
from .studies.trial_records import TrialRecord
from .tracking.journal import trial_key
from .tracking.outbox import Progress, read_progress


@dataclass(frozen=True)
class StudyResult:
    """A study as it stands. run_ids: MLflow runs by trial number; owner: who searches it now, if anybody.

    trials: without an owner, those that had begun are interrupted, and none runs. target: trials its latest search is
    to bring it to. updated: when its latest trial began, Unix seconds. problem: what keeps results from the tracking
    server.
    """

    name: str
    definition: StudyDefinition
    trials: tuple[TrialRecord, ...]
    run_ids: dict[int, str]
    owner: Owner | None
    target: int
    updated: float
    problem: str

    @property
    def finished(self) -> int:
        """How many trials have an outcome, those over a limit left out."""
        return sum(trial.is_counted for trial in self.trials)

    def best_first(self) -> list[TrialRecord]:
        """Complete trials by value, then the others by number."""
        return sorted(self.trials, key=lambda trial: rank(trial, self.definition.direction))

    def complete(self) -> list[TrialRecord]:
        """Complete trials, best first."""
        return complete_best_first(self.trials, self.definition.direction)


def complete_best_first(trials: Iterable[TrialRecord], direction: str) -> list[TrialRecord]:
    """The complete ones of them, best first, as `rank` has it."""
    return sorted((trial for trial in trials if trial.state == "complete"), key=lambda trial: rank(trial, direction))


def rank(trial: TrialRecord, direction: str) -> tuple[int, float, int]:
    """A sort key that puts complete trials first, best first; what is not finite comes last of them."""
    order = ("complete", "running", "interrupted", "pruned", "infeasible", "failed")
    value = trial.value if trial.value is not None else 0.0
    sign = -1.0 if direction == "maximize" else 1.0
    key = sign * value if math.isfinite(value) else math.inf
    return order.index(trial.state) if trial.state in order else len(order), key, trial.number


def without_owner(trials: Sequence[TrialRecord]) -> tuple[TrialRecord, ...]:
    """The trials of a study that nobody searches: those that had begun are interrupted, and not running."""
    return tuple(replace(trial, state="interrupted") if trial.state == "running" else trial for trial in trials)


def is_reference(study: StudyResult) -> bool:
    """Whether a study is of a published network rather than a search."""
    entry = SPACES.get(study.definition.space)
    return entry is not None and entry.publication is not None


def pareto_front(trials: Sequence[TrialRecord], objectives: Sequence[tuple[str, str]]) -> set[int]:
    """Numbers of the complete trials that no other one beats: as good in every objective and better in one."""
    complete = [trial for trial in trials if trial.state == "complete"]
    values = {trial.number: losses for trial in complete if (losses := _losses(trial, objectives)) is not None}
    return {
        number
        for number, mine in values.items()
        if not any(other != mine and all(map(operator.le, other, mine)) for other in values.values())
    }


def _losses(trial: TrialRecord, objectives: Sequence[tuple[str, str]]) -> tuple[float, ...] | None:
    """The objectives' values, turned so that less is better."""
    values = [trial.value, *(trial.value_of(name) for name, _ in objectives[1:])]
    if any(value is None for value in values):
        return None
    signs = [-1.0 if direction == "maximize" else 1.0 for _, direction in objectives]
    return tuple(sign * value for sign, value in zip(signs, values, strict=True) if value is not None)


def read_study(home: Home, name: str) -> StudyResult:
    """Raises StudyError when there is none of that name, SettingError for a database that is not there."""
    return _read(home, open_study(open_to_read(home), name))


def read_studies(home: Home, dataset: str | None = None) -> list[StudyResult]:
    """All studies, or those of a data set; those not made by Apertune are passed over.

    Raises SettingError for a database that is not there; of one data set, for which a search may be about to make it,
    there are then no studies.
    """
    storage = open_to_read(home, may_be_missing=dataset is not None)
    results = []
    for name in study_names(storage):
        try:
            result = _read(home, open_study(storage, name))
        except StudyError:
            continue
        if dataset is None or result.definition.dataset == dataset:
            results.append(result)
    return results


def run_ids_by_number(study: Study, records: Sequence[TrialRecord], progress: Progress) -> dict[int, str]:
    """MLflow's runs of a study's trials, as far as the sender knows them."""
    identity = study.identity
    numbers = {trial_key(identity, record.number): record.number for record in records}
    return {numbers[key]: run_id for key, run_id in progress.run_ids.items() if key in numbers}


def _read(home: Home, study: Study) -> StudyResult:
    folder = home.study_folder(study.name)
    progress = read_progress(folder / "outbox.jsonl")
    owner = find_owner(home, study.name)
    records = study.records_in(home.records_file(study.name))
    launch = study.launch()
    return StudyResult(
        name=study.name,
        definition=study.definition,
        trials=without_owner(records) if owner is None else tuple(records),
        run_ids=run_ids_by_number(study, records, progress),
        owner=owner,
        target=launch.target if launch else len(records),
        updated=max((record.began for record in records), default=0.0),
        problem=progress.problem,
    )
