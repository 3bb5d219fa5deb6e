"""Studies and their trials, read back as searches left them."""

from __future__ import annotations

import math
import operator
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from ..errors import StudyError
from ..spaces.registry import SPACES
from .evaluation.direction import Direction
from .settings import Home
from .studies.definition import StudyDefinition
from .studies.opening import open_study, study_names
from .studies.storage.ownership import Owner, find_owner
from .studies.storage.storage import open_to_read
from .studies.study import Study
from .studies.trial_records import TrialRecord
from .tracking.journal import trial_key
from .tracking.outbox import Progress, held_line, read_progress


@dataclass(frozen=True)
class StudyResult:
    """A study as it stands."""

    name: str
    """The study's name."""
    definition: StudyDefinition
    """The study's definition."""
    trials: tuple[TrialRecord, ...]
    """All trials by number; in a study without an owner none is running: those that had begun are interrupted."""
    run_ids: dict[int, str]
    """MLflow runs by trial number, as far as they are known."""
    owner: Owner | None
    """The search that works on it now, if there is one."""
    target: int
    """The number of trials that its latest search is to bring it to."""
    updated: float
    """The time its latest trial began, in Unix seconds; 0 without a trial."""
    problem: str
    """The reason why results do not reach the tracking server; empty if they do."""
    held: str = ""
    """One line on the records that the tracking server did not take though it takes others; empty without any."""

    @property
    def finished(self) -> int:
        """Number of trials that have an outcome, without those over a limit."""
        return sum(trial.is_counted for trial in self.trials)

    def best_first(self) -> list[TrialRecord]:
        """Returns complete trials, best first, then the others by state and number."""
        return sorted(self.trials, key=lambda trial: rank(trial, self.definition.direction))

    def complete(self) -> list[TrialRecord]:
        """Returns the complete trials, best first."""
        return complete_best_first(self.trials, self.definition.direction)


def complete_best_first(trials: Iterable[TrialRecord], direction: Direction) -> list[TrialRecord]:
    """Returns the complete trials among these, best first, in the order of `rank`."""
    return sorted((trial for trial in trials if trial.state == "complete"), key=lambda trial: rank(trial, direction))


def rank(trial: TrialRecord, direction: Direction) -> tuple[int, float, int]:
    """Returns a sort key: complete trials first, best first among them, values that are not finite last among them."""
    order = ("complete", "running", "interrupted", "pruned", "infeasible", "failed")
    value = trial.value if trial.value is not None else 0.0
    key = direction.loss(value) if math.isfinite(value) else math.inf
    return order.index(trial.state) if trial.state in order else len(order), key, trial.number


def without_owner(trials: Sequence[TrialRecord]) -> tuple[TrialRecord, ...]:
    """Returns the trials as they are in a study that no search works on: interrupted instead of running."""
    return tuple(replace(trial, state="interrupted") if trial.state == "running" else trial for trial in trials)


def is_reference(study: StudyResult) -> bool:
    """Returns whether a study trains a published network as it stands rather than search a space."""
    entry = SPACES.get(study.definition.space)
    return entry is not None and entry.publication is not None


def pareto_front(trials: Sequence[TrialRecord], objectives: Sequence[tuple[str, Direction]]) -> set[int]:
    """Returns the numbers of the complete trials that no other trial beats.

    One trial beats another if it is as good in every objective and better in one.
    """
    complete = [trial for trial in trials if trial.state == "complete"]
    values = {trial.number: losses for trial in complete if (losses := _losses(trial, objectives)) is not None}
    return {
        number
        for number, mine in values.items()
        if not any(other != mine and all(map(operator.le, other, mine)) for other in values.values())
    }


def _losses(trial: TrialRecord, objectives: Sequence[tuple[str, Direction]]) -> tuple[float, ...] | None:
    """Returns the objectives' values, turned so that less is better; None if the trial lacks one of them."""
    values = [trial.value, *(trial.value_of(name) for name, _ in objectives[1:])]
    losses = [
        direction.loss(value) for (_, direction), value in zip(objectives, values, strict=True) if value is not None
    ]
    return tuple(losses) if len(losses) == len(objectives) else None


def read_study(home: Home, name: str) -> StudyResult:
    """Reads one study.

    Raises:
        StudyError: There is no study of that name.
        SettingError: The database is not there.
    """
    return result_of(home, open_study(open_to_read(home), name))


def read_studies(home: Home, dataset: str | None = None) -> list[StudyResult]:
    """Reads all studies, or those of a data set; studies that Apertune did not make are passed over.

    Args:
        home: Where the studies are.
        dataset: The data set's name. With it, a database that is not there holds no studies, since a search may be
            about to create it.

    Raises:
        SettingError: The database is not there, and no data set was named.
    """
    storage = open_to_read(home, may_be_missing=dataset is not None)
    results = []
    for name in study_names(storage):
        try:
            result = result_of(home, open_study(storage, name))
        except StudyError:
            continue
        if dataset is None or result.definition.dataset == dataset:
            results.append(result)
    return results


def run_ids_by_number(study: Study, records: Sequence[TrialRecord], progress: Progress) -> dict[int, str]:
    """Returns the MLflow runs of a study's trials by number, as far as the sender knows them."""
    identity = study.identity
    numbers = {trial_key(identity, record.number): record.number for record in records}
    return {numbers[key]: run_id for key, run_id in progress.run_ids.items() if key in numbers}


def result_of(home: Home, study: Study) -> StudyResult:
    """Reads a study that is open."""
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
        held=held_line(progress),
    )
