"""The sources of a report: the study itself, and the files that its best trial left in MLflow."""

from __future__ import annotations

import csv
import math
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path

from ...errors import ModelError
from ...files.scratch import scratch_folder
from ...spaces.registry import published_by
from ..evaluation.study_plots import LEAST_TRIALS, importances, missing_plots
from ..results import StudyResult, complete_best_first, result_of
from ..settings import Home
from ..studies.drawn_study import DrawnStudy
from ..studies.frozen_trials import steps_of
from ..studies.opening import open_study
from ..studies.storage.storage import open_storage
from ..studies.study import Study
from ..studies.trial_records import TrialRecord
from ..tracking.mlflow_store import fetch_run_file
from ..tracking.outbox import unsent
from ..tracking.records import DatasetLogged
from .findings import find
from .report import MOST_CURVES, ReportData, write_report
from .study_standing import study_standing

# Files of the best trial's run that a report shows at once, by title, and those that it folds away.
PICTURES = {
    "Confusion matrix of the best trial": "confusion_matrix.png",
    "Its most confident mistakes": "mistakes.png",
}
MORE_PICTURES = {
    "Scores of each class": "class_scores.png",
    "Predictions": "predictions.png",
    "Reliability": "reliability.png",
    "Reliability of each label": "label_reliability.png",
    "Precision, recall and F1 by threshold": "thresholds.png",
    "Minimum probability to accept an answer": "minimum_probability.png",
}
SCORES = "scores.csv"
FILES = (SCORES, *PICTURES.values(), *MORE_PICTURES.values())
# Files that only trials of one task leave.
OF_TASK = {"label_reliability.png": "multilabel", "thresholds.png": "binary"}
SPLITS = ("train", "validation", "test")
NOT_IN_MLFLOW = "has no MLflow run yet; send what is waiting with: apertune sync"


def write_study_report(home: Home, name: str, target: Path) -> tuple[str, ...]:
    """Writes the report of a study as it stands.

    Args:
        home: Where the study and its results are.
        name: The study's name.
        target: The page.

    Returns:
        A line on each part of the best trial that MLflow does not have, so that the page lacks it.

    Raises:
        StudyError: There is no study of that name.
    """
    return write_drawn_report(home, DrawnStudy.of(open_study(open_storage(home.storage), name)), target)


def write_drawn_report(home: Home, drawn: DrawnStudy, target: Path) -> tuple[str, ...]:
    """Writes the report of a study that is drawn already, as `write_study_report` does."""
    result = result_of(home, drawn.study)
    with scratch_folder("report") as files:
        missing = fetch_best_files(home, result, files)
        write_report(collect_report(home, drawn, result, files=files, created=written_now()), target)
    return tuple(missing)


def collect_report(home: Home, drawn: DrawnStudy, result: StudyResult, *, files: Path, created: str) -> ReportData:
    """Gathers all parts of a study's report.

    Args:
        home: Where the study and its results are.
        drawn: The study with its plots.
        result: Its results.
        files: A folder with the files of `FILES` that the best trial left; the report lacks what this folder lacks.
        created: The time of writing, as the reader sees it.
    """
    study = drawn.study
    records = list(result.trials)
    scores = read_scores(files / SCORES)
    weights = importances(drawn.shown)
    standing = study_standing(home, result)
    return ReportData(
        name=study.name,
        definition=study.definition,
        trials=records,
        created=created,
        dataset_facts=dataset_facts(home, study),
        baseline=scores["class_frequencies_alone"],
        reference=scores["published_reference"],
        reference_source=published_by(scores["published_reference"]),
        importances=weights.shares if weights.complete >= LEAST_TRIALS["Importance"] else {},
        importance_warning=weights.warning if weights.complete >= LEAST_TRIALS["Importance"] else "",
        plots=drawn.figures,
        histories=histories(study, complete_best_first(records, study.definition.direction)[:MOST_CURVES]),
        missing_plots=missing_plots(sum(record.state == "complete" for record in records)),
        pictures=_found(PICTURES, files),
        more_pictures=_found(MORE_PICTURES, files),
        standing=standing,
        findings=find(result, standing),
        gpu_hours=_total([record.gpu_seconds for record in records], 3600),
        energy_kwh=_total([record.energy_joules for record in records], 3.6e6),
    )


def _found(titles: Mapping[str, str], folder: Path) -> list[tuple[str, Path]]:
    return [(title, folder / file) for title, file in titles.items() if (folder / file).is_file()]


def dataset_facts(home: Home, study: Study) -> dict[str, str]:
    """Returns what the searches that ran here noted of the data set: images per split, shape, classes."""
    facts = {"source": study.definition.data} if study.definition.data else {}
    for record, _ in unsent(home.study_folder(study.name) / "outbox.jsonl", 0):
        if isinstance(record, DatasetLogged):
            told = {"images for " + part: f"{int(record.facts[part]):,}" for part in SPLITS if part in record.facts}
            others = {name.replace("_", " "): value for name, value in record.facts.items() if name not in SPLITS}
            return {**facts, **told, **others}
    return facts


def _total(parts: Sequence[float | None], unit: float) -> float | None:
    """Returns the sum of the parts that were measured, in the unit; None if none was."""
    measured = [part for part in parts if part is not None]
    return sum(measured) / unit if measured else None


def fetch_best_files(home: Home, result: StudyResult, folder: Path) -> list[str]:
    """Copies the best trial's files in `FILES` from MLflow to the folder; returns one line for each that is missing."""
    complete = result.complete()
    if not complete:
        return []
    run_id = result.run_ids.get(complete[0].number)
    if run_id is None:
        return [f"trial {complete[0].number} {NOT_IN_MLFLOW}"]
    missing = []
    for file in (name for name in FILES if OF_TASK.get(name, result.definition.task) == result.definition.task):
        try:
            fetch_run_file(run_id, file, home.tracking_uri, folder)
        except ModelError as error:
            missing.append(str(error))
    return missing


def written_now() -> str:
    """Returns the present time, as the reader of a report sees it."""
    return datetime.now().astimezone().strftime("%Y-%m-%d %H:%M %Z")


def read_scores(file: Path) -> dict[str, dict[str, float]]:
    """Returns the columns of `scores.csv` by metric, without empty cells; all of them empty if there is no file."""
    columns: dict[str, dict[str, float]] = {"value": {}, "class_frequencies_alone": {}, "published_reference": {}}
    if not file.is_file():
        return columns
    with file.open(encoding="utf-8", newline="") as lines:
        for row in csv.DictReader(lines):
            for name, column in columns.items():
                if row[name]:
                    column[row["metric"]] = float(row[name])
    return columns


def histories(study: Study, trials: Sequence[TrialRecord]) -> dict[int, Sequence[Mapping[str, float]]]:
    """Returns the objective per epoch of each trial, by trial number; NaN for an epoch that was not reported."""
    frozen = {trial.number: trial for trial in study.optuna.get_trials(deepcopy=False)}
    key = f"val_{study.definition.objective}"
    reported: dict[int, Sequence[Mapping[str, float]]] = {}
    for trial in trials:
        values = steps_of(frozen[trial.number])
        reported[trial.number] = [{key: values.get(n, math.nan)} for n in range(1, max(values, default=0) + 1)]
    return reported
