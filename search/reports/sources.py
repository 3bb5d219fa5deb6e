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
from ..evaluation.study_plots import LEAST_TRIALS, StudyFigures, importances, missing_plots, study_figures
from ..results import complete_best_first, read_study
from ..settings import Home
from ..studies.frozen_trials import steps_of
from ..studies.opening import open_study
from ..studies.readable import readable
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


def write_study_report(home: Home, name: str, target: Path, figures: StudyFigures | None = None) -> tuple[str, ...]:
    """Writes the report of a study as it stands.

    Args:
        home: Where the study and its results are.
        name: The study's name.
        target: The page.
        figures: The study's `study_figures`, where they are drawn already.

    Returns:
        A line on each part of the best trial that MLflow does not have, so that the page lacks it.

    Raises:
        StudyError: There is no study of that name.
    """
    with scratch_folder("report") as files:
        missing = fetch_best_files(home, name, files)
        write_report(collect_report(home, name, files=files, created=written_now(), figures=figures), target)
    return tuple(missing)


def collect_report(
    home: Home, name: str, *, files: Path, created: str, figures: StudyFigures | None = None
) -> ReportData:
    """Gathers all parts of a study's report.

    Args:
        home: Where the study and its results are.
        name: The study's name.
        files: A folder with the files of `FILES` that the best trial left; the report lacks what this folder lacks.
        created: The time of writing, as the reader sees it.
        figures: The study's `study_figures`, where they are drawn already.

    Raises:
        StudyError: There is no study of that name.
    """
    study = open_study(open_storage(home.storage), name)
    result = read_study(home, name)
    records = list(result.trials)
    scores = read_scores(files / SCORES)
    # Charts and tables are made from this one copy, so that they agree.
    shown = readable(study)
    if figures is None:
        figures = study_figures(shown, [objective for objective, _ in study.definition.objectives])
    weights = importances(shown)
    standing = study_standing(home, result)
    return ReportData(
        name=name,
        definition=study.definition,
        trials=records,
        created=created,
        dataset_facts=dataset_facts(home, study),
        baseline=scores["class_frequencies_alone"],
        reference=scores["published_reference"],
        reference_source=published_by(scores["published_reference"]),
        importances=weights.shares if weights.complete >= LEAST_TRIALS["Importance"] else {},
        importance_warning=weights.warning if weights.complete >= LEAST_TRIALS["Importance"] else "",
        plots=figures,
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


def fetch_best_files(home: Home, name: str, folder: Path) -> list[str]:
    """Copies the best trial's files in `FILES` from MLflow to the folder; returns one line for each that is missing."""
    result = read_study(home, name)
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
