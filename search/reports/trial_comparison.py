"""Chosen trials of a study side by side, and tests of their predictions that tell whether differences are real."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from ...datasets.base import Labels
from ...errors import ModelError, StudyError
from ..evaluation.comparison import PairComparison, ParameterRow, compare_pairs, parameter_rows
from ..evaluation.decisions import Probabilities
from ..evaluation.pages import plot_html, plotly_script, render, write_page
from ..results import StudyResult
from ..settings import Home
from ..studies.definition import StudyDefinition
from ..studies.opening import open_study
from ..studies.storage.storage import open_storage
from ..studies.trial_records import TrialRecord
from ..tracking.mlflow_store import fetch_run_file
from .report import learning_curves_figure, shown_value
from .sources import NOT_IN_MLFLOW, histories

PREDICTIONS = "predictions.npz"
# Enough for two digits of a 95 % interval, and done within seconds even for the slow metrics.
RESAMPLES = 300
SEED = 0


@dataclass(frozen=True)
class TrialComparison:
    """Chosen trials of a study, with all that their comparison shows."""

    study: str
    """The study's name."""
    definition: StudyDefinition
    """The study's definition."""
    trials: Sequence[TrialRecord]
    """The trials in the order chosen."""
    run_ids: Mapping[int, str]
    """MLflow runs of the study's trials, by trial number."""
    parameters: Sequence[ParameterRow]
    """The trials' parameters, those that differ first."""
    pairs: Sequence[PairComparison]
    """Every pair of trials whose predictions are there."""
    missing: Sequence[str] = ()
    """One line for each trial without predictions to compare, with the reason."""
    histories: Mapping[int, Sequence[Mapping[str, float]]] = field(default_factory=dict)
    """Metrics per epoch, by trial number."""


def compare_trials(home: Home, result: StudyResult, numbers: Sequence[int]) -> TrialComparison:
    """Compares trials of a study by their parameters and their predictions on validation.

    Args:
        home: Where the study and its results are.
        result: The study.
        numbers: Numbers of the trials.

    Raises:
        StudyError: The study lacks one of the trials.
    """
    by_number = {trial.number: trial for trial in result.trials}
    if unknown := [str(number) for number in numbers if number not in by_number]:
        have = f"it has 0 to {max(by_number)}" if by_number else "it has none yet"
        raise StudyError(f"study '{result.name}' has no trial {', '.join(unknown)}; {have}")
    chosen = [by_number[number] for number in numbers]
    labels, probabilities, missing = _predictions(home, result, numbers)
    definition = result.definition
    pairs: list[PairComparison] = []
    if labels is not None and len(probabilities) > 1:
        objective = definition.objective
        pairs = compare_pairs(definition.task, objective, labels, probabilities, seed=SEED, resamples=RESAMPLES)
    return TrialComparison(
        study=result.name,
        definition=definition,
        trials=chosen,
        run_ids=result.run_ids,
        parameters=parameter_rows([trial.params for trial in chosen]),
        pairs=pairs,
        missing=missing,
        histories=histories(open_study(open_storage(home.storage), result.name), chosen),
    )


def write_comparison(comparison: TrialComparison, target: Path) -> Path:
    """Writes the comparison as one page that works without a network, and returns its path."""
    figure = learning_curves_figure(comparison.histories, comparison.definition.objective)
    page = render(
        "comparison.html", data=comparison, shown_value=shown_value, plot=plot_html(figure), script=plotly_script()
    )
    target.parent.mkdir(parents=True, exist_ok=True)
    return write_page(target, page)


def _predictions(
    home: Home, result: StudyResult, numbers: Sequence[int]
) -> tuple[Labels | None, dict[int, Probabilities], list[str]]:
    """Returns the validation labels, probabilities by trial, and a line for each trial without any to compare."""
    labels: Labels | None = None
    probabilities: dict[int, Probabilities] = {}
    missing = []
    for number in numbers:
        try:
            its_labels, its_probabilities = _fetch_predictions(home, result.run_ids.get(number))
        except (ModelError, StudyError) as error:
            missing.append(f"trial {number}: {error}")
            continue
        if labels is not None and not np.array_equal(labels, its_labels):
            missing.append(f"trial {number}: its predictions are of other validation images")
            continue
        labels, probabilities[number] = its_labels, its_probabilities
    return labels, probabilities, missing


def _fetch_predictions(home: Home, run_id: str | None) -> tuple[Labels, Probabilities]:
    if run_id is None:
        raise StudyError(f"it {NOT_IN_MLFLOW}")
    with tempfile.TemporaryDirectory() as folder:
        file = fetch_run_file(run_id, PREDICTIONS, home.tracking_uri, Path(folder))
        try:
            with np.load(file) as saved:
                labels, probabilities = saved["labels"], saved["probabilities"]
        except (OSError, ValueError, KeyError, EOFError) as error:
            raise ModelError(f"{PREDICTIONS} of MLflow run {run_id} is damaged: {error}") from None
    if not np.isfinite(probabilities).all():
        raise ModelError("its predictions are not finite")
    return labels, probabilities
